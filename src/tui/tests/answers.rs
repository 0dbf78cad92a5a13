//! The tabs of the analyses: which answer they show, what is chosen, focused and led to.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::app::{App, Effect};
use super::super::fixture::{app, settle};
use super::super::tabs::Tab;
use super::super::worker::Question;
use super::{press, shown};

#[test]
fn analyses_of_one_key_share_a_tab_that_lists_the_figures_of_all() {
    use crate::analysis::REGISTRY;
    use crate::tui::tabs::{TABS, answer};
    let mut app = app();
    press(&mut app, "m");
    for analysis in REGISTRY.iter().filter(|analysis| analysis.tab.is_some()) {
        let (key, name) = analysis.tab.unwrap();
        let tab = Tab::of_key(key).unwrap();
        assert_eq!(TABS.iter().filter(|tab| tab.name().0 == key).count(), 1, "one tab for {key}");
        assert_eq!(tab.name().1, name, "they agree on its name");
        let Tab::Answer(first) = tab else { panic!("{tab:?}") };
        let names: Vec<&str> = answer::sharing(first).map(|analysis| analysis.name).collect();
        assert!(names.contains(&analysis.name) && names[0] == first, "{names:?}");
        app.act(tab.action());
        settle(&mut app);
        let known = || app.answers.known.iter().filter(|((known, _), _)| names.contains(known));
        assert_eq!(known().count(), names.len(), "each of {names:?} was asked");
        let figures: usize = known().map(|(_, known)| known.answer.figures.len()).sum();
        assert!(shown(&app, 160, 45).contains(&format!("1 of {figures}")));
    }
}

#[test]
fn the_numbers_can_be_focused_scrolled_and_seen_alone() {
    let mut app = app();
    press(&mut app, "m4");
    assert!(!shown(&app, 80, 24).contains("Numbers"), "on a low screen the figure has all the room");
    press(&mut app, "w");
    let text = shown(&app, 80, 24);
    assert!(text.contains("Numbers") && text.contains("0.250"), "{text}");
    let before = shown(&app, 160, 45);
    press(&mut app, "↓↓↓↓↓↓");
    press(&mut app, "w");
    press(&mut app, "↓");
    assert_ne!(shown(&app, 160, 45), before, "the arrows walk the marks again");
}

#[test]
fn every_tab_of_an_analysis_is_answered() {
    use crate::tui::tabs::{TABS, answer};
    let mut app = app();
    press(&mut app, "m");
    for tab in TABS.iter().filter(|tab| tab.analysis().is_some()) {
        app.act(tab.action());
        settle(&mut app);
        let analysis = answer::analysis(tab.analysis().unwrap()).unwrap();
        assert!(app.known(analysis).is_some(), "{tab:?} was not answered");
        assert!(!shown(&app, 160, 45).contains("being computed"), "{tab:?}");
    }
}

#[test]
fn enter_on_a_mark_shows_the_examples_behind_it() {
    let mut app = app();
    press(&mut app, "m4");
    press(&mut app, "t⏎");
    assert_eq!((app.tab, app.examples.marks.len(), app.examples.order().len()), (Tab::Examples, 0, 8));
    press(&mut app, "⎋");
    assert!(app.examples.order().len() > 8);
    press(&mut app, "4");
    press(&mut app, "T⏎");
    assert!(matches!(app.tab, Tab::Answer("stability")), "a curve has no examples of its own");
}

/// What is asked of the analyses when these keys are pressed, the last first.
fn asked(app: &mut App, keys: &str) -> Vec<crate::analysis::Options> {
    settle(app);
    for key in keys.chars() {
        app.key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
    }
    let options = |effect: Effect| match effect {
        Effect::Ask(Question::Answer { options, .. }) => Some(options),
        _ => None,
    };
    app.take_effects().into_iter().rev().filter_map(options).collect()
}

#[test]
#[allow(clippy::float_cmp)] // steps of 5 and a list
fn scores_threshold_and_target_are_chosen_once_for_all_tabs() {
    let mut app = app();
    press(&mut app, "m4");
    let before = app.chosen_scores();
    assert!(before.contains(&true));
    press(&mut app, "s");
    insta::assert_snapshot!("scores_100x30", shown(&app, 100, 30));
    let first = app.session.scores[0].name.clone();
    let options = asked(&mut app, " ");
    assert_eq!(options.len(), 1, "every change is answered at once");
    assert!(!options[0].scores.is_empty() && options[0].scores.contains(&first) != before[0]);
    press(&mut app, "⎋");
    assert_eq!(asked(&mut app, "]]")[0].threshold, 60.0);
    assert_eq!(asked(&mut app, "{")[0].target, 0.03);
    let options = asked(&mut app, "6");
    assert_eq!((options[0].threshold, options[0].scores.is_empty()), (60.0, false), "another tab, the same choice");
    press(&mut app, "sd⎋");
    assert_eq!(app.chosen_scores(), before);
    press(&mut app, "7]");
    assert!(app.message.as_ref().unwrap().0.contains("no threshold"));
    press(&mut app, "4");
    press(&mut app, &"]}".repeat(30));
    assert_eq!((app.choice.threshold, app.choice.target), (95.0, 0.2), "neither leaves its range");
}

#[test]
fn the_role_turns_among_those_that_examples_have() {
    let mut app = app();
    press(&mut app, "m4");
    assert_eq!(asked(&mut app, "r")[0].role, "test");
    assert_eq!(asked(&mut app, "r").first().map_or(app.choice.role.as_str(), |options| &options.role), "train");
    press(&mut app, "2r");
    assert!(app.message.as_ref().unwrap().0.contains("holds examples out"), "{:?}", app.message);
}
