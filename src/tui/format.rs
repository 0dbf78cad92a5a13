//! How are numbers written? Three significant digits, thousands in groups, NaN as a dot, durations in hours and minutes.

use unicode_width::UnicodeWidthStr;

/// What stands for a value that does not exist.
pub const MISSING: &str = "·";

/// A number with three significant digits; zero before the point is left out, thousands are grouped.
///
/// ```
/// use diffscope::tui::format::number;
/// assert_eq!([number(-0.4123), number(22.13), number(31_204.0)], ["-.412", "22.1", "31 204"]);
/// assert_eq!([number(f64::NAN), number(0.0), number(0.00042)], ["·", "0", "4.2e-4"]);
/// ```
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        MISSING.into()
    } else if value.is_infinite() {
        if value > 0.0 { "∞".into() } else { "-∞".into() }
    } else if size == 0.0 {
        "0".into()
    } else if size < 0.0005 {
        format!("{value:.1e}")
    } else {
        let text = match size {
            s if s < 0.9995 => format!("{value:.3}").replacen("0.", ".", 1),
            s if s < 9.995 => format!("{value:.2}"),
            s if s < 99.95 => format!("{value:.1}"),
            _ => return grouped(value.round()),
        };
        if text == "-.000" { "0".into() } else { text }
    }
}

/// A whole number with its thousands in groups.
pub fn count(value: usize) -> String {
    grouped(value as f64)
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0.0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A number padded so that a column of them is aligned at the point: `before` columns left of it, `after` from it on.
pub fn aligned(value: f64, before: usize, after: usize) -> String {
    let text = number(value);
    let (whole, fraction) =
        if text.contains('e') { (text.as_str(), "") } else { text.split_at(text.find('.').unwrap_or(text.len())) };
    if text.contains('e') {
        return format!("{text:>width$}", width = before + after);
    }
    format!("{whole:>before$}{fraction:<after$}")
}

/// A share in per cent, with one digit below 10.
pub fn percent(share: f64) -> String {
    if share.is_nan() {
        MISSING.into()
    } else if share < 0.1 {
        format!("{:.1} %", share * 100.0)
    } else {
        format!("{:.0} %", share * 100.0)
    }
}

/// A share without its leading zero, three digits: `.912`, `1.00`.
pub fn share(share: Option<f64>) -> String {
    share.map_or_else(|| MISSING.into(), number)
}

/// Seconds in the two largest units that matter: `41 s`, `3 min 5 s`, `3 h 12 min`, `2 d 4 h`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return MISSING.into();
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..600 if !s.is_multiple_of(60) => format!("{} min {} s", s / 60, s % 60),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// `1 run`, `2 runs`.
pub fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `8 runs`, or `5 of 8 runs` where it is a part of them.
pub fn part(part: usize, of: usize, one: &str, many: &str) -> String {
    let all = plural(of, one, many);
    if part == of { all } else { format!("{} of {all}", count(part)) }
}

/// The text, cut to so many columns between characters, with `…` where something was left out.
pub fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// The beginning of the text that fits, ended between sentences if it can be, else between clauses, else words.
pub fn whole_words(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room: String = fit(text, width).trim_end_matches('…').to_owned();
    let sentence = room.rfind(". ").map(|end| end + 1);
    let clause = || room.rfind([';', ',']).filter(|end| *end > room.len() / 2);
    let end = sentence.or_else(clause).or_else(|| room.rfind(' ')).unwrap_or(room.len());
    room.get(..end).unwrap_or_default().to_owned()
}

/// As [`wrap`], on so many lines at most: what has no room is left out between words. A word that is wider than a line is cut.
pub fn wrap_to_words(text: &str, width: usize, lines: usize) -> Vec<String> {
    let mut wrapped = wrap(text, width);
    let is_cut = wrapped.len() > lines;
    wrapped.truncate(lines);
    if let Some(last) = wrapped.last_mut().filter(|_| is_cut) {
        // The last word gives way where the dots have no room.
        while last.width() + 1 > width
            && let Some(end) = last.rfind(' ')
        {
            last.truncate(end);
        }
        last.push('…');
    }
    wrapped.into_iter().map(|line| fit(&line, width)).collect()
}

/// The text in lines of at most `width` columns, broken between words.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits_across_the_scale() {
        let shown: Vec<String> =
            [0.9996, 0.1, 9.996, 99.96, 999.6, 1_234_567.0, -1234.0, -0.0001].iter().map(|v| number(*v)).collect();
        assert_eq!(shown, ["1.00", ".100", "10.0", "100", "1 000", "1 234 567", "-1 234", "-1.0e-4"]);
    }

    #[test]
    fn a_column_of_numbers_is_aligned_at_the_point() {
        let column: Vec<String> = [-0.412, 3.21, 22.1, 160.0, f64::NAN].iter().map(|v| aligned(*v, 3, 4)).collect();
        assert_eq!(column, ["  -.412", "  3.21 ", " 22.1  ", "160    ", "  ·    "]);
    }

    #[test]
    fn durations_use_two_units() {
        let shown: Vec<String> = [0.4, 41.0, 185.0, 600.0, 11_520.0, 187_200.0, f64::INFINITY].map(duration).to_vec();
        assert_eq!(shown, ["0 s", "41 s", "3 min 5 s", "10 min", "3 h 12 min", "2 d 4 h", "·"]);
    }

    #[test]
    fn text_is_cut_by_columns_and_wrapped_between_words() {
        assert_eq!(fit("forgetting", 6), "forge…");
        assert_eq!(fit("äöü", 3), "äöü");
        assert_eq!(whole_words("One is. Two is, three is.", 12), "One is.");
        assert_eq!(whole_words("One is, as two is.", 9), "One is");
        assert_eq!(whole_words("twelve letters", 9), "twelve");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap_to_words("one two three four", 8, 2), ["one two", "three…"]);
        assert_eq!(wrap_to_words("one two three", 7, 1), ["one…"], "the dots have no room behind both");
        assert_eq!(wrap_to_words("one two three", 7, 2), ["one two", "three"]);
        assert_eq!(wrap_to_words("incomprehensible words", 5, 1), ["inco…"]);
        assert_eq!(wrap_to_words("an ankle boot", 4, 3), ["an", "ank…", "boot"]);
    }
}
