//! A planned network: its layers, the tables of its arenas, its input and output, and what can be seen between them.

use super::{Kernels, Layer, Layout, Mode, Plan, Sequence, Shape, Step, Tap, TapPoint, Want};
use crate::Result;

/// Layers whose shapes fit each other and the input.
pub struct Network<K: Kernels> {
    layers: Sequence<K>,
    layout: Layout,
    input: Shape,
    output: Shape,
    taps: Vec<TapPoint>,
}

impl<K: Kernels> Network<K> {
    /// Plans the layers for an input; nothing is allocated.
    ///
    /// # Errors
    /// The reason why a layer cannot work, behind the layer's name.
    pub fn new(mut layers: Sequence<K>, input: Shape) -> Result<Self, String> {
        let mut plan = Plan::default();
        let output = layers.plan(input, &mut plan)?;
        let (layout, marked) = plan.finish();
        let (first, last) = (TapPoint::new(Tap::Input, "input", input), TapPoint::new(Tap::Output, "output", output));
        let taps = std::iter::once(first).chain(marked).chain([last]).collect();
        Ok(Self { layers, layout, input, output, taps })
    }

    /// The tables of parameters and norm statistics.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Shape of one example.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// Shape of one example's output: the classes as channels.
    pub fn output(&self) -> Shape {
        self.output
    }

    /// Where its values can be looked at, in the order in which a batch passes: the input first, the output last.
    pub fn taps(&self) -> &[TapPoint] {
        &self.taps
    }

    /// The values of a batch at some places, in eval mode, in the order of `taps`. The pass ends at the last of them.
    ///
    /// # Errors
    /// `Error::Failed` where the network has no such place.
    pub fn tapped(&self, step: &mut Step<K>, x: K::Buf, taps: &[Tap]) -> Result<Vec<K::Buf>> {
        step.begin_tapped(taps);
        step.show(Tap::Input, &x);
        let y = self.layers.forward(step, x)?;
        step.show(Tap::Output, &y);
        step.take_shown()
    }

    /// The output of a batch, in a mode.
    pub fn forward(&self, step: &mut Step<K>, mode: Mode, x: K::Buf) -> Result<K::Buf> {
        step.begin(mode);
        self.layers.forward(step, x)
    }

    /// The wanted gradients of the batch that went forward last, from the gradient of its output.
    pub fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        step.begin_backward(&dy, want)?;
        self.layers.backward(step, dy, want)
    }
}
