//! What can this terminal do? Asked once, before anything else reads the keyboard.
//!
//! One write: the cell size (`CSI 16 t`), the background colour (`OSC 11`), and last the device attributes
//! (`DA1`), which every terminal answers: its answer is the fence behind which nothing else will come. A terminal
//! that stays silent costs the deadline once. Keys typed meanwhile are kept.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What the terminal answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// Whether it draws sixels.
    pub sixel: bool,
    /// Pixels per column and row.
    pub cell: Option<(u16, u16)>,
    /// Whether its background is light.
    pub light: Option<bool>,
    /// Keys that were typed while it answered.
    pub typed: Vec<KeyEvent>,
}

const QUESTIONS: &[u8] = b"\x1b[16t\x1b]11;?\x1b\\\x1b[c";
const DEADLINE: Duration = Duration::from_millis(1500);

/// Asks the terminal; needs raw mode. Without a terminal, or when it is silent, the answers are empty.
pub fn ask() -> Answers {
    let (input, mut output) = (std::io::stdin(), std::io::stdout());
    if !input.is_terminal() || !output.is_terminal() {
        return Answers::default();
    }
    if output.write_all(QUESTIONS).and_then(|()| output.flush()).is_err() {
        return Answers::default();
    }
    let end = Instant::now() + DEADLINE;
    let mut heard = Vec::new();
    while !understand(&heard).1 {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || !ready(left) {
            break;
        }
        let mut chunk = [0; 512];
        // Not through the standard library's buffer, where keys would stay behind.
        match rustix::io::read(&input, &mut chunk) {
            Ok(n) if n > 0 => heard.extend_from_slice(&chunk[..n]),
            _ => break,
        }
    }
    let mut answers = understand(&heard).0;
    if answers.cell.is_none() {
        answers.cell = cell_from_window();
    }
    answers
}

/// Whether the keyboard has something within the time.
fn ready(time: Duration) -> bool {
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let Ok(time) = Timespec::try_from(time) else { return false };
    matches!(poll(&mut fds, Some(&time)), Ok(n) if n > 0)
}

/// The cell size by the window's pixels, for terminals that are silent on 16 t.
fn cell_from_window() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    let cell = (size.ws_xpixel.checked_div(size.ws_col)?, size.ws_ypixel.checked_div(size.ws_row)?);
    plausible(cell)
}

fn plausible(cell: (u16, u16)) -> Option<(u16, u16)> {
    ((2..=100).contains(&cell.0) && (4..=200).contains(&cell.1)).then_some(cell)
}

/// Splits what was heard into answers and typed keys; whether the fence was heard.
fn understand(heard: &[u8]) -> (Answers, bool) {
    let mut answers = Answers::default();
    let mut fenced = false;
    let mut rest = heard;
    while let Some((first, after)) = rest.split_first() {
        if *first != 0x1b {
            let length = utf8_length(*first).min(rest.len());
            let (character, after) = rest.split_at(length);
            answers.typed.extend(std::str::from_utf8(character).ok().and_then(|s| s.chars().next()).map(key));
            rest = after;
            continue;
        }
        match after.first() {
            Some(b'[') => {
                let end = after.iter().skip(1).position(|b| (0x40..=0x7e).contains(b)).map_or(after.len(), |i| i + 2);
                let (sequence, after) = after.split_at(end);
                fenced |= control(&String::from_utf8_lossy(sequence.get(1..).unwrap_or(&[])), &mut answers);
                rest = after;
            }
            Some(b']') => {
                let end = after.iter().position(|b| *b == 0x07 || *b == 0x1b).unwrap_or(after.len());
                let (sequence, after) = after.split_at(end);
                answers.light = answers.light.or(light(&String::from_utf8_lossy(sequence)));
                let terminator = if after.starts_with(b"\x1b\\") { 2 } else { 1 };
                rest = after.get(terminator..).unwrap_or(&[]);
            }
            Some(b'O') => {
                answers.typed.extend(after.get(1).and_then(|b| arrow(*b)));
                rest = after.get(2..).unwrap_or(&[]);
            }
            _ => {
                answers.typed.push(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
                rest = after;
            }
        }
    }
    (answers, fenced)
}

/// A control sequence without its start: an answer, or an arrow key. Whether it was the fence.
fn control(sequence: &str, answers: &mut Answers) -> bool {
    if let Some(attributes) = sequence.strip_prefix('?').and_then(|s| s.strip_suffix('c')) {
        answers.sixel = attributes.split(';').any(|attribute| attribute == "4");
        return true;
    }
    if let Some(size) = sequence.strip_prefix("6;").and_then(|s| s.strip_suffix('t')) {
        let mut numbers = size.split(';').map(str::parse::<u16>);
        if let (Some(Ok(height)), Some(Ok(width))) = (numbers.next(), numbers.next()) {
            answers.cell = plausible((width, height));
        }
    } else if sequence.len() == 1 {
        answers.typed.extend(sequence.bytes().next().and_then(arrow));
    }
    false
}

fn arrow(byte: u8) -> Option<KeyEvent> {
    let code = match byte {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'Z' => KeyCode::BackTab,
        _ => return None,
    };
    Some(KeyEvent::new(code, KeyModifiers::NONE))
}

fn key(character: char) -> KeyEvent {
    match character {
        '\r' | '\n' => KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE),
        '\t' => KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE),
        '\u{7f}' | '\u{8}' => KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE),
        '\u{1}'..='\u{1a}' => {
            let letter = char::from(b'a' - 1 + character as u8);
            KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
        }
        _ => KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE),
    }
}

fn utf8_length(first: u8) -> usize {
    match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    }
}

/// Whether `]11;rgb:rrrr/gggg/bbbb` is a light colour.
fn light(sequence: &str) -> Option<bool> {
    let channels = sequence.strip_prefix("]11;rgb:")?.split('/');
    let values: Vec<f64> = channels
        .filter_map(|hex| {
            Some(
                f64::from(u32::from_str_radix(hex.get(..4.min(hex.len()))?, 16).ok()?)
                    / 16_f64.powi(hex.len().min(4) as i32),
            )
        })
        .collect();
    let [r, g, b] = values.as_slice() else { return None };
    Some(0.30 * r + 0.59 * g + 0.11 * b > 0.5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_and_type_ahead_are_told_apart() {
        let heard = b"j\x1b[6;20;10t\x1b]11;rgb:ffff/fefe/fefe\x1b\\2\x1b[B\x1b[?63;1;4;6c";
        let (answers, fenced) = understand(heard);
        assert!(fenced && answers.sixel);
        assert_eq!((answers.cell, answers.light), (Some((10, 20)), Some(true)));
        let typed: Vec<KeyCode> = answers.typed.iter().map(|key| key.code).collect();
        assert_eq!(typed, [KeyCode::Char('j'), KeyCode::Char('2'), KeyCode::Down]);
    }

    #[test]
    fn the_fence_is_waited_for_and_a_plain_terminal_has_no_sixels() {
        assert!(!understand(b"\x1b[6;20;10t\x1b[?6").1);
        let (answers, fenced) = understand(b"\x1b]11;rgb:00/00/10\x07\x1b[?62;1;14c");
        assert!(fenced && !answers.sixel);
        assert_eq!((answers.cell, answers.light), (None, Some(false)));
        assert_eq!(understand(b"\x1b[6;0;0t").0.cell, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_panic(heard in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = understand(&heard);
        }
    }
}
