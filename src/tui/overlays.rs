//! What lies over the tab? The help, made from the key table, and the questions before work is stopped.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::app::{App, Overlay};
use super::widgets::{lines, popup, popup_at, scrolled};
use super::{format, keys};
use crate::data::Verdict;
use crate::scores::Harder;
use crate::train::eta;

/// Draws what lies over the body.
pub fn render(app: &App, buf: &mut Buffer, body: Rect) {
    match &app.overlay {
        None => {}
        Some(Overlay::Help(first)) => help(app, buf, body, *first),
        Some(Overlay::Confirm { question, .. }) => confirm(app, buf, body, question),
        Some(Overlay::Quit) => quit(app, buf, body),
        Some(Overlay::Scores(place)) => scores(app, buf, body, *place),
        Some(Overlay::Verdict) => verdict(app, buf, body),
        Some(Overlay::NewLabel(typed)) => new_label(app, buf, body, typed),
    }
}

fn help(app: &App, buf: &mut Buffer, body: Rect, first: usize) {
    let theme = app.theme;
    let mut text = Vec::new();
    for (title, bindings) in keys::help(app.tab.context()) {
        text.push(Line::styled(title, theme.strong()));
        for binding in bindings {
            let style = if app.enabled(binding.action).is_ok() { theme.accent() } else { theme.dim() };
            text.push(Line::from(vec![
                Span::styled(format!("{:>9}  ", binding.shown), style),
                Span::raw(binding.help),
            ]));
        }
        text.push(Line::raw(""));
    }
    text.push(Line::styled("Easy to hard, on every tab", theme.strong()));
    let step = |i: u8| {
        let hardness = f32::from(i) / 15.0;
        Span::styled(super::theme::level(hardness), theme.difficulty(hardness))
    };
    text.push(Line::from([vec![Span::raw("           ")], (0..16).map(step).collect()].concat()));
    let height = (text.len() as u16 + 2).min(body.height);
    let inner = popup(buf, body, theme, "Keys · grey: not now, press it to hear why", 84, height);
    let first = first.min(text.len().saturating_sub(usize::from(inner.height)));
    lines(buf, inner, text.into_iter().skip(first));
}

