//! Which kernels are there, and what do they take? Read from their own sources, so that a launch with other arguments
//! is refused instead of undefined.

use std::collections::HashMap;

use crate::{Error, Result};

/// The sources; the first stands before each of the others.
pub const SOURCES: [(&str, &str); 8] = [
    ("common.cu", include_str!("common.cu")),
    ("elementwise.cu", include_str!("elementwise.cu")),
    ("images.cu", include_str!("images.cu")),
    ("pool.cu", include_str!("pool.cu")),
    ("norm.cu", include_str!("norm.cu")),
    ("group_norm.cu", include_str!("group_norm.cu")),
    ("conv.cu", include_str!("conv.cu")),
    ("loss.cu", include_str!("loss.cu")),
];

/// All sources as one text: what a compiler gets.
pub fn source() -> String {
    SOURCES.map(|(_, text)| text).join("\n")
}

/// An argument of a kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arg {
    /// An address on the device, or 0 where there is none.
    Pointer(u64),
    /// `int`
    Int(i32),
    /// `float`
    Float(f32),
    /// `double`
    Double(f64),
}

impl Arg {
    /// A size or a place, which all lie below 2^31.
    ///
    /// # Errors
    /// `Error::Failed` where one does not: a batch that is too large for these kernels.
    pub fn size(value: usize) -> Result<Self> {
        let too_large =
            |_| Error::Failed(format!("{value} values are too many for one CUDA kernel: smaller batches fit"));
        i32::try_from(value).map(Self::Int).map_err(too_large)
    }

    /// A switch.
    pub fn flag(on: bool) -> Self {
        Self::Int(i32::from(on))
    }

    fn kind(self) -> Kind {
        match self {
            Self::Pointer(_) => Kind::Pointer,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Double(_) => Kind::Double,
        }
    }
}

/// What a kernel's parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pointer,
    Int,
    Float,
    Double,
}

/// The parameters of every kernel, by its name.
#[derive(Debug, Default)]
pub struct Signatures(HashMap<&'static str, Vec<Kind>>);

impl Signatures {
    /// Those of the sources.
    ///
    /// # Errors
    /// A parameter of another kind than [`Arg`] has.
    pub fn read() -> Result<Self> {
        let mut all = HashMap::new();
        for (file, text) in SOURCES {
            for declared in text.split("extern \"C\" __global__ void ").skip(1) {
                let (name, rest) = declared.split_once('(').unwrap_or((declared, ""));
                let parameters = rest.split(')').next().unwrap_or("");
                let kinds = parameters.split(',').map(kind_of).collect::<Option<Vec<Kind>>>();
                let kinds =
                    kinds.ok_or_else(|| Error::Failed(format!("{file}: {name}: an unknown kind of parameter")))?;
                all.insert(name, kinds);
            }
        }
        Ok(Self(all))
    }

    /// Every kernel's name, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = self.0.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// Refuses arguments that a kernel does not take.
    ///
    /// # Errors
    /// `Error::Failed`: a bug of the caller.
    pub fn check(&self, name: &str, args: &[Arg]) -> Result<()> {
        let fits = self.0.get(name).is_some_and(|kinds| kinds.iter().copied().eq(args.iter().map(|arg| arg.kind())));
        if fits { Ok(()) } else { Err(Error::Failed(format!("a bug: the kernel {name} does not take {args:?}"))) }
    }
}

fn kind_of(parameter: &str) -> Option<Kind> {
    let words: Vec<&str> = parameter.split_whitespace().collect();
    if parameter.contains('*') {
        return Some(Kind::Pointer);
    }
    match words.as_slice() {
        ["int", _] => Some(Kind::Int),
        ["float", _] => Some(Kind::Float),
        ["double", _] => Some(Kind::Double),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Rust files that launch kernels.
    const CALLERS: [&str; 5] = [
        include_str!("conv.rs"),
        include_str!("dense.rs"),
        include_str!("norm.rs"),
        include_str!("transfer.rs"),
        include_str!("mod.rs"),
    ];

    #[test]
    fn every_kernel_that_is_launched_exists_and_every_kernel_is_launched() {
        let names = Signatures::read().unwrap().names();
        let launched: std::collections::BTreeSet<&str> = CALLERS
            .iter()
            .flat_map(|text| text.split(".launch(").skip(1))
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
            .collect();
        assert_eq!(launched.into_iter().collect::<Vec<_>>(), names);
    }

    #[test]
    fn arguments_of_another_kind_or_number_are_refused() {
        let signatures = Signatures::read().unwrap();
        let (pointer, n) = (Arg::Pointer(0), Arg::Int(1));
        assert!(signatures.check("add", &[pointer, pointer, n]).is_ok());
        assert!(signatures.check("add", &[pointer, n]).is_err());
        assert!(signatures.check("add", &[pointer, pointer, Arg::Float(1.0)]).is_err());
        assert!(signatures.check("subtract", &[pointer, pointer, n]).unwrap_err().to_string().contains("subtract"));
        assert!(Arg::size(1 << 31).is_err() && Arg::size((1 << 31) - 1).is_ok());
    }
}
