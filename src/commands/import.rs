//! `import --dir DIR --model LABEL --score NAME FILE.npy`: scores that were computed elsewhere, beside our own.

use std::fs::File;
use std::path::Path;

use super::{Exit, print};
use crate::scores::Harder;
use crate::store::examples::ExampleTable;
use crate::store::folder::{StudyFolder, StudyRecord};
use crate::store::imported::{Done, ForeignScore};
use crate::store::npy::{Dtype, Npy};
use crate::study::imported::SOURCE;
use crate::{Error, Result, cli};

/// Runs the command.
///
/// # Errors
/// `Error::Usage` for a file, name or count that does not fit, with what was expected: then nothing is written.
pub fn import(options: &cli::Import) -> Result<Exit> {
    let score = foreign_score(options)?;
    score.check()?;
    let labels = options.labels.as_deref().map(|path| read_labels(path, score.examples())).transpose()?;
    prepare(&options.dir, score.examples(), labels)?;
    let done = StudyFolder::import(&options.dir, &score)?;
    print(&said(&options.dir, &score, &done))?;
    Ok(Exit::Done)
}

/// Makes the study where there is none; one that is there already stays, but for what a kill left out.
fn prepare(dir: &Path, examples: usize, labels: Option<Vec<u16>>) -> Result<()> {
    StudyFolder::check_place(dir)?;
    if StudyFolder::is_study(dir) {
        let folder = StudyFolder::open(dir)?;
        if labels.is_some() {
            let reason = "the study is there already, with the labels that it has; leave it out";
            return Err(Error::Usage(format!("--labels: {reason}")));
        }
        let missing = folder.record().config.is_imported() && !dir.join("examples.parquet").exists();
        return if missing { folder.write_examples(&table(folder.record().train, None)) } else { Ok(()) };
    }
    let classes = labels.iter().flatten().max().map_or(0, |most| usize::from(*most) + 1);
    let class_names = (0..classes).map(|class| class.to_string()).collect();
    let folder = StudyFolder::create(dir, &StudyRecord::imported(&name_of(dir), examples, class_names))?;
    folder.write_examples(&table(examples, labels))
}

fn table(examples: usize, labels: Option<Vec<u16>>) -> ExampleTable {
    let labels = labels.unwrap_or_default();
    ExampleTable {
        ids: (0..examples as u32).collect(),
        given_labels: labels.clone(),
        labels,
        train: examples,
        source: SOURCE.to_owned(),
    }
}

/// The study's name: the folder's, as far as it can be one.
fn name_of(dir: &Path) -> String {
    let whole = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    let name = whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.trim_start_matches('.').chars().map(plain).collect();
    if name.is_empty() { SOURCE.to_owned() } else { name }
}

/// The file as a score: `[examples]` is the model's, `[runs, examples]` that of its runs.
fn foreign_score(options: &cli::Import) -> Result<ForeignScore> {
    let path = &options.file;
    let refuse = |reason: String| Error::Usage(format!("{}: {reason}", path.display()));
    let array = open(path)?;
    let header = array.header();
    let (runs, examples) = match *header.shape() {
        [examples] => (None, examples),
        [runs, examples] => (Some(runs), examples),
        _ => return Err(refuse(format!("has shape {:?}; expected [examples] or [runs, examples]", header.shape()))),
    };
    if header.is_empty() || u32::try_from(examples).is_err() {
        return Err(refuse(format!("has shape {:?}; expected at least one run and one example", header.shape())));
    }
    let dtype = header.dtype();
    let values = match dtype {
        Dtype::F32 => array.all::<f32>()?,
        Dtype::F64 => narrowed(&array.all::<f64>()?).map_err(refuse)?,
        other => {
            let advice = "expected f4 or f8; convert it with .astype(\"f8\")";
            return Err(refuse(format!("holds {}; {advice}", other.descr())));
        }
    };
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(ForeignScore {
        name: options.score.clone(),
        label: options.model.clone(),
        harder: match options.direction {
            cli::Direction::High => Harder::High,
            cli::Direction::Low => Harder::Low,
        },
        per_run: runs.is_some(),
        rows: values.chunks(examples).map(<[f32]>::to_vec).collect(),
        origin: serde_json::json!({ "file": file, "blake3": digest(path)?, "dtype": dtype.descr() }),
    })
}

