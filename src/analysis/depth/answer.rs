//! What do the depths say? A sentence, warnings of what a study lacks, tables, figures and results.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::again::Memory;
use super::super::json::insert;
use super::super::table::significant;
use super::super::{Again, Answer, Cell, Evidence, Figure, Input, Options, Table};
use super::agreement::{self, Agreement};
use super::bounds::OUTSIDE;
use super::corners::NEEDS_LABEL;
use super::figures;
use super::relations::{CornerFound, Found, Known, OfSide, Relation};
use super::subject::{Subject, subjects};
use crate::Result;

mod lacks;
mod published;
mod results;
mod tables;

/// The probe that stands for the middle of a network, as the paper's layer 4.
pub(super) const MIDDLE: usize = 4;

/// Answers for all models.
pub(super) fn run(input: &Input, options: &Options) -> Result<Answer> {
    Kept::default().answer(input, options)
}

/// What was found of each model by each of its depths.
#[derive(Default)]
pub(super) struct Kept {
    /// The names of a model's probes.
    probes: Memory<Vec<String>>,
    sides: Memory<Arc<Vec<OfSide>>>,
    known: Memory<Arc<Known>>,
    agreements: Memory<Option<Agreement>>,
}

impl Again for Kept {
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer> {
        let (subjects, warnings) = subjects(input, options, &mut self.probes)?;
        let mut answer = Answer { warnings, ..Answer::default() };
        if subjects.is_empty() {
            answer.reading.push_str("No model has prediction depths yet.");
            if input.models.is_empty() {
                answer.warnings.push("no model has finished runs: depth needs 1".to_owned());
            }
            return Ok(answer);
        }
        let is_new = |subject: &Subject| !self.known.has(&kept_as(subject));
        answer.unfinished = options.quick && subjects.iter().any(is_new);
        let found: Vec<Found> =
            subjects.iter().map(|subject| self.find(subject, input.evidence, answer.unfinished)).collect();
        let agreements = if answer.unfinished { Vec::new() } else { self.agreements(&subjects) };
        complete(&mut answer, &subjects, &found, &agreements, options);
        Ok(answer)
    }
}

/// What is found of a model is kept by its label and the score that gives its depths.
fn kept_as(subject: &Subject) -> [String; 3] {
    [subject.label.to_owned(), subject.score.clone(), String::new()]
}

impl Kept {
    fn find<'b, 'a>(
        &mut self,
        subject: &'b Subject<'a>,
        evidence: Option<&dyn Evidence>,
        somebody_waits: bool,
    ) -> Found<'b, 'a> {
        let key = kept_as(subject);
        let sides = self.sides.get(key.clone(), || Arc::new(OfSide::all(subject)));
        let known = if somebody_waits && !self.known.has(&key) {
            // The files of the runs are read when nobody waits.
            Arc::new(Known::of(subject, sides, None))
        } else {
            self.known.get(key, || Arc::new(Known::of(subject, sides, evidence)))
        };
        Found { subject, known }
    }

    fn agreements(&mut self, subjects: &[Subject]) -> Vec<Agreement> {
        let labels = subjects.iter().map(|subject| subject.label).collect::<Vec<_>>().join("\n");
        let scores = subjects.iter().map(|subject| subject.score.as_str()).collect::<Vec<_>>().join("\n");
        let of = |role: &&'static str| [labels.clone(), scores.clone(), (*role).to_owned()];
        let made = self.agreements.all(&["train", "val", "test"], of, |role| agreement::of(subjects, role));
        made.into_iter().flatten().collect()
    }
}

/// Everything that is said of the models.
fn complete(answer: &mut Answer, subjects: &[Subject], found: &[Found], agreements: &[Agreement], options: &Options) {
    answer.warnings.extend(lacks::of_all(subjects));
    answer.warnings.extend(found.iter().flat_map(lacks::of_model));
    answer.reading = found.iter().map(|found| reading(found, agreements)).collect::<Vec<_>>().join("; ") + ".";
    compare(found, agreements, options, answer);
    answer.tables.extend(published::table(found));
    for (place, found) in found.iter().enumerate() {
        answer.tables.extend(tables::of(found));
        answer.figures.extend(pictures(found, options));
        answer.results.push(results::of(found, subjects, place, agreements, options));
    }
}

/// The role that a model is shown in: the one that is asked for, else the first that it has.
fn shown<'c>(found: &'c Found, options: &Options) -> Option<&'c OfSide> {
    found.side(&options.role).or_else(|| found.known.sides.first())
}

