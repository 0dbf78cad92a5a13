//! A small made-up study for tests: two models, four replicates each in different states, twenty-four pictures.

use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};
use ndarray::Array2;

use super::app::{App, Effect};
use super::format;
use super::pictures::Mode;
use super::session::{Examples, History, HistorySource, ScoreColumn, Session};
use super::theme::{Choice, Depth, Theme};
use super::worker::Library;
use crate::Result;
use crate::analysis::figure::{Bar, Bin, Curve, Line, Picture, Point};
use crate::analysis::{Analysis, Answer, Cell, Figure, Table};
use crate::data::Role;
use crate::data::{Dataset, ImageShape, Normalisation};
use crate::scores::Harder;
use crate::scores::ensemble::Consensus;
use crate::store::record::State;
use crate::study::{ReplicateId, Timetable};
use crate::train::board::{Board, LiveScores, Progress, ReplicateView};
use crate::train::ensembles::Ensembles;
use crate::train::events::Command;
use crate::train::gpus::Gpu;

const TRAIN: usize = 20;
const ALL: usize = 24;
const EPOCHS: u32 = 12;
const CLASSES: [&str; 4] = ["cat", "dog", "T-shirt/top", "ankle boot"];

/// A number in 0..1 that looks random and is always the same.
fn noise(a: usize, b: usize) -> f32 {
    let mut mixed =
        (a as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (b as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
    mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed >> 40) as f32 / (1_u64 << 24) as f32
}

/// Colour pictures of 8 by 8: a disc on a gradient, by class.
pub fn dataset() -> Dataset {
    let shape = ImageShape { channels: 3, height: 8, width: 8 };
    let pixel = |example: usize, channel: usize, y: usize, x: usize| {
        let disc = (x as i32 - 4).pow(2) + (y as i32 - 4).pow(2) < 6 + (example % 4) as i32 * 3;
        let shade = 40 * channel + 12 * x + 9 * y + 5 * example;
        if disc && channel == example % 3 { 235 } else { (shade % 200) as u8 }
    };
    let mut pixels = Vec::new();
    for example in 0..ALL {
        for at in 0..shape.len() {
            pixels.push(pixel(example, at / 64, at % 64 / 8, at % 8));
        }
    }
    Dataset {
        source: "made-up".into(),
        shape,
        class_names: CLASSES.map(String::from).to_vec(),
        train: TRAIN,
        pixels,
        values: Vec::new(),
        labels: (0..ALL).map(|i| (i % 4) as u16).collect(),
        true_labels: (0..ALL).map(|i| (i % 4) as u16).collect(),
        ids: (0..ALL as u32).map(|i| i * 7 + 100).collect(),
        normalisation: Normalisation { mean: vec![0.5; 3], std: vec![0.25; 3] },
        digest: String::new(),
    }
}

/// Conventions that tell the scores apart.
fn about(name: &str) -> String {
    format!(
        "space = probability; sweep: eval mode, plain input, after each epoch; mean over t of the {name} of an example"
    )
}

fn columns() -> Vec<ScoreColumn> {
    let column = |name: &str, harder| ScoreColumn { name: name.into(), harder, about: about(name) };
    vec![
        column("loss", Harder::High),
        column("accuracy", Harder::Low),
        column("confidence", Harder::Low),
        column("entropy", Harder::High),
        column("aum", Harder::Low),
        column("forgetting", Harder::High),
        column("learned", Harder::High),
        column("el2n@20", Harder::High),
    ]
}

fn value(score: usize, run: usize, example: usize) -> f32 {
    let hard = noise(example, 1) * 0.8 + noise(example, run + 7) * 0.2;
    match score {
        _ if example >= TRAIN => f32::NAN,
        0 => 3.0 * hard,
        1 if example == 5 => 0.0,
        1 | 2 => 1.0 - hard * 0.9,
        3 => hard * 1.4,
        4 => 0.9 - 1.6 * hard,
        5 => (hard * 6.0).floor(),
        6 => (hard * f32::from(EPOCHS as u8)).floor(),
        _ => f32::NAN,
    }
}

/// Half of the examples are taken for what they are, the others for the next class; the test examples are not seen.
fn predicted(done: u32) -> Vec<u16> {
    let label = |i: usize| (i % CLASSES.len()) as u16;
    let seen = |i: usize| if (i + done as usize).is_multiple_of(2) { label(i) } else { label(i + 1) };
    (0..TRAIN).map(seen).collect()
}

fn view(label: &str, index: u32, state: State, done: u32) -> ReplicateView {
    let started = done > 0;
    let progress = Progress {
        id: ReplicateId { label: label.into(), index },
        seed: 7,
        device: "cpu".into(),
        state,
        elsewhere: false,
        reason: (state == State::Failed).then(|| "out of memory at epoch 3".into()),
        non_finite: false,
        epochs_done: done,
        epochs_committed: done.saturating_sub(1),
        epochs: EPOCHS,
        timetable: Timetable::of_epochs(EPOCHS, 8),
        step: if state == State::Running { 3 } else { 0 },
        steps: 8,
        examples_per_s: if started { 2.5 } else { 0.0 },
        seconds: f64::from(done) * 8.0,
        train_loss: started.then_some(0.4),
        train_accuracy: started.then_some(0.912),
        test_accuracy: started.then_some(0.884),
    };
    let margins = (0..done).map(|t| [-3.0, -1.0, 0.5, 2.0, 4.0].map(|q: f32| q + t as f32 * 0.3)).collect();
    let values = (0..columns().len()).map(|s| (0..ALL).map(|i| value(s, index as usize, i)).collect()).collect();
    let scores = started.then(|| Arc::new(LiveScores { epoch: done, values, predicted: predicted(done) }));
    let role = |example| if example < TRAIN { Role::Train } else { Role::Test };
    ReplicateView { progress, roles: (0..ALL).map(role).collect(), margins: Arc::new(margins), scores }
}

/// Histories that follow the same difficulty as the scores.
struct MadeUp;

impl HistorySource for MadeUp {
    fn history(&self, id: &ReplicateId, example: usize, epochs: u32) -> Result<History> {
        let run = id.index as usize;
        let margin = |t: usize| 0.4 * t as f32 - 4.0 * noise(example, 1) + 2.0 * noise(t + example, run) - 0.5;
        let margins: Vec<f32> = (0..epochs as usize).map(margin).collect();
        let right = (example % 4) as u16;
        let predicted = margins.iter().map(|m| if *m > 0.0 { right } else { (right + 1) % 4 }).collect();
        Ok(History { margin: margins, predicted })
    }

    fn probabilities(&self, id: &ReplicateId, example: usize) -> Result<Option<Vec<f32>>> {
        let hard = 0.7 * noise(example, 1);
        let mut p = vec![hard / 3.0; 4];
        p[example % 4] = 1.0 - hard;
        Ok((id.index == 0).then_some(p))
    }
}

/// An answer with a figure of every kind.
fn answer(analysis: &Analysis, model: &str) -> Answer {
    let ids: Vec<u32> = (0..8).map(|i| i * 7 + 100).collect();
    let bar = |name: &str, value: f64| Bar {
        name: name.into(),
        value,
        interval: Some((value - 0.1, value + 0.1)),
        examples: ids.clone(),
    };
    let curve = |name: &str, slope: f64| Curve {
        name: name.into(),
        x: (1..=10).map(f64::from).collect(),
        y: (1..=10).map(|x| slope / f64::from(x)).collect(),
        band: (1..=10).map(|x| (0.7 * slope / f64::from(x), 1.4 * slope / f64::from(x))).collect(),
    };
    let bin = |i: usize| Bin { count: [900, 400, 120, 31, 8, 3, 0, 1][i], examples: ids.clone() };
    let picture = |i: u32| Picture {
        example: ids[i as usize],
        caption: format!("cat {}.0", 30 - i),
        bars: vec![("a".into(), 2.0), ("b".into(), 1.0)],
    };
    let level = |name: &str, at: f64| Line { name: name.into(), at };
    let title = |what: &str| format!("{model}: {what} (4 runs, train)");
    Answer {
        reading: format!("What {} says of {model}.", analysis.name),
        tables: vec![Table {
            title: title("numbers"),
            columns: vec!["score".into(), "share".into()],
            rows: vec![vec![Cell::Text("aum".into()), Cell::Number(0.25)]],
        }],
        figures: vec![
            Figure::Curves {
                title: title("curves"),
                x: "runs".into(),
                y: "change".into(),
                curves: vec![curve("aum", 0.4), curve("loss", 0.2)],
                lines: vec![level("target", 0.05)],
            },
            Figure::Bars {
                title: title("bars"),
                unit: "accuracy".into(),
                bars: vec![bar("aum", 0.8), bar("loss", -0.3)],
                lines: vec![level("chance", 0.5)],
            },
            Figure::Stacked {
                title: title("parts"),
                unit: "share of variance".into(),
                bars: vec![(model.into(), vec![("PC 1".into(), 0.85), ("PC 2".into(), 0.1), ("rest".into(), 0.05)])],
            },
            Figure::Histogram {
                title: title("histogram"),
                unit: "examples".into(),
                edges: (0..=8).map(f64::from).collect(),
                bins: (0..8).map(bin).collect(),
                lines: vec![level("Bonferroni", 4.5)],
            },
            Figure::Scatter {
                title: title("points"),
                x: "ratio of parameters".into(),
                y: "mean -ln p".into(),
                points: (0..5)
                    .map(|i| Point {
                        x: f64::from(i),
                        y: f64::from(i * i),
                        name: format!("pair {i}"),
                        examples: vec![],
                    })
                    .collect(),
            },
            Figure::Pictures {
                title: title("pictures"),
                rows: vec![
                    ("most".into(), (0..4).map(picture).collect()),
                    ("least".into(), (4..8).map(picture).collect()),
                ],
            },
        ],
        ..Answer::default()
    }
}

fn correlate(model: &str, views: &Arc<Vec<ReplicateView>>) -> Answer {
    let finished = views.iter().filter(|v| v.progress.id.label == model && v.progress.state == State::Finished).count();
    let names: Vec<String> = columns().into_iter().map(|c| c.name).filter(|name| name != "el2n@20").collect();
    let n = names.len();
    let figure = |title: &str, f: fn(f64) -> f64| Figure::Heatmap {
        title: title.into(),
        rows: names.clone(),
        columns: names.clone(),
        values: Array2::from_shape_fn((n, n), |(i, j)| {
            f(if i == j { 1.0 } else { f64::from(noise(i.min(j), i.max(j) + 50)) * 0.5 + 0.45 })
        }),
    };
    Answer {
        reading: format::plural(finished, "finished run", "finished runs"),
        figures: vec![
            figure("Mean with mean", |r| r),
            figure("Mean with run", |r| (r - 1.05) / 3.0),
            figure("Same run", |r| if r >= 1.0 { f64::NAN } else { r / 9.0 }),
        ],
        ..Answer::default()
    }
}

/// A study in the middle of its training, with the receiving end of its commands.
pub fn session_with_commands() -> (Session, Receiver<Command>) {
    let views = [
        view("resnet8", 0, State::Finished, 12),
        view("mlp-512x7", 0, State::Running, 7),
        view("resnet8", 1, State::Running, 5),
        view("mlp-512x7", 1, State::Failed, 2),
        view("resnet8", 2, State::Paused, 5),
        view("mlp-512x7", 2, State::Queued, 0),
        view("resnet8", 3, State::Queued, 0),
        view("mlp-512x7", 3, State::Skipped, 0),
    ];
    let board = Board::new(views.iter().map(|view| view.progress.clone()).collect());
    for view in views {
        let id = view.progress.id.clone();
        board.update(&id, |old| *old = view);
    }
    let (commands, received) = unbounded();
    let dataset = Arc::new(dataset());
    let session = Session {
        name: "demo".into(),
        examples: Arc::new(Examples::of(&dataset)),
        dataset: Some(dataset),
        scores: Arc::new(columns()),
        imported: Vec::new(),
        milestones: ["resnet8", "mlp-512x7"].map(|label| (label.to_owned(), vec![6.0])).to_vec(),
        board: Arc::new(board),
        events: None,
        arrivals: None,
        commands: Some(commands),
        remote: false,
        jobs: 2,
        history: Arc::new(MadeUp),
        analyse: Arc::new(|analysis, model, views, _| match analysis.name {
            "correlation" => correlate(model, &views),
            _ => answer(analysis, model),
        }),
        log: Vec::new(),
        notice: None,
        afresh: false,
        verdicts: None,
    };
    (session, received)
}

/// A study in the middle of its training.
pub fn session() -> Session {
    session_with_commands().0
}

/// Scores from elsewhere: three runs of one model, the second not finite by one score, and a model without runs; neither labels
/// nor pictures.
pub fn imported() -> Session {
    let run = |index: usize| {
        let finished = view("resnet18", index as u32, State::Finished, 1);
        let progress = Progress {
            device: "imported".into(),
            epochs_done: 0,
            epochs: 0,
            timetable: Timetable::default(),
            seconds: 0.0,
            train_accuracy: None,
            test_accuracy: None,
            ..finished.progress
        };
        let values = |score: usize| (0..TRAIN).map(|example| value(score, index, example)).collect();
        let aum = if index == 1 { vec![f32::NAN; TRAIN] } else { values(4) };
        let scores = LiveScores { epoch: 0, values: vec![values(5), aum], predicted: Vec::new() };
        let (roles, margins) = (finished.roles.get(..TRAIN).unwrap_or_default().into(), Arc::default());
        ReplicateView { progress, roles, margins, scores: Some(Arc::new(scores)) }
    };
    let column = |name: &str, harder| ScoreColumn { name: name.into(), harder, about: about(name) };
    Session {
        name: "published".into(),
        examples: Arc::new(Examples { ids: (0..TRAIN as u32).collect(), train: TRAIN, ..Examples::default() }),
        dataset: None,
        scores: Arc::new(vec![column("forgetting", Harder::High), column("paper.aum", Harder::Low)]),
        imported: vec!["resnet18".into(), "crowd".into()],
        milestones: Vec::new(),
        board: Arc::new(Board::of((0..3).map(run).collect())),
        commands: None,
        history: Arc::new(Nothing),
        ..session()
    }
}

/// No histories.
struct Nothing;

impl HistorySource for Nothing {
    fn history(&self, _: &ReplicateId, _: usize, _: u32) -> Result<History> {
        Ok(History::default())
    }

    fn probabilities(&self, _: &ReplicateId, _: usize) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
}

/// A study whose second model holds examples out: its first run trained on every other one, and numbers of the whole model are there.
pub fn held_out_session() -> Session {
    let mut session = session();
    let mut views = session.board.snapshot();
    let first = views.iter_mut().find(|view| view.progress.id == ReplicateId { label: "mlp-512x7".into(), index: 0 });
    if let Some(view) = first {
        let odd = |(at, role): (usize, &Role)| if at % 2 == 1 && *role == Role::Train { Role::Val } else { *role };
        view.roles = view.roles.iter().enumerate().map(odd).collect();
    }
    let mut ensembles = Ensembles::default();
    let values = |example: usize| if example < TRAIN { noise(example, 3) } else { f32::NAN };
    for (name, harder) in [("consensus_consistency", Harder::Low), ("memorization", Harder::High)] {
        let in_and_out = (name == "memorization").then(|| [vec![5; ALL], vec![3; ALL]]);
        let consensus = Consensus { values: (0..ALL).map(values).collect(), counts: vec![2; ALL], in_and_out };
        ensembles.insert("mlp-512x7", name, consensus);
        Arc::make_mut(&mut session.scores).push(ScoreColumn { name: name.into(), harder, about: about(name) });
    }
    session.board = Arc::new(Board::of(views).with_ensembles(ensembles));
    session
}

/// Two made-up GPUs.
pub fn gpus() -> Vec<Gpu> {
    let gpu =
        |index, used, busy| Gpu { index, name: "NVIDIA H100 80GB HBM3".into(), used, memory: 85_520_809_984, busy };
    vec![gpu(0, 33_500_000_000, Some(87)), gpu(1, 700_000_000, None)]
}

/// Its workbench, with every question answered.
pub fn app() -> App {
    let mut app = App::new(session(), Theme::new(Choice::Dark, Depth::True, None), Mode::Blocks);
    settle(&mut app);
    app
}

/// Answers all open questions, as the workers would; returns the other effects.
pub fn settle(app: &mut App) -> Vec<Effect> {
    let library = Library::of(&app.session);
    let mut others = Vec::new();
    loop {
        let effects = app.take_effects();
        if effects.is_empty() {
            return others;
        }
        for effect in effects {
            match effect {
                Effect::Ask(question) => {
                    app.receive(library.answer(question));
                    app.ask();
                }
                other => others.push(other),
            }
        }
    }
}
