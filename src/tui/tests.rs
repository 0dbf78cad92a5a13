//! The whole screen into a test terminal: how it looks at three sizes, and what no key and no size may break.

mod answers;
mod arrivals;
mod examples;
mod verdicts;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::app::{App, Effect};
use super::fixture::{app, gpus, held_out_session, imported, session, session_with_commands, settle};
use super::pictures::Mode;
use super::screen::{View, render};
use super::session::Session;
use super::tabs::Tab;
use super::theme::{Choice, Depth, Theme};
use super::{Answers, Graphics, Outcome, is_multiplexed, picture_mode};
use crate::store::record::State;
use crate::train::board::Board;
use crate::train::events::{Command, Event, Target};

fn drawn(app: &App, view: &mut View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| render(app, view, frame.buffer_mut())).unwrap();
    terminal.backend().to_string()
}

fn shown(app: &App, width: u16, height: u16) -> String {
    drawn(app, &mut View::default(), width, height)
}

/// The tab of the examples of a session, everything answered.
fn app_of(session: Session) -> App {
    let mut app = App::new(session, Theme::new(Choice::Dark, Depth::True, None), Mode::Blocks);
    app.act(Tab::Examples.action());
    settle(&mut app);
    app
}

fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    for key in keys.chars() {
        let code = match key {
            '⏎' => KeyCode::Enter,
            '⎋' => KeyCode::Esc,
            '↓' => KeyCode::Down,
            '→' => KeyCode::Right,
            character => KeyCode::Char(character),
        };
        app.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    settle(app)
}

fn sent(effects: &[Effect]) -> Vec<Command> {
    effects.iter().filter_map(|e| if let Effect::Send(command) = e { Some(command.clone()) } else { None }).collect()
}

const SIZES: [(u16, u16); 3] = [(160, 45), (100, 30), (80, 24)];

#[test]
fn each_tab_looks_as_recorded_at_three_sizes() {
    let mut app = app();
    app.observe(Event::Log { id: None, text: "resumed at epoch 2".into() });
    for tab in [Tab::Train, Tab::Examples, Tab::Correlation] {
        app.act(tab.action());
        settle(&mut app);
        if tab == Tab::Correlation {
            insta::assert_snapshot!("Correlation_empty_80x24", shown(&app, 80, 24));
            press(&mut app, "m");
        }
        for (width, height) in SIZES {
            insta::assert_snapshot!(format!("{}_{width}x{height}", tab.name().1), shown(&app, width, height));
        }
    }
}

#[test]
fn every_kind_of_figure_is_drawn_at_three_sizes_and_none_breaks_at_any() {
    let mut app = app();
    app.act(Tab::of_key('3').unwrap().action());
    settle(&mut app);
    assert!(shown(&app, 80, 24).contains("This needs finished replicates"));
    press(&mut app, "m");
    for figure in ["curves", "bars", "parts", "histogram", "points", "pictures"] {
        press(&mut app, "→");
        for (width, height) in SIZES {
            insta::assert_snapshot!(format!("figure_{figure}_{width}x{height}"), shown(&app, width, height));
        }
        for (width, height) in (60..=200).step_by(23).flat_map(|w| (15..=60).step_by(7).map(move |h| (w, h))) {
            shown(&app, width, height);
        }
        press(&mut app, "t");
    }
}

#[test]
fn imported_scores_say_what_they_come_without() {
    let mut app = App::new(imported(), Theme::new(Choice::Dark, Depth::True, None), Mode::Blocks);
    settle(&mut app);
    assert_eq!(app.models, ["resnet18", "crowd"]);
    insta::assert_snapshot!("imported_Train_160x45", shown(&app, 160, 45));
    press(&mut app, "2");
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("imported_Examples_{width}x{height}"), shown(&app, width, height));
    }
    let text = shown(&app, 160, 45);
    for says in ["without pictures", "no label", "of 2 runs low", "without a history"] {
        assert!(text.contains(says), "{says}");
    }
    press(&mut app, "→o");
    assert!(shown(&app, 160, 45).contains("by paper.aum, mean of 2 runs (1 left out)."));
    press(&mut app, "4");
    press(&mut app, "T");
    let text = shown(&app, 100, 30);
    assert!(text.contains("pictures (4 runs") && text.contains("Imported scores come without pictures"), "{text}");
    press(&mut app, "2M");
    assert_eq!(app.model_name(), Some("crowd"), "a model without runs can be looked at");
    for tab in [Tab::Train, Tab::Examples, Tab::Correlation] {
        app.act(tab.action());
        settle(&mut app);
        for (width, height) in (60..=200).step_by(20).flat_map(|w| (15..=60).step_by(9).map(move |h| (w, h))) {
            shown(&app, width, height);
        }
    }
}

