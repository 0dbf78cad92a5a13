//! Does whoever looks at a study see what its folder holds? Histories, logs, and who is there no more.

use std::sync::Arc;

use diffscope::commands::logs::Logs;
use diffscope::commands::open::refresh;
use diffscope::commands::screen;
use diffscope::data::Examples;
use diffscope::results;
use diffscope::store::StudyFolder;
use diffscope::store::record::{ReplicateRecord, State};
use diffscope::train::board::Board;

use crate::program::{Home, LONG, out, progress_until};
use crate::studies::{self, id, of};

#[test]
fn a_history_has_the_epochs_that_are_asked_for_also_where_the_record_is_older() {
    let dir = tempfile::tempdir().unwrap();
    studies::run(dir.path(), &[], 2);
    let (folder, prepared) = (StudyFolder::open(dir.path()).unwrap(), studies::prepare(dir.path(), &[]));
    let examples = Arc::new(Examples::of(&prepared.dataset));
    let session = screen::session(&folder, &prepared.plan, &examples, &Arc::new(Board::new(Vec::new()))).unwrap();
    let net = id("net", 0);
    // The row of an epoch is there up to a second before the record counts it.
    folder.replicate(&net).change_record(|record| record.epochs_done = 2).unwrap();
    for epochs in [0, 2, 3] {
        let history = session.history.history(&net, 5, epochs).unwrap();
        assert_eq!((history.margin.len(), history.predicted.len()), (epochs as usize, epochs as usize));
    }
    assert!(session.history.history(&net, 200, 3).unwrap().margin.is_empty(), "test examples are not observed");
}

#[test]
fn the_log_of_a_study_that_was_trained_before_is_told_once_and_what_comes_later_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    studies::run(dir.path(), &["train.epochs=1"], 2);
    let plan = studies::prepare(dir.path(), &["train.epochs=1"]).plan;
    let folder = StudyFolder::open(dir.path()).unwrap();
    let mut logs = Logs::of(&folder, &plan);
    let told = logs.news();
    for replicate in &plan.replicates {
        let own: Vec<&str> = told.iter().filter(|(id, _)| *id == replicate.id).map(|(_, text)| text.as_str()).collect();
        assert_eq!((own.first(), own.last()), (Some(&"started"), Some(&"finished")));
        assert!(own.iter().any(|text| text.starts_with("after epoch 0: logits of all examples, ")), "{own:?}");
    }
    assert!(told.first().unwrap().1 == "started" && told.last().unwrap().1 == "finished", "by time: {told:?}");
    assert!(logs.news().is_empty());
    folder.replicate(&id("net", 1)).log("more").unwrap();
    assert_eq!(logs.news(), [(id("net", 1), "more".to_owned())]);
}

/// Whoever watched the last epoch gets the scores of the finished network, which are more, as soon as the run is finished.
#[test]
fn a_run_that_finishes_is_read_again_though_it_has_no_more_epochs() {
    let dir = tempfile::tempdir().unwrap();
    let settings = ["scores.el2n={ epoch = 3 }"];
    studies::run(dir.path(), &settings, 2);
    let (folder, prepared) = (StudyFolder::open(dir.path()).unwrap(), studies::prepare(dir.path(), &settings));
    let (plan, examples) = (&prepared.plan, Examples::of(&prepared.dataset));
    let scores = |board: &Board| {
        let view = board.snapshot().into_iter().find(|view| view.progress.id == id("net", 0)).unwrap();
        view.scores.unwrap().values.clone()
    };
    let finished = scores(&Board::of(results::views(&folder, plan, &examples)));
    let running = |record: &mut ReplicateRecord| {
        (record.state, record.heartbeat) = (State::Running, diffscope::store::now() + 1000.0);
    };
    folder.replicate(&id("net", 0)).change_record(running).unwrap();
    let board = Board::of(results::views(&folder, plan, &examples));
    let el2n = plan.scores.iter().position(|spec| spec.name == "el2n@3").unwrap();
    assert!(scores(&board)[el2n].iter().all(|value| value.is_nan()), "a pass is not in the observations");
    folder.replicate(&id("net", 0)).change_record(|record| record.state = State::Finished).unwrap();
    refresh(&folder, plan, &examples, &board);
    let bits = |all: &[Vec<f32>]| all.iter().flatten().map(|value| value.to_bits()).collect::<Vec<u32>>();
    assert!(bits(&scores(&board)) == bits(&finished));
}

#[test]
fn a_process_that_was_killed_is_missed_at_once() {
    let home = Home::new();
    let dir = home.dir("s");
    let status = |more: &[&str]| out(&home.output(&[&["status", &dir.display().to_string()], more].concat()));
    let mut running = home.train(&dir, 2, &LONG);
    let trains = |all: &[diffscope::train::board::Progress]| {
        of(all, "net", 0).state == State::Running && of(all, "mlp-16x1", 0).state == State::Running
    };
    progress_until(&dir, "both train", trains);
    let text = status(&[]);
    assert!(text.contains("2 running, 2 queued; 2 at once in each process"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&status(&["--json"])).unwrap();
    assert_eq!(json["jobs"].as_u64(), Some(2));
    running.kill();
    let text = status(&[]);
    assert!(text.contains("2 stopped, 2 queued") && !text.contains("at once"), "{text}");
}
