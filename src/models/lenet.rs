//! LeNet-5 (`LeCun` et al. 1998), as it is written today: `ReLU` for tanh, max pools for trained subsampling.
//!
//! 5x5 convolution of 6 channels (padding 2), 2x2 max pool, 5x5 convolution of 16 channels, 2x2 max pool, dense layers of
//! 120 and 84, a linear classifier; all with bias, `ReLU` after each convolution and hidden dense layer. The padding
//! frames 28x28 digits to the 32x32 of the paper: 61,706 parameters at 1 channel and 10 classes. Larger images have more
//! features before the first dense layer; the second convolution needs a side of at least 9. Agarwal et al. (2022) say
//! no more of it than its name, for MNIST.

use crate::nn::{Conv2d, Flatten, Kernels, Linear, MaxPool, Relu, Sequence};

/// `lenet5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeNet;

impl LeNet {
    /// What its name looks like.
    pub const USAGE: &str = "lenet5";
    /// Names that a mistyped one may mean.
    pub const NAMES: &[&str] = &["lenet5"];

    /// Parses `lenet5`; none for any other name.
    pub fn parse(name: &str) -> Option<Result<Self, String>> {
        (name == Self::USAGE).then_some(Ok(Self))
    }

    /// Its layers.
    pub fn layers<K: Kernels>(&self, classes: usize) -> Sequence<K> {
        Sequence::default()
            .with("conv1", Conv2d::new(6, 5, 1, 2).biased())
            .tapped()
            .with("", Relu)
            .with("", MaxPool::new(2))
            .with("conv2", Conv2d::new(16, 5, 1, 0).biased())
            .tapped()
            .with("", Relu)
            .with("", MaxPool::new(2))
            .with("", Flatten::default())
            .with("fc1", Linear::new(120))
            .tapped()
            .with("", Relu)
            .with("fc2", Linear::new(84))
            .tapped()
            .with("", Relu)
            .embedding()
            .with("fc", Linear::new(classes))
    }
}
