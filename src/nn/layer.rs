//! What is a layer? Something that plans, computes forward, and tells gradients backward.

use super::{Kernels, Plan, Shape, Step, Tap, Want};
use crate::Result;

/// A layer over one set of kernels.
pub trait Layer<K: Kernels> {
    /// Takes the shape of its input, registers parameters and statistics, and gives the shape of its output.
    ///
    /// # Errors
    /// The reason why it cannot work on this input.
    fn plan(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String>;

    /// The output; pushes what backward needs on the step's tape, where the mode wants one.
    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf>;

    /// The output without the `ReLU` that the layer ends in, where [`Layer::ends_in_relu`]; for passes without a tape.
    fn forward_before_relu(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        self.forward(step, x)
    }

    /// Whether forward ends in a `ReLU` that [`Layer::forward_before_relu`] leaves out.
    fn ends_in_relu(&self) -> bool {
        false
    }

    /// Pops what forward pushed; makes the wanted gradients from `dy`, the gradient of the output.
    ///
    /// Weight gradients overwrite the layer's places in the gradient arena, squared norms are added to the step's.
    /// The gradient of the input comes back where it is wanted.
    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>>;

    /// As [`Layer::backward`] with the input's gradient wanted, added to `onto`: another gradient of the same input.
    fn backward_onto(&self, step: &mut Step<K>, dy: K::Buf, want: Want, onto: K::Buf) -> Result<K::Buf> {
        match self.backward(step, dy, Want { input: true, ..want })? {
            Some(dx) => step.kernels.add(dx, &onto),
            None => Ok(onto),
        }
    }

    /// Whether backward does anything but hand a gradient down: parameters, or a value to take from the tape.
    ///
    /// Training needs no gradient below the first such layer.
    fn needs_backward(&self) -> bool {
        true
    }
}

/// A layer in a sequence.
struct Part<K: Kernels> {
    name: String,
    layer: Box<dyn Layer<K>>,
    /// Where its value can be looked at.
    tap: Option<Tap>,
}

impl<K: Kernels> Part<K> {
    fn plan(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        let Self { name, layer, tap } = self;
        plan.within(name, |plan| {
            let output = layer.plan(input, plan).map_err(|reason| located(name, reason))?;
            if let Some(tap) = tap {
                *tap = plan.tap(*tap, output);
            }
            Ok(output)
        })
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        match self.tap {
            _ if step.has_shown_all() => Ok(x),
            Some(tap) if step.wants(tap) => {
                let value = self.layer.forward_before_relu(step, x)?;
                step.show(tap, &value);
                let goes_on = self.layer.ends_in_relu() && !step.has_shown_all();
                if goes_on { step.kernels.relu(value) } else { Ok(value) }
            }
            _ => self.layer.forward(step, x),
        }
    }
}

/// Layers one after the other, each with its name in the tables (empty: no level of its own).
pub struct Sequence<K: Kernels> {
    layers: Vec<Part<K>>,
}

impl<K: Kernels> Default for Sequence<K> {
    fn default() -> Self {
        Self { layers: Vec::new() }
    }
}

impl<K: Kernels> Sequence<K> {
    /// With one more layer at the end.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, layer: impl Layer<K> + 'static) -> Self {
        self.layers.push(Part { name: name.into(), layer: Box::new(layer), tap: None });
        self
    }

    /// With a probe's place at the last layer, before its `ReLU`. Inside the body of a residual block there is none.
    #[must_use]
    pub fn tapped(self) -> Self {
        // Places are numbered when they are planned.
        self.marked(Tap::Layer(0))
    }

    /// With the output of the last layer as the penultimate embedding.
    #[must_use]
    pub fn embedding(self) -> Self {
        self.marked(Tap::Embedding)
    }

    fn marked(mut self, tap: Tap) -> Self {
        if let Some(last) = self.layers.last_mut() {
            last.tap = Some(tap);
        }
        self
    }
}

impl<K: Kernels> Layer<K> for Sequence<K> {
    fn plan(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        self.layers.iter_mut().try_fold(input, |shape, part| part.plan(shape, plan))
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        self.layers.iter().try_fold(x, |x, part| part.forward(step, x))
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        backward_through(&self.layers, step, dy, want)
    }

    fn backward_onto(&self, step: &mut Step<K>, dy: K::Buf, want: Want, onto: K::Buf) -> Result<K::Buf> {
        let Some((first, rest)) = self.layers.split_first() else { return step.kernels.add(dy, &onto) };
        match backward_through(rest, step, dy, Want { input: true, ..want })? {
            Some(dy) => first.layer.backward_onto(step, dy, want, onto),
            None => Ok(onto),
        }
    }

    fn needs_backward(&self) -> bool {
        self.layers.iter().any(|part| part.layer.needs_backward())
    }
}

/// Backward through layers that follow each other.
fn backward_through<K: Kernels>(
    layers: &[Part<K>],
    step: &mut Step<K>,
    dy: K::Buf,
    want: Want,
) -> Result<Option<K::Buf>> {
    let first = layers.iter().position(|part| part.layer.needs_backward()).unwrap_or(usize::MAX);
    let mut gradient = Some(dy);
    for (index, part) in layers.iter().enumerate().rev() {
        let Some(dy) = gradient else { break };
        let input = want.input || index > first;
        gradient = part.layer.backward(step, dy, Want { input, ..want })?;
    }
    Ok(gradient)
}

fn located(name: &str, reason: String) -> String {
    if name.is_empty() { reason } else { format!("{name}: {reason}") }
}
