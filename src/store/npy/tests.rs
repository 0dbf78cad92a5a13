use proptest::prelude::*;

use super::*;

/// NumPy's own bytes of `np.save` for `np.arange(6, dtype='<f4').reshape(2, 3)`, header 128 bytes in all.
fn numpy_file() -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".to_vec();
    bytes.resize(127, b' ');
    bytes.push(b'\n');
    f32::put(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &mut bytes);
    bytes
}

fn place(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

#[test]
fn what_numpy_saves_is_read_and_written_byte_for_byte() {
    let (_folder, path) = place("a.npy");
    std::fs::write(&path, numpy_file()).unwrap();
    let (shape, values) = read::<f32>(&path).unwrap();
    assert_eq!((shape.as_slice(), values.as_slice()), (&[2, 3][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..]));
    write(&path, &shape, &values).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), numpy_file());
}

#[test]
fn rows_written_in_place_come_back_as_rows_and_columns_in_both_orders() {
    let (_folder, path) = place("a.npy");
    let (rows, width) = (5, 7);
    let array = create(&path, Dtype::U16, &[rows, width]).unwrap();
    assert_eq!(array.all::<u16>().unwrap(), vec![0; rows * width]);
    let value = |row: usize, column: usize| u16::try_from(100 * row + column).unwrap();
    for row in 0..rows {
        array.write_row(row, &(0..width).map(|column| value(row, column)).collect::<Vec<_>>()).unwrap();
    }
    let everything = array.all::<u16>().unwrap();
    for turned in [false, true] {
        if turned {
            fortran(&path).unwrap();
            fortran(&path).unwrap();
        }
        let array = Npy::open(&path).unwrap();
        assert_eq!(array.header().order() == Order::Fortran, turned);
        assert_eq!(array.all::<u16>().unwrap(), everything);
        for row in 0..rows {
            assert_eq!(array.row::<u16>(row).unwrap(), (0..width).map(|c| value(row, c)).collect::<Vec<_>>());
        }
        for column in 0..width {
            assert_eq!(array.column::<u16>(column, 3).unwrap(), (0..3).map(|r| value(r, column)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_row_written_into_a_turned_file_lands_in_its_row() {
    let (_folder, path) = place("a.npy");
    write(&path, &[3, 4], &[0_u8; 12]).unwrap();
    fortran(&path).unwrap();
    Npy::open_to_write(&path).unwrap().write_row(1, &[1_u8, 2, 3, 4]).unwrap();
    assert_eq!(read::<u8>(&path).unwrap().1, [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
}

#[test]
fn arrays_larger_than_one_block_or_window_are_turned_right() {
    let (_folder, path) = place("a.npy");
    // One column of 2^21 + 3 doubles is just over the block of 16 MiB, so every block is one column.
    let (rows, width) = ((1 << 21) + 3, 2);
    let values: Vec<f64> = (0..rows * width).map(|n| n as f64).collect();
    write(&path, &[rows, width], &values).unwrap();
    fortran(&path).unwrap();
    let array = Npy::open(&path).unwrap();
    assert_eq!(array.row::<f64>(rows - 1).unwrap(), values[values.len() - 2..]);
    assert!(array.all::<f64>().unwrap() == values);
}

#[test]
fn growing_keeps_the_old_rows_and_adds_zeros_from_either_order() {
    for turned in [false, true] {
        let (_folder, path) = place("a.npy");
        write(&path, &[2, 2], &[1_u32, 2, 3, 4]).unwrap();
        if turned {
            fortran(&path).unwrap();
        }
        grow(&path, 3).unwrap();
        assert_eq!(read::<u32>(&path).unwrap(), (vec![3, 2], vec![1, 2, 3, 4, 0, 0]));
        assert_eq!(Npy::open(&path).unwrap().header().order(), Order::C);
        assert!(grow(&path, 1).unwrap_err().to_string().contains("a.npy"));
    }
}

#[test]
fn wrong_types_places_and_lengths_are_errors_that_name_the_file() {
    let (_folder, path) = place("a.npy");
    write(&path, &[2, 3], &[0.0_f32; 6]).unwrap();
    let array = Npy::open_to_write(&path).unwrap();
    let errors = [
        read::<u8>(&path).unwrap_err(),
        array.row::<f32>(2).unwrap_err(),
        array.column::<f32>(3, 1).unwrap_err(),
        array.column::<f32>(0, 3).unwrap_err(),
        array.write_row(0, &[0.0_f32; 2]).unwrap_err(),
        write(&path, &[2, 3], &[0_u8; 5]).unwrap_err(),
        create(&path, Dtype::F64, &[usize::MAX, 2]).unwrap_err(),
        Npy::open(&path.with_file_name("missing a.npy")).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("a.npy"), "{error}");
    }
}

#[test]
fn empty_arrays_and_single_axes_work() {
    let (_folder, path) = place("a.npy");
    for shape in [vec![0], vec![0, 5], vec![5, 0], vec![0, 0]] {
        write::<f32>(&path, &shape, &[]).unwrap();
        fortran(&path).unwrap();
        assert_eq!(read::<f32>(&path).unwrap(), (shape, vec![]));
    }
    write(&path, &[4], &[1_u8, 2, 3, 4]).unwrap();
    fortran(&path).unwrap();
    assert_eq!(Npy::open(&path).unwrap().column::<u8>(0, 4).unwrap(), [1, 2, 3, 4]);
    write(&path, &[], &[1.5_f64]).unwrap();
    assert_eq!(read::<f64>(&path).unwrap(), (vec![], vec![1.5]));
}

#[test]
fn hostile_headers_are_refused_with_a_reason() {
    let header = |text: &str| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "not a NumPy"),
        (b"\x93NUMPY".to_vec(), "not a NumPy"),
        (b"PK\x03\x04 an archive of arrays".to_vec(), "not a NumPy"),
        (b"\x93NUMPY\x09\x00\x10\x00                ".to_vec(), "not a NumPy"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "claims"),
        (b"\x93NUMPY\x01\x00\xf0\x00{'descr'".to_vec(), "ends inside"),
        (header("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }"), "`>f4`"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "`|O`"),
        (header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"), "makes no sense"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"), "makes no sense"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (1 1), }"), "makes no sense"),
        (header("{'descr': '<f4', 'fortran_order': False, }"), "lacks `shape`"),
        (header("{'descr': '<f4', 'shape': (1,), }"), "lacks `fortran_order`"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"), "larger than any"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296), }"), "larger than any"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, ), }"), "expected 4000000000"),
        (header("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1, 1), }"), "at most two axes"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x"), "makes no sense"),
    ];
    let (_folder, path) = place("a.npy");
    for (bytes, expected) in cases {
        std::fs::write(&path, &bytes).unwrap();
        let error = Npy::open(&path).unwrap_err().to_string();
        assert!(error.contains("a.npy") && error.contains(expected), "{error} lacks {expected}");
    }
}

proptest! {
    #[test]
    fn a_damaged_file_is_read_or_refused_but_never_panics(
        changes in prop::collection::vec((0_usize..152, any::<u8>()), 1..6),
        length in 0_usize..170,
    ) {
        let mut bytes = numpy_file();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.resize(length, 7);
        let (_folder, path) = place("a.npy");
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(array) = Npy::open(&path) {
            let _ = (array.all::<f32>(), array.all::<u8>(), array.row::<f32>(1), array.column::<f32>(1, 2));
            let _ = (array.row::<f64>(0), array.column::<u16>(0, 1), fortran(&path), grow(&path, 3));
        }
    }

    #[test]
    fn any_header_text_is_read_or_refused(text in "[{}()',: a-z0-9_<|TrueFalse]{0,90}") {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text.as_bytes());
        let (_folder, path) = place("a.npy");
        std::fs::write(&path, &bytes).unwrap();
        let _ = Npy::open(&path);
    }

    #[test]
    fn turning_around_keeps_every_value(rows in 0_usize..90, width in 0_usize..90, seed in any::<u8>()) {
        let values: Vec<u8> = (0..rows * width).map(|n| (n % 251) as u8 ^ seed).collect();
        let (_folder, path) = place("a.npy");
        write(&path, &[rows, width], &values).unwrap();
        fortran(&path).unwrap();
        prop_assert_eq!(read::<u8>(&path).unwrap(), (vec![rows, width], values));
    }
}
