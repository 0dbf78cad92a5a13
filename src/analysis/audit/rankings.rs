//! How do scores rank the examples? Mean scores, each by its own difficult end, and the first component of those that are chosen.

use std::sync::Arc;

use super::detect::Ordered;
use crate::analysis::again::{Memory, key};
use crate::analysis::{ModelScores, ScoreRuns, components, select};

/// What the first component is called beside the scores.
const COMPONENT: &str = "component 1";

/// A ranking of the examples: a mean score, or the first component.
#[derive(Debug)]
pub struct Ranking {
    /// The score's name.
    pub name: String,
    /// A value per example, larger = harder; NaN: none.
    pub hard: Vec<f64>,
    /// The examples that have a value, hardest first, with those whose label was changed.
    pub ordered: Ordered,
    /// Of what it was made: the scores' names, which tell two first components apart.
    pub of: String,
}

impl Ranking {
    fn new(name: &str, of: String, hard: Vec<f64>, changed: &[bool]) -> Arc<Self> {
        let ordered = Ordered::new(&hard, changed);
        Arc::new(Self { name: name.to_owned(), hard, ordered, of })
    }

    /// Whether it ranks every example.
    pub fn is_whole(&self) -> bool {
        self.ordered.len() == self.hard.len()
    }
}

/// The rankings that were asked for.
#[derive(Debug, Default)]
pub(super) struct Rankings {
    /// A ranking, or why there is none.
    scores: Memory<Result<Arc<Ranking>, String>>,
    /// Means, ready to be decomposed.
    means: Memory<components::Prepared>,
    components: Memory<Option<Arc<Ranking>>>,
}

impl Rankings {
    /// Those of a model by the wanted scores, then the first component of those that vary; and what is left out.
    pub fn of(&mut self, model: &ModelScores, places: &[usize], changed: &[bool]) -> (Vec<Arc<Ranking>>, Vec<String>) {
        let scores: Vec<&ScoreRuns> = places.iter().filter_map(|place| model.scores.get(*place)).collect();
        let made = self.scores.all(&scores, |score| key(model, &score.name), |score| by_mean(score, changed));
        let (mut rankings, mut warnings) = (Vec::new(), Vec::new());
        for made in made {
            match made {
                Ok(ranking) => rankings.push(ranking),
                Err(problem) => warnings.push(format!("{}: {problem}", model.model)),
            }
        }
        let names = scores.iter().map(|score| score.name.as_str()).collect::<Vec<_>>().join("\n");
        let means = &mut self.means;
        let component = self.components.get(key(model, &names), || {
            let prepared = means.look(key(model, ""), || components::Prepared::new(model));
            let component = prepared.decompose(places);
            let exists = component.scores.len() > 1 && component.first.iter().any(|value| !value.is_nan());
            exists.then(|| Ranking::new(COMPONENT, names.clone(), component.first, changed))
        });
        rankings.extend(component);
        (rankings, warnings)
    }
}

fn by_mean(score: &ScoreRuns, changed: &[bool]) -> Result<Arc<Ranking>, String> {
    if let Some(problem) = select::problem(score) {
        return Err(problem);
    }
    let sign = score.harder.sign();
    let hard = score.means(None).into_iter().map(|mean| sign * mean).collect();
    Ok(Ranking::new(&score.name, score.name.clone(), hard, changed))
}
