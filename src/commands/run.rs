//! `run STUDY.toml`: train a study, with the workbench or with plain lines.

use std::path::PathBuf;

use super::launch::{Launch, Prepared};
use super::{Exit, detach, plan_text};
use crate::Result;
use crate::cli;
use crate::study::Config;
use crate::train::devices::{Devices, Wish};

/// Runs the command.
///
/// # Errors
/// A bad config or option, unreadable data, a folder that belongs to something else.
pub fn run(options: &cli::Run, screen: &cli::Screen) -> Result<Exit> {
    let config = Config::read(&options.study, &options.set)?;
    let dir = options.dir.clone().unwrap_or_else(|| PathBuf::from(&config.name));
    let wish = options.device.as_deref().map(Wish::parse).transpose()?;
    let devices = Devices::find(wish.as_ref(), config.train.precision)?;
    let mut prepared = Prepared::on(devices, &config, dir)?;
    if let Some(shard) = options.shard {
        prepared.keep(shard);
    }
    if options.dry_run {
        prepared.check_folder()?;
        let jobs = options.jobs.map(usize::from);
        super::print(&plan_text::describe(&prepared, jobs)?)?;
        super::print(&plan_text::time(&prepared, jobs, |line| super::tell(format_args!("diffscope: {line}")))?)?;
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
