//! What did people say of the examples? `verdicts.jsonl`: a line per word of a person, never changed afterwards.
//!
//! The last line of an id and reviewer counts, as a whole: it says verdict, new label and mark together, so that a line
//! without any of them takes back what was said before. Several processes and people append to one file in turns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::jsonl;
use crate::Result;
pub use crate::data::Verdict;

/// What one reviewer says of one example: a line of the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// The example's id.
    pub id: u32,
    /// The verdict, if there is one.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// The class that the reviewer would give, where the verdict is that the label is wrong.
    #[serde(default)]
    pub new_label: Option<u16>,
    /// Whether the example is marked.
    #[serde(default)]
    pub mark: bool,
    /// When it was said, in seconds since 1970.
    #[serde(default)]
    pub time: f64,
    /// Who says so.
    #[serde(default)]
    pub reviewer: String,
}

impl Review {
    /// Whether it says nothing: what was said before is taken back.
    pub fn is_empty(&self) -> bool {
        self.verdict.is_none() && !self.mark
    }
}

/// Where they lie in a study's folder.
pub fn path(study: &Path) -> PathBuf {
    study.join("verdicts.jsonl")
}

/// What counts now: the last word of each reviewer on each example, by id, then reviewer. What was taken back is left
/// out; none where there is no file.
///
/// # Errors
/// A line that is no review, by its number (the last line may be torn: it was never whole).
pub fn read(study: &Path) -> Result<Vec<Review>> {
    let lines: Vec<Review> = jsonl::read(&path(study))?;
    let last: BTreeMap<_, _> = lines.into_iter().map(|line| ((line.id, line.reviewer.clone()), line)).collect();
    Ok(last.into_values().filter(|review| !review.is_empty()).collect())
}

/// Adds a word, and makes it last through a power cut.
///
/// # Errors
/// A file that cannot be written.
pub fn add(study: &Path, review: &Review) -> Result<()> {
    let path = path(study);
    jsonl::append(&path, review)?;
    jsonl::sync(&path)
}

/// The name under which this user's verdicts are kept.
pub fn reviewer() -> String {
    let name = |variable| std::env::var(variable).ok().filter(|name| !name.is_empty());
    name("USER").or_else(|| name("LOGNAME")).unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(id: u32, verdict: Option<Verdict>, reviewer: &str) -> Review {
        Review { id, verdict, reviewer: reviewer.into(), ..Review::default() }
    }

    #[test]
    fn the_last_word_of_each_reviewer_counts_and_may_be_taken_back() {
        let study = tempfile::tempdir().unwrap();
        assert_eq!(read(study.path()).unwrap(), []);
        let wrong = Review { new_label: Some(3), mark: true, ..said(9, Some(Verdict::Mislabelled), "ann") };
        let words = [
            said(9, Some(Verdict::Fine), "ann"),
            said(4, Some(Verdict::Drop), "ann"),
            said(9, Some(Verdict::Ambiguous), "bob"),
            wrong.clone(),
            said(4, None, "ann"),
        ];
        for word in &words {
            add(study.path(), word).unwrap();
        }
        assert_eq!(read(study.path()).unwrap(), [wrong, said(9, Some(Verdict::Ambiguous), "bob")]);
        assert_eq!(std::fs::read_to_string(path(study.path())).unwrap().lines().count(), 5, "nothing is forgotten");
    }

    #[test]
    fn the_line_of_the_contract_is_understood_and_comes_back() {
        let study = tempfile::tempdir().unwrap();
        let line = r#"{"id":31337,"verdict":"mislabelled","new_label":5,"mark":false,"time":1.5,"reviewer":"ann"}"#;
        let null = r#"{"id":1,"verdict":null,"new_label":null,"mark":true,"time":2,"reviewer":"ann","later":1}"#;
        std::fs::write(path(study.path()), format!("{line}\n{null}\n")).unwrap();
        let known = read(study.path()).unwrap();
        assert_eq!((known[0].id, known[0].mark), (1, true));
        assert_eq!(serde_json::to_string(&known[1]).unwrap(), line);
    }

    #[test]
    fn damage_is_named_by_its_line_and_a_torn_last_line_costs_only_itself() {
        let study = tempfile::tempdir().unwrap();
        add(study.path(), &said(1, Some(Verdict::Fine), "ann")).unwrap();
        let whole = std::fs::read_to_string(path(study.path())).unwrap();
        std::fs::write(path(study.path()), format!("{whole}{{\"id\":2,\"verd")).unwrap();
        assert_eq!(read(study.path()).unwrap().len(), 1);
        add(study.path(), &said(3, Some(Verdict::Drop), "ann")).unwrap();
        assert_eq!(read(study.path()).unwrap().iter().map(|review| review.id).collect::<Vec<_>>(), [1, 3]);
        std::fs::write(path(study.path()), format!("{whole}{{\"id\":2,\"verdict\":\"maybe\"}}\n{whole}")).unwrap();
        let error = read(study.path()).unwrap_err().to_string();
        assert!(error.contains("verdicts.jsonl: line 2") && error.contains("mislabelled"), "{error}");
    }
}