/// What compares the models: roles and their depths, the order of means, agreement.
fn compare(found: &[Found], agreements: &[Agreement], options: &Options, answer: &mut Answer) {
    answer.tables.push(tables::roles(found));
    let mut means: Vec<(String, f64)> = found
        .iter()
        .filter_map(|found| {
            let of = shown(found, options)?;
            Some((found.subject.label.to_owned(), of.histogram.mean / found.subject.last))
        })
        .collect();
    means.sort_by(|a, b| a.1.total_cmp(&b.1));
    answer.figures.push(figures::order(&means, &options.role));
    let names: Vec<String> = found.iter().map(|found| found.subject.label.to_owned()).collect();
    answer.tables.extend(agreements.iter().map(|of| tables::agreement(of, &names)));
    answer.figures.extend(agreements.iter().flat_map(|of| figures::agreement(of, &names)));
}

/// The figures of one model, in the order of the paper.
fn pictures(found: &Found, options: &Options) -> Vec<Figure> {
    let (subject, last) = (found.subject, found.subject.last);
    let label = subject.label;
    let histogram = |of: &OfSide| Some(figures::histogram(subject, subject.side(of.role)?, &of.histogram));
    let mut all: Vec<Figure> = shown(found, options).and_then(histogram).into_iter().collect();
    for of in found.known.sides.iter().filter(|of| of.role != "train") {
        all.extend(outside(label, of, last));
    }
    let learned: Vec<_> =
        found.known.sides.iter().filter_map(|of| Some(figures::banded(of.role, &of.learned.as_ref()?.bands))).collect();
    if !learned.is_empty() {
        all.push(figures::over_depth(
            format!("{label}: iteration learned (by mean depth)"),
            "iteration learned",
            learned,
        ));
    }
    for name in ["output_margin", "input_margin"] {
        let of_name = found.known.margins.iter().filter(|margin| margin.name == name);
        let curves: Vec<_> = of_name.map(|margin| figures::banded(margin.role, &margin.bands)).collect();
        if !curves.is_empty() {
            let title = format!("{label}: {} (by mean depth)", name.replace('_', " "));
            all.push(figures::over_depth(title, "ln of the mean margin", curves));
        }
    }
    all.extend(found.known.layers.iter().flat_map(|layers| figures::learning(subject, layers)));
    if let Some(planes) = &found.known.planes {
        let which = [
            "all (train over val; log10 of the examples)",
            "agreed (consensus = truth; log10 of the examples)",
            "mistaken (consensus is not the truth; log10 of the examples)",
        ];
        all.extend(planes.iter().zip(which).map(|(counts, which)| figures::plane(label, which, counts)));
    }
    if let Some(val) = subject.side("val").filter(|_| !found.known.corners.is_empty()) {
        all.push(figures::pictures(subject, val, &found.known.corners));
        all.extend(figures::through_layers(subject, &found.known.corners));
    }
    all
}

/// How a bound is drawn: the data give its slope alone.
fn drawn(start: &str) -> String {
    format!("bound through {start} at depth 0, slope: {:.0}th percentile of gap / depth", 100.0 * (1.0 - OUTSIDE))
}

/// Figures 3 and 4 for examples that runs see from outside.
fn outside(label: &str, of: &OfSide, last: f64) -> Vec<Figure> {
    let role = of.role;
    let mut all = Vec::new();
    if let Some([matches, differs]) = &of.consistency {
        let curves = [
            (!matches.bands.is_empty()).then(|| figures::banded("consensus = truth", &matches.bands)),
            (!differs.bands.is_empty()).then(|| figures::banded("it is not", &differs.bands)),
            figures::straight("lower bound", 1.0, -matches.slope, last, 1.0),
            figures::straight("its reflection", 0.0, matches.slope, last, 1.0),
        ];
        let title = format!("{label}: consistency, {role} (by mean depth; {})", drawn("1"));
        all.push(figures::over_depth(title, "consistency", curves.into_iter().flatten().collect()));
    }
    if let Some([consistency, entropy]) = &of.consensus {
        let most = entropy.bands.iter().map(|band| band.range.1).fold(0.0, f64::max);
        let below = figures::straight("lower bound", 1.0, -consistency.slope, last, 1.0);
        let above = figures::straight("upper bound", 0.0, entropy.slope, last, most.max(entropy.slope * last / 2.0));
        for (short, what, start, relation, bound) in [
            ("consensus", "consensus-consistency", "1", consistency, below),
            ("entropy", "entropy", "0", entropy, above),
        ] {
            let mut curves = vec![figures::banded("mean, middle 98 %", &relation.bands)];
            curves.extend(bound);
            let title = format!(
                "{label}: {short} of others, {role} ({what} of the other runs by mean depth; {})",
                drawn(start)
            );
            all.push(figures::over_depth(title, what, curves));
        }
    }
    let points = |value: &dyn Fn(usize) -> f64| -> (Vec<f64>, Vec<f64>) {
        let depths = 0..of.together.by_depth.len();
        depths.map(|depth| (depth as f64, value(depth))).filter(|(_, value)| !value.is_nan()).unzip()
    };
    let by_depth = &of.together.by_depth;
    let at = |depth: usize| by_depth.get(depth).copied().unwrap_or_default();
    let accuracy = points(&|depth| at(depth).accuracy());
    let consistency = points(&|depth| at(depth).consistency());
    let curve = |name: &str, (x, y): (Vec<f64>, Vec<f64>)| {
        (!x.is_empty()).then(|| super::super::figure::Curve { name: name.to_owned(), x, y, band: Vec::new() })
    };
    let curves = [curve("accuracy", accuracy), curve("others' consensus", consistency)];
    let title = format!("{label}: right by depth, {role} (accuracy and the others' consensus by the depth in a run)");
    all.push(figures::over_depth(title, "share", curves.into_iter().flatten().collect()));
    all
}

