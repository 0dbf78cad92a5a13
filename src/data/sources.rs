//! Where do data come from? The registry of sources: one line each, by the name that configs use.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::official::{self, State};
use super::{Dataset, cifar, embedded, idx, input, label_noise, subset, toy};
use crate::error::nearest;
use crate::study::config::DataConfig;
use crate::{Error, Result};

/// A source of data.
#[derive(Debug)]
pub struct Source {
    /// Its name in configs.
    pub name: &'static str,
    /// Its folder among the user's data; none where it needs no files.
    pub folder: Option<&'static str>,
    /// What it holds, in a few words.
    pub about: &'static str,
    read: fn(&Path) -> Result<Dataset>,
}

/// Every source, in the order in which they are listed.
pub static SOURCES: [Source; 6] = [
    Source {
        name: "embedded",
        folder: None,
        about: "4,000 + 1,000 images of Fashion-MNIST, inside the program",
        read: |_| embedded::dataset(),
    },
    Source {
        name: "toy",
        folder: None,
        about: "1,000 + 1,000 points of two clouds in the plane, inside the program",
        read: |_| toy::dataset(),
    },
    Source {
        name: "fashion-mnist",
        folder: Some("fashion-mnist"),
        about: "60,000 + 10,000 grey images 28x28 of clothes, IDX",
        read: |folder| idx::folder("fashion-mnist", &idx::FASHION, folder),
    },
    Source {
        name: "mnist",
        folder: Some("mnist"),
        about: "60,000 + 10,000 grey images 28x28 of digits, IDX",
        read: |folder| idx::folder("mnist", &idx::DIGITS, folder),
    },
    Source {
        name: "cifar10",
        folder: Some("cifar-10-batches-bin"),
        about: "50,000 + 10,000 colour images 32x32 in 10 classes, binary version",
        read: |folder| cifar::folder("cifar10", &cifar::CIFAR10, folder),
    },
    Source {
        name: "cifar100",
        folder: Some("cifar-100-binary"),
        about: "50,000 + 10,000 colour images 32x32 in 100 fine classes, binary version",
        read: |folder| cifar::folder("cifar100", &cifar::CIFAR100, folder),
    },
];

/// Sources that are planned.
const LATER: [&str; 5] = ["svhn", "folder", "csv", "npy", "hub"];

/// The source of a name.
///
/// # Errors
/// What is wrong with the name, and the nearest valid one.
///
/// ```
/// use diffscope::data::sources::find;
/// assert_eq!(find("mnist").unwrap().folder, Some("mnist"));
/// assert!(find("cifar-10").unwrap_err().contains("did you mean `cifar10`?"));
/// ```
pub fn find(name: &str) -> Result<&'static Source, String> {
    if let Some(source) = SOURCES.iter().find(|source| source.name == name) {
        return Ok(source);
    }
    let names = SOURCES.iter().map(|source| source.name);
    let known = names.clone().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if name == crate::study::imported::SOURCE {
        let reason = "holds scores from elsewhere and nothing to train on; `diffscope import` makes such a study";
        return Err(format!("`{name}` {reason}; the sources are {known}"));
    }
    if LATER.contains(&name) {
        return Err(format!("`{name}` is not yet in this version; there are {known}"));
    }
    Err(match nearest(name, names) {
        Some(near) => format!("unknown source `{name}`; did you mean `{near}`? There are {known}"),
        None => format!("unknown source `{name}`; there are {known}"),
    })
}

/// Loads what a config asks for; `seed` (the study's) chooses the examples that a `limit` keeps, and those that get wrong
/// labels.
///
/// # Errors
/// `Error::File` or `Error::Io` with the file at fault; `Error::Usage` for a source or limit that cannot be.
pub fn load(config: &DataConfig, seed: u64, data_home: &Path) -> Result<Dataset> {
    let source = find(&config.source).map_err(|reason| Error::Usage(format!("data.source: {reason}")))?;
    let whole = match (source.folder, &config.path) {
        (Some(folder), path) => {
            let folder = path.clone().unwrap_or_else(|| data_home.join(folder));
            check_folder(source, &folder, path.is_some())?;
            (source.read)(&folder)?
        }
        (None, None) => (source.read)(data_home)?,
        (None, Some(_)) => {
            return Err(Error::Usage(format!("data.path: `{}` reads no files; leave `path` out", source.name)));
        }
    };
    let mut dataset = match config.limit {
        Some(limit) => subset::limit(&whole, limit, seed)?,
        None => whole,
    };
    if let Some(noise) = &config.label_noise {
        label_noise::inject(&mut dataset, noise, seed)?;
    }
    Ok(dataset)
}

