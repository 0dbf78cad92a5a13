//! How do official files come to a machine that has none? The hub's copies, decoded and rewritten byte for byte.
//!
//! The hub keeps each part as a parquet file of PNG images and labels. Both are exact, so the published files can be
//! made again from them and compared with the published digests ([`super::official`]). Pixels stay row by row; only
//! red, green and blue are taken apart into planes.
//!
//! **Order.** The hub's copy of CIFAR-10 was made by walking the published tar archive, where the place of a training
//! batch, not its number, decides. So the order of the rows is not taken on trust: every 10,000 rows are recognised by
//! the md5 of the batch that they make, and each batch gets its own name. Ids are therefore those of the published
//! files, whatever the order on the hub. CIFAR-100 has one file per part and keeps the hub's order, which is that of
//! the published files for Python.
//!
//! Everything is made in a folder of its own beside the target, which is renamed into place when it is whole.

mod decode;
mod download;
mod rebuild;
mod staging;

use std::path::{Path, PathBuf};

pub use download::Client;

use self::staging::Staging;
use super::official::{Part, Set, State};
use crate::store::atomic;
use crate::{Error, Result};

/// The hub, unless another endpoint is given.
pub const ENDPOINT: &str = "https://huggingface.co";

/// Where a part lies in a repository: the files that its owners keep, then those that the hub itself makes of them.
const PLACES: [(&str, &str); 2] = [("main", "-00000-of-00001.parquet"), ("refs%2Fconvert%2Fparquet", "/0000.parquet")];

/// Who follows a fetch, and may stop it.
pub trait Watch {
    /// A step begins: what it does, and how many bytes or images it has to do, where that is known.
    fn begin(&self, step: &str, total: Option<u64>, unit: Unit);
    /// So much of the step is done.
    fn at(&self, done: u64);
    /// Whether somebody asked for the end.
    fn stopped(&self) -> bool;
}

/// What a step counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Images.
    Images,
}

/// What a fetch did.
#[derive(Debug)]
pub struct Fetched {
    /// Where the files are.
    pub folder: PathBuf,
    /// Whether they were there before.
    pub was_there: bool,
    /// What was compared with what was published.
    pub evidence: String,
}

/// Brings the official files of a set into its folder under `home`; files that are there already are kept.
///
/// # Errors
/// `Error::Failed` where the hub cannot be reached or has no such file; `Error::File` where what came is not what was
/// published, or a file at hand is not; `Error::Io` where the files cannot be written. Nothing is left behind then.
pub fn fetch(set: &'static Set, home: &Path, client: &Client, watch: &dyn Watch) -> Result<Fetched> {
    let folder = home.join(set.folder);
    let differs = |error: Error| {
        let advice = format!("move {} away and fetch it again", folder.display());
        Error::Failed(format!("{error}; {advice}"))
    };
    match set.state(&folder) {
        State::Present | State::Wrong(..) => {
            let evidence = set.check(&folder).map_err(differs)?;
            return Ok(Fetched { folder, was_there: true, evidence });
        }
        State::Incomplete(_) => set.check_those_there(&folder).map_err(differs)?,
        State::Missing => {}
    }
    let staging = Staging::new(home, set)?;
    for (split, part) in [("train", &set.train), ("test", &set.test)] {
        bring(set, part, split, &staging, client, watch)?;
    }
    for (name, lines) in set.names {
        staging.write(name, format!("{}\n", lines.join("\n")).as_bytes())?;
    }
    // What lies on the disk now, by what `data check` does.
    let evidence = set.check(staging.files()).map_err(|error| match error {
        Error::File { reason, .. } => Error::file(set.hub.repository, reason),
        other => other,
    })?;
    stop(watch)?;
    install(set, &staging, &folder)?;
    Ok(Fetched { folder, was_there: false, evidence })
}

/// Downloads a part and writes its files.
fn bring(
    set: &'static Set,
    part: &'static Part,
    split: &str,
    staging: &Staging,
    client: &Client,
    watch: &dyn Watch,
) -> Result<()> {
    let parquet = staging.path("part.parquet");
    let hub = &set.hub;
    let files = PLACES
        .map(|(revision, end)| format!("datasets/{}/resolve/{revision}/{}/{split}{end}", hub.repository, hub.config));
    client.first_of(&files, &parquet, &format!("{} {split}: downloading", set.source), watch)?;
    let name = format!("{}/{split}", hub.repository);
    let decoded = decode::parquet(&parquet, Path::new(&name), set, part, watch)?;
    std::fs::remove_file(&parquet).map_err(Error::io(&parquet))?;
    for (file, bytes) in rebuild::files(set, part, decoded).map_err(|reason| Error::file(&name, reason))? {
        staging.write(file.name, &bytes)?;
    }
    Ok(())
}

/// Ends a fetch that somebody asked to end.
fn stop(watch: &dyn Watch) -> Result<()> {
    if watch.stopped() { Err(Error::Failed("interrupted; nothing was kept".to_owned())) } else { Ok(()) }
}

/// Puts the finished files into place: all at once, or beside those that are there.
fn install(set: &Set, staging: &Staging, folder: &Path) -> Result<()> {
    if !folder.exists() {
        std::fs::rename(staging.files(), folder).map_err(Error::io(folder))?;
        return atomic::sync_folder(folder.parent().unwrap_or(Path::new(".")));
    }
    let mut placed = Vec::new();
    for name in set.file_names().filter(|name| set.locate(folder, name).is_none()) {
        let (from, to) = (staging.files().join(name), folder.join(name));
        let copied = std::fs::read(&from).map_err(Error::io(&from)).and_then(|bytes| atomic::write(&to, &bytes));
        if let Err(error) = copied {
            // The error that matters is the one above; what cannot be removed is whole.
            for path in &placed {
                let _ = std::fs::remove_file(path);
            }
            return Err(error);
        }
        placed.push(to);
    }
    Ok(())
}
