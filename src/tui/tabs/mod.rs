//! Which tabs are there? One file per tab: its state and its drawing.

pub mod correlation;
pub mod examples;
pub mod train;

use super::keys::{Action, Context};

/// The tabs, in order.
pub const TABS: [Tab; 3] = [Tab::Train, Tab::Examples, Tab::Correlation];

/// A tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// How training goes.
    Train,
    /// Which examples are hard.
    Examples,
    /// How the scores agree.
    Correlation,
}

impl Tab {
    /// Key and name.
    pub fn name(self) -> (char, &'static str) {
        match self {
            Self::Train => ('1', "Train"),
            Self::Examples => ('2', "Examples"),
            Self::Correlation => ('5', "Correlation"),
        }
    }

    /// The keys that hold on it.
    pub fn context(self) -> Context {
        match self {
            Self::Train => Context::Train,
            Self::Examples => Context::Examples,
            Self::Correlation => Context::Correlation,
        }
    }

    /// The action that opens it.
    pub fn action(self) -> Action {
        match self {
            Self::Train => Action::TabTrain,
            Self::Examples => Action::TabExamples,
            Self::Correlation => Action::TabCorrelation,
        }
    }

    /// The tab so many places further, around the end.
    #[must_use]
    pub fn turned(self, by: isize) -> Self {
        let here = TABS.iter().position(|tab| *tab == self).unwrap_or(0) as isize;
        TABS[(here + by).rem_euclid(TABS.len() as isize) as usize]
    }
}
