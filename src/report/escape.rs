//! How does any text get into a page, a picture or a table without becoming part of its language?

use std::borrow::Cow;

/// Text for XML and HTML, in elements and in attributes. Characters that XML cannot hold become `U+FFFD`.
///
/// ```
/// use diffscope::report::escape::xml;
/// assert_eq!(xml("a<b> & \"c\"\0"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}");
/// ```
pub fn xml(text: &str) -> Cow<'_, str> {
    let plain = |c: char| !matches!(c, '&' | '<' | '>' | '"' | '\'') && is_xml(c);
    if text.chars().all(plain) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if is_xml(c) => escaped.push(c),
            _ => escaped.push('\u{fffd}'),
        }
    }
    escaped.into()
}

/// The characters of XML 1.0.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Text for Markdown, also in a cell of a table: one line, every character that could mean something has a backslash.
///
/// ```
/// use diffscope::report::escape::markdown;
/// assert_eq!(markdown("a|b_c\n<d>"), "a\\|b\\_c \\<d\\>");
/// ```
pub fn markdown(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let mut escaped = String::with_capacity(text.len() + 16);
    // A sign, or a point behind a number, would begin a list where a text begins.
    let mut begins = true;
    for c in text.chars() {
        let plain = match c {
            ',' | ';' | ':' | '%' | '/' | '?' | '\'' | '(' => true,
            '+' | '-' | '.' | ')' | '=' => is_number || !begins,
            c => !c.is_ascii_punctuation(),
        };
        if !plain {
            escaped.push('\\');
        }
        escaped.push(if c.is_control() { ' ' } else { c });
        begins = begins && c.is_ascii_digit();
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(escaped: &str) -> String {
        let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        names.iter().fold(escaped.to_owned(), |text, (name, c)| text.replace(name, c))
    }

    proptest! {
        #[test]
        fn any_text_is_text_in_xml_and_reads_back(text in "\\PC*|[&<>\"'a;#]*|.*") {
            let escaped = xml(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let ampersands = escaped.split('&').skip(1);
            prop_assert!(ampersands.clone().all(|rest| ["lt;", "gt;", "amp;", "quot;", "#39;"].iter().any(|name| rest.starts_with(name))));
            let expected: String = text.chars().map(|c| if is_xml(c) { c } else { '\u{fffd}' }).collect();
            prop_assert_eq!(read(&escaped), expected);
        }

        #[test]
        fn any_text_is_one_cell_in_markdown(text in "\\PC*|[|<>`*_\\\\\n#-]*|.*") {
            let escaped = markdown(&text);
            prop_assert!(!escaped.contains('\n'));
            let mut characters = escaped.chars();
            while let Some(c) = characters.next() {
                match c {
                    '\\' => prop_assert!(characters.next().is_some_and(|c| c.is_ascii_punctuation())),
                    c => prop_assert!(!"|<>`*_[]#&!~$^\"{}@".contains(c), "{:?} in {:?}", c, escaped),
                }
            }
        }
    }

    #[test]
    fn numbers_stay_as_they_are() {
        for number in ["0.123", "-1.50e-7", "12"] {
            assert_eq!(markdown(number), number);
        }
        assert_eq!(markdown("1. not a list"), "1\\. not a list");
    }
}
