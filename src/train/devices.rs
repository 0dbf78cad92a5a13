//! Where does a replicate train? On the CPU, or on GPUs that share the replicates evenly.

#[cfg(feature = "cuda")]
use std::sync::{Arc, Mutex, PoisonError};

use super::replicate::{Context, Outcome, train};
use super::steer::Steer;
use crate::data::Dataset;
use crate::nn::kernels::{CpuKernels, InstructionSet, Kernels};
use crate::study::config::Precision;
use crate::study::plan::ReplicatePlan;
use crate::{Error, Result};

#[cfg(feature = "cuda")]
use crate::nn::kernels::cuda::{self, CudaKernels, Gpu};

/// Replicates that share a GPU where `--jobs` does not say: one leaves most of it idle. Not yet measured.
#[cfg(feature = "cuda")]
const JOBS_PER_GPU: usize = 8;

/// What `--device` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// `cpu`
    Cpu,
    /// `cuda`: every GPU; `cuda:0,2`: these.
    Cuda(Vec<usize>),
}

impl Wish {
    /// Reads the option's value.
    ///
    /// # Errors
    /// `Error::Usage` with what may stand there; also where this build has no CUDA.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| Err(Error::Usage(format!("--device {text}: {what}; use cpu, cuda or cuda:0,1")));
        let ordinals = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Vec::new(),
            _ => match text.strip_prefix("cuda:") {
                Some(list) => match list.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>() {
                    Ok(ordinals) => ordinals,
                    Err(_) => return wrong("GPUs are named by whole numbers"),
                },
                None => return wrong("no such device"),
            },
        };
        if !cfg!(feature = "cuda") {
            let reason =
                "this program was built without CUDA (cargo build --release --features cuda); use --device cpu";
            return Err(Error::Usage(format!("--device {text}: {reason}")));
        }
        let again = ordinals.iter().enumerate().find(|(place, ordinal)| ordinals[..*place].contains(ordinal));
        match again {
            Some((_, ordinal)) => wrong(&format!("GPU {ordinal} stands twice")),
            None => Ok(Self::Cuda(ordinals)),
        }
    }
}

/// The devices of a study.
pub struct Devices {
    kind: Kind,
    /// Why they are not those that one might expect.
    note: Option<String>,
}

enum Kind {
    Cpu(InstructionSet),
    #[cfg(feature = "cuda")]
    Cuda {
        gpus: Vec<Arc<Gpu>>,
        precision: Precision,
        /// Replicates on each GPU now.
        busy: Mutex<Vec<usize>>,
    },
}

impl Devices {
    /// The devices asked for; where nothing is asked for, every GPU that answers, else the CPU.
    ///
    /// # Errors
    /// A device that is not there or lacks a library, with its reason; a precision that it does not have.
    pub fn find(wish: Option<&Wish>, precision: Option<Precision>) -> Result<Self> {
        match wish {
            Some(Wish::Cpu) => Self::cpu(precision, None),
            Some(Wish::Cuda(ordinals)) => Self::cuda(ordinals, precision),
            None => Self::best(precision),
        }
    }

    /// The CPU with an instruction set that it has.
    pub fn on_cpu(set: InstructionSet) -> Self {
        Self { kind: Kind::Cpu(set), note: None }
    }

    fn cpu(precision: Option<Precision>, note: Option<String>) -> Result<Self> {
        match precision.filter(|precision| *precision != Precision::Fp32) {
            Some(precision) => {
                let name = precision.name();
                let reason = note.map_or("choose GPUs with --device cuda".to_owned(), |note| note);
                Err(Error::Usage(format!("train.precision: \"{name}\": a CPU trains in \"fp32\" only; {reason}")))
            }
            None => Ok(Self { note, ..Self::on_cpu(InstructionSet::detect()) }),
        }
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_ordinals: &[usize], _precision: Option<Precision>) -> Result<Self> {
        Err(Error::Usage("this program was built without CUDA".into()))
    }

    #[cfg(not(feature = "cuda"))]
    fn best(precision: Option<Precision>) -> Result<Self> {
        Self::cpu(precision, None)
    }

