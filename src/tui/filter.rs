//! Which examples are meant? The filter language of the example table: `label=cat forgetting>5 rank(aum)<100`.
//!
//! Terms are separated by blanks and all must hold: a field, a comparison and a value without blanks around it
//! (quotes keep a value with blanks together), or a bare word that matches labels fuzzily, or `marked`, `behind`, `noisy`,
//! `reviewed`. Fields: `id`, `label`, `split`, `verdict` (a word of a verdict, or `none`), any score's name, and `rank(score)`.

use crate::data::Verdict;
use crate::error::nearest;

/// How two numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// The label is one of these classes.
    Label(Vec<u16>),
    /// The label is none of these classes.
    NotLabel(Vec<u16>),
    /// A test example, or a training example.
    Test(bool),
    /// A marked example.
    Marked,
    /// One behind the mark of a figure that was opened last.
    Behind,
    /// One of which somebody says this (of which nobody says anything, if it is none), or the opposite.
    Verdict(Option<Verdict>, bool),
    /// One whose label is noise.
    Noisy,
    /// The id compares so.
    Id(Comparison, f64),
    /// The mean of the score at this place compares so.
    Score(usize, Comparison, f64),
    /// The rank by the score at this place compares so.
    Rank(usize, Comparison, f64),
}

/// Why a filter cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Where, in characters from 0.
    pub at: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl std::fmt::Display for FilterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at character {}: {}", self.at + 1, self.message)
    }
}

/// What names a filter may use.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// Class names.
    pub classes: &'a [String],
    /// Score names.
    pub scores: &'a [String],
}

/// What a filter asks of one example.
pub trait Subject {
    /// Its stable id.
    fn id(&self) -> f64;
    /// Its label, where it has one.
    fn label(&self) -> Option<u16>;
    /// Whether it is a test example.
    fn is_test(&self) -> bool;
    /// Whether it is marked.
    fn is_marked(&self) -> bool;
    /// Whether it is behind the mark of a figure that was opened last.
    fn is_behind(&self) -> bool;
    /// What people say of it.
    fn verdicts(&self) -> Vec<Verdict>;
    /// Whether label noise gave it another label than its own.
    fn is_noisy(&self) -> bool;
    /// Its mean of the score at a place; NaN where there is none.
    fn score(&self, score: usize) -> f64;
    /// Its rank by the score at a place; NaN where there is none.
    fn rank(&self, score: usize) -> f64;
}

impl Comparison {
    /// Whether it holds; never for NaN.
    #[allow(clippy::float_cmp, reason = "`=` asks for exactly this number: ids and counts are whole")]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Equal => value == bound,
            Self::Different => value != bound && !value.is_nan(),
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Greater => value > bound,
            Self::AtLeast => value >= bound,
        }
    }
}

impl Term {
    /// Whether the example meets the condition.
    pub fn holds(&self, example: &impl Subject) -> bool {
        match self {
            Self::Label(classes) => example.label().is_some_and(|label| classes.contains(&label)),
            Self::NotLabel(classes) => example.label().is_some_and(|label| !classes.contains(&label)),
            Self::Test(wanted) => example.is_test() == *wanted,
            Self::Marked => example.is_marked(),
            Self::Behind => example.is_behind(),
            Self::Verdict(None, wanted) => example.verdicts().is_empty() == *wanted,
            Self::Verdict(Some(verdict), wanted) => example.verdicts().contains(verdict) == *wanted,
            Self::Noisy => example.is_noisy(),
            Self::Id(comparison, bound) => comparison.holds(example.id(), *bound),
            Self::Score(score, comparison, bound) => comparison.holds(example.score(*score), *bound),
            Self::Rank(score, comparison, bound) => comparison.holds(example.rank(*score), *bound),
        }
    }
}

/// Understands a filter.
///
/// # Errors
/// `FilterError` with the place of the first thing that makes no sense.
pub fn parse(text: &str, names: Names) -> Result<Vec<Term>, FilterError> {
    words(text)?.into_iter().map(|(at, word)| term(at, &word, names)).collect()
}

/// Words with their places; quotes keep blanks and are dropped.
fn words(text: &str) -> Result<Vec<(usize, String)>, FilterError> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    let mut quote = None;
    for (at, character) in text.chars().enumerate() {
        if character == '"' {
            quote = if quote.is_none() { Some(at) } else { None };
        }
        if character.is_whitespace() && quote.is_none() {
            inside = false;
            continue;
        }
        if !inside {
            words.push((at, String::new()));
            inside = true;
        }
        if let (Some((_, word)), true) = (words.last_mut(), character != '"') {
            word.push(character);
        }
    }
    match quote {
        Some(at) => Err(FilterError { at, message: "this quote is not closed".into() }),
        None => Ok(words),
    }
}

