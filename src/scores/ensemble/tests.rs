//! Ensemble scores by hand.
#![allow(clippy::float_cmp)] // shares of small counts are exact

use super::*;
use crate::scores::{Conditions, resolve};
use crate::study::config::Observe;

/// The values of a score for members given as (logits, roles) over the same examples.
fn values(text: &str, members: &[(Vec<f32>, Vec<Role>)], labels: &[u16], inside: bool) -> (Vec<f32>, Vec<u16>) {
    let conditions = Conditions { observe: Observe::Sweep, holds_out: true, retrain: None };
    let specs = resolve(&text.parse().unwrap(), conditions).unwrap();
    let spec = specs.iter().find(|spec| spec.kind().kind == Kind::Ensemble).unwrap();
    let members: Vec<Member<'_>> = members.iter().map(|(logits, roles)| Member { logits, roles }).collect();
    let ensemble = Ensemble { members: &members, labels, classes: 3 };
    let Consensus { values, counts, in_and_out } = spec.consensus(&ensemble, inside).unwrap();
    assert_eq!(in_and_out.is_some(), spec.base() == "memorization");
    if let Some([inside, outside]) = in_and_out {
        let fewest: Vec<u16> = inside.iter().zip(&outside).map(|(a, b)| *a.min(b)).collect();
        assert_eq!(counts, fewest);
        assert_eq!(usize::from(inside[0] + outside[0]), members.len());
    }
    (values, counts)
}

/// Logits that say a class, for one example.
fn says(class: usize) -> Vec<f32> {
    (0..3).map(|c| if c == class { 50.0 } else { 0.0 }).collect()
}

/// One example, a member per (predicted class, role).
fn one(text: &str, members: &[(usize, Role)], label: u16) -> (f32, u16) {
    let members: Vec<_> = members.iter().map(|(class, role)| (says(*class), vec![*role])).collect();
    let (values, counts) = values(text, &members, &[label], true);
    (values[0], counts[0])
}

use Role::{Test, Train, Val};

#[test]
fn shares_are_over_the_replicates_that_look_from_the_right_side() {
    let members = [(0, Train), (0, Train), (1, Train), (0, Val), (2, Val), (2, Val), (1, Val)];
    assert_eq!(one("ensemble_accuracy = {}", &members, 0), (2.0 / 3.0, 3));
    assert_eq!(one("consistency = {}", &members, 0), (0.25, 4));
    assert_eq!(one("consensus_consistency = {}", &members, 0), (0.5, 4));
    let (entropy, count) = one("prediction_entropy = {}", &members, 0);
    assert!((entropy - 1.5 * 2.0_f32.ln()).abs() < 1e-6 && count == 4, "{entropy}");
    assert_eq!(one("memorization = {}", &members, 0), ((2.0 / 3.0 - 0.25) as f32, 3));
    assert!(one("memorization = { least = 4 }", &members, 0).0.is_nan());
}

#[test]
fn a_tied_consensus_is_the_label_where_it_is_among_them_else_the_lowest_class() {
    let members = [(1, Val), (2, Val)];
    // Either way the share is a half; what tells is a third vote.
    let looks = |label| {
        let rows: Vec<Vec<f32>> = members.iter().map(|(class, _)| says(*class)).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        consensus_consistency::consensus(&Looks { label, classes: 3, asked: &rows, inside: &[], outside: &rows })
    };
    assert_eq!([looks(2), looks(1), looks(0)], [2, 1, 1]);
}

#[test]
fn nobody_who_held_it_out_means_no_value() {
    let members = [(0, Train), (0, Train)];
    for score in ["consistency", "consensus_consistency", "prediction_entropy", "memorization"] {
        let (value, count) = one(&format!("{score} = {{}}"), &members, 0);
        assert!(value.is_nan() && count == 0, "{score}: {value}");
    }
    assert!(one("agreement = {}", &[(0, Train), (1, Val)], 0).0.is_nan(), "two roles are no pair");
}

#[test]
fn test_examples_are_seen_from_outside_by_all() {
    let members = [(0, Test), (1, Test), (0, Test)];
    assert_eq!(one("consistency = {}", &members, 0), (2.0 / 3.0, 3));
    assert_eq!(one("ensemble_accuracy = {}", &members, 0), (2.0 / 3.0, 3));
}

#[test]
fn identical_replicates_agree_and_opposite_ones_differ_by_ln_2() {
    let same = [(1, Train), (1, Train), (1, Train)];
    assert_eq!(one("agreement = {}", &same, 0), (0.0, 3));
    assert_eq!(one("agreement = { form = 'generalised' }", &same, 0), (0.0, 3));
    let (two, _) = one("agreement = {}", &[(0, Train), (1, Train)], 0);
    assert!((two - core::f32::consts::LN_2).abs() < 1e-6, "{two}");
    let (three, _) = one("agreement = { form = 'generalised' }", &[(0, Train), (1, Train), (2, Train)], 0);
    assert!((three - 3.0_f32.ln()).abs() < 1e-6, "{three}");
}

#[test]
fn the_divergence_of_known_outputs_is_that_of_its_definition() {
    // Jensen-Shannon divergence of two distributions, by Kullback and Leibler to their middle.
    let (p, q) = ([0.7_f64, 0.2, 0.1], [0.1_f64, 0.3, 0.6]);
    let kl = |a: &[f64; 3], m: &[f64]| a.iter().zip(m).map(|(a, m)| a * (a / m).ln()).sum::<f64>();
    let middle: Vec<f64> = p.iter().zip(&q).map(|(p, q)| f64::midpoint(*p, *q)).collect();
    let expected = f64::midpoint(kl(&p, &middle), kl(&q, &middle));
    let logits = |of: [f64; 3]| of.map(|p| p.ln() as f32).to_vec();
    let members = [(logits(p), vec![Train]), (logits(q), vec![Train])];
    let (found, _) = values("agreement = {}", &members, &[0], true);
    assert!((f64::from(found[0]) - expected).abs() < 1e-7, "{} {expected}", found[0]);
}
