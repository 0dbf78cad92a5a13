//! Every kind of figure with ordinary and odd content: is it well-formed, and does all of it lie inside?

use ndarray::Array2;
use proptest::prelude::*;

use super::*;
use crate::analysis::figure::{Bar, Bin, Curve, Line, Picture, Point};
use crate::report::tests::well_formed;

fn line(name: &str, at: f64) -> Line {
    Line { name: name.to_owned(), at }
}

/// One figure of each kind with so many marks of such names.
pub fn figures(count: usize, name: &str, values: &[f64]) -> Vec<Figure> {
    let value = |place: usize| values.get(place % values.len().max(1)).copied().unwrap_or(f64::NAN);
    let names: Vec<String> = (0..count).map(|place| format!("{name}{place}")).collect();
    let title = format!("model: {name} of all");
    let bar = |(place, name): (usize, &String)| Bar {
        name: name.clone(),
        value: value(place),
        interval: place.is_multiple_of(2).then(|| (value(place) - 0.1, value(place) + 0.1)),
        examples: vec![],
    };
    let mut edges: Vec<f64> = (0..=count).map(|edge| edge as f64 * 0.5).collect();
    edges.extend([1e4].iter().filter(|_| count > 0));
    let steps: Vec<f64> = (1..=4).map(f64::from).collect();
    let curve = |(place, name): (usize, &String)| Curve {
        name: name.clone(),
        x: steps.clone(),
        y: (0..4).map(|step| value(place + step)).collect(),
        band: (0..4).map(|step| (value(place + step) - 0.2, value(place + step) + 0.2)).collect(),
    };
    let picture = |place: usize| Picture {
        example: place as u32,
        caption: format!("{name} {}", value(place)),
        bars: vec![(name.to_owned(), value(place)), ("b".to_owned(), 0.5)],
    };
    let point = |(place, name): (usize, &String)| Point {
        x: value(place),
        y: value(place + 1),
        name: name.clone(),
        examples: vec![],
    };
    let parts: Vec<(String, f64)> =
        names.iter().enumerate().map(|(place, name)| (name.clone(), value(place))).collect();
    let matrix = Array2::from_shape_fn((count, count), |(row, column)| value(row + 3 * column));
    vec![
        Figure::Heatmap { title: title.clone(), rows: names.clone(), columns: names.clone(), values: matrix },
        Figure::Bars {
            title: title.clone(),
            unit: name.to_owned(),
            bars: names.iter().enumerate().map(bar).collect(),
            lines: vec![line("chance", 0.5), line(name, value(0))],
        },
        Figure::Stacked { title: title.clone(), unit: name.to_owned(), bars: vec![(name.to_owned(), parts)] },
        Figure::Histogram {
            title: title.clone(),
            unit: name.to_owned(),
            bins: (0..edges.len().saturating_sub(1))
                .map(|place| Bin { count: place * place * 7, examples: vec![] })
                .collect(),
            edges,
            lines: vec![line("Bonferroni", 1.2), line("Benjamini-Hochberg", value(1)), line(name, 1e9)],
        },
        Figure::Scatter {
            title: title.clone(),
            x: name.to_owned(),
            y: name.to_owned(),
            points: names.iter().enumerate().map(point).collect(),
        },
        Figure::Curves {
            title: title.clone(),
            x: "runs".to_owned(),
            y: name.to_owned(),
            curves: names.iter().enumerate().map(curve).collect(),
            lines: vec![line("target", 0.3)],
        },
        Figure::Pictures { title, rows: vec![(name.to_owned(), (0..count).map(picture).collect())] },
    ]
}

fn picture(id: u32) -> Option<String> {
    id.is_multiple_of(2).then(|| "data:image/png;base64,iVBORw0KGgo=".to_owned())
}

/// Values of an attribute.
fn numbers<'a>(text: &'a str, attribute: &'a str) -> impl Iterator<Item = f64> + 'a {
    let values = text.split(attribute).skip(1).filter_map(|rest| rest.strip_prefix("=\""));
    values.filter_map(|rest| rest.split('"').next()?.parse().ok())
}

