//! `ctl DIR pause|resume|stop|stop-now|jobs N`: steer a study that another process trains.

use super::{Exit, print};
use crate::cli::{self, Wish};
use crate::store::folder::StudyFolder;
use crate::store::{Control, presence};
use crate::train::events::{Command, Target};
use crate::train::wishes::wish;
use crate::{Error, Result};

/// Runs the command.
///
/// # Errors
/// A folder that is no study, that nobody trains, or whose `control.json` is not valid.
pub fn ctl(options: &cli::Ctl) -> Result<Exit> {
    let folder = StudyFolder::open(&options.dir)?;
    let dir = folder.path().display();
    // A run starts with nothing paused and its own number of jobs: a wish that nobody hears would be forgotten.
    if !presence::is_trained(&folder)? {
        let advice = format!("nothing to steer: no process trains it; `diffscope run STUDY.toml --dir {dir}` does");
        return Err(Error::file(folder.path(), advice));
    }
    let command = command(options.wish);
    Control::update(folder.path(), |control| wish(control, &command))?;
    print(&match options.wish {
        Wish::Pause => format!("asked to pause; `diffscope ctl {dir} resume` goes on"),
        Wish::Resume => "asked to go on".into(),
        Wish::Stop => format!("asked to stop after the running epochs; `diffscope ctl {dir} stop-now` does not wait"),
        Wish::StopNow => "asked to stop now, back to the last checkpoints".into(),
        Wish::Jobs { jobs } => format!("asked for {jobs} at once; what runs is not cut off"),
    })?;
    Ok(Exit::Done)
}

fn command(wish: Wish) -> Command {
    match wish {
        Wish::Pause => Command::Pause(Target::All),
        Wish::Resume => Command::Resume(Target::All),
        Wish::Stop => Command::Quit { after_epoch: true },
        Wish::StopNow => Command::Quit { after_epoch: false },
        Wish::Jobs { jobs } => Command::Jobs(jobs.into()),
    }
}
