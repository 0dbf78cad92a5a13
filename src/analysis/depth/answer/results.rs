//! The numbers of depth as JSON, one object per model; the module's head lists the keys.

use super::super::agreement::Agreement;
use super::super::bounds::BINS;
use super::super::corners::NEEDS_LABEL;
use super::super::relations::{Found, OfSide, Relation};
use super::super::subject::Subject;
use super::super::together::VOTES;
use super::{MIDDLE, Options, Value, insert, json, middle};

/// The result of the model at a place.
pub(super) fn of(
    found: &Found,
    subjects: &[Subject],
    place: usize,
    agreements: &[Agreement],
    options: &Options,
) -> Value {
    let subject = found.subject;
    let mut result = json!({
        "model": subject.label, "runs": subject.runs, "score": subject.score, "probes": subject.probes, "last": subject.last,
        "roles": found.known.sides.iter().map(|of| role(of, subject.last)).collect::<Vec<_>>(),
        "agreement": agreement(subjects, place, agreements),
        "consistency": consistency(found),
        "consensus_consistency": consensus(found, 0),
        "entropy": consensus(found, 1),
        "by_depth": found.known.sides.iter().flat_map(by_depth).collect::<Vec<_>>(),
        "iteration_learned": learned(found),
        "margins": margins(found),
        "layers": layers(found),
        "course": course(found),
        "grid": grid(found),
        "corners": corners(found),
        "middle_probe": middle_probe(found),
    });
    if options.per_example {
        let depths = |of: &OfSide| json!({"role": of.role, "depth": of.together.depth});
        insert(&mut result, "per_example", found.known.sides.iter().map(depths).collect::<Vec<Value>>());
    }
    result
}

/// Null where there is nothing.
fn list(values: Vec<Value>) -> Value {
    if values.is_empty() { Value::Null } else { values.into() }
}

fn role(of: &OfSide, last: f64) -> Value {
    let h = &of.histogram;
    json!({
        "role": of.role, "examples": h.examples, "pairs": h.pairs, "undefined": h.undefined, "mean": h.mean, "sd": h.sd,
        "mean_scaled": h.mean / last, "largest_mean": h.largest, "accuracy": h.accuracy, "histogram": h.counts,
    })
}

fn agreement(subjects: &[Subject], place: usize, agreements: &[Agreement]) -> Value {
    let mut all = Vec::new();
    for of in agreements {
        for (column, other) in subjects.iter().enumerate() {
            let at = |matrix: &[Vec<f64>]| matrix.get(place).and_then(|row| row.get(column)).copied();
            let pairs = of.pairs.get(place).and_then(|row| row.get(column)).copied();
            all.push(json!({
                "role": of.role, "with": other.label, "means": at(&of.means), "single_runs": at(&of.single), "pairs": pairs,
            }));
        }
    }
    list(all)
}

fn consistency(found: &Found) -> Value {
    let of = |of: &OfSide| {
        let [matches, differs] = of.consistency.as_ref()?;
        let part = |relation: &Relation| json!({"examples": relation.examples, "beyond": relation.beyond, "spearman": relation.spearman});
        let slope = matches.slope;
        Some(json!({"role": of.role, "slope": slope, "matches": part(matches), "differs": part(differs)}))
    };
    list(found.known.sides.iter().filter_map(of).collect())
}

fn consensus(found: &Found, which: usize) -> Value {
    let of = |of: &OfSide| {
        let relation = of.consensus.as_ref()?.get(which)?;
        Some(json!({
            "role": of.role, "examples": relation.examples, "left_out": relation.left_out, "slope": relation.slope,
            "beyond": relation.beyond, "spearman": relation.spearman, "pairs": of.together.voted.pairs,
            "few_votes": of.together.voted.few, "votes_needed": VOTES,
        }))
    };
    list(found.known.sides.iter().filter_map(of).collect())
}

