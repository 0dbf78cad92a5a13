//! Per-channel normalisation to mean 0 and standard deviation 1.

use serde::{Deserialize, Serialize};

/// Per-channel mean and standard deviation of training pixels in [0, 1].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// One mean per channel.
    pub mean: Vec<f32>,
    /// One standard deviation per channel.
    pub std: Vec<f32>,
}