#[test]
fn gpus_have_their_rows_where_there_is_room_and_a_few_words_where_there_is_not() {
    let mut app = app();
    app.gpus = gpus();
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("gpus_{width}x{height}"), shown(&app, width, height));
    }
    press(&mut app, "z");
    assert!(shown(&app, 80, 24).contains("NVIDIA H100 80GB HBM3"), "a zoomed pane has room");
    for (width, height) in (60..=200).step_by(7).flat_map(|w| (15..=60).step_by(3).map(move |h| (w, h))) {
        shown(&app, width, height);
    }
}

#[test]
fn a_study_that_another_process_trains_is_steered_while_it_is_trained() {
    let (session, _commands) = session_with_commands();
    let mut app = App::new(Session { remote: true, ..session }, Theme::new(Choice::Dark, Depth::True, None), Mode::Off);
    settle(&mut app);
    let id = app.replicate().unwrap().progress.id.clone();
    assert_eq!(sent(&press(&mut app, "p")), [Command::Pause(Target::One(id))]);
    assert!(app.message.clone().unwrap().0.contains("within a second"));
    let leaves = |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::Leave(Outcome::Finished)));
    assert!(leaves(&press(&mut app, "q")), "the window closes without a question: the process goes on");
    for view in app.session.board.snapshot() {
        app.session.board.update(&view.progress.id, |view| view.progress.state = State::Queued);
    }
    app.refresh();
    assert_eq!(sent(&press(&mut app, "pPSX+")), []);
    assert!(app.message.clone().unwrap().0.contains("No process trains this study now"));
}

#[test]
fn wishes_from_outside_reach_the_screen() {
    let mut app = app();
    app.observe(Event::Jobs(5));
    assert!(shown(&app, 160, 45).contains("5 at once"));
    app.observe(Event::Halted { reason: "s/x: No space left on device".into() });
    assert!(shown(&app, 160, 45).contains("No space left on device, then P goes on"));
    app.observe(Event::Ending { after_epoch: true });
    assert!(shown(&app, 160, 45).contains("ending after this epoch"));
    app.observe(Event::Idle);
    let effects = settle(&mut app);
    assert!(effects.iter().any(|e| matches!(e, Effect::Leave(Outcome::Quit { after_epoch: true }))));
}

#[test]
fn overlays_look_as_recorded() {
    let mut app = app();
    press(&mut app, "?");
    insta::assert_snapshot!("help_100x30", shown(&app, 100, 30));
    press(&mut app, "⎋q");
    insta::assert_snapshot!("quit_80x24", shown(&app, 80, 24));
    press(&mut app, "⎋S");
    insta::assert_snapshot!("stop_80x24", shown(&app, 80, 24));
    press(&mut app, "n2/label=boat");
    insta::assert_snapshot!("filter_error_100x30", shown(&app, 100, 30));
}

#[test]
fn every_size_draws_on_every_tab() {
    let mut app = app();
    for tab in [Tab::Train, Tab::Examples, Tab::Correlation] {
        app.act(tab.action());
        settle(&mut app);
        let mut view = View::default();
        let sizes = (1..=300).step_by(13).flat_map(|w| (1..=100).step_by(7).map(move |h| (w, h)));
        for (width, height) in sizes.chain([(60, 15), (59, 15), (60, 14), (95, 23), (96, 24), (119, 26), (120, 26)]) {
            drawn(&app, &mut view, width, height);
        }
    }
}

#[test]
fn a_small_screen_gets_a_plain_message() {
    let text = shown(&app(), 40, 8);
    assert!(text.contains("diffscope needs 60 × 15"), "{text}");
}

#[test]
fn nothing_is_cut_inside_the_reading_and_the_train_tab_names_its_subject() {
    let text = shown(&app(), 160, 45);
    for word in ["epoch", "Forgetting", "Margin", "never learned", "ETA"] {
        assert!(text.contains(word), "{word} is missing:\n{text}");
    }
}

