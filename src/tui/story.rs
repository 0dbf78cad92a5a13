//! What happened to one example? Its observations in every run, and what follows from them.

use super::session::{History, HistorySource};
use crate::study::ReplicateId;

/// One run's view of the example.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStory {
    /// Which run.
    pub id: ReplicateId,
    /// Its observations.
    pub history: History,
    /// The converged network's class probabilities, once there.
    pub probabilities: Option<Vec<f32>>,
}

/// All runs' views of one example.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Story {
    /// The example's position.
    pub example: usize,
    /// A run each, in the order asked for.
    pub runs: Vec<RunStory>,
    /// Mean class probabilities and the number of runs behind them.
    pub probabilities: Option<(Vec<f32>, usize)>,
    /// Smallest, mean and largest margin over the runs, per observation.
    pub band: Vec<[f32; 3]>,
    /// Why something is missing, where reading failed.
    pub problem: Option<String>,
}

/// Reads the story of an example from its source.
pub fn read(source: &dyn HistorySource, example: usize, runs: &[(ReplicateId, u32)]) -> Story {
    let mut story = Story { example, ..Story::default() };
    for (id, epochs) in runs {
        match source.history(id, example, *epochs).and_then(|h| Ok((h, source.probabilities(id, example)?))) {
            Ok((history, probabilities)) => story.runs.push(RunStory { id: id.clone(), history, probabilities }),
            Err(error) => story.problem = Some(error.to_string()),
        }
    }
    story.probabilities = mean_probabilities(&story.runs);
    story.band = band(&story.runs);
    story
}

fn mean_probabilities(runs: &[RunStory]) -> Option<(Vec<f32>, usize)> {
    let known: Vec<&Vec<f32>> = runs.iter().filter_map(|run| run.probabilities.as_ref()).collect();
    let classes = known.first()?.len();
    let mean = |class: usize| known.iter().filter_map(|p| p.get(class)).sum::<f32>() / known.len() as f32;
    Some(((0..classes).map(mean).collect(), known.len()))
}

fn band(runs: &[RunStory]) -> Vec<[f32; 3]> {
    let longest = runs.iter().map(|run| run.history.margin.len()).max().unwrap_or(0);
    (0..longest)
        .map(|t| {
            let at = || runs.iter().filter_map(|run| run.history.margin.get(t)).copied().filter(|m| m.is_finite());
            let n = at().count() as f32;
            [at().fold(f32::INFINITY, f32::min), at().sum::<f32>() / n, at().fold(f32::NEG_INFINITY, f32::max)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(margin: &[f32], probabilities: Option<&[f32]>) -> RunStory {
        RunStory {
            id: ReplicateId { label: "a".into(), index: 0 },
            history: History { margin: margin.to_vec(), predicted: Vec::new() },
            probabilities: probabilities.map(<[f32]>::to_vec),
        }
    }

    #[test]
    fn the_band_spans_the_runs_that_have_come_so_far() {
        let runs = [run(&[1.0, 2.0], Some(&[0.5, 0.5])), run(&[3.0], Some(&[1.0, 0.0]))];
        assert_eq!(band(&runs), [[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]]);
        assert_eq!(mean_probabilities(&runs), Some((vec![0.75, 0.25], 2)));
    }
}
