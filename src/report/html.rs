//! The report as one page that needs no other file and no network: style, figures and pictures are in it.

use std::fmt::Write;

use super::escape::xml;
use super::{Report, Section, paper, shown, svg};
use crate::analysis::{Cell, Table};

/// How the page looks, beyond its figures: readable, dark and light, and printable.
const STYLE: &str = "\
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
main{max-width:1400px;margin:0 auto;padding:24px 28px 60px}
h1{font-size:26px;margin:0 0 2px}h2{font-size:20px;margin:44px 0 0;padding-top:14px;border-top:1px solid var(--rule)}
h3{font-size:13.5px;margin:18px 0 4px;font-weight:600}
p{margin:6px 0;max-width:100ch}.soft{color:var(--soft)}a{color:var(--c0)}
nav a{margin-right:14px;white-space:nowrap}
.warn{border-left:3px solid var(--level);padding:2px 0 2px 10px;margin:6px 0;max-width:100ch;overflow-wrap:anywhere}
.figures{display:flex;flex-wrap:wrap;gap:14px;align-items:flex-start;margin:12px 0}
figure{margin:0;max-width:100%;overflow-x:auto;border:1px solid var(--rule);border-radius:6px}
figure svg{display:block}figcaption{font-size:11.5px;padding:0 10px 6px;color:var(--soft)}
.table{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:2px 10px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
th{font-weight:600;border-bottom:1px solid var(--rule)}.w{text-align:left}
pre{background:var(--panel);padding:12px;border-radius:6px;overflow-x:auto;font-size:12.5px}
@media print{main{max-width:none;padding:0}h2{break-after:avoid}figure,tr{break-inside:avoid}nav,details>summary{display:none}}
";

/// The page.
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    let name = xml(&report.study);
    let style = svg::style::variable();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\n<title>{name}: example difficulty</title>\n<style>\n{style}\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<h1>{name}</h1>\n<p class=\"soft\">Example difficulty, by diffscope {}. All numbers: <code>tables/</code>, \
         <code>results/</code>; vector figures: <code>figures/</code>.</p>\n<nav>",
        crate::VERSION
    );
    for section in &report.sections {
        let name = section.analysis.name;
        let _ = write!(page, "<a href=\"#{name}\">{name}</a>");
    }
    page.push_str("<a href=\"#made\">how it was made</a></nav>\n");
    report.notes.iter().for_each(|note| warn(&mut page, note));
    for part in &report.sections {
        section(&mut page, part);
    }
    made(&mut page, report);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn warn(page: &mut String, text: &str) {
    let _ = writeln!(page, "<p class=\"warn\">{}</p>", xml(text));
}

fn section(page: &mut String, section: &Section) {
    let name = section.analysis.name;
    let _ = writeln!(page, "<h2 id=\"{name}\">{name}</h2>\n<p class=\"soft\">{}</p>", xml(section.analysis.question));
    if let Ok(answer) = &section.answer {
        let _ = writeln!(page, "<p>{}</p>", xml(&answer.reading));
    }
    section.warnings().iter().for_each(|warning| warn(page, warning));
    if !section.drawings.is_empty() {
        let sheet = section.sheet_path();
        let as_in = paper(name).map_or(String::new(), |number| format!(", as {number} of Kwok et al. sets them"));
        let _ = writeln!(
            page,
            "<p class=\"soft\">Side by side{as_in}: <a href=\"{sheet}\">{sheet}</a></p>\n<div class=\"figures\">"
        );
        for (place, (figure, drawing)) in section.figures().enumerate() {
            let (drawn, path) = (svg::inline(drawing, figure.title()), section.figure_path(place));
            let _ = writeln!(page, "<figure>{drawn}<figcaption><a href=\"{path}\">{path}</a></figcaption></figure>");
        }
        page.push_str("</div>\n");
    }
    for (place, one) in section.tables().enumerate() {
        table(page, one, &section.table_path(place));
    }
    if section.answer.is_ok() {
        let path = section.result_path();
        let _ = writeln!(page, "<p class=\"soft\">The complete answer: <a href=\"{path}\">{path}</a></p>");
    }
}

fn table(page: &mut String, table: &Table, path: &str) {
    let words: Vec<bool> = (0..table.columns.len())
        .map(|column| table.rows.iter().all(|row| matches!(row.get(column), Some(Cell::Text(_)))))
        .collect();
    let class = |column: usize| if words.get(column) == Some(&true) { " class=\"w\"" } else { "" };
    let _ = write!(page, "<h3>{}</h3>\n<div class=\"table\"><table><thead><tr>", xml(&table.title));
    for (column, head) in table.columns.iter().enumerate() {
        let _ = write!(page, "<th{}>{}</th>", class(column), xml(head));
    }
    page.push_str("</tr></thead><tbody>\n");
    let (rows, more) = shown(table);
    for row in rows {
        page.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(page, "<td{}>{}</td>", class(column), xml(&cell.shown()));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
    let rest = if more > 0 { format!("{more} more rows, and all digits: ") } else { "With all digits: ".to_owned() };
    let _ = writeln!(page, "<p class=\"soft\">{rest}<a href=\"{path}\">{path}</a></p>");
}

fn made(page: &mut String, report: &Report) {
    page.push_str("<h2 id=\"made\">How it was made</h2>\n<div class=\"table\"><table><tbody>\n");
    for (name, value) in &report.settings {
        let _ = writeln!(page, "<tr><td class=\"w\">{}</td><td class=\"w\">{}</td></tr>", xml(name), xml(value));
    }
    page.push_str("</tbody></table></div>\n");
    for (name, text) in &report.records {
        let (name, text) = (xml(name), xml(text));
        let _ = writeln!(page, "<details open><summary>{name}</summary><h3>{name}</h3><pre>{text}</pre></details>");
    }
}
