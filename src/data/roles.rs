//! Does a replicate train on an example, hold it out, or is it a test example?
//!
//! With `[data] holdout` every replicate has a split of its own, which depends on the study's seed and the replicate's index
//! alone: replicate r of every model holds out the same examples (Baldock et al. 2021). The part of `[data] retrain` is
//! drawn by the study's seed and held out by every replicate.

use crate::random::Key;

/// What an example is to a replicate, as in `roles.npy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// Trained on.
    Train = 0,
    /// Held out by this replicate.
    Val = 1,
    /// A test example.
    Test = 2,
}

impl Role {
    /// All of them, in the order of their bytes.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The role of a name: `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// The role that a byte of `roles.npy` stands for.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// Which shares of the training examples a replicate does not train on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HeldOut {
    /// Its own hold-out: a share of what `retrain` leaves.
    pub holdout: f64,
    /// The part that waits for the fine-tuning of `holdout_retraining`, the same for every replicate.
    pub retrain: f64,
}

impl HeldOut {
    /// How many of so many training examples wait for fine-tuning.
    pub fn retrain_count(self, train: usize) -> usize {
        share(self.retrain, train)
    }

    /// How many of so many training examples are its own hold-out.
    pub fn holdout_count(self, train: usize) -> usize {
        share(self.holdout, train - self.retrain_count(train))
    }

    /// How many of so many training examples are left to train on.
    pub fn trained(self, train: usize) -> usize {
        train - self.retrain_count(train) - self.holdout_count(train)
    }
}

/// The rounded share of a count.
fn share(share: f64, of: usize) -> usize {
    ((share * of as f64).round() as usize).min(of)
}

/// The roles of `train` training examples and `test` test examples in the replicate of an index.
pub fn roles(train: usize, test: usize, held: HeldOut, study_seed: u64, index: u32) -> Vec<Role> {
    let mut roles = vec![Role::Train; train];
    let mut candidates: Vec<u32> = (0..train as u32).collect();
    let mut hold = |count: usize, candidates: &mut Vec<u32>, mut stream: crate::random::Stream| {
        stream.shuffle(candidates);
        for position in candidates.drain(..count.min(candidates.len())) {
            if let Some(role) = roles.get_mut(position as usize) {
                *role = Role::Val;
            }
        }
        candidates.sort_unstable();
    };
    if held.retrain > 0.0 {
        hold(held.retrain_count(train), &mut candidates, Key::study(study_seed).stream("retrain"));
    }
    if held.holdout > 0.0 {
        let own = Key { index, ..Key::study(study_seed) };
        hold(share(held.holdout, candidates.len()), &mut candidates, own.stream("holdout"));
    }
    roles.resize(train + test, Role::Test);
    roles
}

/// The positions that are held out by every replicate, for fine-tuning: ascending.
pub fn retrain_part(train: usize, held: HeldOut, study_seed: u64) -> Vec<u32> {
    let only = HeldOut { holdout: 0.0, ..held };
    positions(&roles(train, 0, only, study_seed, 0), Role::Val)
}

/// The positions of a role, ascending.
pub fn positions(roles: &[Role], of: Role) -> Vec<u32> {
    (0..).zip(roles).filter(|(_, role)| **role == of).map(|(position, _)| position).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(roles: &[Role]) -> Vec<u32> {
        positions(roles, Role::Val)
    }

    #[test]
    fn every_index_holds_out_its_own_tenth_and_all_models_the_same() {
        let tenth = HeldOut { holdout: 0.1, retrain: 0.0 };
        let of = |index| held(&roles(205, 7, tenth, 3, index));
        assert_eq!((of(0).len(), tenth.trained(205)), (21, 184));
        assert_eq!(of(0), of(0));
        assert_ne!(of(0), of(1));
        assert_ne!(of(0), held(&roles(205, 7, tenth, 4, 0)));
        assert!(roles(205, 7, tenth, 3, 0)[205..].iter().all(|role| *role == Role::Test));
        assert!(held(&roles(205, 7, HeldOut::default(), 3, 0)).is_empty());
    }

    #[test]
    fn the_part_for_retraining_is_held_out_by_all_and_the_rest_is_split() {
        let both = HeldOut { holdout: 0.5, retrain: 0.25 };
        let part = retrain_part(100, both, 9);
        assert_eq!((part.len(), both.trained(100)), (25, 37));
        for index in 0..3 {
            let held = held(&roles(100, 0, both, 9, index));
            assert!(held.len() == 63 && part.iter().all(|position| held.contains(position)));
        }
    }
}
