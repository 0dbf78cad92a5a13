//! From where does a replicate go on after a kill?
//!
//! `checkpoint.safetensors` is the commit point: it alone decides how many epochs are done. Rows and lines past it are
//! ignored and written again.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::tensors::{self, Tensor};
use crate::{Error, Result};

/// In front of the names of accumulators, to keep them apart from the arenas.
const ACCUMULATOR: &str = "accumulator/";

/// All that training needs to go on, bit for bit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// Epochs whose results are committed.
    pub epochs_done: u32,
    /// The arena of parameters.
    pub weights: Vec<f32>,
    /// The arena of momentum, as long as the parameters.
    pub momentum: Vec<f32>,
    /// The arena of norm statistics.
    pub statistics: Vec<f32>,
    /// The scores' accumulators, by `score/name`.
    pub accumulators: Vec<(String, Vec<f64>)>,
    /// Small things besides.
    pub extra: Value,
}

impl Checkpoint {
    /// Writes the checkpoint whole.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut named: BTreeMap<String, Tensor<'_>> = BTreeMap::from([
            ("weights".to_owned(), Tensor::vector(&self.weights)),
            ("momentum".to_owned(), Tensor::vector(&self.momentum)),
            ("statistics".to_owned(), Tensor::vector(&self.statistics)),
        ]);
        for (name, values) in &self.accumulators {
            named.insert(format!("{ACCUMULATOR}{name}"), Tensor::new(&[values.len()], values.as_slice()));
        }
        if named.len() != 3 + self.accumulators.len() {
            return Err(Error::file(path, "two accumulators have the same name"));
        }
        let order: Vec<&str> = self.accumulators.iter().map(|(name, _)| name.as_str()).collect();
        let metadata = json!({"epochs_done": self.epochs_done, "accumulators": order, "extra": self.extra});
        tensors::write(path, &named, &metadata)
    }

    /// Reads a checkpoint; None where there is none.
    ///
    /// # Errors
    /// A file that is no checkpoint: then the replicate can only start afresh.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        if !path.try_exists().map_err(Error::io(path))? {
            return Ok(None);
        }
        let tensors::Contents { mut tensors, mut metadata } = tensors::read(path)?;
        let bad = |what: &str| {
            Error::file(path, format!("not a checkpoint: {what}; delete it to start this replicate afresh"))
        };
        let epochs_done = metadata["epochs_done"].as_u64().and_then(|epochs| u32::try_from(epochs).ok());
        let epochs_done = epochs_done.ok_or_else(|| bad("`epochs_done` is missing"))?;
        let mut arena = |name: &str| {
            let values = tensors.remove(name).and_then(|tensor| tensor.values.into_f32());
            values.ok_or_else(|| bad(&format!("`{name}` is missing or no f32")))
        };
        let (weights, momentum, statistics) = (arena("weights")?, arena("momentum")?, arena("statistics")?);
        if weights.len() != momentum.len() {
            return Err(bad("weights and momentum differ in length"));
        }
        let mut accumulators = Vec::new();
        for name in metadata["accumulators"].as_array().ok_or_else(|| bad("`accumulators` is missing"))? {
            let name = name.as_str().ok_or_else(|| bad("an accumulator's name is no text"))?;
            let values = tensors.remove(&format!("{ACCUMULATOR}{name}")).and_then(|tensor| tensor.values.into_f64());
            accumulators.push((name.to_owned(), values.ok_or_else(|| bad(&format!("`{name}` is missing or no f64")))?));
        }
        let extra = metadata.get_mut("extra").map(Value::take).unwrap_or_default();
        Ok(Some(Self { epochs_done, weights, momentum, statistics, accumulators, extra }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            epochs_done: 7,
            weights: vec![1.0, -2.5, f32::MIN_POSITIVE],
            momentum: vec![0.0, 0.5, 3.0],
            statistics: vec![0.25],
            accumulators: vec![("loss/sum".into(), vec![1.0 / 3.0; 4]), ("aum/sum".into(), vec![f64::INFINITY, -0.0])],
            extra: json!({"non_finite": true, "seconds": 12.5}),
        }
    }

    #[test]
    fn a_checkpoint_comes_back_bit_for_bit_in_the_same_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        assert_eq!(Checkpoint::read(&path).unwrap(), None);
        checkpoint().write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap(), Some(checkpoint()));
        Checkpoint::default().write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap(), Some(Checkpoint::default()));
    }

    #[test]
    fn a_sound_file_that_is_no_checkpoint_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        tensors::write(&path, &BTreeMap::new(), &json!({"epochs_done": 1})).unwrap();
        let error = Checkpoint::read(&path).unwrap_err().to_string();
        assert!(error.contains("checkpoint.safetensors") && error.contains("`weights`"), "{error}");
        let twice = Checkpoint { accumulators: vec![("a".into(), vec![]), ("a".into(), vec![])], ..checkpoint() };
        assert!(twice.write(&path).unwrap_err().to_string().contains("same name"));
    }

    proptest! {
        #[test]
        fn a_damaged_checkpoint_is_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("checkpoint.safetensors");
            checkpoint().write(&path).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            std::fs::write(&path, bytes).unwrap();
            let _ = Checkpoint::read(&path);
        }
    }
}
