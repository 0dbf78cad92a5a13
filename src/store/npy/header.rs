//! The header: a Python dictionary in plain text behind a magic number.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::Dtype;

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy aligns the data to this many bytes.
const ALIGNMENT: usize = 64;
/// Longer headers are refused: ours take 128 bytes, NumPy's own limit is 10,000.
const LONGEST: usize = 10_000;

/// Which index runs fastest in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The last: a row is contiguous.
    C,
    /// The first: a column is contiguous.
    Fortran,
}

/// Type, order and shape of an array, checked against overflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    dtype: Dtype,
    order: Order,
    shape: Vec<usize>,
    values: usize,
    data_offset: u64,
}

impl Header {
    /// A header as this program writes it, or why there is no such array.
    pub fn new(dtype: Dtype, order: Order, shape: &[usize]) -> Result<Self, String> {
        let mut header = Self::checked(dtype, order, shape.to_vec(), 0)?;
        header.data_offset = header.encode().len() as u64;
        Ok(header)
    }

    fn checked(dtype: Dtype, order: Order, shape: Vec<usize>, data_offset: u64) -> Result<Self, String> {
        // Zeros in front would hide an overflow behind them; rows and widths are products of parts of the shape.
        let largest = shape.iter().filter(|axis| **axis > 0).try_fold(dtype.size(), |n, axis| n.checked_mul(*axis));
        if largest.is_none_or(|bytes| bytes > isize::MAX as usize - 2 * LONGEST) {
            return Err(format!("shape {shape:?} is larger than any file"));
        }
        let values = shape.iter().product();
        Ok(Self { dtype, order, shape, values, data_offset })
    }

    /// Type of the values.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Order in the file.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The array's shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.values
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.values == 0
    }

    /// Length of the first axis (1 for a single number).
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Values in a row: the product of the other axes.
    pub fn width(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Where in the file the value lies that has number `position` in the file's order.
    pub fn at(&self, position: usize) -> u64 {
        self.data_offset + (position * self.dtype.size()) as u64
    }

    /// Bytes of the whole file.
    pub fn file_length(&self) -> u64 {
        self.at(self.values)
    }

    /// The header's bytes in format 1.0.
    pub fn encode(&self) -> Vec<u8> {
        header_of(self.dtype.descr(), self.order, &self.shape)
    }

    /// Reads the header of a file and checks that the file has the length it promises.
    pub fn read(file: &File) -> Result<Self, String> {
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        let mut start = [0; 12];
        let known = usize::try_from(length).map_or(start.len(), |length| length.min(start.len()));
        let (prefix, _) = start.split_at_mut(known);
        file.read_exact_at(prefix, 0).map_err(|error| error.to_string())?;
        let (text_at, text_length) = text_place(prefix).ok_or("not a NumPy array file (format 1, 2 or 3)")?;
        if text_length > LONGEST {
            return Err(format!("its header claims {text_length} bytes, more than the {LONGEST} that NumPy allows"));
        }
        let mut text = vec![0; text_length];
        file.read_exact_at(&mut text, text_at).map_err(|_| "ends inside its header".to_owned())?;
        let text = String::from_utf8(text).map_err(|_| "its header is not text".to_owned())?;
        let header = Self::parse(&text, text_at + text_length as u64)?;
        if length != header.file_length() {
            return Err(format!("expected {} bytes as its header says, found {length}", header.file_length()));
        }
        Ok(header)
    }

    fn parse(text: &str, data_offset: u64) -> Result<Self, String> {
        let fields = Fields::parse(text).ok_or_else(|| format!("its header makes no sense: {}", text.trim()))?;
        let missing = |name: &str| format!("its header lacks `{name}`");
        let descr = fields.descr.ok_or_else(|| missing("descr"))?;
        let dtype = Dtype::of_descr(descr).ok_or_else(|| {
            format!("holds `{descr}`; expected f2, f4, f8, u1, u2 or u4, little-endian (convert it with .astype(...))")
        })?;
        let fortran = fields.fortran_order.ok_or_else(|| missing("fortran_order"))?;
        let shape = fields.shape.ok_or_else(|| missing("shape"))?;
        let order = if fortran { Order::Fortran } else { Order::C };
        if fortran && shape.len() > 2 {
            return Err(format!("shape {shape:?} in Fortran order; expected at most two axes (or C order)"));
        }
        Self::checked(dtype, order, shape, data_offset)
    }
}

/// The bytes of a header in format 1.0, for values of the type that NumPy calls `descr`, also one that no [`Dtype`] is.
pub fn header_of(descr: &str, order: Order, shape: &[usize]) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if axes.len() == 1 { "," } else { "" };
    let order = if order == Order::Fortran { "True" } else { "False" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({}{comma}), }}", axes.join(", "));
    let used = MAGIC.len() + 4 + text.len() + 1;
    text.extend(std::iter::repeat_n(' ', used.next_multiple_of(ALIGNMENT) - used));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// Where the dictionary starts and how long it is; None for another file.
fn text_place(start: &[u8]) -> Option<(u64, usize)> {
    match start.strip_prefix(MAGIC)? {
        [1, _, a, b, ..] => Some((10, usize::from(u16::from_le_bytes([*a, *b])))),
        [2 | 3, _, a, b, c, d] => Some((12, usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).ok()?)),
        _ => None,
    }
}

/// What the dictionary says, as far as it says it.
#[derive(Default)]
struct Fields<'a> {
    descr: Option<&'a str>,
    fortran_order: Option<bool>,
    shape: Option<Vec<usize>>,
}

impl<'a> Fields<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut rest = Cursor(text);
        let mut fields = Self::default();
        rest.eat('{').then_some(())?;
        while !rest.eat('}') {
            let key = rest.quoted()?;
            rest.eat(':').then_some(())?;
            match key {
                "descr" => fields.descr = Some(rest.quoted()?),
                "fortran_order" => fields.fortran_order = Some(rest.boolean()?),
                "shape" => fields.shape = Some(rest.shape()?),
                _ => return None,
            }
            if !rest.eat(',') && !rest.0.trim_start().starts_with('}') {
                return None;
            }
        }
        rest.0.trim().is_empty().then_some(fields)
    }
}

/// What is left of the dictionary's text.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    /// Takes a character where it comes next, after blanks.
    fn eat(&mut self, wanted: char) -> bool {
        let next = self.0.trim_start().strip_prefix(wanted);
        self.0 = next.unwrap_or(self.0);
        next.is_some()
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let quote = if self.eat('\'') { '\'' } else { self.eat('"').then_some('"')? };
        let (word, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(word)
    }

    fn boolean(&mut self) -> Option<bool> {
        let text = self.0.trim_start();
        let (value, rest) = match text.strip_prefix("True") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("False")?),
        };
        self.0 = rest;
        Some(value)
    }

    fn shape(&mut self) -> Option<Vec<usize>> {
        self.eat('(').then_some(())?;
        let mut axes = Vec::new();
        while !self.eat(')') {
            let text = self.0.trim_start();
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (number, rest) = text.split_at(digits);
            axes.push(number.parse().ok()?);
            self.0 = rest;
            if !self.eat(',') && !self.0.trim_start().starts_with(')') {
                return None;
            }
        }
        Some(axes)
    }
}
