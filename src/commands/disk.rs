//! Is there room? The disk space a study will take, against what is free.

use super::launch::{Prepared, network, planned};
use crate::scores::{self, Pass};
use crate::study::ReplicateId;
use crate::study::config::Observe;
use crate::study::plan::ReplicatePlan;
use crate::train::moments::Moments;
use crate::train::probes;
use crate::{Error, Result};

/// Bytes that the replicates that are still to be started take at their largest moment, roughly: all of them finished, but for those
/// that train at once.
pub fn needed(prepared: &Prepared) -> Result<u64> {
    let dataset = &prepared.dataset;
    let (examples, classes) = (dataset.len() as u64, dataset.classes() as u64);
    let scores = prepared.plan.scores.len() as u64;
    let mut total = examples * 8;
    let mut while_it_trains = Vec::new();
    let lies = |id: &ReplicateId| prepared.dir.join("replicates").join(id.to_string()).exists();
    for replicate in prepared.plan.replicates.iter().filter(|replicate| !lies(&replicate.id)) {
        let observed = if replicate.recipe.observe == Observe::Sweep { examples } else { dataset.train as u64 };
        let predicted = if classes > 256 { 2 } else { 1 };
        let rows = u64::from(replicate.timetable.rows) * observed * (4 + 4 + 2 + predicted);
        let layout = planned(&replicate.model, dataset)?;
        let weights = (layout.parameter_count() + layout.statistic_count()) as u64 * 4;
        // A new file of moments is written before the old one goes.
        let moments =
            2 * Moments::most_bytes(&prepared.plan.scores, &replicate.timetable, dataset.len(), dataset.shape);
        let probes = bytes_of_probes(prepared, replicate)?;
        total += probes + rows + weights + examples * (classes + scores) * 4;
        // A checkpoint with weights, momentum and accumulators, that is replaced whole.
        while_it_trains.push(moments + weights * 4 + examples * scores * 4 * 4);
    }
    while_it_trains.sort_unstable_by(|a, b| b.cmp(a));
    Ok(total + while_it_trains.into_iter().take(prepared.devices.jobs(None)).sum::<u64>())
}

/// Bytes that the probes of prediction depths and the nearest examples take: votes and a class for each probe and example.
fn bytes_of_probes(prepared: &Prepared, replicate: &ReplicatePlan) -> Result<u64> {
    let passes = scores::passes(&prepared.plan.scores, &replicate.timetable);
    let depths = passes.iter().filter(|(pass, _)| matches!(pass, Pass::Depths { .. })).count() as u64;
    if depths == 0 && !passes.iter().any(|(pass, _)| *pass == Pass::Embeddings) {
        return Ok(0);
    }
    let (examples, classes) = (prepared.dataset.len() as u64, prepared.dataset.classes() as u64);
    let taps = network(&replicate.model, &prepared.dataset)?.taps().len() as u64;
    Ok(examples * (depths * taps * (classes + 2) + probes::KEPT as u64 * 4))
}

/// Bytes free to the user where the study will lie.
pub fn free(prepared: &Prepared) -> Result<u64> {
    let start = std::path::absolute(&prepared.dir).map_err(Error::io(&prepared.dir))?;
    let there = start.ancestors().find(|path| path.exists()).unwrap_or(&start);
    let stat = rustix::fs::statvfs(there).map_err(|error| Error::io(there)(error.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses a study that will not fit.
///
/// # Errors
/// `Error::Failed` with both numbers.
pub fn check(prepared: &Prepared) -> Result<()> {
    let (needed, free) = (needed(prepared)?, free(prepared)?);
    if needed > free {
        return Err(Error::Failed(format!(
            "{}: the study needs about {} of disk and {} are free; free some space or choose another --dir",
            prepared.dir.display(),
            bytes(needed),
            bytes(free)
        )));
    }
    Ok(())
}

/// A size for people, such as `1.4 GB`.
pub fn bytes(size: u64) -> String {
    let mut value = size as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{size} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_read_well() {
        assert_eq!([0, 999, 1_440_000, 7_000_000_000_000].map(super::bytes), ["0 B", "999 B", "1.4 MB", "7.0 TB"]);
    }
}
