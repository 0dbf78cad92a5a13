//! Verdicts and marks on the tab Examples: asked for, shown at once, handed to whoever keeps them.

use super::super::app::Effect;
use super::super::fixture::app;
use super::super::keeper::Kept;
use super::{press, shown};
use crate::data::Verdict;
use crate::store::verdicts::Review;

fn kept(effects: &[Effect]) -> Vec<Review> {
    effects.iter().filter_map(|e| if let Effect::Keep(review) = e { Some(review.clone()) } else { None }).collect()
}

#[test]
fn a_verdict_is_asked_for_kept_shown_and_filtered() {
    let mut app = app();
    press(&mut app, "2");
    let first = app.example.unwrap();
    press(&mut app, "m");
    insta::assert_snapshot!("verdict_80x24", shown(&app, 80, 24));
    press(&mut app, "m1");
    insta::assert_snapshot!("new_label_80x24", shown(&app, 80, 24));
    let said = kept(&press(&mut app, "⏎"));
    assert_eq!((said[0].verdict, said[0].new_label, said.len()), (Some(Verdict::Mislabelled), Some(1), 1));
    assert_eq!(said[0].id, app.session.examples.ids[first]);
    let second = app.example.unwrap();
    assert_ne!(first, second, "the next example is waiting");
    let said = kept(&press(&mut app, " "));
    assert_eq!((said[0].verdict, said[0].mark), (None, true));
    press(&mut app, "mf");
    press(&mut app, "/verdict=mislabelled⏎");
    assert_eq!(app.examples.order(), [first]);
    let text = shown(&app, 160, 45);
    assert!(text.contains("you say mislabelled") && text.contains("2 reviewed"), "{text}");
    press(&mut app, "⎋");
    app.select_example(Some(first));
    let taken_back = kept(&press(&mut app, "mx"));
    assert!(taken_back[0].is_empty() && !app.examples.reviews.contains_key(&first));
    press(&mut app, "mm7777⏎");
    assert!(shown(&app, 160, 45).contains("There is no class 7777"));
    assert_eq!(kept(&press(&mut app, "⎋")), []);
}

#[test]
fn what_the_folder_says_is_shown_unless_a_word_is_still_on_its_way() {
    let mut app = app();
    press(&mut app, "2");
    let example = app.example.unwrap();
    let id = app.session.examples.ids[example];
    let theirs = Review { id, verdict: Some(Verdict::Drop), reviewer: "somebody else".into(), ..Review::default() };
    press(&mut app, "ma");
    app.hear(Kept { taken: 0, reviews: Ok(vec![theirs.clone()]), lost: None });
    assert_eq!(app.examples.reviews[&example].len(), 1, "older than what was said here");
    let own = app.examples.reviews[&example][0].clone();
    app.hear(Kept { taken: 1, reviews: Ok(vec![own, theirs]), lost: None });
    app.select_example(Some(example));
    let text = shown(&app, 160, 45);
    assert!(text.contains("you say ambiguous, somebody else says drop"), "{text}");
    app.hear(Kept { taken: 1, reviews: Err("verdicts.jsonl: line 3: no JSON".into()), lost: None });
    assert_eq!(kept(&press(&mut app, "m ")), [], "nothing is taken that cannot be kept");
    assert!(shown(&app, 160, 45).contains("line 3"));
}