/// Whether the files are there; where they are not, the error says which command brings them.
fn check_folder(source: &Source, folder: &Path, chosen: bool) -> Result<()> {
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => return Err(Error::file(folder, "expected a folder with the source's files")),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(folder)(error)),
        _ => {}
    }
    let missing = match official::find(source.name).map(|set| set.state(folder)) {
        Some(State::Missing) => folder.to_path_buf(),
        Some(State::Incomplete(name)) => folder.join(name),
        None if !folder.exists() => folder.to_path_buf(),
        _ => return Ok(()),
    };
    if official::find(source.name).is_none() || !cfg!(feature = "hub") {
        return Err(input::not_found(&missing));
    }
    let command = format!("`diffscope data fetch {}`", source.name);
    let advice = if chosen {
        format!("point `[data] path` to the official files, or leave it out and run {command}")
    } else {
        format!("{command} brings the official files (or point `[data] path` or $DIFFSCOPE_DATA to where they are)")
    };
    Err(Error::file(missing, format!("not found; {advice}")))
}

/// Where the user's data lie: `$DIFFSCOPE_DATA`, else `$XDG_CACHE_HOME/diffscope/data`, else `~/.cache/diffscope/data`.
pub fn data_home() -> PathBuf {
    home_in(|name| std::env::var_os(name))
}

/// [`data_home`] in an environment; an empty variable counts as unset.
fn home_in(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    set("DIFFSCOPE_DATA").unwrap_or_else(|| cache().unwrap_or_default().join("diffscope").join("data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(source: &str) -> DataConfig {
        let text = format!("source = {source:?}");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn every_listed_source_is_found_by_its_name_and_names_are_unique() {
        for source in &SOURCES {
            assert!(std::ptr::eq(find(source.name).unwrap(), source));
        }
    }

    #[test]
    fn planned_sources_are_not_yet_there_and_typos_get_the_nearest_name() {
        assert!(find("imported").unwrap_err().contains("`diffscope import`"));
        for name in LATER {
            assert!(find(name).unwrap_err().contains("not yet in this version"), "{name}");
        }
        assert!(find("fashoin-mnist").unwrap_err().contains("did you mean `fashion-mnist`"));
        let hopeless = find("photographs of my cat").unwrap_err();
        assert!(hopeless.contains("`cifar100`") && !hopeless.contains("did you mean"), "{hopeless}");
    }

    #[test]
    fn a_missing_folder_is_named_with_the_way_to_point_to_it() {
        let home = tempfile::tempdir().unwrap();
        let error = load(&config("mnist"), 0, home.path()).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let message = error.to_string();
        for part in [&*home.path().join("mnist").to_string_lossy(), "not found", "[data] path", "$DIFFSCOPE_DATA"] {
            assert!(message.contains(part), "{message} should contain {part}");
        }
        let path = Some(home.path().join("elsewhere"));
        let message = load(&DataConfig { path, ..config("cifar10") }, 0, home.path()).unwrap_err().to_string();
        assert!(message.contains("elsewhere"), "{message}");
    }

    #[test]
    #[cfg(feature = "hub")]
    fn missing_files_are_named_with_the_command_that_brings_them() {
        let home = tempfile::tempdir().unwrap();
        let message = |config: &DataConfig| load(config, 0, home.path()).unwrap_err().to_string();
        for (source, folder) in SOURCES.iter().filter_map(|source| Some((source.name, source.folder?))) {
            let (missing, command) = (message(&config(source)), format!("`diffscope data fetch {source}` brings"));
            assert!(missing.contains(&command) && missing.contains(folder), "{missing}");
        }
        std::fs::create_dir(home.path().join("mnist")).unwrap();
        std::fs::write(home.path().join("mnist/train-images.idx3-ubyte.gz"), "").unwrap();
        let incomplete = message(&config("mnist"));
        assert!(incomplete.contains("mnist/train-labels-idx1-ubyte: not found"), "{incomplete}");
        let chosen = message(&DataConfig { path: Some(home.path().join("elsewhere")), ..config("cifar100") });
        assert!(chosen.contains("leave it out and run `diffscope data fetch cifar100`"), "{chosen}");
    }

    #[test]
    fn a_file_where_the_folder_should_be_is_refused() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("mnist"), "").unwrap();
        let message = load(&config("mnist"), 0, home.path()).unwrap_err().to_string();
        assert!(message.contains("expected a folder"), "{message}");
    }

    #[test]
    fn the_embedded_set_needs_no_folder_and_obeys_a_limit() {
        let nowhere = Path::new("/nowhere");
        let part = load(&DataConfig { limit: Some(100), ..config("embedded") }, 7, nowhere).unwrap();
        assert_eq!((part.train, part.test()), (100, 1000));
        let with_path = DataConfig { path: Some(nowhere.into()), ..config("embedded") };
        assert_eq!(load(&with_path, 7, nowhere).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn the_data_folder_comes_from_the_first_variable_that_is_set() {
        let home = |set: &[(&str, &str)]| {
            home_in(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
        };
        let all = [("DIFFSCOPE_DATA", "/d"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(home(&all), Path::new("/d"));
        assert_eq!(home(&all[1..]), Path::new("/x/diffscope/data"));
        assert_eq!(home(&all[2..]), Path::new("/h/.cache/diffscope/data"));
        assert_eq!(home(&[("DIFFSCOPE_DATA", ""), ("HOME", "/h")]), Path::new("/h/.cache/diffscope/data"));
    }
}