#[test]
fn a_study_that_is_opened_again_shows_what_happened_before() {
    let id = session().board.snapshot()[0].progress.id.clone();
    let past = Session { log: vec![(id.clone(), "started".into()), (id, "finished".into())], ..session() };
    let mut app = App::new(past, Theme::new(Choice::Dark, Depth::True, None), Mode::Off);
    settle(&mut app);
    let text = shown(&app, 160, 45);
    assert!(text.contains("resnet8/000: finished") && !text.contains("Nothing has happened yet"), "{text}");
}

#[test]
fn all_are_paused_unless_the_study_stands_still_because_it_is_paused() {
    let mut app = app();
    let as_if = |app: &mut App, running: State| {
        for view in app.views.iter().filter(|view| view.progress.state != State::Finished) {
            app.session.board.update(&view.progress.id, |view| view.progress.state = running);
        }
        app.refresh();
    };
    for (state, command) in [
        (State::Running, Command::Pause(Target::All)),
        (State::Queued, Command::Pause(Target::All)),
        (State::Paused, Command::Resume(Target::All)),
    ] {
        as_if(&mut app, state);
        assert_eq!(sent(&press(&mut app, "P")), [command], "{state:?}");
    }
}

#[test]
fn models_that_the_header_has_no_room_for_are_counted() {
    let app = app();
    let header = |width| shown(&app, width, 24).lines().next().unwrap().to_owned();
    assert!(header(160).contains("resnet8 ×4   mlp-512x7 ×4") && !header(160).contains("more"), "{}", header(160));
    let (mut counted, mut bare) = (false, false);
    for width in 60..160 {
        let text = header(width);
        let all = text.contains("resnet8 ×4") && text.contains("mlp-512x7 ×4");
        counted |= text.contains("resnet8 ×4   +1 more");
        bare |= text.contains("2 models");
        assert!(!text.contains("resnet8 ×4") || all || text.contains("+1 more"), "{width}: {text}");
    }
    assert!(counted && bare);
}

#[test]
fn live_numbers_move_within_an_epoch() {
    let mut app = app();
    let before = shown(&app, 160, 45);
    let id = app.replicate().unwrap().progress.id.clone();
    app.session.board.update(&id, |view| view.progress.step += 4);
    assert!(app.refresh());
    assert_ne!(before, shown(&app, 160, 45));
    assert!(!app.refresh(), "an unchanged board asks for no frame");
}

#[test]
fn what_stops_work_asks_once_and_the_rest_acts_at_once() {
    let (session, _commands) = session_with_commands();
    let mut app = App::new(session, Theme::new(Choice::Dark, Depth::True, None), Mode::Off);
    settle(&mut app);
    let id = app.replicate().unwrap().progress.id.clone();
    assert_eq!(sent(&press(&mut app, "p")), [Command::Pause(Target::One(id.clone()))]);
    assert_eq!(sent(&press(&mut app, "S")), []);
    assert_eq!(sent(&press(&mut app, "y")), [Command::StopAfterEpoch(Target::One(id.clone()))]);
    assert_eq!(sent(&press(&mut app, "Xn")), []);
    assert_eq!(sent(&press(&mut app, "Xy+P")), [Command::Skip(id), Command::Jobs(3), Command::Pause(Target::All)]);
}

#[test]
fn a_disabled_key_says_why() {
    let mut app = app();
    press(&mut app, "R");
    let message = app.message.clone().unwrap().0;
    assert!(message.contains("running") && message.contains("retried"), "{message}");
    let read_only = Session { commands: None, ..session() };
    let mut app = App::new(read_only, Theme::new(Choice::Dark, Depth::None, None), Mode::Blocks);
    press(&mut app, "p");
    assert!(app.message.clone().unwrap().0.contains("for reading only"));
    assert!(shown(&app, 100, 30).contains("for reading only"));
}

#[test]
fn quitting_asks_only_while_something_runs() {
    let leaves =
        |effects: &[Effect]| effects.iter().find_map(|e| if let Effect::Leave(o) = e { Some(*o) } else { None });
    let mut app = app();
    assert_eq!(leaves(&press(&mut app, "q")), None);
    let effects = press(&mut app, "a");
    assert_eq!((leaves(&effects), sent(&effects)), (None, vec![Command::Quit { after_epoch: true }]));
    assert!(shown(&app, 100, 30).contains("ending after this epoch"));
    assert_eq!(leaves(&press(&mut app, "q")), Some(Outcome::Quit { after_epoch: false }), "a second q ends at once");
    app.observe(Event::Idle);
    assert_eq!(leaves(&app.take_effects()), Some(Outcome::Quit { after_epoch: true }));
    let mut other = super::fixture::app();
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    other.key(interrupt);
    assert_eq!(leaves(&other.take_effects()), None);
    other.key(interrupt);
    assert_eq!(leaves(&other.take_effects()), Some(Outcome::Quit { after_epoch: false }));
    let mut calm = super::fixture::app();
    for view in calm.session.board.snapshot() {
        calm.session.board.update(&view.progress.id, |view| view.progress.state = State::Finished);
    }
    calm.refresh();
    assert_eq!(leaves(&press(&mut calm, "q")), Some(Outcome::Finished));
}

