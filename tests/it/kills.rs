//! Is a kill at any moment harmless? A child process dies at a chosen stage, the study goes on, and every tensor
//! equals that of a study that was never stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diffscope::train::events::Event;
use diffscope::train::replicate::Stage;

use crate::studies::{id, run, start_with};

/// Set for the child: the folder, and how often the stage is passed before it dies there.
const CHILD_DIR: &str = "DIFFSCOPE_TEST_CHILD_DIR";
const CHILD_STAGE: &str = "DIFFSCOPE_TEST_CHILD_STAGE";

const STAGES: [(&str, Stage, usize); 10] = [
    ("mid-epoch", Stage::Step, 3),
    ("mid-epoch, after a checkpoint", Stage::Step, 12),
    ("between row and checkpoint", Stage::Row, 1),
    ("between a later row and its checkpoint", Stage::Row, 2),
    ("after a checkpoint", Stage::Checkpoint, 2),
    ("after the final logits", Stage::FinalLogits, 1),
    ("after the scores", Stage::Scores, 1),
    ("after the weights", Stage::Weights, 1),
    ("after the observations", Stage::Observations, 1),
    ("after the record says finished", Stage::Finished, 1),
];

/// Not a test by itself: the process that the test below kills.
#[test]
fn child_that_dies_at_a_stage() {
    let (Ok(dir), Ok(number)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_STAGE)) else { return };
    let (_, stage, times) = STAGES[number.parse::<usize>().unwrap()];
    let passed = AtomicUsize::new(0);
    let hook = Arc::new(move |plan: &diffscope::study::plan::ReplicatePlan, at: Stage| {
        if plan.id == id("net", 0) && at == stage && passed.fetch_add(1, Ordering::Relaxed) + 1 == times {
            // No unwinding, no destructors, no flushes: what the kernel does to a killed process.
            std::process::abort();
        }
    });
    let running = start_with(Path::new(&dir), &[], 1, hook);
    // If the stage is never reached, the study ends and so does this process, in good health: the parent notices.
    let _ = running.events.iter().find(|event| *event == Event::Idle);
}

#[test]
fn a_study_killed_at_every_stage_ends_with_the_bits_of_one_never_stopped() {
    let temp = tempfile::tempdir().unwrap();
    let (whole, cut) = (temp.path().join("whole"), temp.path().join("cut"));
    run(&whole, &[], 2);
    let expected = tensors(&whole);
    assert!(expected.len() > 20, "{:?}", expected.keys());
    for (number, (name, ..)) in STAGES.iter().enumerate() {
        if cut.exists() {
            std::fs::remove_dir_all(&cut).unwrap();
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::child_that_dies_at_a_stage", "--nocapture"])
            .env(CHILD_DIR, &cut)
            .env(CHILD_STAGE, number.to_string())
            .output()
            .unwrap();
        assert!(!child.status.success(), "{name}: the child was to die: {child:?}");
        run(&cut, &[], 1);
        let found = tensors(&cut);
        let extra: Vec<&String> = found.keys().filter(|file| !expected.contains_key(*file)).collect();
        assert!(extra.is_empty(), "killed {name}: left behind {extra:?}");
        for (file, content) in &expected {
            assert!(found.get(file) == Some(content), "killed {name}: {file} differs");
        }
        assert!(!cut.join("replicates/net/000/checkpoint.safetensors").exists(), "killed {name}");
    }
}

/// Every .npy file, and every tensor of every .safetensors file, by name.
pub fn tensors(study: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![study.join("replicates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(study).unwrap().display().to_string();
            match path.extension().and_then(|ending| ending.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("npy") => drop(all.insert(name, std::fs::read(&path).unwrap())),
                Some("safetensors") => {
                    let bytes = std::fs::read(&path).unwrap();
                    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
                    for (tensor, view) in file.tensors() {
                        all.insert(format!("{name} {tensor} {:?}", view.shape()), view.data().to_vec());
                    }
                }
                _ => {}
            }
        }
    }
    all
}
