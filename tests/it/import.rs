//! Do scores from elsewhere come in whole, stand beside ours, and leave the folder alone where they do not fit?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use diffscope::analysis::{self, ModelScores, Options, ScoreRuns};
use diffscope::cli;
use diffscope::commands::import::import;
use diffscope::commands::screen;
use diffscope::data::Role;
use diffscope::results::{self, Study};
use diffscope::scores::Harder;
use diffscope::store::StudyFolder;
use diffscope::store::npy;
use diffscope::train::ensembles::Ensembles;
use diffscope::tui::session::{Arrived, Session};
use ndarray::Array2;
use proptest::prelude::*;

use crate::program::{Home, err, out};
use crate::studies::id;

/// Runs whose examples agree more or less, whatever the seed; always the same.
fn values(seed: u64, runs: usize, examples: usize) -> Vec<f64> {
    let number = |seed: u64, run: usize, example: usize| {
        let text = format!("{seed} {run} {example}");
        let bytes = *blake3::hash(text.as_bytes()).as_bytes().first_chunk().unwrap();
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    };
    let rows = (0..runs).flat_map(|run| (0..examples).map(move |example| (run, example)));
    rows.map(|(run, example)| number(0, 0, example) + 0.3 * number(seed, run, example)).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

struct Place {
    home: Home,
    dir: PathBuf,
}

impl Place {
    fn new() -> Self {
        let home = Home::new();
        let dir = home.dir("published");
        Self { home, dir }
    }

    fn file<T: npy::Element>(&self, name: &str, shape: &[usize], values: &[T]) -> PathBuf {
        let path = self.home.path().join(name);
        npy::write(&path, shape, values).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.home.output(arguments)
    }

    /// Imports into a folder as (model, score), with more arguments.
    fn import(&self, dir: &Path, (model, score): (&str, &str), file: &Path, more: &[&str]) -> Output {
        let (dir, file) = (dir.display().to_string(), file.display().to_string());
        let fixed = ["import", "--dir", &dir, "--model", model, "--score", score, &file];
        self.run(&[&fixed, more].concat())
    }

    fn imported(&self, names: (&str, &str), file: &Path, more: &[&str]) -> String {
        let output = self.import(&self.dir, names, file, more);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        out(&output)
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let dir = self.dir.display().to_string();
        let output = self.run(&[&arguments[..1], &[&dir, "--json"], &arguments[1..]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        serde_json::from_str(&out(&output)).unwrap()
    }
}

/// Every file below a folder with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn a_new_folder_takes_runs_and_models_of_either_type_and_order_and_gives_them_back() {
    let place = Place::new();
    let (first, second, third) = (values(1, 3, 40), values(2, 3, 40), values(3, 1, 40));
    let c = place.file("c.npy", &[3, 40], &narrow(&first));
    let fortran = place.file("fortran.npy", &[3, 40], &second);
    npy::fortran(&fortran).unwrap();
    let one = place.file("one.npy", &[40], &third);
    let said = place.imported(("resnet18", "forgetting"), &c, &[]);
    assert!(said.contains("3 runs x 40 examples, high is difficult"), "{said}");
    place.imported(("resnet18", "paper.aum"), &fortran, &["--direction", "low"]);
    place.imported(("resnet18", "human"), &one, &[]);
    place.imported(("crowd", "human"), &one, &[]);
    let again = place.imported(("resnet18", "paper.aum"), &fortran, &["--direction", "low"]);
    assert!(again.contains("already") && again.contains("nothing was changed"), "{again}");

    let text = std::fs::read_to_string(place.dir.join("study.toml")).unwrap();
    assert!(text.contains("source = \"imported\"") && !text.contains("train]"), "{text}");
    let folder = StudyFolder::open(&place.dir).unwrap();
    let (plan, examples) = (folder.plan().unwrap(), results::examples(&folder).unwrap());
    assert_eq!((examples.len(), examples.labels.len(), examples.train), (40, 0, 40));
    assert_eq!(
        plan.scores.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(),
        ["forgetting", "paper.aum", "human"]
    );
    let (views, ensembles) = (results::views(&folder, &plan, &examples), Ensembles::of(&folder, &plan, &examples));
    let study = Study { views: &views, ensembles: &ensembles };
    let scores = results::model_scores(study, &plan.scores, "resnet18", Role::Train, 40);
    let wanted = [(narrow(&first), Harder::High), (narrow(&second), Harder::Low), (narrow(&third), Harder::High)];
    for (score, (values, harder)) in scores.scores.iter().zip(&wanted) {
        assert_eq!((score.values.iter().copied().collect::<Vec<_>>(), score.harder), (values.clone(), *harder));
    }
    let stored = folder.replicate(&id("resnet18", 1)).scores().unwrap().unwrap();
    let aum = stored.iter().find(|score| score.name == "paper.aum").unwrap();
    let digest = blake3::hash(&std::fs::read(&fortran).unwrap()).to_hex().to_string();
    assert_eq!(aum.conventions["source"]["blake3"], digest.as_str());
    assert_eq!(
        (&aum.conventions["source"]["file"], &aum.conventions["harder"]),
        (&"fortran.npy".into(), &"low".into())
    );
    assert_eq!(ensembles.get("crowd", "human", Role::Train).unwrap().values, narrow(&third));
}

#[test]
fn the_analyses_of_imported_scores_are_those_of_the_arrays() {
    let place = Place::new();
    let (first, second) = (values(1, 4, 60), values(2, 4, 60));
    place.imported(("net", "forgetting"), &place.file("a.npy", &[4, 60], &narrow(&first)), &[]);
    place.imported(("net", "paper.aum"), &place.file("b.npy", &[4, 60], &narrow(&second)), &["--direction", "low"]);
    place.imported(("crowd", "human"), &place.file("c.npy", &[60], &first[..60]), &[]);
    place.imported(("crowd", "other"), &place.file("d.npy", &[60], &second[..60]), &[]);
    let score = |name: &str, harder, values: &[f64]| ScoreRuns {
        name: name.into(),
        harder,
        values: Array2::from_shape_vec((4, 60), narrow(values)).unwrap(),
    };
    let model = ModelScores {
        model: "net".into(),
        role: "train",
        runs: vec![0, 1, 2, 3],
        scores: vec![score("forgetting", Harder::High, &first), score("paper.aum", Harder::Low, &second)],
        cohort: std::sync::Arc::default(),
        predicted: ndarray::Array2::default((0, 0)),
    };
    let expected = analysis::correlation::Prepared::new(&model).correlate(&[0, 1]);
    let answer = place.json(&["analyze", "correlation", "--model", "net"]);
    for (part, matrix) in [("mean_mean", &expected.mean_mean), ("mean_run", &expected.mean_run)] {
        for ((row, column), value) in matrix.indexed_iter() {
            let said = answer["results"][0][part][row][column].as_f64().unwrap();
            assert!((said - value).abs() < 1e-12, "{part} {row} {column}: {said} {value}");
        }
    }
    let crowd = place.json(&["analyze", "correlation", "--model", "crowd"]);
    assert!(crowd["results"][0]["mean_mean"][0][1].as_f64().unwrap() > 0.5, "{crowd:#}");
    for question in analysis::REGISTRY {
        place.json(&["analyze", question.name]);
    }
    let summary = place.json(&["analyze", "summary"]);
    let names: Vec<_> = summary["results"][1]["scores"].as_array().unwrap().iter().map(|one| &one["score"]).collect();
    assert_eq!(names, ["human", "other"], "a model has the scores that were imported for it");
}

#[test]
fn a_run_that_is_not_finite_is_kept_flagged_and_left_out_of_the_score_alone() {
    let place = Place::new();
    let mut broken = values(1, 3, 40);
    broken[40 + 7] = f64::NAN;
    broken[80] = f64::INFINITY;
    let sound = values(2, 3, 40);
    let said = place.imported(("net", "x"), &place.file("x.npy", &[3, 40], &broken), &[]);
    assert!(said.contains("2 of 3 runs have values that are not finite") && said.contains("(001, 002)"), "{said}");
    place.imported(("net", "y"), &place.file("y.npy", &[3, 40], &sound), &[]);
    let folder = StudyFolder::open(&place.dir).unwrap();
    let stored = folder.replicate(&id("net", 1)).scores().unwrap().unwrap();
    assert_eq!(stored[0].values[8].to_bits(), (broken[48] as f32).to_bits(), "what it said is kept");
    assert!(
        stored[0].conventions["non_finite"].as_bool().unwrap()
            && !stored[1].conventions["non_finite"].as_bool().unwrap()
    );

    let summary = place.json(&["analyze", "summary"]);
    let scores = summary["results"][0]["scores"].as_array().unwrap();
    let mean = |values: &[f64]| narrow(values).iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
    assert!((scores[0]["mean"].as_f64().unwrap() - mean(&broken[..40])).abs() < 1e-9, "{summary:#}");
    assert!((scores[1]["mean"].as_f64().unwrap() - mean(&sound)).abs() < 1e-9, "the other score has all its runs");
    let warnings = summary["warnings"].to_string();
    assert!(warnings.contains("net: `x`: 2 of 3 runs left out of means"), "{warnings}");
    let status = place.json(&["status"]);
    assert_eq!(status["imported"][0]["models"]["net"]["non_finite"], serde_json::json!([1, 2]));
    let dir = place.dir.display().to_string();
    let text = out(&place.run(&["status", &dir]));
    assert!(text.contains("001 002") && text.contains("imported"), "{text}");
    let closing = place.run(&["open", &dir]);
    assert!(closing.status.success() && out(&closing).contains("3 finished"), "{}", err(&closing));
}

#[test]
fn what_does_not_fit_is_refused_with_what_was_expected_and_nothing_is_written() {
    let place = Place::new();
    let rows = place.file("rows.npy", &[3, 40], &values(1, 3, 40));
    let other = place.file("other.npy", &[3, 40], &values(2, 3, 40));
    let one = place.file("one.npy", &[40], &values(1, 1, 40));
    let bad_shapes = [
        (place.file("cube.npy", &[2, 2, 10], &values(1, 1, 40)), "expected [examples] or [runs, examples]"),
        (place.file("point.npy", &[], &[1.0_f64]), "expected [examples] or [runs, examples]"),
        (place.file("empty.npy", &[3, 0], &[0.0_f64; 0]), "at least one run and one example"),
        (place.file("bytes.npy", &[40], &[1_u8; 40]), "holds |u1; expected f4 or f8"),
        (place.file("huge.npy", &[40], &[1e300; 40]), "rescale the values"),
        (place.home.path().join("small.toml"), "not a NumPy array file"),
        (place.home.path().join("nowhere.npy"), "nowhere.npy"),
    ];
    let cut = place.home.path().join("cut.npy");
    std::fs::write(&cut, &std::fs::read(&rows).unwrap()[..500]).unwrap();
    let labels = place.file("labels.npy", &[39], &[0_u8; 39]);
    let labels = labels.display().to_string();
    let refused = |names, file: &Path, more: &[&str], says: &str| {
        let output = place.import(&place.dir, names, file, more);
        assert_eq!(output.status.code(), Some(2), "{says}: {}{}", out(&output), err(&output));
        assert!(err(&output).contains(says), "expected {says:?} in {}", err(&output));
    };
    for (file, says) in &bad_shapes {
        refused(("net", "x"), file, &[], says);
    }
    refused(("net", "x"), &cut, &[], "expected");
    refused(("net", "a/b"), &rows, &[], "is no name of a score");
    refused(("../net", "x"), &rows, &[], "--model");
    refused(("net", "x"), &rows, &["--labels", &labels], "expected [40], a label for each example");
    refused(("net", "x"), &rows, &["--direction", "up"], "--direction");
    assert!(!place.dir.exists(), "nothing was made");

    place.imported(("net", "x"), &rows, &[]);
    place.imported(("net", "h"), &one, &[]);
    let before = files(&place.dir);
    for (file, says) in &bad_shapes {
        refused(("net", "y"), file, &[], says);
    }
    let (short, two) =
        (place.file("short.npy", &[3, 39], &values(1, 3, 39)), place.file("two.npy", &[2, 40], &values(1, 2, 40)));
    refused(("net", "y"), &short, &[], "39 examples; expected 40");
    refused(("net", "y"), &two, &[], "2 runs; expected 3, the imported runs of `net`");
    refused(("net", "x"), &other, &[], "other values; choose another name");
    refused(("net", "h"), &short, &[], "39 examples");
    refused(("net", "x"), &rows, &["--direction", "low"], "difficult end is high, not low");
    refused(("other", "x"), &one, &[], "has values for each run");
    refused(("other", "h"), &rows, &[], "has one number per example");
    let labels = place.file("labels.npy", &[40], &[0_u8; 40]).display().to_string();
    refused(("net", "y"), &rows, &["--labels", &labels], "leave it out");
    assert_eq!(files(&place.dir), before, "nothing was written");

    let file = place.home.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    for dir in [place.home.path(), &file] {
        let output = place.import(dir, ("net", "x"), &rows, &[]);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    }
}

#[test]
fn labels_may_come_along_with_a_new_folder() {
    let place = Place::new();
    let labels = place.file("labels.npy", &[40], &(0..40).map(|at| at % 4).collect::<Vec<u32>>());
    let rows = place.file("rows.npy", &[2, 40], &values(1, 2, 40));
    place.imported(("net", "x"), &rows, &["--labels", &labels.display().to_string()]);
    let folder = StudyFolder::open(&place.dir).unwrap();
    let examples = results::examples(&folder).unwrap();
    assert_eq!((examples.label(7), examples.class_names.len()), (Some("3".into()), 4));
}

#[test]
fn a_kill_before_the_end_is_mended_by_the_same_command() {
    let place = Place::new();
    let rows = place.file("rows.npy", &[3, 40], &values(1, 3, 40));
    let more = place.file("more.npy", &[5, 40], &values(2, 5, 40));
    place.imported(("net", "x"), &more, &[]);
    // As if it had ended before the study's record was written, and before the examples were.
    let text = std::fs::read_to_string(place.dir.join("study.toml")).unwrap();
    std::fs::write(place.dir.join("study.toml"), &text[..text.find("[[imported]]").unwrap()]).unwrap();
    std::fs::remove_file(place.dir.join("examples.parquet")).unwrap();
    let said = place.imported(("net", "x"), &rows, &[]);
    assert!(said.contains("3 runs x 40 examples"), "{said}");
    let summary = place.json(&["analyze", "summary"]);
    assert_eq!(summary["results"][0]["replicates"], 3);
}

/// What a workbench on a folder knows: its session, and what it has heard of imports.
struct Bench {
    session: Session,
}

impl Bench {
    fn on(dir: &Path) -> Self {
        let folder = StudyFolder::open(dir).unwrap();
        let (plan, examples) = (Arc::new(folder.plan().unwrap()), Arc::new(results::examples(&folder).unwrap()));
        let board = Arc::new(results::board(&folder, &plan, &examples));
        Self { session: screen::session(&folder, &plan, &examples, &board).unwrap() }
    }

    fn heard(&self) -> Arrived {
        let arrivals = self.session.arrivals.as_ref().unwrap();
        // The limit only keeps a broken test from hanging.
        arrivals.news.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    /// What the analyses say of all models: for each model and score, the number of values.
    fn answered(&self) -> Vec<(String, String, u64)> {
        let views = Arc::new(self.session.board.snapshot());
        let answer = (self.session.analyse)(&analysis::summary::ANALYSIS, "", views, &Options::default());
        let mut all = Vec::new();
        for model in &answer.results {
            for score in model["scores"].as_array().unwrap() {
                let name = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                all.push((name(&model["model"]), name(&score["score"]), score["n"].as_u64().unwrap()));
            }
        }
        all
    }
}

#[test]
fn an_open_workbench_shows_what_is_imported_meanwhile_and_its_analyses_take_it_in() {
    let place = Place::new();
    let rows = |seed| place.file(&format!("{seed}.npy"), &[2, 40], &narrow(&values(seed, 2, 40)));
    place.imported(("net", "x"), &rows(1), &[]);
    let bench = Bench::on(&place.dir);
    let of = |model: &str, score: &str, n| (model.to_owned(), score.to_owned(), n);
    assert_eq!(bench.answered(), [of("net", "x", 40)]);

    place.imported(("net", "y"), &rows(2), &["--direction", "low"]);
    let heard = bench.heard();
    assert_eq!(heard.text.as_deref(), Some("Imported: `y` of net."));
    assert_eq!(heard.scores.iter().map(|score| score.name.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    let scores = bench.session.board.snapshot().into_iter().map(|view| view.scores.unwrap().values.clone());
    let second: Vec<f32> = scores.flat_map(|values| values[1].clone()).collect();
    assert_eq!(second, narrow(&values(2, 2, 40)));
    assert_eq!(bench.answered(), [of("net", "x", 40), of("net", "y", 40)]);

    // One number per example, and a model that was not there: its runs come behind the others.
    place.imported(("net", "human"), &place.file("one.npy", &[40], &values(3, 1, 40)), &[]);
    assert_eq!(bench.heard().scores.len(), 3);
    assert!(bench.answered().contains(&of("net", "human", 40)), "{:?}", bench.answered());
    place.imported(("also", "x"), &rows(4), &[]);
    assert_eq!(bench.heard().imported, ["also", "net"]);
    let shown = bench.session.board.snapshot();
    let ids: Vec<String> = shown.iter().map(|view| view.progress.id.to_string()).collect();
    assert_eq!(ids, ["net/000", "net/001", "also/000", "also/001"]);
    assert!(bench.answered().contains(&of("also", "x", 40)), "{:?}", bench.answered());

    // Who trains here knows the scores of the start alone: what it puts on the board is read again.
    bench.session.board.update(&id("net", 1), |view| {
        let scores = view.scores.as_mut().map(Arc::make_mut).unwrap();
        scores.values.truncate(1);
    });
    assert_eq!(bench.heard().text, None);
    let shown = bench.session.board.snapshot();
    assert_eq!(shown[1].scores.as_ref().unwrap().values[1], narrow(&values(2, 2, 40)[40..]));
}

#[test]
fn a_trained_study_takes_scores_beside_its_own_and_goes_on() {
    let place = Place::new();
    place.home.finish(&place.dir, 2, &["--set", "train.epochs=1"]);
    let rows = place.file("rows.npy", &[2, 200], &values(1, 2, 200));
    let whole = place.file("whole.npy", &[2, 1200], &values(2, 2, 1200));
    let foreign = place.file("foreign.npy", &[3, 200], &values(3, 3, 200));
    let one = place.file("one.npy", &[1200], &values(4, 1, 1200));
    let before = files(&place.dir);
    for (names, file, says) in [
        (("net", "aum"), &rows, "choose another, such as `paper.aum`"),
        (("net", "el2n@7"), &rows, "choose another"),
        (("net", "paper.x"), &foreign, "3 runs; expected 2, the finished replicates of `net`"),
        (("net", "paper.x"), &place.file("short.npy", &[2, 199], &values(1, 2, 199)), "expected 200"),
    ] {
        let output = place.import(&place.dir, names, file, &[]);
        assert_eq!(output.status.code(), Some(2), "{}", out(&output));
        assert!(err(&output).contains(says), "{}", err(&output));
    }
    assert_eq!(files(&place.dir), before, "nothing was written");
    place.imported(("net", "paper.x"), &rows, &[]);
    place.imported(("net", "paper.y"), &whole, &["--direction", "low"]);
    place.imported(("vgg", "paper.x"), &foreign, &[]);
    place.imported(("vgg", "human"), &one, &[]);
    for question in analysis::REGISTRY {
        place.json(&["analyze", question.name]);
    }
    let n = |model: usize, name: &str, more: &[&str]| {
        let summary = place.json(&[&["analyze", "summary"], more].concat());
        let scores = summary["results"][model]["scores"].as_array().unwrap().clone();
        scores.iter().find(|score| score["score"] == name).map(|score| score["n"].as_u64().unwrap())
    };
    assert_eq!((n(0, "paper.x", &[]), n(0, "aum", &[]), n(1, "paper.x", &[])), (Some(200), Some(200), None));
    assert_eq!((n(2, "paper.x", &[]), n(2, "aum", &[]), n(2, "human", &[])), (Some(200), None, Some(200)));
    assert_eq!((n(0, "paper.y", &["--role", "test"]), n(0, "paper.x", &["--role", "test"])), (Some(1000), Some(0)));

    let kept = files(&place.dir.join("ensemble"));
    let printed = place.home.finish(&place.dir, 2, &["--set", "train.epochs=1", "--set", "model.0.replicates=3"]);
    assert!(printed.contains("net/002") && printed.contains("paper.x"), "{printed}");
    assert!(files(&place.dir.join("ensemble")).iter().all(|(path, bytes)| kept.get(path) == Some(bytes)));
    assert_eq!((n(0, "paper.x", &[]), n(2, "human", &[])), (Some(200), Some(200)));
    let warnings = place.json(&["analyze", "summary"])["warnings"].to_string();
    assert!(warnings.contains("net: `paper.x`: 1 of 3 runs left out"), "{warnings}");
    // The longer array fills in what came later; the rows that were there must be the same.
    let mut longer = values(1, 2, 200);
    longer.extend(values(9, 1, 200));
    place.imported(("net", "paper.x"), &place.file("longer.npy", &[3, 200], &longer), &[]);
    assert_eq!(place.json(&["analyze", "summary"])["warnings"].to_string().matches("paper.x").count(), 0);

    let mut taken = place.home.train(&place.dir, 1, &["--set", "train.epochs=1", "--set", "model.1.label=\"vgg\""]);
    assert_eq!(taken.wait().code(), Some(2));
    assert!(taken.printed().contains("`vgg` has imported scores here"), "{}", taken.printed());
}

#[test]
fn nothing_is_trained_on_imported_scores() {
    let place = Place::new();
    let rows = place.file("rows.npy", &[2, 40], &values(1, 2, 40));
    place.imported(("net", "x"), &rows, &[]);
    let mut run = place.home.train(&place.dir, 1, &[]);
    assert_eq!(run.wait().code(), Some(2));
    assert!(run.printed().contains("nothing to train"), "{}", run.printed());
    let mut run =
        place.home.train(&place.home.dir("s"), 1, &["--set", "data.source=\"imported\"", "--set", "data.limit=9"]);
    assert_eq!(run.wait().code(), Some(2));
    assert!(run.printed().contains("`diffscope import` makes such a study"), "{}", run.printed());
    for command in ["check", "fetch"] {
        let output = place.run(&["data", command, "imported"]);
        assert!(output.status.code() != Some(0) && err(&output).contains("diffscope"), "{}", err(&output));
    }
    let dir = place.dir.display().to_string();
    let opened = place.run(&["open", &dir, "--data", "/nowhere"]);
    assert_eq!(opened.status.code(), Some(2), "{}", err(&opened));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_damaged_array_is_imported_or_refused(
        changes in prop::collection::vec((0_usize..200, any::<u8>()), 0..4),
        keep in 0_usize..600,
        rows in 0_usize..4,
        columns in 0_usize..12,
    ) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("x.npy");
        npy::write(&file, &[rows, columns], &values(1, rows, columns)).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        for (at, byte) in changes {
            let last = bytes.len() - 1;
            bytes[at.min(last)] = byte;
        }
        if keep < 300 {
            bytes.truncate(keep);
        }
        std::fs::write(&file, bytes).unwrap();
        let dir = home.path().join("study");
        let (model, score) = ("net".to_owned(), "x".to_owned());
        let options = cli::Import { dir: dir.clone(), model, score, direction: cli::Direction::High, labels: None, file };
        match import(&options) {
            Ok(_) => prop_assert!(!StudyFolder::open(&dir).unwrap().examples().unwrap().is_empty()),
            Err(error) => prop_assert!(error.exit_code() == 2 && !dir.exists(), "{error}"),
        }
    }
}
