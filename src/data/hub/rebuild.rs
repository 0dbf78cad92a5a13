//! Which official files do decoded images and labels make?

use super::decode::Decoded;
use crate::data::official::{Format, OfficialFile, Part, Set, md5_hex};
use crate::data::{Split, idx};

type Bytes = (&'static OfficialFile, Vec<u8>);

/// The files of a part, each compared with its digest where it has one.
///
/// # Errors
/// What the images and labels do not make.
pub(super) fn files(set: &Set, part: &'static Part, decoded: Decoded) -> Result<Vec<Bytes>, String> {
    match set.format {
        Format::Idx => idx_files(set, part, decoded),
        Format::Records => batches(part, &records(set, &decoded)),
    }
}

/// CIFAR's records: label bytes, then planes.
fn records(set: &Set, decoded: &Decoded) -> Vec<u8> {
    let mut records = Vec::with_capacity(set.record() * decoded.pixels.len() / set.shape.len().max(1));
    for (index, pixels) in decoded.pixels.chunks_exact(set.shape.len()).enumerate() {
        records.extend(decoded.labels.iter().filter_map(|column| column.get(index)));
        records.extend_from_slice(pixels);
    }
    records
}

/// The batches of a part, each recognised by its digest (the order on the hub is another one); a file without a
/// digest takes the rows of its place.
fn batches(part: &'static Part, records: &[u8]) -> Result<Vec<Bytes>, String> {
    let count = part.files.len().max(1);
    let rows = part.examples / count;
    let mut open: Vec<&OfficialFile> = part.files.iter().collect();
    let mut found = Vec::new();
    for (index, batch) in records.chunks((records.len() / count).max(1)).enumerate() {
        let digest = md5_hex(batch);
        let place = open.iter().position(|file| file.md5.is_none_or(|md5| md5 == digest)).ok_or_else(|| {
            let (from, to) = (index * rows, (index + 1) * rows);
            format!("rows {from} to {to} make none of the published batches (their md5 is {digest})")
        })?;
        found.push((open.remove(place), batch.to_vec()));
    }
    Ok(found)
}

fn idx_files(set: &Set, part: &'static Part, decoded: Decoded) -> Result<Vec<Bytes>, String> {
    let labels = decoded.labels.into_iter().next().unwrap_or_default();
    let labels = labels.into_iter().map(u16::from).collect();
    let split = Split { shape: set.shape, pixels: decoded.pixels, labels };
    let made = [idx::encode_images(&split), idx::encode_labels(&split)];
    let compared = part.files.iter().zip(made).map(|(file, bytes)| match set.compare(part, file, &bytes) {
        Ok(()) => Ok((file, bytes)),
        Err(reason) => Err(format!("the rows do not make {}: {reason}", file.name)),
    });
    compared.collect()
}
