//! How does a table read in a terminal? Three significant digits, aligned at the decimal point.

use unicode_width::UnicodeWidthStr;

use super::{Cell, Table};

/// Stands for a value that does not exist.
const MISSING: &str = "·";

impl Table {
    /// The table as text: title, heads, rows; columns two spaces apart.
    pub fn text(&self) -> String {
        let columns: Vec<Vec<String>> = (0..self.columns.len()).map(|column| self.column(column)).collect();
        let mut text = format!("{}\n", self.title);
        for row in 0..=self.rows.len() {
            let cells: Vec<&str> = columns.iter().filter_map(|column| column.get(row)).map(String::as_str).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// Heads and rows in `width` columns: the first column and, from the place `from` behind it on, those that fit whole, since a cut
    /// number would be another one. Before them, which are shown or how many more there are; empty where all are shown.
    pub fn within(&self, from: usize, width: usize) -> (String, Vec<String>) {
        let columns: Vec<Vec<String>> = (0..self.columns.len()).map(|column| self.column(column)).collect();
        let Some((names, rest)) = columns.split_first() else { return Default::default() };
        let wide = |column: &Vec<String>| column.first().map_or(0, |head| head.width());
        let all = wide(names) + rest.iter().map(|column| 2 + wide(column)).sum::<usize>();
        let from = if all <= width { 0 } else { from.min(rest.len().saturating_sub(1)) };
        let mut used = wide(names);
        let fits = |column: &&Vec<String>| {
            used += 2 + wide(column);
            used <= width
        };
        let shown: Vec<&Vec<String>> = rest.iter().skip(from).take_while(fits).collect();
        let left_out = match (from, rest.len() - from - shown.len()) {
            (0, 0) => String::new(),
            _ if shown.is_empty() => format!("+{}", counted(rest.len(), "column", "columns")),
            (0, more) => format!("+{}", counted(more, "column", "columns")),
            (from, _) => format!("columns {} to {} of {}", from + 2, from + 1 + shown.len(), columns.len()),
        };
        let line = |row: usize| {
            let cells = std::iter::once(names).chain(shown.iter().copied()).filter_map(|column| column.get(row));
            cells.map(String::as_str).collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        (left_out, (0..=self.rows.len()).map(line).collect())
    }

    /// One column, its head first, all cells equally wide: words to the left, numbers aligned at the point.
    fn column(&self, column: usize) -> Vec<String> {
        let head = self.columns.get(column).map_or("", String::as_str);
        let cells: Vec<&Cell> = self.rows.iter().filter_map(|row| row.get(column)).collect();
        let body = aligned(&cells);
        let width = body.iter().map(|cell| cell.width()).chain([head.width()]).max().unwrap_or(0);
        let words = !cells.is_empty() && cells.iter().all(|cell| matches!(cell, Cell::Text(_)));
        let pad = |cell: &str| {
            let space = " ".repeat(width - cell.width());
            if words { format!("{cell}{space}") } else { format!("{space}{cell}") }
        };
        std::iter::once(head).chain(body.iter().map(String::as_str)).map(pad).collect()
    }
}

/// Cells as text, numbers filled up on the right so that their points stand below each other.
fn aligned(cells: &[&Cell]) -> Vec<String> {
    let texts: Vec<String> = cells.iter().map(|cell| cell.shown()).collect();
    let after_point = |text: &str| text.find('.').map_or(0, |point| text.len() - point);
    let numbers = || texts.iter().zip(cells).filter(|(_, cell)| !matches!(cell, Cell::Text(_)));
    let longest = numbers().map(|(text, _)| after_point(text)).max().unwrap_or(0);
    let fill = |(text, cell): (&String, &&Cell)| match cell {
        Cell::Text(_) => text.clone(),
        _ => format!("{text}{}", " ".repeat(longest - after_point(text))),
    };
    texts.iter().zip(cells).map(fill).collect()
}

impl Cell {
    /// What a reader sees of it.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => significant(*number),
            Self::Count(count) => count.to_string(),
        }
    }
}

/// So many of something: `1 run`, `2 runs`.
///
/// ```
/// use diffscope::analysis::table::counted;
/// assert_eq!([0, 1].map(|n| counted(n, "run", "runs")), ["0 runs", "1 run"]);
/// ```
pub fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Three significant digits: `0.0123`, `12.3`, `1235` (whole numbers in full), `1.23e-7`; NaN is `·`.
///
/// ```
/// use diffscope::analysis::table::significant;
/// assert_eq!(significant(0.99961), "1.00");
/// assert_eq!(significant(f64::NAN), "·");
/// ```
pub fn significant(number: f64) -> String {
    if number.is_nan() {
        return MISSING.to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    // Rounding comes first: 0.9996 has the exponent of 1.00.
    let rounded = format!("{number:.2e}");
    let exponent: i32 = rounded.split('e').nth(1).and_then(|exponent| exponent.parse().ok()).unwrap_or(0);
    match exponent {
        -4..=1 => format!("{number:.*}", (2 - exponent) as usize),
        2..=14 => format!("{number:.0}"),
        _ if number == 0.0 => "0".to_owned(),
        _ => rounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        let cases = [
            (0.5, "0.500"),
            (-0.012_345, "-0.0123"),
            (9.996, "10.0"),
            (0.000_123_4, "0.000123"),
            (1.2e-7, "1.20e-7"),
            (1234.5, "1234"),
            (100.0, "100"),
            (0.0, "0.00"),
            (-1e300, "-1.00e300"),
            (f64::NEG_INFINITY, "-∞"),
        ];
        for (number, expected) in cases {
            assert_eq!(significant(number), expected);
        }
    }

    #[test]
    fn columns_that_do_not_fit_whole_are_left_out_and_counted() {
        let row = |name: &str, number| vec![Cell::Text(name.into()), Cell::Number(number), Cell::Number(0.5)];
        let table = Table {
            title: "Means of all".into(),
            columns: ["score", "mean", "share"].map(String::from).to_vec(),
            rows: vec![row("aum", -0.0123), row("loss", 12.3)],
        };
        let within = |from, width| {
            let (left_out, lines) = table.within(from, width);
            (left_out, lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
        };
        let all = ["score mean share", "aum -0.0123 0.500", "loss 12.3 0.500"].map(String::from).to_vec();
        let means = ["score mean", "aum -0.0123", "loss 12.3"].map(String::from).to_vec();
        let shares = ["score share", "aum 0.500", "loss 0.500"].map(String::from).to_vec();
        let names = ["score", "aum", "loss"].map(String::from).to_vec();
        let width = table.text().lines().nth(1).unwrap().width();
        assert_eq!(within(0, width), (String::new(), all));
        assert_eq!(within(0, width - 1), ("+1 column".to_owned(), means));
        assert_eq!(within(1, width - 1), ("columns 3 to 3 of 3".to_owned(), shares));
        assert_eq!(within(7, width - 1), within(1, width - 1), "the last column stays");
        assert_eq!(within(7, width), within(0, width), "what has room is not scrolled");
        assert_eq!(within(1, 7), within(0, 7));
        assert_eq!(within(0, 7), ("+2 columns".to_owned(), names));
    }

    #[test]
    fn points_stand_below_each_other_and_words_to_the_left() {
        let row = |name: &str, number, count| vec![Cell::Text(name.into()), Cell::Number(number), Cell::Count(count)];
        let table = Table {
            title: "Means".into(),
            columns: ["score", "mean", "n"].map(String::from).to_vec(),
            rows: vec![row("aum", -0.0123, 50_000), row("überlang", 12.3, 7), row("x", f64::NAN, 0)],
        };
        let expected = "Means\n\
                        score        mean        n\n\
                        aum       -0.0123    50000\n\
                        überlang  12.3           7\n\
                        x           ·            0\n";
        let squeezed = |text: &str| {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        let text = table.text();
        assert_eq!(squeezed(&text), squeezed(expected));
        let point = |line: usize| text.lines().nth(line).unwrap().chars().position(|c| c == '.').unwrap();
        assert_eq!(point(2), point(3), "{text}");
        let widths: Vec<usize> = text.lines().skip(1).map(UnicodeWidthStr::width).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }
}