fn check(figure: &Figure) {
    let drawing = draw(figure, &picture);
    let text = file(&drawing);
    well_formed(&text);
    well_formed(&inline(&drawing, figure.title()));
    for odd in ["=\"NaN", ",NaN", " NaN,", "=\"inf", ",inf", "=\"-inf"] {
        assert!(!drawing.body.contains(odd), "{odd} in {text}");
    }
    for (attributes, end) in
        [([" x", " x1", " x2", " cx"], drawing.width), ([" y", " y1", " y2", " cy"], drawing.height)]
    {
        for value in attributes.into_iter().flat_map(|attribute| numbers(&drawing.body, attribute)) {
            assert!((-1.0..=end + 1.0).contains(&value), "{value} of {end}: {}", figure.title());
        }
    }
}

#[test]
fn every_kind_is_well_formed_and_lies_within_its_frame_with_1_10_and_40_marks() {
    for count in [0, 1, 10, 40] {
        for figure in figures(count, "holdout_retraining@160.late", &[0.3, 0.7, -0.2, 0.95, 0.1, -1.0, 0.62]) {
            check(&figure);
        }
    }
    for values in [&[f64::NAN][..], &[0.0], &[f64::INFINITY, 1.0, f64::NEG_INFINITY], &[1e-9, 2e-9], &[-3e7, 5e8]] {
        for figure in figures(5, "x", values) {
            check(&figure);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_name_is_text(name in "\\PC{0,60}|[&<>\"']{0,20}|.{0,30}") {
        for figure in figures(3, &name, &[0.3, -0.7]) {
            check(&figure);
        }
    }
}

#[test]
fn small_bars_of_opposite_signs_lie_on_opposite_sides_of_a_line() {
    let drawn = |values: [f64; 2]| {
        let one = |value: &f64| Picture { example: 0, caption: String::new(), bars: vec![("m".to_owned(), *value)] };
        let rows = vec![(String::new(), values.iter().map(one).collect())];
        draw(&Figure::Pictures { title: "t".to_owned(), rows }, &picture).body
    };
    let bars = |text: &str| -> Vec<(f64, f64)> {
        let bars = text.split("<rect").skip(1).filter(|bar| bar.contains("class=\"c0\""));
        bars.map(|bar| (numbers(bar, " x").next().unwrap(), numbers(bar, " width").next().unwrap())).collect()
    };
    let signed = drawn([0.5, -0.5]);
    let [(right, size), (left, other)] = bars(&signed)[..] else { panic!("{signed}") };
    assert!((size - other).abs() < 0.2 && size > 20.0, "{size} {other}");
    // The second picture lies a step to the right of the first.
    let lines: Vec<f64> = signed.split("<line").skip(1).filter_map(|line| numbers(line, " x1").next()).collect();
    let [first, second] = lines[..] else { panic!("{lines:?}") };
    assert!((right - first).abs() < 0.2 && (left + other - second).abs() < 0.2, "{right} {left} {lines:?}");
    let unsigned = drawn([0.5, 0.25]);
    assert!(bars(&unsigned)[0].1 > 2.0 * size - 1.0 && !unsigned.contains("<line"), "{unsigned}");
}

#[test]
fn more_curves_than_colours_differ_by_their_dashes_and_have_no_bands() {
    let curve = |at: usize| Curve {
        name: format!("s{at}"),
        x: vec![1.0, 2.0],
        y: vec![at as f64; 2],
        band: vec![(at as f64, at as f64 + 1.0); 2],
    };
    let drawn = |count: usize| {
        let curves = (0..count).map(curve).collect();
        let (title, x, y) = ("t".to_owned(), "x".to_owned(), "y".to_owned());
        draw(&Figure::Curves { title, x, y, curves, lines: Vec::new() }, &picture).body
    };
    let looks = |text: &str| -> std::collections::BTreeSet<String> {
        let lines = text.split("<polyline ").skip(1).filter_map(|rest| rest.split("/>").next());
        lines.filter_map(|line| Some(line.split_once("\" class=")?.1.to_owned())).collect()
    };
    let (few, many) = (drawn(10), drawn(18));
    assert_eq!((looks(&few).len(), looks(&many).len()), (10, 18), "a look for each, the same in the legend");
    assert_eq!((few.matches("<polygon").count(), many.matches("<polygon").count()), (10, 0));
    assert!(many.contains("18 curves: their bands are left out") && !few.contains("left out"));
}
