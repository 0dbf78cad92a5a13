//! Does a bad config say what is wrong, where, and what was meant?

use diffscope::study::config::Observe;
use diffscope::study::{Config, Plan};
use proptest::prelude::*;

use crate::studies::SMALL;

fn error(text: &str, settings: &[&str]) -> String {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    match Config::parse(text, "study.toml", &settings) {
        Ok(config) => panic!("expected an error, not {config:?}"),
        Err(error) => {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        }
    }
}

fn assert_says(error: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| error.contains(part)), "expected {parts:?} in: {error}");
}

#[test]
fn a_mistyped_key_names_file_line_and_the_nearest_valid_name() {
    assert_says(
        &error(&SMALL.replace("epochs = 3", "epohcs = 3"), &[]),
        &["study.toml:7", "epohcs", "did you mean `epochs`"],
    );
    assert_says(&error(&SMALL.replace("momentum", "momentun"), &[]), &["study.toml:9", "did you mean `momentum`"]);
    assert_says(&error("a = 1\nnot toml [[[", &[]), &["study.toml:2"]);
    assert_says(
        &error(&SMALL.replace("label = \"net\"", "lable = \"net\""), &[]),
        &["study.toml:15", "did you mean `label`"],
    );
    assert_says(&error(&SMALL.replace("el2n", "el2m"), &[]), &["el2m", "el2n"]);
    assert_says(
        &error(&SMALL.replace("\"embedded\"", "\"embeded\""), &[]),
        &["study.toml:4", "data.source", "embedded"],
    );
}

#[test]
fn a_value_that_cannot_be_names_its_key_and_line() {
    assert_says(
        &error(&SMALL.replace("batch_size = 32", "batch_size = 0"), &[]),
        &["study.toml:8", "train.batch_size", "at least 1"],
    );
    assert_says(&error(&SMALL.replace("lr = 0.05", "lr = nan"), &[]), &["train.optimizer.lr", "finite"]);
    assert_says(&error(&SMALL.replace("resnet8-4", "resnet21"), &[]), &["study.toml:14", "model.0.name", "6n+2"]);
    assert_says(
        &error(&SMALL.replace("name = \"mlp-16x1\"\n", "name = \"mlp-16x1\"\nlabel = \"net\"\n"), &[]),
        &["twice"],
    );
    assert_says(
        &error(&SMALL.replace("name = \"small\"", "name = \"../up\""), &[]),
        &["study.toml:2", "names a folder"],
    );
    assert_says(&error(&SMALL.replace("milestones = [2]", "milestones = [3, 2]"), &[]), &["milestones", "rise"]);
    assert_says(
        &error(&SMALL.replace("limit = 200", "holdout = 0.1"), &[]),
        &["study.toml:5", "data.holdout", "not yet"],
    );
    assert_says(&error(SMALL.split("[[model]]").next().unwrap(), &[]), &["at least one [[model]]"]);
}

#[test]
fn a_value_has_its_line_however_the_table_is_written() {
    let small = |train: &str| {
        format!("name = \"s\"\n[data]\nsource = \"embedded\"\n{train}\n[[model]]\nname = \"mlp-8x1\"\nreplicates = 1\n")
    };
    for train in [
        "[train]\nepochs = 1\noptimizer = { momentum = 0.5,\n  lr = -1.0 }",
        "[train]\nepochs = 1\noptimizer.momentum = 0.5\noptimizer.lr = -1.0",
        "[train]\nepochs = 1\n[train.optimizer]\nlr = -1.0",
    ] {
        let text = small(train);
        let line = text.lines().position(|line| line.contains("lr = -1")).unwrap() + 1;
        assert_says(&error(&text, &[]), &[&format!("study.toml:{line}: train.optimizer.lr")]);
    }
}

#[test]
fn what_a_later_version_brings_says_so() {
    for line in ["steps = 100", "observe_every = 2", "batch_size = \"full\"", "loss = \"0-hinge\""] {
        let text = SMALL.replace("batch_size = 32\n", "").replace("seed = 3", &format!("seed = 3\n{line}"));
        assert_says(&error(&text, &[]), &["study.toml:", line.split(' ').next().unwrap(), "this version"]);
    }
    let text = SMALL.replace("name = \"mlp-16x1\"", "name = \"mlp-16x1\"\nholdout = 0.1");
    assert_says(&error(&text, &[]), &["model.1.holdout", "not yet"]);
}