/// Opens an array; whatever is wrong with the file is wrong with the command.
fn open(path: &Path) -> Result<Npy> {
    Npy::open(path).map_err(|error| {
        let advice =
            if matches!(error, Error::File { .. }) { "; a score is f4 or f8, labels are u1, u2 or u4" } else { "" };
        Error::Usage(format!("{error}{advice}"))
    })
}

fn digest(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    File::open(path).and_then(|file| hasher.update_reader(file).map(|_| ())).map_err(Error::io(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Scores are kept as f32: a number that only f64 can hold would become 0 or infinite.
fn narrowed(values: &[f64]) -> Result<Vec<f32>, String> {
    let fits = |value: &f64| {
        let narrow = *value as f32;
        !value.is_finite() || (narrow.is_finite() && (narrow == 0.0) == (*value == 0.0))
    };
    match values.iter().find(|value| !fits(value)) {
        Some(value) => Err(format!("holds {value:e}, which f32 cannot hold, as scores are kept; rescale the values")),
        None => Ok(values.iter().map(|value| *value as f32).collect()),
    }
}

/// A label for every example.
fn read_labels(path: &Path, examples: usize) -> Result<Vec<u16>> {
    let refuse = |reason: String| Error::Usage(format!("--labels {}: {reason}", path.display()));
    let array = open(path)?;
    if array.header().shape() != [examples] {
        return Err(refuse(format!(
            "has shape {:?}; expected [{examples}], a label for each example",
            array.header().shape()
        )));
    }
    let labels: Vec<u32> = match array.header().dtype() {
        Dtype::U8 => array.all::<u8>()?.into_iter().map(u32::from).collect(),
        Dtype::U16 => array.all::<u16>()?.into_iter().map(u32::from).collect(),
        Dtype::U32 => array.all()?,
        other => return Err(refuse(format!("holds {}; expected u1, u2 or u4 (.astype(\"u2\"))", other.descr()))),
    };
    let narrow = |label: u32| u16::try_from(label).map_err(|_| refuse(format!("label {label}; expected 0 to 65535")));
    labels.into_iter().map(narrow).collect()
}

/// What was done, with what a reader of the numbers must know.
fn said(dir: &Path, score: &ForeignScore, done: &Done) -> String {
    let ForeignScore { name, label, harder, rows, .. } = score;
    let (dir, examples) = (dir.display(), score.examples());
    let Done::Added(runs) = done else {
        return format!("`{name}` of {label} is in {dir} already, with the very same values; nothing was changed");
    };
    let extent = if score.per_run {
        format!("{} runs x {examples} examples", rows.len())
    } else {
        format!("{examples} examples")
    };
    let mut lines = vec![format!("imported `{name}` of {label} into {dir}: {extent}, {} is difficult", harder.name())];
    let flagged: Vec<String> =
        score.non_finite().into_iter().filter_map(|row| Some(format!("{:03}", runs.get(row)?))).collect();
    if !flagged.is_empty() {
        let (count, of, which) = (flagged.len(), runs.len(), flagged.join(", "));
        lines.push(format!(
            "{count} of {of} runs have values that are not finite: kept, and left out of means ({which})"
        ));
    }
    let missing = rows.iter().flatten().filter(|value| !value.is_finite()).count();
    if !score.per_run && missing > 0 {
        lines.push(format!("{missing} of {examples} values are not finite: shown as missing"));
    }
    lines.push(format!("look at it: diffscope open {dir}"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_s_name_becomes_one_that_a_study_can_have() {
        for (dir, name) in [("/a/published scores", "published-scores"), ("/a/.hidden", "hidden"), ("/", "imported")] {
            assert_eq!(name_of(Path::new(dir)), name);
        }
    }

    #[test]
    fn numbers_that_f32_cannot_hold_are_refused_and_others_rounded() {
        assert_eq!(narrowed(&[0.1, -0.0, f64::INFINITY]).unwrap(), [0.1_f32, -0.0, f32::INFINITY]);
        assert!(narrowed(&[f64::NAN]).unwrap()[0].is_nan());
        for value in [1e300, -1e39, 1e-300] {
            assert!(narrowed(&[0.5, value]).unwrap_err().contains("rescale"), "{value}");
        }
    }
}
