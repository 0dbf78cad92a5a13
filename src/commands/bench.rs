//! `bench`: how many examples per second do training and scoring passes do, on made-up images, through the code that `run`
//! uses, observations and scores included?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::Exit;
use crate::cli;
use crate::data::{Dataset, ImageShape, Split};
use crate::nn::kernels::neighbours;
use crate::nn::{CpuKernels, InstructionSet, Objective, Real, SgdStep};
use crate::random::Key;
use crate::scores::{self, Observer, Record};
use crate::study::Timetable;
use crate::study::config::{NormInit, Observe};
use crate::train::learner::{Images, Learner};
use crate::{Error, Result};

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
        cli::BenchJob::Depth => (options.examples, depth(options, set)?),
        cli::BenchJob::Train | cli::BenchJob::Grand | cli::BenchJob::Vog => (options.batch, passes(options, set)?),
    };
    let rate: f64 = seconds.iter().map(|seconds| work as f64 / seconds).sum();
    let slowest = seconds.iter().copied().fold(0.0, f64::max);
    if options.json {
        let line = serde_json::json!({
            "job": options.job.name(), "model": options.model, "input": options.input, "batch": options.batch,
            "examples": options.examples, "dim": options.dim, "jobs": options.jobs, "kernels": set.name(),
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
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[seconds.len() / 2])
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

/// Training steps or scoring passes over one batch.
fn passes(options: &cli::Bench, set: InstructionSet) -> Result<Vec<f64>> {
    let shape = shape_of(&options.input)?;
    let model = crate::models::parse(&options.model).map_err(Error::Usage)?;
    let dataset = Arc::new(made_up(shape, options.batch)?);
    timed(options.jobs, options.steps, |index| {
        let kernels = CpuKernels::<f32>::with(set).on(dataset.clone());
        let mut learner = Learner::new(kernels, &model, shape, CLASSES)?;
        let key = Key { study_seed: 1, label: "bench".into(), index };
        learner.initialise(&key, NormInit::One)?;
        let mut pass = Pass::new(options.job, dataset.clone(), learner, key)?;
        Ok(move || pass.step())
    })
}

/// One job's learner and what its steps need.
struct Pass {
    job: cli::BenchJob,
    dataset: Arc<Dataset>,
    learner: Learner<CpuKernels<f32>>,
    key: Key,
    epoch: u32,
    observers: Vec<Box<dyn Observer>>,
    batch: Record,
    record: Record,
    values: Vec<f32>,
}

impl Pass {
    fn new(job: cli::BenchJob, dataset: Arc<Dataset>, learner: Learner<CpuKernels<f32>>, key: Key) -> Result<Self> {
        let specs = scores::resolve(&toml::Table::new(), Observe::Minibatch)?;
        let epoch = Timetable::of_epochs(1, 1);
        let observer = |spec: &scores::ScoreSpec| spec.observer(dataset.len(), dataset.train, CLASSES, &epoch);
        let observers = specs.iter().map(observer).collect();
        let (batch, record) = (Record::default(), Record::default());
        Ok(Self { job, dataset, learner, key, epoch: 0, observers, batch, record, values: Vec::new() })
    }

    fn step(&mut self) -> Result<()> {
        let dataset = &*self.dataset;
        let labels = &dataset.labels[..dataset.train];
        let order: Vec<u32> = (0..dataset.train as u32).collect();
        let images = Images::Of { positions: &order, views: &[] };
        match self.job {
            cli::BenchJob::Train => return self.train(),
            cli::BenchJob::Grand => {
                self.learner.gradient_norms(images, labels, Objective::CrossEntropy)?;
                self.values.clear();
                self.learner.collect(&mut self.values)?;
            }
            cli::BenchJob::Vog | cli::BenchJob::Depth => {
                self.values.clear();
                let seed = |row: usize, _: &[f32], gradient: &mut [f32]| gradient[usize::from(labels[row])] = f32::ONE;
                self.learner.input_gradients(images, seed, &mut self.values)?;
                mean_channels(dataset.shape, &mut self.values);
            }
        }
        Ok(())
    }

    /// An epoch of one batch: a training step, its observations entered, and every score that is always on.
    fn train(&mut self) -> Result<()> {
        let dataset = &*self.dataset;
        self.epoch += 1;
        let order = crate::data::order(&self.key, self.epoch, dataset.train);
        let labels: Vec<u16> = order.iter().map(|position| dataset.labels[*position as usize]).collect();
        let sgd = SgdStep { rate: 0.1, momentum: 0.9, weight_decay: 1e-4 };
        let images = Images::Of { positions: &order, views: &[] };
        self.learner.train_step(images, &labels, Objective::CrossEntropy, sgd)?;
        self.batch.clear();
        self.learner.take_record(&mut self.batch)?;
        self.record.resize(dataset.train);
        self.record.scatter(&order, &self.batch);
        for observer in &mut self.observers {
            observer.observe(self.epoch - 1, &self.record, &dataset.labels);
        }
        Ok(())
    }
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

/// One probe: the nearest neighbours of every example among the others.
fn depth(options: &cli::Bench, set: InstructionSet) -> Result<Vec<f64>> {
    let mut stream = Key::study(1).stream("embeddings");
    let embeddings: Vec<f32> = (0..options.examples * options.dim).map(|_| stream.normal() as f32).collect();
    // One search is long: its own warm-up.
    timed(options.jobs, 1, |_| {
        let embeddings = &embeddings;
        Ok(move || {
            neighbours::among(set, embeddings, options.dim, NEIGHBOURS);
            Ok(())
        })
    })
}
