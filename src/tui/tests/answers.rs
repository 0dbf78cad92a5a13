//! The tabs of the analyses: which answer they show, what is chosen, focused and led to.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::app::{App, Effect};
use super::super::fixture::{app, session, settle};
use super::super::pictures::Mode;
use super::super::session::Session;
use super::super::tabs::Tab;
use super::super::theme::{Choice, Depth, Theme};
use super::super::worker::Question;
use super::{press, shown};
use crate::analysis::{Answer, Cell, Options, Table};

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
fn columns_of_the_numbers_are_whole_counted_and_scrolled_to() {
    let answers = session().analyse;
    let analyse = move |analysis, model: &str, views, options: &Options| {
        let cells = |row: &str| std::iter::once(Cell::Text(row.into())).chain((0..30).map(|_| Cell::Number(-0.1234)));
        let heads = std::iter::once("score".to_owned()).chain((0..30).map(|place| format!("c{place:02}")));
        let table = Table {
            title: "wide".into(),
            columns: heads.collect(),
            rows: ["aum", "loss"].map(|row| cells(row).collect()).to_vec(),
        };
        Answer { tables: vec![table], ..answers(analysis, model, views, options) }
    };
    let session = Session { analyse: Arc::new(analyse), ..session() };
    let mut app = App::new(session, Theme::new(Choice::Dark, Depth::True, None), Mode::Blocks);
    press(&mut app, "m4");
    press(&mut app, "w");
    let numbers = |app: &App, width: u16, height: u16| {
        let text = shown(app, width, height);
        let row = text.lines().find(|line| line.contains("aum    -")).unwrap();
        row.split_whitespace().filter(|word| word.contains("0.1")).map(str::to_owned).collect::<Vec<_>>()
    };
    for (width, height) in [(80, 24), (100, 30), (160, 45)] {
        let whole = numbers(&app, width, height);
        assert!(whole.iter().all(|number| number == "-0.123"), "{whole:?}");
        let text = shown(&app, width, height);
        assert!(text.contains(&format!("wide · +{} columns", 30 - whole.len())), "{text}");
        assert!(text.contains("w, then ←→"), "{text}");
    }
    press(&mut app, "→→");
    let text = shown(&app, 80, 24);
    assert!(text.contains("score     c02") && text.contains("wide · columns 4 to"), "{text}");
    press(&mut app, &"→".repeat(40));
    let text = shown(&app, 80, 24);
    assert!(text.contains("wide · columns 31 to 31 of 31") && text.contains("score     c29"), "{text}");
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

#[test]
fn a_long_reading_has_as_many_lines_as_the_screen_can_spare_and_the_rest_stands_among_the_numbers() {
    let sentence = (0..60).map(|n| format!("word{n:02}")).collect::<Vec<_>>().join(" ");
    let (answers, said) = (session().analyse, format!("{sentence}."));
    let analyse = move |analysis, model: &str, views, options: &Options| Answer {
        reading: said.clone(),
        ..answers(analysis, model, views, options)
    };
    let session = Session { analyse: Arc::new(analyse), ..session() };
    let mut app = App::new(session, Theme::new(Choice::Dark, Depth::True, None), Mode::Blocks);
    press(&mut app, "m4");
    // The reading stands above the last line, which is that of the keys.
    let read = |app: &App, (width, height): (u16, u16), rows: usize| {
        let text = shown(app, width, height);
        let lines: Vec<&str> = text.lines().collect();
        let above = lines[usize::from(height) - 1 - rows..usize::from(height) - 1].join(" ");
        above.replace('"', " ").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(read(&app, (160, 45), 3), format!("{sentence}."), "all of it");
    let low = read(&app, (80, 24), 2);
    assert!(low.starts_with("word00 word01") && low.ends_with('…') && low.matches("word").count() > 20, "{low}");
    let (plot, mut brief) = (shown(&app, 80, 24), super::super::fixture::app());
    press(&mut brief, "m4");
    let rows = |text: &str| text.lines().filter(|line| line.contains('│')).count();
    assert_eq!(rows(&plot) + 1, rows(&shown(&brief, 80, 24)), "the figure gives one row away:\n{plot}");
    let said = |app: &App| shown(app, 160, 45).matches("word59").count();
    assert_eq!(said(&app), 1, "it is not told twice where it has its lines");
    press(&mut app, "w");
    assert!(shown(&app, 80, 24).contains("word59."), "the numbers have the whole of it");
    // A mark's few words leave everything where it was.
    press(&mut app, "w");
    let before = shown(&app, 160, 45);
    press(&mut app, "→");
    let after = shown(&app, 160, 45);
    let frames = |text: &str| text.lines().map(|line| line.contains('╰')).collect::<Vec<_>>();
    assert_eq!(frames(&before), frames(&after));
    assert!(!after.contains("word00"), "{after}");
}
