//! How do named arrays go to disk so that Python's safetensors opens them?
//!
//! One file holds sorted names and one JSON string of metadata (the format's own metadata is an unordered map, so one
//! entry is all that keeps an order). Two equal files may differ in bytes: compare tensors.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde_json::Value;

use super::atomic;
use super::npy::Element;
use crate::{Error, Result};

/// The entry of the format's metadata that holds our JSON.
const METADATA: &str = "diffscope";

/// The values of a tensor, borrowed for writing, owned after reading.
#[derive(Debug, Clone, PartialEq)]
pub enum Values<'a> {
    /// 32-bit floats.
    F32(Cow<'a, [f32]>),
    /// 64-bit floats.
    F64(Cow<'a, [f64]>),
    /// Bytes.
    U8(Cow<'a, [u8]>),
    /// 16-bit whole numbers.
    U16(Cow<'a, [u16]>),
    /// 32-bit whole numbers.
    U32(Cow<'a, [u32]>),
}

macro_rules! values_from {
    ($($number:ty => $variant:ident),*) => {$(
        impl<'a> From<&'a [$number]> for Values<'a> {
            fn from(values: &'a [$number]) -> Self {
                Self::$variant(Cow::Borrowed(values))
            }
        }
        impl From<Vec<$number>> for Values<'_> {
            fn from(values: Vec<$number>) -> Self {
                Self::$variant(Cow::Owned(values))
            }
        }
    )*};
}
values_from!(f32 => F32, f64 => F64, u8 => U8, u16 => U16, u32 => U32);

impl Values<'_> {
    /// The values as 32-bit floats, where they are such.
    pub fn into_f32(self) -> Option<Vec<f32>> {
        if let Self::F32(values) = self { Some(values.into_owned()) } else { None }
    }

    /// The values as 16-bit whole numbers, where they are such.
    pub fn into_u16(self) -> Option<Vec<u16>> {
        if let Self::U16(values) = self { Some(values.into_owned()) } else { None }
    }

    /// The values as 64-bit floats, where they are such.
    pub fn into_f64(self) -> Option<Vec<f64>> {
        if let Self::F64(values) = self { Some(values.into_owned()) } else { None }
    }
}

/// An array: shape and values in C order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    /// Its shape.
    pub shape: Vec<usize>,
    /// As many values as the shape holds.
    pub values: Values<'a>,
}

impl<'a> Tensor<'a> {
    /// A tensor of any shape.
    pub fn new(shape: &[usize], values: impl Into<Values<'a>>) -> Self {
        Self { shape: shape.to_vec(), values: values.into() }
    }

    /// A vector of 32-bit floats.
    pub fn vector(values: &'a [f32]) -> Self {
        Self::new(&[values.len()], values)
    }
}

impl View for &Tensor<'_> {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::F32(_) => Dtype::F32,
            Values::F64(_) => Dtype::F64,
            Values::U8(_) => Dtype::U8,
            Values::U16(_) => Dtype::U16,
            Values::U32(_) => Dtype::U32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = Vec::new();
        match &self.values {
            Values::F32(values) => f32::put(values, &mut bytes),
            Values::F64(values) => f64::put(values, &mut bytes),
            Values::U8(values) => return Cow::Borrowed(values),
            Values::U16(values) => u16::put(values, &mut bytes),
            Values::U32(values) => u32::put(values, &mut bytes),
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        match &self.values {
            Values::F32(values) => size_of_val(&**values),
            Values::F64(values) => size_of_val(&**values),
            Values::U8(values) => values.len(),
            Values::U16(values) => size_of_val(&**values),
            Values::U32(values) => size_of_val(&**values),
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// The tensors by name.
    pub tensors: BTreeMap<String, Tensor<'static>>,
    /// Our JSON; null in a file from elsewhere.
    pub metadata: Value,
}

/// Writes tensors and a JSON value, atomically.
pub fn write(path: &Path, tensors: &BTreeMap<String, Tensor<'_>>, metadata: &Value) -> Result<()> {
    for (name, tensor) in tensors {
        let expected = tensor.shape.iter().product::<usize>() * (&tensor).dtype().bitsize() / 8;
        if expected != (&tensor).data_len() {
            let reason = format!("`{name}`: shape {:?} does not hold the values given", tensor.shape);
            return Err(Error::file(path, reason));
        }
    }
    let metadata = HashMap::from([(METADATA.to_owned(), metadata.to_string())]);
    let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|error| bad(path, &error.to_string()))?;
    atomic::write(path, &bytes)
}

