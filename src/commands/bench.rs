//! `bench`: how many examples per second do training and scoring passes do, on made-up images? Training goes through the
//! crew of `run` itself: a real study in a temporary folder, observations, scores and rows included.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded, select};

use super::Exit;
use super::launch::Prepared;
use crate::data::{Dataset, ImageShape, Split};
use crate::nn::kernels::neighbours;
use crate::nn::{CpuKernels, InstructionSet, Objective};
use crate::random::Key;
use crate::store::record::State;
use crate::study::Config;
use crate::study::config::NormInit;
use crate::train::devices::{Devices, Wish};
use crate::train::events::Event;
use crate::train::learner::{Images, Learner};
use crate::train::replicate::{Stage, StageHook};
use crate::{Error, Result, cli};

/// Steps of an epoch of training.
const STEPS: usize = 4;
/// How much faster than the slowest job another one may be.
const SLOWEST: usize = 20;
/// Steps before the clock counts.
const WARM_UP: usize = 3;
/// Classes of the made-up labels.
const CLASSES: usize = 10;
/// Neighbours of the depth job: those of a probe.
const NEIGHBOURS: usize = 30;

/// Runs the command.
///
/// # Errors
/// A model that does not exist or cannot take such images; no more threads to be had.
pub fn bench(options: &cli::Bench) -> Result<Exit> {
    let set = match options.kernels.as_deref() {
        None => InstructionSet::detect(),
        Some(name) => InstructionSet::named(name).map_err(Error::Usage)?,
    };
    let (work, seconds) = match options.job {
        cli::BenchJob::Depth if options.queries > 0 => (options.queries, depth(options, set)?),
        cli::BenchJob::Depth => (options.examples, depth(options, set)?),
        cli::BenchJob::Train => (options.batch, training(options, set)?),
        cli::BenchJob::Grand | cli::BenchJob::Vog => (options.batch, scoring(options, set)?),
    };
    let rate: f64 = seconds.iter().map(|seconds| work as f64 / seconds).sum();
    let slowest = seconds.iter().copied().fold(0.0, f64::max);
    if options.json {
        let line = serde_json::json!({
            "job": options.job.name(), "model": options.model, "input": options.input, "batch": options.batch,
            "examples": options.examples, "queries": options.queries, "dim": options.dim, "jobs": options.jobs, "kernels": set.name(),
            "median_s": slowest, "examples_per_s": rate,
        });
        super::print(&line.to_string())?;
    } else {
        super::print(&format!("{}: {rate:.1} examples/s ({slowest:.4} s a step)", options.job.name()))?;
    }
    Ok(Exit::Done)
}

/// The median seconds of a step of each job, all jobs at work all the time.
fn timed<F: FnMut() -> Result<()>>(
    jobs: usize,
    steps: usize,
    job: impl Fn(u32) -> Result<F> + Sync,
) -> Result<Vec<f64>> {
    let done = AtomicUsize::new(0);
    let (done, job) = (&done, &job);
    let measure = move |index: u32| -> Result<f64> {
        let mut step = job(index)?;
        let mut seconds = Vec::new();
        for round in 0.. {
            let start = Instant::now();
            step()?;
            if round >= WARM_UP && seconds.len() < steps {
                seconds.push(start.elapsed().as_secs_f64());
                done.fetch_add(usize::from(seconds.len() == steps), Ordering::Relaxed);
            }
            if done.load(Ordering::Relaxed) == jobs {
                break;
            }
        }
        Ok(median(&mut seconds))
    };
    std::thread::scope(|scope| {
        let spawn = |index| {
            std::thread::Builder::new().spawn_scoped(scope, move || {
                let measured = measure(index);
                if measured.is_err() {
                    // The others must not wait for it.
                    done.fetch_add(1, Ordering::Relaxed);
                }
                measured
            })
        };
        let threads: Vec<_> = (0..jobs as u32).map(spawn).collect();
        let join = |thread: std::io::Result<std::thread::ScopedJoinHandle<'_, Result<f64>>>| {
            let thread = thread.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
            thread.join().map_err(|_| Error::Failed("a job of the bench panicked".into()))?
        };
        threads.into_iter().map(join).collect()
    })
}

