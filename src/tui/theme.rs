//! Which colour means what? One theme per background, one difficulty ramp, and one place that quantises colours.

use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The 256-colour palette.
    Palette,
    /// No colours: bold, dim and reverse only.
    None,
}

impl Depth {
    /// What the environment promises: `NO_COLOR`, `COLORTERM`; without a promise the palette.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| get(name).filter(|value| !value.is_empty());
        if set("NO_COLOR").is_some() {
            Self::None
        } else if set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit") {
            Self::True
        } else {
            Self::Palette
        }
    }
}

/// Which theme to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// Light where the terminal says that its background is light, else dark.
    #[default]
    Auto,
    /// For dark backgrounds.
    Dark,
    /// For light backgrounds.
    Light,
    /// For dark backgrounds, without red against green.
    ColourBlind,
}

/// Red, green, blue.
type Rgb = [u8; 3];

/// Perceptually even, dark to bright (viridis).
const RAMP: [Rgb; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// Blue over white to orange, for values between -1 and 1.
const SIGNED: [Rgb; 5] = [[20, 85, 160], [125, 175, 222], [242, 242, 240], [246, 178, 107], [214, 92, 10]];

/// One colour per model, in the study's order; none is red, green or yellow, which mean something.
const MODELS_DARK: [Rgb; 6] =
    [[86, 180, 233], [214, 130, 190], [224, 160, 70], [135, 150, 245], [60, 190, 185], [190, 165, 130]];
const MODELS_LIGHT: [Rgb; 6] =
    [[0, 100, 170], [160, 60, 130], [170, 95, 0], [75, 80, 190], [0, 120, 120], [120, 90, 50]];

/// Share of a model's colour in its shade: as dark as can be told apart, so that the curve stands out.
const SHADE: f32 = 0.65;

/// Colours and styles by meaning.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    depth: Depth,
    light: bool,
    colour_blind: bool,
}

impl Theme {
    /// A theme; `light_background` is what the terminal said, where it said something.
    pub fn new(choice: Choice, depth: Depth, light_background: Option<bool>) -> Self {
        let light = match choice {
            Choice::Auto => light_background.unwrap_or(false),
            Choice::Light => true,
            Choice::Dark | Choice::ColourBlind => false,
        };
        Self { depth, light, colour_blind: choice == Choice::ColourBlind }
    }

    /// How many colours there are.
    pub fn depth(self) -> Depth {
        self.depth
    }

    /// The terminal's colour for these values: the only place that knows how many colours it has.
    pub fn color(self, rgb: Rgb) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(rgb[0], rgb[1], rgb[2]),
            Depth::Palette => Color::Indexed(nearest_indexed(rgb)),
            Depth::None => Color::Reset,
        }
    }

    fn pick(self, dark: Rgb, light: Rgb) -> Style {
        Style::new().fg(self.color(if self.light { light } else { dark }))
    }

    /// Plain text.
    pub fn text(self) -> Style {
        Style::new()
    }

    /// Heads and names.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What explains, and is read second.
    pub fn dim(self) -> Style {
        if self.depth == Depth::None {
            return Style::new().add_modifier(Modifier::DIM);
        }
        self.pick([136, 140, 152], [104, 108, 118])
    }

    /// Frames and rules.
    pub fn frame(self) -> Style {
        if self.depth == Depth::None {
            return Style::new().add_modifier(Modifier::DIM);
        }
        self.pick([66, 70, 82], [186, 190, 198])
    }

    /// The frame of the focused pane, and keys.
    pub fn accent(self) -> Style {
        if self.depth == Depth::None {
            return self.strong();
        }
        self.pick([130, 170, 255], [30, 85, 190])
    }

    /// Wrong, failed, non-finite.
    pub fn bad(self) -> Style {
        let style = if self.colour_blind {
            self.pick([235, 120, 30], [235, 120, 30])
        } else {
            self.pick([240, 96, 96], [190, 25, 35])
        };
        if self.depth == Depth::None { self.strong() } else { style }
    }

    /// Finished and right.
    pub fn good(self) -> Style {
        if self.colour_blind {
            return self.pick([90, 165, 255], [90, 165, 255]);
        }
        self.pick([110, 200, 120], [20, 125, 50])
    }

    /// What wants attention.
    pub fn attention(self) -> Style {
        let style = self.pick([235, 200, 90], [150, 105, 0]);
        if self.depth == Depth::None { self.strong() } else { style }
    }

    /// The selected row.
    pub fn selected(self) -> Style {
        if self.depth == Depth::None {
            return Style::new().add_modifier(Modifier::REVERSED);
        }
        Style::new().bg(self.color(if self.light { [222, 230, 245] } else { [42, 48, 64] }))
    }

    /// The colour of the model at a place in the study.
    pub fn model(self, place: usize) -> Style {
        let colors = if self.light { &MODELS_LIGHT } else { &MODELS_DARK };
        Style::new().fg(self.color(colors[place % colors.len()]))
    }

    /// A shade of that colour, between it and the background: what lies below a curve, such as its band.
    pub fn shade(self, place: usize) -> Style {
        if self.depth == Depth::None {
            return Style::new().add_modifier(Modifier::DIM);
        }
        let (colors, ground) = if self.light { (&MODELS_LIGHT, [255, 255, 255]) } else { (&MODELS_DARK, [16, 18, 24]) };
        Style::new().fg(self.color(blend(&[ground, colors[place % colors.len()]], SHADE)))
    }

    /// How many models, or curves, have a colour of their own.
    pub fn colours(self) -> usize {
        if self.depth == Depth::None { 1 } else { MODELS_DARK.len() }
    }

    /// The difficulty ramp as a foreground: 0 easy and dark, 1 hard and bright.
    pub fn difficulty(self, hardness: f32) -> Style {
        // On a light background the ramp's bright end would vanish: it stops before yellow.
        let end = if self.light { 0.88 } else { 1.0 };
        Style::new().fg(self.color(blend(&RAMP, hardness.clamp(0.0, 1.0) * end)))
    }

    /// A signed value between -1 and 1 as a background, with text that can be read on it.
    pub fn signed(self, value: f64) -> Style {
        if self.depth == Depth::None {
            return if value < 0.0 { Style::new().add_modifier(Modifier::DIM) } else { Style::new() };
        }
        let rgb = blend(&SIGNED, f32::midpoint(value.clamp(-1.0, 1.0) as f32, 1.0));
        Style::new().bg(self.color(rgb)).fg(self.color(if bright(rgb) { [16, 18, 24] } else { [250, 250, 250] }))
    }

    /// Filled part and rest of a gauge.
    pub fn gauge(self, place: usize) -> (Style, Style) {
        (self.model(place), self.frame())
    }
}

