//! Which networks are there? The registry of model families: a name such as `resnet20`, `vgg16-16` or `mlp-512x7`
//! becomes a network.

pub mod lenet;
pub mod logistic;
pub mod mlp;
pub mod resnet;
pub mod vgg;

#[cfg(test)]
mod tests;

use crate::data::ImageShape;
use crate::error::nearest;
use crate::nn::{Kernels, Network, Sequence, Shape};

/// Largest width of a layer that a name may ask for.
const WIDEST: usize = 4096;
/// Class indices are kept in 16 bits.
const MOST_CLASSES: usize = 1 << 16;

/// Makes the enum of families from one line each: the variant, and the type with `USAGE`, `NAMES`, `parse` and `layers`.
macro_rules! families {
    ($($family:ident($architecture:ty)),+ $(,)?) => {
        #[derive(Debug, Clone, PartialEq, Eq)]
        enum Family {
            $($family($architecture)),+
        }

        /// What names may look like, one entry per family.
        pub const USAGES: &[&str] = &[$(<$architecture>::USAGE),+];

        /// Names of well-known networks, one list per family.
        const NAMES: &[&[&str]] = &[$(<$architecture>::NAMES),+];

        impl Family {
            /// The family that a name belongs to; none where no family claims it.
            fn parse(name: &str) -> Option<Result<Self, String>> {
                $(
                    if let Some(parsed) = <$architecture>::parse(name) {
                        return Some(parsed.map(Self::$family));
                    }
                )+
                None
            }

            fn layers<K: Kernels>(&self, classes: usize) -> Sequence<K> {
                match self {
                    $(Self::$family(architecture) => architecture.layers(classes)),+
                }
            }
        }
    };
}

families! {
    ResNet(resnet::ResNet),
    Vgg(vgg::Vgg),
    Mlp(mlp::Mlp),
    LeNet(lenet::LeNet),
    Logistic(logistic::Logistic),
}

/// A parsed model name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    name: String,
    family: Family,
}

impl Model {
    /// The name it was parsed from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The planned network for images and a number of classes; nothing is allocated yet.
    ///
    /// # Errors
    /// The reason why this model cannot work on them.
    pub fn build<K: Kernels>(&self, input: ImageShape, classes: usize) -> Result<Network<K>, String> {
        let ImageShape { channels, height, width } = input;
        let refuse = |reason: String| format!("{} on {channels}x{height}x{width} images: {reason}", self.name);
        if !(2..=MOST_CLASSES).contains(&classes) {
            return Err(refuse(format!("a classifier needs 2 to {MOST_CLASSES} classes, not {classes}")));
        }
        let shape = Shape::new(channels, height, width).map_err(refuse)?;
        Network::new(self.family.layers(classes), shape).map_err(refuse)
    }
}

/// Parses a model's name.
///
/// # Errors
/// What is wrong with the name and what is meant to stand there.
pub fn parse(name: &str) -> Result<Model, String> {
    match Family::parse(name) {
        Some(Ok(family)) => Ok(Model { name: name.to_owned(), family }),
        Some(Err(reason)) => Err(format!("`{name}`: {reason}")),
        None => {
            let advice = meant(name).map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            Err(format!("no model `{name}`{advice} (known: {})", USAGES.join("; ")))
        }
    }
}

/// The model that a mistyped name may mean: a well-known one, or the beginning of one with the suffix that was given.
fn meant(name: &str) -> Option<String> {
    let suffix = name.find('-').map_or("", |dash| name.split_at(dash).1);
    let known = || NAMES.iter().copied().flatten().copied();
    let suffixed = known().map(|known| format!("{}{suffix}", known.split('-').next().unwrap_or(known)));
    let valid = suffixed.filter(|candidate| matches!(Family::parse(candidate), Some(Ok(_))));
    let candidates: Vec<String> = known().map(str::to_owned).chain(valid).collect();
    nearest(name, candidates.iter().map(String::as_str)).map(str::to_owned)
}

/// A decimal number as names write it: digits alone, no leading zero.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text.len() == 1 || !text.starts_with('0'));
    plain.then(|| text.parse().unwrap_or(usize::MAX))
}

/// A width within bounds.
fn width(text: &str) -> Result<usize, String> {
    match number(text) {
        Some(width) if (1..=WIDEST).contains(&width) => Ok(width),
        _ => Err(format!("a width is a whole number from 1 to {WIDEST}, not `{text}`")),
    }
}

/// What may follow a depth, `[-{variant}][-{width}]`: whether the variant is meant, and the width.
fn suffixes(suffix: &str, variant: &str, published: usize) -> Result<(bool, usize), String> {
    let after = suffix.strip_prefix('-').and_then(|rest| rest.strip_prefix(variant));
    let after = after.filter(|after| after.is_empty() || after.starts_with('-'));
    let wide = after.unwrap_or(suffix).strip_prefix('-').map_or(Ok(published), width);
    let order = || format!("behind the depth stands `-{variant}`, a width from 1 to {WIDEST}, or both, not `{suffix}`");
    wide.map(|width| (after.is_some(), width)).map_err(|_| order())
}