/// A batch of images that nobody took.
fn made_up(shape: ImageShape, examples: usize) -> Result<Dataset> {
    let mut stream = Key::study(1).stream("bench");
    let mut split = |examples: usize| Split {
        shape,
        pixels: (0..examples * shape.len()).map(|_| stream.below(256) as u8).collect(),
        labels: (0..examples).map(|example| (example % CLASSES) as u16).collect(),
    };
    let (train, test) = (split(examples), split(1));
    let names = (0..CLASSES).map(|class| class.to_string()).collect();
    Dataset::new("made", names, train, test, (0..=examples as u32).collect()).map_err(Error::Failed)
}

/// `CxHxW`.
fn shape_of(input: &str) -> Result<ImageShape> {
    let sides: Vec<usize> = input.split('x').filter_map(|side| side.parse().ok()).collect();
    match *sides.as_slice() {
        [channels, height, width] => Ok(ImageShape { channels, height, width }),
        _ => Err(Error::Usage(format!("--input {input}: expected CxHxW, such as 3x32x32"))),
    }
}

/// A temporary folder, which goes with this.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind in the system's temporary place does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A study of made-up images, with a replicate for each job.
fn study(options: &cli::Bench, devices: Devices, epochs: usize, dir: PathBuf) -> Result<Prepared> {
    let dataset = made_up(shape_of(&options.input)?, STEPS * options.batch)?;
    let text = format!(
        "name = 'bench'\n[data]\nsource = 'embedded'\n[train]\nepochs = {epochs}\nbatch_size = {}\n\
         checkpoint_seconds = 1000000\n[[model]]\nname = '{}'\nreplicates = {}\n",
        options.batch, options.model, options.jobs
    );
    Prepared::with(dataset, devices, &Config::parse(&text, "bench", &[])?, dir)
}

/// The ends of each job's epochs.
type Ends = Arc<Vec<Mutex<Vec<Instant>>>>;

/// Whole epochs of a few steps, trained as `run` trains: views, steps, observations, scores, rows and lines. The seconds of
/// a step of each job.
fn training(options: &cli::Bench, set: InstructionSet) -> Result<Vec<f64>> {
    let devices = match &options.device {
        Some(device) => Devices::find(Some(&Wish::parse(device)?), None)?,
        None => Devices::on_cpu(set),
    };
    // A process of the same number may have been killed here before.
    let nonce = RandomState::new().hash_one(Instant::now());
    let folder = Folder(std::env::temp_dir().join(format!("diffscope-bench-{}-{nonce:x}", std::process::id())));
    // The first epoch is the warm-up; a job may be at its last one long before the slowest has begun it.
    let wanted = options.steps.div_ceil(STEPS) + 1;
    let study = study(options, devices, SLOWEST * wanted, folder.0.clone())?;
    let ends: Ends = Arc::new((0..options.jobs).map(|_| Mutex::default()).collect());
    let (tell, enough) = bounded(1);
    let hook: StageHook = {
        let ends = ends.clone();
        Arc::new(move |plan, stage| {
            if stage == Stage::Row && note(&ends, plan.id.index as usize, wanted) {
                // Told once is enough.
                let _ = tell.try_send(());
            }
        })
    };
    let running = study.start(options.jobs, false, hook)?;
    let measured = wait(&enough, &running.events);
    running.crew.end(false);
    measured?;
    Ok(ends.iter().map(|ends| per_step(&held(ends), wanted)).collect())
}

/// Waits until enough was measured.
///
/// # Errors
/// Why a replicate failed, or all of them stopped.
fn wait(enough: &Receiver<()>, events: &Receiver<Event>) -> Result<()> {
    loop {
        select! {
            recv(enough) -> _ => return Ok(()),
            recv(events) -> event => match event {
                Ok(Event::State { state: State::Failed, reason, .. }) => {
                    return Err(Error::Failed(reason.unwrap_or_default()));
                }
                Ok(Event::Halted { reason }) => return Err(Error::Failed(reason)),
                Ok(_) => {}
                Err(_) => return Err(Error::Failed("training ended before it was measured".into())),
            },
        }
    }
}

