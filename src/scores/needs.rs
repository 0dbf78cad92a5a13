//! What does a score ask the replicate loop for? Passes over all plain examples, and when.

/// A pass over all plain examples in eval mode; it gives a row of numbers per example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// The logits, `[examples, classes]`.
    Logits,
    /// The class with the largest logit (ties to the lowest), `[examples]`.
    Predictions,
    /// The norm of each example's gradient of the cross-entropy over all parameters, `[examples]`.
    WeightNorms,
    /// The population variance, over the ends of all its epochs, of the saliency map of an output: its gradient with respect
    /// to the image, averaged over colour channels, `[examples, pixels]`. Given after the last of its epochs.
    Saliency {
        /// Whose output.
        target: Target,
        /// Which form of it.
        space: Space,
    },
    /// The distance of the image from the nearest decision boundary, by the linear approximation, `[examples]`.
    InputMargins,
    /// The penultimate embedding, the input of the last dense layer, `[examples, features]`.
    Embeddings,
    /// The prediction depth by k-NN probes at every place of the network, `[examples]`; votes, predictions and accuracies of the
    /// probes, and the nearest training examples, are kept in files.
    Depths {
        /// Neighbours that vote.
        k: u32,
        /// Whether a training example has no vote about itself.
        leave_one_out: bool,
    },
    /// The logits after fine-tuning on the part that was held out for it, `[examples, classes]`.
    RetrainedLogits,
}

/// The class whose output a gradient is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// The given label.
    Label,
    /// The class that the network predicts at the time.
    Predicted,
}

/// The form of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// Before the softmax.
    Logit,
    /// Behind it.
    Probability,
}

impl Pass {
    /// Whether what it gives after this epoch is found in the files of a replicate that has `finished`.
    pub fn is_stored(self, epoch: u32, epochs: u32, finished: bool) -> bool {
        match self {
            Self::Logits => finished && epoch == epochs,
            Self::Predictions => epoch == 0,
            _ => false,
        }
    }

    /// Whether the final weights of a finished replicate, and its files, are enough to make it after this epoch.
    pub fn outlives_training(self, epoch: u32, epochs: u32) -> bool {
        self.is_stored(epoch, epochs, true) || (epoch == epochs && !matches!(self, Self::Saliency { .. }))
    }

    /// What it is, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::Logits => "logits of all examples",
            Self::Predictions => "predictions",
            Self::WeightNorms => "gradient norms",
            Self::Saliency { .. } => "input gradients",
            Self::InputMargins => "input margins",
            Self::Embeddings => "penultimate embeddings",
            Self::Depths { .. } => "k-NN probes",
            Self::RetrainedLogits => "fine-tuning on the held-out part",
        }
    }
}

/// A pass, and the epochs (0: initialisation) after whose end it is made, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Need {
    /// Which.
    pub pass: Pass,
    /// After which epochs.
    pub after: Vec<u32>,
}

impl Need {
    /// A pass at one moment.
    pub fn at(pass: Pass, epoch: u32) -> Self {
        Self { pass, after: vec![epoch] }
    }

    /// Whether a training of so many epochs gets to every one of its own.
    pub fn is_met(&self, epochs: u32) -> bool {
        let enough = if matches!(self.pass, Pass::Saliency { .. }) { 2 } else { 1 };
        self.after.len() >= enough && self.after.iter().all(|epoch| *epoch <= epochs)
    }
}