#[test]
fn set_changes_values_by_dotted_paths_and_list_places() {
    let settings = [
        "train.epochs=2",
        "model.0.replicates=7",
        "model.1.name=mlp-32x2",
        "train.observe=\"sweep\"",
        "scores.el2n={ epoch = 1 }",
    ];
    let settings = settings.map(str::to_owned);
    let config = Config::parse(SMALL, "study.toml", &settings).unwrap();
    assert_eq!((config.train.epochs, config.models[0].replicates, config.train.observe), (2, 7, Observe::Sweep));
    assert_eq!(config.models[1].label(), "mlp-32x2");
    let plan = Plan::new(&config).unwrap();
    assert!(plan.scores.iter().any(|spec| spec.name == "el2n@1"));
    assert_eq!(plan.replicates.len(), 9);
}

#[test]
fn a_bad_set_says_which_one_and_why() {
    assert_says(&error(SMALL, &["train.batch_size=0"]), &["--set train.batch_size=0", "at least 1"]);
    assert_says(&error(SMALL, &["train.optimizer={ lr = -1.0 }"]), &["--set train.optimizer", "train.optimizer.lr"]);
    assert_says(&error(SMALL, &["train.epohcs=2"]), &["--set", "epohcs", "did you mean `epochs`"]);
    assert_says(&error(SMALL, &["train.epochs"]), &["--set train.epochs", "key=value"]);
    assert_says(&error(SMALL, &["model.9.replicates=2"]), &["--set", "`9`"]);
    assert_says(&error(SMALL, &["train.epochs.deep=2"]), &["--set", "no table"]);
    assert_says(&error(SMALL, &["train.epochs=\"two\""]), &["--set"]);
    assert_says(&error(SMALL, &["train.epochs=[[["]), &["--set", "not TOML"]);
}

#[test]
fn every_replicate_has_its_own_seed_and_models_take_turns() {
    let plan = Plan::new(&Config::parse(SMALL, "study.toml", &[]).unwrap()).unwrap();
    let names: Vec<String> = plan.replicates.iter().map(|replicate| replicate.id.to_string()).collect();
    assert_eq!(names, ["net/000", "mlp-16x1/000", "net/001", "mlp-16x1/001"]);
    let seeds: std::collections::BTreeSet<u64> = plan.replicates.iter().map(|replicate| replicate.key.seed()).collect();
    assert_eq!(seeds.len(), 4);
}

#[test]
fn milestones_drop_the_rate_after_so_many_epochs() {
    let config = Config::parse(SMALL, "study.toml", &[]).unwrap();
    let rates: Vec<f64> = (1..=3).map(|epoch| config.train.optimizer.rate(epoch)).collect();
    assert_eq!(rates[..2], [0.05, 0.05]);
    assert!((rates[2] - 0.005).abs() < 1e-12);
}

#[test]
fn every_shipped_config_is_valid_also_when_cut_to_two_epochs() {
    let mut seen = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/configs")).unwrap() {
        let path = entry.unwrap().path();
        for settings in [vec![], vec!["train.epochs=2".to_owned()]] {
            Plan::new(&Config::read(&path, &settings).unwrap()).unwrap();
        }
        seen += 1;
    }
    assert!(seen > 0);
}

proptest! {
    #[test]
    fn no_text_and_no_setting_panics(text in "\\PC{0,200}", setting in "\\PC{0,40}", place in any::<prop::sample::Index>(), key in "[a-z.0-9]{0,20}") {
        let _ = Config::parse(&text, "t", &[]);
        let _ = Config::parse(SMALL, "t", std::slice::from_ref(&setting));
        let _ = Config::parse(SMALL, "t", &[format!("{key}={setting}")]);
        let at = place.index(SMALL.len());
        let mutated = format!("{}{setting}{}", &SMALL[..at], &SMALL[at..]);
        let _ = Config::parse(&mutated, "t", &[]);
    }
}
