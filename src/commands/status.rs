//! `status DIR`: how far every replicate is, from the folder alone.

use std::fmt::Write;

use super::{Exit, print};
use crate::analysis::{Cell, Table};
use crate::data::Examples;
use crate::results;
use crate::results::Study;
use crate::scores::ScoreSpec;
use crate::store::Control;
use crate::store::folder::StudyFolder;
use crate::store::imported::DEVICE;
use crate::store::record::State;
use crate::study::imported::ImportedRuns;
use crate::study::{ImportedScore, Plan, Timetable};
use crate::train::board::Progress;
use crate::{Result, VERSION, cli};

/// Runs the command.
///
/// # Errors
/// A folder that is no study, or files in it that cannot be read.
pub fn status(options: &cli::Status) -> Result<Exit> {
    let folder = StudyFolder::open(&options.dir)?;
    let plan = folder.plan()?;
    let progress = results::all_progress(&folder, &plan);
    if options.json {
        let value = serde_json::json!({
            "imported": plan.imported, "scores": conventions(&plan),
            "study": plan.config.name, "version": VERSION, "dir": folder.path(), "jobs": jobs_of(&folder, &progress),
            "replicates": progress.iter().map(as_json).collect::<Vec<_>>(),
        });
        print(&format!("{value:#}"))?;
    } else {
        print(&format!("{}\n{}", plan.config.name, table(&progress).text()))?;
        if plan.scores.iter().any(|spec| !spec.is_imported()) {
            print(&scores(&plan).text())?;
        }
        if !plan.imported.is_empty() {
            print(&imported(&plan.imported).text())?;
        }
        let jobs =
            jobs_of(&folder, &progress).map_or_else(String::new, |jobs| format!("; {jobs} at once in each process"));
        let note = results::examples(&folder).ok().and_then(|examples| examples.note());
        let note = note.map_or_else(String::new, |note| format!("; {note}"));
        print(&(counts(&progress) + &jobs + &note))?;
    }
    Ok(Exit::Done)
}

/// Replicates that each process trains at once, while one does.
fn jobs_of(folder: &StudyFolder, progress: &[Progress]) -> Option<usize> {
    let trained = progress.iter().any(Progress::is_under_way);
    Control::read(folder.path()).ok().filter(|_| trained)?.jobs
}

fn as_json(progress: &Progress) -> serde_json::Value {
    serde_json::json!({
        "model": progress.id.label, "index": progress.id.index, "seed": format!("{:016x}", progress.seed),
        "state": progress.word(), "reason": progress.reason, "device": progress.device,
        "epochs_done": progress.epochs_done, "epochs_committed": progress.epochs_committed, "epochs": progress.epochs, "step": progress.step,
        "steps": progress.steps, "examples_per_s": progress.examples_per_s, "seconds": progress.seconds,
        "train_accuracy": progress.train_accuracy, "test_accuracy": progress.test_accuracy,
        "non_finite": progress.non_finite,
    })
}

