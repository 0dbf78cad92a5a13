//! Which tabs are there? One file per tab: its state and its drawing.

pub mod answer;
pub mod correlation;
pub mod examples;
pub mod train;

use std::sync::LazyLock;

use super::keys::{Action, Context};
use crate::analysis::REGISTRY;

/// The tabs, in the order of their keys.
pub static TABS: LazyLock<Vec<Tab>> = LazyLock::new(|| {
    let answers = REGISTRY.iter().filter(|analysis| analysis.tab.is_some()).map(|analysis| Tab::Answer(analysis.name));
    let mut tabs: Vec<Tab> = [Tab::Train, Tab::Examples, Tab::Correlation].into_iter().chain(answers).collect();
    // The key 0 stands behind 9. Analyses of one key share the tab of the first.
    tabs.sort_by_key(|tab| (tab.name().0 == '0', tab.name().0));
    tabs.dedup_by_key(|tab| tab.name().0);
    tabs
});

/// A tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// How training goes.
    Train,
    /// Which examples are hard.
    Examples,
    /// How the scores agree.
    Correlation,
    /// The answers of the analyses that share a key, by the name of the first.
    Answer(&'static str),
}

impl Tab {
    /// Key and name.
    pub fn name(self) -> (char, &'static str) {
        match self {
            Self::Train => ('1', "Train"),
            Self::Examples => ('2', "Examples"),
            Self::Correlation => ('5', "Correlation"),
            Self::Answer(name) => answer::analysis(name).and_then(|analysis| analysis.tab).unwrap_or((' ', name)),
        }
    }

    /// The keys that hold on it.
    pub fn context(self) -> Context {
        match self {
            Self::Train => Context::Train,
            Self::Examples => Context::Examples,
            Self::Correlation => Context::Correlation,
            Self::Answer(_) => Context::Answer,
        }
    }

    /// The action that opens it.
    pub fn action(self) -> Action {
        match self {
            Self::Train => Action::TabTrain,
            Self::Examples => Action::TabExamples,
            Self::Correlation => Action::TabCorrelation,
            Self::Answer(_) => Action::TabOfKey(self.name().0),
        }
    }

    /// The name of the analysis whose answer it shows.
    pub fn analysis(self) -> Option<&'static str> {
        match self {
            Self::Train | Self::Examples => None,
            Self::Correlation => Some(crate::analysis::correlation::ANALYSIS.name),
            Self::Answer(name) => Some(name),
        }
    }

    /// The tab of a key.
    pub fn of_key(key: char) -> Option<Self> {
        TABS.iter().copied().find(|tab| tab.name().0 == key)
    }

    /// The tab so many places further, around the end.
    #[must_use]
    pub fn turned(self, by: isize) -> Self {
        let here = TABS.iter().position(|tab| *tab == self).unwrap_or(0) as isize;
        let place = (here + by).rem_euclid(TABS.len().max(1) as isize) as usize;
        TABS.get(place).copied().unwrap_or(self)
    }
}
