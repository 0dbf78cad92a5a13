//! `export DIR --format csv|parquet|npz|jsonl`: all that is known of every example, in a file for other programs.

use std::io::{BufWriter, Write};
use std::path::Path;

use super::{Exit, print};
use crate::cli::ExportFormat;
use crate::export::{Table, columns, csv, jsonl, npz, parquet};
use crate::results::{self, Study};
use crate::store::{StudyFolder, atomic, verdicts};
use crate::train::ensembles::Ensembles;
use crate::{Error, Result, cli};

/// Runs the command.
///
/// # Errors
/// A folder that is no study; files in it that cannot be read; a file that cannot be written.
pub fn export(options: &cli::Export) -> Result<Exit> {
    let folder = StudyFolder::open(&options.dir)?;
    let (plan, examples) = (folder.plan()?, results::examples(&folder)?);
    let (views, ensembles) = (results::views(&folder, &plan, &examples), Ensembles::of(&folder, &plan, &examples));
    let study = Study { views: &views, ensembles: &ensembles };
    let table = columns::table(study, &plan, &examples, &verdicts::read(folder.path())?, options.per_run);
    let name = || options.dir.join(format!("export.{}", options.format.name()));
    let path = options.out.clone().unwrap_or_else(name);
    check(&path, &options.dir)?;
    write(&table, options.format, &path)?;
    print(&said(&table, &path))?;
    Ok(Exit::Done)
}

/// Refuses a place among the study's own files.
fn check(path: &Path, study: &Path) -> Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let inside = match (folder.canonicalize(), study.canonicalize()) {
        (Ok(folder), Ok(study)) => folder.starts_with(study),
        _ => false,
    };
    let is_export = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("export."));
    if inside && !is_export {
        let advice = "name it export.*, or write it elsewhere";
        return Err(Error::Usage(format!("--out {}: lies among the study's own files; {advice}", path.display())));
    }
    Ok(())
}

/// Writes the file whole: a kill leaves the old one or the new one.
fn write(table: &Table<'_>, format: ExportFormat, path: &Path) -> Result<()> {
    atomic::write_with(path, |file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        match format {
            ExportFormat::Csv => csv::write(table, &mut out).map_err(Error::io(path))?,
            ExportFormat::Jsonl => jsonl::write(table, &mut out).map_err(Error::io(path))?,
            ExportFormat::Npz => npz::write(table, &mut out).map_err(Error::io(path))?,
            ExportFormat::Parquet => {
                parquet::write(table, &mut out).map_err(|error| Error::file(path, error.to_string()))?;
            }
        }
        out.flush().map_err(Error::io(path))
    })
}

/// What was written, and what is behind the numbers.
fn said(table: &Table<'_>, path: &Path) -> String {
    let runs = table.about["runs"].as_object().into_iter().flatten();
    let behind = runs.map(|(label, runs)| {
        let count = runs.as_array().map_or(0, Vec::len);
        format!("{label} {count}")
    });
    let behind = behind.collect::<Vec<_>>().join(", ");
    let intervals = &table.about["rank_intervals"];
    format!(
        "wrote {}: {} examples, {} columns\nfinished runs: {behind}; rank intervals from {} draws, seed {}",
        path.display(),
        table.rows,
        table.columns.len(),
        intervals["draws"],
        intervals["seed"]
    )
}
