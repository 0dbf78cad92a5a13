//! Where can a network's values be looked at? At its input, at the places that its model marks, and at its output.
//!
//! A model marks a layer with [`Sequence::tapped`](super::Sequence::tapped): its value is seen before its `ReLU`, fused
//! or not. Marks cost nothing: only a pass that asks for such a value makes it apart from the `ReLU`, and that pass ends
//! where the last of the wanted values was made.

use super::Shape;

/// A place in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tap {
    /// What goes in.
    Input,
    /// The marked layer of this number, from 0 in the order of the layers, before its `ReLU`.
    Layer(usize),
    /// The input of the last linear layer: the penultimate embedding.
    Embedding,
    /// The logits.
    Output,
}

/// A place, its name and what is seen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapPoint {
    /// The place.
    pub tap: Tap,
    /// The name of its layer, as its parameters have it: `bn1`, `layer1.0`; `input` and `output` at the ends.
    pub name: String,
    /// Shape of one example's value.
    pub shape: Shape,
}

impl TapPoint {
    /// A place with a name of its own.
    pub(super) fn new(tap: Tap, name: impl Into<String>, shape: Shape) -> Self {
        Self { tap, name: name.into(), shape }
    }
}

/// What a pass is asked to show, and what it has shown.
#[derive(Debug)]
pub struct Shown<B>(Vec<(Tap, Option<B>)>);

impl<B> Default for Shown<B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<B: Clone> Shown<B> {
    /// Nothing is wanted any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// These are wanted.
    pub fn want(&mut self, taps: &[Tap]) {
        self.0 = taps.iter().map(|tap| (*tap, None)).collect();
    }

    /// Whether a place is wanted.
    pub fn wants(&self, tap: Tap) -> bool {
        self.0.iter().any(|(wanted, _)| *wanted == tap)
    }

    /// Whether something was wanted and all of it was seen.
    pub fn is_complete(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|(_, value)| value.is_some())
    }

    /// Keeps the value of a place, where it is wanted.
    pub fn show(&mut self, tap: Tap, value: &B) {
        for (_, seen) in self.0.iter_mut().filter(|(wanted, _)| *wanted == tap) {
            *seen = Some(value.clone());
        }
    }

    /// The values in the order in which they were wanted; the first place that was not passed otherwise.
    ///
    /// # Errors
    /// A place that the network does not have.
    pub fn take(&mut self) -> Result<Vec<B>, Tap> {
        std::mem::take(&mut self.0).into_iter().map(|(tap, value)| value.ok_or(tap)).collect()
    }
}