fn by_depth(of: &OfSide) -> Vec<Value> {
    let all: usize = of.together.by_depth.iter().map(|by_depth| by_depth.pairs).sum();
    let known = of.together.by_depth.iter().enumerate().filter(|(_, at)| at.pairs > 0);
    let value = |(depth, at): (usize, &super::super::together::ByDepth)| {
        json!({
            "role": of.role, "depth": depth, "pairs": at.pairs, "share": at.pairs as f64 / all as f64,
            "accuracy": at.accuracy(), "consensus_consistency": at.consistency(), "entropy": at.entropy(),
            "iteration_learned": at.learned(),
        })
    };
    known.map(value).collect()
}

fn learned(found: &Found) -> Value {
    let of = |of: &OfSide| {
        let learned = of.learned.as_ref()?;
        Some(json!({
            "role": of.role, "score": learned.score, "examples": learned.examples, "spearman": learned.spearman,
        }))
    };
    list(found.known.sides.iter().filter_map(of).collect())
}

fn margins(found: &Found) -> Value {
    let of = |margin: &super::super::relations::Margin| {
        json!({
            "margin": margin.name, "role": margin.role, "examples": margin.examples, "left_out": margin.left_out,
            "mean": margin.mean, "pearson": margin.pearson, "trained_on_everything": !found.subject.holds_out(),
        })
    };
    list(found.known.margins.iter().map(of).collect())
}

fn layers(found: &Found) -> Value {
    let Some(layers) = found.known.layers.as_ref().filter(|layers| layers.runs > 0) else { return Value::Null };
    let of = |(place, split): (usize, &super::super::layers::Split)| {
        let means: Vec<f64> = layers.layer_means(place).into_iter().map(|(mean, ..)| mean).collect();
        json!({"split": split.name, "accuracy": means})
    };
    layers.splits.iter().enumerate().map(of).collect()
}

fn course(found: &Found) -> Value {
    let Some(layers) = found.known.layers.as_ref().filter(|layers| !layers.by_epoch.is_empty()) else {
        return Value::Null;
    };
    let of = |(place, split): (usize, &super::super::layers::Split)| {
        let (epochs, means): (Vec<u32>, Vec<f64>) =
            layers.epoch_means(place).into_iter().map(|(epoch, (mean, ..))| (epoch, mean)).unzip();
        json!({"split": split.name, "epochs": epochs, "accuracy": means})
    };
    layers.splits.iter().enumerate().map(of).collect()
}

/// Lower ends of the bins, in units of the last depth.
fn grid(found: &Found) -> Value {
    let Some([all, matches, differs]) = &found.known.planes else { return Value::Null };
    let bins: Vec<f64> = (0..BINS).map(|bin| bin as f64 / BINS as f64).collect();
    json!({"val": bins, "train": bins, "counts": all, "matches": matches, "differs": differs})
}

fn corners(found: &Found) -> Value {
    let Some(val) = found.subject.side("val") else { return Value::Null };
    let of = |corner: &super::CornerFound| {
        let ids: Vec<u32> = corner.examples.iter().map(|(example, _)| val.scores.cohort.id(*example)).collect();
        let layers = &corner.layers;
        json!({
            "corner": corner.corner.name, "examples": ids, "tied": corner.chosen.map(|(taken, tied)| json!({"taken": taken, "of": tied})), "val_depth": corner.depths.0, "train_depth": corner.depths.1,
            "consensus_is_truth": corner.matches, "consensus_consistency": corner.consistency,
            "network_accuracy": layers.network, "truth_votes": layers.truth_votes, "truth_accuracy": layers.truth_accuracy,
            "consensus_votes": layers.consensus_votes, "consensus_accuracy": layers.consensus_accuracy,
        })
    };
    list(found.known.corners.iter().map(of).collect())
}

fn middle_probe(found: &Found) -> Value {
    let Some(corner) = found.known.corners.get(NEEDS_LABEL) else { return Value::Null };
    let Some((probe, network)) = middle(found.subject, corner) else { return Value::Null };
    json!({
        "layer": MIDDLE, "name": found.subject.probes.get(MIDDLE), "corner": corner.corner.name,
        "examples": corner.layers.examples, "probe_accuracy": probe, "network_accuracy": network, "in_sample": true,
    })
}
