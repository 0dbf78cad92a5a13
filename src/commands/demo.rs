//! `diffscope` alone: the demo study, in the user's state folder; opened again when it is finished.

use super::Exit;
use super::launch::{Launch, Prepared};
use crate::cli::Cli;
use crate::store::places;
use crate::study::Config;
use crate::train::devices::Devices;
use crate::{Error, NUMERICS, Result};

/// The demo's config, as shipped in `configs/demo.toml`.
pub const DEMO: &str = include_str!("../../configs/demo.toml");

/// Runs the command.
///
/// # Errors
/// As `run`.
pub fn demo(cli: &Cli) -> Result<Exit> {
    let headless = cli.headless || !super::has_screen();
    loop {
        let config = Config::parse(DEMO, "configs/demo.toml", &[])?;
        let devices = Devices::find(None, config.train.precision)?;
        let mut prepared = Prepared::on(devices, &config, std::path::PathBuf::new())?;
        // Another config, data set, numerics or backend is another demo: their results must not mix.
        let parts = [DEMO, &prepared.dataset.digest, &NUMERICS.to_string(), &prepared.devices.backend_id()];
        let digest = blake3::hash(parts.join("\n").as_bytes()).to_hex();
        prepared.dir = places::demo_folder(&digest[..12])?;
        let dir = prepared.dir.clone();
        let ended = Launch { jobs: cli.jobs.map(usize::from), force: false, headless, fresh_allowed: true }
            .go(&prepared, &cli.screen)?;
        if !ended.afresh {
            return Ok(ended.exit);
        }
        std::fs::remove_dir_all(&dir).map_err(Error::io(&dir))?;
    }
}
