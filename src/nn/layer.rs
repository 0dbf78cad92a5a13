//! What is a layer? Something that plans, computes forward, and tells gradients backward.

use super::{Kernels, Plan, Shape, Step, Want};
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

/// Layers one after the other, each with its name in the tables (empty: no level of its own).
pub struct Sequence<K: Kernels> {
    layers: Vec<(String, Box<dyn Layer<K>>)>,
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
        self.layers.push((name.into(), Box::new(layer)));
        self
    }
}

impl<K: Kernels> Layer<K> for Sequence<K> {
    fn plan(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        let next = |shape, (name, layer): &mut (String, Box<dyn Layer<K>>)| {
            plan.within(name, |plan| layer.plan(shape, plan).map_err(|reason| located(name, reason)))
        };
        self.layers.iter_mut().try_fold(input, next)
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        self.layers.iter().try_fold(x, |x, (_, layer)| layer.forward(step, x))
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        backward_through(&self.layers, step, dy, want)
    }

    fn backward_onto(&self, step: &mut Step<K>, dy: K::Buf, want: Want, onto: K::Buf) -> Result<K::Buf> {
        let Some(((_, first), rest)) = self.layers.split_first() else { return step.kernels.add(dy, &onto) };
        match backward_through(rest, step, dy, Want { input: true, ..want })? {
            Some(dy) => first.backward_onto(step, dy, want, onto),
            None => Ok(onto),
        }
    }

    fn needs_backward(&self) -> bool {
        self.layers.iter().any(|(_, layer)| layer.needs_backward())
    }
}

/// Backward through layers that follow each other.
fn backward_through<K: Kernels>(
    layers: &[(String, Box<dyn Layer<K>>)],
    step: &mut Step<K>,
    dy: K::Buf,
    want: Want,
) -> Result<Option<K::Buf>> {
    let first = layers.iter().position(|(_, layer)| layer.needs_backward()).unwrap_or(usize::MAX);
    let mut gradient = Some(dy);
    for (index, (_, layer)) in layers.iter().enumerate().rev() {
        let Some(dy) = gradient else { break };
        let input = want.input || index > first;
        gradient = layer.backward(step, dy, Want { input, ..want })?;
    }
    Ok(gradient)
}

fn located(name: &str, reason: String) -> String {
    if name.is_empty() { reason } else { format!("{name}: {reason}") }
}
