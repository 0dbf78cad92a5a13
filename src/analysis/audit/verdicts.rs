//! Do people and scores agree? Verdicts counted, and how well each score tells `mislabelled` from `fine`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::detect::Ordered;
use super::found::bootstrap;
use super::{LEVEL, Ranking};
use crate::analysis::quantile::middle;
use crate::analysis::{Cell, ModelScores, Options, Table};
use crate::data::Verdict;

/// Verdicts on a model's examples.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdicts {
    /// Examples by what is said of them, dissent left out.
    pub(super) counts: Vec<(Verdict, usize)>,
    /// Examples of which reviewers say different things.
    pub(super) dissent: usize,
    /// Examples that are called mislabelled, and how many of those had their label changed; none where nothing is known.
    pub(super) confirmed: Option<(usize, usize)>,
    /// Of each ranking: median share of the ranking where each verdict's examples are (0 = hardest), in the order of `counts`.
    pub(super) places: Vec<(String, Vec<f64>)>,
    /// Of each ranking: AUROC of mislabelled against fine, with its interval; none without both.
    pub(super) auroc: Vec<(String, f64, (f64, f64))>,
}

impl Verdicts {
    pub(super) fn new(model: &ModelScores, rankings: &[Arc<Ranking>], changed: &[bool], options: &Options) -> Self {
        let mut said: BTreeMap<u32, Vec<Verdict>> = BTreeMap::new();
        for review in &model.cohort.reviews {
            said.entry(review.id).or_default().push(review.verdict);
        }
        if said.is_empty() {
            return Self::default();
        }
        let columns: HashMap<u32, usize> =
            (0..model.examples()).map(|column| (model.cohort.id(column), column)).collect();
        let known = said.into_iter().filter_map(|(id, words)| Some((*columns.get(&id)?, words)));
        let (agreed, torn): (Vec<_>, Vec<_>) =
            known.partition(|(_, words)| words.windows(2).all(|two| two[0] == two[1]));
        let agreed: Vec<(usize, Verdict)> =
            agreed.into_iter().filter_map(|(column, words)| Some((column, *words.first()?))).collect();
        let of = |verdict| agreed.iter().filter(move |(_, said)| *said == verdict).map(|(column, _)| *column);
        let counts: Vec<_> = Verdict::ALL.into_iter().map(|verdict| (verdict, of(verdict).count())).collect();
        let is_known = changed.len() == model.examples() && changed.contains(&true);
        let confirmed = is_known.then(|| {
            let called = of(Verdict::Mislabelled);
            called
                .fold((0, 0), |(all, right), column| (all + 1, right + usize::from(changed.get(column) == Some(&true))))
        });
        let judged = |verdict| of(verdict).collect::<Vec<usize>>();
        Self {
            counts,
            dissent: torn.len(),
            confirmed,
            places: rankings.iter().map(|ranking| (ranking.name.clone(), places(ranking, judged))).collect(),
            auroc: agreement(rankings, &judged(Verdict::Mislabelled), &judged(Verdict::Fine), options),
        }
    }

    /// How many examples have a verdict.
    pub(super) fn reviewed(&self) -> usize {
        self.dissent + self.counts.iter().map(|(_, count)| count).sum::<usize>()
    }

    pub(super) fn table(&self, model: &str) -> Table {
        let words = self.counts.iter().map(|(verdict, count)| format!("{} ({count})", verdict.word()));
        let columns = ["score".to_owned()].into_iter().chain(words);
        let columns = columns.chain(["AUROC", "90 % low", "90 % high"].map(String::from)).collect();
        let row = |(name, places): &(String, Vec<f64>)| {
            let auroc = self.auroc.iter().find(|(score, ..)| score == name);
            let (auroc, (low, high)) =
                auroc.map_or((f64::NAN, (f64::NAN, f64::NAN)), |(_, auroc, interval)| (*auroc, *interval));
            let numbers = places.iter().copied().chain([auroc, low, high]).map(Cell::Number);
            std::iter::once(Cell::Text(name.clone())).chain(numbers).collect()
        };
        Table {
            title: format!(
                "{model}: verdicts on {} examples, {} with dissent; median place in the ranking (0 = hardest, 1 = easiest), \
                 and mislabelled against fine",
                self.reviewed(),
                self.dissent
            ),
            columns,
            rows: self.places.iter().map(row).collect(),
        }
    }

    pub(super) fn result(&self) -> serde_json::Value {
        let counts: serde_json::Map<_, _> =
            self.counts.iter().map(|(verdict, count)| (verdict.word().to_owned(), (*count).into())).collect();
        serde_json::json!({
            "counts": counts, "dissent": self.dissent,
            "confirmed": self.confirmed.map(|(called, right)| serde_json::json!({"mislabelled": called, "changed": right})),
            "scores": self.auroc.iter().map(|(name, ..)| name).collect::<Vec<_>>(),
            "auroc": self.auroc.iter().map(|(_, auroc, _)| auroc).collect::<Vec<_>>(),
            "auroc_interval": self.auroc.iter().map(|(.., interval)| interval).collect::<Vec<_>>(),
        })
    }
}

/// Median share of the ranking at which each verdict's examples are; NaN without any.
fn places(ranking: &Ranking, judged: impl Fn(Verdict) -> Vec<usize>) -> Vec<f64> {
    let ordered = &ranking.ordered;
    let mut share = vec![f64::NAN; ranking.hard.len()];
    let last = ordered.len().saturating_sub(1).max(1) as f64;
    for (place, (column, _)) in ordered.examples().enumerate() {
        if let Some(share) = share.get_mut(column) {
            *share = place as f64 / last;
        }
    }
    let median = |verdict| {
        let shares: Vec<f64> = judged(verdict).into_iter().filter_map(|column| share.get(column).copied()).collect();
        middle(&shares, 0.0).0
    };
    Verdict::ALL.into_iter().map(median).collect()
}

/// AUROC of each ranking for one group against another, with intervals over draws of those examples.
fn agreement(
    rankings: &[Arc<Ranking>],
    wrong: &[usize],
    fine: &[usize],
    options: &Options,
) -> Vec<(String, f64, (f64, f64))> {
    if wrong.is_empty() || fine.is_empty() {
        return Vec::new();
    }
    let positive: Vec<bool> = wrong.iter().map(|_| true).chain(fine.iter().map(|_| false)).collect();
    let of = |ranking: &Arc<Ranking>| {
        let value = |column: &usize| ranking.hard.get(*column).copied().unwrap_or(f64::NAN);
        let hard: Vec<f64> = wrong.iter().chain(fine).map(value).collect();
        Ordered::new(&hard, &positive)
    };
    let ordered: Vec<Ordered> = rankings.iter().map(of).collect();
    let drawn = bootstrap(&ordered.iter().collect::<Vec<_>>(), positive.len(), |_| [1, 1], options);
    let one = |(place, (ranking, ordered)): (usize, (&Arc<Ranking>, &Ordered))| {
        let draws: Vec<f64> = drawn.iter().filter_map(|draw| draw.get(place)).map(|draw| draw.auroc).collect();
        (ranking.name.clone(), ordered.measure([1, 1]).auroc, middle(&draws, LEVEL))
    };
    rankings.iter().zip(&ordered).enumerate().map(one).collect()
}
