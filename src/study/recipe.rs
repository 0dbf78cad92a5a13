//! How is one model trained? Length, batch, optimizer and its schedule, loss, augmentation, observation.

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::config::{ModelConfig, TrainConfig};

/// Examples that go through a network at once where a batch is the whole training set: its gradients are summed over
/// such chunks, in the order of the examples. Other chunks are other sums, and other bits.
pub const FULL_CHUNK: usize = 256;

/// How one model is trained: `[train]` with the model's own settings over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// How long.
    pub length: Length,
    /// Examples per step.
    pub batch_size: BatchSize,
    /// SGD and its schedule.
    pub optimizer: Optimizer,
    /// Random crop and flip.
    pub augment: Augment,
    /// What training minimises.
    pub loss: Loss,
    /// When examples are observed.
    pub observe: Observe,
    /// Every how many epochs.
    pub observe_every: u32,
    /// How norm weights start.
    pub norm_init: NormInit,
}

impl TrainConfig {
    /// The recipe of a model.
    pub fn recipe(&self, model: &ModelConfig) -> Recipe {
        let own = Length::of(model.epochs, model.steps);
        Recipe {
            // A config without any length is refused before anybody asks.
            length: own.or(Length::of(self.epochs, self.steps)).unwrap_or(Length::Epochs(0)),
            batch_size: model.batch_size.unwrap_or(self.batch_size),
            optimizer: model.optimizer.clone().unwrap_or_else(|| self.optimizer.clone()),
            augment: model.augment.unwrap_or(self.augment),
            loss: model.loss.unwrap_or(self.loss),
            observe: self.observe,
            observe_every: model.observe_every.or(self.observe_every).unwrap_or(1),
            norm_init: self.norm_init,
        }
    }
}

impl Recipe {
    /// The learning rate of a step: the `step`-th (from 1) in all, in the `epoch`-th (from 1).
    pub fn rate(&self, epoch: u32, step: u64) -> f64 {
        self.optimizer.rate(match self.length {
            Length::Epochs(_) => u64::from(epoch),
            Length::Steps(_) => step,
        })
    }
}

/// How long training lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Passes over the training examples.
    Epochs(u32),
    /// Steps of SGD; the last epoch may be cut.
    Steps(u64),
}

impl Length {
    /// What a config says; none where it says nothing.
    pub fn of(epochs: Option<u32>, steps: Option<u64>) -> Option<Self> {
        steps.map(Self::Steps).or(epochs.map(Self::Epochs))
    }

    /// The number, in its unit.
    pub fn number(self) -> u64 {
        match self {
            Self::Epochs(epochs) => u64::from(epochs),
            Self::Steps(steps) => steps,
        }
    }

    /// What it counts, which is what milestones count too.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Epochs(_) => "epochs",
            Self::Steps(_) => "steps",
        }
    }
}

/// How many examples a step learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// So many.
    Examples(usize),
    /// All training examples: gradient descent without the S.
    Full,
}

impl Default for BatchSize {
    fn default() -> Self {
        Self::Examples(128)
    }
}

impl BatchSize {
    /// Examples in a whole step, of so many training examples.
    pub fn of(self, train: usize) -> usize {
        match self {
            Self::Examples(size) => size,
            Self::Full => train,
        }
    }

    /// Examples that go through the network at once, in passes without training too.
    pub fn at_once(self) -> usize {
        match self {
            Self::Examples(size) => size,
            Self::Full => FULL_CHUNK,
        }
    }
}

impl std::fmt::Display for BatchSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Examples(size) => size.fmt(f),
            Self::Full => f.write_str("full"),
        }
    }
}

impl Serialize for BatchSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Examples(size) => size.serialize(serializer),
            Self::Full => serializer.serialize_str("full"),
        }
    }
}

impl<'de> Deserialize<'de> for BatchSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrFull)
    }
}

/// Reads a batch size; serde's `untagged` would lose the line.
struct NumberOrFull;

impl Visitor<'_> for NumberOrFull {
    type Value = BatchSize;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("batch_size: a whole number of examples, at least 1, or \"full\"")
    }

    fn visit_i64<E: serde::de::Error>(self, size: i64) -> Result<BatchSize, E> {
        let size = usize::try_from(size).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(size), &self))?;
        Ok(BatchSize::Examples(size))
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<BatchSize, E> {
        if word == "full" {
            Ok(BatchSize::Full)
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
        }
    }
}

/// SGD as PyTorch's, with a learning rate that is multiplied by `gamma` after each milestone.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimizer {
    /// Learning rate at the start.
    pub lr: f64,
    /// v = momentum v + (g + decay w)
    pub momentum: f64,
    /// Weight decay on all parameters.
    pub weight_decay: f64,
    /// The rate drops after so many epochs each time; steps where training is as long as a number of steps.
    pub milestones: Vec<u32>,
    /// What it is multiplied by then.
    pub gamma: f64,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self { lr: 0.1, momentum: 0.9, weight_decay: 1e-4, milestones: Vec::new(), gamma: 0.1 }
    }
}

impl Optimizer {
    /// The learning rate at a time (from 1), in the unit of the milestones.
    pub fn rate(&self, time: u64) -> f64 {
        let drops = self.milestones.iter().filter(|milestone| time > u64::from(**milestone)).count();
        (0..drops).fold(self.lr, |rate, _| rate * self.gamma)
    }
}

/// Random changes of a training image, after normalising.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Pads with so many zeros on each side, then cuts the image's size out at random.
    pub crop: usize,
    /// Mirrors left and right half of the time.
    pub flip: bool,
}

/// What training minimises: the mean over the batch of a loss of one example with label y and logits z.
///
/// Whatever it is, every recorded loss (observations, `epochs.jsonl`, screen, the score `loss`) is the cross-entropy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Loss {
    /// `-log softmax(z)[y]`
    #[default]
    #[serde(rename = "cross-entropy")]
    CrossEntropy,
    /// The sum over c != y of `max(0, z[c] - z[y])`: no reward for a margin (Baldock et al. 2021, section 3.3, who
    /// print the difference the other way round, which would teach the wrong classes).
    #[serde(rename = "0-hinge")]
    ZeroHinge,
}

/// Arithmetic of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout.
    Fp32,
    /// CUDA only: factors of convolutions and matrix products rounded to 10 bits of mantissa, sums in 32 bits.
    Tf32,
    /// CUDA only: operands of convolutions and matrix products in bfloat16; weights, norms and losses in 32 bits.
    Bf16,
}

impl Precision {
    /// Its name in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}

/// When an example is observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Observe {
    /// At its presentation in training: train-mode logits of the augmented input, free.
    #[default]
    Minibatch,
    /// In a pass over all examples after each epoch: eval mode, plain input.
    Sweep,
}

/// How the weights of norm layers start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NormInit {
    /// At 1.
    #[default]
    One,
    /// From U(0, 1), as in the library that Kwok et al. trained with.
    Uniform,
}