#[test]
fn a_study_without_anything_draws_everywhere() {
    let nothing = || Session {
        dataset: None,
        examples: std::sync::Arc::default(),
        scores: std::sync::Arc::default(),
        board: std::sync::Arc::new(Board::new(Vec::new())),
        commands: None,
        ..session()
    };
    let mut app = App::new(nothing(), Theme::new(Choice::Light, Depth::Palette, None), Mode::Blocks);
    for keys in ["1", "2", "5", "1↓→pSXR+-gm", "2↓→o nN/x⏎", "5↓→tm"] {
        press(&mut app, keys);
        shown(&app, 160, 45);
        shown(&app, 80, 24);
    }
}

#[test]
fn a_click_selects_what_was_drawn_there() {
    let mut app = app();
    let mut view = View::default();
    press(&mut app, "2");
    drawn(&app, &mut view, 160, 45);
    let click = |column, row| MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column,
        row,
        modifiers: KeyModifiers::NONE,
    };
    app.mouse(click(4, 8), &view);
    assert_eq!(app.examples.cursor(), 4);
    app.mouse(click(3, 1), &view);
    assert_eq!(app.tab, Tab::Train);
}

#[test]
fn every_difference_between_two_frames_is_what_changed() {
    // At rest the second frame of the same state sends nothing.
    let app = app();
    let mut view = View::default();
    let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
    let first = terminal.draw(|frame| render(&app, &mut view, frame.buffer_mut())).unwrap().buffer.clone();
    let second = terminal.draw(|frame| render(&app, &mut view, frame.buffer_mut())).unwrap().buffer.clone();
    assert_eq!(first.diff(&second), []);
}

#[test]
fn sixels_are_used_only_where_the_terminal_answers_for_them() {
    let cell = Some((10, 20));
    let able = Answers { sixel: true, cell, ..Answers::default() };
    let sixel = Mode::Sixel { width: 10, height: 20 };
    assert_eq!(picture_mode(Graphics::Auto, &able, false), sixel);
    assert_eq!(picture_mode(Graphics::Auto, &able, true), Mode::Blocks);
    assert_eq!(picture_mode(Graphics::Auto, &Answers { cell: None, ..able.clone() }, false), Mode::Blocks);
    assert_eq!(picture_mode(Graphics::Auto, &Answers::default(), false), Mode::Blocks);
    assert_eq!(picture_mode(Graphics::Sixel, &Answers { sixel: false, ..able }, true), sixel);
    assert!(is_multiplexed(|name| (name == "TERM").then(|| "tmux-256color".into())));
    assert!(!is_multiplexed(|name| (name == "TERM").then(|| "xterm".into())));
}

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        8 => prop::sample::select("12 5pPSXR+-gofnNtmwzqyaj khlG?/=<>()\"ax".chars().map(KeyCode::Char).collect::<Vec<_>>()),
        3 => prop::sample::select(vec![KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown,
            KeyCode::Home, KeyCode::End, KeyCode::Tab, KeyCode::BackTab, KeyCode::Enter, KeyCode::Esc, KeyCode::Backspace]),
        1 => any::<char>().prop_map(KeyCode::Char),
    ];
    (code, prop::bool::weighted(0.1)).prop_map(|(code, control)| {
        KeyEvent::new(code, if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sequence_of_keys_and_sizes_panics(
        keys in prop::collection::vec((any_key(), 1..180_u16, 1..50_u16), 1..60),
        sixel in any::<bool>(),
    ) {
        let mut app = app();
        if sixel {
            app.pictures = Mode::Sixel { width: 9, height: 18 };
        }
        let mut view = View::default();
        for (key, width, height) in keys {
            app.key(key);
            settle(&mut app);
            drawn(&app, &mut view, width, height);
            app.page = view.page;
        }
    }
}
