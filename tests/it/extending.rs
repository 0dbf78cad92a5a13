//! What may change when a study is run again: more replicates, models and scores; nothing that would mix results.

use diffscope::commands::launch::Prepared;
use diffscope::store::StudyFolder;
use diffscope::study::Config;
use diffscope::train::added_scores;

use crate::studies::{SMALL, id, prepare, run, start};

fn settings(more: &[&str]) -> Vec<String> {
    more.iter().map(|setting| (*setting).to_owned()).collect()
}

fn refusal(dir: &std::path::Path, more: &[&str]) -> String {
    let config = Config::parse(SMALL, "small.toml", &settings(more)).unwrap();
    let error = match Prepared::new(&config, dir.to_path_buf()).unwrap().start(1, false, std::sync::Arc::new(|_, _| ()))
    {
        Ok(running) => {
            running.crew.end(false);
            panic!("{more:?} was to be refused");
        }
        Err(error) => error,
    };
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

/// The first replicate of a model.
fn replicate(dir: &std::path::Path, label: &str) -> diffscope::store::replicate::ReplicateDir {
    diffscope::store::StudyFolder::open(dir).unwrap().replicate(&id(label, 0))
}

fn scores(dir: &std::path::Path, label: &str) -> Vec<(String, Vec<u32>)> {
    let stored = replicate(dir, label).scores().unwrap().unwrap();
    let mut bits: Vec<(String, Vec<u32>)> = stored
        .into_iter()
        .map(|score| (score.name, score.values.iter().map(|value| value.to_bits()).collect()))
        .collect();
    bits.sort();
    bits
}

fn has(dir: &std::path::Path, label: &str, score: &str) -> bool {
    scores(dir, label).iter().any(|(name, _)| name == score)
}

#[test]
fn scores_added_later_equal_those_that_were_there_from_the_start() {
    let temp = tempfile::tempdir().unwrap();
    let (late, early) = (temp.path().join("late"), temp.path().join("early"));
    let all = "scores={ el2n = { epoch = [0, 2, 3] }, aum = [{}, { space = \"logit\" }], forgetting = [{}, { never_learned = \"zero\" }] }";
    run(&late, &["scores={ el2n = { epoch = [0, 2] } }"], 2);
    run(&late, &[all], 2);
    run(&early, &[all], 2);
    for label in ["net", "mlp-16x1"] {
        let (late, early) = (scores(&late, label), scores(&early, label));
        assert_eq!(
            late.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            early.iter().map(|(name, _)| name).collect::<Vec<_>>()
        );
        for ((name, late), (_, early)) in late.iter().zip(&early) {
            assert!(late == early, "{label}: {name} differs");
        }
    }
}

/// Scores whose passes the final weights are enough for.
const OF_FINAL_WEIGHTS: &str = "scores={ el2n = { epoch = [0, 2] }, grand = { epoch = 3 }, input_margin = {}, prediction_depth = {}, \
                                prototypes = {}, self_prototypes = {} }";

#[test]
fn scores_of_the_final_weights_are_added_to_finished_replicates() {
    let temp = tempfile::tempdir().unwrap();
    let (late, early) = (temp.path().join("late"), temp.path().join("early"));
    run(&late, &["scores={ el2n = { epoch = [0, 2] } }"], 2);
    let finished = replicate(&late, "net").record().unwrap();
    run(&late, &[OF_FINAL_WEIGHTS], 2);
    run(&early, &[OF_FINAL_WEIGHTS], 2);
    for label in ["net", "mlp-16x1"] {
        assert!(scores(&late, label) == scores(&early, label), "{label}");
        let files = |dir| std::fs::read(replicate(dir, label).path().join("probes.safetensors")).unwrap();
        assert!(files(&late) == files(&early), "what the probes say is kept too");
    }
    assert_eq!(replicate(&late, "net").record().unwrap(), finished, "nothing was trained again");
}

#[test]
fn another_variant_of_a_score_stands_beside_those_that_were_stored_and_new_replicates_have_all() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    run(&dir, &["scores={ el2n = { epoch = [0, 2] } }"], 2);
    run(&dir, &["scores={ el2n = { epoch = 3 }, aum = { space = \"logit\" } }", "model.0.replicates=3"], 2);
    let folder = diffscope::store::StudyFolder::open(&dir).unwrap();
    let names: Vec<String> = folder.plan().unwrap().scores.iter().map(|spec| spec.name.clone()).collect();
    for name in ["el2n@0", "el2n@2", "el2n@3", "aum", "aum.logit"] {
        assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
        let newest = folder.replicate(&id("net", 2)).scores().unwrap().unwrap();
        assert!(newest.iter().any(|score| score.name == name), "the replicate that came later has {name}");
    }
    let before = std::fs::read_to_string(dir.join("study.toml")).unwrap();
    run(&dir, &["scores={ el2n = { epoch = [0, 2] } }", "model.0.replicates=3"], 2);
    let after = diffscope::store::StudyFolder::open(&dir).unwrap().plan().unwrap().scores.len();
    assert_eq!(after, names.len(), "an older config takes nothing away: {before}");
}

