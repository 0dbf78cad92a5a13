//! Training as a whole: it follows the CPU's, repeats itself, allocates nothing, and does not depend on the number of jobs.

use std::sync::Arc;

use diffscope::data::{self, Dataset};
use diffscope::models;
use diffscope::nn::kernels::cuda::CudaKernels;
use diffscope::nn::{CpuKernels, Kernels, Objective, SgdStep};
use diffscope::random::Key;
use diffscope::scores::Record;
use diffscope::store::record::State;
use diffscope::study::config::{Augment, NormInit, Precision};
use diffscope::train::devices::{Devices, Wish};
use diffscope::train::learner::{Images, Learner};

use super::{dataset, gpu};
use crate::kernels::standin;
use crate::nn_oracles::assert_near;
use crate::studies::{SMALL, progress_when};

/// A few steps of training and what follows them.
fn trained<K: Kernels>(kernels: K, dataset: &Dataset, steps: usize) -> (Learner<K>, Record, Vec<f32>, Vec<f32>) {
    let mut learner = Learner::new(kernels, &models::parse("resnet8-4").unwrap(), dataset.shape, 10).unwrap();
    let key = Key { study_seed: 3, label: "net".into(), index: 1 };
    learner.initialise(&key, NormInit::One).unwrap();
    let sgd = SgdStep { rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };
    let mut views = Vec::new();
    let order = data::order(&key, 1, 40);
    for batch in order.chunks(16).cycle().take(steps) {
        data::draw_views(batch, Augment { crop: 2, flip: true }, &key, 1, &mut views);
        let labels: Vec<u16> = batch.iter().map(|place| dataset.labels[*place as usize]).collect();
        learner
            .train_step(Images::Of { positions: batch, views: &views }, &labels, Objective::CrossEntropy, sgd)
            .unwrap();
    }
    let (mut seen, mut logits, mut norms) = (Record::default(), Vec::new(), Vec::new());
    learner.take_record(&mut seen).unwrap();
    for batch in [[0, 1, 2, 3], [7, 6, 5, 4]] {
        learner.evaluate(Images::Of { positions: &batch, views: &[] }).unwrap();
    }
    learner.collect(&mut logits).unwrap();
    let images = Images::Of { positions: &[5, 6, 7], views: &[] };
    learner.gradient_norms(images, &dataset.labels[5..8], Objective::CrossEntropy).unwrap();
    learner.collect(&mut norms).unwrap();
    (learner, seen, logits, norms)
}

fn as_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

#[test]
fn training_follows_the_cpu_and_repeats_itself_bit_for_bit() {
    let Some(gpu) = gpu() else { return };
    let dataset = dataset();
    let (host, seen, logits, norms) = trained(CpuKernels::<f32>::new().on(dataset.clone()), &dataset, 4);
    let device = || CudaKernels::on(&gpu, Precision::Fp32, &dataset).unwrap();
    let (learner, mine, own_logits, own_norms) = trained(device(), &dataset, 4);
    for (what, found, expected) in [
        ("losses", &mine.loss, &seen.loss),
        ("margins", &mine.margin, &seen.margin),
        ("entropies", &mine.entropy, &seen.entropy),
        ("logits", &own_logits, &logits),
        ("norms", &own_norms, &norms),
        ("weights", &learner.state().unwrap().weights, &host.state().unwrap().weights),
        ("statistics", &learner.state().unwrap().statistics, &host.state().unwrap().statistics),
    ] {
        assert_near(&as_f64(found), &as_f64(expected), 1e-3, what);
    }
    let (again, repeated, ..) = trained(device(), &dataset, 4);
    assert!(repeated == mine && again.state().unwrap() == learner.state().unwrap(), "the same bits again");
}

#[test]
fn steps_allocate_nothing_and_wait_for_nothing_once_all_batches_were_seen() {
    let Some(gpu) = gpu() else { return };
    if standin::counts().is_none() {
        eprintln!("SKIPPED: only a simulated device counts its allocations");
        return;
    }
    let dataset = dataset();
    let mut learner = trained(CudaKernels::on(&gpu, Precision::Bf16, &dataset).unwrap(), &dataset, 4).0;
    let sgd = SgdStep { rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };
    let epoch = |learner: &mut Learner<CudaKernels>| {
        for batch in [16, 8, 16] {
            let positions: Vec<u32> = (0..batch).collect();
            let images = Images::Of { positions: &positions, views: &[] };
            learner.train_step(images, &dataset.labels[..batch as usize], Objective::CrossEntropy, sgd).unwrap();
            learner.evaluate(images).unwrap();
        }
    };
    let finish = |learner: &mut Learner<CudaKernels>| {
        learner.take_record(&mut Record::default()).unwrap();
        learner.collect(&mut Vec::new()).unwrap();
    };
    // Once around the ring of uploads too.
    for _ in 0..6 {
        epoch(&mut learner);
        finish(&mut learner);
    }
    let before = standin::counts();
    epoch(&mut learner);
    assert_eq!(standin::counts(), before);
    finish(&mut learner);
}

#[test]
fn studies_give_the_same_bits_whatever_the_number_of_jobs() {
    let Some(_) = gpu() else { return };
    let dir = tempfile::tempdir().unwrap();
    let study = |name: &str, jobs: usize| {
        let settings = ["train.epochs=1", "data.limit=60", "train.batch_size=20"].map(str::to_owned);
        let config = diffscope::study::Config::parse(SMALL, "small.toml", &settings).unwrap();
        let devices = Devices::find(Some(&Wish::Cuda(Vec::new())), None).unwrap();
        assert!(devices.describe(2).contains("cuda:0") && devices.backend_id().contains("tf32"));
        let prepared = diffscope::commands::launch::Prepared::on(devices, &config, dir.path().join(name)).unwrap();
        assert_eq!(prepared.plan.config.train.precision, Some(Precision::Tf32), "the folder says so");
        let running = prepared.start(jobs, false, Arc::new(|_, _| ())).unwrap();
        let _ = progress_when(&running, "all is done", |all| all.iter().all(|one| one.state == State::Finished));
        let records = prepared.plan.replicates.iter();
        let records: Vec<_> =
            records.map(|plan| running.folder.replicate(&plan.id).record().unwrap().unwrap()).collect();
        running.crew.end(false);
        records
    };
    let (alone, together) = (study("alone", 1), study("together", 3));
    for (one, other) in alone.iter().zip(&together) {
        assert!(one.device.starts_with("cuda:0 ") && one.backend_id.starts_with("cuda-"), "{}", one.device);
        assert_eq!(one.weights_digest, other.weights_digest);
        assert!(one.weights_digest.is_some());
    }
}

#[test]
fn a_gpu_that_is_not_there_is_refused_by_its_number() {
    let Some(_) = gpu() else { return };
    let error = Devices::find(Some(&Wish::Cuda(vec![99])), None).err().unwrap();
    assert!(error.to_string().contains("cuda:99") && error.exit_code() == 2, "{error}");
}
