//! What do the keys here, other processes and `ctl` want of this crew? All of it goes through `control.json`.
//!
//! A command from here is written into the file as a desired state, so that every process on the folder obeys it and
//! the file never says what is not so. What others write is found by looking once a second, as the commands that lead
//! from the state seen last to the new one. A file that is not valid is told once and ignored.

use std::path::PathBuf;

use super::events::{Command, Target};
use crate::store::control::{Control, Stop};
use crate::store::presence::Presence;
use crate::study::ReplicateId;
use crate::{Error, Result};

/// The desired state as this crew last saw it.
pub(super) struct Wishes {
    study: PathBuf,
    ids: Vec<ReplicateId>,
    seen: Control,
    /// What is wrong with the file, as it was told.
    trouble: Option<String>,
    _presence: Presence,
}

/// What came of a look.
#[derive(Debug, Default, PartialEq)]
pub(super) struct News {
    /// What others want.
    pub commands: Vec<Command>,
    /// A line for the log.
    pub trouble: Option<String>,
}

impl Wishes {
    /// Joins the study. The first process there forgets what earlier ones were asked for; a later one takes part in
    /// what is wanted now, but for the number of jobs and an end, which were meant for those before it. It leaves them
    /// in the file: those before it may not have looked yet.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn start(study: PathBuf, ids: Vec<ReplicateId>, jobs: usize) -> Result<(Self, News)> {
        let fresh = Control { jobs: Some(jobs), ..Control::default() };
        let presence = Presence::join(&study, || fresh.replace(&study))?;
        let mut wishes = Self { study, ids, seen: Control::default(), trouble: None, _presence: presence };
        let now = Control::read(&wishes.study);
        if let Ok(now) = &now {
            (wishes.seen.jobs, wishes.seen.stop, wishes.seen.ends) = (now.jobs, now.stop, now.ends);
        }
        let news = wishes.take(now);
        Ok((wishes, news))
    }

    /// What others want since the last look.
    pub fn look(&mut self) -> News {
        let now = Control::read(&self.study);
        self.take(now)
    }

    /// Tells others what is wanted here; returns what they want. Leaving is this process's own affair.
    pub fn tell(&mut self, command: &Command) -> News {
        if matches!(command, Command::Quit { .. }) {
            return News::default();
        }
        // Obeyed already: only what differs from it is news.
        wish(&mut self.seen, command);
        let now = Control::update(&self.study, |control| wish(control, command));
        self.take(now)
    }

    /// Tells others that no more than these run at once from now on; returns what they want. A smaller number that
    /// they were asked for stays.
    pub fn lower(&mut self, jobs: usize) -> News {
        let lower = |control: &mut Control| control.jobs = Some(control.jobs.map_or(jobs, |now| now.min(jobs)));
        lower(&mut self.seen);
        let now = Control::update(&self.study, lower);
        self.take(now)
    }

    /// Whether a replicate is wanted paused.
    pub fn pauses(&self, id: &ReplicateId) -> bool {
        self.seen.pauses(id)
    }

    /// Whether a replicate is to be passed over.
    pub fn skips(&self, id: &ReplicateId) -> bool {
        self.seen.wish(id).skip
    }

    fn take(&mut self, now: Result<Control>) -> News {
        match now {
            Ok(now) => {
                let commands = between(&self.seen, &now, &self.ids);
                (self.seen, self.trouble) = (now, None);
                News { commands, trouble: None }
            }
            Err(error) => {
                let text = match &error {
                    Error::File { .. } => format!("{error}; ignored until it is mended or deleted"),
                    _ => error.to_string(),
                };
                let told = self.trouble.replace(text.clone()).as_ref() == Some(&text);
                News { commands: Vec::new(), trouble: (!told).then_some(text) }
            }
        }
    }
}

