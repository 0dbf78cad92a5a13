//! What is the workbench opened on? A study's names and numbers, its live board, and where to ask for more.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::Result;
use crate::analysis::{Analysis, Answer, Options};
use crate::data::Dataset;
pub use crate::data::Examples;
use crate::scores::Harder;
use crate::study::ReplicateId;
use crate::train::board::{Board, ReplicateView};
use crate::train::events::{Command, Event};

/// A score as a column: its place is its place in `LiveScores::values`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreColumn {
    /// Full name, such as `el2n@20`.
    pub name: String,
    /// The difficult end.
    pub harder: Harder,
    /// Its settings, what it is seen on, and its definition.
    pub about: String,
}

/// What one replicate saw of one example: an entry per observation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Logit margin.
    pub margin: Vec<f32>,
    /// Predicted class.
    pub predicted: Vec<u16>,
}

/// Where the history of an example comes from; called on a worker thread only.
pub trait HistorySource: Send + Sync {
    /// The observations of the example at a position by one replicate in its first `epochs` epochs (empty where it was
    /// never observed). The caller says how many, so that they are those behind the scores that it shows.
    fn history(&self, id: &ReplicateId, example: usize, epochs: u32) -> Result<History>;

    /// The converged network's class probabilities for the example, once there.
    fn probabilities(&self, id: &ReplicateId, example: usize) -> Result<Option<Vec<f32>>>;
}

/// What an analysis answers about a model over the given replicates, or about all models where the label is empty; called on a
/// worker thread only.
pub type Analyse = dyn Fn(&'static Analysis, &str, Arc<Vec<ReplicateView>>, &Options) -> Answer + Send + Sync;

impl Session {
    /// Where a model's learning rate drops on an axis of epochs: between the epochs before and after.
    pub fn milestones_of(&self, label: &str) -> impl Iterator<Item = f64> {
        let own = self.milestones.iter().find(|(model, _)| model == label);
        own.into_iter().flat_map(|(_, epochs)| epochs).map(|epoch| epoch + 0.5)
    }
}

/// Scores that were imported while the workbench is open. Their values are on the board, behind those that were known.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrived {
    /// All scores of the study, the new ones behind the others.
    pub scores: Vec<ScoreColumn>,
    /// Labels of models that are known by imported scores alone.
    pub imported: Vec<String>,
    /// What came, for people; none where values were read again.
    pub text: Option<String>,
}

/// Where one hears of imports.
pub struct Arrivals {
    /// What arrived.
    pub news: Receiver<Arrived>,
    /// Whoever looks for them ends when this is dropped.
    pub wanted: Sender<()>,
}

/// What the workbench is opened on.
pub struct Session {
    /// The study's name.
    pub name: String,
    /// Pictures; without them the screen says so.
    pub dataset: Option<Arc<Dataset>>,
    /// Ids, labels and class names.
    pub examples: Arc<Examples>,
    /// The scores, in the order of `LiveScores::values`.
    pub scores: Arc<Vec<ScoreColumn>>,
    /// Labels of models that are known by imported scores alone; of some there are no runs.
    pub imported: Vec<String>,
    /// Epochs after which the learning rate drops, of each model by its label.
    pub milestones: Vec<(String, Vec<f64>)>,
    /// What every replicate is doing.
    pub board: Arc<Board>,
    /// Changes of state, where training happens in this process; else what was asked of the one that trains.
    pub events: Option<Receiver<Event>>,
    /// Scores that are imported meanwhile.
    pub arrivals: Option<Arrivals>,
    /// Where commands go; none when opened read-only.
    pub commands: Option<Sender<Command>>,
    /// Whether another process trains: commands reach it through the study's folder, and it outlives this window.
    pub remote: bool,
    /// Replicates that run at once.
    pub jobs: usize,
    /// Histories of single examples.
    pub history: Arc<dyn HistorySource>,
    /// The analyses.
    pub analyse: Arc<Analyse>,
    /// What happened to the replicates before, oldest first.
    pub log: Vec<(ReplicateId, String)>,
    /// What the user should know from the start, such as why there are no pictures.
    pub notice: Option<String>,
    /// The study's folder, where verdicts and marks are kept; without it they last as long as the window.
    pub verdicts: Option<PathBuf>,
    /// Whether a finished study may be run afresh from here.
    pub afresh: bool,
}
