//! `report DIR [--with DIR]...`: every question answered, in one folder to take away.

use std::collections::HashMap;
use std::path::Path;

use super::gather::Gathered;
use super::{Exit, open, print};
use crate::analysis::{Analysis, Options, REGISTRY, Wants};
use crate::data::{Dataset, Role};
use crate::report::{Report, Section, folder, picture};
use crate::store::{StudyFolder, StudyRecord};
use crate::tui::pictures::{Scale, pixels};
use crate::{NUMERICS, Result, VERSION, cli};

/// Runs the command.
///
/// # Errors
/// A folder that is no study or can't be read; a place for the report that holds something else.
pub fn report(options: &cli::Report) -> Result<Exit> {
    let place = options.out.clone().unwrap_or_else(|| options.dir.join("report"));
    folder::check(&place)?;
    let studies = studies(options)?;
    let gather = |wants| Gathered::of_studies(&options.dir, &options.with, Role::Train, &[], wants);
    let (gathered, study) = gather(Wants::SCORES)?;
    let pictures = Pictures::of(studies.first().map(StudyFolder::record));
    let asked = Options::default();
    // What one question alone is given is let go after it.
    let answer = |analysis: &'static Analysis| match analysis.wants {
        Wants::SCORES => gathered.answer(analysis, &asked),
        more => gather(more)?.0.answer(analysis, &asked),
    };
    let section = |analysis: &&'static Analysis| Section::new(analysis, answer(analysis), &|id| pictures.uri(id));
    let report = Report {
        study,
        settings: settings(options, &studies, &gathered, &asked),
        records: records(&studies)?,
        sections: REGISTRY.iter().map(section).collect(),
        notes: pictures.missing.iter().cloned().collect(),
    };
    folder::write(&place, &report.files()?)?;
    print(&said(&report, &place))?;
    Ok(Exit::Done)
}

fn studies(options: &cli::Report) -> Result<Vec<StudyFolder>> {
    std::iter::once(&options.dir).chain(&options.with).map(|dir| StudyFolder::open(dir)).collect()
}

/// The studies' own records, as they lie in their folders.
fn records(studies: &[StudyFolder]) -> Result<Vec<(String, String)>> {
    let mut records: Vec<(String, String)> = Vec::new();
    for study in studies {
        let name = &study.record().config.name;
        let twins = records.iter().filter(|(known, _)| known.starts_with(name.as_str())).count();
        let file = if twins > 0 { format!("{name}-{}.study.toml", twins + 1) } else { format!("{name}.study.toml") };
        let path = study.path().join("study.toml");
        records.push((file, std::fs::read_to_string(&path).map_err(crate::Error::io(&path))?));
    }
    Ok(records)
}

/// What the report was made with.
fn settings(
    options: &cli::Report,
    studies: &[StudyFolder],
    gathered: &Gathered,
    asked: &Options,
) -> Vec<(String, String)> {
    let with: Vec<String> = options.with.iter().map(|dir| format!(" --with {}", dir.display())).collect();
    let mut settings = vec![
        ("command".to_owned(), format!("diffscope report {}{}", options.dir.display(), with.concat())),
        ("diffscope".to_owned(), format!("{VERSION}, numerics version {NUMERICS}")),
    ];
    for study in studies {
        let StudyRecord { diffscope, numerics, source, data_digest, train, test, config, .. } = study.record();
        let made = format!("made by diffscope {diffscope}, numerics version {numerics}, seed {}", config.train.seed);
        let data = format!("{source}, {train} training and {test} test examples, digest {data_digest}");
        settings.push((format!("study {}", config.name), format!("{made}; {data}")));
    }
    for (label, finished, all) in gathered.runs() {
        settings.push((format!("runs of {label}"), format!("{finished} finished of {all}")));
    }
    let draws = asked.draws.map_or("each question's own number, stated with it".to_owned(), |draws| draws.to_string());
    let others = [
        ("examples", asked.role.clone()),
        ("scores", "the first variant of each, without variability; summary: all".to_owned()),
        ("random draws", format!("{draws}; seed {}", asked.seed)),
        ("threshold of hard examples", format!("{} % of the mean scores", asked.threshold)),
        ("median rank change to reach", format!("{} % of the examples", 100.0 * asked.target)),
    ];
    settings.extend(others.map(|(name, value)| (name.to_owned(), value)));
    settings
}

/// The pictures of the first study's examples, where its data are at hand.
struct Pictures {
    dataset: Option<Dataset>,
    positions: HashMap<u32, usize>,
    missing: Option<String>,
}

impl Pictures {
    fn of(record: Option<&StudyRecord>) -> Self {
        let loaded = record.map(|record| open::dataset_of(record, None));
        let (dataset, missing) = match loaded {
            Some(Ok(dataset)) if dataset.has_pictures() => (Some(dataset), None),
            Some(Ok(_)) | None => (None, None),
            Some(Err(error)) => (None, Some(format!("no pictures: {error}"))),
        };
        // Training and test examples may share ids: figures are of training examples, which come first.
        let ids = dataset.iter().flat_map(|dataset| dataset.ids.iter().copied().zip(0..).take(dataset.train));
        Self { positions: ids.collect(), dataset, missing }
    }

    fn uri(&self, id: u32) -> Option<String> {
        let (dataset, position) = (self.dataset.as_ref()?, *self.positions.get(&id)?);
        let (pixels, width, _) = pixels(dataset, position, Scale::Up(1));
        Some(picture::uri(&picture::png(&pixels, width)?))
    }
}

/// What was written, and what could not be answered.
fn said(report: &Report, place: &Path) -> String {
    let answered = |section: &&Section| section.answer.as_ref().is_ok_and(|answer| !answer.results.is_empty());
    let (with, without): (Vec<_>, Vec<_>) = report.sections.iter().partition(answered);
    let names = |sections: &[&Section]| sections.iter().map(|one| one.analysis.name).collect::<Vec<_>>().join(", ");
    let mut lines = vec![format!("wrote {}: {}", place.join("report.html").display(), names(&with))];
    if !without.is_empty() {
        lines.push(format!("not answered yet (the report says why): {}", names(&without)));
    }
    lines.extend(report.notes.iter().cloned());
    lines.join("\n")
}
