//! What a script sees: exit codes, plain lines, tables and JSON of the real program.

use std::path::Path;
use std::process::{Command, Output};

use crate::studies::{SMALL, id};

fn program(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diffscope"));
    command.args(arguments).env("XDG_STATE_HOME", home.join("state")).env("XDG_CONFIG_HOME", home.join("config"));
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A config and a folder for it; `settings` go to `run`.
fn run(home: &Path, settings: &[&str]) -> (String, Output) {
    let config = home.join("small.toml");
    std::fs::write(&config, SMALL).unwrap();
    let (config, dir) = (config.display().to_string(), home.join("study").display().to_string());
    let mut arguments = vec!["run", &config, "--headless", "--dir", &dir];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let output = program(home, &arguments);
    (dir, output)
}

#[test]
fn a_headless_run_prints_its_epochs_and_a_summary_and_the_other_commands_read_it() {
    let home = tempfile::tempdir().unwrap();
    let (dir, output) = run(home.path(), &["train.epochs=2", "scores.el2n={ epoch = 9 }"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    for part in
        ["net/000 epoch 1/2", "mlp-16x1/001 epoch 2/2", "4 finished", "diffscope open", "note: net: milestones 2"]
    {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert!(text.contains("`el2n@9` needs epoch 9"), "{text}");

    let status: serde_json::Value =
        serde_json::from_str(&out(&program(home.path(), &["status", &dir, "--json"]))).unwrap();
    let replicates = status["replicates"].as_array().unwrap();
    assert_eq!(replicates.len(), 4);
    let aum = &status["scores"]["aum"];
    assert_eq!((aum["settings"]["space"].as_str(), aum["harder"].as_str()), (Some("probability"), Some("low")));
    assert!(aum["definition"].as_str().is_some_and(|text| text.contains("p_t[y]")), "{aum}");
    let text = out(&program(home.path(), &["status", &dir]));
    let row = text.lines().find(|line| line.starts_with("aum ")).unwrap();
    assert!(row.contains("low") && row.ends_with("space = probability, until = the last epoch"), "{text}");
    assert!(replicates.iter().all(|one| one["state"] == "finished" && one["epochs_committed"] == 2));

    let summary: serde_json::Value =
        serde_json::from_str(&out(&program(home.path(), &["analyze", &dir, "--json"]))).unwrap();
    assert_eq!((summary["analysis"].as_str(), summary["study"].as_str()), (Some("summary"), Some("small")));
    let net = &summary["results"][0];
    assert_eq!((net["model"].as_str(), net["finished"].as_u64()), (Some("net"), Some(2)));
    let score =
        |name: &str| net["scores"].as_array().unwrap().iter().find(|score| score["score"] == name).unwrap().clone();
    assert_eq!((score("aum")["n"].as_u64(), score("aum")["direction"].as_str()), (Some(200), Some("low")));
    assert_eq!((score("el2n@9")["n"].as_u64(), &score("el2n@9")["mean"]), (Some(0), &serde_json::Value::Null));

    let both = [
        "analyze",
        &dir,
        "correlation",
        "--json",
        "--with",
        &dir,
        "--model",
        "net",
        "--model",
        "small/net",
        "--score",
        "aum",
        "--score",
        "loss",
    ];
    let both: serde_json::Value = serde_json::from_str(&out(&program(home.path(), &both))).unwrap();
    let results = both["results"].as_array().unwrap();
    assert_eq!(
        results.iter().map(|result| result["model"].as_str().unwrap()).collect::<Vec<_>>(),
        ["net", "small/net"]
    );
    assert_eq!(results[0]["mean_mean"], results[1]["mean_mean"], "the same study beside itself");
    assert!(results[0]["mean_mean"][0][1].as_f64().unwrap() > 0.5, "loss and aum order examples alike");

    let opened = program(home.path(), &["open"]);
    assert!(opened.status.success() && out(&opened).contains("4 finished"), "{}", err(&opened));
}

#[test]
fn what_cannot_be_asked_yet_or_at_all_exits_with_2_and_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("small.toml");
    std::fs::write(&config, SMALL).unwrap();
    let config = config.display().to_string();
    let dir = home.path().join("never").display().to_string();
    for (arguments, says) in [
        (vec!["run", &config, "--dir", &dir, "--shard", "3/2"], "i/n with i from 1 to n"),
        (vec!["run", &config, "--dir", &dir, "--detach", "--dry-run"], "--dry-run"),
        (vec!["run", &config, "--dir", &dir, "--device", "cuda:0,x"], "whole numbers"),
        (vec!["run", &config, "--dir", &dir, "--device", "tpu"], "no such device"),
        (vec!["run", &config, "--dir", &dir, "--jobs", "0"], "--jobs"),
        (vec!["run", &config, "--dir", &dir, "--set", "data.limit=99999"], "data.limit"),
        (vec!["open"], "no study was opened yet"),
    ] {
        let output = program(home.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(says), "{arguments:?}: {}", err(&output));
    }
    assert!(!Path::new(&dir).exists(), "nothing was made");
    let plan = program(home.path(), &["run", &config, "--dir", &dir, "--dry-run"]);
    assert!(plan.status.success() && out(&plan).contains("net: 2 replicates of resnet8-4 ("), "{}", out(&plan));
    assert!(!Path::new(&dir).exists(), "a dry run makes nothing");
}

#[test]
fn a_dry_run_tells_lengths_batches_passes_and_losses_of_every_model() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("small.toml").display().to_string();
    std::fs::write(&config, SMALL).unwrap();
    let settings = [
        "train.steps=17",
        "model.0.observe_every=2",
        "model.1.batch_size=full",
        "model.1.loss=0-hinge",
        "model.1.observe_every=5",
        "model.1.augment={ crop = 0 }",
        "data.limit=300",
    ];
    let mut arguments = vec!["run", config.as_str(), "--dry-run"];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let output = program(home.path(), &arguments);
    let text = out(&output);
    assert!(output.status.success(), "{}", err(&output));
    for says in [
        "17 steps in 2 epochs, the last one cut, on batches of 32, cross-entropy",
        "rate 0.05, times 0.1 after 2 steps; crops of 2 and flips",
        "passes: 1 over the test examples (every 2 epochs), logits of all examples after epoch 0, 2, final logits",
        "17 steps in 17 epochs, on all 300 examples, 256 at a time, 0-hinge",
        "no augmentation",
        "passes: 4 over the test examples (every 5 epochs)",
        "of disk (",
        "(measured just now); a replicate alone: net ",
    ] {
        assert!(text.contains(says), "expected {says:?} in:\n{text}");
    }
    assert!(err(&output).contains("measuring a few steps of mlp-16x1 (2 of 2)"), "{}", err(&output));
}

#[test]
fn depth_is_answered_from_what_the_runs_left_and_a_damaged_run_is_left_out() {
    let home = tempfile::tempdir().unwrap();
    let settings = [
        "data.limit=150",
        "data.holdout=0.4",
        "data.label_noise={ kind = 'random', rate = 0.4 }",
        "train.observe=sweep",
        "train.epochs=2",
        "model.0.replicates=2",
        "model.1.replicates=3",
        "scores.learned={ against = 'final95' }",
        "scores.output_margin={}",
        "scores.prediction_depth={ k = 5 }",
    ];
    let (dir, output) = run(home.path(), &settings);
    assert!(output.status.success(), "{}", err(&output));
    let depth = || -> serde_json::Value {
        let output = program(
            home.path(),
            &["analyze", &dir, "depth", "--json", "--with", &dir, "--model", "mlp-16x1", "--model", "small/net"],
        );
        assert!(output.status.success(), "{}", err(&output));
        serde_json::from_str(&out(&output)).unwrap()
    };
    let whole = depth();
    let results = whole["results"].as_array().unwrap();
    assert_eq!(results.iter().map(|one| one["model"].as_str().unwrap()).collect::<Vec<_>>(), ["mlp-16x1", "small/net"]);
    let (mlp, net) = (&results[0], &results[1]);
    assert_eq!((mlp["last"].as_f64(), net["last"].as_f64()), (Some(2.0), Some(5.0)));
    assert_eq!(net["probes"][0], "input");
    // The test accuracy of every probe is what the replicates stored when they asked it.
    let study = diffscope::store::StudyFolder::open(Path::new(&dir)).unwrap();
    let stored: Vec<_> = (0..3)
        .map(|run| study.replicate(&id("mlp-16x1", run)).probes("prediction_depth.k5").unwrap().unwrap())
        .collect();
    let splits = mlp["layers"].as_array().unwrap();
    assert_eq!(
        splits.iter().map(|split| split["split"].as_str().unwrap()).collect::<Vec<_>>(),
        ["unchanged", "mislabelled, new label", "mislabelled, true label", "test"]
    );
    for (layer, accuracy) in splits[3]["accuracy"].as_array().unwrap().iter().enumerate() {
        let mean = stored.iter().map(|probes| f64::from(probes.accuracy[3 * layer + 2])).sum::<f64>() / 3.0;
        assert!((accuracy.as_f64().unwrap() - mean).abs() < 1e-6, "layer {layer}");
    }
    // After the last epoch the network is the one whose accuracy the replicate's record has.
    let course = &mlp["course"][3];
    assert_eq!(course["epochs"], serde_json::json!([0, 1, 2]), "initialisation was looked at for iteration learned");
    let records = (0..3).map(|run| study.replicate(&id("mlp-16x1", run)).record().unwrap().unwrap());
    let final_accuracy = records.map(|record| record.test_accuracy.unwrap()).sum::<f64>() / 3.0;
    assert!((course["accuracy"][2].as_f64().unwrap() - final_accuracy).abs() < 1e-6);
    let test = mlp["roles"].as_array().unwrap().iter().find(|role| role["role"] == "test").unwrap();
    assert!((test["accuracy"].as_f64().unwrap() - final_accuracy).abs() < 1e-6);
    assert_eq!(mlp["corners"].as_array().map(Vec::len), Some(4));
    assert!(net["middle_probe"]["in_sample"] == true && mlp["middle_probe"].is_null());
    let told = |answer: &serde_json::Value, part: &str| answer["warnings"].to_string().contains(part);
    assert!(told(&whole, "`input_margin = {}` in [scores]") && told(&whole, "no layer 4"), "{}", whole["warnings"]);

    let probes = study.replicate(&id("mlp-16x1", 1)).path().join("probes.safetensors");
    let bytes = std::fs::read(&probes).unwrap();
    std::fs::write(&probes, &bytes[..bytes.len() / 2]).unwrap();
    let damaged = depth();
    assert!(told(&damaged, "mlp-16x1/001") && told(&damaged, "probes.safetensors"), "{}", damaged["warnings"]);
    assert_eq!(damaged["results"][0]["roles"], mlp["roles"], "depths stand in the scores");
    assert_ne!(damaged["results"][0]["layers"], mlp["layers"]);
}

#[test]
fn depth_is_asked_of_prediction_depths_alone() {
    let home = tempfile::tempdir().unwrap();
    let (dir, output) = run(home.path(), &["train.epochs=1"]);
    assert!(output.status.success(), "{}", err(&output));
    let refused = program(home.path(), &["analyze", &dir, "depth", "--score", "loss"]);
    assert_eq!(refused.status.code(), Some(2), "{}", out(&refused));
    assert!(err(&refused).contains("such as prediction_depth"), "{}", err(&refused));
}

#[test]
fn questions_and_options_that_do_not_fit_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let (dir, _) = run(home.path(), &["train.epochs=1", "model.0.replicates=1", "model.1.replicates=1"]);
    for (more, says) in [
        (vec!["corelation"], "did you mean `correlation`?"),
        (vec!["corr"], "did you mean `correlation`?"),
        (vec!["fingerprints"], "did you mean `fingerprint`"),
        (vec!["grand"], "`grand` is a score, not a question"),
        (vec!["el2n@20"], "`el2n@20` is a score, not a question; `analyze DIR summary --score el2n@20`"),
        (vec!["correlation", "--score", "aumm"], "did you mean `aum`?"),
        (vec!["correlation", "--model", "vgg"], "there are net, mlp-16x1"),
        (vec!["correlation", "--draws", "5"], "--draws"),
        (vec!["--role", "val"], "--role val"),
    ] {
        let output = program(home.path(), &[vec!["analyze", dir.as_str()], more.clone()].concat());
        assert_eq!(output.status.code(), Some(2), "{more:?}: {}", err(&output));
        assert!(err(&output).contains(says), "{more:?}: {}", err(&output));
    }
}

#[test]
fn a_run_that_diverges_in_its_very_last_step_is_flagged_and_exits_with_3() {
    let home = tempfile::tempdir().unwrap();
    // One step in all: its loss is taken before it, so only the passes after it can tell.
    let settings = [
        "train.epochs=1",
        "train.batch_size=200",
        "train.optimizer.lr=1e6",
        "model.0.name=mlp-32x8",
        "model.0.replicates=1",
        "model.1.optimizer={ lr = 0.01 }",
        "model.1.replicates=1",
        "scores={}",
    ];
    let (dir, output) = run(home.path(), &settings);
    assert_eq!(output.status.code(), Some(3), "{}\n{}", out(&output), err(&output));
    let summary: serde_json::Value =
        serde_json::from_str(&out(&program(home.path(), &["analyze", &dir, "--json"]))).unwrap();
    assert_eq!(
        (summary["results"][0]["non_finite"].as_u64(), &summary["results"][0]["test_accuracy"]),
        (Some(1), &serde_json::Value::Null)
    );
    assert_eq!(summary["results"][1]["non_finite"].as_u64(), Some(0));
}

#[test]
fn a_replicate_that_diverges_keeps_its_records_and_is_left_out_of_every_mean() {
    let home = tempfile::tempdir().unwrap();
    let (dir, output) = run(home.path(), &["train.optimizer.lr=1e6", "model.1.optimizer={ lr = 0.01 }"]);
    assert_eq!(output.status.code(), Some(3), "{}\n{}", out(&output), err(&output));
    assert!(out(&output).contains("loss not finite"), "{}", out(&output));
    let folder = diffscope::store::StudyFolder::open(Path::new(&dir)).unwrap();
    let net = folder.replicate(&id("net", 0));
    let (record, epochs) = (net.record().unwrap().unwrap(), net.epochs().unwrap());
    assert!(record.non_finite && record.epochs_done == 3 && record.weights_digest.is_some(), "{record:?}");
    assert!(epochs.len() == 3 && epochs.iter().any(|line| line.train_loss.is_none()), "{epochs:?}");
    let rows = net.open_observations().unwrap().unwrap();
    assert!((0..3).any(|t| rows.row(t).unwrap().loss.iter().any(|loss| !loss.is_finite())), "the losses as they were");
    assert!(net.scores().unwrap().is_some() && net.final_logits().is_ok());

    let json = |more: &[&str]| -> serde_json::Value {
        let output = program(home.path(), &[&["analyze", &dir, "--json"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        serde_json::from_str(&out(&output)).unwrap()
    };
    let summary = json(&[]);
    let counts = |model: usize| summary["results"][model]["non_finite"].as_u64();
    assert_eq!((counts(0), counts(1)), (Some(2), Some(0)));
    assert!(summary["results"][0]["test_accuracy"].is_null());

    // One of two runs flagged: what is said of the model is what the other run says alone.
    let runs = folder.replicate(&id("mlp-16x1", 0));
    let alone = runs.record().unwrap().unwrap().test_accuracy.unwrap();
    folder.replicate(&id("mlp-16x1", 1)).change_record(|record| record.non_finite = true).unwrap();
    let summary = json(&["--model", "mlp-16x1"]);
    let model = &summary["results"][0];
    assert!((model["test_accuracy"].as_f64().unwrap() - alone).abs() < 1e-12, "{model:#}");
    let aum = runs.scores().unwrap().unwrap().into_iter().find(|score| score.name == "aum").unwrap();
    let mean = aum.values[..200].iter().map(|value| f64::from(*value)).sum::<f64>() / 200.0;
    let said = model["scores"].as_array().unwrap().iter().find(|score| score["score"] == "aum").unwrap();
    assert!((said["mean"].as_f64().unwrap() - mean).abs() < 1e-6, "{said:#} {mean}");
}

#[test]
fn one_damaged_replicate_is_shown_as_failed_and_the_others_are_still_read() {
    let home = tempfile::tempdir().unwrap();
    let (dir, _) = run(home.path(), &["train.epochs=1"]);
    let broken = Path::new(&dir).join("replicates/net/000");
    for (file, content) in [("scores.safetensors", "no tensors"), ("replicate.json", "{\"state\":")] {
        std::fs::write(broken.join(file), content).unwrap();
        let status = program(home.path(), &["analyze", &dir, "--json"]);
        assert!(status.status.success(), "{file}: {}", err(&status));
        let summary: serde_json::Value = serde_json::from_str(&out(&status)).unwrap();
        assert_eq!(
            (summary["results"][0]["finished"].as_u64(), summary["results"][0]["failed"].as_u64()),
            (Some(1), Some(1)),
            "{file}"
        );
    }
    let status = out(&program(home.path(), &["status", &dir]));
    assert!(status.contains("replicate.json") && status.contains("delete its folder"), "{status}");
    // What another replicate's files hold does not stop a run either.
    std::fs::write(Path::new(&dir).join("replicates/net/001/observations/loss.npy"), "").unwrap();
    let (_, output) = run(home.path(), &["train.epochs=1", "model.1.replicates=3"]);
    assert!(out(&output).contains("mlp-16x1/002 finished"), "{}\n{}", out(&output), err(&output));
    std::fs::remove_dir_all(broken.parent().unwrap()).unwrap();
    let (_, output) = run(home.path(), &["train.epochs=1"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

#[test]
fn a_resume_without_the_rows_it_counts_on_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    let more = ["train.epochs=300", "model.0.replicates=1", "model.1.replicates=1"];
    let running = crate::studies::start(&dir, &more, 1);
    let _ = crate::studies::progress_when(&running, "it has a checkpoint", |all| all[0].epochs_committed > 0);
    running.crew.end(false);
    std::fs::remove_file(running.folder.replicate(&id("net", 0)).observations().join("predicted.npy")).unwrap();
    let running = crate::studies::start(&dir, &more, 1);
    let all = crate::studies::progress_when(&running, "it is refused", |all| {
        all[0].state == diffscope::store::record::State::Failed
    });
    assert!(all[0].reason.as_ref().unwrap().contains("delete the folder"), "{:?}", all[0].reason);
    running.crew.end(false);
}

#[test]
fn a_state_folder_that_cannot_be_written_does_not_stop_a_study() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("state"), "a file where the folder should be").unwrap();
    let (_, output) = run(home.path(), &["train.epochs=1", "model.0.replicates=1", "model.1.replicates=1"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("note: "), "{}", out(&output));
}

#[test]
fn a_study_folder_changed_by_hand_is_trusted_no_more_than_a_config() {
    let home = tempfile::tempdir().unwrap();
    let (dir, _) = run(home.path(), &["train.epochs=1", "model.0.replicates=1", "model.1.replicates=1"]);
    let file = Path::new(&dir).join("study.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("label = \"net\"", "label = \"../../../net\"")).unwrap();
    let output = program(home.path(), &["status", &dir]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("study.toml") && err(&output).contains("names a folder"), "{}", err(&output));
}

#[test]
fn wrong_labels_are_counted_recorded_and_told_wherever_the_study_is_shown() {
    let home = tempfile::tempdir().unwrap();
    let noise = "data.label_noise={ kind = 'symmetric', rate = 0.2 }";
    let (dir, printed) = run(home.path(), &["train.epochs=1", "model.0.replicates=1", "model.1.replicates=1", noise]);
    let note = "label noise: 40 of 200 training examples have a wrong label";
    assert!(out(&printed).contains(note), "{}", out(&printed));
    let status = program(home.path(), &["status", &dir]);
    assert!(out(&status).contains(note), "{} {}", out(&status), err(&status));
    let table = diffscope::store::StudyFolder::open(Path::new(&dir)).unwrap().examples().unwrap();
    let differ =
        |range: std::ops::Range<usize>| range.filter(|at| table.labels[*at] != table.given_labels[*at]).count();
    assert_eq!((differ(0..200), differ(200..table.len())), (40, 0));
    // The same study without the noise is another study.
    let again = run(home.path(), &["train.epochs=1", "model.0.replicates=1", "model.1.replicates=1"]).1;
    assert_eq!(again.status.code(), Some(2), "{}", err(&again));
    assert!(err(&again).contains("label_noise"), "{}", err(&again));
}

#[test]
fn changed_labels_are_audited_and_vog_is_judged_on_test_examples_beside_verdicts_from_the_folder() {
    let home = tempfile::tempdir().unwrap();
    let settings = [
        "model.1.label='wide'",
        "model.1.name='resnet8-4'",
        "model.1.batch_size=64",
        "data.label_noise={ kind = 'symmetric', rate = 0.2 }",
        "scores.vog=[{ every = 1 }, { every = 1, normalise = 'none' }, { stage = 'early', target = 'predicted' }]",
    ];
    let (dir, printed) = run(home.path(), &settings);
    assert_eq!(printed.status.code(), Some(0), "{}", err(&printed));
    let json = |more: &[&str]| -> serde_json::Value {
        let output = program(home.path(), &[&["analyze", &dir, "--json"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        serde_json::from_str(&out(&output)).unwrap()
    };
    let vog = json(&["vog"]);
    let (net, pairs) = (&vog["results"][0], &vog["results"][2]["batch_sizes"]);
    assert_eq!(
        (net["test_examples"].as_u64(), net["error"]["deciles"].as_array().map(Vec::len)),
        (Some(1000), Some(3))
    );
    assert_eq!(net["harder"], serde_json::json!(["high", "high", "low"]));
    let clauses = ["classes", "shuffled", "steadiness"].map(|clause| net[clause].as_array().unwrap().len());
    assert_eq!(clauses, [1, 3, 6], "{net}");
    assert_eq!((net["shuffled"][0]["changed"]["n"].as_u64(), pairs[0]["batch_size"][1].as_u64()), (Some(40), Some(64)));

    let folder = Path::new(&dir);
    let ids = diffscope::store::StudyFolder::open(folder).unwrap().examples().unwrap().ids;
    let line = format!("{{\"id\":{},\"verdict\":\"fine\",\"reviewer\":\"ann\"}}\n", ids[7]);
    std::fs::write(folder.join("verdicts.jsonl"), &line).unwrap();
    let audit = json(&["audit", "--model", "net", "--draws", "50", "--per-example"]);
    let result = &audit["results"][0];
    assert_eq!((result["changed"].as_u64(), result["examples"].as_u64()), (Some(40), Some(200)));
    assert_eq!(result["verdicts"]["counts"]["fine"].as_u64(), Some(1));
    assert!(audit["reading"].as_str().unwrap().contains("40 of 200 labels were changed"), "{audit}");
    let reviewed = result["review"]["examples"].as_array().unwrap().iter();
    assert_eq!(reviewed.filter(|example| example["verdicts"].as_array().is_some_and(|all| !all.is_empty())).count(), 1);
    std::fs::write(folder.join("verdicts.jsonl"), format!("no line\n{line}")).unwrap();
    let damaged = json(&["audit", "--draws", "5"]);
    let warnings = damaged["warnings"].to_string();
    assert!(warnings.contains("verdicts are left out") && warnings.contains("line 1"), "{warnings}");
}
