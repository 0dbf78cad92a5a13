//! The numbers that an array may hold.

/// A NumPy type, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// `<f2`
    F16,
    /// `<f4`
    F32,
    /// `<f8`
    F64,
    /// `|u1`
    U8,
    /// `<u2`
    U16,
    /// `<u4`
    U32,
}

impl Dtype {
    const ALL: [Self; 6] = [Self::F16, Self::F32, Self::F64, Self::U8, Self::U16, Self::U32];

    /// NumPy's name, as in a header.
    pub const fn descr(self) -> &'static str {
        match self {
            Self::F16 => "<f2",
            Self::F32 => "<f4",
            Self::F64 => "<f8",
            Self::U8 => "|u1",
            Self::U16 => "<u2",
            Self::U32 => "<u4",
        }
    }

    /// The type of NumPy's name, if it is one of ours.
    pub fn of_descr(descr: &str) -> Option<Self> {
        // One byte has no order: `<u1` is the same.
        let descr = if descr == "<u1" { "|u1" } else { descr };
        Self::ALL.into_iter().find(|dtype| dtype.descr() == descr)
    }

    /// Bytes of one value.
    pub const fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F16 | Self::U16 => 2,
            Self::F32 | Self::U32 => 4,
            Self::F64 => 8,
        }
    }
}

/// A number that an array may hold.
pub trait Element: Copy {
    /// Its type.
    const DTYPE: Dtype;
    /// Appends values as little-endian bytes.
    fn put(values: &[Self], bytes: &mut Vec<u8>);
    /// The values of little-endian bytes; a rest that is no whole value is left out.
    fn take(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! elements {
    ($($number:ty => $dtype:ident),*) => {$(
        impl Element for $number {
            const DTYPE: Dtype = Dtype::$dtype;

            fn put(values: &[Self], bytes: &mut Vec<u8>) {
                bytes.reserve(size_of_val(values));
                for value in values {
                    bytes.extend_from_slice(&value.to_le_bytes());
                }
            }

            fn take(bytes: &[u8]) -> Vec<Self> {
                bytes.as_chunks().0.iter().map(|value| Self::from_le_bytes(*value)).collect()
            }
        }
    )*};
}
elements!(half::f16 => F16, f32 => F32, f64 => F64, u8 => U8, u16 => U16, u32 => U32);
