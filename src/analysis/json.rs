//! How do numbers get into a result? Lists and nested lists; NaN and infinities become null.

use ndarray::{Array2, ArrayView1};
use serde_json::Value;

/// Rows of cells.
pub fn nested<T: Copy + Into<Value>>(matrix: &Array2<T>) -> Value {
    let row = |row: ArrayView1<T>| row.iter().map(|cell| (*cell).into()).collect::<Vec<Value>>();
    matrix.outer_iter().map(row).collect()
}

/// Adds a key to an object.
pub fn insert(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Value::Object(object) = object {
        object.insert(key.to_owned(), value.into());
    }
}
