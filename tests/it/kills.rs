//! Is a kill at any moment harmless? A process dies at a chosen stage, or is killed at random moments again and again;
//! the study goes on, and every tensor equals that of a study that was never stopped.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use diffscope::store::StudyFolder;
use diffscope::train::events::Event;
use diffscope::train::replicate::Stage;

use crate::program::{Home, progress, until};
use crate::studies::{id, run, start_with};

/// Set for the child: the folder, and how often the stage is passed before it dies there.
const CHILD_DIR: &str = "DIFFSCOPE_TEST_CHILD_DIR";
const CHILD_STAGE: &str = "DIFFSCOPE_TEST_CHILD_STAGE";
/// Settings of the child's study, joined by `;`.
const CHILD_SETTINGS: &str = "DIFFSCOPE_TEST_CHILD_SETTINGS";

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
    let settings = std::env::var(CHILD_SETTINGS).unwrap();
    let settings: Vec<&str> = settings.split(';').filter(|setting| !setting.is_empty()).collect();
    let running = start_with(Path::new(&dir), &settings, 1, hook);
    // If the stage is never reached, the study ends and so does this process, in good health: the parent notices.
    let _ = running.events.iter().find(|event| *event == Event::Idle);
}

#[test]
fn a_study_killed_at_every_stage_ends_with_the_bits_of_one_never_stopped() {
    kill_at(&(0..STAGES.len()).collect::<Vec<_>>(), &[]);
}

#[test]
fn so_does_one_of_steps_full_batches_and_seldom_looks() {
    // 27 steps: three epochs for the net, the last one cut; 27 for the dense net, whose batch takes two parts.
    let settings = [
        "data.limit=300",
        "train.steps=27",
        "train.observe_every=2",
        "model.0.loss=0-hinge",
        "scores.el2n={ epoch = [0, 1] }",
        "model.1.batch_size=full",
        "model.1.observe_every=4",
    ];
    kill_at(&[0, 1, 2, 4, 5, 8], &settings);
    kill_at(&[1, 4], &[&settings[..], &["train.observe=sweep"]].concat());
}

#[test]
fn so_does_one_of_hold_outs_moments_and_fine_tuning() {
    let settings = [
        "data.limit=120",
        "data.holdout=0.2",
        "data.retrain={ fraction = 0.1, epochs = 1, lr = 0.01 }",
        "train.observe=sweep",
        "train.epochs=4",
        "model.1.replicates=1",
        "scores.vog=[{ every = 1 }, { stage = 'late', normalise = 'none' }, { stage = 'early', target = 'predicted' }]",
        "scores.grand={ epoch = [0, 2] }",
        "scores.input_margin={}",
        "scores.holdout_retraining={}",
        "scores.learned={ against = 'final' }",
        "scores.agreement={}",
    ];
    kill_at(&[0, 1, 3, 4, 5, 9], &settings);
}

/// Kills a study at some of the stages, each time in a child process and a fresh folder.
fn kill_at(stages: &[usize], settings: &[&str]) {
    let temp = tempfile::tempdir().unwrap();
    let (whole, cut) = (temp.path().join("whole"), temp.path().join("cut"));
    run(&whole, settings, 2);
    let expected = tensors(&whole);
    assert!(expected.len() > 20, "{:?}", expected.keys());
    for number in stages {
        let name = STAGES[*number].0;
        if cut.exists() {
            std::fs::remove_dir_all(&cut).unwrap();
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::child_that_dies_at_a_stage", "--nocapture"])
            .env(CHILD_DIR, &cut)
            .env(CHILD_STAGE, number.to_string())
            .env(CHILD_SETTINGS, settings.join(";"))
            .output()
            .unwrap();
        assert!(!child.status.success(), "{name}: the child was to die: {child:?}");
        run(&cut, settings, 1);
        assert_same(&expected, &tensors(&cut), &format!("killed {name}"));
        assert!(!cut.join("replicates/net/000/checkpoint.safetensors").exists(), "killed {name}");
    }
}

/// Rounds of kills, each on a new folder, and kills in each.
const ROUNDS: u64 = 5;
const KILLS: u64 = 10;

#[test]
fn the_program_killed_at_random_moments_again_and_again_ends_with_the_same_bits() {
    let home = Home::new();
    let settings = ["--set", "train.epochs=4"];
    let whole = home.dir("whole");
    let begun = Instant::now();
    home.finish(&whole, 1, &settings);
    let mut length = begun.elapsed();
    let expected = tensors(&whole);
    let (mut killed, mut resumed) = (0, 0);
    for round in 0..ROUNDS {
        let cut = home.dir(&format!("cut-{round}"));
        for kill in 0..KILLS {
            let mut running = home.train(&cut, 1 + (round + kill) as usize % 2, &settings);
            // Every other one dies after a new checkpoint only, so that the study surely moves.
            if kill % 2 == 1 {
                let before = checkpoints(&cut);
                until("there is a new checkpoint", || {
                    (running.has_ended() || checkpoints(&cut) > before).then_some(())
                });
                std::thread::sleep(length.mul_f64(chance() / 10.0));
            } else {
                std::thread::sleep(length.mul_f64(chance() / 2.0));
            }
            if running.kill().success() {
                // It ran faster than the first time, beside which other tests had much to do.
                length /= 2;
                break;
            }
            killed += 1;
        }
        home.finish(&cut, 2, &settings);
        assert_same(&expected, &tensors(&cut), &format!("round {round}"));
        resumed += logged(&cut, "resumed at epoch ");
    }
    assert!(
        killed >= ROUNDS && resumed > 0,
        "{killed} kills, {resumed} resumes: it was done before it could be killed"
    );
}

/// Epochs behind checkpoints, over all replicates.
fn checkpoints(dir: &Path) -> u32 {
    progress(dir).iter().map(|one| one.epochs_committed).sum()
}

/// How many lines of the replicates' logs begin like this.
fn logged(dir: &Path, text: &str) -> usize {
    let replicates = StudyFolder::open(dir).unwrap().replicates().unwrap();
    let lines = replicates.iter().flat_map(|found| found.dir.log_lines().unwrap());
    lines.filter(|line| line.text.starts_with(text)).count()
}

/// A number in 0..1 that nobody can foresee.
fn chance() -> f64 {
    let bits = std::hash::RandomState::new().hash_one(Instant::now());
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Two studies hold the same files and tensors, bit for bit.
pub fn assert_same(expected: &BTreeMap<String, Vec<u8>>, found: &BTreeMap<String, Vec<u8>>, what: &str) {
    let extra: Vec<&String> = found.keys().filter(|file| !expected.contains_key(*file)).collect();
    assert!(extra.is_empty(), "{what}: left behind {extra:?}");
    for (file, content) in expected {
        assert!(found.get(file) == Some(content), "{what}: {file} differs");
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
