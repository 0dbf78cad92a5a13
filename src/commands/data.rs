//! `data embed`: the embedded data set, made again.

use super::Exit;
use crate::Result;
use crate::cli;

/// Runs the command.
///
/// # Errors
/// Source files that are missing or not Fashion-MNIST; a folder that cannot be written.
pub fn data(options: &cli::Data) -> Result<Exit> {
    let cli::Data::Embed { from, to } = options;
    crate::data::embedded::regenerate(from, to)?;
    super::print(&format!("the embedded data set is in {}", to.display()))?;
    Ok(Exit::Done)
}
