//! The real program as a process of its own: started, watched, killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use diffscope::results;
use diffscope::store::StudyFolder;
use diffscope::study::Plan;
use diffscope::train::board::Progress;

use crate::studies::{self, SMALL};

/// The settings of [`studies::LONG`] on the command line.
pub const LONG: [&str; 4] = ["--set", studies::LONG[0], "--set", studies::LONG[1]];

/// A temporary home with the small study's config in it.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("small.toml"), SMALL).unwrap();
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder for a study.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diffscope"));
        let home = self.folder.path();
        command.args(arguments).env("XDG_STATE_HOME", home.join("state")).env("XDG_CONFIG_HOME", home.join("config"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The arguments that train the small study in a folder.
    pub fn run_arguments(&self, dir: &Path, jobs: usize, more: &[&str]) -> Vec<String> {
        let config = self.folder.path().join("small.toml").display().to_string();
        let (dir, jobs) = (dir.display().to_string(), jobs.to_string());
        let fixed = ["run", &config, "--headless", "--dir", &dir, "--jobs", &jobs];
        fixed.iter().chain(more).map(|argument| (*argument).to_owned()).collect()
    }

    /// Starts to train the small study; what it prints goes to `<dir>.out`.
    pub fn train(&self, dir: &Path, jobs: usize, more: &[&str]) -> Running {
        self.train_as("out", dir, jobs, more)
    }

    /// The same; what it prints goes to `<dir>.<ending>`.
    pub fn train_as(&self, ending: &str, dir: &Path, jobs: usize, more: &[&str]) -> Running {
        let arguments = self.run_arguments(dir, jobs, more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let out = dir.with_extension(ending);
        let file = File::create(&out).unwrap();
        let child = self.command(&arguments).stderr(file.try_clone().unwrap()).stdout(file).spawn().unwrap();
        Running { child, out }
    }

    /// Trains the small study to its end, which must be a good one.
    pub fn finish(&self, dir: &Path, jobs: usize, more: &[&str]) -> String {
        let mut running = self.train(dir, jobs, more);
        assert_eq!(running.wait().code(), Some(0), "{}", running.printed());
        running.printed()
    }
}

/// A process that trains; it is killed when a test ends before it.
pub struct Running {
    pub child: Child,
    out: PathBuf,
}

impl Running {
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.out).unwrap()).into_owned()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// SIGKILL; how it ended, which may have been just before.
    pub fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so; the limit only keeps a broken test from hanging.
pub fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(Instant::now() < limit, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What the folder says of all replicates; nothing before there is a study.
pub fn progress(dir: &Path) -> Vec<Progress> {
    let Ok(folder) = StudyFolder::open(dir) else { return Vec::new() };
    results::all_progress(&folder, &Plan::new(&folder.record().config, folder.record().train).unwrap())
}

/// Waits until the folder says something of the replicates.
pub fn progress_until(dir: &Path, what: &str, ready: impl Fn(&[Progress]) -> bool) -> Vec<Progress> {
    until(what, || Some(progress(dir)).filter(|all| !all.is_empty() && ready(all)))
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
