//! The registry of data sources.

use std::path::Path;

use super::Dataset;
use crate::study::config::DataConfig;

/// A source of data.
#[derive(Debug)]
pub struct Source {
    /// Its name in configs.
    pub name: &'static str,
}

/// The source of a name.
///
/// # Errors
/// What is wrong with the name, and the nearest valid one.
pub fn find(name: &str) -> Result<&'static Source, String> {
    Err(format!("no source `{name}`"))
}

/// Loads what a config asks for; `seed` (the study's) chooses the examples that a `limit` keeps.
///
/// # Errors
/// `Error::File` or `Error::Io` with the file at fault.
pub fn load(_config: &DataConfig, _seed: u64, _data_home: &Path) -> crate::Result<Dataset> {
    Err(crate::Error::Failed(String::new()))
}
