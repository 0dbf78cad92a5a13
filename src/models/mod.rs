//! Which networks are there? The registry of model families: a name such as `resnet8-8` or `mlp-512x7` becomes a network.

pub mod mlp;
pub mod resnet;

use crate::data::ImageShape;
use crate::nn::{Kernels, Network, Sequence, Shape};

/// Largest width of a layer that a name may ask for.
const WIDEST: usize = 4096;
/// Class indices are kept in 16 bits.
const MOST_CLASSES: usize = 1 << 16;

/// Makes the enum of families from one line each: the variant, and the type with `USAGE`, `parse` and `layers`.
macro_rules! families {
    ($($family:ident($architecture:ty)),+ $(,)?) => {
        #[derive(Debug, Clone, PartialEq, Eq)]
        enum Family {
            $($family($architecture)),+
        }

        /// What names may look like, one entry per family.
        pub const USAGES: &[&str] = &[$(<$architecture>::USAGE),+];

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
    Mlp(mlp::Mlp),
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
        None => Err(format!("no model `{name}`; known: {}", USAGES.join("; "))),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::CpuKernels;

    const CIFAR: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

    fn network(name: &str, input: ImageShape, classes: usize) -> Result<Network<CpuKernels<f32>>, String> {
        parse(name)?.build(input, classes)
    }

    #[test]
    fn resnet20_has_the_parameters_of_the_paper_with_projections() {
        let count = |name| network(name, CIFAR, 10).unwrap().layout().parameter_count();
        assert_eq!(count("resnet20"), 272_474);
        assert_eq!(count("resnet20-16"), 272_474);
        assert_eq!(count("mlp-512x7"), 3072 * 512 + 6 * 512 * 512 + 7 * 512 + 512 * 10 + 10);
    }

    #[test]
    fn names_of_parameters_are_pytorchs() {
        let network = network("resnet14-8", CIFAR, 10).unwrap();
        let names: Vec<&str> = network.layout().parameters.iter().map(|entry| entry.name.as_str()).collect();
        for name in ["conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer2.0.shortcut.0.weight", "fc.bias"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        assert!(!names.contains(&"layer1.0.shortcut.0.weight") && !names.contains(&"layer2.1.shortcut.0.weight"));
        let statistics = &network.layout().statistics;
        assert!(statistics.iter().any(|entry| entry.name == "layer3.0.shortcut.1.running_var"));
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn wrong_names_are_refused_with_what_is_meant() {
        for (name, says) in [
            ("resnet50", "another net"),
            ("resnet152-8", "another net"),
            ("resnet21", "resnet20"),
            ("resnet21", "6n+2"),
            ("resnet2", "resnet8"),
            ("resnet99999999999999999999", "6n+2"),
            ("resnet20-0", "1 to 4096"),
            ("resnet20-016", "1 to 4096"),
            ("resnet20-", "1 to 4096"),
            ("resnet", "resnet{6n+2}"),
            ("mlp-512", "mlp-{width}x{layers}"),
            ("mlp-5000x2", "1 to 4096"),
            ("mlp-64x0", "hidden layers"),
            ("vgg", "known"),
            ("", "known"),
            ("resnét", "known"),
        ] {
            let reason = parse(name).unwrap_err();
            assert!(reason.contains(says), "{name}: {reason}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_is_allocated() {
        let shape = |channels, height, width| ImageShape { channels, height, width };
        assert!(network("resnet20", CIFAR, 1).err().unwrap().contains("2 to 65536 classes"));
        assert!(network("resnet8-8", shape(1, 0, 28), 10).err().unwrap().contains("holds nothing"));
        assert!(network("mlp-8x1", shape(usize::MAX, 2, 2), 10).is_err());
        assert!(network("mlp-4096x64", shape(3, 512, 512), 10).err().unwrap().contains("parameters"));
        assert!(network("resnet8-8", shape(1, 1, 1), 10).is_ok());
    }
}
