//! How fast is it going? Speed over the last seconds, and when to tell.

use std::time::{Duration, Instant};

use crate::store::record::HEARTBEAT;

/// The screen draws at most so often; telling it more often is work for nothing.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Speed is a moving average over about so many seconds, so that it is readable.
const SMOOTHING_S: f64 = 2.0;

/// The clock of a running replicate.
#[derive(Debug)]
pub struct Pulse {
    batch_size: usize,
    last_step: Instant,
    told: Option<Instant>,
    written: Instant,
    seconds_per_example: Option<f64>,
}

impl Pulse {
    /// A pulse for steps of so many examples.
    pub fn new(batch_size: usize) -> Self {
        let now = Instant::now();
        Self { batch_size, last_step: now, told: None, written: now, seconds_per_example: None }
    }

    /// After a pause or another kind of pass: the time since the last step says nothing about speed.
    pub fn restart(&mut self) {
        self.last_step = Instant::now();
    }

    /// A step is done.
    pub fn step(&mut self) {
        let now = Instant::now();
        let taken = now.duration_since(self.last_step).as_secs_f64();
        self.last_step = now;
        let sample = taken / self.batch_size as f64;
        let weight = (taken / SMOOTHING_S).min(1.0);
        self.seconds_per_example = Some(self.seconds_per_example.map_or(sample, |old| old + weight * (sample - old)));
    }

    /// Training examples per second, lately; 0 before the first step.
    pub fn examples_per_s(&self) -> f64 {
        self.seconds_per_example.filter(|s| *s > 0.0).map_or(0.0, f64::recip)
    }

    /// Whether it is time to tell the board.
    pub fn tell(&mut self) -> bool {
        let due = self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if due {
            self.told = Some(Instant::now());
        }
        due
    }

    /// Whether it is time to rewrite `replicate.json`.
    pub fn is_write_due(&self) -> bool {
        self.written.elapsed() >= HEARTBEAT
    }

    /// It is rewritten. Counted from here, a disk that takes longer than a heartbeat is not written to at every step.
    pub fn wrote(&mut self) {
        self.written = Instant::now();
    }
}
