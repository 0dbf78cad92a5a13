//! What does a person say of an example's label?

use serde::{Deserialize, Serialize};

/// A person's verdict on an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The given label is wrong.
    Mislabelled,
    /// More than one label would be right.
    Ambiguous,
    /// The given label is right.
    Fine,
    /// The example is of no use, whatever its label.
    Drop,
}

impl Verdict {
    /// All verdicts, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::Mislabelled, Self::Ambiguous, Self::Fine, Self::Drop];

    /// Its word in files, filters and tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mislabelled => "mislabelled",
            Self::Ambiguous => "ambiguous",
            Self::Fine => "fine",
            Self::Drop => "drop",
        }
    }
}
