//! One network that learns on one backend: an SGD step, logits, gradients, and its state to save and restore.

use crate::data::ImageShape;
use crate::models::Model;
use crate::nn::{Entry, Init, Kernels, Layout, Mode, Network, Real, SgdStep, Step, Want};
use crate::random::Key;
use crate::scores::Record;
use crate::study::config::NormInit;
use crate::{Error, Result};

pub use crate::nn::kernels::observe_logits;

/// A network with its step: arenas, momentum and kernels of one backend.
pub struct Learner<K: Kernels> {
    network: Network<K>,
    step: Step<K>,
    /// Host values on their way to a backend that doesn't compute in f32.
    staging: Vec<K::Real>,
    /// Observations that gradient passes make and nobody asked for.
    unasked: Record,
}

/// Everything that training changes, on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LearnerState {
    /// Parameters, laid out as [`Layout::parameters`] says.
    pub weights: Vec<f32>,
    /// SGD's velocity, laid out likewise.
    pub momentum: Vec<f32>,
    /// Norm statistics, laid out as [`Layout::statistics`] says.
    pub statistics: Vec<f32>,
}

impl<K: Kernels> Learner<K> {
    /// Plans a model for images `[C, H, W]` and a number of classes, and allocates its arenas (all zero).
    ///
    /// # Errors
    /// `Error::Usage` where the model cannot work on such images or classes.
    pub fn new(kernels: K, model: &Model, input: ImageShape, classes: usize) -> Result<Self> {
        let network = model.build(input, classes).map_err(Error::Usage)?;
        let step = Step::new(kernels, network.layout())?;
        Ok(Self { network, step, staging: Vec::new(), unasked: Record::default() })
    }

    /// The tables of parameters and norm statistics.
    pub fn layout(&self) -> &Layout {
        self.network.layout()
    }

    /// Kernel set and instruction sets: the same id, the same bits.
    pub fn backend_id(&self) -> String {
        self.step.kernels.backend_id()
    }

    /// Draws the weights on the host, so that every backend starts the same; momentum 0, statistics fresh.
    pub fn initialise(&mut self, key: &Key, norm_init: NormInit) -> Result<()> {
        let layout = self.network.layout();
        let draw = |entries: &[Entry]| entries.iter().flat_map(|entry| initial(entry, key, norm_init)).collect();
        let (weights, statistics): (Vec<f32>, _) = (draw(&layout.parameters), draw(&layout.statistics));
        let momentum = vec![0.0; weights.len()];
        self.restore(&LearnerState { weights, momentum, statistics })
    }

    /// One SGD step on a batch: images `[batch, C, H, W]`, normalised, and a label each.
    ///
    /// `seen` is cleared and filled with the batch's observations (train mode, before the step), in batch order.
    ///
    /// # Errors
    /// `Error::Failed` for an empty batch, labels that don't match the images or are no class, or a failing device.
    pub fn train_step(&mut self, images: &[f32], labels: &[u16], sgd: SgdStep, seen: &mut Record) -> Result<()> {
        seen.clear();
        let logits = self.forward_labelled(Mode::Train, images, labels)?;
        let scale = 1.0 / labels.len() as f64;
        let dy = self.step.kernels.softmax_cross_entropy(&logits, labels, scale, seen)?;
        drop(logits);
        self.network.backward(&mut self.step, dy, Want::WEIGHTS)?;
        self.step.kernels.sgd(&self.step.arenas, sgd)
    }

    /// Appends the eval-mode logits `[batch, classes]` of images.
    pub fn evaluate(&mut self, images: &[f32], logits: &mut Vec<f32>) -> Result<()> {
        let y = self.forward(Mode::Eval, images)?;
        let append = &mut |values: &[K::Real]| logits.extend(values.iter().map(|value| value.to_f32()));
        self.step.kernels.download(self.network.output(), &y, append)
    }

    /// Appends each example's norm of the gradient of its cross-entropy over all parameters (eval mode).
    pub fn gradient_norms(&mut self, images: &[f32], labels: &[u16], norms: &mut Vec<f32>) -> Result<()> {
        let logits = self.forward_labelled(Mode::EvalTaped, images, labels)?;
        self.unasked.clear();
        let dy = self.step.kernels.softmax_cross_entropy(&logits, labels, 1.0, &mut self.unasked)?;
        self.network.backward(&mut self.step, dy, Want::NORMS)?;
        let squared = self.step.squared_norms();
        let squared = squared.ok_or_else(|| Error::Failed("the backward pass left no norms".into()))?;
        let append = &mut |values: &[K::Real]| norms.extend(values.iter().map(|norm| norm.to_f64().sqrt() as f32));
        self.step.kernels.read_arena(squared, append)
    }

