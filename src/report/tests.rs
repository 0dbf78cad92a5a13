//! Is everything of a report there, and text nothing but text?

use super::*;
use crate::analysis::REGISTRY;
use crate::export::csv;

/// Panics where a text is not well-formed XML: tags that match, attributes in quotes, known entities.
pub fn well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        check_text(&rest[..at]);
        let end = at + rest[at..].find('>').unwrap_or_else(|| panic!("a tag without an end: {}", &rest[at..]));
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('?') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "in {text}");
            continue;
        }
        let (body, closed) = tag.strip_suffix('/').map_or((tag, false), |body| (body, true));
        let (name, attributes) = body.split_once(' ').unwrap_or((body, ""));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "tag {tag:?}");
        let mut parts = attributes.split('"');
        while let Some(before) = parts.next() {
            let Some(value) = parts.next() else {
                assert!(before.trim().is_empty(), "{tag:?}");
                break;
            };
            assert!(
                before.trim().strip_suffix('=').is_some_and(|name| !name.is_empty() && !name.contains(' ')),
                "{tag:?}"
            );
            check_text(value);
        }
        if !closed {
            open.push(name);
        }
    }
    check_text(rest);
    assert!(open.is_empty(), "{open:?} stay open");
}

fn check_text(text: &str) {
    let known = ["lt;", "gt;", "amp;", "quot;", "#39;"];
    assert!(text.split('&').skip(1).all(|rest| known.iter().any(|name| rest.starts_with(name))), "{text:?}");
    assert!(text.chars().all(|c| c >= ' ' || "\t\n\r".contains(c)), "{text:?}");
}

fn report(evil: &str) -> Report {
    let table = Table {
        title: evil.to_owned(),
        columns: vec![evil.to_owned(), "n".to_owned()],
        rows: (0..70)
            .map(|row| {
                vec![Cell::Text(evil.to_owned()), if row % 2 == 0 { Cell::Count(row) } else { Cell::Number(f64::NAN) }]
            })
            .collect(),
    };
    let answer = Answer {
        reading: evil.to_owned(),
        warnings: vec![evil.to_owned()],
        tables: vec![table],
        figures: svg::tests::figures(2, evil, &[0.25, -0.5]),
        results: vec![evil.into()],
        ..Answer::default()
    };
    let failed = || Err(Error::Failed(evil.to_owned()));
    Report {
        study: evil.to_owned(),
        settings: vec![(evil.to_owned(), evil.to_owned())],
        records: vec![("s.study.toml".to_owned(), evil.to_owned())],
        sections: vec![
            Section::new(REGISTRY[0], Ok(answer), &|_| None),
            Section::new(REGISTRY[1], failed(), &|_| None),
        ],
        notes: vec![evil.to_owned()],
    }
}

fn text_of(files: &[File], path: &str) -> String {
    let file = files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is missing"));
    String::from_utf8(file.bytes.clone()).unwrap()
}

/// The page's own tags that HTML leaves open.
fn closed(page: &str) -> String {
    let page = page.replace("<!DOCTYPE html>\n", "").replace("<meta charset=\"utf-8\">", "");
    page.replace("content=\"width=device-width,initial-scale=1\">", "content=\"x\"/>")
        .replace("<details open>", "<details>")
}

#[test]
fn text_stays_text_in_every_file() {
    for evil in ["</td><script>alert(1)</script>", "a & b \"c\" 'd' | `e` \u{1}", "]]> <!-- \\ \n # *x* _y_"] {
        let files = report(evil).files().unwrap();
        let html = text_of(&files, "report.html");
        let body = closed(&html);
        let style = body.find("<style>").unwrap()..body.find("</style>").unwrap();
        well_formed(&format!("{}{}", &body[..style.start], &body[style.end + "</style>".len()..]));
        assert!(!html.contains("<script"));
        let md = text_of(&files, "report.md");
        let unescaped = md.replace("\\\\", "").replace("\\<", "").replace("\\`", "");
        assert!(!unescaped.contains(['<', '`']), "{md}");
        let rows: Vec<&str> = md.lines().filter(|line| line.starts_with("| ") && line.ends_with(" |")).collect();
        let bars = |row: &str| row.replace("\\\\", "").replace("\\|", "").matches('|').count();
        assert!(rows.len() > 60 && rows.iter().all(|row| bars(row) == 3), "{rows:?}");
        assert!(html.contains("10 more rows") && md.contains("10 more rows"));
        assert_eq!(text_of(&files, "tables/summary-01.csv").matches(",\n").count(), 35, "NaN is empty");
        let mut heads = Vec::new();
        csv::line(&mut heads, [Field::Text(evil), Field::Text("n")].into_iter()).unwrap();
        assert!(text_of(&files, "tables/summary-01.csv").as_bytes().starts_with(&heads));
        let marker: Value = serde_json::from_str(&text_of(&files, MARKER)).unwrap();
        assert_eq!((&marker["study"], &marker["settings"][evil]), (&evil.into(), &evil.into()));
        assert!(files.iter().any(|file| file.path == "figures/summary-07.svg"));
        well_formed(&text_of(&files, "figures/summary.svg"));
    }
}

#[test]
fn a_question_without_an_answer_stands_there_with_its_reason() {
    let files = report("too few runs").files().unwrap();
    let html = text_of(&files, "report.html");
    let section = &html[html.find("<h2 id=\"variance\">").unwrap()..];
    assert!(section.contains("<p class=\"warn\">too few runs</p>"), "{section}");
    assert!(!files.iter().any(|file| file.path.starts_with("results/variance")));
}