#[test]
fn scores_are_added_also_where_an_import_is_just_at_the_replicates() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    run(&dir, &["scores={}"], 2);
    let (prepared, folder) = (prepare(&dir, &["scores={ aum = {} }"]), StudyFolder::open(&dir).unwrap());
    // What an import holds: the study's folder, and the claim of each replicate.
    let study = std::fs::File::open(&dir).unwrap();
    study.lock().unwrap();
    let claim = replicate(&dir, "net").acquire().unwrap();
    std::thread::scope(|scope| {
        let fill = scope.spawn(|| added_scores::fill(&folder, &prepared.plan, &prepared.dataset, false));
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop((claim, study));
        fill.join().unwrap().unwrap();
    });
    assert!(has(&dir, "net", "aum"));
}

#[test]
fn what_was_never_looked_at_is_refused_by_name() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    run(&dir, &["train.observe=\"sweep\"", "scores={}"], 2);
    let error = refusal(&dir, &["train.observe=\"sweep\"", "scores={ learned = { against = \"final\" } }"]);
    assert!(error.contains("learned.final") && error.contains("net/000"), "{error}");
}

#[test]
fn scores_of_other_arithmetic_are_added_by_force_alone() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    run(&dir, &["scores={}"], 2);
    let net = replicate(&dir, "net");
    net.change_record(|record| record.backend_id = "cpu-of-another-kind".into()).unwrap();
    let more = ["scores={ input_margin = {} }"];
    let running = start(&dir, &more, 1);
    let all = crate::studies::progress_when(&running, "it is refused", |all| {
        all[0].state == diffscope::store::record::State::Failed
    });
    running.crew.end(false);
    assert!(all[0].reason.as_ref().unwrap().contains("--force"), "{all:?}");
    let running = prepare(&dir, &more).start(1, true, std::sync::Arc::new(|_, _| ())).unwrap();
    let _ = crate::studies::progress_when(&running, "all is done", |all| {
        all.iter().all(|one| one.state == diffscope::store::record::State::Finished)
    });
    running.crew.end(false);
    let scores = net.scores().unwrap().unwrap();
    let margin = scores.iter().find(|score| score.name == "input_margin").unwrap();
    assert!(margin.conventions["backend_id"].is_string(), "{}", margin.conventions);
}

#[test]
fn a_replicate_that_scores_cannot_be_added_to_stays_finished() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    run(&dir, &["scores={ el2n = { epoch = [0, 2] } }"], 2);
    let before = replicate(&dir, "net").record().unwrap();
    let other = replicate(&dir, "mlp-16x1").path().join("weights.safetensors");
    std::fs::copy(other, replicate(&dir, "net").path().join("weights.safetensors")).unwrap();
    let running = start(&dir, &[OF_FINAL_WEIGHTS], 1);
    let all = crate::studies::progress_when(&running, "all was tried", |all| {
        use diffscope::store::record::State::{Failed, Finished};
        all.iter().all(|one| matches!(one.state, Failed | Finished))
    });
    running.crew.end(false);
    let failed: Vec<_> = all.iter().filter_map(|one| one.reason.as_ref()).collect();
    assert!(failed.len() == 1 && failed[0].contains("weights.safetensors: expected a tensor"), "{failed:?}");
    assert_eq!(replicate(&dir, "net").record().unwrap(), before);
    assert_eq!((has(&dir, "net", "el2n@2"), has(&dir, "net", "input_margin")), (true, false), "what it had is there");
    assert!(has(&dir, "mlp-16x1", "input_margin"), "and the others have all");
}