/// The median seconds of a step, from the ends of epochs.
fn per_step(ends: &[Instant], wanted: usize) -> f64 {
    let epochs = ends.iter().zip(ends.iter().skip(1)).take(wanted - 1);
    median(&mut epochs.map(|(start, end)| (*end - *start).as_secs_f64() / STEPS as f64).collect::<Vec<_>>())
}

/// Notes the end of a job's epoch; whether all jobs have as many as are wanted.
fn note(ends: &Ends, job: usize, wanted: usize) -> bool {
    if let Some(own) = ends.get(job) {
        held(own).push(Instant::now());
    }
    ends.iter().all(|ends| held(ends).len() >= wanted)
}

fn held(ends: &Mutex<Vec<Instant>>) -> MutexGuard<'_, Vec<Instant>> {
    ends.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The middle of some seconds.
fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Scoring passes over one batch.
fn scoring(options: &cli::Bench, set: InstructionSet) -> Result<Vec<f64>> {
    let shape = shape_of(&options.input)?;
    let model = crate::models::parse(&options.model).map_err(Error::Usage)?;
    let dataset = Arc::new(made_up(shape, options.batch)?);
    timed(options.jobs, options.steps, |index| {
        let kernels = CpuKernels::<f32>::with(set).on(dataset.clone());
        let mut learner = Learner::new(kernels, &model, shape, CLASSES)?;
        let key = Key { study_seed: 1, label: "bench".into(), index };
        learner.initialise(&key, NormInit::One)?;
        let (dataset, order) = (dataset.clone(), (0..dataset.train as u32).collect::<Vec<_>>());
        let (grand, mut values) = (options.job == cli::BenchJob::Grand, Vec::new());
        Ok(move || {
            let labels = &dataset.labels[..dataset.train];
            let images = Images::Of { positions: &order, views: &[] };
            values.clear();
            if grand {
                learner.gradient_norms(images, labels, Objective::CrossEntropy)?;
                return learner.collect(&mut values);
            }
            let seed = |row: usize, _: &[f32], gradient: &mut [f32]| gradient[usize::from(labels[row])] = 1.0;
            learner.input_gradients(images, seed, &mut values)?;
            mean_channels(dataset.shape, &mut values);
            Ok(())
        })
    })
}

/// Gradients `[B, C, H, W]` averaged over their channels, in place.
fn mean_channels(shape: ImageShape, gradients: &mut [f32]) {
    let area = shape.height * shape.width;
    for image in gradients.chunks_exact_mut(shape.len()) {
        let (mean, others) = image.split_at_mut(area);
        for other in others.chunks_exact(area) {
            mean.iter_mut().zip(other).for_each(|(mean, other)| *mean += *other);
        }
        for mean in mean {
            *mean /= shape.channels as f32;
        }
    }
}

/// One probe: the nearest neighbours of every example among the others, or of queries alone.
fn depth(options: &cli::Bench, set: InstructionSet) -> Result<Vec<f64>> {
    let mut stream = Key::study(1).stream("embeddings");
    let job = neighbours::Job {
        features: options.dim,
        references: options.examples,
        queries: options.queries,
        k: NEIGHBOURS,
        among: options.queries == 0,
        leave_one_out: true,
    };
    let values = (options.examples + options.queries) * options.dim;
    let embeddings: Vec<f32> = (0..values).map(|_| stream.normal() as f32).collect();
    // One search is long: its own warm-up.
    timed(options.jobs, 1, |_| {
        let embeddings = &embeddings;
        Ok(move || {
            let mut kernels = CpuKernels::with(set);
            neighbours::search(&mut kernels, job, embeddings).map(|_| ())
        })
    })
}
