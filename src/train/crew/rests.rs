//! What happens when a device has no room for a replicate? Fewer run at once; alone, it rests and tries again.
//!
//! Other programs may hold the memory, and may give it back: it rests each time longer, and only after its last wait
//! is it taken for one that never fits.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Manager;
use crate::store::record::{STOPPED, State};
use crate::study::ReplicateId;
use crate::train::events::Event;

/// How long it rests after each try that found no room; the try after the last wait is the last. About eight minutes
/// in all: long enough for a job of somebody else to end, short enough to hear of a model that is too large.
pub const WAITS: &[Duration] = &[
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(240),
];

/// A replicate's tries since it last got further.
#[derive(Debug, Default)]
struct Tries {
    failed: usize,
    /// Epochs behind its checkpoint when the last one failed.
    committed: u32,
}

/// Who rests, and until when.
#[derive(Debug)]
pub(super) struct Rests {
    waits: Vec<Duration>,
    tries: HashMap<ReplicateId, Tries>,
    resting: Vec<(ReplicateId, Instant)>,
}

impl Rests {
    pub fn new(waits: &[Duration]) -> Self {
        Self { waits: waits.to_vec(), tries: HashMap::new(), resting: Vec::new() }
    }

    /// Tries that a replicate has in all.
    pub fn most(&self) -> usize {
        self.waits.len() + 1
    }

    /// A replicate found no room: it rests from now on. How many tries failed, and for how long it rests; None, and
    /// its tries are forgotten, where that was its last one. Whoever got further meanwhile starts to count anew.
    pub fn begin(&mut self, id: &ReplicateId, committed: u32, now: Instant) -> Option<(usize, Duration)> {
        let tries = self.tries.entry(id.clone()).or_default();
        if committed > tries.committed {
            *tries = Tries { failed: 0, committed };
        }
        tries.failed += 1;
        let failed = tries.failed;
        let Some(wait) = self.waits.get(failed - 1).copied() else {
            self.forget(id);
            return None;
        };
        self.resting.push((id.clone(), now + wait));
        Some((failed, wait))
    }

    /// Those that have rested long enough; they rest no longer.
    pub fn rested(&mut self, now: Instant) -> Vec<ReplicateId> {
        self.resting.extract_if(.., |(_, until)| *until <= now).map(|(id, _)| id).collect()
    }

    /// All that rest, who rest no longer.
    pub fn wake_all(&mut self) -> Vec<ReplicateId> {
        std::mem::take(&mut self.resting).into_iter().map(|(id, _)| id).collect()
    }

    /// A replicate rests no longer; its tries still count.
    pub fn wake(&mut self, id: &ReplicateId) {
        self.resting.retain(|(resting, _)| resting != id);
    }

    /// A replicate starts anew, with all its tries.
    pub fn forget(&mut self, id: &ReplicateId) {
        self.wake(id);
        self.tries.remove(id);
    }

    /// Whether nobody rests.
    pub fn is_empty(&self) -> bool {
        self.resting.is_empty()
    }
}

impl Manager {
    /// A device is full: fewer replicates at once from now on, here and wherever else they are counted, and this one
    /// waits for its turn; alone, it waits for room.
    pub(super) fn shrink(&mut self, id: &ReplicateId, reason: &str) {
        if self.quitting {
            self.write_and_announce(id, State::Queued, STOPPED);
            return;
        }
        let crowd = self.post(id).map_or(0, |post| post.crowd);
        if crowd <= 1 {
            self.rest(id, reason);
            return;
        }
        self.jobs = self.jobs.min(crowd - 1);
        self.tell(Event::Jobs(self.jobs));
        self.waiting.push_front(id.clone());
        let waits = format!("out of memory with {crowd} at once: {} at once from now on; it waits its turn", self.jobs);
        self.tell(Event::Log { id: Some(id.clone()), text: format!("{waits} ({reason})") });
        self.write_and_announce(id, State::Queued, &waits);
        let news = self.wishes.lower(self.jobs);
        self.take(news);
    }

    /// Nothing of ours ran beside it: other programs may hold the device's memory, and may give it back.
    fn rest(&mut self, id: &ReplicateId, reason: &str) {
        let views = self.context.board.snapshot();
        let view = views.iter().find(|view| view.progress.id == *id);
        let committed = view.map_or(0, |view| view.progress.epochs_committed);
        let most = self.rests.most();
        let Some((failed, wait)) = self.rests.begin(id, committed, Instant::now()) else {
            let text = format!(
                "out of memory {most} times, although nothing ran beside it: {reason}; make room on the device and retry it"
            );
            self.fail(id, &text);
            return;
        };
        let waits = format!(
            "out of memory with nothing beside it, other programs may hold it: try {} of {most} in {} s",
            failed + 1,
            wait.as_secs()
        );
        self.tell(Event::Log { id: Some(id.clone()), text: format!("{waits} ({reason})") });
        self.write_and_announce(id, State::Queued, &waits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[Duration] = &[Duration::from_secs(1), Duration::from_secs(2)];

    fn id(index: u32) -> ReplicateId {
        ReplicateId { label: "net".into(), index }
    }

    #[test]
    fn a_replicate_rests_longer_each_time_and_has_a_last_try() {
        let (mut rests, now) = (Rests::new(TWO), Instant::now());
        assert_eq!(rests.most(), 3);
        assert_eq!(rests.begin(&id(0), 0, now), Some((1, TWO[0])));
        assert_eq!((rests.rested(now), rests.is_empty()), (vec![], false));
        assert_eq!((rests.rested(now + TWO[0]), rests.is_empty()), (vec![id(0)], true));
        assert_eq!(rests.begin(&id(0), 0, now), Some((2, TWO[1])));
        assert_eq!(rests.begin(&id(1), 0, now), Some((1, TWO[0])), "each has its own tries");
        rests.wake(&id(0));
        assert_eq!(rests.begin(&id(0), 0, now), None, "waking takes no try back");
        assert_eq!(rests.begin(&id(0), 0, now), Some((1, TWO[0])), "a retry starts anew");
        rests.wake(&id(0));
        assert_eq!(rests.wake_all(), [id(1)]);
    }

    #[test]
    fn whoever_got_further_counts_anew() {
        let (mut rests, now) = (Rests::new(TWO), Instant::now());
        let mut failed = |committed| rests.begin(&id(0), committed, now).unwrap().0;
        assert_eq!([failed(0), failed(0), failed(5), failed(5), failed(6)], [1, 2, 1, 2, 1]);
    }
}
