//! What does `diffscope import` add to a study while a workbench has it open? A thread looks at `study.toml`, which an import
//! writes last, and reads the values that came.
//!
//! Imported scores stand behind all others, so that the places of those that were known stay as they are. Replicates that are trained
//! here know only the scores of their start: what they finish with is read again from the folder, where it has all.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded, unbounded};

use super::desk::Desk;
use super::screen;
use crate::data::Examples;
use crate::results;
use crate::store::folder::StudyFolder;
use crate::store::record::State;
use crate::study::{ImportedScore, Plan};
use crate::train::board::{Board, ReplicateView};
use crate::train::ensembles::Ensembles;
use crate::tui::session::{Arrivals, Arrived};
use crate::{Error, Result};

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What of the study's record says that it is another one: it is replaced as a whole, never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
    size: u64,
}

/// Where one looks, and what is known so far.
pub(super) struct Lookout {
    folder: StudyFolder,
    plan: Arc<Plan>,
    examples: Arc<Examples>,
    board: Arc<Board>,
    desk: Arc<Desk>,
    seen: Option<Stamp>,
}

impl Lookout {
    /// For a study that is shown as it was planned.
    pub(super) fn new(
        folder: &StudyFolder,
        plan: &Arc<Plan>,
        examples: &Arc<Examples>,
        board: &Arc<Board>,
        desk: Arc<Desk>,
    ) -> Self {
        let (folder, plan, examples, board) = (folder.clone(), plan.clone(), examples.clone(), board.clone());
        Self { folder, plan, examples, board, desk, seen: None }
    }

    /// Looks each second, on a thread of its own, until what is returned is dropped.
    pub(super) fn start(mut self) -> Result<Arrivals> {
        let (tell, news) = unbounded();
        let (wanted, unwanted) = bounded::<()>(0);
        let look = move || {
            while unwanted.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                // A file that cannot be read now is read again a second later.
                if let Ok(Some(arrived)) = self.look() {
                    let _ = tell.send(arrived);
                }
            }
        };
        let thread = std::thread::Builder::new().name("arrivals".into()).spawn(look);
        thread.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Arrivals { news, wanted })
    }

    /// Brings board and desk up to date with the folder; what there is to tell.
    fn look(&mut self) -> Result<Option<Arrived>> {
        let stamp = self.stamp();
        let before = self.plan.clone();
        if self.seen != stamp {
            let imported = &StudyFolder::open(self.folder.path())?.record().imported.clone();
            if *imported != self.plan.imported
                && let Some(plan) = self.plan.with_more_imported(imported)
            {
                self.plan = Arc::new(plan);
            }
            self.seen = stamp;
        }
        let came = came(&before.imported, &self.plan.imported);
        let fresh = self.fresh(&came.iter().map(|(_, label)| label.as_str()).collect());
        if came.is_empty() && fresh.is_empty() {
            return Ok(None);
        }
        // Whoever asks in between gets the new scores without values, and asks again for the news.
        self.desk.take_plan(&self.plan);
        self.board.take_scores(fresh);
        self.board.add_ensembles(Ensembles::imported(&self.folder, &self.plan, &self.examples));
        let text = came.iter().map(|(score, label)| format!("`{score}` of {label}")).collect::<Vec<_>>().join(", ");
        Ok(Some(Arrived {
            scores: screen::columns(&self.plan),
            imported: self.plan.imported_labels(),
            text: (!came.is_empty()).then(|| format!("Imported: {text}.")),
        }))
    }

    /// The finished replicates of these models, those that are not on the board yet, and those that know fewer scores than
    /// there are. One that cannot be read stays as it is shown.
    fn fresh(&self, labels: &BTreeSet<&str>) -> Vec<ReplicateView> {
        let shown = self.board.snapshot();
        let lacks = |view: &ReplicateView| {
            let known = view.scores.as_ref().map_or(0, |scores| scores.values.len());
            labels.contains(view.progress.id.label.as_str()) || known < self.plan.scores.len()
        };
        let finished = shown.iter().filter(|view| view.progress.state == State::Finished);
        // Its scores alone: what it observed may be gigabytes, and is what it was.
        let stale = finished.filter(|view| lacks(view)).filter_map(|view| {
            let scores = results::finished(&self.folder, &view.progress, &self.plan, &self.examples).ok()??;
            Some(ReplicateView { scores: Some(Arc::new(scores)), ..view.clone() })
        });
        let new = results::queued(&self.plan).filter(|queued| {
            let is_new = shown.iter().all(|view| view.progress.id != queued.id);
            is_new && self.plan.is_imported(&queued.id.label)
        });
        let read = |progress| results::view(&self.folder, &self.plan, &self.examples, progress).ok();
        stale.chain(new.filter_map(read)).collect()
    }

    fn stamp(&self) -> Option<Stamp> {
        let metadata = std::fs::metadata(self.folder.path().join("study.toml")).ok()?;
        Some(Stamp {
            inode: metadata.ino(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
            size: metadata.len(),
        })
    }
}

/// Scores and models that have other values now.
fn came(before: &[ImportedScore], now: &[ImportedScore]) -> Vec<(String, String)> {
    let known = |name: &str, label: &str| before.iter().find(|score| score.name == name)?.models.get(label);
    let of = |score: &ImportedScore| {
        let models = score.models.iter();
        let changed = models.filter(|(label, runs)| known(&score.name, label) != Some(*runs));
        changed.map(|(label, _)| (score.name.clone(), label.clone())).collect::<Vec<_>>()
    };
    now.iter().flat_map(of).collect()
}
