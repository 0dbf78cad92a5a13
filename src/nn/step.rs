//! What is in hand while a batch goes through a network: kernels, mode, tape and arenas.

use super::kernels::{Arenas, Sink};
use super::tap::Shown;
use super::{Kernels, Layout, Shape, Tap};
use crate::{Error, Result};

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics in norms, which are also folded into the running ones; a tape.
    Train,
    /// Running statistics, no tape.
    Eval,
    /// Running statistics and a tape.
    EvalTaped,
}

/// Which gradients a backward makes, in any combination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Want {
    /// Weight gradients summed over the batch, into the gradient arena.
    pub weights: bool,
    /// Squared norm of each example's own weight gradient; [`Mode::EvalTaped`] only, since batch statistics couple the examples.
    pub norms: bool,
    /// The gradient of the input.
    pub input: bool,
}

impl Want {
    /// Weight gradients alone: training.
    pub const WEIGHTS: Self = Self { weights: true, norms: false, input: false };
    /// Per-example squared norms alone: `GraNd`.
    pub const NORMS: Self = Self { weights: false, norms: true, input: false };
    /// The input gradient alone: `VoG` and margins.
    pub const INPUT: Self = Self { weights: false, norms: false, input: true };

    /// Whether gradients of weights are needed in some form.
    pub fn touches_weights(self) -> bool {
        self.weights || self.norms
    }
}

/// A pass in progress on one backend.
pub struct Step<K: Kernels> {
    /// The backend.
    pub kernels: K,
    /// Weights, gradients, momentum and norm statistics.
    pub arenas: Arenas<K::Buf>,
    /// What the pass is for.
    mode: Mode,
    tape: Vec<K::Buf>,
    norms: Option<K::Buf>,
    shown: Shown<K::Buf>,
}

impl<K: Kernels> Step<K> {
    /// Allocates the arenas of a planned network (all zero).
    pub fn new(mut kernels: K, layout: &Layout) -> Result<Self> {
        let (parameters, statistics) = (layout.parameter_count(), layout.statistic_count());
        let arenas = Arenas {
            weights: kernels.arena(parameters)?,
            gradients: kernels.arena(parameters)?,
            momentum: kernels.arena(parameters)?,
            statistics: kernels.arena(statistics)?,
        };
        Ok(Self { kernels, arenas, mode: Mode::Eval, tape: Vec::new(), norms: None, shown: Shown::default() })
    }

    /// Starts a pass: what an earlier one left on the tape is dropped.
    pub fn begin(&mut self, mode: Mode) {
        self.mode = mode;
        self.tape.clear();
        self.norms = None;
        self.shown.clear();
    }

    /// Starts an eval pass that ends as soon as it has shown these places.
    pub fn begin_tapped(&mut self, taps: &[Tap]) {
        self.begin(Mode::Eval);
        self.shown.want(taps);
    }

    /// Whether the pass is to show a place.
    pub fn wants(&self, tap: Tap) -> bool {
        self.shown.wants(tap)
    }

    /// Whether the pass was to show something and has shown it all: the layers that are left do nothing.
    pub fn has_shown_all(&self) -> bool {
        self.shown.is_complete()
    }

    /// Keeps the value of a place that is to be shown.
    pub fn show(&mut self, tap: Tap, value: &K::Buf) {
        self.shown.show(tap, value);
    }

    /// The values that the pass was to show, in the order in which they were asked for.
    ///
    /// # Errors
    /// `Error::Failed` where the network has no such place.
    pub fn take_shown(&mut self) -> Result<Vec<K::Buf>> {
        self.shown.take().map_err(|tap| Error::Failed(format!("this network has no {tap:?} to look at")))
    }

    /// Prepares a backward of the taped pass.
    ///
    /// # Errors
    /// `Error::Failed` where the pass has no tape, or norms are wanted of a training pass.
    pub fn begin_backward(&mut self, dy: &K::Buf, want: Want) -> Result<()> {
        match self.mode {
            Mode::Eval => return Err(Error::Failed("an eval pass keeps no tape: no backward".into())),
            Mode::Train if want.norms => {
                let reason = "per-example gradient norms exist in eval mode only: batch norm couples the examples";
                return Err(Error::Failed(reason.into()));
            }
            Mode::Train | Mode::EvalTaped => {}
        }
        self.norms = if want.norms { Some(self.kernels.norms_like(dy)?) } else { None };
        Ok(())
    }

    /// What the pass is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether layers must push what backward needs.
    pub fn tapes(&self) -> bool {
        self.mode != Mode::Eval
    }

    /// Keeps a value for backward.
    pub fn push(&mut self, value: K::Buf) {
        self.tape.push(value);
    }

    /// Takes back the last kept value.
    ///
    /// # Errors
    /// `Error::Failed` where forward pushed less than backward pops.
    pub fn pop(&mut self) -> Result<K::Buf> {
        self.tape.pop().ok_or_else(|| Error::Failed("backward without its forward: the tape is empty".into()))
    }

    /// Squared gradient norms of the last backward that wanted them: one value per example.
    pub fn squared_norms(&self) -> Option<&K::Buf> {
        self.norms.as_ref()
    }

    /// Keeps the gradient norms of the last backward that wanted them, one per example, for [`Kernels::collect`].
    ///
    /// # Errors
    /// `Error::Failed` where no backward wanted any.
    pub fn post_norms(&mut self) -> Result<()> {
        let squared = self.norms.take().ok_or_else(|| Error::Failed("the backward pass left no norms".into()))?;
        let norms = self.kernels.root(squared)?;
        self.kernels.post(Shape { channels: 1, height: 1, width: 1 }, &norms)
    }

    /// The kernels, the arenas, and where weight gradients go: what an operation of a backward takes.
    pub fn parts(&mut self, want: Want) -> (&mut K, &Arenas<K::Buf>, Sink<'_, K::Buf>) {
        let gradients = want.weights.then_some(&self.arenas.gradients);
        let norms = if want.norms { self.norms.as_ref() } else { None };
        (&mut self.kernels, &self.arenas, Sink { gradients, norms })
    }
}
