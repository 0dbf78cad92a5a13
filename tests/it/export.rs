//! Does an exported file hold what the study folder says, whatever its format?

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use candle_core::npy::NpzTensors;
use diffscope::data::Role;
use diffscope::store::StudyFolder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

use crate::program::{Home, err, out};
use crate::studies::id;

/// The small study with hold-outs, for a moment.
const HOLDOUT: [&str; 6] = ["--set", "train.epochs=1", "--set", "data.holdout=0.2", "--set", "train.observe=\"sweep\""];

fn export(home: &Home, dir: &Path, format: &str, more: &[&str]) -> String {
    let dir = dir.display().to_string();
    let output = home.output(&[&["export", &dir, "--format", format], more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    out(&output)
}

/// Columns by name; a missing value is null.
type Columns = HashMap<String, Vec<Value>>;

fn from_csv(path: &Path) -> Columns {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.contains('"'), "no name of this study needs quotes");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    let value = |field: &str| match field {
        // Scores are written with a point: a whole -1 is a class or a count that is missing. NaN becomes null by itself.
        "" | "-1" => Value::Null,
        number if number.parse::<f64>().is_ok() => number.parse::<f64>().unwrap().into(),
        word => word.into(),
    };
    let column = |place: usize| rows.iter().map(|row| value(row[place])).collect();
    names.iter().enumerate().map(|(place, name)| ((*name).to_owned(), column(place))).collect()
}

fn from_jsonl(path: &Path) -> Columns {
    let text = std::fs::read_to_string(path).unwrap();
    let mut columns = Columns::new();
    for line in text.lines() {
        let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        for (name, value) in object {
            let value = value.as_f64().map_or(value, Value::from);
            columns.entry(name).or_default().push(value);
        }
    }
    columns
}

fn from_parquet(path: &Path) -> Columns {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut columns = Columns::new();
    for row in reader.get_row_iter(None).unwrap() {
        for (name, field) in row.unwrap().get_column_iter() {
            let value = match field {
                Field::Null => Value::Null,
                Field::Long(value) => (*value as f64).into(),
                Field::Int(value) => f64::from(*value).into(),
                // The shortest decimal that is this f32, as the text formats write it.
                Field::Float(value) => format!("{value:?}").parse::<f64>().unwrap().into(),
                Field::Double(value) => (*value).into(),
                Field::Str(word) => word.as_str().into(),
                other => panic!("{other:?}"),
            };
            columns.entry(name.clone()).or_default().push(value);
        }
    }
    columns
}

/// The JSON reader of the tests is exact to about the last digit of an f64.
fn alike((a, b): (&Value, &Value)) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-14 * b.abs(),
        _ => a == b,
    }
}

#[test]
fn every_format_holds_the_same_table_and_its_numbers_are_those_of_the_stored_scores() {
    let home = Home::new();
    let dir = home.dir("s");
    home.finish(&dir, 2, &HOLDOUT);
    let id = StudyFolder::open(&dir).unwrap().examples().unwrap().ids[3];
    for (verdict, new_label, reviewer) in [("mislabelled", "7", "ann"), ("fine", "null", "bob")] {
        let line = format!(
            r#"{{"id":{id},"verdict":"{verdict}","new_label":{new_label},"mark":true,"reviewer":"{reviewer}"}}"#
        );
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(dir.join("verdicts.jsonl")).unwrap();
        writeln!(file, "{line}").unwrap();
    }
    let said = export(&home, &dir, "csv", &["--per-run"]);
    assert!(said.contains("1200 examples") && said.contains("mlp-16x1 2, net 2"), "{said}");
    assert!(said.contains("200 draws, seed 0"), "{said}");
    let csv = from_csv(&dir.join("export.csv"));
    for (format, read) in [("jsonl", from_jsonl as fn(&Path) -> Columns), ("parquet", from_parquet)] {
        export(&home, &dir, format, &["--per-run"]);
        let other = read(&dir.join(format!("export.{format}")));
        assert_eq!(other.len(), csv.len());
        for (name, values) in &csv {
            assert!(other[name].len() == 1200 && other[name].iter().zip(values).all(alike), "{name} in {format}");
        }
    }
    let path = home.path().join("deep/arrays.npz");
    export(&home, &dir, "npz", &["--per-run", "--out", &path.display().to_string()]);
    let npz = NpzTensors::new(&path).unwrap();
    for (name, values) in csv.iter().filter(|(name, _)| {
        // Words are numbers there, whose names stand beside them.
        !name.ends_with("class") && !name.ends_with("role") && !name.starts_with("verdict/")
    }) {
        let array = npz.get(name).unwrap().unwrap();
        let whole = array.dtype().is_int();
        let array = array.to_dtype(candle_core::DType::F64).unwrap().to_vec1::<f64>().unwrap();
        let same = |(array, value): (&f64, &Value)| match value.as_f64() {
            None if whole => (array + 1.0).abs() < f64::EPSILON,
            None => array.is_nan(),
            // An f32 is written as its shortest decimal, which is another f64.
            Some(value) => (array - value).abs() <= 1e-7 * value.abs() || array.total_cmp(&value).is_eq(),
        };
        assert!(array.len() == values.len() && array.iter().zip(values).all(same), "{name}");
    }
    compare_with_stored(&dir, &csv);
    let said = |name: &str| (csv[name][3].clone(), csv[name].iter().filter(|value| !value.is_null()).count());
    assert_eq!(said("verdict/ann"), ("mislabelled".into(), 1));
    assert_eq!(said("new_label/ann").0, Value::from(7.0));
    assert!(!csv.contains_key("new_label/bob"), "a column without any value is left out");
    assert_eq!((said("verdict/bob").0, said("mark/bob").0), ("fine".into(), 1.0.into()));
}

