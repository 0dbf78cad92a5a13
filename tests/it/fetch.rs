//! Do official files arrive byte for byte, and does nothing else ever stay behind? Against a hub on this machine.

mod hub;
mod made;

use std::cell::Cell;
use std::path::Path;
use std::process::{Command, Output};

use diffscope::Result;
use diffscope::data::hub::{Client, Fetched, Unit, Watch, fetch};
use diffscope::data::official::{self, Set, State};
use diffscope::data::sources;
use diffscope::study::config::DataConfig;

use self::hub::{Hub, Store};
use self::made::{Made, Row, batches, fashion, pixel, png, undigested};

/// Follows silently; asks for the end at the given call of `at`.
#[derive(Default)]
struct Quiet {
    stop_at: Option<usize>,
    calls: Cell<usize>,
}

impl Watch for Quiet {
    fn begin(&self, _: &str, _: Option<u64>, _: Unit) {}

    fn at(&self, _: u64) {
        self.calls.set(self.calls.get() + 1);
    }

    fn stopped(&self) -> bool {
        self.stop_at.is_some_and(|stop| self.calls.get() >= stop)
    }
}

fn fetch_from(hub: &Hub, set: &'static Set, home: &Path) -> Result<Fetched> {
    fetch(set, home, &Client::new(&hub.endpoint()).unwrap(), &Quiet::default())
}

/// Names and contents of the files in a folder, by name.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<(String, Vec<u8>)> =
        entries.map(|it| (it.file_name().into_string().unwrap(), std::fs::read(it.path()).unwrap())).collect();
    files.sort();
    files
}

fn expected(made: &Made) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = made.files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
    files.sort();
    files
}

/// A config's `[data]` that reads a set from a folder.
fn reading(set: &Set, folder: &Path) -> DataConfig {
    let config: DataConfig = toml::from_str(&format!("source = {:?}", set.source)).unwrap();
    DataConfig { path: Some(folder.to_owned()), ..config }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// Fetches from a store that behaves so; the files must arrive, and nothing else.
fn arrives(made: &Made, store: Store) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let hub = Hub::new(made.on_hub(&made.train, &made.test), store);
    let fetched = fetch_from(&hub, made.set, home.path()).unwrap();
    assert!(!fetched.was_there);
    assert!(contents(&fetched.folder) == expected(made), "{}: other files", made.set.source);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "only the folder stays");
    hub.requests()
}

/// Fetches these rows; the error must say so and nothing may stay.
fn refused(made: &Made, train: &[Row], says: &[&str]) {
    refused_from(&Hub::new(made.on_hub(train, &made.test), Store::Whole), made, says);
}

fn refused_from(hub: &Hub, made: &Made, says: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let error = fetch_from(hub, made.set, home.path()).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    for part in says {
        assert!(error.to_string().contains(part), "{error} should contain {part}");
    }
    assert!(is_empty(home.path()), "{error}: something was left behind");
}

#[test]
fn official_files_arrive_byte_for_byte_in_every_format() {
    for made in [fashion(), batches(), undigested()] {
        let requests = arrives(&made, Store::Whole);
        assert_eq!(requests.len(), 4, "a redirect and a content for each part: {requests:?}");
    }
}

