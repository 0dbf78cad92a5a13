//! The study folder as other programs and a crash see it.

// Clippy's own exception knows only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use diffscope::data::Role;
use diffscope::scores::Record;
use diffscope::store::examples::ExampleTable;
use diffscope::store::lock::{Claim, ReplicateLock};
use diffscope::store::record::{EpochLine, ReplicateRecord, State};
use diffscope::store::replicate::StoredScore;
use diffscope::store::tensors::Tensor;
use diffscope::store::{Checkpoint, ReplicateDir};
use diffscope::study::ReplicateId;

const EPOCHS: u32 = 3;
const EXAMPLES: usize = 5;
const CLASSES: usize = 2;

/// What training sees in epoch `t` (from 0): any fixed function of `t` will do.
fn record(t: u32) -> Record {
    let value = |n: usize| f32::from(u16::try_from(t).unwrap()) * 8.0 + n as f32;
    Record {
        loss: (0..EXAMPLES).map(value).collect(),
        margin: (0..EXAMPLES).map(|n| -value(n)).collect(),
        entropy: (0..EXAMPLES).map(|n| value(n) / 64.0).collect(),
        predicted: (0..EXAMPLES).map(|n| u16::try_from((n + t as usize) % CLASSES).unwrap()).collect(),
    }
}

fn checkpoint(epochs_done: u32) -> Checkpoint {
    Checkpoint {
        epochs_done,
        weights: vec![epochs_done as f32; 4],
        momentum: vec![0.5; 4],
        statistics: vec![0.25; 2],
        accumulators: vec![("loss/sum".into(), vec![f64::from(epochs_done); EXAMPLES])],
        extra: serde_json::Value::Null,
    }
}

fn epoch_line(epoch: u32) -> EpochLine {
    let (train_loss, test_loss) = (Some(1.0 / f64::from(epoch)), None);
    EpochLine { epoch, lr: 0.1, train_loss, train_accuracy: 0.5, test_loss, test_accuracy: 0.5, seconds: 1.0 }
}

/// Counts steps down and says when the process dies.
struct Fuse(u32);

impl Fuse {
    fn burn(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }
}

/// A replicate's way over the disk, as training takes it; None where the fuse cut it short.
fn run(dir: &ReplicateDir, fuse: &mut Fuse) -> Option<()> {
    let _lock = dir.acquire().unwrap().ours(dir.path()).unwrap();
    let record_of = |state| ReplicateRecord { state, epochs: EPOCHS, ..ReplicateRecord::default() };
    if dir.record().unwrap().is_some_and(|record| record.state == State::Finished) {
        dir.delete_checkpoint().unwrap();
        return Some(());
    }
    dir.write_record(&record_of(State::Running)).unwrap();
    fuse.burn()?;
    let done = dir.checkpoint().unwrap().map_or(0, |checkpoint| checkpoint.epochs_done);
    dir.cut_epochs(done).unwrap();
    let observations = dir.create_observations(EPOCHS as usize, EXAMPLES, CLASSES).unwrap();
    fuse.burn()?;
    for t in done..EPOCHS {
        observations.write_row(t as usize, &record(t)).unwrap();
        fuse.burn()?;
        dir.append_epoch(&epoch_line(t + 1)).unwrap();
        fuse.burn()?;
        dir.commit(&observations, &checkpoint(t + 1)).unwrap();
        fuse.burn()?;
    }
    dir.write_final_logits(CLASSES, &[1.0; EXAMPLES * CLASSES]).unwrap();
    fuse.burn()?;
    let values = dir.checkpoint().unwrap().unwrap().accumulators[0].1.iter().map(|sum| *sum as f32).collect();
    dir.write_scores(&[StoredScore { name: "loss".into(), values, conventions: serde_json::json!({}) }]).unwrap();
    fuse.burn()?;
    dir.write_weights(&BTreeMap::from([("fc.weight".to_owned(), Tensor::new(&[2, 2], vec![1.0_f32; 4]))])).unwrap();
    fuse.burn()?;
    dir.finish_observations().unwrap();
    fuse.burn()?;
    dir.write_record(&record_of(State::Finished)).unwrap();
    fuse.burn()?;
    dir.delete_checkpoint().unwrap();
    Some(())
}

