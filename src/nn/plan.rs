//! What does a network hold, and can it work at all? Names, shapes and places of all parameters, before any is allocated.

use super::{Tap, TapPoint};

/// More values than this per example or per arena are refused: 1 GiB in f32.
const MOST_VALUES: usize = 1 << 28;

/// Shape of one example between two layers: channels, height, width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels (features after a dense layer).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// A shape that holds at least one value and not absurdly many.
    ///
    /// # Errors
    /// The reason, where a side is 0 or there are more than 2^28 values.
    pub fn new(channels: usize, height: usize, width: usize) -> Result<Self, String> {
        let shape = Self { channels, height, width };
        match channels.checked_mul(height).and_then(|values| values.checked_mul(width)) {
            Some(0) => Err(format!("{shape} holds nothing")),
            Some(values) if values <= MOST_VALUES => Ok(shape),
            _ => Err(format!("{shape} is more than {MOST_VALUES} values per example")),
        }
    }

    /// A vector of features.
    ///
    /// # Errors
    /// As for [`Shape::new`].
    pub fn vector(features: usize) -> Result<Self, String> {
        Self::new(features, 1, 1)
    }

    /// Values of one example.
    #[allow(clippy::len_without_is_empty)] // no planned shape is empty
    pub fn len(self) -> usize {
        self.channels * self.pixels()
    }

    /// Positions of one channel.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// Where a tensor lies in its arena.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// First value.
    pub offset: usize,
    /// Number of values.
    pub len: usize,
}

impl Place {
    /// The range of the arena.
    pub fn range(self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len
    }
}

/// How a tensor starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// Normal with standard deviation sqrt(2 / `fan_in`) (He et al. 2015).
    Kaiming {
        /// Inputs of one output.
        fan_in: usize,
    },
    /// 0 everywhere.
    Zero,
    /// 1 everywhere.
    One,
    /// The weight of a norm: 1, or U(0,1) where the study says so.
    NormWeight,
}

/// A named tensor in an arena.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// PyTorch's name, such as `layer1.0.conv1.weight`.
    pub name: String,
    /// PyTorch's shape: `[out, in, kh, kw]` of a convolution, `[out, in]` of a linear layer, `[channels]` of a norm.
    pub shape: Vec<usize>,
    /// Where it lies.
    pub place: Place,
    /// How it starts.
    pub init: Init,
}

/// The tables of a network's two arenas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// What is trained, in the order of the layers.
    pub parameters: Vec<Entry>,
    /// Running means and variances of norms.
    pub statistics: Vec<Entry>,
}

impl Layout {
    /// Number of trained values.
    pub fn parameter_count(&self) -> usize {
        end_of(&self.parameters)
    }

    /// Number of values in the norm statistics.
    pub fn statistic_count(&self) -> usize {
        end_of(&self.statistics)
    }
}

fn end_of(entries: &[Entry]) -> usize {
    entries.last().map_or(0, |entry| entry.place.range().end)
}

/// What layers tell about themselves before anything is allocated.
#[derive(Debug, Default)]
pub struct Plan {
    layout: Layout,
    path: Vec<String>,
    taps: Vec<TapPoint>,
}

impl Plan {
    /// Plans what is inside a part called `name` (nothing is added to the path where it is empty).
    pub fn within<T>(&mut self, name: &str, plan: impl FnOnce(&mut Self) -> T) -> T {
        let depth = self.path.len();
        if !name.is_empty() {
            self.path.push(name.to_owned());
        }
        let planned = plan(self);
        self.path.truncate(depth);
        planned
    }

    /// Registers a trained tensor.
    ///
    /// # Errors
    /// The reason, where the network grows too large.
    pub fn parameter(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Place, String> {
        register(&mut self.layout.parameters, &self.path, name, shape, init)
    }

    /// Registers a running statistic of a norm.
    ///
    /// # Errors
    /// The reason, where the network grows too large.
    pub fn statistic(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Place, String> {
        register(&mut self.layout.statistics, &self.path, name, shape, init)
    }

    /// Registers a place where values can be looked at, under the name of the layer that is planned: the place, numbered.
    pub fn tap(&mut self, tap: Tap, shape: Shape) -> Tap {
        let layers = self.taps.iter().filter(|point| matches!(point.tap, Tap::Layer(_))).count();
        let tap = if matches!(tap, Tap::Layer(_)) { Tap::Layer(layers) } else { tap };
        self.taps.push(TapPoint::new(tap, self.path.join("."), shape));
        tap
    }

    /// The tables, and the places where values can be looked at.
    pub fn finish(self) -> (Layout, Vec<TapPoint>) {
        (self.layout, self.taps)
    }
}

fn register(
    entries: &mut Vec<Entry>,
    path: &[String],
    name: &str,
    shape: &[usize],
    init: Init,
) -> Result<Place, String> {
    let offset = end_of(entries);
    let name = path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
    let len = shape.iter().try_fold(1_usize, |product, side| product.checked_mul(*side));
    match len {
        Some(len) if len <= MOST_VALUES.saturating_sub(offset) => {
            let place = Place { offset, len };
            entries.push(Entry { name, shape: shape.to_vec(), place, init });
            Ok(place)
        }
        _ => Err(format!("with {name} it has more than {MOST_VALUES} parameters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_and_places_follow_each_other() {
        let mut plan = Plan::default();
        let stem = plan.within("conv1", |plan| plan.parameter("weight", &[4, 3, 3, 3], Init::Zero)).unwrap();
        let inner = plan.within("layer1", |plan| {
            plan.within("0", |plan| plan.within("", |plan| plan.parameter("bias", &[5], Init::Zero)))
        });
        assert_eq!((stem, inner.unwrap()), (Place { offset: 0, len: 108 }, Place { offset: 108, len: 5 }));
        let (layout, _) = plan.finish();
        assert_eq!(layout.parameters[1].name, "layer1.0.bias");
        assert_eq!((layout.parameter_count(), layout.statistic_count()), (113, 0));
    }

    #[test]
    fn absurd_sizes_are_refused_without_overflow() {
        assert!(Shape::new(usize::MAX, 2, 2).is_err());
        assert!(Shape::new(3, 0, 2).unwrap_err().contains("holds nothing"));
        let mut plan = Plan::default();
        assert!(plan.parameter("weight", &[usize::MAX, 3], Init::Zero).is_err());
        assert!(plan.parameter("weight", &[1 << 28], Init::Zero).is_ok());
        assert!(plan.parameter("weight", &[1], Init::Zero).unwrap_err().contains("more than"));
    }
}
