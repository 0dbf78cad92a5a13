//! Multinomial logistic regression: one linear layer on the pixels.
//!
//! The gradient of a logit with respect to the input is the same for every example, so `VoG` of logits tells nothing here.

use crate::nn::{Flatten, Kernels, Linear, Sequence};

/// `logistic`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logistic;

impl Logistic {
    /// What its name looks like.
    pub const USAGE: &str = "logistic";
    /// Names that a mistyped one may mean.
    pub const NAMES: &[&str] = &["logistic"];

    /// Parses `logistic`; none for any other name.
    pub fn parse(name: &str) -> Option<Result<Self, String>> {
        (name == Self::USAGE).then_some(Ok(Self))
    }

    /// Its layers.
    pub fn layers<K: Kernels>(&self, classes: usize) -> Sequence<K> {
        Sequence::default().with("", Flatten::default()).embedding().with("fc", Linear::new(classes))
    }
}