#[test]
fn a_pause_or_an_end_while_scores_are_added_leaves_a_finished_replicate_and_the_next_run_adds_them() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    let (few, many) = ("scores={ el2n = { epoch = 0 } }", "scores={ el2n = { epoch = 0 }, prediction_depth = {} }");
    run(&dir, &["data.limit=2000", few], 2);
    let before = replicate(&dir, "net").record().unwrap();
    let running = start(&dir, &["data.limit=2000", many], 1);
    let _ = crate::studies::progress_when(&running, "it is under way", |all| {
        all[0].reason.as_ref().is_some_and(|reason| reason.contains("adding prediction_depth"))
    });
    running.crew.end(false);
    assert_eq!(replicate(&dir, "net").record().unwrap(), before);
    assert!(!has(&dir, "net", "prediction_depth"));
    run(&dir, &["data.limit=2000", many], 2);
    assert!(has(&dir, "net", "prediction_depth"));
}

#[test]
fn a_score_whose_passes_are_gone_is_refused_by_name_and_nothing_changes() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    run(&dir, &[], 2);
    let before = std::fs::read(dir.join("study.toml")).unwrap();
    let error = refusal(&dir, &["scores.el2n={ epoch = [0, 1, 2] }"]);
    assert!(error.contains("el2n@1") && error.contains("net/000") && error.contains("--dir"), "{error}");
    assert_eq!(std::fs::read(dir.join("study.toml")).unwrap(), before);
}

#[test]
fn a_changed_recipe_is_refused_with_a_diff_and_more_replicates_are_trained() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    run(&dir, &["train.epochs=1", "scores={}"], 2);
    let error = refusal(&dir, &["train.epochs=1", "scores={}", "train.batch_size=77"]);
    assert!(error.contains("train.batch_size: 32 -> 77") && error.contains("--dir"), "{error}");
    let error = refusal(&dir, &["train.epochs=1", "scores={}", "data.limit=100"]);
    assert!(error.contains("data.limit: 200 -> 100"), "{error}");
    run(&dir, &["train.epochs=1", "scores={}", "model.1.replicates=3", "train.checkpoint_seconds=9"], 2);
    let folder = diffscope::store::StudyFolder::open(&dir).unwrap();
    assert_eq!(folder.replicates().unwrap().len(), 5);
}

#[test]
fn the_number_of_jobs_changes_no_bit() {
    let temp = tempfile::tempdir().unwrap();
    let (one, four) = (temp.path().join("one"), temp.path().join("four"));
    run(&one, &["train.observe=\"sweep\""], 1);
    run(&four, &["train.observe=\"sweep\""], 4);
    assert!(crate::kills::tensors(&one) == crate::kills::tensors(&four), "observations, logits, scores and weights");
    for label in ["net", "mlp-16x1"] {
        let one = scores(&one, label);
        let has_values =
            |name: &str| one.iter().any(|(score, bits)| score == name && !f32::from_bits(bits[1199]).is_nan());
        assert!(has_values("aum") && has_values("el2n@2"), "a sweep observes the test examples too");
    }
}

#[test]
fn a_checkpoint_of_another_backend_is_refused_unless_forced() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    let more = ["train.epochs=60", "model.1.replicates=1", "model.0.replicates=1"];
    let running = start(&dir, &more, 1);
    let _ = crate::studies::progress_when(&running, "it has a checkpoint", |all| all[0].epochs_committed > 0);
    running.crew.end(false);
    let folder = diffscope::store::StudyFolder::open(&dir).unwrap();
    let replicate = folder.replicate(&id("net", 0));
    let mut checkpoint = replicate.checkpoint().unwrap().unwrap();
    checkpoint.extra["backend_id"] = "cpu-of-another-kind".into();
    checkpoint.write(&replicate.checkpoint_path()).unwrap();

    let running = start(&dir, &more, 1);
    let all = crate::studies::progress_when(&running, "it is refused", |all| {
        all[0].state == diffscope::store::record::State::Failed
    });
    assert!(all[0].reason.as_ref().unwrap().contains("cpu-of-another-kind"));
    running.crew.end(false);
    let running = prepare(&dir, &more).start(1, true, std::sync::Arc::new(|_, _| ())).unwrap();
    let done = checkpoint.epochs_done;
    let _ = crate::studies::progress_when(&running, "it goes on when forced", |all| all[0].epochs_done > done);
    running.crew.end(false);
    assert!(replicate.log_lines().unwrap().iter().any(|line| line.text.contains("backend changed")));
}
