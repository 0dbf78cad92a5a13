//! Can several real processes train one folder? They share the replicates, take over from the dead, and leave the bits
//! that one process leaves; parts of a study make the whole.

use std::path::Path;

use diffscope::store::StudyFolder;
use diffscope::store::record::State;

use crate::kills::{assert_same, tensors};
use crate::program::{Home, Running, progress, until};
use crate::studies::id;

const SETTINGS: [&str; 2] = ["--set", "train.epochs=5"];
const ALL: [(&str, u32); 4] = [("net", 0), ("net", 1), ("mlp-16x1", 0), ("mlp-16x1", 1)];

/// How often a process said that it ended an epoch of a replicate.
fn epochs(running: &Running, label: &str, index: u32) -> usize {
    let start = format!("{} epoch ", id(label, index));
    running.printed().lines().filter(|line| line.starts_with(&start)).count()
}

fn trained_by(running: &Running) -> usize {
    ALL.iter().map(|(label, index)| epochs(running, label, *index)).sum()
}

#[test]
fn two_processes_at_once_share_the_replicates_and_leave_what_one_leaves() {
    let home = Home::new();
    let (alone, shared) = (home.dir("alone"), home.dir("shared"));
    home.finish(&alone, 2, &SETTINGS);
    let mut first = home.train_as("first", &shared, 1, &SETTINGS);
    let mut second = home.train_as("second", &shared, 1, &SETTINGS);
    assert_eq!(first.wait().code(), Some(0), "{}", first.printed());
    assert_eq!(second.wait().code(), Some(0), "{}", second.printed());
    assert_same(&tensors(&alone), &tensors(&shared), "two processes");
    for (label, index) in ALL {
        let by = [epochs(&first, label, index), epochs(&second, label, index)];
        assert!(by == [5, 0] || by == [0, 5], "{label}/{index}: epochs by each process: {by:?}");
        let log = StudyFolder::open(&shared).unwrap().replicate(&id(label, index)).log_lines().unwrap();
        assert_eq!(log.iter().filter(|line| line.text == "started").count(), 1, "{label}/{index}: {log:?}");
    }
}

#[test]
fn what_a_killed_process_leaves_is_taken_over_by_the_other() {
    let home = Home::new();
    let (alone, shared) = (home.dir("alone"), home.dir("shared"));
    home.finish(&alone, 2, &SETTINGS);
    let mut first = home.train_as("first", &shared, 1, &SETTINGS);
    until("the first has an epoch", || (trained_by(&first) > 0 || first.has_ended()).then_some(()));
    let mut second = home.train_as("second", &shared, 1, &SETTINGS);
    until("the second has one", || (trained_by(&second) > 0 || second.has_ended()).then_some(()));
    assert!(!first.kill().success(), "there was work left: {}", first.printed());
    assert_eq!(second.wait().code(), Some(0), "{}", second.printed());
    assert_same(&tensors(&alone), &tensors(&shared), "one killed");
}

fn states(dir: &Path) -> Vec<(String, State)> {
    progress(dir).into_iter().map(|one| (one.id.to_string(), one.state)).collect()
}

#[test]
fn parts_of_a_study_make_the_whole() {
    let home = Home::new();
    let (alone, parts) = (home.dir("alone"), home.dir("parts"));
    home.finish(&alone, 2, &[]);
    let printed = home.finish(&parts, 2, &["--shard", "1/2"]);
    assert!(printed.contains("part 1/2: 2 of 4 replicates are trained here"), "{printed}");
    assert!(printed.contains("this part of the study, 2 of its 4 replicates"), "the summary says so too: {printed}");
    let finished = [State::Finished, State::Queued, State::Queued, State::Finished];
    let names = ["net/000", "mlp-16x1/000", "net/001", "mlp-16x1/001"].map(String::from);
    assert_eq!(states(&parts), names.into_iter().zip(finished).collect::<Vec<_>>());
    home.finish(&parts, 1, &["--shard", "2/2"]);
    assert_same(&tensors(&alone), &tensors(&parts), "two parts");
    let plan = home.run_arguments(&parts, 1, &["--shard", "1/2", "--dry-run"]);
    let plan = home.output(&plan.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(crate::program::out(&plan).contains("net: 1 replicate of resnet8-4"), "{}", crate::program::out(&plan));
}

#[test]
fn a_dry_run_refuses_what_a_run_would_refuse() {
    let home = Home::new();
    let dir = home.dir("s");
    home.finish(&dir, 2, &["--set", "train.epochs=1"]);
    let other = ["--set", "train.epochs=1", "--set", "train.batch_size=10", "--dry-run"];
    let arguments = home.run_arguments(&dir, 1, &other);
    let refused = home.output(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(refused.status.code(), Some(2));
    assert!(crate::program::err(&refused).contains("batch_size"), "{}", crate::program::err(&refused));
}