/// Reads a whole file.
///
/// # Errors
/// A file that is no safetensors file, or holds types other than f32, f64, u8, u16 and u32.
pub fn read(path: &Path) -> Result<Contents> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let refuse = |error: safetensors::SafeTensorError| bad(path, &error.to_string());
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(refuse)?;
    let file = SafeTensors::deserialize(&bytes).map_err(refuse)?;
    let json = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA));
    let metadata = match json {
        Some(json) => serde_json::from_str(json).map_err(|error| bad(path, &format!("its metadata: {error}")))?,
        None => Value::Null,
    };
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let values = values_of(view.dtype(), view.data()).ok_or_else(|| {
            bad(path, &format!("`{name}` holds {:?}; expected f32, f64, u8, u16 or u32", view.dtype()))
        })?;
        tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), values });
    }
    Ok(Contents { tensors, metadata })
}

fn values_of(dtype: Dtype, bytes: &[u8]) -> Option<Values<'static>> {
    Some(match dtype {
        Dtype::F32 => f32::take(bytes).into(),
        Dtype::F64 => f64::take(bytes).into(),
        Dtype::U8 => u8::take(bytes).into(),
        Dtype::U16 => u16::take(bytes).into(),
        Dtype::U32 => u32::take(bytes).into(),
        _ => return None,
    })
}

fn bad(path: &Path, reason: &str) -> Error {
    Error::file(path, format!("not a sound safetensors file: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn written() -> (tempfile::TempDir, std::path::PathBuf, BTreeMap<String, Tensor<'static>>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = BTreeMap::from([
            ("b.weight".to_owned(), Tensor::new(&[2, 2], vec![1.0_f32, f32::NAN, -0.0, 4.0])),
            ("a".to_owned(), Tensor::new(&[3], vec![1.0_f64, 2.0, 3.0])),
            ("votes".to_owned(), Tensor::new(&[1, 5], vec![1_u8, 2, 3, 4, 255])),
            ("count".to_owned(), Tensor::new(&[0], Vec::<u32>::new())),
            ("classes".to_owned(), Tensor::new(&[], vec![65535_u16])),
        ]);
        write(&path, &tensors, &json!({"z": 1, "a": [null]})).unwrap();
        (folder, path, tensors)
    }

    #[test]
    fn tensors_and_metadata_come_back_bit_for_bit() {
        let (_folder, path, tensors) = written();
        let contents = read(&path).unwrap();
        assert_eq!(format!("{:?}", contents.tensors), format!("{tensors:?}"));
        assert_eq!(contents.metadata, json!({"z": 1, "a": [null]}));
    }

    #[test]
    fn the_file_is_laid_out_as_the_format_says() {
        // An independent reading: eight bytes of length, JSON, then the data by offsets.
        let (_folder, path, _) = written();
        let bytes = std::fs::read(&path).unwrap();
        let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        assert_eq!(header["__metadata__"], json!({"diffscope": "{\"a\":[null],\"z\":1}"}));
        assert_eq!(header["a"]["dtype"], "F64");
        assert_eq!(header["b.weight"]["shape"], json!([2, 2]));
        let start = usize::try_from(header["b.weight"]["data_offsets"][0].as_u64().unwrap()).unwrap();
        assert_eq!(bytes[8 + length + start..][..4], 1.0_f32.to_le_bytes());
    }

    #[test]
    fn a_shape_that_does_not_fit_and_a_foreign_type_are_errors_that_name_the_file() {
        let (_folder, path, _) = written();
        let wrong = BTreeMap::from([("x".to_owned(), Tensor::new(&[3], vec![0.0_f32; 2]))]);
        let error = write(&path, &wrong, &Value::Null).unwrap_err().to_string();
        assert!(error.contains("x.safetensors") && error.contains("`x`"), "{error}");
        let header = br#"{"h":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend([0; 8]);
        std::fs::write(&path, bytes).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("x.safetensors") && error.contains("I64"), "{error}");
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), keep in any::<prop::sample::Index>()) {
            let (_folder, path, _) = written();
            let mut bytes = std::fs::read(&path).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(keep.index(bytes.len() * 2).max(1));
            std::fs::write(&path, bytes).unwrap();
            let _ = read(&path);
        }
    }
}