/// Writes a command into the desired state.
pub fn wish(control: &mut Control, command: &Command) {
    match command {
        // What is stopped goes on when told, as what is paused does.
        Command::Pause(Target::All) | Command::StopAfterEpoch(Target::All) => control.pause_all(true),
        Command::Resume(Target::All) => control.pause_all(false),
        Command::Pause(Target::One(id)) => control.wish_mut(id).paused = Some(true),
        Command::Resume(Target::One(id)) => control.wish_mut(id).paused = Some(false),
        Command::StopAfterEpoch(Target::One(id)) => {
            let wish = control.wish_mut(id);
            (wish.paused, wish.stop) = (Some(true), wish.stop.wrapping_add(1));
        }
        Command::Skip(id) => control.wish_mut(id).skip = true,
        Command::Retry(id) => {
            let wish = control.wish_mut(id);
            (wish.paused, wish.skip, wish.attempt) = (Some(false), false, wish.attempt.wrapping_add(1));
        }
        Command::Next(id) => {
            let wish = control.wish_mut(id);
            wish.next = wish.next.wrapping_add(1);
        }
        Command::Jobs(jobs) => control.jobs = Some(*jobs),
        Command::Quit { after_epoch: true } => control.end(Stop::AfterEpoch),
        Command::Quit { after_epoch: false } => control.end(Stop::Now),
    }
}

