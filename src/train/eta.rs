//! How long will it take? Pure arithmetic on what the board says; nothing here looks at a clock.

use crate::store::record::State;
use crate::train::board::Progress;

/// Seconds that one epoch takes, where the replicate has a speed.
pub fn epoch_seconds(progress: &Progress, train_examples: usize) -> Option<f64> {
    let speed = progress.examples_per_s;
    (speed.is_finite() && speed > 0.0 && train_examples > 0).then(|| train_examples as f64 / speed)
}

/// Epochs done, with the part of the current one.
pub fn epochs_done(progress: &Progress) -> f64 {
    let part = if progress.steps == 0 { 0.0 } else { progress.step as f64 / progress.steps as f64 };
    (f64::from(progress.epochs_done) + part.clamp(0.0, 1.0)).min(progress.timetable.length())
}

/// Share of the replicate's epochs that are done, 0 to 1.
pub fn share_done(progress: &Progress) -> f64 {
    match progress.state {
        State::Finished => 1.0,
        _ if progress.timetable.length() <= 0.0 => 0.0,
        _ => epochs_done(progress) / progress.timetable.length(),
    }
}

/// Seconds until the replicate's last epoch ends.
pub fn replicate(progress: &Progress, train_examples: usize) -> Option<f64> {
    let left = progress.timetable.length() - epochs_done(progress);
    Some(left * epoch_seconds(progress, train_examples)?)
}

/// Epochs, with the started part of the current one, that a replicate loses when it is stopped now.
pub fn uncommitted_epochs(progress: &Progress) -> f64 {
    (epochs_done(progress) - f64::from(progress.epochs_committed)).max(0.0)
}

/// Seconds until the current epoch ends.
pub fn this_epoch(progress: &Progress, train_examples: usize) -> Option<f64> {
    let done = epochs_done(progress);
    let left = (1.0 - done.fract()).min(progress.timetable.length() - done);
    Some(left * epoch_seconds(progress, train_examples)?)
}

/// Share of all epochs of the study that are done; replicates that were given up count as done.
pub fn study_share(replicates: &[&Progress]) -> f64 {
    let all: f64 = replicates.iter().map(|p| p.timetable.length()).sum();
    let given_up = |p: &Progress| matches!(p.state, State::Finished | State::Failed | State::Skipped);
    let done = |p: &&Progress| if given_up(p) { p.timetable.length() } else { epochs_done(p) };
    if all > 0.0 { replicates.iter().map(done).sum::<f64>() / all } else { 1.0 }
}

/// Seconds until all running and waiting replicates are done, with `jobs` of them at a time in the plan's order.
///
/// A replicate without a speed of its own takes the mean speed of its model, or else of all models; parked
/// replicates don't count. None while no speed is known, or nothing is left to do.
pub fn study(replicates: &[&Progress], train_examples: usize, jobs: usize) -> Option<f64> {
    let mut slots = vec![0.0_f64; jobs.max(1)];
    let mut left = false;
    for wanted in [State::Running, State::Queued] {
        for progress in replicates.iter().filter(|p| p.state == wanted) {
            let epoch = epoch_seconds(progress, train_examples)
                .or_else(|| mean_epoch(replicates, train_examples, Some(&progress.id.label)))
                .or_else(|| mean_epoch(replicates, train_examples, None))?;
            let needs = (progress.timetable.length() - epochs_done(progress)) * epoch;
            if let Some(first_free) = slots.iter_mut().min_by(|a, b| a.total_cmp(b)) {
                *first_free += needs;
            }
            left = true;
        }
    }
    left.then(|| slots.into_iter().fold(0.0, f64::max))
}

/// Seconds until the first running replicate of the model (of any model with None) is done.
pub fn next_finish(replicates: &[&Progress], train_examples: usize, label: Option<&str>) -> Option<f64> {
    replicates
        .iter()
        .filter(|p| p.state == State::Running && label.is_none_or(|label| p.id.label == label))
        .filter_map(|p| replicate(p, train_examples))
        .min_by(f64::total_cmp)
}

fn mean_epoch(replicates: &[&Progress], train_examples: usize, label: Option<&str>) -> Option<f64> {
    let known: Vec<f64> = replicates
        .iter()
        .filter(|p| label.is_none_or(|label| p.id.label == label))
        .filter_map(|p| epoch_seconds(p, train_examples))
        .collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{ReplicateId, Timetable};

    fn progress(label: &str, state: State, epochs_done: u32, step: usize, speed: f64) -> Progress {
        Progress {
            id: ReplicateId { label: label.into(), index: 0 },
            seed: 0,
            device: "cpu".into(),
            state,
            elsewhere: false,
            reason: None,
            non_finite: false,
            epochs_done,
            epochs_committed: 0,
            epochs: 10,
            timetable: Timetable::of_epochs(10, 4),
            step,
            steps: 4,
            examples_per_s: speed,
            seconds: 0.0,
            train_loss: None,
            train_accuracy: None,
            test_accuracy: None,
        }
    }

    #[test]
    fn a_replicate_needs_its_remaining_epochs_at_its_speed() {
        let running = progress("a", State::Running, 3, 2, 100.0);
        assert_eq!(replicate(&running, 1000), Some(65.0));
        assert_eq!(this_epoch(&running, 1000), Some(5.0));
        assert_eq!(replicate(&progress("a", State::Running, 3, 2, 0.0), 1000), None);
    }

    #[test]
    fn progress_never_leaves_zero_to_one() {
        let odd = progress("a", State::Running, 12, 99, 1.0);
        assert!((share_done(&odd) - 1.0).abs() < 1e-12);
        let nothing = Progress { epochs: 0, steps: 0, timetable: Timetable::of_epochs(0, 0), ..odd };
        assert!(share_done(&nothing).abs() < 1e-12);
        assert!((study_share(&[&nothing]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_cut_last_epoch_is_as_long_as_its_steps() {
        let cut = Timetable { steps: 38, ..Timetable::of_epochs(10, 4) };
        let running = Progress { timetable: cut, ..progress("a", State::Running, 9, 1, 100.0) };
        // 250 examples a step: of the two steps of the tenth epoch one is left.
        assert_eq!((replicate(&running, 1000), this_epoch(&running, 1000)), (Some(2.5), Some(2.5)));
        let done = Progress { epochs_done: 10, step: 0, ..running };
        assert!((share_done(&done) - 1.0).abs() < 1e-12 && replicate(&done, 1000) == Some(0.0));
    }

    #[test]
    fn waiting_replicates_take_the_job_that_is_free_first() {
        let (a, b) = (progress("a", State::Running, 5, 0, 100.0), progress("b", State::Running, 9, 0, 100.0));
        let (c, d) = (progress("a", State::Queued, 0, 0, 0.0), progress("b", State::Paused, 0, 0, 0.0));
        // With 10 s an epoch: a needs 50 s, b 10 s, then c starts in b's place and needs 100 s.
        assert_eq!(study(&[&a, &b, &c, &d], 1000, 2), Some(110.0));
        assert_eq!(study(&[&a, &b, &c, &d], 1000, 1), Some(160.0));
        assert_eq!(study(&[&c], 1000, 2), None);
        assert_eq!(study(&[&progress("a", State::Finished, 10, 0, 100.0)], 1000, 2), None);
        assert_eq!(next_finish(&[&a, &b], 1000, None), Some(10.0));
        assert_eq!(next_finish(&[&a, &b], 1000, Some("a")), Some(50.0));
    }
}