fn term(at: usize, word: &str, names: Names) -> Result<Term, FilterError> {
    let Some(place) = word.find(['=', '!', '<', '>']) else {
        return match word {
            "marked" => Ok(Term::Marked),
            "noisy" => Ok(Term::Noisy),
            "behind" => Ok(Term::Behind),
            "reviewed" => Ok(Term::Verdict(None, false)),
            _ => classes(at, word, names).map(Term::Label),
        };
    };
    let (field, rest) = word.split_at(place);
    let (comparison, value) = comparison(rest)
        .ok_or_else(|| FilterError { at: at + field.chars().count(), message: "expected = != < <= > or >=".into() })?;
    let value_at = at + word.chars().count() - value.chars().count();
    let number = || number(value_at, value);
    match field {
        "label" => {
            let classes = classes(value_at, value, names)?;
            match comparison {
                Comparison::Equal => Ok(Term::Label(classes)),
                Comparison::Different => Ok(Term::NotLabel(classes)),
                _ => Err(FilterError { at: at + 5, message: "a label is compared with = or !=".into() }),
            }
        }
        "split" => split(value_at, value, comparison),
        "verdict" => verdict(value_at, value, comparison),
        "id" => Ok(Term::Id(comparison, number()?)),
        _ => match field.strip_prefix("rank(").and_then(|inner| inner.strip_suffix(')')) {
            Some(score) => Ok(Term::Rank(self::score(at + 5, score, names)?, comparison, number()?)),
            None => Ok(Term::Score(score(at, field, names)?, comparison, number()?)),
        },
    }
}

fn comparison(text: &str) -> Option<(Comparison, &str)> {
    const SIGNS: [(&str, Comparison); 6] = [
        ("!=", Comparison::Different),
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("=", Comparison::Equal),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    SIGNS.iter().find_map(|(sign, comparison)| Some((*comparison, text.strip_prefix(sign)?)))
}

fn number(at: usize, text: &str) -> Result<f64, FilterError> {
    text.parse::<f64>()
        .ok()
        .filter(|value| !value.is_nan())
        .ok_or_else(|| FilterError { at, message: format!("expected a number, found “{text}”") })
}

fn split(at: usize, value: &str, comparison: Comparison) -> Result<Term, FilterError> {
    let test = match value {
        "test" => true,
        "train" => false,
        _ => return Err(FilterError { at, message: format!("a split is train or test, not “{value}”") }),
    };
    match comparison {
        Comparison::Equal => Ok(Term::Test(test)),
        Comparison::Different => Ok(Term::Test(!test)),
        _ => Err(FilterError { at, message: "a split is compared with = or !=".into() }),
    }
}

fn verdict(at: usize, value: &str, comparison: Comparison) -> Result<Term, FilterError> {
    let words = || Verdict::ALL.into_iter().map(Verdict::word);
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.word() == value);
    if verdict.is_none() && value != "none" {
        let known = words().collect::<Vec<_>>().join(", ");
        return Err(FilterError { at, message: format!("a verdict is {known} or none, not “{value}”") });
    }
    match comparison {
        Comparison::Equal => Ok(Term::Verdict(verdict, true)),
        Comparison::Different => Ok(Term::Verdict(verdict, false)),
        _ => Err(FilterError { at, message: "a verdict is compared with = or !=".into() }),
    }
}

fn score(at: usize, name: &str, names: Names) -> Result<usize, FilterError> {
    names.scores.iter().position(|score| score == name).ok_or_else(|| {
        let known = ["id", "label", "split", "verdict"].into_iter().chain(names.scores.iter().map(String::as_str));
        let advice = nearest(name, known).map_or_else(String::new, |near| format!("; did you mean {near}?"));
        FilterError { at, message: format!("there is no field “{name}”{advice}") }
    })
}

/// The class of exactly this name, else the only one whose name contains the letters in this order.
fn classes(at: usize, wanted: &str, names: Names) -> Result<Vec<u16>, FilterError> {
    let numbered = || (0..=u16::MAX).zip(names.classes);
    let exact: Vec<u16> =
        numbered().filter(|(_, name)| name.to_lowercase() == wanted.to_lowercase()).map(|(class, _)| class).collect();
    if !exact.is_empty() {
        return Ok(exact);
    }
    let fuzzy: Vec<u16> = numbered().filter(|(_, name)| has_letters(name, wanted)).map(|(class, _)| class).collect();
    if fuzzy.is_empty() || wanted.is_empty() {
        let near = nearest(wanted, names.classes.iter().map(String::as_str));
        let advice = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        return Err(FilterError { at, message: format!("no label is like “{wanted}”{advice}") });
    }
    if fuzzy.len() > 1 {
        let like: Vec<&str> =
            fuzzy.iter().filter_map(|class| Some(names.classes.get(usize::from(*class))?.as_str())).collect();
        return Err(FilterError {
            at,
            message: format!("“{wanted}” could be {}: give more letters", like.join(" or ")),
        });
    }
    Ok(fuzzy)
}

