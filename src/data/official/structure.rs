//! Can these records be the published ones, where no digest of them is known? Balance, nesting and moments.

use super::Set;
use crate::data::Normalisation;

/// Published moments have four digits.
const MOMENT_TOLERANCE: f64 = 2e-4;

/// Checks the records of the training and the test part.
///
/// # Errors
/// What is not as published.
pub(super) fn check(set: &Set, train: &[u8], test: &[u8]) -> Result<(), String> {
    for (name, records, examples) in [("training", train, set.train.examples), ("test", test, set.test.examples)] {
        if records.len() != examples * set.record() {
            let expected = examples * set.record();
            return Err(format!("{} bytes of {name} records, expected {expected}", records.len()));
        }
        balanced(set, records).map_err(|reason| format!("{name} examples: {reason}"))?;
    }
    nested(set, [train, test])?;
    moments(set, train)
}

/// Each label takes each of its values equally often.
fn balanced(set: &Set, records: &[u8]) -> Result<(), String> {
    for (position, values) in set.labels.iter().enumerate() {
        let mut counts = vec![0_usize; usize::from(*values)];
        for record in records.chunks_exact(set.record()) {
            let label = record.get(position).copied().unwrap_or_default();
            let count = counts.get_mut(usize::from(label));
            *count.ok_or_else(|| format!("a label is {label}, expected 0 to {}", values - 1))? += 1;
        }
        let share = records.len() / set.record() / counts.len().max(1);
        if let Some((label, count)) = counts.iter().enumerate().find(|(_, count)| **count != share) {
            return Err(format!("{count} have the label {label} of {values}, expected {share}"));
        }
    }
    Ok(())
}

/// Every class lies in one superclass, and all superclasses hold equally many classes.
fn nested(set: &Set, parts: [&[u8]; 2]) -> Result<(), String> {
    let &[superclasses, classes] = set.labels else { return Ok(()) };
    let mut parents: Vec<Option<u8>> = vec![None; usize::from(classes)];
    for record in parts.into_iter().flat_map(|records| records.chunks_exact(set.record())) {
        let &[parent, class, ..] = record else { continue };
        let Some(known) = parents.get_mut(usize::from(class)) else { continue };
        if *known.get_or_insert(parent) != parent {
            return Err(format!("class {class} lies in more than one superclass"));
        }
    }
    let share = usize::from(classes / superclasses.max(1));
    let children = |parent: u16| parents.iter().flatten().filter(|known| u16::from(**known) == parent).count();
    match (0..superclasses).find(|parent| children(*parent) != share) {
        Some(parent) => Err(format!("superclass {parent} holds {} classes, expected {share}", children(parent))),
        None => Ok(()),
    }
}

/// Mean and deviation of each channel of the training pixels.
fn moments(set: &Set, train: &[u8]) -> Result<(), String> {
    let Some([means, deviations]) = set.moments else { return Ok(()) };
    let mut pixels = Vec::with_capacity(train.len());
    for record in train.chunks_exact(set.record()) {
        pixels.extend_from_slice(record.get(set.labels.len()..).unwrap_or_default());
    }
    let found = Normalisation::of(&pixels, set.shape);
    for (what, found, published) in [("mean", found.mean, means), ("standard deviation", found.std, deviations)] {
        let far = |(found, published): &(f64, &f64)| (found - *published).abs() > MOMENT_TOLERANCE;
        let mut channels = found.iter().map(|value| f64::from(*value)).zip(published);
        if let Some((found, published)) = channels.find(far) {
            return Err(format!("a channel's {what} is {found:.4}, expected {published:.4}"));
        }
    }
    Ok(())
}
