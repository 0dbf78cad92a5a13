//! Does a report of a real study hold every answer, every figure and every table, and replace nothing but a report?

use std::path::Path;

use diffscope::analysis::REGISTRY;
use serde_json::Value;

use crate::program::{Home, err, out};

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_report_holds_what_analyze_says_in_every_form() {
    let home = Home::new();
    let dir = home.dir("s");
    home.finish(&dir, 2, &["--set", "train.epochs=1"]);
    let study = dir.display().to_string();
    let output = home.output(&["report", &study]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("report.html") && out(&output).contains("not answered yet"), "{}", out(&output));
    let report = dir.join("report");
    assert!(!names(&dir).iter().any(|name| name.starts_with(".report")), "nothing is left beside it");
    let (html, md) = (text(&report.join("report.html")), text(&report.join("report.md")));
    for analysis in REGISTRY {
        let name = analysis.name;
        assert!(html.contains(&format!("<h2 id=\"{name}\">")) && md.contains(&format!("\n## {name}\n")), "{name}");
        let printed = home.output(&["analyze", &study, name, "--json"]);
        assert_eq!(out(&printed), text(&report.join(format!("results/{name}.json"))), "{name}");
        let said: Value = serde_json::from_str(&out(&printed)).unwrap();
        let tables = out(&home.output(&["analyze", &study, name]));
        let count = names(&report.join("tables")).iter().filter(|table| table.starts_with(&format!("{name}-"))).count();
        assert_eq!(html.matches(&format!("tables/{name}-")).count(), 2 * count, "{name}: each is linked: {tables}");
        if said["results"].as_array().unwrap().is_empty() {
            let section = html.split(&format!("<h2 id=\"{name}\">")).nth(1).unwrap().split("<h2").next().unwrap();
            assert!(section.contains("class=\"warn\""), "{name} says why it has no answer");
        } else {
            assert!(count > 0, "{name}");
        }
    }
    assert!(text(&report.join("results/fingerprint.json")).contains("\"results\": []"), "2 runs are too few");
    let figures = names(&report.join("figures"));
    assert_eq!(
        figures.iter().filter(|name| name.starts_with("correlation-")).count(),
        8,
        "a triptych and its leave-one-out for each model"
    );
    for figure in figures {
        let svg = text(&report.join("figures").join(&figure));
        assert!(svg.starts_with("<?xml") && svg.trim_end().ends_with("</svg>"), "{figure}");
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count(), "{figure}");
        assert!(!svg.contains("var(") && !svg.contains("NaN"), "{figure}");
    }
    assert!(html.contains("prefers-color-scheme:dark") && !html.contains("http"), "nothing from elsewhere");
    let record = text(&dir.join("study.toml"));
    assert_eq!(text(&report.join("small.study.toml")), record);
    let about: Value = serde_json::from_str(&text(&report.join("report.json"))).unwrap();
    assert_eq!(about["settings"]["runs of net"], "2 finished of 2");
    let again = home.output(&["report", &study, "--with", &study]);
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    assert!(text(&report.join("report.html")).contains("small/net"), "the further study has its name in front");
    assert_eq!(names(&report).iter().filter(|name| name.ends_with("study.toml")).count(), 2);
}

#[test]
fn what_is_no_report_is_not_replaced() {
    let home = Home::new();
    let dir = home.dir("s");
    home.finish(&dir, 2, &["--set", "train.epochs=1", "--set", "model.0.replicates=1"]);
    let taken = home.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("thesis.tex"), "mine").unwrap();
    let (study, place) = (dir.display().to_string(), taken.display().to_string());
    let refused = home.output(&["report", &study, "--out", &place]);
    assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
    assert!(err(&refused).contains("no report") && err(&refused).contains("--out"), "{}", err(&refused));
    assert_eq!(names(&taken), ["thesis.tex"]);
    let refused = home.output(&["report", &place]);
    assert_ne!(refused.status.code(), Some(0));
    let other = home.path().join("fresh/place");
    let fine = home.output(&["report", &study, "--out", &other.display().to_string()]);
    assert_eq!(fine.status.code(), Some(0), "{}", err(&fine));
    assert!(other.join("report.html").is_file());
}