/// Whether the text contains these letters in this order, whatever their case.
fn has_letters(text: &str, letters: &str) -> bool {
    let mut text = text.chars().flat_map(char::to_lowercase);
    letters.chars().flat_map(char::to_lowercase).all(|letter| text.any(|c| c == letter))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_names<T>(test: impl FnOnce(Names) -> T) -> T {
        let classes = ["cat", "dog", "T-shirt/top", "Ankle boot"].map(String::from);
        let scores = ["aum", "forgetting", "el2n@20", "loss.final"].map(String::from);
        test(Names { classes: &classes, scores: &scores })
    }

    fn understood(text: &str) -> Result<Vec<Term>, FilterError> {
        with_names(|names| parse(text, names))
    }

    #[test]
    fn the_whole_language_is_understood() {
        let terms = understood("label=cat forgetting>5 rank(aum)<100 split=test id=31337 el2n@20<=-.5 marked").unwrap();
        assert_eq!(
            terms,
            [
                Term::Label(vec![0]),
                Term::Score(1, Comparison::Greater, 5.0),
                Term::Rank(0, Comparison::Less, 100.0),
                Term::Test(true),
                Term::Id(Comparison::Equal, 31337.0),
                Term::Score(2, Comparison::AtMost, -0.5),
                Term::Marked,
            ]
        );
        assert_eq!(understood("label!=\"ankle boot\" ab"), Ok(vec![Term::NotLabel(vec![3]), Term::Label(vec![3])]));
        assert_eq!(understood("  "), Ok(vec![]));
        assert_eq!(
            understood("verdict=drop verdict!=none reviewed behind"),
            Ok(vec![
                Term::Verdict(Some(Verdict::Drop), true),
                Term::Verdict(None, false),
                Term::Verdict(None, false),
                Term::Behind,
            ])
        );
    }

    #[test]
    fn errors_name_the_place_and_what_was_meant() {
        for (text, at, part) in [
            ("aum>1 forgeting>5", 6, "did you mean forgetting?"),
            ("rank(aux)<5", 5, "did you mean aum?"),
            ("loss.final>x", 11, "expected a number"),
            ("label=zebra", 6, "no label is like"),
            ("label<cat", 5, "= or !="),
            ("split=val", 6, "train or test"),
            ("verdict=good", 8, "mislabelled, ambiguous, fine, drop or none"),
            ("verdict<fine", 8, "= or !="),
            ("aum!5", 3, "expected ="),
            ("cat \"dog", 4, "not closed"),
        ] {
            let error = understood(text).unwrap_err();
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_that_does_not_exist_meets_no_condition() {
        for comparison in [Comparison::Equal, Comparison::Different, Comparison::Less, Comparison::AtLeast] {
            assert!(!comparison.holds(f64::NAN, 1.0));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused_at_a_place_inside_it(text in "\\PC{0,40}") {
            if let Err(error) = understood(&text) {
                prop_assert!(error.at <= text.chars().count(), "{error} in {text:?}");
            }
        }

        #[test]
        fn texts_of_the_languages_own_pieces_are_understood_or_refused_inside(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["label", "aum", "rank(", ")", "=", "!=", "<", ">=", "5", "-.2", "cat", " ", "\"", "é", "split", "test"]),
                0..12,
            )
        ) {
            let text = pieces.concat();
            if let Err(error) = understood(&text) {
                prop_assert!(error.at <= text.chars().count(), "{error} in {text:?}");
            }
        }

        #[test]
        fn more_terms_never_match_more_examples(bound in -3.0..3.0_f64, value in -3.0..3.0_f64, id in 0..50_u32) {
            struct One(f64, u32);
            impl Subject for One {
                fn id(&self) -> f64 { f64::from(self.1) }
                fn label(&self) -> Option<u16> { Some(1) }
                fn is_test(&self) -> bool { false }
                fn is_marked(&self) -> bool { true }
                fn is_behind(&self) -> bool { false }
                fn verdicts(&self) -> Vec<Verdict> { Vec::new() }
                fn is_noisy(&self) -> bool { false }
                fn score(&self, _: usize) -> f64 { self.0 }
                fn rank(&self, _: usize) -> f64 { 1.0 }
            }
            let all = |text: &str| understood(text).unwrap().iter().all(|term| term.holds(&One(value, id)));
            let one = format!("aum>{bound}");
            prop_assert_eq!(all(&one), value > bound);
            let both = format!("{one} id<25");
            prop_assert!(!all(&both) || all(&one));
        }
    }
}
