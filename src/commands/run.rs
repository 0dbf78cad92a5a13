//! `run STUDY.toml`: train a study, with the workbench or with plain lines.

use std::path::PathBuf;

use super::launch::{Launch, Prepared};
use super::{Exit, detach, plan_text};
use crate::cli;
use crate::study::Config;
use crate::{Error, Result};

/// Runs the command.
///
/// # Errors
/// A bad config or option, unreadable data, a folder that belongs to something else.
pub fn run(options: &cli::Run, screen: &cli::Screen) -> Result<Exit> {
    refuse_later(options)?;
    let config = Config::read(&options.study, &options.set)?;
    let dir = options.dir.clone().unwrap_or_else(|| PathBuf::from(&config.name));
    let mut prepared = Prepared::new(&config, dir)?;
    if let Some(shard) = options.shard {
        prepared.keep(shard);
    }
    if options.dry_run {
        super::print(&plan_text::describe(&prepared, options.jobs.map(usize::from))?)?;
        return Ok(Exit::Done);
    }
    if options.detach && !detach::is_detached() {
        return detach::detach(&prepared);
    }
    let headless = options.headless || !super::has_screen();
    Launch { jobs: options.jobs.map(usize::from), force: options.force, headless, fresh_allowed: false }
        .go(&prepared, screen)
        .map(|ended| ended.exit)
}

/// Options whose time has not come say so, and what to do instead.
fn refuse_later(options: &cli::Run) -> Result<()> {
    match options.device.as_str() {
        "cpu" => Ok(()),
        device if device == "cuda" || device.starts_with("cuda:") => {
            Err(Error::Usage(format!("--device {device}: this version is built without CUDA; use --device cpu")))
        }
        device => Err(Error::Usage(format!("--device {device}: no such device; use cpu"))),
    }
}
