//! The Examples tab: what is said of one, and which are listed in what order.

use super::*;

#[test]
fn the_score_under_the_cursor_is_defined_where_there_is_room() {
    let mut app = app_of(session());
    let says = |app: &App, (width, height), text: &str| shown(app, width, height).contains(text);
    assert!(says(&app, (160, 45), "aum: space = probability; sweep: eval"));
    press(&mut app, "→");
    assert!(says(&app, (160, 45), "forgetting: space = probability"));
    press(&mut app, "w");
    press(&mut app, "z");
    assert!(says(&app, (160, 45), "mean over t of the forgetting of an example"));
}

#[test]
fn an_example_says_how_many_runs_trained_on_it() {
    let app = app_of(held_out_session());
    assert_eq!(app.model_name(), Some("mlp-512x7"));
    let text = shown(&app, 160, 45);
    // Both runs of the model have scores; one of them trained on the first example alone, with a long name beside it.
    for says in ["Scores · mean of 1 of 2 runs, rank", "by aum, mean of 1 of 2 runs after 2 to 7 epochs."] {
        assert!(text.contains(says), "{says}\n{text}");
    }
    let row = text.lines().find(|line| line.contains("consensus_")).unwrap();
    assert!(row.contains(" of 2 runs"), "{row}");
    let row = text.lines().find(|line| line.contains("memorization ")).unwrap();
    assert!(row.contains(" 5 in, 3 out"), "{row}");
    let narrow = shown(&app, 100, 45);
    let row = narrow.lines().find(|line| line.contains("conse")).unwrap();
    assert!(row.contains(" of 2"), "{row}");
}

#[test]
fn every_pane_says_the_same_of_what_the_runs_take_an_example_for() {
    let mut app = app();
    press(&mut app, "2");
    for _ in 0..8 {
        let example = app.example.unwrap();
        let believed = app.believed(example).unwrap();
        let class = app.session.examples.class(believed.class);
        let text = shown(&app, 160, 45);
        let votes = format!("{class} {}/{}", believed.runs, believed.of);
        assert!(text.matches(&votes).count() >= 2, "the row and the pane say {votes}:\n{text}");
        let sentence = format!("{} of {} runs take", believed.runs, believed.of);
        let one = format!("{} of {} runs takes", believed.runs, believed.of);
        assert!(text.contains(&sentence) || text.contains(&one), "{text}");
        press(&mut app, "↓");
    }
}

#[test]
fn a_story_ends_where_the_scores_do() {
    let mut app = app();
    press(&mut app, "2");
    let id = app.views[1].progress.id.clone();
    let epochs = |app: &App| app.story().unwrap().runs.iter().find(|run| run.id == id).unwrap().history.margin.len();
    assert_eq!(epochs(&app), 7);
    // An epoch ends, and a person parks the replicate: nothing moves any more.
    app.train.chosen = true;
    app.session.board.update(&id, |view| {
        let scores = view.scores.as_deref().unwrap().clone();
        view.scores = Some(crate::train::board::LiveScores { epoch: 8, ..scores }.into());
        view.progress.state = State::Paused;
    });
    app.refresh();
    settle(&mut app);
    assert_eq!(epochs(&app), 8);
}

#[test]
fn the_selection_stays_on_its_example_when_the_order_changes() {
    let mut app = app();
    press(&mut app, "2↓↓↓");
    let example = app.example;
    let row = app.examples.cursor();
    press(&mut app, "o");
    assert_eq!(app.example, example);
    assert_eq!(app.examples.at_cursor(), example);
    assert_ne!(app.examples.cursor(), row);
}

#[test]
fn a_frozen_order_stays_while_scores_change() {
    let mut app = app();
    press(&mut app, "2f");
    let order = app.examples.order().to_vec();
    let views = app.session.board.snapshot();
    for view in views.iter().filter(|view| view.scores.is_some()) {
        app.session.board.update(&view.progress.id, |view| {
            let mut scores = view.scores.as_deref().unwrap().clone();
            scores.epoch += 1;
            scores.values.iter_mut().flatten().for_each(|value| *value = -*value);
            view.scores = Some(scores.into());
        });
    }
    app.refresh();
    settle(&mut app);
    assert_eq!(app.examples.order(), order);
    press(&mut app, "f");
    assert_ne!(app.examples.order(), order);
}

#[test]
fn a_filter_shows_what_it_asks_for_and_escape_brings_all_back() {
    let mut app = app();
    press(&mut app, "2/split=train label=cat rank(aum)<=15⏎");
    let order = app.examples.order();
    assert!(!order.is_empty() && order.iter().all(|i| i % 4 == 0 && *i < 20), "{order:?}");
    press(&mut app, "⎋");
    assert_eq!(app.examples.order().len(), 24);
    press(&mut app, "/id=nothing⏎");
    assert!(app.examples.input.is_some(), "a wrong filter stays open");
    press(&mut app, "⎋");
    assert!(app.examples.input.is_none());
}

#[test]
fn marked_examples_can_be_asked_for() {
    let mut app = app();
    press(&mut app, "2  /marked⏎");
    assert_eq!(app.examples.order().len(), 2);
}