/// The commands that lead from one desired state to another, for these replicates.
fn between(old: &Control, new: &Control, ids: &[ReplicateId]) -> Vec<Command> {
    let mut commands = Vec::new();
    for id in ids {
        let (before, after) = (old.wish(id), new.wish(id));
        let one = || Target::One(id.clone());
        if after.stop != before.stop {
            commands.push(Command::StopAfterEpoch(one()));
        } else if old.pauses(id) != new.pauses(id) {
            commands.push(if new.pauses(id) { Command::Pause(one()) } else { Command::Resume(one()) });
        }
        if after.skip && !before.skip {
            commands.push(Command::Skip(id.clone()));
        } else if after.attempt != before.attempt || after.skip != before.skip {
            commands.push(Command::Retry(id.clone()));
        }
        if after.next != before.next {
            commands.push(Command::Next(id.clone()));
        }
    }
    if new.jobs != old.jobs {
        commands.extend(new.jobs.map(Command::Jobs));
    }
    match new.stop {
        stop if stop == old.stop && new.ends == old.ends => {}
        Stop::None => {}
        Stop::AfterEpoch => commands.push(Command::Quit { after_epoch: true }),
        Stop::Now => commands.push(Command::Quit { after_epoch: false }),
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u32) -> ReplicateId {
        ReplicateId { label: "net".into(), index }
    }

    fn one(index: u32) -> Target {
        Target::One(id(index))
    }

    fn ids() -> Vec<ReplicateId> {
        (0..2).map(id).collect()
    }

    #[test]
    fn another_process_finds_every_command_that_was_written() {
        let mut control = Control::default();
        for (command, found) in [
            (Command::Jobs(3), vec![Command::Jobs(3)]),
            (Command::Pause(one(0)), vec![Command::Pause(one(0))]),
            (Command::Pause(one(0)), vec![]),
            (Command::Pause(Target::All), vec![Command::Pause(one(1))]),
            (Command::Resume(one(1)), vec![Command::Resume(one(1))]),
            (Command::Resume(Target::All), vec![Command::Resume(one(0))]),
            (Command::StopAfterEpoch(one(0)), vec![Command::StopAfterEpoch(one(0))]),
            (Command::Resume(one(0)), vec![Command::Resume(one(0))]),
            (Command::Skip(id(1)), vec![Command::Skip(id(1))]),
            (Command::Retry(id(1)), vec![Command::Retry(id(1))]),
            (Command::Retry(id(1)), vec![Command::Retry(id(1))]),
            (Command::Next(id(1)), vec![Command::Next(id(1))]),
            (Command::Quit { after_epoch: true }, vec![Command::Quit { after_epoch: true }]),
            (Command::Quit { after_epoch: false }, vec![Command::Quit { after_epoch: false }]),
        ] {
            let before = control.clone();
            wish(&mut control, &command);
            assert_eq!(between(&before, &control, &ids()), found, "{command:?}");
        }
    }

    #[test]
    fn the_first_process_starts_afresh_and_a_second_takes_part() {
        let folder = tempfile::tempdir().unwrap();
        let study = || folder.path().to_path_buf();
        Control { jobs: Some(9), paused: true, stop: Stop::Now, ..Control::default() }.replace(folder.path()).unwrap();
        let (mut first, news) = Wishes::start(study(), ids(), 2).unwrap();
        assert_eq!(news, News::default());
        assert_eq!(Control::read(folder.path()).unwrap(), Control { jobs: Some(2), ..Control::default() });
        assert_eq!(first.tell(&Command::Pause(one(1))), News::default());
        Control::update(folder.path(), |control| wish(control, &Command::Quit { after_epoch: true })).unwrap();
        let (mut second, news) = Wishes::start(study(), ids(), 1).unwrap();
        assert_eq!(news.commands, [Command::Pause(one(1))], "neither the jobs nor the end of those before it");
        assert!(second.pauses(&id(1)) && !second.pauses(&id(0)));
        let end = Command::Quit { after_epoch: true };
        assert_eq!(first.look().commands, vec![end.clone()], "an end that was asked for just before is not lost");
        assert_eq!(second.look(), News::default());
        Control::update(folder.path(), |control| wish(control, &end)).unwrap();
        assert_eq!((first.look().commands, second.look().commands), (vec![end.clone()], vec![end]), "the same again");
        assert_eq!(second.tell(&Command::Jobs(4)), News::default());
        assert_eq!(first.look().commands, [Command::Jobs(4)]);
        assert_eq!(first.tell(&Command::Quit { after_epoch: false }), News::default());
        assert_eq!(second.look(), News::default(), "whoever leaves leaves alone");
    }

    #[test]
    fn fewer_at_once_are_told_to_all_and_a_smaller_wish_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, _) = Wishes::start(folder.path().to_path_buf(), ids(), 4).unwrap();
        let (mut second, _) = Wishes::start(folder.path().to_path_buf(), ids(), 4).unwrap();
        assert_eq!(first.lower(3), News::default());
        assert_eq!(Control::read(folder.path()).unwrap().jobs, Some(3));
        assert_eq!((first.look(), second.look().commands), (News::default(), vec![Command::Jobs(3)]));
        Control::update(folder.path(), |control| control.jobs = Some(1)).unwrap();
        assert_eq!(first.lower(2).commands, [Command::Jobs(1)], "what `ctl` asked for meanwhile");
        assert_eq!(Control::read(folder.path()).unwrap().jobs, Some(1));
    }

    #[test]
    fn what_others_want_is_found_while_telling_and_a_bad_file_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let (mut wishes, _) = Wishes::start(folder.path().to_path_buf(), ids(), 2).unwrap();
        Control::update(folder.path(), |control| control.wish_mut(&id(0)).skip = true).unwrap();
        assert_eq!(wishes.tell(&Command::Pause(one(1))).commands, [Command::Skip(id(0))]);
        std::fs::write(Control::path(folder.path()), "{\"paused\": maybe}").unwrap();
        let trouble = wishes.look().trouble.unwrap();
        assert!(trouble.contains("line 1") && trouble.contains("ignored until"), "{trouble}");
        assert_eq!(wishes.look(), News::default());
        assert_eq!(
            wishes.tell(&Command::Resume(one(1))),
            News::default(),
            "told already, and obeyed here all the same"
        );
        assert!(!wishes.pauses(&id(1)) && wishes.skips(&id(0)));
        Control::default().replace(folder.path()).unwrap();
        assert_eq!(wishes.look().commands, [Command::Retry(id(0))]);
    }
}
