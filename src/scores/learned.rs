//! From when on does the example stay right? Consistently learned; or, against the final network, iteration learned.

use super::mean::{self, add_one, count};
use super::{Domain, Harder, Need, Observer, Pass, Record, ScoreKind, Setting, Sizes};
use crate::data::Role;
use crate::study::config::Observe;

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "learned",
    harder: Harder::High,
    citation: "Kwok et al. 2024, section 3; against = \"final\": Baldock et al. 2021, section 3.2",
    definition: "smallest t (0-based) such that c_s = 1 for all s >= t; 0: always right; never kept: the number of \
                 observations T. final: the smallest t such that the network predicts its final class from sweep t on, counted \
                 from a sweep at initialisation (0), the last sweep being t = T; final95: divided by the replicate's own 95th \
                 percentile over the examples that it was trained on",
    settings: &[Setting { name: "against", domain: Domain::Words(&["label", "final", "final95"]) }],
    refusal: |settings, conditions| {
        let sweeps = conditions.observe == Observe::Sweep || settings.is("against", "label");
        (!sweeps).then_some("against = \"final\" needs observe = \"sweep\" in [train]")
    },
    needs: |settings, _| {
        if settings.is("against", "label") { Vec::new() } else { vec![Need::at(Pass::Predictions, 0)] }
    },
    observer: |settings, sizes| match settings.word("against") {
        Some("final") => Box::new(IterationLearned::new(sizes, false)),
        Some("final95") => Box::new(IterationLearned::new(sizes, true)),
        _ => Box::new(Learned::new(sizes)),
    },
    ..mean::TRAJECTORY
};

struct Learned {
    examples: usize,
    /// Where the current run of right observations begins: after the last wrong one.
    since: Vec<f64>,
    count: Vec<f64>,
}

impl Learned {
    fn new(sizes: &Sizes) -> Self {
        Self { examples: sizes.examples(), since: sizes.zeros(), count: vec![0.0] }
    }
}

impl Observer for Learned {
    fn observe(&mut self, _t: u32, record: &Record, labels: &[u16]) {
        add_one(&mut self.count);
        let observed = count(&self.count);
        for (since, observation) in self.since.iter_mut().zip(record.observations(labels)) {
            if !observation.right {
                *since = observed;
            }
        }
    }

    fn values(&self) -> Vec<f32> {
        let exists = if count(&self.count).is_nan() { f64::NAN } else { 0.0 };
        super::padded(self.examples, self.since.iter().map(|since| since + exists))
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("since", &mut self.since), ("count", &mut self.count)]
    }
}

struct IterationLearned {
    /// Whether values are shares of the replicate's 95th percentile.
    scaled: bool,
    roles: std::sync::Arc<[Role]>,
    /// The class predicted last; NaN before the sweep at initialisation.
    class: Vec<f64>,
    /// The sweep since which it has been predicted.
    since: Vec<f64>,
    count: Vec<f64>,
}

impl IterationLearned {
    fn new(sizes: &Sizes, scaled: bool) -> Self {
        let unknown = vec![f64::NAN; sizes.examples()];
        Self { scaled, roles: sizes.roles.clone(), class: unknown, since: sizes.zeros(), count: vec![0.0] }
    }

    /// The 95th percentile over the examples that the replicate was trained on, interpolated linearly.
    fn scale(&self) -> f64 {
        let trained = self.since.iter().zip(&*self.roles).filter(|(_, role)| **role == Role::Train);
        let mut since: Vec<f64> = trained.map(|(since, _)| *since).collect();
        since.sort_unstable_by(f64::total_cmp);
        let place = 0.95 * since.len().saturating_sub(1) as f64;
        let at = |place: f64| since.get(place as usize).copied().unwrap_or(f64::NAN);
        let (low, high) = (at(place.floor()), at(place.ceil()));
        low + place.fract() * (high - low)
    }
}

impl Observer for IterationLearned {
    fn observe(&mut self, _t: u32, record: &Record, _labels: &[u16]) {
        add_one(&mut self.count);
        let sweep = count(&self.count);
        for ((class, since), predicted) in self.class.iter_mut().zip(&mut self.since).zip(&record.predicted) {
            // Without the sweep at initialisation nothing can be said, now or later.
            if !class.is_nan() && *class as u16 != *predicted {
                (*class, *since) = (f64::from(*predicted), sweep);
            }
        }
    }

    fn seen(&mut self, pass: Pass, epoch: u32, rows: &[f32], _labels: &[u16]) {
        if (pass, epoch) == (Pass::Predictions, 0) {
            self.class.iter_mut().zip(rows).for_each(|(class, predicted)| *class = f64::from(*predicted));
        }
    }

    fn values(&self) -> Vec<f32> {
        let exists = if count(&self.count).is_nan() { f64::NAN } else { 0.0 };
        let scale = if self.scaled { self.scale() } else { 1.0 };
        // Where nothing is ever learned late, every share is 0: 0 / 0 would hide that.
        let scale = if scale == 0.0 { 1.0 } else { scale };
        let value = |(since, class): (&f64, &f64)| if class.is_nan() { f64::NAN } else { since / scale + exists };
        super::padded(self.class.len(), self.since.iter().zip(&self.class).map(value))
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("class", &mut self.class), ("since", &mut self.since), ("count", &mut self.count)]
    }
}
