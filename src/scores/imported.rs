//! What is a score that was computed elsewhere? A name and a difficult end; its numbers lie in the study folder.

use super::at_epoch::PASS;
use super::ensemble::EnsembleScore;
use super::{Harder, Kind, REGISTRY, ScoreKind};

/// Longer names would push everything else out of a table.
const LONGEST: usize = 40;

const RUNS_HIGH: ScoreKind = ScoreKind {
    name: "imported",
    kind: Kind::Imported,
    citation: "imported",
    definition: "imported; the stored conventions name the file",
    observer: |_, _| Box::new(super::Unseen),
    ..PASS
};
/// Nothing computes it: whoever asks gets no value.
const MODEL_HIGH: ScoreKind = ScoreKind {
    ensemble: Some(EnsembleScore { outside_only: false, compares: false, of: |_, _| (f64::NAN, 0) }),
    ..RUNS_HIGH
};

static HIGH: [ScoreKind; 2] = [RUNS_HIGH, MODEL_HIGH];
static LOW: [ScoreKind; 2] =
    [ScoreKind { harder: Harder::Low, ..RUNS_HIGH }, ScoreKind { harder: Harder::Low, ..MODEL_HIGH }];

/// What stands for a line of the registry; `per_run` as opposed to one number per example of a model.
pub(super) fn kind(harder: Harder, per_run: bool) -> &'static ScoreKind {
    let [runs, model] = if harder == Harder::High { &HIGH } else { &LOW };
    if per_run { runs } else { model }
}

/// Whether a name is that of a score which this program computes, with any settings.
pub fn is_own(name: &str) -> bool {
    let base = name.split(['@', '.']).next().unwrap_or(name);
    REGISTRY.iter().any(|kind| kind.name == base)
}

/// Whether an imported score may have this name.
///
/// # Errors
/// What a name looks like.
pub fn check_name(name: &str) -> Result<(), String> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    if starts_well && name.len() <= LONGEST && name.chars().all(plain) {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no name of a score: a letter, then up to {} letters, digits, `_`, `-`, `.` or `@`, such as `paper.forgetting`",
        LONGEST - 1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_tables_filters_and_files_can_hold() {
        for name in ["forgetting", "paper.forgetting", "c-score", "el2n@20", "x_1"] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", ".x", "1x", "a/count", "a b", "a>b", "ü", "__metadata__", &"x".repeat(41)] {
            assert!(check_name(name).unwrap_err().contains("paper.forgetting"), "{name}");
        }
        assert!(is_own("aum.logit") && is_own("el2n@3") && !is_own("paper.aum") && !is_own("aum2"));
    }

    #[test]
    fn a_kind_keeps_direction_and_extent() {
        for (harder, per_run) in
            [(Harder::High, true), (Harder::High, false), (Harder::Low, true), (Harder::Low, false)]
        {
            let kind = kind(harder, per_run);
            assert_eq!((kind.harder, kind.ensemble.is_none(), kind.kind), (harder, per_run, Kind::Imported));
        }
    }
}
