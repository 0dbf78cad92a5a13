//! The one error of the library: what went wrong, where, and which exit code it deserves.

use std::path::{Path, PathBuf};

/// An error with the culprit's name in its message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A bad config, name or option (exit code 2).
    #[error("{0}")]
    Usage(String),
    /// A file whose content is not what it should be.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder at fault.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// The operating system refused to read or write something.
    #[error("{}: {}", path.display(), in_words(source))]
    Io {
        /// The file or folder at fault.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A device has no room for a replicate; fewer at once may have.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// Anything else that stops a replicate or a command.
    #[error("{0}")]
    Failed(String),
}

/// Result with the library's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A file whose content is wrong.
    pub fn file(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), reason: reason.into() }
    }

    /// For `map_err`: names the file that an I/O error belongs to.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// Whether nothing in the study's folder can be written any more: the disk is full or read-only. Every other
    /// replicate would end the same way.
    pub fn stops_all(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), QuotaExceeded | ReadOnlyFilesystem | StorageFull))
    }

    /// The exit code that the command line gives this error.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }
}

/// The system's reason; what a person can do something about is said in words.
fn in_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound => "there is no such file or folder".into(),
        NotADirectory | AlreadyExists => {
            "a file lies where a folder is needed; move it away or name another place".into()
        }
        IsADirectory => "this is a folder, and a file is needed".into(),
        PermissionDenied => "permission denied; change who may use it or name another place".into(),
        _ => error.to_string(),
    }
}

/// The name nearest to `wrong` among `names`, when it is near enough to be what was meant.
///
/// ```
/// assert_eq!(diffscope::error::nearest("epohcs", ["seed", "epochs"]), Some("epochs"));
/// assert_eq!(diffscope::error::nearest("banana", ["seed", "epochs"]), None);
/// ```
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names.into_iter().map(|name| (edit_distance(wrong, name), name)).min()?;
    (distance <= 1 + wrong.len() / 3).then_some(name)
}

/// "; did you mean `x`?" for the end of a message; empty where no name is near.
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, names).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// Levenshtein distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
