//! What do the marks mean? Names with their marks, as many as there is room for, whole; the rest is counted.

use ratatui::text::{Line, Span};

use crate::tui::theme::Theme;

/// Whole parts on so many lines at most; those that have no room are counted.
pub fn packed(parts: Vec<Span<'static>>, width: u16, most: usize, theme: Theme) -> Vec<Line<'static>> {
    let all = parts.len();
    let more = |left: usize| Span::styled(format!("+{left} more"), theme.dim());
    let mut lines = vec![Line::default()];
    for (place, part) in parts.into_iter().enumerate() {
        let (count, room) = (lines.len(), usize::from(width));
        let Some(last) = lines.last_mut() else { break };
        let rest = all - place;
        // The last line keeps room for the count of what is left out.
        let kept = if count == most && rest > 1 { more(rest - 1).width() } else { 0 };
        // Blanks behind the last part may be cut.
        let length = part.content.trim_end().chars().count();
        if last.width() + length + kept <= room || last.spans.is_empty() {
            last.push_span(part);
        } else if count < most {
            lines.push(Line::from(part));
        } else {
            last.push_span(more(rest));
            break;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Choice, Depth};

    #[test]
    fn parts_are_whole_or_counted() {
        let shown = |width: u16, most: usize| {
            let parts = ["█ PC 1 .850  ", "█ PC 2 .100  ", "█ rest .050  "].map(Span::raw).to_vec();
            let lines = packed(parts, width, most, Theme::new(Choice::Dark, Depth::None, None));
            lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(37, 1), ["█ PC 1 .850  █ PC 2 .100  █ rest .050"]);
        assert_eq!(shown(36, 1), ["█ PC 1 .850  █ PC 2 .100  +1 more"]);
        assert_eq!(shown(30, 1), ["█ PC 1 .850  +2 more"]);
        assert_eq!(shown(30, 2), ["█ PC 1 .850  █ PC 2 .100", "█ rest .050"]);
    }
}
