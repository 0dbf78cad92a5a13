//! What does a study lack, and which line of its config would give it?

use super::super::corners::NEAREST;
use super::super::relations::Found;
use super::super::subject::Subject;
use super::super::together::{VOTES, Voted};
use super::{MIDDLE, middle};

/// What the models together lack.
pub(super) fn of_all(subjects: &[Subject]) -> Vec<String> {
    let mut lacks = Vec::new();
    if subjects.len() == 1 {
        lacks.push(
            "agreement between models needs a second model with depths: another [[model]] in the config, or --with DIR"
                .to_owned(),
        );
    }
    let has_margins = |subject: &&Subject| {
        subject
            .sides
            .iter()
            .any(|side| ["output_margin", "input_margin"].iter().any(|name| side.score(name, &[]).is_some()))
    };
    let with_margins: Vec<&Subject> = subjects.iter().filter(has_margins).collect();
    if !with_margins.is_empty() && with_margins.iter().all(|subject| subject.holds_out()) {
        lacks.push(
            "margins are shown of replicates that hold examples out; the paper's are of replicates trained on all of them: a \
             further [[model]] with its own `label` and `holdout = 0`"
                .to_owned(),
        );
    }
    if subjects.iter().any(|subject| subject.noisy) {
        lacks.push(
            "labels were changed: truth means the given label here, as the networks were taught it; only the probes and courses of \
             mislabelled examples are set against the true one too"
                .to_owned(),
        );
    }
    if subjects.iter().all(|subject| !subject.noisy) {
        lacks.push(
            "no labels were changed, so the learning curves have no mislabelled splits: `label_noise = { kind = \"random\", \
             rate = 0.4 }` in [data]"
                .to_owned(),
        );
    }
    lacks
}

/// What one model lacks.
pub(super) fn of_model(found: &Found) -> Vec<String> {
    let subject = found.subject;
    let mut lacks = Vec::new();
    if subject.runs.len() < 2 {
        lacks.push("one run: agreement of seeds needs `replicates = 2` or more".to_owned());
    }
    few_votes(found, &mut lacks);
    if subject.holds_out() {
        held_out(found, &mut lacks);
    } else {
        lacks.push(
            "no examples are held out, so there is no consistency, no plane of two depths and no corner: `holdout = 0.1` in \
             [data] or in the model, and `observe = \"sweep\"` in [train]"
                .to_owned(),
        );
    }
    if found.known.sides.iter().all(|of| of.learned.is_none()) {
        lacks.push(
            "no iteration learned: `learned = [{}, { against = \"final95\" }]` in [scores], `observe = \"sweep\"` in [train]"
                .to_owned(),
        );
    }
    for name in ["output_margin", "input_margin"] {
        if found.known.margins.iter().all(|margin| margin.name != name) {
            lacks.push(format!("no {}: `{name} = {{}}` in [scores]", name.replace('_', " ")));
        }
    }
    evidence(found, &mut lacks);
    lacks.into_iter().map(|lack| format!("{}: {lack}", subject.label)).collect()
}

/// The pairs of run and example whose other runs are too few for a consensus.
fn few_votes(found: &Found, lacks: &mut Vec<String>) {
    for of in found.known.sides.iter().filter(|of| of.together.voted.few > 0) {
        let Voted { pairs, few } = of.together.voted;
        let without = if of.consensus.is_none() { ", so neither these nor their bounds are there" } else { "" };
        lacks.push(format!(
            "{}: {few} of {pairs} pairs of run and example have fewer than {VOTES} other votes and are left out of \
             consensus-consistency and entropy{without}; more `replicates`, or a larger `holdout`",
            of.role
        ));
    }
}

fn held_out(found: &Found, lacks: &mut Vec<String>) {
    let chosen = found.known.corners.iter().filter_map(|of| of.chosen.map(|chosen| (of.corner.short, chosen)));
    let chosen: Vec<String> = chosen.map(|(corner, (taken, tied))| format!("{taken} of {tied} ({corner})")).collect();
    if !chosen.is_empty() {
        lacks.push(format!(
            "more examples are equally near to a corner than it has room for, and their order alone chooses: {}",
            chosen.join(", ")
        ));
    }
    let mut ids: Vec<usize> =
        found.known.corners.iter().flat_map(|corner| &corner.examples).map(|(at, _)| *at).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    if all > ids.len() {
        lacks.push(format!(
            "{} examples stand in two corners: of so few examples the {NEAREST} nearest to each are not all extreme",
            all - ids.len()
        ));
    }
}

/// What the runs did not leave.
fn evidence(found: &Found, lacks: &mut Vec<String>) {
    let subject = found.subject;
    let Some(layers) = &found.known.layers else { return };
    lacks.extend(layers.problems.iter().map(|problem| format!("left out of the layers: {problem}")));
    if layers.without > 0 {
        lacks.push(format!(
            "{} of {} runs left no probes: they are left out of the layers",
            layers.without,
            subject.runs.len()
        ));
    }
    if layers.by_epoch.is_empty() {
        lacks.push("no run left observations: no learning curve beside the probes".to_owned());
    }
    let corner = found.known.corners.get(super::NEEDS_LABEL).filter(|_| layers.runs > 0);
    if let Some(corner) = corner
        && middle(subject, corner).is_none()
    {
        lacks.push(format!(
            "it has no layer {MIDDLE} before its softmax (probe {}), whose probe could be set against the network",
            subject.probes.len().saturating_sub(1)
        ));
    }
}
