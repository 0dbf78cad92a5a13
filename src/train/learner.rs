//! One network that learns on one backend: an SGD step, logits, gradients, and its state to save and restore.

use crate::data::{ImageShape, View};
use crate::models::Model;
use crate::nn::{Entry, Init, Kernels, Layout, Mode, Network, Objective, Real, SgdStep, Step, Tap, TapPoint, Want};
use crate::random::Key;
use crate::scores::Record;
use crate::study::config::{Loss, NormInit};
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
    /// Gradients of the parts of a batch so far, once one came in parts; as large as the parameters.
    sum: Option<K::Buf>,
    parts: usize,
}

/// The images of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Images<'a> {
    /// Normalised, on the host, `[batch, C, H, W]`.
    Host(&'a [f32]),
    /// Of the data set that the kernels were made with.
    Of {
        /// Where they lie in it.
        positions: &'a [u32],
        /// What is seen of each; none: the plain images.
        views: &'a [View],
    },
}

impl<'a> From<&'a [f32]> for Images<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::Host(values)
    }
}

impl<'a> From<&'a Vec<f32>> for Images<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        Self::Host(values)
    }
}

impl From<Loss> for Objective {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::CrossEntropy => Self::CrossEntropy,
            Loss::ZeroHinge => Self::ZeroHinge,
        }
    }
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

impl LearnerState {
    /// The BLAKE3 digest of weights and statistics, in hexadecimal: what a replicate's record knows its weights by.
    pub fn digest(&self) -> String {
        let mut digest = blake3::Hasher::new();
        for value in self.weights.iter().chain(&self.statistics) {
            digest.update(&value.to_le_bytes());
        }
        digest.finalize().to_hex().to_string()
    }
}

impl<K: Kernels> Learner<K> {
    /// Plans a model for images `[C, H, W]` and a number of classes, and allocates its arenas (all zero).
    ///
    /// # Errors
    /// `Error::Usage` where the model cannot work on such images or classes.
    pub fn new(kernels: K, model: &Model, input: ImageShape, classes: usize) -> Result<Self> {
        let network = model.build(input, classes).map_err(Error::Usage)?;
        let step = Step::new(kernels, network.layout())?;
        Ok(Self { network, step, staging: Vec::new(), unasked: Record::default(), sum: None, parts: 0 })
    }

    /// The tables of parameters and norm statistics.
    pub fn layout(&self) -> &Layout {
        self.network.layout()
    }

    /// Kernel set and instruction sets: the same id, the same bits.
    pub fn backend_id(&self) -> String {
        self.step.kernels.backend_id()
    }

    /// Where it computes, for people.
    pub fn device(&self) -> String {
        self.step.kernels.device()
    }

    /// Draws the weights on the host, so that every backend starts the same; momentum 0, statistics fresh.
    pub fn initialise(&mut self, key: &Key, norm_init: NormInit) -> Result<()> {
        let layout = self.network.layout();
        let draw = |entries: &[Entry]| entries.iter().flat_map(|entry| initial(entry, key, norm_init)).collect();
        let (weights, statistics): (Vec<f32>, _) = (draw(&layout.parameters), draw(&layout.statistics));
        let momentum = vec![0.0; weights.len()];
        self.restore(&LearnerState { weights, momentum, statistics })
    }