    #[cfg(feature = "cuda")]
    fn cuda(ordinals: &[usize], precision: Option<Precision>) -> Result<Self> {
        let count = cuda::device_count().map_err(|error| Error::Failed(format!("--device cuda: {error}")))?;
        if let Some(missing) = ordinals.iter().find(|ordinal| **ordinal >= count) {
            let there = if count == 1 { "GPU 0".to_owned() } else { format!("GPUs 0 to {}", count - 1) };
            return Err(Error::Usage(format!(
                "--device cuda:{missing}: there is no such GPU; this machine has {there}"
            )));
        }
        let ordinals = if ordinals.is_empty() { (0..count).collect() } else { ordinals.to_vec() };
        let precision = precision.unwrap_or(Precision::Tf32);
        let gpus = ordinals.into_iter().map(Gpu::open).collect::<Result<Vec<_>>>()?;
        let busy = Mutex::new(vec![0; gpus.len()]);
        Ok(Self { kind: Kind::Cuda { gpus, precision, busy }, note: None })
    }

    #[cfg(feature = "cuda")]
    fn best(precision: Option<Precision>) -> Result<Self> {
        if !cuda::driver_is_there() {
            return Self::cpu(precision, None);
        }
        Self::cuda(&[], precision)
            .or_else(|error| Self::cpu(precision, Some(format!("training on the CPU, since {error}"))))
    }

    /// Whether they are GPUs.
    pub fn are_gpus(&self) -> bool {
        !matches!(self.kind, Kind::Cpu(_))
    }

    /// The arithmetic of training.
    pub fn precision(&self) -> Precision {
        match &self.kind {
            Kind::Cpu(_) => Precision::Fp32,
            #[cfg(feature = "cuda")]
            Kind::Cuda { precision, .. } => *precision,
        }
    }

    /// The same id, the same bits: that of the first device.
    pub fn backend_id(&self) -> String {
        match &self.kind {
            Kind::Cpu(set) => CpuKernels::<f32>::with(*set).backend_id(),
            #[cfg(feature = "cuda")]
            Kind::Cuda { gpus, precision, .. } => {
                gpus.first().map_or_else(String::new, |gpu| gpu.backend_id(*precision))
            }
        }
    }

    /// Replicates that train at once: `--jobs` per device, else a job per core or what a GPU carries.
    pub fn jobs(&self, per_device: Option<usize>) -> usize {
        match &self.kind {
            Kind::Cpu(_) => per_device.unwrap_or_else(cores),
            #[cfg(feature = "cuda")]
            Kind::Cuda { gpus, .. } => {
                // A job's thread feeds its stream: more of them than cores would wait for each other.
                let fed = (cores() / gpus.len().max(1)).clamp(1, JOBS_PER_GPU);
                gpus.len() * per_device.unwrap_or(fed)
            }
        }
    }

    /// For people: what trains, and how many replicates at once; then why, where that may surprise.
    pub fn describe(&self, jobs: usize) -> String {
        let names = match &self.kind {
            Kind::Cpu(_) => "the CPU".to_owned(),
            #[cfg(feature = "cuda")]
            Kind::Cuda { gpus, precision, .. } => {
                let names: Vec<String> = gpus.iter().map(|gpu| gpu.name()).collect();
                format!("{} in {}", names.join(" and "), precision.name())
            }
        };
        self.note.clone().unwrap_or_else(|| format!("training on {names}, {jobs} at once"))
    }

    /// Trains one replicate on the device that has fewest.
    ///
    /// # Errors
    /// As [`train`]; `Error::OutOfMemory` where the device has no room for it now.
    pub fn train(&self, context: &Context, plan: &ReplicatePlan, steer: &Steer) -> Result<Outcome> {
        match &self.kind {
            Kind::Cpu(set) => {
                train(context, plan, || Ok(CpuKernels::<f32>::with(*set).on(context.dataset.clone())), steer)
            }
            #[cfg(feature = "cuda")]
            Kind::Cuda { gpus, precision, busy } => {
                let seat = Seat::take(busy);
                let gpu = gpus.get(seat.place).ok_or_else(|| Error::Failed("there is no GPU to train on".into()))?;
                train(context, plan, || CudaKernels::on(gpu, *precision, &context.dataset), steer)
            }
        }
    }