#[test]
fn what_arrived_is_upright_and_in_the_official_order() {
    let home = tempfile::tempdir().unwrap();
    let read = |made: &Made| {
        let hub = Hub::new(made.on_hub(&made.train, &made.test), Store::Whole);
        let folder = fetch_from(&hub, made.set, home.path()).unwrap().folder;
        sources::load(&reading(made.set, &folder), 0, home.path()).unwrap()
    };
    let colour = read(&batches());
    assert_eq!((colour.train, colour.test()), (20, 4));
    for (example, channel, row, column) in [(0, 0, 0, 31), (0, 2, 31, 0), (7, 1, 5, 4), (19, 2, 9, 30), (23, 0, 30, 9)]
    {
        let found = colour.image(example)[(channel * 32 + row) * 32 + column];
        assert_eq!(found, pixel(example, channel, row, column), "example {example}, {channel} {row} {column}");
    }
    assert_eq!(colour.labels[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    let (grey, real) = (read(&fashion()), diffscope::data::embedded::dataset().unwrap());
    assert_eq!((grey.image(0), grey.image(29)), (real.image(0), real.image(29)));
    assert_eq!((grey.image(30), grey.labels[30]), (real.image(4000), real.labels[4000]));
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let requests = arrives(&batches(), Store::Breaks(1));
    let half = batches().on_hub(&batches().train, &batches().test)[0].1.len() / 2;
    assert!(requests.iter().any(|request| request.ends_with(&format!("bytes={half}-"))), "{requests:?}");
    arrives(&batches(), Store::Breaks(3));
}

#[test]
fn from_a_hub_without_ranges_it_starts_again() {
    arrives(&batches(), Store::BreaksWithoutRanges(2));
}

#[test]
fn a_download_that_always_breaks_off_is_given_up() {
    for store in [Store::Breaks(usize::MAX), Store::BreaksWithoutRanges(usize::MAX)] {
        let made = batches();
        let hub = Hub::new(made.on_hub(&made.train, &made.test), store);
        refused_from(&hub, &made, &["breaks off at byte", "train-00000-of-00001.parquet"]);
    }
}

#[test]
fn another_content_than_announced_is_refused() {
    let made = undigested();
    let hub = Hub::new(made.on_hub(&made.train, &made.test), Store::Damaged);
    refused_from(&hub, &made, &["damaged on the way", "SHA-256"]);
}

#[test]
fn a_file_that_the_hub_does_not_have_is_named_and_the_converted_copy_is_tried_first() {
    let made = fashion();
    refused_from(
        &Hub::new([], Store::Whole),
        &made,
        &["no such file", "404", "refs%2Fconvert%2Fparquet/fashion/train"],
    );
    let hub = &made.set.hub;
    let converted =
        made.on_hub(&made.train, &made.test).into_iter().zip(["train", "test"]).map(|((_, bytes), split)| {
            (
                format!(
                    "datasets/{}/resolve/refs%2Fconvert%2Fparquet/{}/{split}/0000.parquet",
                    hub.repository, hub.config
                ),
                bytes,
            )
        });
    let home = tempfile::tempdir().unwrap();
    let fetched = fetch_from(&Hub::new(converted, Store::Whole), made.set, home.path()).unwrap();
    assert!(contents(&fetched.folder) == expected(&made));
}

#[test]
fn a_hub_that_cannot_be_reached_is_named() {
    let hub = Hub::new([], Store::Whole);
    let endpoint = hub.endpoint();
    drop(hub);
    let home = tempfile::tempdir().unwrap();
    let error = fetch(fashion().set, home.path(), &Client::new(&endpoint).unwrap(), &Quiet::default()).unwrap_err();
    assert!(error.to_string().contains(&format!("cannot reach {endpoint}")), "{error}");
    assert!(is_empty(home.path()));
    for endpoint in ["huggingface.co", "ftp://x", "https://", "http://a b"] {
        assert_eq!(Client::new(endpoint).unwrap_err().exit_code(), 2, "{endpoint}");
    }
}

#[test]
fn other_images_labels_or_columns_than_published_are_refused_by_row() {
    let (grey, colour, fine) = (fashion(), batches(), undigested());
    let changed = |made: &Made, row: usize, change: &dyn Fn(&mut Row)| {
        let mut rows = made.train.clone();
        change(&mut rows[row]);
        rows
    };
    let black = |shape| png(shape, &vec![0; 3 * 32 * 32][..diffscope::data::ImageShape::len(shape)]);
    let other = changed(&grey, 3, &|row| row.png = Some(black(grey.set.shape)));
    refused(&grey, &other, &["do not make train-images-idx3-ubyte", "md5"]);
    refused(&grey, &changed(&grey, 3, &|row| row.labels[0] = (row.labels[0] + 1) % 10), &["train-labels-idx1-ubyte"]);
    refused(&grey, &changed(&grey, 3, &|row| row.labels[0] = 10), &["the label of row 3 is none of the 10"]);
    refused(&grey, &changed(&grey, 3, &|row| row.labels[0] = -1), &["the label of row 3"]);
    refused(
        &grey,
        &changed(&grey, 20, &|row| row.png = Some(black(colour.set.shape))),
        &["row 20", "expected 1x28x28"],
    );
    refused(&grey, &changed(&grey, 20, &|row| row.png = Some(b"GIF89a".to_vec())), &["row 20", "no PNG"]);
    refused(&grey, &changed(&grey, 20, &|row| row.png.as_mut().unwrap().truncate(60)), &["row 20", "PNG"]);
    refused(&grey, &changed(&grey, 9, &|row| row.png = None), &["without image bytes"]);
    refused(&grey, &grey.train[1..], &["29 rows, expected 30"]);
    refused(
        &colour,
        &changed(&colour, 6, &|row| row.labels[0] = 1),
        &["rows 4 to 8 make none of the published batches"],
    );
    let swapped = [&colour.train[1..2], &colour.train[..1], &colour.train[2..]].concat();
    refused(&colour, &swapped, &["rows 0 to 4"]);
    refused(&fine, &changed(&fine, 2, &|row| row.labels[1] = 3), &["made/fine", "expected 2"]);
    refused(&fine, &changed(&fine, 2, &|row| row.png = Some(black(fine.set.shape))), &["a channel's mean"]);
    let mut exchanged = fine.train.clone();
    (exchanged[0].labels[0], exchanged[2].labels[0]) = (1, 0);
    refused(&fine, &exchanged, &["lies in more than one superclass"]);
}

#[test]
fn other_columns_and_damaged_parquet_files_are_refused() {
    let (grey, colour) = (fashion(), batches());
    let mut files = grey.on_hub(&grey.train, &grey.test);
    files[0].1 = made::parquet(colour.set, &grey.train);
    let says = ["made/fashion/train", "no column `image.bytes`; there are img.bytes, img.path, label"];
    refused_from(&Hub::new(files.clone(), Store::Whole), &grey, &says);
    let whole = grey.on_hub(&grey.train, &grey.test)[0].1.clone();
    let zeroed = [&whole[..200], &vec![0; 600][..], &whole[800..]].concat();
    for damaged in [b"<html>".to_vec(), whole[..whole.len() - 9].to_vec(), zeroed] {
        files[0].1 = damaged;
        refused_from(&Hub::new(files.clone(), Store::Whole), &grey, &["made/fashion/train"]);
    }
}

#[test]
fn files_at_hand_are_kept_completed_or_refused_but_never_overwritten() {
    let made = batches();
    let hub = Hub::new(made.on_hub(&made.train, &made.test), Store::Whole);
    let home = tempfile::tempdir().unwrap();
    let folder = fetch_from(&hub, made.set, home.path()).unwrap().folder;
    let requests = hub.requests().len();
    assert!(fetch_from(&hub, made.set, home.path()).unwrap().was_there);
    assert_eq!(hub.requests().len(), requests, "nothing is asked for what is there");

    std::fs::remove_file(folder.join("data_batch_2.bin")).unwrap();
    std::fs::remove_file(folder.join("batches.meta.txt")).unwrap();
    std::fs::write(folder.join("mine.txt"), "notes").unwrap();
    assert_eq!(made.set.state(&folder), State::Incomplete("data_batch_2.bin"));
    assert!(!fetch_from(&hub, made.set, home.path()).unwrap().was_there);
    let mut with_notes = expected(&made);
    with_notes.push(("mine.txt".into(), b"notes".to_vec()));
    with_notes.sort();
    assert!(contents(&folder) == with_notes);

    let mut relabelled = made.files[0].1.clone();
    relabelled[0] = 9;
    std::fs::write(folder.join("data_batch_1.bin"), &relabelled).unwrap();
    for _ in 0..2 {
        let error = fetch_from(&hub, made.set, home.path()).unwrap_err().to_string();
        assert!(error.contains("data_batch_1.bin") && error.contains("md5") && error.contains("move"), "{error}");
        assert_eq!(std::fs::read(folder.join("data_batch_1.bin")).unwrap(), relabelled);
        let _ = std::fs::remove_file(folder.join("test_batch.bin"));
    }
}

#[test]
fn a_request_to_stop_leaves_nothing_at_whatever_moment_it_comes() {
    let made = fashion();
    let hub = Hub::new(made.on_hub(&made.train, &made.test), Store::Whole);
    let client = Client::new(&hub.endpoint()).unwrap();
    let whole = Quiet::default();
    fetch(made.set, tempfile::tempdir().unwrap().path(), &client, &whole).unwrap();
    for stop in 0..=whole.calls.get() {
        let home = tempfile::tempdir().unwrap();
        let watch = Quiet { stop_at: Some(stop), ..Quiet::default() };
        let error = fetch(made.set, home.path(), &client, &watch).unwrap_err();
        assert!(error.to_string().contains("interrupted") && is_empty(home.path()), "{error}");
    }
}

#[test]
fn what_a_kill_left_is_cleared_away_and_two_at_once_are_refused() {
    let made = fashion();
    let hub = Hub::new(made.on_hub(&made.train, &made.test), Store::Whole);
    let home = tempfile::tempdir().unwrap();
    let left = home.path().join(".fashion-mnist.fetch");
    std::fs::create_dir_all(left.join("files")).unwrap();
    std::fs::write(left.join("files/train-images-idx3-ubyte"), "half").unwrap();
    assert_eq!(made.set.state(&home.path().join("fashion-mnist")), State::Missing);
    let other = std::fs::File::open(&left).unwrap();
    other.lock().unwrap();
    let error = fetch_from(&hub, made.set, home.path()).unwrap_err().to_string();
    assert!(error.contains("another process is fetching fashion-mnist"), "{error}");
    // Not by closing it: a child of another test may hold a copy of the open file for a moment.
    other.unlock().unwrap();
    fetch_from(&hub, made.set, home.path()).unwrap();
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

/// The program with its data under `home/data`, and no setting of the user's.
fn program(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diffscope"));
    command.args(arguments).env("DIFFSCOPE_DATA", home.join("data"));
    command.env("XDG_STATE_HOME", home.join("state")).env("XDG_CONFIG_HOME", home.join("config"));
    for variable in ["HF_ENDPOINT", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    {
        command.env_remove(variable);
    }
    command
}

fn texts(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn says(command: &mut Command, code: i32, parts: &[&str]) {
    let (found, text) = texts(&command.output().unwrap());
    assert_eq!(found, Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[test]
fn the_list_says_what_is_missing_and_how_to_get_it() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data/mnist");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("train-images-idx3-ubyte"), "").unwrap();
    let command = "diffscope data fetch fashion-mnist mnist cifar10 cifar100";
    let parts = ["60,000 + 10,000", "3x32x32", "incomplete", "mnist: train-labels-idx1-ubyte is missing", command];
    says(&mut program(home.path(), &["data", "list"]), 0, &parts);
    says(&mut program(home.path(), &["data", "check", "cifar10"]), 1, &["`diffscope data fetch cifar10` brings it"]);
    says(&mut program(home.path(), &["data", "check", "all"]), 1, &["mnist", "not the published file: 0 bytes"]);
    let study = home.path().join("study.toml");
    let config = "name = \"s\"\n[data]\nsource = \"cifar100\"\n[train]\nepochs = 1\n[[model]]\nname = \"mlp-8x1\"\nreplicates = 1\n";
    std::fs::write(&study, config).unwrap();
    let run = ["run", &study.display().to_string(), "--dry-run"];
    says(&mut program(home.path(), &run), 1, &["cifar-100-binary: not found; `diffscope data fetch cifar100` brings"]);
}

#[test]
fn the_program_asks_the_hub_it_is_told_to_ask() {
    let (home, first, second) = (tempfile::tempdir().unwrap(), Hub::new([], Store::Whole), Hub::new([], Store::Whole));
    let mut by_variable = program(home.path(), &["data", "fetch", "cifar100", "mnist"]);
    let parts = ["cifar100: ", "no such file (404", "--endpoint", "2 of 2 could not be fetched: cifar100, mnist"];
    says(by_variable.env("HF_ENDPOINT", first.endpoint()), 1, &parts);
    let asked = ["main/cifar100/train-00000-of-00001.parquet", "refs%2Fconvert%2Fparquet/cifar100/train/0000.parquet"];
    let paths = asked.map(|place| format!("GET /datasets/uoft-cs/cifar100/resolve/{place} HTTP/1.1 "));
    assert_eq!(first.requests()[..2], paths);
    let option = second.endpoint();
    let mut by_option = program(home.path(), &["data", "fetch", "all", "--endpoint", &option]);
    says(by_option.env("HF_ENDPOINT", first.endpoint()), 1, &["4 of 4"]);
    assert_eq!((first.requests().len(), second.requests().len()), (4, 8));
    assert!(!home.path().join("data").exists(), "the folder that was made for it is gone again");
    says(&mut program(home.path(), &["data", "fetch", "cifar-10"]), 2, &["did you mean `cifar10`?"]);
    says(&mut program(home.path(), &["data", "fetch", "embedded"]), 2, &["needs no files"]);
    says(&mut program(home.path(), &["data", "fetch", "mnist", "--endpoint", "hub"]), 2, &["expected an address"]);
}

#[test]
fn a_full_disk_stops_a_fetch_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mnist = official::find("mnist").unwrap();
    let place = format!("datasets/{}/resolve/main/mnist/train-00000-of-00001.parquet", mnist.hub.repository);
    let hub = Hub::new([(place, vec![7; 1 << 20])], Store::Whole);
    // No file may grow beyond 64 blocks: writing fails as on a full disk.
    let program = program(home.path(), &[]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" data fetch mnist"]).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    says(command.env("HF_ENDPOINT", hub.endpoint()), 1, &["part.parquet: File too large"]);
    assert!(!home.path().join("data").exists(), "the folder that was made for it is gone again");
}

/// The files of a real set as the hub keeps them; the training batches in the order of `order`.
fn real_rows(set: &Set, folder: &Path, order: &[usize]) -> Vec<Vec<Row>> {
    let config = reading(set, folder);
    let real = sources::load(&config, 0, folder).unwrap();
    let (shape, plane) = (set.shape, set.shape.height * set.shape.width);
    let row = |place: usize| {
        let image = real.image(place);
        let channels = shape.channels;
        let pixels: Vec<u8> = (0..shape.len()).map(|at| image[at % channels * plane + at / channels]).collect();
        Row { png: Some(png(shape, &pixels)), labels: vec![i64::from(real.labels[place])] }
    };
    let batch = real.train / order.len();
    let train = order.iter().flat_map(|index| index * batch..(index + 1) * batch).map(row).collect();
    vec![train, (real.train..real.len()).map(row).collect()]
}

#[test]
#[ignore = "needs Fashion-MNIST and CIFAR-10's binary version in the data folder"]
fn the_program_makes_the_real_files_again_from_the_hub_s_layout() {
    let data = sources::data_home();
    for (name, order) in [("fashion-mnist", &[0][..]), ("cifar10", &[3, 2, 1, 4, 0])] {
        let set = official::find(name).unwrap();
        let rows = real_rows(set, &data.join(set.folder), order);
        let made = Made { set, files: Vec::new(), train: Vec::new(), test: Vec::new() };
        let hub = Hub::new(made.on_hub(&rows[0], &rows[1]), Store::Breaks(1));
        let home = tempfile::tempdir().unwrap();
        let mut command = program(home.path(), &["data", "fetch", name, "--endpoint", &hub.endpoint()]);
        says(&mut command, 0, &[&format!("{name}: ready; "), "files have the published md5"]);
        says(&mut program(home.path(), &["data", "check", "all"]), 0, &[&format!("{name}: sound")]);
        for (_, file) in set.data_files() {
            let fetched = std::fs::read(home.path().join("data").join(set.folder).join(file.name)).unwrap();
            assert_eq!(official::md5_hex(&fetched), file.md5.unwrap(), "{}", file.name);
        }
    }
}
