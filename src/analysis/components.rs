//! How many things do the scores measure? Principal components of the mean scores (Kwok et al. 2024, figure 5).
//!
//! Each mean score goes to the normal, by the quantile of (rank - 0.5) / n; components are those of the centred, unscaled
//! columns, signed so that their coefficients sum to more than 0. Examples that lack one of the scores are left out and
//! counted. The first component is a score itself: how steady it is follows as in the stability analysis, transform and
//! components made anew from each set of runs, over the scores that have values per run.
//!
//! A result per model: what `analyze --json` promises, and `examples`, `left_out`, `to_reach_98` (components until 98 % of
//! the variance) and `first` (the first component's `n`, `median`, `p95`, `disagreement`, `draws`, `seed`).

mod answer;
mod decompose;

use super::again::{Memory, key};
use super::means::{self, SignedRuns};
use super::stability::{self, Comparisons};
use super::{Again, Analysis, Answer, Input, ModelScores, Options, Wants, select};
use crate::Result;

pub use answer::answer;
pub use decompose::{Components, Decomposer};

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "components",
    question: "How many things do the scores measure, and is there one difficulty behind them?",
    tab: Some(('6', "Components")),
    compares: false,
    takes: &["--draws", "--seed", "--threshold"],
    wants: Wants::SCORES,
    run,
    again: Some(|| Box::new(Kept::default())),
};

/// Scores that a component needs to be one of several.
const FEWEST_SCORES: usize = 2;

/// The mean scores of a model, ready to be decomposed in any selection.
#[derive(Debug, Clone)]
pub struct Prepared {
    model: String,
    role: String,
    runs: usize,
    scores: Vec<MeanScore>,
}

/// One mean score, larger = harder.
#[derive(Debug, Clone)]
struct MeanScore {
    name: String,
    /// Why it has to be left out, if so.
    problem: Option<String>,
    means: Vec<f64>,
}

/// The components of some scores of a model.
#[derive(Debug, Clone)]
pub struct Decomposed {
    /// The model's label.
    pub model: String,
    /// The role of the examples.
    pub role: String,
    /// How many runs there are.
    pub runs: usize,
    /// The scores' names.
    pub scores: Vec<String>,
    /// Their components.
    pub components: Components,
    /// Examples that lack one of the scores.
    pub left_out: usize,
    /// The first component as a score, NaN for those that are left out.
    pub first: Vec<f64>,
    /// How steady the first component is; none with fewer than two runs.
    pub steadiness: Option<Comparisons>,
    /// What a reader must know.
    pub warnings: Vec<String>,
}

impl Prepared {
    /// Averages every score.
    pub fn new(model: &ModelScores) -> Self {
        Self {
            model: model.model.clone(),
            role: model.role.to_owned(),
            runs: model.runs.len(),
            scores: model.scores.iter().map(MeanScore::new).collect(),
        }
    }

    /// The components of the scores at these places (of `ModelScores::scores`), without their steadiness.
    pub fn decompose(&self, places: &[usize]) -> Decomposed {
        let chosen: Vec<&MeanScore> = places.iter().filter_map(|place| self.scores.get(*place)).collect();
        let used: Vec<&MeanScore> = chosen.iter().copied().filter(|score| score.problem.is_none()).collect();
        let means: Vec<Vec<f64>> = used.iter().map(|score| score.means.clone()).collect();
        let examples = means.first().map_or(0, Vec::len);
        let mut decomposer = Decomposer::default();
        let components = decomposer.decompose(&means);
        let mut first = Vec::new();
        decomposer.first(&components, examples, &mut first);
        Decomposed {
            model: self.model.clone(),
            role: self.role.clone(),
            runs: self.runs,
            scores: used.iter().map(|score| score.name.clone()).collect(),
            left_out: examples - components.examples,
            components,
            first,
            steadiness: None,
            warnings: chosen
                .iter()
                .filter_map(|score| Some(format!("{}: {}", self.model, score.problem.as_ref()?)))
                .collect(),
        }
    }
}

impl MeanScore {
    fn new(score: &super::ScoreRuns) -> Self {
        let sign = score.harder.sign();
        let means: Vec<f64> = score.means(None).into_iter().map(|mean| sign * mean).collect();
        let mut present = means.iter().copied().filter(|mean| !mean.is_nan());
        let first = present.next();
        let constant = present.all(|mean| Some(mean) == first);
        let same = || format!("`{}` is left out: it is the same for every example", score.name);
        let problem = select::problem(score).or_else(|| constant.then(same));
        Self { name: score.name.clone(), problem, means }
    }
}

/// Compares the first component of two disjoint sets of runs, for n = 1 to half of the runs that have every score.
pub fn steadiness(model: &ModelScores, places: &[usize], options: &Options) -> Option<Comparisons> {
    let (scores, _) = means::per_run(model, places);
    if scores.len() < FEWEST_SCORES || model.runs.len() < 2 {
        return None;
    }
    let draws = options.draws.unwrap_or(stability::DRAWS);
    let mut valid: Vec<usize> = (0..model.runs.len()).collect();
    for score in &scores {
        let has = score.valid();
        valid.retain(|run| has.contains(run));
    }
    let changes = stability::over_sets(&valid, draws, options.seed, |scratch: &mut Scratch, set, values| {
        scratch.first(&scores, set, values);
    });
    Some(Comparisons { score: "component 1".to_owned(), valid: valid.len(), changes })
}

/// What a thread keeps from one set of runs to the next.
#[derive(Default)]
struct Scratch {
    decomposer: Decomposer,
    means: Vec<Vec<f64>>,
}

impl Scratch {
    fn first(&mut self, scores: &[SignedRuns], set: &[usize], values: &mut Vec<f64>) {
        self.means.resize(scores.len(), Vec::new());
        scores.iter().zip(&mut self.means).for_each(|(score, means)| score.means(set, means));
        let components = self.decomposer.decompose(&self.means);
        self.decomposer.first(&components, self.means.first().map_or(0, Vec::len), values);
    }
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    Kept::default().answer(input, options)
}

/// The means of every model, and how steady the first components were that were looked at.
#[derive(Default)]
struct Kept {
    means: Memory<Prepared>,
    steadiness: Memory<Option<Comparisons>>,
}

impl Again for Kept {
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer> {
        let (mut decomposed, mut unfinished) = (Vec::new(), false);
        for model in input.models.iter().filter(|model| model.role == options.role) {
            let (of, is_whole) = self.decompose(model, options)?;
            decomposed.push(of);
            unfinished |= !is_whole;
        }
        Ok(Answer { unfinished, ..answer(&decomposed, options) })
    }
}

impl Kept {
    /// The components, and whether their steadiness was not left out for the sake of a quick answer.
    fn decompose(&mut self, model: &ModelScores, options: &Options) -> Result<(Decomposed, bool)> {
        let places = select::scores(model, &options.scores)?;
        let mut of = self.means.look(key(model, ""), || Prepared::new(model)).decompose(&places);
        let used: Vec<usize> = places
            .into_iter()
            .filter(|place| model.scores.get(*place).is_some_and(|score| of.scores.contains(&score.name)))
            .collect();
        let key = key(model, &format!("{} {:?} {}", of.scores.join("\n"), options.draws, options.seed));
        if options.quick && !self.steadiness.has(&key) {
            return Ok((of, false));
        }
        of.steadiness = self.steadiness.get(key, || steadiness(model, &used, options));
        Ok((of, true))
    }
}

#[cfg(test)]
mod tests;