    /// Does something with kernels of the first device.
    ///
    /// # Errors
    /// A device that fails; whatever the work returns.
    pub fn try_out<T>(&self, dataset: &std::sync::Arc<Dataset>, work: impl Work<T>) -> Result<T> {
        match &self.kind {
            Kind::Cpu(set) => work.on(CpuKernels::<f32>::with(*set).on(dataset.clone())),
            #[cfg(feature = "cuda")]
            Kind::Cuda { gpus, precision, .. } => {
                let gpu = gpus.first().ok_or_else(|| Error::Failed("there is no GPU to train on".into()))?;
                work.on(CudaKernels::on(gpu, *precision, dataset)?)
            }
        }
    }
}

/// Work that is written once for every backend.
pub trait Work<T> {
    /// Does it.
    ///
    /// # Errors
    /// Whatever it meets.
    fn on<K: Kernels>(self, kernels: K) -> Result<T>;
}

/// A replicate's place on a GPU, free again when it is dropped.
#[cfg(feature = "cuda")]
struct Seat<'a> {
    busy: &'a Mutex<Vec<usize>>,
    place: usize,
}

#[cfg(feature = "cuda")]
impl<'a> Seat<'a> {
    /// On the GPU with fewest replicates, the first of equals.
    fn take(busy: &'a Mutex<Vec<usize>>) -> Self {
        let mut counts = busy.lock().unwrap_or_else(PoisonError::into_inner);
        let fewest = counts.iter().enumerate().min_by_key(|(_, count)| **count).map_or(0, |(place, _)| place);
        if let Some(count) = counts.get_mut(fewest) {
            *count += 1;
        }
        Self { busy, place: fewest }
    }
}

#[cfg(feature = "cuda")]
impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut counts = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(self.place) {
            *count -= 1;
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_or_refused_with_what_may_stand_there() {
        assert_eq!(Wish::parse("cpu").unwrap(), Wish::Cpu);
        for (text, says) in [("tpu", "no such device"), ("cuda:", "whole numbers"), ("cuda:0,x", "whole numbers")] {
            let error = Wish::parse(text).unwrap_err();
            assert!(error.to_string().contains(says) && error.exit_code() == 2, "{error}");
        }
        let gpus = Wish::parse("cuda:0,2");
        if cfg!(feature = "cuda") {
            assert_eq!(gpus.unwrap(), Wish::Cuda(vec![0, 2]));
            assert_eq!(Wish::parse("cuda").unwrap(), Wish::Cuda(Vec::new()));
            assert!(Wish::parse("cuda:1,1").unwrap_err().to_string().contains("twice"));
        } else {
            assert!(gpus.unwrap_err().to_string().contains("without CUDA"));
        }
    }

    #[test]
    fn a_cpu_refuses_every_precision_but_its_own_by_name() {
        for precision in [Precision::Tf32, Precision::Bf16] {
            let error = Devices::find(Some(&Wish::Cpu), Some(precision)).err().unwrap();
            assert!(error.to_string().contains(precision.name()) && error.exit_code() == 2, "{error}");
        }
        let devices = Devices::find(Some(&Wish::Cpu), Some(Precision::Fp32)).unwrap();
        assert_eq!((devices.precision(), devices.jobs(Some(3))), (Precision::Fp32, 3));
        assert_eq!(devices.describe(3), "training on the CPU, 3 at once");
        assert_eq!(devices.backend_id(), CpuKernels::<f32>::new().backend_id());
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn replicates_are_dealt_to_gpus_evenly() {
        let busy = Mutex::new(vec![0; 3]);
        let mut seats: Vec<Seat<'_>> = (0..4).map(|_| Seat::take(&busy)).collect();
        assert_eq!(seats.iter().map(|seat| seat.place).collect::<Vec<_>>(), [0, 1, 2, 0]);
        drop(seats.remove(1));
        assert_eq!(Seat::take(&busy).place, 1);
        drop(seats);
        assert_eq!(*busy.lock().unwrap(), [0; 3]);
    }
}
