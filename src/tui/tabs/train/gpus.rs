//! How busy are the GPUs? A row each below the replicates, or a few words in their title where there is no room.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use crate::train::gpus::Gpu;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::widgets::{bars, line, line_right, pane};

/// Rows that the replicates keep, frame and head included.
const KEPT: u16 = 7;
/// Widest gauge of a GPU's memory.
const GAUGE: u16 = 24;

/// The room of the replicates and, where it is large enough for both, of the GPUs.
pub fn divide(app: &App, area: Rect) -> (Rect, Option<Rect>) {
    let rows = u16::try_from(app.gpus.len()).unwrap_or(u16::MAX).saturating_add(2);
    if app.gpus.is_empty() || area.height < KEPT.saturating_add(rows) {
        return (area, None);
    }
    let [replicates, gpus] = Layout::vertical([Constraint::Fill(1), Constraint::Length(rows)]).areas(area);
    (replicates, Some(gpus))
}

/// The GPUs in a few words, for a title.
pub fn words(gpus: &[Gpu]) -> Vec<String> {
    let busy = |gpu: &Gpu| gpu.busy.map_or_else(String::new, |busy| format!(", {busy} % busy"));
    gpus.iter().map(|gpu| format!(" · GPU {} {}{}", gpu.index, memory(gpu), busy(gpu))).collect()
}

/// Draws the pane.
pub fn render(app: &App, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let title =
        vec![Span::styled("GPUs", theme.strong()), Span::styled(" · memory in use, by all processes", theme.dim())];
    let inner = pane(buf, area, theme, title, false);
    let longest = app.gpus.iter().map(|gpu| gpu.name.chars().count()).max().unwrap_or(0) as u16;
    // Index, memory and utilisation stay; the gauge, then the name give way.
    let fixed = 4 + 18 + 12;
    let name = longest.min(inner.width.saturating_sub(fixed));
    let gauge = inner.width.saturating_sub(fixed + name + 2).min(GAUGE);
    for (y, gpu) in (inner.top()..inner.bottom()).zip(&app.gpus) {
        line(buf, inner.x, y, 3, Line::styled(format!("{:>2}", gpu.index), theme.dim()));
        line(buf, inner.x + 4, y, name, format::fit(&gpu.name, name.into()));
        let x = inner.x + 4 + name;
        if gauge > 4 {
            let filled = Line::from(bars::gauge(share(gpu), gauge, theme.accent(), theme.frame()));
            line(buf, x + 2, y, gauge, filled);
        }
        let right = x + if gauge > 4 { gauge + 2 } else { 0 };
        line_right(buf, right + 18, y, 17, memory(gpu));
        line_right(buf, right + 18 + 12, y, 11, busy(gpu));
    }
}

/// Share of the memory that is in use.
fn share(gpu: &Gpu) -> f64 {
    gpu.used as f64 / gpu.memory.max(1) as f64
}

/// `31.2 / 79.6 GiB`
fn memory(gpu: &Gpu) -> String {
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    format!("{:.1} / {:.1} GiB", gib(gpu.used), gib(gpu.memory))
}

fn busy(gpu: &Gpu) -> String {
    gpu.busy.map_or_else(|| format::MISSING.to_owned(), |busy| format!("{busy} % busy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_in_words() {
        let gpu =
            Gpu { index: 1, name: "made up".into(), used: 33_500_000_000, memory: 85_520_809_984, busy: Some(87) };
        assert_eq!(words(std::slice::from_ref(&gpu)), [" · GPU 1 31.2 / 79.6 GiB, 87 % busy"]);
        assert!((share(&gpu) - 0.3917).abs() < 1e-3);
        let quiet = Gpu { used: 0, memory: 0, busy: None, ..gpu };
        assert_eq!((memory(&quiet), busy(&quiet), share(&quiet)), ("0.0 / 0.0 GiB".into(), "·".into(), 0.0));
    }
}
