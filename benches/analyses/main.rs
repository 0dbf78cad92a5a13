//! How long do the analyses take, the first time and after a change of score or threshold, and how much memory?
//!
//! `cargo bench --bench analyses -- [EXAMPLES RUNS SCORES]` on made-up scores (50,000, 40 and 8 by default), or
//! `cargo bench --bench analyses -- DIR` on `scores_a.npy` and `scores_b.npy` (`[scores, runs, examples]`) of DIR, whose
//! results go to `DIR/ours.json`; `benches/against_scipy.py` makes such a folder and sets SciPy beside it.
#![allow(clippy::unwrap_used)] // a bench may stop

mod roles;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use diffscope::analysis::intervals::{self, rank_intervals};
use diffscope::analysis::means::SignedRuns;
use diffscope::analysis::{
    Analysis, Answer, Evidence, Input, ModelScores, Options, REGISTRY, ScoreRuns, audit, bias, components, correlation,
    depth, fingerprint, stability, variance, vog,
};
use diffscope::random::Key;
use diffscope::scores::Harder;
use diffscope::store::npy;
use ndarray::{Array2, Array3, Axis};
use serde_json::{Map, Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let sizes: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let folder = arguments.first().filter(|_| sizes.is_empty()).map(Path::new);
    let models = match (folder, sizes[..].first_chunk()) {
        (Some(folder), _) => read(folder),
        (None, Some(&[examples, runs, scores])) => made_up(examples, runs, scores),
        (None, None) => made_up(50_000, 40, 8),
    };
    let first = &models[0];
    println!("{} examples, {} runs, {} scores", first.examples(), first.runs.len(), first.scores.len());
    let answers = first_time(&models);
    again(&models);
    if folder.is_none() {
        with_roles(first.examples(), first.runs.len());
    }
    if let Some(folder) = folder {
        let results: Map<String, Value> =
            answers.into_iter().map(|(name, answer)| (name.to_owned(), json!(answer.results))).collect();
        std::fs::write(folder.join("ours.json"), Value::from(results).to_string()).unwrap();
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    }
}

/// A whole analysis, everything included.
fn first_time(models: &[ModelScores]) -> Vec<(&'static str, Answer)> {
    let one = &models[..1];
    let questions: [(&Analysis, &[ModelScores]); 6] = [
        (&correlation::ANALYSIS, one),
        (&stability::ANALYSIS, one),
        (&components::ANALYSIS, one),
        (&bias::ANALYSIS, models),
        (&variance::ANALYSIS, one),
        (&fingerprint::ANALYSIS, models),
    ];
    let options = Options { per_example: true, ..Options::default() };
    questions
        .map(|(analysis, models)| {
            let start = Instant::now();
            let answer = (analysis.run)(&Input { models, replicates: &[], evidence: None }, &options).unwrap();
            println!("{:12} {:8.3} s", analysis.name, start.elapsed().as_secs_f64());
            (analysis.name, answer)
        })
        .into()
}

/// What a reader waits for who takes a score in or out, or moves a threshold, on the screen.
fn again(models: &[ModelScores]) {
    let model = &models[0];
    let names: Vec<String> = model.scores.iter().map(|score| score.name.clone()).collect();
    let fewer = Options { scores: names[1..].to_vec(), quick: true, ..Options::default() };
    let all = Options { quick: true, ..Options::default() };
    let other = Options { threshold: 80.0, target: 0.02, quick: true, ..Options::default() };
    for analysis in REGISTRY {
        let Some(again) = analysis.again.filter(|_| !analysis.wants.all_roles) else { continue };
        let mut kept = again();
        let models = if analysis.compares { models } else { &models[..1] };
        let input = Input { models, replicates: &[], evidence: None };
        kept.answer(&input, &fewer).unwrap();
        // A score that was not looked at before comes in.
        once(&format!("{}: a score more", analysis.name), || kept.answer(&input, &all).unwrap());
        timed(&format!("{}: a score fewer", analysis.name), || kept.answer(&input, &fewer).unwrap());
        if analysis.takes.contains(&"--threshold") {
            timed(&format!("{}: another threshold", analysis.name), || kept.answer(&input, &other).unwrap());
        }
    }
    let score = SignedRuns::new(&model.scores[0]);
    timed("rank intervals of a score", || rank_intervals(&score, intervals::DRAWS, 0, 0.9));
}

