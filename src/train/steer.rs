//! How a running replicate is told what to do next: one small value between the manager and its thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A wish to end a replicate's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// End this epoch, write a checkpoint, then leave.
    AfterEpoch,
    /// Leave at the next step and be passed over.
    Skip,
    /// Leave at the next step; work since the last checkpoint is lost.
    Now,
}

#[derive(Debug, Default)]
struct Wishes {
    paused: bool,
    leave: Option<Leave>,
}

/// The wheel of one replicate.
#[derive(Debug, Default)]
pub struct Steer {
    wishes: Mutex<Wishes>,
    changed: Condvar,
}

impl Steer {
    /// Parks the replicate at its next step, or lets it go on.
    pub fn pause(&self, paused: bool) {
        self.lock().paused = paused;
        self.changed.notify_all();
    }

    /// Asks the replicate to leave. A stronger wish stays: `Now` over `Skip` over `AfterEpoch`.
    pub fn leave(&self, wish: Leave) {
        let rank = |wish| match wish {
            Leave::AfterEpoch => 0,
            Leave::Skip => 1,
            Leave::Now => 2,
        };
        let mut wishes = self.lock();
        if wishes.leave.is_none_or(|old| rank(wish) > rank(old)) {
            wishes.leave = Some(wish);
        }
        // Whoever is to leave has to run to get there.
        wishes.paused = false;
        self.changed.notify_all();
    }

    /// Forgets all wishes, for a replicate that starts again.
    pub fn reset(&self) {
        *self.lock() = Wishes::default();
    }

    /// Whether it is asked to park.
    pub fn paused(&self) -> bool {
        self.lock().paused
    }

    /// The wish to leave, if there is one.
    pub fn wish(&self) -> Option<Leave> {
        self.lock().leave
    }

    /// Waits while parked, but not longer than `most`; whether it is parked still.
    pub fn wait(&self, most: Duration) -> bool {
        let parked = |wishes: &mut Wishes| wishes.paused;
        let waited = self.changed.wait_timeout_while(self.lock(), most, parked);
        waited.unwrap_or_else(PoisonError::into_inner).0.paused
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stronger_wish_stays_and_ends_a_pause() {
        let steer = Steer::default();
        steer.pause(true);
        assert!(steer.paused());
        steer.leave(Leave::Now);
        steer.leave(Leave::AfterEpoch);
        assert_eq!((steer.paused(), steer.wish()), (false, Some(Leave::Now)));
        assert!(!steer.wait(Duration::from_secs(60)), "who is to leave does not wait");
        steer.reset();
        assert_eq!(steer.wish(), None);
    }
}