/// Every file of a finished replicate but the lock, which names its owner, by relative path.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name().into_string().unwrap())).unwrap();
        if path.is_dir() {
            found.extend(contents(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else if name != "lock" {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_replicate_killed_between_any_two_steps_and_resumed_ends_with_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let dir = |index| ReplicateDir::new(folder.path(), &ReplicateId { label: "a".into(), index });
    run(&dir(0), &mut Fuse(u32::MAX)).unwrap();
    let expected = contents(dir(0).path());
    let names: Vec<&str> = expected.keys().map(String::as_str).collect();
    let all = "epochs.jsonl final_logits.npy observations/entropy.npy observations/loss.npy observations/margin.npy \
               observations/predicted.npy replicate.json scores.safetensors weights.safetensors";
    assert_eq!(names.join(" "), all);
    let mut steps = 0;
    for (index, fuse) in (1..).zip(0..) {
        let whole = run(&dir(index), &mut Fuse(fuse)).is_some();
        // A second kill on the way, one step later than the first, then the rest.
        run(&dir(index), &mut Fuse(fuse + 1));
        run(&dir(index), &mut Fuse(u32::MAX)).unwrap();
        assert_eq!(contents(dir(index).path()), expected, "killed after step {fuse}");
        if whole {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 2 + 3 * EPOCHS + 5, "only {steps} steps were cut");
}

/// Set for the child of the test below: the folder to hold.
const HOLD: &str = "DIFFSCOPE_TEST_HOLD";

#[test]
fn a_lock_is_held_against_other_processes_and_freed_by_a_kill() {
    if let Some(folder) = std::env::var_os(HOLD) {
        let _lock = ReplicateLock::acquire(Path::new(&folder)).unwrap().ours(Path::new(&folder)).unwrap();
        println!("held");
        // Until the parent kills us or goes away.
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::a_lock_is_held_against_other_processes_and_freed_by_a_kill", "--nocapture"])
        .env(HOLD, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut heard = String::new();
    while !heard.contains("held") {
        let mut bytes = [0; 256];
        let count = output.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "the child ended before it held the lock: {heard}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    let claim = ReplicateLock::acquire(folder.path()).unwrap();
    assert!(matches!(&claim, Claim::Theirs(owner) if owner.pid == child.id()), "{claim:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(ReplicateLock::acquire(folder.path()).unwrap(), Claim::Ours(_)));
}

/// What a user would type; prints nothing where all is as it should be.
const SCRIPT: &str = r#"
import sys, json, os, importlib.util as has
for name in ["numpy", "safetensors"]:
    if has.find_spec(name) is None:
        sys.exit("skipped: no " + name)
import numpy as np
from safetensors.numpy import load_file
from safetensors import safe_open
study, = sys.argv[1:]
dir = study + "/replicates/a/000/"
obs = dir + "observations/"
loss, margin, entropy, predicted = (np.load(obs + n + ".npy") for n in ["loss", "margin", "entropy", "predicted"])
t, n = np.mgrid[0:3, 0:5]
assert loss.dtype == np.float32 and loss.shape == (3, 5) and (loss == 8 * t + n).all(), loss
assert loss.flags.f_contiguous and not loss.flags.c_contiguous
assert margin.dtype == np.float32 and (margin == -(8 * t + n)).all(), margin
assert entropy.dtype == np.float16 and (entropy == (8 * t + n) / 64).all(), entropy
assert predicted.dtype == np.uint8 and (predicted == (n + t) % 2).all(), predicted
logits = np.load(dir + "final_logits.npy")
assert logits.shape == (5, 2) and logits.dtype == np.float32 and logits.flags.c_contiguous
assert (np.load(dir + "roles.npy") == [0, 0, 0, 2, 2]).all()
np.save(dir + "saved.npy", np.asfortranarray(np.arange(6, dtype="<f8").reshape(2, 3)))
assert load_file(dir + "weights.safetensors")["fc.weight"].shape == (2, 2)
with safe_open(dir + "scores.safetensors", "np") as scores:
    assert (scores.get_tensor("loss") == 3).all()
    assert json.loads(scores.metadata()["diffscope"]) == {"loss": {}}
if has.find_spec("pyarrow") is None:
    sys.exit("skipped examples.parquet: no pyarrow")
import pyarrow.parquet as pq
rows = pq.read_table(study + "/examples.parquet").to_pylist()
assert rows[0] == {"id": 7, "label": 1, "given_label": 0, "split": "train", "source": "toy"}, rows[0]
assert [row["split"] for row in rows] == ["train"] * 3 + ["test"] * 2
print("read everything")
"#;

/// Reads a .safetensors file by its published format alone: length, JSON, bytes.
fn published_format(bytes: &[u8]) -> BTreeMap<String, (String, Vec<u64>, Vec<u8>)> {
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let body = &bytes[8 + length..];
    let entries = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
    let tensor = |(name, entry): (&String, &serde_json::Value)| {
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        let offsets: Vec<usize> =
            entry["data_offsets"].as_array().unwrap().iter().map(|v| number(v) as usize).collect();
        let shape = entry["shape"].as_array().unwrap().iter().map(number).collect();
        let dtype = entry["dtype"].as_str().unwrap().to_owned();
        (name.clone(), (dtype, shape, body[offsets[0]..offsets[1]].to_vec()))
    };
    entries.map(tensor).collect()
}

#[test]
fn safetensors_files_follow_the_published_format() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ReplicateDir::at(folder.path());
    let weights = [1.5_f32, -2.0, f32::NAN, 0.25, 1e-30, 7.0];
    dir.write_weights(&BTreeMap::from([("fc.weight".to_owned(), Tensor::new(&[2, 3], weights.as_slice()))])).unwrap();
    let tensors = published_format(&std::fs::read(folder.path().join("weights.safetensors")).unwrap());
    let bytes: Vec<u8> = weights.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(tensors, BTreeMap::from([("fc.weight".to_owned(), ("F32".to_owned(), vec![2, 3], bytes))]));
    let scores =
        [StoredScore { name: "el2n@2".into(), values: vec![0.5, f32::NAN], conventions: serde_json::json!({"a": 1}) }];
    dir.write_scores(&scores).unwrap();
    let tensors = published_format(&std::fs::read(folder.path().join("scores.safetensors")).unwrap());
    assert_eq!((tensors["el2n@2"].0.as_str(), tensors["el2n@2"].1.as_slice()), ("F32", [2].as_slice()));
}

#[test]
fn numpy_safetensors_and_pyarrow_open_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ReplicateDir::new(folder.path(), &ReplicateId { label: "a".into(), index: 0 });
    run(&dir, &mut Fuse(u32::MAX)).unwrap();
    dir.write_roles(&[Role::Train, Role::Train, Role::Train, Role::Test, Role::Test]).unwrap();
    let examples = ExampleTable {
        ids: vec![7, 8, 9, 10, 11],
        labels: vec![1, 0, 1, 0, 1],
        given_labels: vec![0; 5],
        train: 3,
        source: "toy".into(),
    };
    examples.write(&folder.path().join("examples.parquet")).unwrap();
    let python = std::env::var("DIFFSCOPE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let Ok(output) = Command::new(python).args(["-c", SCRIPT]).arg(folder.path()).output() else {
        eprintln!("skipped: no python3");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.starts_with("skipped") {
        eprintln!("{said}");
    } else {
        assert!(output.status.success(), "{said}");
    }
    let saved = dir.path().join("saved.npy");
    if saved.exists() {
        let (shape, values) = diffscope::store::npy::read::<f64>(&saved).unwrap();
        assert_eq!((shape, values), (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    }
}
