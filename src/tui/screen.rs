//! What is where? One line for the study, one for the tabs, the body, the reading (one line, up to three where an analysis says
//! more), one line of keys.
//!
//! ```text
//!  study, counts                         gauge, ETA
//!  tabs                                       model
//!  body of the open tab
//!  reading, or a message for a while
//!  keys of the focused pane          ? help  q quit
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::app::App;
use super::pictures::Gallery;
use super::tabs::{TABS, Tab, answer, correlation, examples, train};
use super::widgets::{bars, line, line_right, lines, whole_parts};
use super::{format, keys, overlays};
use crate::store::record::State;
use crate::train::eta;

/// Columns on which what a correlation says has one line.
const CORRELATION: u16 = 140;

/// Smallest size on which the workbench is drawn.
const SMALLEST: (u16, u16) = (60, 15);

/// What a click hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A tab's name.
    Tab(Tab),
    /// A pane.
    Pane(usize),
    /// A replicate, by its place on the board.
    Replicate(usize),
    /// A row of the example table.
    Row(usize),
    /// A column of the example table.
    Column(usize),
    /// An example's picture.
    Example(usize),
    /// A figure in the list of an answer.
    Figure(usize),
    /// A cell of a matrix: matrix, row, column.
    Cell(usize, usize, usize),
}

/// What is known only while drawing.
#[derive(Debug, Default)]
pub struct View {
    /// Places that can be clicked; later ones lie on top.
    pub targets: Vec<(Rect, Target)>,
    /// Pictures, wanted and shown.
    pub gallery: Gallery,
    /// Rows of the list that Page Up and Down move through.
    pub page: usize,
    /// First replicate shown.
    pub first_replicate: usize,
    /// First table row shown.
    pub first_row: usize,
    /// First score column shown.
    pub first_column: usize,
}

/// Draws everything.
pub fn render(app: &App, view: &mut View, buf: &mut Buffer) {
    view.targets.clear();
    view.gallery.begin();
    let area = buf.area;
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text =
            format!("diffscope needs {} × {} cells; this is {} × {}", SMALLEST.0, SMALLEST.1, area.width, area.height);
        lines(buf, area, format::wrap(&text, area.width.into()).into_iter().map(Line::from));
        return;
    }
    header(app, buf, Rect { height: 1, ..area });
    tab_line(app, view, buf, area.y + 1);
    let said = reading_rows(app, area);
    let body = Rect { y: area.y + 2, height: area.height.saturating_sub(3 + said), ..area };
    let reading = match app.tab {
        Tab::Train => train::render(app, view, buf, body),
        Tab::Examples => examples::render(app, view, buf, body),
        Tab::Correlation => correlation::render(app, view, buf, body),
        Tab::Answer(name) => answer::render(app, view, buf, body, name),
    };
    draw_reading(app, buf, Rect { y: body.bottom(), height: said, ..area }, &reading);
    footer(app, buf, Rect { y: area.bottom() - 1, height: 1, ..area });
    overlays::render(app, buf, body);
    view.gallery.settle(buf);
}

fn header(app: &App, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let (share, eta) = app.outlook();
    // On a narrow screen the counts need the room more.
    let gauge_width = if area.width >= 100 { area.width / 8 } else { 0 };
    let mut right = bars::gauge(share, gauge_width, theme.accent(), theme.frame());
    right.push(Span::raw(format!(" {:>3.0} %", (share * 100.0).floor())));
    right.push(Span::styled(
        eta.map_or_else(String::new, |eta| format!("  ETA {}", format::duration(eta))),
        theme.strong(),
    ));
    let right = Line::from(right);
    let room = area.width.saturating_sub(right.width() as u16 + 4);
    line_right(buf, area.right() - 1, area.y, area.width, right);
    let mut left =
        vec![Span::raw(" "), Span::styled(format::fit(&app.session.name, usize::from(room / 2)), theme.strong())];
    left.extend(counts(app));
    let used: usize = left.iter().map(Span::width).sum();
    left.extend(models(app, usize::from(room).saturating_sub(used)));
    line(buf, area.x, area.y, room, whole_parts(left, room));
}

/// How many replicates are in which state.
fn counts(app: &App) -> Vec<Span<'static>> {
    let theme = app.theme;
    let all = app.views.len();
    let non_finite = app.views.iter().filter(|view| view.progress.non_finite).count();
    let mut parts = vec![
        Span::styled(
            format!("   ▶ running {}", app.running()),
            if app.running() > 0 { theme.accent() } else { theme.dim() },
        ),
        Span::styled(format!("   ✔ done {} of {all}", app.count(State::Finished)), theme.good()),
    ];
    if app.ending {
        parts.push(Span::styled("   ending after this epoch", theme.attention()));
    }
    for (count, text, style) in [
        (app.count(State::Paused), "   ‖ paused", theme.attention()),
        (app.count(State::Failed), "   ✘ failed", theme.bad()),
        (non_finite, "   ! non-finite", theme.bad()),
        (app.count(State::Skipped), "   » skipped", theme.dim()),
    ] {
        if count > 0 {
            parts.push(Span::styled(format!("{text} {count}"), style));
        }
    }
    parts
}

