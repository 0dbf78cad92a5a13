//! `run --detach`: the same command again in a session of its own, so that it outlives the terminal.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::launch::Prepared;
use super::{Exit, print};
use crate::store::{StudyFolder, presence};
use crate::{Error, Result};

/// Set for the process in the background.
const DETACHED: &str = "DIFFSCOPE_DETACHED";
/// Where its lines go, in the study's folder.
const LOG: &str = "run.log";
/// Between two looks at whether it has begun.
const LOOK: Duration = Duration::from_millis(30);

/// Whether this is the process in the background.
pub fn is_detached() -> bool {
    std::env::var_os(DETACHED).is_some()
}

/// In the background process, before anything else: no terminal can end it from now on.
pub fn leave_terminal() {
    if is_detached() {
        // Refused to the leader of a process group only, which a fresh child is not.
        let _ = rustix::process::setsid();
    }
}

/// Starts the background process, waits until it trains, and says how to look at it and stop it.
///
/// # Errors
/// Whatever `run` would refuse; a process that ends before it trains, with the last of its lines.
pub fn detach(prepared: &Prepared) -> Result<Exit> {
    // Everything that can be wrong is said here, where somebody reads it.
    let folder = prepared.open_folder()?;
    let path = folder.path().join(LOG);
    let log = OpenOptions::new().append(true).create(true).open(&path).map_err(Error::io(&path))?;
    let before = log.metadata().map_err(Error::io(&path))?.len();
    let mut child = start(log).map_err(|error| Error::Failed(format!("cannot start a process: {error}")))?;
    if let Some(code) = ended_before_it_trained(&mut child, &folder)? {
        return early_end(&path, before, code);
    }
    let (pid, dir) = (child.id(), folder.path().display());
    print(&format!(
        "process {pid} trains in the background\n  look:  diffscope open {dir}   diffscope status {dir}   tail -f {}\n  \
         steer: diffscope ctl {dir} pause|resume|jobs N\n  stop:  diffscope ctl {dir} stop|stop-now",
        path.display()
    ))?;
    Ok(Exit::Done)
}

/// This very command, with its lines in the log and nothing of the terminal.
fn start(log: File) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stderr(log.try_clone()?)
        .stdout(log)
        .spawn()
}

/// Waits until somebody trains the study; the exit code of a child that ended before.
fn ended_before_it_trained(child: &mut Child, folder: &StudyFolder) -> Result<Option<i32>> {
    loop {
        let ended = child.try_wait().map_err(|error| Error::Failed(format!("cannot wait for a process: {error}")))?;
        if let Some(status) = ended {
            return Ok(Some(status.code().unwrap_or(1)));
        }
        if presence::is_trained(folder)? {
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

/// It had nothing left to do, or could not begin.
fn early_end(log: &Path, before: u64, code: i32) -> Result<Exit> {
    let bytes = std::fs::read(log).map_err(Error::io(log))?;
    let lines = bytes.get(usize::try_from(before).unwrap_or(0)..).unwrap_or(&[]);
    let lines = String::from_utf8_lossy(lines);
    match code {
        0 => print(lines.trim_end()).map(|()| Exit::Done),
        3 => print(lines.trim_end()).map(|()| Exit::Flawed),
        _ => Err(Error::file(log, format!("the process in the background ended:\n{}", lines.trim_end()))),
    }
}