/// Means and counts, role by role, worked out from the replicates' own files.
fn compare_with_stored(dir: &Path, csv: &Columns) {
    let folder = StudyFolder::open(dir).unwrap();
    let stored = [0, 1].map(|index| {
        let replicate = folder.replicate(&id("net", index));
        (replicate.roles().unwrap(), replicate.scores().unwrap().unwrap())
    });
    let number = |name: &str, row: usize| csv[name][row].as_f64();
    let mut held_out = 0;
    for (place, score) in
        stored[0].1.iter().enumerate().filter(|(_, score)| ["loss", "el2n@0"].contains(&score.name.as_str()))
    {
        for row in 0..1200 {
            for (side, roles) in [("", [Role::Train, Role::Test]), ("val/", [Role::Val, Role::Val])] {
                let values = stored.iter().filter(|(all, _)| roles.contains(&all[row]));
                let values: Vec<f64> = values.map(|(_, scores)| f64::from(scores[place].values[row])).collect();
                let column = |what: &str| number(&format!("net/{}/{side}{what}", score.name), row);
                assert_eq!(column("n"), Some(values.len() as f64), "row {row}");
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                assert!(column("mean").map_or(mean.is_nan(), |said| (said - mean).abs() < 1e-12), "row {row}: {mean}");
                held_out += usize::from(side == "val/" && !values.is_empty());
            }
            let run = number(&format!("net/{}/001", score.name), row).unwrap();
            assert!((run - f64::from(stored[1].1[place].values[row])).abs() < 1e-6);
            assert_eq!(csv["net/001/role"][row], stored[1].0[row].name());
        }
    }
    assert!(held_out >= 2 * 40, "each run held out 40 examples: {held_out}");
    let hardest = (0..200).find(|row| number("net/loss/rank", *row) == Some(1.0)).unwrap();
    let most = (0..200).filter_map(|row| number("net/loss/mean", row)).fold(f64::MIN, f64::max);
    assert_eq!(number("net/loss/mean", hardest), Some(most), "loss is harder when larger: rank 1 has the largest");
    let voters = |row: usize| number("net/voters", row).unwrap() + number("net/val/voters", row).unwrap();
    assert!(
        (0..1200).all(|row| (voters(row) - 2.0).abs() < f64::EPSILON),
        "each run says something of each example, in one role"
    );
}

#[test]
fn a_file_is_replaced_whole_and_what_cannot_be_written_is_said() {
    let home = Home::new();
    let dir = home.dir("s");
    home.finish(&dir, 2, &["--set", "train.epochs=1"]);
    let (file, folder) = (home.path().join("x.csv"), home.path().join("taken"));
    std::fs::write(&file, "old").unwrap();
    std::fs::create_dir(&folder).unwrap();
    export(&home, &dir, "csv", &["--out", &file.display().to_string()]);
    let columns = from_csv(&file);
    assert_eq!(columns["id"].len(), 1200);
    assert!(
        columns.keys().all(|name| !name.contains("/val/") && !name.ends_with("/000")),
        "none asked for, none held out"
    );
    assert!(columns["net/loss/mean"][500].is_null(), "test examples are not watched in training");
    assert!(!columns.contains_key("net/el2n@2/mean"), "epoch 2 never came");
    let text = dir.display().to_string();
    let refused = |arguments: &[&str], code: i32, says: &str| {
        let output = home.output(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        assert!(err(&output).contains(says), "{}", err(&output));
    };
    refused(&["export", &text], 2, "--format");
    refused(&["export", &text, "--format", "xlsx"], 2, "xlsx");
    refused(&["export", &text, "--format", "csv", "--out", &folder.display().to_string()], 1, "taken");
    refused(&["export", &home.path().display().to_string(), "--format", "csv"], 1, "not a study");
}
