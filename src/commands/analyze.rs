//! `analyze DIR [QUESTION]`: an analysis over one or several studies, as tables or JSON.

use super::gather::{Gathered, gather};
use super::{Exit, print};
use crate::analysis::{self, Analysis, Answer, Input, Options, Wants};
use crate::data::{Examples, Role};
use crate::error::nearest;
use crate::results::Study;
use crate::study::Plan;
use crate::{Error, Result, cli};

/// Runs the command.
///
/// # Errors
/// An unknown question, model or score; a folder that is no study; files in it that cannot be read.
pub fn analyze(options: &cli::Analyze) -> Result<Exit> {
    let analysis = find(options.question.as_deref().unwrap_or("summary"))?;
    let role = match options.role {
        cli::Role::Train => Role::Train,
        cli::Role::Val => Role::Val,
        cli::Role::Test => Role::Test,
    };
    let choices = choices(options, analysis, role)?;
    let (mut gathered, study) =
        Gathered::of_studies(&options.dir, &options.with, role, &options.scores, analysis.wants)?;
    gathered.keep(&options.models)?;
    let answer = gathered.answer(analysis, &choices)?;
    if options.json {
        print(&format!("{:#}", answer.envelope(analysis.name, &study)))?;
    } else {
        print(answer.text().trim_end())?;
    }
    Ok(Exit::Done)
}

/// The options as the analysis takes them; one that it has no use for is refused.
fn choices(options: &cli::Analyze, analysis: &Analysis, role: Role) -> Result<Options> {
    let given = [
        ("--draws", options.draws.is_some()),
        ("--seed", options.seed.is_some()),
        ("--per-example", options.per_example),
        ("--threshold", options.threshold.is_some()),
        ("--target", options.target.is_some()),
    ];
    if let Some((option, _)) = given.iter().find(|(option, given)| *given && !analysis.takes.contains(option)) {
        return Err(Error::Usage(format!("{option}: analyze {} has no use for it; leave it out", analysis.name)));
    }
    let default = Options::default();
    Ok(Options {
        scores: options.scores.clone(),
        role: role.name().to_owned(),
        draws: options.draws.map(|draws| draws as usize),
        seed: options.seed.unwrap_or(default.seed),
        per_example: options.per_example,
        threshold: options.threshold.unwrap_or(default.threshold),
        target: options.target.map_or(default.target, |percent| percent / 100.0),
        ..default
    })
}

fn find(name: &str) -> Result<&'static Analysis> {
    let known = || analysis::REGISTRY.iter().map(|analysis| analysis.name);
    if let Some(found) = analysis::REGISTRY.iter().find(|analysis| analysis.name == name) {
        return Ok(found);
    }
    let base = name.split(['@', '.']).next().unwrap_or(name);
    if crate::scores::REGISTRY.iter().any(|score| score.name == base) {
        let advice = format!("`analyze DIR summary --score {name}` tells of it");
        return Err(Error::Usage(format!("analyze: `{name}` is a score, not a question; {advice}")));
    }
    // A part of a name is often all that somebody remembers.
    let part = || known().find(|known| name.len() > 2 && (known.contains(name) || name.contains(known)));
    let near = nearest(name, known()).or_else(part);
    let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    let line = |analysis: &&Analysis| format!("\n  {:12} {}", analysis.name, analysis.question);
    let lines: String = analysis::REGISTRY.iter().map(line).collect();
    Err(Error::Usage(format!("analyze: no question `{name}`{near}; there are{lines}")))
}

/// The summary of a study that is at hand.
pub fn summary(study: Study<'_>, plan: &Plan, examples: &Examples) -> Answer {
    let (models, replicates) = gather(study, plan, examples, (Wants::SCORES, Role::Train), (&[], &[]));
    let input = Input { models: &models, replicates: &replicates, evidence: None };
    answered(&analysis::summary::ANALYSIS, &input)
}

/// An answer with the default options; an error becomes its warning.
fn answered(analysis: &Analysis, input: &Input) -> Answer {
    let failed = |error: Error| Answer { warnings: vec![error.to_string()], ..Answer::default() };
    (analysis.run)(input, &Options::default()).unwrap_or_else(failed)
}
