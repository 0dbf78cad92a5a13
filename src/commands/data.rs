//! `data list|fetch|check|embed`: which sources there are, whether their files are at hand, and how they get there.

use std::path::Path;

use super::{Exit, print};
use crate::analysis::{Cell, Table};
use crate::data::official::{self, Set, State};
use crate::data::sources::{self, SOURCES, data_home};
use crate::{Error, Result, cli};

/// Runs the command.
///
/// # Errors
/// Unknown names; files that are missing, differ from what was published, cannot be had or cannot be written.
pub fn data(options: &cli::Data) -> Result<Exit> {
    match options {
        cli::Data::List => print(&list(&data_home()))?,
        cli::Data::Check { names } => return check(&named(names)?, names, &data_home()),
        cli::Data::Fetch { names, endpoint } => {
            return super::fetch::fetch(&named(names)?, endpoint.as_deref(), &data_home());
        }
        cli::Data::Embed { from, to } => {
            crate::data::embedded::regenerate(from, to)?;
            print(&format!("the embedded data set is in {}", to.display()))?;
        }
    }
    Ok(Exit::Done)
}

/// The sets of some names, each once; `all` stands for every one.
///
/// # Errors
/// `Error::Usage` for a name that is no source or has no files.
fn named(names: &[String]) -> Result<Vec<&'static Set>> {
    if names.iter().any(|name| name == "all") {
        return Ok(official::SETS.iter().collect());
    }
    let mut sets: Vec<&'static Set> = Vec::new();
    for name in names {
        sources::find(name).map_err(Error::Usage)?;
        let set = official::find(name).ok_or_else(|| Error::Usage(format!("`{name}` needs no files")))?;
        if !sets.iter().any(|known| known.source == set.source) {
            sets.push(set);
        }
    }
    Ok(sets)
}

/// The table of the sources, where their files are looked for, and the command for those that are missing.
fn list(home: &Path) -> String {
    let mut table = Table {
        title: format!("Data sources, with files under {}", home.display()),
        columns: ["source", "images", "examples", "classes", "files", "folder", "licence"].map(str::to_owned).to_vec(),
        rows: Vec::new(),
    };
    let (mut notes, mut missing) = (Vec::new(), Vec::new());
    for source in &SOURCES {
        let Some(set) = official::find(source.name) else {
            let cells = [source.name, "", "", "", "built in", "", ""];
            table.rows.push(cells.map(|cell| Cell::Text(cell.to_owned())).to_vec());
            notes.push(format!("{}: {}.", source.name, source.about));
            continue;
        };
        let (files, note) = match set.state(&home.join(set.folder)) {
            State::Present => ("present", None),
            State::Missing => ("missing", None),
            State::Incomplete(name) => ("incomplete", Some(format!("{name} is missing"))),
            State::Wrong(name, reason) => ("damaged", Some(format!("{name}: {reason}"))),
        };
        if matches!(files, "missing" | "incomplete") {
            missing.push(source.name);
        }
        notes.extend(note.map(|note| format!("{}: {note}.", source.name)));
        table.rows.push(row(set, files));
    }
    notes.push("Present: every file has its size; `diffscope data check NAME` compares contents.".to_owned());
    if !missing.is_empty() {
        notes.push(format!("To get what is missing: diffscope data fetch {}", missing.join(" ")));
    }
    format!("{}\n{}", table.text(), notes.join("\n"))
}

fn row(set: &Set, files: &str) -> Vec<Cell> {
    let examples = [&set.train, &set.test].map(|part| format!("{},000", part.examples / 1000)).join(" + ");
    let classes = set.labels.last().map(u16::to_string).unwrap_or_default();
    let cells = [set.source.to_owned(), set.shape.to_string(), examples, classes];
    let cells = cells.into_iter().chain([files, set.folder, set.licence].map(str::to_owned));
    cells.map(Cell::Text).collect()
}

/// Compares files with what was published. With `all`, sources without any file are passed over.
fn check(sets: &[&'static Set], names: &[String], home: &Path) -> Result<Exit> {
    let all = names.iter().any(|name| name == "all");
    each(sets, "differ from what was published or are not there", |set| {
        let folder = home.join(set.folder);
        let evidence = match set.state(&folder) {
            State::Missing if all => return Ok(()),
            State::Missing => return Err(Error::file(&folder, format!("not found; {}", remedy(set)))),
            _ => set.check(&folder)?,
        };
        print(&format!("{}: sound; {evidence} ({})", set.source, folder.display()))
    })
}

fn remedy(set: &Set) -> String {
    format!("`diffscope data fetch {}` brings it", set.source)
}

/// Does the same for every set, also after one failed; tells each failure but a single one, which is returned.
pub(super) fn each(sets: &[&'static Set], what: &str, mut act: impl FnMut(&'static Set) -> Result<()>) -> Result<Exit> {
    let mut failed = Vec::new();
    for set in sets {
        match act(set) {
            Err(error) if sets.len() == 1 => return Err(error),
            Err(error) => {
                super::tell(format_args!("diffscope: {}: {error}", set.source));
                failed.push(set.source);
            }
            Ok(()) => {}
        }
    }
    match failed.len() {
        0 => Ok(Exit::Done),
        count => Err(Error::Failed(format!("{count} of {} {what}: {}", sets.len(), failed.join(", ")))),
    }
}
