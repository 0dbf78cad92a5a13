//! How much does what the network looks at change during training? The variance of gradients.

use super::at_epoch::PASS;
use super::{Domain, Harder, Need, Observer, Pass, ScoreKind, Setting, Settings, Sizes, Space, Target};
use crate::data::Role;
use crate::study::Timetable;

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "vog",
    harder: Harder::High,
    citation: "Agarwal et al. 2022, section 2 (reduce = \"pooled\": Agarwal et al. 2020, equation 2)",
    definition: "S_k: the gradient of the target's output with respect to the image at checkpoint k (eval mode, plain input), \
                 averaged over colour channels; per pixel the standard deviation of S_k over the checkpoints; their mean over \
                 pixels. Checkpoints are ends of epochs, without initialisation: all: every so many; late: the last three; early: \
                 the first three. pooled: root of the mean variance; variance: mean variance; normalise = \"class\": in standard \
                 deviations from the mean of the given label's examples of the same role. Early is hard where it is low",
    settings: &[
        Setting { name: "stage", domain: Domain::Words(&["all", "late", "early"]) },
        Setting { name: "target", domain: Domain::Words(&["true", "predicted"]) },
        Setting { name: "normalise", domain: Domain::Words(&["class", "none"]) },
        Setting { name: "reduce", domain: Domain::Words(&["pixel", "pooled", "variance"]) },
        Setting { name: "space", domain: Domain::Words(&["logit", "probability"]) },
        Setting { name: "every", domain: Domain::Number { default: 10, least: 1 } },
        Setting { name: "ddof", domain: Domain::Number { default: 0, least: 0 } },
    ],
    unused: |settings| if settings.is("stage", "all") { &[] } else { &["every"] },
    harder_with: Some(|settings| if settings.is("stage", "early") { Harder::Low } else { Harder::High }),
    futile: |settings, setup| {
        if lacks_epochs(settings, &setup.timetable) {
            let epochs = setup.timetable.epochs;
            return Some(format!("late are the last {STAGE} epochs, and there are {epochs}: it will have no values"));
        }
        let (ddof, epochs) = (settings.number("ddof").unwrap_or(0), need(settings, &setup.timetable).after.len());
        (ddof as usize >= epochs)
            .then(|| format!("divides by its {epochs} epochs less ddof = {ddof}: it will have no values"))
    },
    needs: |settings, timetable| vec![need(settings, timetable)],
    observer: |settings, sizes| Box::new(Vog::new(settings, sizes)),
    ..PASS
};

/// Epochs of the early and of the late stage.
const STAGE: u32 = 3;

/// Whether training is too short for the late stage.
fn lacks_epochs(settings: &Settings, timetable: &Timetable) -> bool {
    settings.is("stage", "late") && timetable.epochs < STAGE
}

/// The saliency maps that it needs, and when.
fn need(settings: &Settings, timetable: &Timetable) -> Need {
    let target = if settings.is("target", "predicted") { Target::Predicted } else { Target::Label };
    let space = if settings.is("space", "probability") { Space::Probability } else { Space::Logit };
    let epochs = timetable.epochs;
    let after = match settings.word("stage") {
        Some("early") => (1..=STAGE).collect(),
        Some("late") => (epochs.saturating_sub(STAGE - 1).max(1)..=epochs).collect(),
        _ => (1..=epochs).filter(|epoch| epoch.is_multiple_of(settings.number("every").unwrap_or(10).max(1))).collect(),
    };
    Need { pass: Pass::Saliency { target, space }, after }
}

/// How a standard deviation per pixel becomes one number.
#[derive(Debug, Clone, Copy)]
enum Reduce {
    /// Mean standard deviation.
    Pixel,
    /// Root of the mean variance.
    Pooled,
    /// Mean variance.
    Variance,
}

struct Vog {
    need: Need,
    reduce: Reduce,
    /// From the population variance to the wanted one.
    factor: f64,
    by_class: bool,
    roles: std::sync::Arc<[Role]>,
    classes: usize,
    /// One number per example, before it is compared with its class; NaN until the last checkpoint.
    raw: Vec<f64>,
    /// The label of each example, once seen.
    labels: Vec<f64>,
}

impl Vog {
    fn new(settings: &Settings, sizes: &Sizes) -> Self {
        let need = need(settings, &sizes.timetable);
        let reduce = match settings.word("reduce") {
            Some("pooled") => Reduce::Pooled,
            Some("variance") => Reduce::Variance,
            _ => Reduce::Pixel,
        };
        let (checkpoints, ddof) = (need.after.len() as f64, f64::from(settings.number("ddof").unwrap_or(0)));
        // As many degrees of freedom as checkpoints: nothing is left to divide by.
        let has_values = checkpoints > ddof && !lacks_epochs(settings, &sizes.timetable);
        let factor = if has_values { checkpoints / (checkpoints - ddof) } else { f64::NAN };
        let unknown = || vec![f64::NAN; sizes.examples()];
        Self {
            need,
            reduce,
            factor,
            by_class: !settings.is("normalise", "none"),
            roles: sizes.roles.clone(),
            classes: sizes.classes,
            raw: unknown(),
            labels: unknown(),
        }
    }

