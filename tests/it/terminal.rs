//! The whole program in a pseudo-terminal: a replicate finishes on the screen, the right picture is shown, nothing is
//! sent at rest, and the terminal comes back as it was.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use diffscope::store::record::State;
use diffscope::train::board::Progress;

use crate::program::{Home, LONG, progress, progress_until};
use crate::studies::{SMALL, of};

/// Cell size in pixels that the terminal claims.
const CELL: (u16, u16) = (8, 16);

/// What a terminal answers when it is asked for cell size and device attributes.
#[derive(Clone, Copy, PartialEq)]
enum Answers {
    Sixel,
    Nothing,
}

struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
    answered: usize,
}

struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Arc<Mutex<Box<dyn Write + Send>>>,
    seen: Arc<Mutex<Seen>>,
}

impl Terminal {
    fn open(home: &Path, arguments: &[&str], answers: Answers, (columns, rows): (u16, u16)) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: columns * CELL.0, pixel_height: rows * CELL.1 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_diffscope"));
        command.args(arguments);
        command.env("XDG_STATE_HOME", home.join("state"));
        command.env("XDG_CONFIG_HOME", home.join("config"));
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        for inherited in ["TMUX", "NO_COLOR", "STY", "TERM_PROGRAM"] {
            command.env_remove(inherited);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let keys = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let screen = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
        let seen = Arc::new(Mutex::new(Seen { screen, bytes: Vec::new(), answered: 0 }));
        let mut output = pair.master.try_clone_reader().unwrap();
        let (reading, answering) = (seen.clone(), keys.clone());
        std::thread::spawn(move || {
            let mut chunk = vec![0; 65_536];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                let mut seen = reading.lock().unwrap();
                seen.screen.process(&chunk[..count]);
                seen.bytes.extend_from_slice(&chunk[..count]);
                let asked = seen.bytes.windows(3).filter(|window| window == b"\x1b[c").count();
                if answers == Answers::Sixel && asked > seen.answered {
                    seen.answered = asked;
                    let answer = format!("\x1b[6;{};{}t\x1b[?64;4;22c", CELL.1, CELL.0);
                    answering.lock().unwrap().write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        Self { child, master: pair.master, keys, seen }
    }

    fn press(&self, keys: &str) {
        self.keys.lock().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        self.seen.lock().unwrap().screen.screen().contents()
    }

    fn sent(&self) -> usize {
        self.seen.lock().unwrap().bytes.len()
    }

    /// Waits until the screen shows something; the limit only keeps a broken test from hanging.
    fn wait(&self, what: &str, ready: impl Fn(&str) -> bool) -> String {
        let limit = Instant::now() + Duration::from_secs(120);
        loop {
            let text = self.text();
            if ready(&text) {
                return text;
            }
            assert!(Instant::now() < limit, "waited in vain for {what}:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The last bytes may be read a moment after the program's end.
    fn wait_until_it_is_given_back(&self) {
        self.wait("the shell's screen", |_| !self.seen.lock().unwrap().screen.screen().alternate_screen());
    }

    /// Waits until nothing was sent for half a second.
    fn rest(&self) {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let before = self.sent();
            std::thread::sleep(Duration::from_millis(500));
            if self.sent() == before {
                return;
            }
            assert!(Instant::now() < limit, "the screen never comes to rest:\n{}", self.text());
        }
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: columns * CELL.0, pixel_height: rows * CELL.1 };
        self.master.resize(size).unwrap();
        self.seen.lock().unwrap().screen.screen_mut().set_size(rows.try_into().unwrap(), columns.try_into().unwrap());
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.child.process_id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    fn exit_code(&mut self) -> u32 {
        let limit = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < limit, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn study(home: &Path) -> (String, String) {
    let config = home.join("small.toml");
    std::fs::write(&config, SMALL).unwrap();
    (config.display().to_string(), home.join("study").display().to_string())
}

#[test]
fn a_study_trains_finishes_and_is_walked_through_in_a_terminal() {
    let home = tempfile::tempdir().unwrap();
    let (config, dir) = study(home.path());
    let mut terminal = Terminal::open(home.path(), &["run", &config, "--dir", &dir], Answers::Sixel, (160, 45));
    terminal
        .wait("the Train tab", |text| text.contains("orgetting") && text.contains("epoch") && text.contains("argin"));
    terminal.wait("all replicates finished", |text| text.matches('✔').count() >= 4);
    terminal.rest();
    terminal.press("2");
    terminal.wait("the example table", |text| text.contains("label") && text.contains("aum"));
    terminal.press("5");
    terminal.wait("the correlations", |text| text.contains("forgetting") && !text.contains("Correct or not"));
    terminal.resize(80, 24);
    terminal.wait("a smaller screen", |text| text.lines().count() <= 24 && text.contains("forgetting"));
    terminal.resize(40, 10);
    terminal.wait("a plain message", |text| text.contains("60"));
    terminal.resize(160, 45);
    terminal.press("?");
    terminal.wait("help", |text| text.contains("asks while replicates run"));
    terminal.press("\x1b");
    terminal.wait("no help", |text| !text.contains("asks while replicates run"));
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    terminal.wait_until_it_is_given_back();
    terminal.wait("how to look again", |text| text.contains("diffscope open"));
}

#[test]
fn the_picture_of_the_selected_example_is_the_right_one() {
    let home = tempfile::tempdir().unwrap();
    let (config, dir) = study(home.path());
    crate::studies::run(Path::new(&dir), &[], 2);
    let _ = config;
    let mut terminal = Terminal::open(home.path(), &["open", &dir], Answers::Sixel, (160, 45));
    terminal.wait("the frame", |text| text.contains("2 Examples"));
    terminal.press("2");
    terminal.wait("the table", |text| text.contains("label") && text.contains("aum"));
    terminal.rest();
    let dataset = crate::studies::prepare(Path::new(&dir), &[]).dataset;
    let bytes = terminal.seen.lock().unwrap().bytes.clone();
    let shown: Vec<Vec<u8>> = sixels(&bytes).iter().filter_map(|image| shrunk(image, 28)).collect();
    // Before the key came, the first tab had pictures of its own; afterwards it is the selected example's.
    let shown = shown.last().expect("a sixel picture of whole-number scale");
    let text = terminal.text();
    let is_shown = |position: &usize| near(shown, dataset.image(*position));
    let position = (0..dataset.len()).find(is_shown).expect("a picture of one of the examples");
    let id = dataset.ids[position].to_string();
    let spaced = text.replace(['\u{2009}', '\u{202f}', ' '], "");
    assert!(spaced.contains(&format!("#{id}")), "the picture of #{id} stands beside another example:\n{text}");
    let sent = terminal.sent();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(terminal.sent(), sent, "nothing is sent at rest");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
}

#[test]
fn a_terminal_that_never_answers_gets_half_blocks() {
    let home = tempfile::tempdir().unwrap();
    let (_, dir) = study(home.path());
    crate::studies::run(Path::new(&dir), &["model.1.replicates=1", "train.epochs=2"], 2);
    let mut terminal = Terminal::open(home.path(), &["open", &dir], Answers::Nothing, (160, 45));
    terminal.wait("the frame", |text| text.contains("2 Examples"));
    terminal.press("2");
    terminal.wait("half-blocks", |text| text.contains('▀') || text.contains('▄'));
    assert!(sixels(&terminal.seen.lock().unwrap().bytes).is_empty());
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
}

#[test]
fn sigterm_keeps_the_last_checkpoint_and_gives_the_terminal_back() {
    let home = tempfile::tempdir().unwrap();
    let (config, dir) = study(home.path());
    let arguments = ["run", &config, "--dir", &dir, "--set", "train.epochs=500"];
    let mut terminal = Terminal::open(home.path(), &arguments, Answers::Nothing, (100, 30));
    terminal.wait("training", |text| text.contains("epoch") && text.contains("orgetting"));
    let committed = Path::new(&dir).join("replicates/net/000/checkpoint.safetensors");
    let limit = Instant::now() + Duration::from_secs(60);
    while !committed.exists() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(20));
    }
    terminal.terminate();
    assert_eq!(terminal.exit_code(), 130);
    terminal.wait_until_it_is_given_back();
    assert!(committed.exists());
}

#[test]
fn a_signal_ends_a_finished_study_with_130_too() {
    let home = tempfile::tempdir().unwrap();
    let (config, dir) = study(home.path());
    crate::studies::run(Path::new(&dir), &["train.epochs=1"], 2);
    let arguments = ["run", &config, "--dir", &dir, "--set", "train.epochs=1"];
    let mut terminal = Terminal::open(home.path(), &arguments, Answers::Nothing, (100, 30));
    terminal.wait("all is done", |text| text.contains("100 %"));
    terminal.terminate();
    assert_eq!(terminal.exit_code(), 130);
}

#[test]
fn the_workbench_steers_a_study_that_another_process_trains_and_leaves_it_running() {
    let home = Home::new();
    let dir = home.dir("s");
    let mut running = home.train(&dir, 1, &LONG);
    progress_until(&dir, "it trains", |all| of(all, "net", 0).epochs_done > 0);
    let name = dir.display().to_string();
    let mut terminal = Terminal::open(home.path(), &["open", &name], Answers::Nothing, (160, 45));
    terminal.wait("the replicates", |text| text.contains("1 at once") && text.contains('▶'));
    terminal.press("p");
    let parked = progress_until(&dir, "it is parked", |all| of(all, "net", 0).state == State::Paused);
    terminal.wait("the pause on the screen", |text| text.contains("parked by request"));
    terminal.press("p+");
    progress_until(&dir, "it goes on, and another with it", |all| {
        of(all, "net", 0).epochs_done > of(&parked, "net", 0).epochs_done
            && all.iter().filter(|one| one.state == State::Running).count() == 2
    });
    terminal.press("Xy");
    progress_until(&dir, "the selected one is passed over", |all| of(all, "net", 0).state == State::Skipped);
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    // Whichever replicate it is at: a small one may be finished by now.
    let epochs = |all: &[Progress]| all.iter().map(|one| one.epochs_done).sum::<u32>();
    let before = epochs(&progress(&dir));
    progress_until(&dir, "it trains on", |all| epochs(all) > before);
    assert!(!running.has_ended());
}

/// Every sixel picture in a stream of bytes: width, height and grey values.
fn sixels(bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let text = String::from_utf8_lossy(bytes);
    let pieces = text.split("\x1bP").skip(1).filter_map(|piece| piece.split_once("\x1b\\"));
    let decoded =
        pieces.filter_map(|(body, _)| icy_sixel::SixelImage::decode(format!("\x1bP{body}\x1b\\").as_bytes()).ok());
    let grey =
        |image: icy_sixel::SixelImage| (image.width, image.pixels.chunks_exact(4).map(|pixel| pixel[0]).collect());
    decoded.map(grey).collect()
}

/// A picture enlarged by a whole number, back at its own size: one pixel per block.
fn shrunk((width, pixels): &(usize, Vec<u8>), size: usize) -> Option<Vec<u8>> {
    let scale = width / size;
    if *width != scale * size || scale == 0 || pixels.len() < width * width {
        return None;
    }
    let middle = scale / 2;
    let at = |place: usize| pixels[(place / size * scale + middle) * width + place % size * scale + middle];
    Some((0..size * size).map(at).collect())
}

/// Equal but for sixel's 100 levels a channel and its palette.
fn near(shown: &[u8], image: &[u8]) -> bool {
    let far = shown.iter().zip(image).filter(|(a, b)| a.abs_diff(**b) > 16).count();
    far * 50 < image.len()
}