/// The glyph that says the same as the ramp's colour.
pub fn level(hardness: f32) -> &'static str {
    // No full block: levels below each other stay apart.
    const LEVELS: [&str; 7] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇"];
    LEVELS[((hardness.clamp(0.0, 1.0) * 7.0) as usize).min(6)]
}

fn bright(rgb: Rgb) -> bool {
    u32::from(rgb[0]) * 30 + u32::from(rgb[1]) * 59 + u32::from(rgb[2]) * 11 > 12_000
}

fn blend(stops: &[Rgb], at: f32) -> Rgb {
    let place = if at.is_nan() { 0.0 } else { at.clamp(0.0, 1.0) * (stops.len() - 1) as f32 };
    let low = (place as usize).min(stops.len() - 1);
    let high = (low + 1).min(stops.len() - 1);
    let part = place - low as f32;
    std::array::from_fn(|c| {
        (f32::from(stops[low][c]) + part * (f32::from(stops[high][c]) - f32::from(stops[low][c]))).round() as u8
    })
}

/// The nearest of the palette's 6x6x6 cube and grey ramp (the first 16 colours are the user's own).
fn nearest_indexed(rgb: Rgb) -> u8 {
    const STEPS: [i32; 6] = [0, 95, 135, 175, 215, 255];
    let value = rgb.map(i32::from);
    let distance = |other: [i32; 3]| value.iter().zip(other).map(|(a, b)| (a - b).pow(2)).sum::<i32>();
    let step = |v: i32| (0..6).min_by_key(|i| (STEPS[*i] - v).abs()).unwrap_or(0);
    let cube = value.map(step);
    let cube_index = 16 + 36 * cube[0] + 6 * cube[1] + cube[2];
    let mean = value.iter().sum::<i32>() / 3;
    let grey = ((mean - 3) / 10).clamp(0, 23);
    let index =
        if distance([8 + 10 * grey; 3]) < distance(cube.map(|i| STEPS[i])) { 232 + grey } else { cube_index as i32 };
    u8::try_from(index).unwrap_or(15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_how_many_colours_there_are() {
        let depth = |pairs: &[(&str, &str)]| {
            Depth::from_environment(|name| pairs.iter().find(|p| p.0 == name).map(|p| p.1.to_owned()))
        };
        assert_eq!(depth(&[("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Depth::None);
        assert_eq!(depth(&[("NO_COLOR", "")]), Depth::Palette);
    }

    #[test]
    fn the_palette_keeps_its_own_colours() {
        for (rgb, index) in [([0, 0, 0], 16), ([255, 255, 255], 231), ([95, 135, 175], 67), ([128, 128, 128], 244)] {
            assert_eq!(nearest_indexed(rgb), index, "{rgb:?}");
        }
    }

    #[test]
    fn the_ramp_grows_brighter_with_difficulty_and_takes_any_number() {
        let luminance = |h: f32| {
            let rgb = blend(&RAMP, h);
            f64::from(rgb[0]) * 0.3 + f64::from(rgb[1]) * 0.59 + f64::from(rgb[2]) * 0.11
        };
        assert!((0..20).all(|i| luminance(i as f32 / 20.0) < luminance((i + 1) as f32 / 20.0)));
        assert_eq!(blend(&RAMP, f32::NAN), RAMP[0]);
        assert_eq!([level(-1.0), level(0.5), level(2.0)], ["▁", "▄", "▇"]);
    }

    #[test]
    fn each_model_has_a_colour_and_a_shade_that_no_other_has() {
        // The palette has too few dark colours for the shades of all.
        for (choice, (depth, places)) in
            [Choice::Dark, Choice::Light].into_iter().flat_map(|c| [(c, (Depth::True, 6)), (c, (Depth::Palette, 5))])
        {
            let theme = Theme::new(choice, depth, None);
            let all = (0..places).flat_map(|place| [theme.model(place), theme.shade(place), theme.dim()]);
            let different: std::collections::HashSet<_> = all.filter_map(|style| style.fg).collect();
            assert_eq!(different.len(), 2 * places + 1, "{choice:?} {depth:?}");
        }
    }

    #[test]
    fn without_colours_no_style_has_one() {
        let theme = Theme::new(Choice::Auto, Depth::None, None);
        for style in [
            theme.dim(),
            theme.bad(),
            theme.model(3),
            theme.shade(3),
            theme.difficulty(0.5),
            theme.signed(-0.5),
            theme.selected(),
        ] {
            assert!([style.fg, style.bg].iter().flatten().all(|c| *c == Color::Reset), "{style:?}");
        }
    }
}