    /// One SGD step on a batch of images with a label each, minimising the mean of `objective`.
    ///
    /// The batch's observations (train mode, before the step) are kept for [`Self::take_record`].
    ///
    /// # Errors
    /// `Error::Failed` for an empty batch, labels that don't match the images or are no class, or a failing device.
    pub fn train_step<'a>(
        &mut self,
        images: impl Into<Images<'a>>,
        labels: &[u16],
        objective: Objective,
        sgd: SgdStep,
    ) -> Result<()> {
        self.gradients(images.into(), labels, objective, labels.len())?;
        self.step.kernels.sgd(&self.step.arenas, sgd)
    }

    /// A part of a batch of `whole` examples that is too large to go through at once: its gradients are added to those
    /// of the parts before it, for [`Self::step_by_parts`]. Norms see the moments of the part, not of the batch.
    ///
    /// # Errors
    /// As [`Self::train_step`].
    pub fn train_part<'a>(
        &mut self,
        images: impl Into<Images<'a>>,
        labels: &[u16],
        objective: Objective,
        whole: usize,
    ) -> Result<()> {
        self.gradients(images.into(), labels, objective, whole)?;
        let Step { kernels, arenas, .. } = &mut self.step;
        let sum = match self.sum.take() {
            Some(sum) => self.sum.insert(sum),
            None => self.sum.insert(kernels.arena(self.network.layout().parameter_count())?),
        };
        if self.parts == 0 {
            std::mem::swap(sum, &mut arenas.gradients);
        } else {
            kernels.accumulate(sum, &arenas.gradients)?;
        }
        self.parts += 1;
        Ok(())
    }

    /// The SGD step of all parts since the last one.
    ///
    /// # Errors
    /// `Error::Failed` without a part, or of a failing device.
    pub fn step_by_parts(&mut self, sgd: SgdStep) -> Result<()> {
        let sum = self.sum.as_mut().filter(|_| self.parts > 0);
        let sum = sum.ok_or_else(|| Error::Failed("a step without gradients".into()))?;
        let Step { kernels, arenas, .. } = &mut self.step;
        std::mem::swap(sum, &mut arenas.gradients);
        self.parts = 0;
        kernels.sgd(arenas, sgd)
    }

    /// Weight gradients of the mean over `whole` examples of the losses of these.
    fn gradients(&mut self, images: Images<'_>, labels: &[u16], objective: Objective, whole: usize) -> Result<()> {
        let logits = self.forward_labelled(Mode::Train, images, labels)?;
        let dy = self.step.kernels.loss(objective, &logits, labels, 1.0 / whole as f64)?;
        drop(logits);
        self.network.backward(&mut self.step, dy, Want::WEIGHTS).map(|_| ())
    }

    /// Whether taking the observations makes a device wait, so that once an epoch is often enough.
    pub fn waits_for_record(&self) -> bool {
        self.step.kernels.waits_for_record()
    }

    /// Appends the observations of all training steps since the last time, in their order.
    pub fn take_record(&mut self, seen: &mut Record) -> Result<()> {
        self.step.kernels.take_record(seen)
    }

    /// Computes the eval-mode logits `[batch, classes]` of images, for [`Self::collect`].
    pub fn evaluate<'a>(&mut self, images: impl Into<Images<'a>>) -> Result<()> {
        let y = self.forward(Mode::Eval, images.into())?;
        self.step.kernels.post(self.network.output(), &y)
    }

    /// Where its values can be looked at, in the order in which a batch passes: the input first, the output last.
    pub fn taps(&self) -> &[TapPoint] {
        self.network.taps()
    }

    /// The values of images at some places, in eval mode: `[batch, C, H, W]` for each place, into `seen`.
    ///
    /// # Errors
    /// `Error::Failed` where the network has no such place, or of a failing device.
    pub fn look<'a>(
        &mut self,
        images: impl Into<Images<'a>>,
        places: &[TapPoint],
        seen: &mut Vec<Vec<K::Real>>,
    ) -> Result<()> {
        let x = self.enter(Mode::Eval, images.into())?;
        let taps: Vec<Tap> = places.iter().map(|place| place.tap).collect();
        let values = self.network.tapped(&mut self.step, x, &taps)?;
        seen.resize_with(places.len(), Vec::new);
        for ((value, place), seen) in values.iter().zip(places).zip(seen) {
            seen.clear();
            self.step.kernels.download(place.shape, value, &mut |host| seen.extend_from_slice(host))?;
        }
        Ok(())
    }

    /// The kernels, for work on what was seen.
    pub fn kernels(&mut self) -> &mut K {
        &mut self.step.kernels
    }

    /// Appends what passes computed since the last time, in their order.
    pub fn collect(&mut self, values: &mut Vec<f32>) -> Result<()> {
        let append = &mut |host: &[K::Real]| values.extend(host.iter().map(|value| value.to_f32()));
        self.step.kernels.collect(append)
    }

    /// Computes each example's norm of the gradient of its loss over all parameters (eval mode), for [`Self::collect`].
    pub fn gradient_norms<'a>(
        &mut self,
        images: impl Into<Images<'a>>,
        labels: &[u16],
        objective: Objective,
    ) -> Result<()> {
        let logits = self.forward_labelled(Mode::EvalTaped, images.into(), labels)?;
        let dy = self.step.kernels.loss(objective, &logits, labels, 1.0)?;
        self.unasked.clear();
        self.step.kernels.take_record(&mut self.unasked)?;
        self.network.backward(&mut self.step, dy, Want::NORMS)?;
        self.step.post_norms()
    }

    /// Appends each example's gradient `[C, H, W]` of a function of its logits with respect to its image (eval mode).
    ///
    /// `seed(row, logits, gradient)` writes the function's gradient with respect to the logits of one example: 1 at
    /// the label for `VoG`, 1 and -1 at two classes for a margin. An example whose logits are not all finite has no gradient:
    /// NaN everywhere (a `ReLU` that was given a NaN stays closed, so that the backward pass alone would say 0).
    pub fn input_gradients<'a>(
        &mut self,
        images: impl Into<Images<'a>>,
        mut seed: impl FnMut(usize, &[K::Real], &mut [K::Real]),
        gradients: &mut Vec<f32>,
    ) -> Result<()> {
        let logits = self.forward(Mode::EvalTaped, images.into())?;
        let (output, input) = (self.network.output(), self.network.input());
        let seeds = &mut self.staging;
        let mut lost = Vec::new();
        self.step.kernels.download(output, &logits, &mut |values| {
            seeds.clear();
            seeds.resize(values.len(), K::Real::ZERO);
            let rows = values.chunks_exact(output.len()).zip(seeds.chunks_exact_mut(output.len()));
            for (row, (logits, gradient)) in rows.enumerate() {
                seed(row, logits, gradient);
                if logits.iter().any(|logit| !logit.to_f32().is_finite()) {
                    lost.push(row);
                }
            }
        })?;
        let dy = self.step.kernels.upload(output, seeds)?;
        let dx = self.network.backward(&mut self.step, dy, Want::INPUT)?;
        let dx = dx.ok_or_else(|| Error::Failed("the backward pass gave no input gradient".into()))?;
        let first = gradients.len();
        let append = &mut |values: &[K::Real]| gradients.extend(values.iter().map(|value| value.to_f32()));
        self.step.kernels.download(input, &dx, append)?;
        for row in lost {
            let here = gradients.iter_mut().skip(first + row * input.len()).take(input.len());
            here.for_each(|value| *value = f32::NAN);
        }
        Ok(())
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
        self.parts = 0;
        let Step { kernels, arenas, .. } = &mut self.step;
        kernels.write_arena(&arenas.weights, K::Real::from_host(&state.weights, &mut self.staging))?;
        kernels.write_arena(&arenas.momentum, K::Real::from_host(&state.momentum, &mut self.staging))?;
        kernels.write_arena(&arenas.statistics, K::Real::from_host(&state.statistics, &mut self.staging))
    }

    fn forward(&mut self, mode: Mode, images: Images<'_>) -> Result<K::Buf> {
        let x = self.enter(mode, images)?;
        self.network.forward(&mut self.step, mode, x)
    }

    /// The images as a batch of the kernels, for a pass in a mode.
    fn enter(&mut self, mode: Mode, images: Images<'_>) -> Result<K::Buf> {
        // What an earlier pass left on the tape is free again before the new batch asks for a buffer.
        self.step.begin(mode);
        let kernels = &mut self.step.kernels;
        match images {
            Images::Host(values) => kernels.upload(self.network.input(), K::Real::from_host(values, &mut self.staging)),
            Images::Of { positions, views } => kernels.images(positions, views),
        }
    }

    fn forward_labelled(&mut self, mode: Mode, images: Images<'_>, labels: &[u16]) -> Result<K::Buf> {
        let (size, classes) = (self.network.input().len(), self.network.output().len());
        let fits = match images {
            Images::Host(values) => values.len() == labels.len() * size,
            Images::Of { positions, .. } => positions.len() == labels.len(),
        };
        if !fits {
            return Err(Error::Failed(format!("{} labels for another number of images", labels.len())));
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