fn key_line(app: &App, keys: &'static str, text: String) -> Line<'static> {
    Line::from(vec![Span::styled(format!("{keys:>5}  "), app.theme.accent()), Span::raw(text)])
}

fn confirm(app: &App, buf: &mut Buffer, body: Rect, question: &str) {
    let mut text: Vec<Line> = format::wrap(question, 54).into_iter().map(Line::from).collect();
    text.push(Line::raw(""));
    text.extend(keys::footer(keys::Context::Confirm).map(|binding| key_line(app, binding.shown, binding.word.into())));
    let inner = popup(buf, body, app.theme, "Sure?", 60, text.len() as u16 + 2);
    lines(buf, inner, text);
}

/// The scores with what each is, those that are looked at marked.
fn scores(app: &App, buf: &mut Buffer, body: Rect, place: usize) {
    let theme = app.theme;
    let rows = app.session.scores.iter().zip(app.chosen_scores()).enumerate().map(|(at, (score, chosen))| {
        let style = if at == place { theme.selected() } else { theme.text() };
        let hard = if score.harder == Harder::High { "high" } else { "low" };
        let mark = if chosen { "[x]" } else { "[ ]" };
        Line::styled(format!(" {mark} {:<34} hard: {hard:<4} ", format::fit(&score.name, 34)), style)
    });
    let keys = keys::footer(keys::Context::Scores).map(|binding| format!("{} {}", binding.shown, binding.word));
    let title = format!("Scores of all analyses · {}", keys.collect::<Vec<_>>().join("  "));
    let height = (app.session.scores.len() as u16 + 2).min(body.height);
    let inner = popup(buf, body, theme, &title, 72, height);
    let first = scrolled(0, place, inner.height.into(), app.session.scores.len());
    lines(buf, inner, rows.skip(first));
}

/// Where the picture that is judged stays visible: it stands on the right of a wide screen, and at the bottom of a narrow one.
fn beside_the_picture(body: Rect, height: u16) -> Rect {
    let (width, height) = (68.min(body.width), height.min(body.height));
    let y = if body.width >= 96 && body.height >= 24 { body.bottom() - height } else { body.y };
    Rect { x: body.x, y, width, height }
}

/// What can be said of the selected example's label.
fn verdict(app: &App, buf: &mut Buffer, body: Rect) {
    let now = app.example.and_then(|example| app.own_review(example)).and_then(|review| review.verdict);
    let said = now.map_or("no verdict yet", Verdict::word);
    let (id, label) = app.example.map_or((0, String::new()), |example| {
        let examples = &app.session.examples;
        let label = examples.label(example).unwrap_or_else(|| "without a label".into());
        (examples.ids.get(example).copied().unwrap_or(0), label)
    });
    let mut text = vec![Line::from(format!("{label}: you say {said}")), Line::raw("")];
    text.extend(keys::footer(keys::Context::Verdict).map(|binding| {
        let help = if binding.word == "cancel" { String::new() } else { format!(": {}", binding.help) };
        key_line(app, binding.shown, format!("{}{help}", binding.word))
    }));
    let place = beside_the_picture(body, text.len() as u16 + 2);
    let inner = popup_at(buf, place, app.theme, &format!("Verdict on #{id}"));
    lines(buf, inner, text);
}

/// The classes with their numbers, and what is typed.
fn new_label(app: &App, buf: &mut Buffer, body: Rect, typed: &str) {
    let examples = &app.session.examples;
    let class = typed.parse::<u16>().ok().and_then(|class| examples.class_names.get(usize::from(class)));
    let meant = match class {
        Some(name) => format!("{typed} {name}"),
        None if typed.is_empty() => "not known".into(),
        None => format!("{typed}: no such class"),
    };
    let numbered = examples.class_names.iter().enumerate().map(|(class, name)| format!("{class} {name}"));
    let wrapped = format::wrap(&numbered.collect::<Vec<_>>().join(", "), 62);
    let room = usize::from(body.height.saturating_sub(9)).max(1);
    let mut text = vec![Line::from(format!("Its right label: {meant}")), Line::raw("")];
    text.extend(wrapped.into_iter().take(room).map(|part| Line::styled(part, app.theme.dim())));
    text.push(Line::raw(""));
    text.extend(
        keys::footer(keys::Context::NewLabel).map(|b| key_line(app, b.shown, format!("{}: {}", b.word, b.help))),
    );
    let place = beside_the_picture(body, text.len() as u16 + 2);
    let inner = popup_at(buf, place, app.theme, "Mislabelled: type the number of the right class");
    lines(buf, inner, text);
}

fn quit(app: &App, buf: &mut Buffer, body: Rect) {
    let running: Vec<_> = app.progress().into_iter().filter(|p| p.is_under_way()).collect();
    let train = app.session.examples.train;
    let wait = running.iter().filter_map(|p| eta::this_epoch(p, train)).fold(0.0, f64::max);
    let lost: f64 =
        running.iter().filter_map(|p| Some(eta::uncommitted_epochs(p) * eta::epoch_seconds(p, train)?)).sum();
    let runs = format::plural(running.len(), "replicate is", "replicates are");
    let text = [
        format!("{runs} under way. Quit"),
        String::new(),
        format!("after this epoch   in about {}; nothing is lost", format::duration(wait)),
        format!("now                loses {}: back to the checkpoints", format::duration(lost)),
        "cancel             go on".into(),
    ];
    let keys = ["", "", "a", "n", "Esc"];
    let text = keys.into_iter().zip(text).map(|(key, text)| key_line(app, key, text));
    let inner = popup(buf, body, app.theme, "Quit?", 70, 7);
    lines(buf, inner, text);
}