    /// Mean and standard deviation of the examples of each role and class, by `role * classes + class`.
    fn moments(&self) -> Vec<(f64, f64)> {
        let mut sums = vec![(0.0, 0.0, 0.0); 3 * self.classes];
        let known = || self.raw.iter().enumerate().filter(|(_, raw)| raw.is_finite());
        for (example, raw) in known() {
            if let Some((count, sum, _)) = self.group(example).and_then(|group| sums.get_mut(group)) {
                *count += 1.0;
                *sum += raw;
            }
        }
        for (example, raw) in known() {
            if let Some((count, sum, squares)) = self.group(example).and_then(|group| sums.get_mut(group)) {
                *squares += (raw - *sum / *count).powi(2);
            }
        }
        sums.into_iter().map(|(count, sum, squares)| (sum / count, libm::sqrt(squares / count))).collect()
    }

    fn group(&self, example: usize) -> Option<usize> {
        let (role, label) = (self.roles.get(example)?, self.labels.get(example)?);
        (!label.is_nan()).then(|| *role as usize * self.classes + *label as usize)
    }
}

impl Observer for Vog {
    fn seen(&mut self, pass: Pass, epoch: u32, variances: &[f32], labels: &[u16]) {
        if pass != self.need.pass || self.need.after.last() != Some(&epoch) || self.need.after.len() < 2 {
            return;
        }
        let pixels = (variances.len() / self.raw.len().max(1)).max(1);
        let rows = variances.chunks_exact(pixels).zip(labels);
        for ((raw, own), (row, label)) in self.raw.iter_mut().zip(&mut self.labels).zip(rows) {
            let over = |of: fn(f64) -> f64| {
                row.iter().map(|variance| of(self.factor * f64::from(*variance))).sum::<f64>() / pixels as f64
            };
            *raw = match self.reduce {
                Reduce::Pixel => over(libm::sqrt),
                Reduce::Pooled => libm::sqrt(over(|variance| variance)),
                Reduce::Variance => over(|variance| variance),
            };
            *own = f64::from(*label);
        }
    }

    fn values(&self) -> Vec<f32> {
        if !self.by_class {
            return self.raw.iter().map(|raw| *raw as f32).collect();
        }
        let moments = self.moments();
        let within = |(example, raw): (usize, &f64)| {
            let Some((mean, deviation)) = self.group(example).and_then(|group| moments.get(group)) else {
                return f32::NAN;
            };
            // A class whose examples are all alike: each is its mean.
            if *deviation > 0.0 { ((raw - mean) / deviation) as f32 } else { (raw - mean) as f32 }
        };
        self.raw.iter().enumerate().map(within).collect()
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("raw", &mut self.raw), ("labels", &mut self.labels)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Conditions, resolve};
    use super::*;

    /// The values of a variant whose last pass gives each of nine examples two pixels: three trained on of class 0 and
    /// one of class 1, one held out, and test examples of both classes, of which two are alike.
    fn values(settings: &str) -> Vec<f32> {
        use Role::{Test, Train, Val};
        let roles = [Train, Train, Train, Train, Val, Test, Test, Test, Test];
        let sizes =
            Sizes { roles: roles.to_vec().into(), observed: 9, classes: 2, timetable: Timetable::of_epochs(3, 1) };
        let text = format!("vog = {{ stage = 'early', {settings} }}");
        let specs = resolve(&text.parse().unwrap(), Conditions::default()).unwrap();
        let spec = specs.into_iter().find(|spec| spec.base() == "vog").unwrap();
        let (mut observer, need) = (spec.observer(&sizes), spec.needs(&sizes.timetable).remove(0));
        let variances = [1.0, 9.0, 4.0, 16.0, 0.0, 4.0, 25.0, 25.0, 1.0, 1.0, 0.0, 1.0, 0.0, 9.0, 4.0, 4.0, 4.0, 4.0];
        observer.seen(need.pass, 3, &variances, &[0, 0, 0, 1, 0, 0, 0, 1, 1]);
        observer.values()
    }

    fn near(found: &[f32], exact: &[f64]) {
        assert_eq!(found.len(), exact.len());
        assert!(
            found.iter().zip(exact).all(|(found, exact)| (f64::from(*found) - exact).abs() < 1e-6),
            "{found:?} {exact:?}"
        );
    }

    #[test]
    fn a_map_of_variances_becomes_one_number_in_the_way_that_is_asked_for() {
        near(&values("normalise = 'none'"), &[2.0, 3.0, 1.0, 5.0, 1.0, 0.5, 1.5, 2.0, 2.0]);
        let halves = [5.0, 10.0, 2.0, 25.0, 1.0, 0.5, 4.5, 4.0, 4.0];
        near(&values("normalise = 'none', reduce = 'variance'"), &halves);
        near(&values("normalise = 'none', reduce = 'pooled'"), &halves.map(f64::sqrt));
        // Of three checkpoints: divided by 2, or by 1, instead of 3.
        near(&values("normalise = 'none', reduce = 'variance', ddof = 1"), &halves.map(|half| half * 1.5));
        near(
            &values("normalise = 'none', ddof = 2"),
            &[2.0, 3.0, 1.0, 5.0, 1.0, 0.5, 1.5, 2.0, 2.0].map(|one| one * 3.0_f64.sqrt()),
        );
    }

    #[test]
    fn a_class_has_mean_0_and_population_standard_deviation_1_in_every_role_apart() {
        // 2, 3, 1 have the population variance 2/3; who is alone or like all others is the mean.
        let one = 1.5_f64.sqrt();
        let exact = [0.0, one, -one, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0];
        near(&values(""), &exact);
        near(&values("ddof = 1"), &exact);
    }
}
