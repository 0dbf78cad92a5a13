//! How busy are this machine's GPUs? Memory and utilisation of each, read once a second while somebody looks.
//!
//! The driver's own library is asked (NVML, loaded when the first reading is wanted); where there is none, there are no
//! readings, and nothing is said about it.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// Between two readings.
const EVERY: Duration = Duration::from_secs(1);

/// One GPU at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its place among the driver's GPUs, from 0.
    pub index: u32,
    /// What it is called.
    pub name: String,
    /// Bytes of its memory in use, by all processes.
    pub used: u64,
    /// Bytes of memory that it has.
    pub memory: u64,
    /// Share of the last moment in which something ran on it, in per cent; none where the driver does not tell.
    pub busy: Option<u32>,
}

/// The reading thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Sampler {
    readings: Receiver<Vec<Gpu>>,
    /// Never sent on: the thread sees it close.
    _wanted: Sender<()>,
}

impl Sampler {
    /// Starts to read. Without a driver, or without a thread, nothing is ever read.
    pub fn start() -> Self {
        let (tell, readings) = bounded(1);
        let (wanted, unwanted) = bounded(0);
        // Whoever looks loses a pane, not the study.
        let _ = std::thread::Builder::new().name("gpus".into()).spawn(move || read_until(&unwanted, &tell));
        Self { readings, _wanted: wanted }
    }

    /// The newest reading, if there is one since the last.
    pub fn reading(&self) -> Option<Vec<Gpu>> {
        self.readings.try_iter().last()
    }
}

fn read_until(unwanted: &Receiver<()>, tell: &Sender<Vec<Gpu>>) {
    let Ok(nvml) = Nvml::init() else { return };
    loop {
        // A reading that nobody took yet is as good as this one.
        let _ = tell.try_send(read(&nvml));
        if unwanted.recv_timeout(EVERY).is_err_and(|error| error.is_disconnected()) {
            return;
        }
    }
}

/// All GPUs that tell of their memory.
fn read(nvml: &Nvml) -> Vec<Gpu> {
    let gpu = |index| -> Result<Gpu, NvmlError> {
        let device = nvml.device_by_index(index)?;
        let memory = device.memory_info()?;
        let busy = device.utilization_rates().ok().map(|rates| rates.gpu);
        Ok(Gpu { index, name: device.name()?, used: memory.used, memory: memory.total, busy })
    };
    (0..nvml.device_count().unwrap_or(0)).filter_map(|index| gpu(index).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_says_makes_sense_and_no_driver_says_nothing() {
        let (tell, readings) = bounded(1);
        let (wanted, unwanted) = bounded(0);
        drop(wanted);
        // One reading, then it ends, since nobody wants more.
        read_until(&unwanted, &tell);
        match Nvml::init() {
            Ok(_) => assert!(readings.recv().unwrap().iter().all(|gpu| gpu.used <= gpu.memory && gpu.memory > 0)),
            Err(_) => assert!(readings.try_recv().is_err()),
        }
    }

    #[test]
    fn the_thread_ends_with_the_sampler() {
        let sampler = Sampler::start();
        let _ = sampler.reading();
        let readings = sampler.readings.clone();
        drop(sampler);
        // The sending end is the thread's: it closes when the thread ends.
        while readings.recv().is_ok() {}
    }
}
