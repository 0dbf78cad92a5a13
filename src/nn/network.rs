//! A planned network: its layers, the tables of its arenas, its input and output.

use super::{Kernels, Layer, Layout, Mode, Plan, Sequence, Shape, Step, Want};
use crate::Result;

/// Layers whose shapes fit each other and the input.
pub struct Network<K: Kernels> {
    layers: Sequence<K>,
    layout: Layout,
    input: Shape,
    output: Shape,
}

impl<K: Kernels> Network<K> {
    /// Plans the layers for an input; nothing is allocated.
    ///
    /// # Errors
    /// The reason why a layer cannot work, behind the layer's name.
    pub fn new(mut layers: Sequence<K>, input: Shape) -> Result<Self, String> {
        let mut plan = Plan::default();
        let output = layers.plan(input, &mut plan)?;
        Ok(Self { layers, layout: plan.finish(), input, output })
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