/// The models with their runs, as many as there is room for; those left out are counted.
fn models(app: &App, room: usize) -> Vec<Span<'static>> {
    let of = |model: &str| app.views.iter().filter(|view| view.progress.id.label == model).count();
    let span = |text: String| Span::styled(text, app.theme.dim());
    let parts: Vec<Span> = app.models.iter().map(|model| span(format!("   {model} ×{}", of(model)))).collect();
    let more = |shown: usize| match (shown, parts.len() - shown) {
        (_, 0) => None,
        (0, left) => Some(span(format!("   {}", format::plural(left, "model", "models")))),
        (_, left) => Some(span(format!("   +{left} more"))),
    };
    let shown = |count: usize| parts.iter().take(count).cloned().chain(more(count)).collect::<Vec<_>>();
    let fits = |spans: &Vec<Span>| spans.iter().map(Span::width).sum::<usize>() <= room;
    (0..=parts.len()).rev().map(shown).find(fits).unwrap_or_default()
}

fn tab_line(app: &App, view: &mut View, buf: &mut Buffer, y: u16) {
    let theme = app.theme;
    let mut x = buf.area.x + 1;
    let label = app.model_name().map_or(0, |model| model.chars().count() as u16 + 4);
    for (tab, text) in tab_texts(app.tab, buf.area.width.saturating_sub(label + 2)) {
        let style = if tab == app.tab { theme.strong().add_modifier(Modifier::REVERSED) } else { theme.dim() };
        let start = x;
        x = line(buf, x, y, buf.area.width.saturating_sub(x), Line::styled(text, style));
        view.targets.push((Rect::new(start, y, x - start, 1), Target::Tab(tab)));
        x += 1;
    }
    if let Some(model) = app.model_name() {
        let text = Line::from(vec![Span::styled("● ", theme.model(app.model)), Span::raw(model.to_owned())]);
        line_right(buf, buf.area.right() - 1, y, buf.area.width.saturating_sub(x), text);
    }
}

/// What stands for each tab: the open one has its name, the others as far as there is room, from the left; then their keys alone.
fn tab_texts(open: Tab, room: u16) -> Vec<(Tab, String)> {
    let named = |tab: Tab| format!(" {} {} ", tab.name().0, tab.name().1);
    let width = |text: &str| text.chars().count() + 1;
    let mut texts: Vec<(Tab, String)> = TABS.iter().map(|tab| (*tab, format!(" {} ", tab.name().0))).collect();
    let mut used: usize = texts.iter().map(|(_, text)| width(text)).sum();
    let order: Vec<usize> = (0..texts.len()).collect();
    let (first, rest): (Vec<usize>, Vec<usize>) =
        order.into_iter().partition(|place| texts.get(*place).is_some_and(|(tab, _)| *tab == open));
    for place in first.into_iter().chain(rest) {
        let Some((tab, text)) = texts.get_mut(place) else { continue };
        let more = width(&named(*tab)) - width(text);
        if *tab != open && used + more > usize::from(room) {
            break;
        }
        used += more;
        *text = named(*tab);
    }
    texts
}

/// Columns of the reading.
fn reading_width(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(2))
}

/// Whether a reading is longer than the lines that it has on this screen.
pub fn is_cut(app: &App, area: Rect, reading: &str) -> bool {
    format::wrap(reading, reading_width(area)).len() > usize::from(reading_rows(app, area))
}

/// Lines of the reading. An analysis has as many as its answer needs and the screen can spare, also while a mark or a message is
/// told: nothing jumps.
fn reading_rows(app: &App, area: Rect) -> u16 {
    let most = match area.height {
        40.. => 3,
        24.. => 2,
        _ => 1,
    };
    match app.tab {
        Tab::Answer(name) => app.longest_reading(name, reading_width(area)).clamp(1, most) as u16,
        // Two names, a number, its interval and what is behind it.
        Tab::Correlation if area.width < CORRELATION => most.min(2) as u16,
        _ => 1,
    }
}

fn draw_reading(app: &App, buf: &mut Buffer, area: Rect, reading: &str) {
    let (text, style) = match &app.message {
        Some((message, _)) => (message.as_str(), app.theme.attention()),
        None => (reading, Style::new()),
    };
    let (width, inner) = (reading_width(area), Rect { x: area.x + 1, width: area.width - 2, ..area });
    let text = match area.height {
        1 => vec![format::whole_words(text, width)],
        rows => format::wrap_to_words(text, width, rows.into()),
    };
    lines(buf, inner, text.into_iter().map(|text| Line::styled(text, style)));
}

fn footer(app: &App, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let context = app.context();
    let key = |binding: &keys::Binding| {
        let style = if app.enabled(binding.action).is_ok() { theme.accent() } else { theme.dim() };
        vec![Span::styled(binding.shown, style), Span::styled(format!(" {}", binding.word), theme.dim())]
    };
    let is_last = |binding: &keys::Binding| matches!(binding.action, keys::Action::Help | keys::Action::Quit);
    let last: Vec<Span> = keys::footer(context)
        .filter(|binding| is_last(binding))
        .flat_map(|binding| [key(binding), vec![Span::raw("  ")]].concat())
        .collect();
    let last = Line::from(last);
    let mut room = area.width.saturating_sub(last.width() as u16 + 1);
    line_right(buf, area.right(), area.y, area.width, last);
    let mut x = area.x + 1;
    for binding in keys::footer(context).filter(|binding| !is_last(binding)) {
        let text = Line::from(key(binding));
        let width = text.width() as u16 + 2;
        if width > room {
            break;
        }
        line(buf, x, area.y, width, text);
        x += width;
        room -= width;
    }
}

/// When the first running replicate of the selected model ends, in words.
pub fn first_end(app: &App) -> String {
    let left = eta::next_finish(&app.progress(), app.session.examples.train, app.model_name());
    match left {
        Some(seconds) if seconds <= 0.0 => "the first is at the passes after its last epoch".into(),
        Some(seconds) => format!("the first ends in about {}", format::duration(seconds)),
        None if app.running() > 0 => "it is not that model's turn yet".into(),
        None => "none is running".into(),
    }
}