    /// Appends each example's gradient `[C, H, W]` of a function of its logits with respect to its image (eval mode).
    ///
    /// `seed(row, logits, gradient)` writes the function's gradient with respect to the logits of one example: 1 at
    /// the label for `VoG`, 1 and -1 at two classes for a margin.
    pub fn input_gradients(
        &mut self,
        images: &[f32],
        mut seed: impl FnMut(usize, &[K::Real], &mut [K::Real]),
        gradients: &mut Vec<f32>,
    ) -> Result<()> {
        let logits = self.forward(Mode::EvalTaped, images)?;
        let (output, input) = (self.network.output(), self.network.input());
        let seeds = &mut self.staging;
        self.step.kernels.download(output, &logits, &mut |values| {
            seeds.clear();
            seeds.resize(values.len(), K::Real::ZERO);
            let rows = values.chunks_exact(output.len()).zip(seeds.chunks_exact_mut(output.len()));
            rows.enumerate().for_each(|(row, (logits, gradient))| seed(row, logits, gradient));
        })?;
        let dy = self.step.kernels.upload(output, seeds)?;
        let dx = self.network.backward(&mut self.step, dy, Want::INPUT)?;
        let dx = dx.ok_or_else(|| Error::Failed("the backward pass gave no input gradient".into()))?;
        let append = &mut |values: &[K::Real]| gradients.extend(values.iter().map(|value| value.to_f32()));
        self.step.kernels.download(input, &dx, append)
    }

    /// Weights, momentum and norm statistics on the host.
    pub fn state(&self) -> Result<LearnerState> {
        let read = |arena: &K::Buf| {
            let mut values = Vec::new();
            let take = &mut |host: &[K::Real]| values.extend(host.iter().map(|value| value.to_f32()));
            self.step.kernels.read_arena(arena, take).map(|()| values)
        };
        let arenas = &self.step.arenas;
        let (weights, momentum) = (read(&arenas.weights)?, read(&arenas.momentum)?);
        Ok(LearnerState { weights, momentum, statistics: read(&arenas.statistics)? })
    }

    /// Sets weights, momentum and norm statistics.
    ///
    /// # Errors
    /// `Error::Failed` where a length is not this network's; nothing is changed then.
    pub fn restore(&mut self, state: &LearnerState) -> Result<()> {
        let layout = self.network.layout();
        let (parameters, statistics) = (layout.parameter_count(), layout.statistic_count());
        for (what, values, expected) in [
            ("weights", &state.weights, parameters),
            ("momentum", &state.momentum, parameters),
            ("norm statistics", &state.statistics, statistics),
        ] {
            if values.len() != expected {
                let reason =
                    format!("{} {what} for a network with {expected}: the state is another model's", values.len());
                return Err(Error::Failed(reason));
            }
        }
        let Step { kernels, arenas, .. } = &mut self.step;
        kernels.write_arena(&arenas.weights, K::Real::from_host(&state.weights, &mut self.staging))?;
        kernels.write_arena(&arenas.momentum, K::Real::from_host(&state.momentum, &mut self.staging))?;
        kernels.write_arena(&arenas.statistics, K::Real::from_host(&state.statistics, &mut self.staging))
    }

    fn forward(&mut self, mode: Mode, images: &[f32]) -> Result<K::Buf> {
        // What an earlier pass left on the tape is free again before the new batch asks for a buffer.
        self.step.begin(mode);
        let values = K::Real::from_host(images, &mut self.staging);
        let x = self.step.kernels.upload(self.network.input(), values)?;
        self.network.forward(&mut self.step, mode, x)
    }

    fn forward_labelled(&mut self, mode: Mode, images: &[f32], labels: &[u16]) -> Result<K::Buf> {
        let (size, classes) = (self.network.input().len(), self.network.output().len());
        if images.len() != labels.len() * size {
            let reason = format!("{} labels for {} values of {size} per image", labels.len(), images.len());
            return Err(Error::Failed(reason));
        }
        if let Some(wrong) = labels.iter().find(|label| usize::from(**label) >= classes) {
            return Err(Error::Failed(format!("label {wrong} is none of the {classes} classes 0 to {}", classes - 1)));
        }
        self.forward(mode, images)
    }
}

/// The starting values of a tensor, from its own stream.
fn initial(entry: &Entry, key: &Key, norm_init: NormInit) -> Vec<f32> {
    let mut stream = key.stream(&format!("init {}", entry.name));
    let mut draw: Box<dyn FnMut() -> f64> = match (entry.init, norm_init) {
        (Init::Kaiming { fan_in }, _) => {
            let deviation = (2.0 / fan_in as f64).sqrt();
            Box::new(move || deviation * stream.normal())
        }
        (Init::NormWeight, NormInit::Uniform) => Box::new(move || stream.uniform()),
        (Init::NormWeight, NormInit::One) | (Init::One, _) => Box::new(|| 1.0),
        (Init::Zero, _) => Box::new(|| 0.0),
    };
    (0..entry.place.len).map(|_| draw() as f32).collect()
}
