//! Does a bad config say what is wrong, where, and what was meant?

use diffscope::study::config::{BatchSize, Loss, Observe};
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

fn planned(text: &str, settings: &[&str], train: usize) -> Plan {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    Plan::new(&Config::parse(text, "study.toml", &settings).unwrap(), train).unwrap()
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
        &["study.toml:5", "data.holdout", "observe = \"sweep\""],
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
fn what_is_held_out_and_noised_must_make_sense() {
    let text = SMALL.replace("name = \"mlp-16x1\"", "name = \"mlp-16x1\"\nholdout = 0.1");
    assert_says(&error(&text, &[]), &["study.toml:19", "model.1.holdout", "observe = \"sweep\""]);
    let sweep = "train.observe=sweep";
    assert_says(&error(SMALL, &[sweep, "data.holdout=1.0"]), &["data.holdout", "below 1"]);
    assert_says(
        &error(SMALL, &[sweep, "data.retrain={ fraction = -0.5, epochs = 1, lr = 0.1 }"]),
        &["data.retrain", "from 0"],
    );
    assert_says(&error(SMALL, &["data.label_noise={ kind = 'symetric', rate = 0.1 }"]), &["did you mean `symmetric`"]);
    assert_says(&error(SMALL, &["data.label_noise={ kind = 'pairs', rate = 1.5 }"]), &["data.label_noise", "0 to 1"]);
    for (noise, reason) in [
        ("{ kind = 'matrix', rate = 0.5 }", "a row per class"),
        ("{ kind = 'matrix', rate = 0.5, matrix = [[0.5, 0.4], [0.0, 1.0]] }", "sum to 1"),
        ("{ kind = 'pairs', rate = 0.5, matrix = [[1.0]] }", "leave it out"),
    ] {
        assert_says(&error(SMALL, &[&format!("data.label_noise={noise}")]), &["data.label_noise.matrix", reason]);
    }
    let text = format!("{SMALL}consistency = {{}}\n");
    assert_says(&error(&text, &[]), &["scores.consistency", "[data] holdout"]);
    let text = format!("{SMALL}holdout_retraining = {{}}\n");
    assert_says(&error(&text, &[sweep]), &["scores.holdout_retraining", "[data] retrain"]);
    let config = Config::parse(SMALL, "s", &[sweep.into(), "data.holdout=0.999".into()]).unwrap();
    assert_says(&Plan::new(&config, 200).unwrap_err().to_string(), &["200 training examples", "hold out less"]);
    let part = |fraction: &str| {
        let retrain = format!("data.retrain={{ fraction = {fraction}, epochs = 1, lr = 0.1 }}");
        Plan::new(&Config::parse(SMALL, "s", &[sweep.into(), retrain]).unwrap(), 200)
    };
    assert_says(&part("0.002").unwrap_err().to_string(), &["data.retrain.fraction", "0.002 of 200", "larger share"]);
    assert_eq!(part("0.003").unwrap().replicates.len(), 4, "one example is a part");
}

#[test]
fn a_length_is_given_once_in_epochs_or_in_steps() {
    let steps = |line: &str| SMALL.replace("epochs = 3", line);
    assert_says(&error(&steps("epochs = 3\nsteps = 9"), &[]), &["study.toml:8", "train.steps", "leave one"]);
    assert_says(&error(&steps("steps = 0"), &[]), &["study.toml:7", "train.steps", "at least 1"]);
    assert_says(&error(&steps(""), &[]), &["study.toml:6", "train.epochs", "net", "steps"]);
    let text = SMALL.replace("name = \"mlp-16x1\"", "name = \"mlp-16x1\"\nepochs = 2\nsteps = 9");
    assert_says(&error(&text, &[]), &["study.toml:20", "model.1.steps"]);
    let own = steps("").replace("replicates = 2", "replicates = 2\nsteps = 20");
    let plan = planned(&own, &[], 200);
    assert!(plan.replicates.iter().all(|replicate| replicate.timetable.steps == 20));
}

#[test]
fn a_length_that_is_set_cuts_every_model_whatever_it_was_given() {
    let text = SMALL.replace("name = \"mlp-16x1\"", "name = \"mlp-16x1\"\nsteps = 5000");
    let epochs = |settings: &[&str]| {
        let plan = planned(&text, settings, 200);
        [plan.replicates[0].timetable, plan.replicates[1].timetable].map(|table| (table.epochs, table.steps))
    };
    assert_eq!(epochs(&[]), [(3, 21), (715, 5000)]);
    assert_eq!(epochs(&["train.epochs=2"]), [(2, 14), (2, 14)]);
    assert_eq!(epochs(&["train.steps=10"]), [(2, 10), (2, 10)]);
    assert_eq!(epochs(&["train.epochs=2", "model.1.epochs=4"]), [(2, 14), (4, 28)]);
}

#[test]
fn a_model_has_its_own_recipe_where_it_says_so() {
    let own = "steps = 30\nbatch_size = \"full\"\nloss = \"0-hinge\"\nobserve_every = 10\naugment = { crop = 0, flip = false }\n\
               optimizer = { lr = 1.0, momentum = 0.0, weight_decay = 0.0, milestones = [20], gamma = 0.5 }";
    let plan = planned(&SMALL.replace("name = \"mlp-16x1\"", &format!("name = \"mlp-16x1\"\n{own}")), &[], 200);
    let (net, mlp) = (&plan.replicates[0], &plan.replicates[1]);
    assert_eq!((net.recipe.batch_size, net.recipe.loss), (BatchSize::Examples(32), Loss::CrossEntropy));
    assert_eq!((net.timetable.epochs, net.timetable.every, net.timetable.rows), (3, 1, 3));
    assert_eq!((mlp.recipe.batch_size, mlp.recipe.loss), (BatchSize::Full, Loss::ZeroHinge));
    assert_eq!((mlp.timetable.epochs, mlp.timetable.every, mlp.timetable.rows), (30, 10, 3));
    let near = |found: f64, expected: f64| (found - expected).abs() < 1e-12;
    assert!(near(mlp.recipe.rate(20, 20), 1.0) && near(mlp.recipe.rate(21, 21), 0.5), "the rate halves after 20 steps");
    assert!(mlp.milestones().len() == 1 && near(mlp.milestones()[0], 20.0), "{:?}", mlp.milestones());
    for (line, says) in [
        ("observe_every = 0", ["model.1.observe_every", "at least 1"]),
        ("batch_size = \"all\"", ["batch_size", "\"full\""]),
        ("batch_size = -3", ["batch_size", "at least 1"]),
        ("loss = \"hinge\"", ["hinge", "did you mean `0-hinge`"]),
    ] {
        let text = SMALL.replace("name = \"mlp-16x1\"", &format!("name = \"mlp-16x1\"\n{line}"));
        assert_says(&error(&text, &[]), &[&["study.toml:19"], &says[..]].concat());
    }
}

#[test]
fn milestones_of_steps_drop_the_rate_within_an_epoch() {
    let text = SMALL.replace("epochs = 3", "steps = 20").replace("milestones = [2]", "milestones = [9, 40]");
    let plan = planned(&text, &[], 200);
    let net = &plan.replicates[0];
    let rates: Vec<f64> = (8..=11).map(|step| net.recipe.rate(2, step)).collect();
    assert_eq!(rates[..2], [0.05, 0.05], "steps 8 and 9");
    assert!(rates[2..].iter().all(|rate| (rate - 0.005).abs() < 1e-12), "{rates:?}");
    let warnings = plan.warnings().join("\n");
    assert!(warnings.contains("net: milestones 40 come after its 20 steps"), "{warnings}");
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
    assert_eq!((config.train.epochs, config.models[0].replicates, config.train.observe), (Some(2), 7, Observe::Sweep));
    assert_eq!(config.models[1].label(), "mlp-32x2");
    let plan = Plan::new(&config, 200).unwrap();
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
    let plan = Plan::new(&Config::parse(SMALL, "study.toml", &[]).unwrap(), 200).unwrap();
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

/// What a shipped config plans: its file, training examples, and of each model label, name, replicates, epochs, steps
/// and rows of observations.
type Shipped = (&'static str, usize, &'static [(&'static str, &'static str, u32, u32, u64, u32)]);

const SHIPPED: &[Shipped] = &[
    ("demo", 4_000, &[("resnet8-8", "resnet8-8", 4, 12, 1_500, 12), ("mlp-256x3", "mlp-256x3", 4, 12, 1_500, 12)]),
    (
        "kwok-cifar10",
        50_000,
        &[
            ("resnet20", "resnet20", 40, 160, 62_560, 160),
            ("vgg16", "vgg16", 40, 160, 62_560, 160),
            ("resnet20-64", "resnet20-64", 20, 160, 62_560, 160),
            ("resnet34", "resnet34", 20, 160, 62_560, 160),
            ("vgg16-16", "vgg16-16", 20, 160, 62_560, 160),
            ("vgg11", "vgg11", 20, 160, 62_560, 160),
        ],
    ),
    (
        "baldock-cifar10",
        50_000,
        &[
            ("resnet18-gn", "resnet18-gn", 250, 40, 7_000, 40),
            ("resnet18-gn-all", "resnet18-gn", 25, 36, 7_000, 36),
            ("vgg16-plain", "vgg16-plain", 250, 35, 6_000, 35),
            ("vgg16-plain-all", "vgg16-plain", 25, 31, 6_000, 31),
            ("mlp-2048x7", "mlp-2048x7", 250, 42, 7_250, 42),
            ("mlp-2048x7-all", "mlp-2048x7", 25, 37, 7_250, 37),
        ],
    ),
    (
        "baldock-fmnist",
        60_000,
        &[
            ("resnet18-gn", "resnet18-gn", 250, 34, 7_000, 34),
            ("resnet18-gn-all", "resnet18-gn", 25, 30, 7_000, 30),
            ("vgg16-plain", "vgg16-plain", 250, 48, 10_000, 48),
            ("vgg16-plain-all", "vgg16-plain", 25, 43, 10_000, 43),
            ("mlp-2048x7", "mlp-2048x7", 250, 60, 12_500, 60),
            ("mlp-2048x7-all", "mlp-2048x7", 25, 54, 12_500, 54),
        ],
    ),
    (
        "baldock-margins",
        4_096,
        &[
            ("ce-sgd", "vgg16-plain", 5, 200, 3_200, 200),
            ("ce-gd", "vgg16-plain", 5, 1_200_000, 1_200_000, 120),
            ("hinge-sgd", "vgg16-plain", 5, 469, 7_500, 469),
            ("hinge-gd", "vgg16-plain", 5, 800_000, 800_000, 80),
        ],
    ),
    ("toy", 1_000, &[("mlp-16x1", "mlp-16x1", 4, 15, 480, 15)]),
    ("vog-cifar10", 50_000, &[("resnet18", "resnet18", 5, 350, 136_850, 350)]),
];

fn shipped(name: &str, settings: &[&str], train: usize) -> Plan {
    let path = std::path::PathBuf::from(format!("{}/configs/{name}.toml", env!("CARGO_MANIFEST_DIR")));
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    Plan::new(&Config::read(&path, &settings).unwrap(), train).unwrap()
}

#[test]
fn every_shipped_config_plans_the_published_study() {
    for (name, train, models) in SHIPPED {
        let plan = shipped(name, &[], *train);
        assert_eq!(plan.config.models.len(), models.len(), "{name}");
        for (label, model, replicates, epochs, steps, rows) in *models {
            let own: Vec<_> = plan.replicates.iter().filter(|replicate| replicate.id.label == *label).collect();
            let (first, table) = (own[0], own[0].timetable);
            assert_eq!((first.model.as_str(), own.len() as u32), (*model, *replicates), "{name} {label}");
            assert_eq!((table.epochs, table.steps, table.rows), (*epochs, *steps, *rows), "{name} {label}");
        }
        let seeds: std::collections::BTreeSet<u64> = plan.replicates.iter().map(|one| one.key.seed()).collect();
        assert_eq!(seeds.len(), plan.replicates.len(), "{name}: a seed each");
        assert_eq!(plan.warnings(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_shipped_config_is_in_the_table_and_valid_when_cut_to_two_epochs() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/configs")).unwrap();
    let mut names: Vec<String> =
        folder.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    let mut known: Vec<&str> = SHIPPED.iter().map(|(name, ..)| *name).collect();
    known.sort_unstable();
    assert_eq!(names, known);
    for (name, train, _) in SHIPPED {
        let plan = shipped(name, &["train.epochs=2"], *train);
        assert!(plan.replicates.iter().all(|replicate| replicate.timetable.epochs == 2), "{name}");
    }
}

#[test]
fn the_tables_of_baldock_are_in_the_configs() {
    // Table 1: rate, momentum, and the steps of each leg of the schedule, after each of which the rate falls to a fifth.
    type Row = (&'static str, &'static str, f64, f64, &'static [u32]);
    let rows: &[Row] = &[
        ("baldock-cifar10", "resnet18-gn", 4e-2, 0.95, &[7000]),
        ("baldock-cifar10", "vgg16-plain", 4e-2, 0.9, &[5000, 1000]),
        ("baldock-cifar10", "mlp-2048x7", 2e-2, 0.9, &[5000, 1250, 1000]),
        ("baldock-fmnist", "resnet18-gn", 1e-2, 0.95, &[4000, 3000]),
        ("baldock-fmnist", "vgg16-plain", 1e-2, 0.95, &[3000, 6000, 1000]),
        ("baldock-fmnist", "mlp-2048x7", 4e-2, 0.5, &[10000, 2500]),
        ("baldock-margins", "ce-sgd", 4e-3, 0.9, &[3200]),
        ("baldock-margins", "ce-gd", 6.4e-6, 0.9, &[1_200_000]),
        ("baldock-margins", "hinge-sgd", 4e-2, 0.9, &[5000, 2500]),
        ("baldock-margins", "hinge-gd", 6.4e-5, 0.95, &[800_000]),
    ];
    for (name, label, rate, momentum, legs) in rows {
        let plan = shipped(name, &[], 4096);
        let replicate = plan.replicates.iter().find(|replicate| replicate.id.label == *label).unwrap();
        let (recipe, optimizer) = (&replicate.recipe, &replicate.recipe.optimizer);
        let legs: Vec<u64> = legs.iter().map(|steps| u64::from(*steps)).collect();
        assert_eq!(replicate.timetable.steps, legs.iter().sum::<u64>(), "{name} {label}");
        let mut done = 0;
        for (leg, steps) in (0_i32..).zip(legs) {
            let expected = rate * 0.2_f64.powi(leg);
            for step in [done + 1, done + steps] {
                assert!((recipe.rate(1, step) / expected - 1.0).abs() < 1e-12, "{name} {label} step {step}");
            }
            done += steps;
        }
        assert!((optimizer.momentum - momentum).abs() < 1e-12 && optimizer.weight_decay.abs() < 1e-12);
        assert_eq!((recipe.augment.crop, recipe.augment.flip), (0, false), "{name} {label}: no augmentation");
        let hinge = label.starts_with("hinge");
        assert_eq!(recipe.loss, if hinge { Loss::ZeroHinge } else { Loss::CrossEntropy }, "{name} {label}");
        let full = label.ends_with("-gd");
        assert_eq!(recipe.batch_size, if full { BatchSize::Full } else { BatchSize::Examples(256) }, "{name} {label}");
    }
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
