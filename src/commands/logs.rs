//! What happened to the replicates before anybody looked, and while another process trains them? Their `log.jsonl`.

use std::path::Path;
use std::sync::Arc;

use crate::store::folder::StudyFolder;
use crate::study::{Plan, ReplicateId};

/// The logs of a study's replicates, read as far as they were told.
pub struct Logs {
    folder: StudyFolder,
    plan: Arc<Plan>,
    /// Of each replicate, the bytes and the lines that were told.
    told: Vec<(u64, usize)>,
}

impl Logs {
    /// The logs of a plan's replicates; nothing is told yet.
    pub fn of(folder: &StudyFolder, plan: &Arc<Plan>) -> Self {
        Self { folder: folder.clone(), plan: plan.clone(), told: vec![(0, 0); plan.replicates.len()] }
    }

    /// The lines that were not told yet, oldest first. A log that cannot be read has none: it is for people alone.
    pub fn news(&mut self) -> Vec<(ReplicateId, String)> {
        let mut lines = Vec::new();
        for (replicate, (bytes, told)) in self.plan.replicates.iter().zip(&mut self.told) {
            let dir = self.folder.replicate(&replicate.id);
            let now = size(&dir.path().join("log.jsonl"));
            if now == *bytes {
                continue;
            }
            let Ok(all) = dir.log_lines() else { continue };
            let fresh = all.iter().skip(*told).map(|line| (line.time, &replicate.id, line.text.clone()));
            lines.extend(fresh);
            (*bytes, *told) = (now, all.len());
        }
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        lines.into_iter().map(|(_, id, text)| (id.clone(), text)).collect()
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
