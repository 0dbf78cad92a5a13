//! The same question again, about the same runs, with other scores or another threshold: what is slow is kept, what is
//! quick is done anew.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{Answer, Input, ModelScores, Options};
use crate::Result;

/// What an analysis keeps from one answer to the next.
///
/// The input is the same every time, or holds less of the same: whoever has other runs starts afresh.
pub trait Again: Send {
    /// Answers; equal to what the analysis says that has kept nothing. With [`Options::quick`], parts that take longer than a
    /// moment may be missing.
    ///
    /// # Errors
    /// As [`Analysis::run`](super::Analysis::run).
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer>;
}

/// Parts that were computed before, by model and score (or whatever else tells them apart).
#[derive(Debug)]
pub(super) struct Memory<T>(HashMap<[String; 3], T>);

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// What tells the parts of a model's scores apart.
pub(super) fn key(model: &ModelScores, part: &str) -> [String; 3] {
    [model.model.clone(), model.role.to_owned(), part.to_owned()]
}

impl<T: Clone> Memory<T> {
    /// Whether the part of a key was made.
    pub(super) fn has(&self, key: &[String; 3]) -> bool {
        self.0.contains_key(key)
    }

    /// The part of a key; made where it is not known.
    pub(super) fn get(&mut self, key: [String; 3], make: impl FnOnce() -> T) -> T {
        self.0.entry(key).or_insert_with(make).clone()
    }

    /// The same of what may fail; then nothing is kept.
    pub(super) fn try_get(&mut self, key: [String; 3], make: impl FnOnce() -> Result<T>) -> Result<T> {
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let made = make()?;
        self.0.insert(key, made.clone());
        Ok(made)
    }

    /// The parts of some things; those that are not known are made side by side.
    pub(super) fn all<S: Sync>(
        &mut self,
        of: &[S],
        key: impl Fn(&S) -> [String; 3],
        make: impl Fn(&S) -> T + Sync,
    ) -> Vec<T>
    where
        T: Send,
    {
        self.all_at_once(of, key, |missing| missing.par_iter().map(|one| make(one)).collect())
    }

    /// The same where what is made of several has a common part: one part for each of those that are not known, in their order.
    pub(super) fn all_at_once<S>(
        &mut self,
        of: &[S],
        key: impl Fn(&S) -> [String; 3],
        make: impl FnOnce(&[&S]) -> Vec<T>,
    ) -> Vec<T> {
        let missing: Vec<&S> = of.iter().filter(|one| !self.0.contains_key(&key(one))).collect();
        let made = if missing.is_empty() { Vec::new() } else { make(&missing) };
        self.0.extend(missing.into_iter().map(&key).zip(made));
        of.iter().filter_map(|one| self.0.get(&key(one)).cloned()).collect()
    }

    /// The part of a key, to look at; made where it is not known.
    pub(super) fn look(&mut self, key: [String; 3], make: impl FnOnce() -> T) -> &T {
        self.0.entry(key).or_insert_with(make)
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::{assert_kept_changes_no_answer, model, with_runs};
    use super::super::{Input, Options, REGISTRY};

    #[test]
    fn what_is_kept_changes_no_answer() {
        let models = [with_runs(&model("a"), 5), with_runs(&model("b"), 5)];
        let input = Input { models: &models, replicates: &[], evidence: None };
        let names = |places: &[usize]| places.iter().map(|place| models[0].scores[*place].name.clone()).collect();
        let turns = [
            Options::default(),
            Options { scores: names(&[0, 1]), ..Options::default() },
            Options { scores: names(&[0, 1, 2]), threshold: 80.0, ..Options::default() },
            Options { scores: names(&[1, 2]), draws: Some(3), seed: 5, ..Options::default() },
            Options { target: 0.01, ..Options::default() },
        ];
        // Those that look at a score of their own have their test beside them.
        let any = REGISTRY.iter().filter(|analysis| analysis.again.is_some() && analysis.wants.scores.is_empty());
        let asked: Vec<&str> = any
            .map(|analysis| {
                assert_kept_changes_no_answer(analysis, &input, &turns);
                analysis.name
            })
            .collect();
        assert_eq!(asked, ["variance", "stability", "correlation", "components", "bias", "fingerprint", "audit"]);
    }
}
