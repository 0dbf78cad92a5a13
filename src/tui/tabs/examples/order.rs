//! In which order do the examples stand? Filtered, then sorted by one column, ties by position.

use super::{Examples, FIRST_SCORE};
use crate::data::Verdict;
use crate::tui::filter::Subject;
use crate::tui::session::Session;
use crate::tui::summary::Summary;

/// One example as the filter sees it.
struct One<'a> {
    position: usize,
    session: &'a Session,
    summary: Option<&'a Summary>,
    state: &'a Examples,
}

impl Subject for One<'_> {
    fn id(&self) -> f64 {
        self.session.examples.ids.get(self.position).map_or(f64::NAN, |id| f64::from(*id))
    }

    fn label(&self) -> Option<u16> {
        self.session.examples.labels.get(self.position).copied()
    }

    fn is_test(&self) -> bool {
        self.position >= self.session.examples.train
    }

    fn is_marked(&self) -> bool {
        self.state.marks.contains(&self.position)
    }

    fn is_behind(&self) -> bool {
        self.state.behind.contains(&self.position)
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let reviews = self.state.reviews.get(&self.position).into_iter().flatten();
        reviews.filter_map(|review| review.verdict).collect()
    }

    fn is_noisy(&self) -> bool {
        self.session.examples.truth(self.position).is_some()
    }

    fn score(&self, score: usize) -> f64 {
        let values = self.summary.and_then(|summary| summary.scores.get(score));
        values.and_then(|values| values.mean.get(self.position)).map_or(f64::NAN, |mean| f64::from(*mean))
    }

    fn rank(&self, score: usize) -> f64 {
        let values = self.summary.and_then(|summary| summary.scores.get(score));
        let rank = values.and_then(|values| values.rank.get(self.position)).filter(|rank| **rank > 0);
        rank.map_or(f64::NAN, |rank| f64::from(*rank))
    }
}

/// Positions of the examples that meet the filter, sorted.
pub fn arranged(state: &Examples, session: &Session, summary: Option<&Summary>) -> Vec<usize> {
    let shown = |position: &usize| {
        let one = One { position: *position, session, summary, state };
        state.terms.iter().all(|term| term.holds(&one))
    };
    let mut order: Vec<usize> = (0..session.examples.len()).filter(shown).collect();
    let examples = &session.examples;
    match state.sort {
        0 => order.sort_by_key(|i| examples.ids.get(*i)),
        1 => order.sort_by_cached_key(|i| examples.label(*i)),
        column => {
            let ranks = summary.and_then(|s| s.scores.get(column - FIRST_SCORE)).map(|s| s.rank.as_slice());
            let rank = |i: &usize| ranks.and_then(|ranks| ranks.get(*i)).copied().unwrap_or(0);
            // Examples without a value stand last in both directions.
            order.sort_by_key(|i| match rank(i) {
                0 => (1, 0),
                rank if state.turned => (0, u32::MAX - rank),
                rank => (0, rank),
            });
            return order;
        }
    }
    if state.turned {
        order.reverse();
    }
    order
}