/// A row per replicate.
pub fn table(progress: &[Progress]) -> Table {
    let number = |value: Option<f64>| Cell::Number(value.unwrap_or(f64::NAN));
    let row = |progress: &Progress| {
        let flag = if progress.non_finite { " (non-finite)" } else { "" };
        vec![
            Cell::Text(progress.id.to_string()),
            Cell::Text(format!("{}{flag}", progress.word())),
            Cell::Text(epoch(progress)),
            number((progress.state == State::Running).then_some(progress.examples_per_s)),
            number(progress.train_accuracy),
            number(progress.test_accuracy),
            Cell::Text(progress.reason.clone().unwrap_or_default()),
        ]
    };
    let columns = ["replicate", "state", "epoch", "examples/s", "train", "test", "reason"];
    Table {
        title: "Replicates".into(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: progress.iter().map(row).collect(),
    }
}

/// How far it is; what was imported has no epochs.
fn epoch(progress: &Progress) -> String {
    if progress.device == DEVICE { DEVICE.to_owned() } else { format!("{}/{}", progress.epochs_done, progress.epochs) }
}

/// The scores that the study computes, and the course of training that their settings are read by.
fn computed(plan: &Plan) -> (impl Iterator<Item = &ScoreSpec>, Timetable) {
    let timetable = plan.firsts().next().map(|first| first.timetable).unwrap_or_default();
    (plan.scores.iter().filter(|spec| !spec.is_imported()), timetable)
}

/// A row per computed score, with every setting that has an effect, the defaults among them.
fn scores(plan: &Plan) -> Table {
    let (specs, timetable) = computed(plan);
    let row = |spec: &ScoreSpec| {
        let cells = [spec.name.clone(), spec.harder().name().to_owned(), spec.settings_text(&timetable)];
        cells.map(Cell::Text).to_vec()
    };
    Table {
        title: "Scores and their settings (--json: definitions too)".into(),
        columns: ["score", "harder", "settings"].map(str::to_owned).to_vec(),
        rows: specs.map(row).collect(),
    }
}

/// The conventions of every computed score, by its name.
fn conventions(plan: &Plan) -> serde_json::Map<String, serde_json::Value> {
    let (specs, timetable) = computed(plan);
    specs.map(|spec| (spec.name.clone(), spec.conventions(&timetable))).collect()
}

/// A row per imported score and model.
fn imported(scores: &[ImportedScore]) -> Table {
    let row = |score: &ImportedScore, label: &str, ImportedRuns { runs, non_finite }: &ImportedRuns| {
        let runs = if score.per_run { runs.to_string() } else { "one for the model".to_owned() };
        let flagged: Vec<String> = non_finite.iter().map(|index| format!("{index:03}")).collect();
        let cells = [score.name.clone(), score.harder.name().to_owned(), label.to_owned(), runs, flagged.join(" ")];
        cells.map(Cell::Text).to_vec()
    };
    let rows = scores.iter().flat_map(|score| score.models.iter().map(move |(label, runs)| row(score, label, runs)));
    Table {
        title: "Imported scores (runs that are not finite are left out of means)".into(),
        columns: ["score", "harder", "model", "runs", "not finite"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

/// "3 finished, 1 running", in the order of a replicate's life.
pub fn counts(progress: &[Progress]) -> String {
    let words = ["finished", "running", "paused", "stopped", "queued", "failed", "skipped"];
    let count = |word: &'static str| (progress.iter().filter(|progress| progress.word() == word).count(), word);
    let parts =
        words.map(count).into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// What stays on the terminal when a run ends: the replicates, the scores, and the command that opens it again.
pub fn closing_text(folder: &StudyFolder, study: Study<'_>, plan: &Plan, examples: &Examples, exit: Exit) -> String {
    let progress: Vec<Progress> = study.views.iter().map(|view| view.progress.clone()).collect();
    let dir = folder.path().display();
    let mut text = format!("{}\n{}\n", table(&progress).text(), counts(&progress));
    let (here, all) = (plan.trained(), plan.config.replicates());
    if here < all {
        let _ = writeln!(
            text,
            "All numbers here are of this part of the study, {here} of its {all} replicates; `diffscope status {dir}` counts all."
        );
    }
    if let Some(note) = examples.note() {
        let _ = writeln!(text, "{note}");
    }
    if progress.iter().any(|progress| progress.state == State::Finished) || !plan.imported.is_empty() {
        let answer = super::analyze::summary(study, plan, examples);
        for table in &answer.tables {
            let _ = write!(text, "\n{}", table.text());
        }
        let _ = writeln!(text, "\n{}", answer.reading);
    }
    let advice = match exit {
        Exit::Interrupted => "Interrupted; nothing finished is lost. Run the same command to go on, or look at it:",
        Exit::Done | Exit::Flawed => "Open it again:",
    };
    let _ = write!(text, "\n{advice} diffscope open {dir}");
    text
}
