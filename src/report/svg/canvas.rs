//! What is drawn on: elements of SVG with classes instead of colours, so that a page can be dark and a file light.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use crate::report::escape::xml;

/// A drawing without its frame: what stands between `<svg>` and `</svg>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
    /// The elements.
    pub body: String,
}

/// Where a text stands relative to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// It is centred there.
    Middle,
    /// It ends there.
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// Height of a line of text.
pub const LINE: f64 = 15.0;
/// Space around everything.
pub const MARGIN: f64 = 10.0;
/// How many colours there are for series.
pub const COLOURS: usize = 10;

/// Elements so far, and the height that they take.
#[derive(Debug, Default)]
pub struct Canvas {
    body: String,
}

impl Canvas {
    /// The drawing of this size.
    pub fn done(self, width: f64, height: f64) -> Drawing {
        Drawing { width: width.ceil(), height: height.ceil(), body: self.body }
    }

    /// The title, in as many lines as it needs; gives where the rest begins.
    pub fn title(&mut self, title: &str, width: f64) -> f64 {
        let mut y = MARGIN;
        for line in wrapped(title, width - 2.0 * MARGIN, 13.5) {
            y += LINE;
            self.text((MARGIN, y - 3.0), Anchor::Start, "h", &line);
        }
        y + 6.0
    }

    /// A text; its place is that of its baseline.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let (anchor, text) = (anchor.name(), xml(text));
        let _ = write!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"
        );
    }

    /// A text that ends at its place and comes from the lower left.
    pub fn slanted(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        let text = xml(text);
        let _ = write!(
            self.body,
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-{SLANT})\" text-anchor=\"end\" class=\"{class}\">{text}</text>"
        );
    }

    /// A rectangle with a tooltip, where there is one; `more` are further attributes.
    pub fn rect(&mut self, (x, y, width, height): (f64, f64, f64, f64), class: &str, more: &str, tip: &str) {
        let (width, height) = (width.max(0.0), height.max(0.0));
        let _ = write!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"{more}>"
        );
        self.tip(tip);
        self.body.push_str("</rect>");
    }

    /// A straight line.
    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        let _ =
            write!(self.body, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>");
    }

    /// A disc with a tooltip.
    pub fn disc(&mut self, (x, y): (f64, f64), radius: f64, class: &str, tip: &str) {
        let _ = write!(self.body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" class=\"{class}\">");
        self.tip(tip);
        self.body.push_str("</circle>");
    }

    /// A line through points (`polyline`), or the area that they enclose (`polygon`).
    pub fn through(&mut self, element: &str, points: &[(f64, f64)], class: &str, more: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(self.body, "<{element} points=\"{}\" class=\"{class}\"{more}/>", points.join(" "));
    }

    /// A picture from a data URI.
    pub fn image(&mut self, (x, y, width, height): (f64, f64, f64, f64), uri: &str, tip: &str) {
        let uri = xml(uri);
        let _ = write!(
            self.body,
            "<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"p\" href=\"{uri}\">"
        );
        self.tip(tip);
        self.body.push_str("</image>");
    }

    /// A whole drawing at a place.
    pub fn nest(&mut self, (x, y): (f64, f64), drawing: &Drawing) {
        let Drawing { width, height, body } = drawing;
        let _ = write!(
            self.body,
            "<svg x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">{body}</svg>"
        );
    }

    fn tip(&mut self, tip: &str) {
        if !tip.is_empty() {
            let _ = write!(self.body, "<title>{}</title>", xml(tip));
        }
    }
}

/// Degrees by which slanted names rise.
pub const SLANT: f64 = 45.0;

/// How wide a text is, about: fonts differ from reader to reader.
pub fn width_of(text: &str, size: f64) -> f64 {
    0.58 * size * text.width() as f64
}

/// Lines that fit a width; a word that doesn't is cut into pieces.
pub fn wrapped(text: &str, width: f64, size: f64) -> Vec<String> {
    let room = ((width / (0.58 * size)) as usize).max(8);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        for piece in pieces(word, room) {
            match lines.last_mut() {
                Some(line) if line.width() + 1 + piece.width() <= room => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
            }
        }
    }
    lines
}

fn pieces(word: &str, room: usize) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    characters.chunks(room).map(|piece| piece.iter().collect()).collect()
}

/// A text of at most so many characters, its middle left out where it is longer.
pub fn shortened(text: &str, most: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= most {
        return text.to_owned();
    }
    let (head, tail) = (most.saturating_sub(1).div_ceil(2), most.saturating_sub(1) / 2);
    let head: String = characters.iter().take(head).collect();
    let tail: String = characters.iter().skip(characters.len() - tail).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_wrap_at_words_and_long_words_are_cut() {
        let room = |characters: usize| 0.58 * 10.0 * (characters as f64 + 0.01);
        assert_eq!(wrapped("one two three four", room(9), 10.0), ["one two", "three", "four"]);
        assert_eq!(wrapped("abcdefghijkl", room(8), 10.0), ["abcdefgh", "ijkl"]);
        assert_eq!((shortened("abcdefghij", 5), shortened("abc", 5)), ("ab…ij".into(), "abc".into()));
    }
}