/// The same of the questions that look at every role, at labels, networks and probes.
fn with_roles(examples: usize, runs: usize) {
    let (models, left) = (roles::study(examples, runs), roles::Left::of(examples));
    println!("held-out examples, changed labels, probes: {} scores", models[0].scores.len());
    for analysis in [&depth::ANALYSIS, &vog::ANALYSIS, &audit::ANALYSIS] {
        let evidence = analysis.wants.evidence.then_some(&left as &dyn Evidence);
        let is_read = |name: &str| {
            let base = diffscope::analysis::select::base(name);
            analysis.wants.scores.is_empty() || analysis.wants.scores.contains(&base)
        };
        let mut models = models.clone();
        for model in &mut models {
            model.scores.retain(|score| is_read(&score.name));
        }
        let input = Input { models: &models, replicates: &[], evidence };
        let whole = Options::default();
        once(&format!("{}: first answer", analysis.name), || (analysis.run)(&input, &whole).unwrap());
        let Some(mut kept) = analysis.again.map(|again| again()) else { continue };
        let names: Vec<String> = models[0].scores.iter().map(|score| score.name.clone()).collect();
        let first = names.iter().position(|name| name.starts_with(analysis.wants.scores.first().unwrap_or(&"aum")));
        let first = first.unwrap_or_default();
        let of = |scores: &[String], quick| Options { scores: scores.to_vec(), quick, ..Options::default() };
        let (one, other, both) = (&names[first..=first], &names[first + 1..first + 2], &names[first..first + 2]);
        once(&format!("{}: first look", analysis.name), || kept.answer(&input, &of(one, true)).unwrap());
        kept.answer(&input, &of(one, false)).unwrap();
        once(&format!("{}: another score", analysis.name), || kept.answer(&input, &of(other, true)).unwrap());
        kept.answer(&input, &of(other, false)).unwrap();
        once(&format!("{}: both", analysis.name), || kept.answer(&input, &of(both, true)).unwrap());
        timed(&format!("{}: a score fewer", analysis.name), || kept.answer(&input, &of(one, true)).unwrap());
        let held_out = Options { role: "val".to_owned(), ..of(one, true) };
        once(&format!("{}: another role", analysis.name), || kept.answer(&input, &held_out).unwrap());
    }
}

fn once<T>(what: &str, work: impl FnOnce() -> T) {
    let start = Instant::now();
    std::hint::black_box(work());
    println!("{what:40} {:8.1} ms", start.elapsed().as_secs_f64() * 1000.0);
}

/// The median of five.
fn timed<T>(what: &str, mut work: impl FnMut() -> T) {
    let mut seconds: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("{what:40} {:8.1} ms", 1e3 * seconds[2]);
}

fn model(name: &str, scores: Vec<Array2<f32>>) -> ModelScores {
    let runs = scores[0].nrows() as u32;
    let score = |(place, values)| ScoreRuns { name: format!("s{place}"), harder: Harder::High, values };
    ModelScores {
        model: name.to_owned(),
        role: "train",
        runs: (0..runs).collect(),
        scores: scores.into_iter().enumerate().map(score).collect(),
        cohort: Arc::default(),
        predicted: Array2::default((0, 0)),
    }
}

fn read(folder: &Path) -> Vec<ModelScores> {
    let read = |(name, file): (&str, &str)| {
        let (shape, values) = npy::read::<f32>(&folder.join(file)).unwrap();
        let all = Array3::from_shape_vec((shape[0], shape[1], shape[2]), values).unwrap();
        model(name, all.axis_iter(Axis(0)).map(|score| score.to_owned()).collect())
    };
    [("left", "scores_a.npy"), ("right", "scores_b.npy")].map(read).into()
}

/// One latent difficulty, the score's own part, and noise of runs that grows with the difficulty; the second model has half
/// as many runs.
fn made_up(examples: usize, runs: usize, scores: usize) -> Vec<ModelScores> {
    let key = |label: &str, index: usize| Key { study_seed: 0, label: label.to_owned(), index: index as u32 };
    let mut stream = key("latent", 0).stream("bench");
    let latent: Vec<f64> = (0..examples).map(|_| stream.normal().exp()).collect();
    let score = |name: &str, runs: usize, score: usize| {
        let mut own = key("own", score).stream("bench");
        let own: Vec<f64> = (0..examples).map(|_| 0.35 * own.normal()).collect();
        let mut noise = key(name, score).stream("bench");
        Array2::from_shape_fn((runs, examples), |(_, example)| {
            let hard = latent[example];
            (hard.ln_1p() + own[example] + (0.15 + 0.1 * hard) * (noise.uniform() - 0.5) * 3.5) as f32
        })
    };
    let of = |name: &str, runs: usize| model(name, (0..scores).map(|place| score(name, runs, place)).collect());
    vec![of("left", runs), of("right", runs.div_ceil(2))]
}
