//! The bridge to the workbench: what it asks for, answered from the store and the analyses.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::arrivals::Lookout;
use super::desk::Desk;
use crate::analysis::{Analysis, Options};
use crate::data::Examples;
use crate::store::folder::StudyFolder;
use crate::study::{Plan, ReplicateId};
use crate::train::Crew;
use crate::train::board::{Board, ReplicateView};
use crate::train::events::Event;
use crate::tui::session::{History, HistorySource, ScoreColumn, Session};
use crate::tui::theme::Choice;
use crate::tui::{self, Outcome};
use crate::{Result, cli};

/// Histories of examples, from the study's folder.
struct FolderHistory {
    folder: StudyFolder,
    plan: Arc<Plan>,
}

impl HistorySource for FolderHistory {
    fn history(&self, id: &ReplicateId, example: usize, epochs: u32) -> Result<History> {
        let dir = self.folder.replicate(id);
        // The record may be a second older than the rows: it says who is observed, not how often.
        if dir.record()?.is_none_or(|record| example >= record.observed) {
            return Ok(History::default());
        }
        let Some(observations) = dir.open_observations()? else { return Ok(History::default()) };
        let planned = self.plan.replicates.iter().find(|replicate| replicate.id == *id);
        let rows = planned.map_or(0, |replicate| replicate.timetable.rows_after(epochs));
        let history = observations.history(example, rows as usize)?;
        Ok(History { margin: history.margin, predicted: history.predicted })
    }

    fn probabilities(&self, id: &ReplicateId, example: usize) -> Result<Option<Vec<f32>>> {
        let logits = self.folder.replicate(id).final_logits_of(example)?;
        Ok(logits.map(|logits| softmax(&logits)))
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// The scores of a plan as columns.
pub(super) fn columns(plan: &Plan) -> Vec<ScoreColumn> {
    let timetable = plan.firsts().next().map(|first| first.timetable).unwrap_or_default();
    let column = |spec: &crate::scores::ScoreSpec| ScoreColumn {
        name: spec.name.clone(),
        harder: spec.harder(),
        about: spec.about(&timetable),
    };
    plan.scores.iter().map(column).collect()
}

/// A session on a study; without commands it is read-only.
///
/// # Errors
/// When the system gives no thread to look for imports.
pub fn session(
    folder: &StudyFolder,
    plan: &Arc<Plan>,
    examples: &Arc<Examples>,
    board: &Arc<Board>,
) -> Result<Session> {
    let desk = Arc::new(Desk::new(folder, plan, examples, board));
    let arrivals = Lookout::new(folder, plan, examples, board, desk.clone()).start()?;
    let analyse = move |analysis: &'static Analysis, model: &str, views: Arc<Vec<ReplicateView>>, options: &Options| {
        desk.answer(analysis, model, &views, options)
    };
    Ok(Session {
        name: plan.config.name.clone(),
        dataset: None,
        examples: examples.clone(),
        scores: Arc::new(columns(plan)),
        imported: plan.imported_labels(),
        milestones: milestones(plan),
        board: board.clone(),
        events: None,
        arrivals: Some(arrivals),
        commands: None,
        remote: false,
        jobs: 0,
        history: Arc::new(FolderHistory { folder: folder.clone(), plan: plan.clone() }),
        analyse: Arc::new(analyse),
        afresh: false,
        verdicts: Some(folder.path().to_path_buf()),
        log: Vec::new(),
        notice: None,
    })
}

/// After how many epochs each model's learning rate drops.
fn milestones(plan: &Plan) -> Vec<(String, Vec<f64>)> {
    plan.firsts().map(|replicate| (replicate.id.label.clone(), replicate.milestones())).collect()
}

/// Shows a running study until it is left, which says how; ends the crew in the way that was asked for.
///
/// # Errors
/// When the terminal cannot be had.
pub fn watch(crew: Crew, events: Receiver<Event>, session: Session, look: &cli::Screen) -> Result<Outcome> {
    let commands = crew.commands.clone();
    let outcome = tui::run(Session { events: Some(events), commands: Some(commands), ..session }, options(look));
    crew.end(matches!(outcome, Ok(Outcome::Quit { after_epoch: true })));
    outcome
}

/// How the workbench looks, by the command line.
pub fn options(look: &cli::Screen) -> tui::Options {
    let graphics = match look.graphics {
        cli::Graphics::Auto => tui::Graphics::Auto,
        cli::Graphics::Sixel => tui::Graphics::Sixel,
        cli::Graphics::Blocks => tui::Graphics::Blocks,
        cli::Graphics::Off => tui::Graphics::Off,
    };
    let theme = match look.theme {
        cli::Theme::Auto => Choice::Auto,
        cli::Theme::Dark => Choice::Dark,
        cli::Theme::Light => Choice::Light,
        cli::Theme::ColourBlind => Choice::ColourBlind,
    };
    tui::Options { graphics, theme }
}
