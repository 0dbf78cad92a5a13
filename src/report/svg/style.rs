//! Which colours do drawings have? Those of a page are variables, dark or light; those of a file are light ones.

/// Names and light colours of the variables, then the dark ones.
const COLOURS: [(&str, &str, &str); 7] = [
    ("paper", "#ffffff", "#14171b"),
    ("ink", "#1b1f24", "#e4e8ee"),
    ("soft", "#5d6670", "#9aa5b1"),
    ("rule", "#c9d0d8", "#3a424c"),
    ("grid", "#eceff3", "#23292f"),
    ("level", "#b3261e", "#ff9a8f"),
    ("panel", "#f6f8fa", "#1b1f24"),
];

/// Colours of series, told apart also by readers who see red and green alike; light, then dark.
const SERIES: [(&str, &str); super::canvas::COLOURS] = [
    ("#0072b2", "#56a9e0"),
    ("#d55e00", "#f0894a"),
    ("#009e73", "#35c79c"),
    ("#b0569a", "#dc8fc9"),
    ("#b98800", "#e5b93c"),
    ("#5b4fc4", "#9f97f2"),
    ("#7a7f87", "#aab1ba"),
    ("#8c4a1e", "#cf9068"),
    ("#1c7f94", "#5cc3d8"),
    ("#6f8f00", "#b3d14a"),
];

/// What each class looks like.
const RULES: &str = "\
.fig{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-size:12px}\
.fig .h{fill:var(--ink);font-size:13.5px;font-weight:600}\
.fig .t{fill:var(--ink)}\
.fig .s{fill:var(--soft);font-size:11px}\
.fig .n{font-size:10px}\
.fig .dk{fill:#1b1f24}\
.fig .lt{fill:#ffffff}\
.fig .a{stroke:var(--rule);stroke-width:1}\
.fig .g{stroke:var(--grid);stroke-width:1}\
.fig .w{stroke:var(--ink);stroke-width:1.2}\
.fig .l{stroke:var(--level);stroke-width:1.2;stroke-dasharray:4 3}\
.fig .lv{fill:var(--level);font-size:11px}\
.fig .e{fill:var(--panel);stroke:var(--rule)}\
.fig .p{image-rendering:pixelated}\
.fig polyline{fill:none;stroke-width:1.7;stroke-linejoin:round}\
.fig polygon{fill-opacity:.16}";

/// The style of a file: literal colours, which every program understands.
pub fn literal() -> String {
    let mut rules = RULES.to_owned();
    for (place, (light, _)) in SERIES.iter().enumerate() {
        rules.push_str(&series(place, light));
    }
    COLOURS.iter().fold(rules, |rules, (name, light, _)| rules.replace(&format!("var(--{name})"), light))
}

/// The style of a page: variables with their light values, and the dark ones for readers who prefer them. On paper it is light.
pub fn variable() -> String {
    let values = |pick: fn(&(&'static str, &'static str)) -> &'static str,
                  colour: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        let colours = COLOURS.iter().map(|one| format!("--{}:{};", one.0, colour(one)));
        let series = SERIES.iter().enumerate().map(|(place, one)| format!("--c{place}:{};", pick(one)));
        colours.chain(series).collect::<String>()
    };
    let light = values(|one| one.0, |one| one.1);
    let dark = values(|one| one.1, |one| one.2);
    let series: String = (0..SERIES.len()).map(|place| series(place, &format!("var(--c{place})"))).collect();
    format!(
        ":root{{color-scheme:light dark;{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{RULES}{series}"
    )
}

fn series(place: usize, colour: &str) -> String {
    format!(".fig .c{place}{{fill:{colour}}}.fig .k{place}{{stroke:{colour}}}")
}