/// One model in a few words and numbers.
fn reading(found: &Found, agreements: &[Agreement]) -> String {
    let subject = found.subject;
    let depths = found.known.sides.iter().map(|of| {
        let Histogramed { mean, undefined, pairs } = Histogramed::of(of);
        let undefined = if undefined > 0 { format!(", {undefined} of {pairs} undefined") } else { String::new() };
        format!("{mean} ({}{undefined})", of.role)
    });
    let mut parts = vec![format!(
        "{}: mean depth {} of {}",
        subject.label,
        depths.collect::<Vec<_>>().join(", "),
        significant(subject.last)
    )];
    if let Some(rho) = seeds(subject, agreements) {
        parts.push(format!("seeds agree at {}", significant(rho)));
    }
    let outside = subject.outside().and_then(|side| found.side(side.role()));
    // Test examples have votes of all runs, where too few runs have held an example out.
    let voted = outside.filter(|of| of.consensus.is_some()).or_else(|| found.side("test"));
    if let Some((of, [consistency, _])) = voted.and_then(|of| Some((of, of.consensus.as_ref()?))) {
        parts.push(bound(consistency, of.role));
    }
    if let Some(of) = outside {
        parts.extend(accuracies(of));
    }
    if let Some((probe, network)) = found.known.corners.get(NEEDS_LABEL).and_then(|corner| middle(subject, corner)) {
        parts.push(format!(
            "where the label is needed, probe {MIDDLE} is right on {} %, the network on {} % (in-sample: found with labels)",
            significant(100.0 * probe),
            significant(100.0 * network)
        ));
    }
    parts.join(", ")
}

/// A mean and what has no depth, for the sentence.
struct Histogramed {
    mean: String,
    undefined: usize,
    pairs: usize,
}

impl Histogramed {
    fn of(of: &OfSide) -> Self {
        let histogram = &of.histogram;
        Self { mean: significant(histogram.mean), undefined: histogram.undefined, pairs: histogram.pairs }
    }
}

/// The mean correlation of single runs of a model on the examples that they were trained on, else on others.
fn seeds(subject: &Subject, agreements: &[Agreement]) -> Option<f64> {
    let place = |of: &&Agreement| subject.side(of.role).is_some();
    let of = agreements.iter().find(place)?;
    let names = &of.labels;
    let place = names.iter().position(|name| name == subject.label)?;
    of.single.get(place)?.get(place).copied().filter(|rho| !rho.is_nan())
}

/// The lower bound in words. Where hardly any run differs from the others there is none: a slope of 0 says nothing of depth.
fn bound(of: &Relation, role: &str) -> String {
    let examples = format!("of {} {role} examples", of.examples);
    if of.slope > 0.0 {
        let within = significant(100.0 * (1.0 - of.beyond));
        return format!(
            "consensus-consistency stays above 1 - {} × depth for {within} % {examples}",
            significant(of.slope)
        );
    }
    if of.slope.is_nan() {
        return format!("consensus-consistency has no bound: no mean depth {examples} is above 0");
    }
    format!("consensus-consistency has no bound: it is 1 for {} % {examples}", significant(100.0 * (1.0 - of.beyond)))
}

/// How accuracy falls from the smallest depth to the largest that occurs.
fn accuracies(of: &OfSide) -> Option<String> {
    let known = || of.together.by_depth.iter().enumerate().filter(|(_, by_depth)| by_depth.looked > 0);
    let ((first, a), (last, b)) = (known().next()?, known().next_back()?);
    (first < last).then(|| {
        format!(
            "accuracy goes from {} % at depth {first} to {} % at depth {last} ({})",
            significant(100.0 * a.accuracy()),
            significant(100.0 * b.accuracy()),
            of.role
        )
    })
}

/// What the probe in the middle and the network get right of a corner's examples; none where there is no such probe.
fn middle(subject: &Subject, corner: &CornerFound) -> Option<(f64, f64)> {
    if MIDDLE + 1 >= subject.probes.len() {
        return None;
    }
    let probe = corner.layers.truth_accuracy.get(MIDDLE).copied()?;
    Some((probe, corner.layers.network))
}
