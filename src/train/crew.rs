//! Who trains when: a manager thread that hands replicates to worker threads and obeys commands.
//!
//! One thread per running replicate, at most `jobs` at once. A replicate's panic or error ends that replicate alone;
//! a disk that takes nothing any more halts all of them.

mod rests;

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select, tick, unbounded};

use self::rests::{Rests, WAITS};
use super::events::{Command, Event, Target};
use super::late_passes;
use super::replicate::{Context, Outcome};
use super::steer::{Leave, Steer};
use super::wishes::{News, Wishes};
use crate::store::record::{STOPPED, State};
use crate::study::ReplicateId;
use crate::study::plan::ReplicatePlan;
use crate::{Error, Result};

/// How often a replicate of another process is asked for: its end or its death is noticed so soon.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How often `control.json` is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Why a waiting replicate is paused.
const HELD: &str = "held by request";

/// Trains one replicate on some backend; what a worker thread calls.
pub type Trainer = Arc<dyn Fn(&Context, &ReplicatePlan, &Steer) -> Result<Outcome> + Send + Sync>;

/// A running study.
pub struct Crew {
    /// Where wishes go.
    pub commands: Sender<Command>,
    manager: JoinHandle<()>,
}

impl Crew {
    /// Starts training all replicates of a study that are not finished, `jobs` at a time.
    ///
    /// # Errors
    /// A folder that cannot be written; when the system gives no thread.
    pub fn start(context: Context, jobs: usize, trainer: Trainer) -> Result<Self> {
        Self::patient(context, jobs, trainer, WAITS)
    }

    /// The same; a replicate that alone finds no room on its device rests so long after each try.
    ///
    /// # Errors
    /// As [`Crew::start`].
    pub fn patient(context: Context, jobs: usize, trainer: Trainer, waits: &[Duration]) -> Result<Self> {
        let (commands, inbox) = unbounded();
        let mut manager = Manager::new(context, jobs, trainer, Rests::new(waits))?;
        let manager = std::thread::Builder::new()
            .name("manager".into())
            .spawn(move || manager.work(&inbox))
            .map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { commands, manager })
    }

    /// Asks for the end and waits until every replicate has left.
    pub fn end(self, after_epoch: bool) {
        let _ = self.commands.send(Command::Quit { after_epoch });
        let _ = self.manager.join();
    }
}

/// What the manager knows of one replicate.
struct Post {
    plan: ReplicatePlan,
    steer: Arc<Steer>,
    state: State,
    /// Most replicates that ran at once during its turn.
    crowd: usize,
}

type Done = (ReplicateId, Result<Outcome>);

struct Manager {
    context: Context,
    jobs: usize,
    trainer: Trainer,
    posts: Vec<Post>,
    waiting: VecDeque<ReplicateId>,
    /// Those that wait for room on a full device.
    rests: Rests,
    /// Trained by other processes on the same folder; asked for again now and then.
    elsewhere: Vec<ReplicateId>,
    /// Who was last told to train a replicate elsewhere.
    owners: HashMap<ReplicateId, String>,
    wishes: Wishes,
    running: usize,
    quitting: bool,
    /// The folder takes nothing any more: who leaves is paused.
    halted: bool,
    /// Whether it was told that nothing is left to do.
    idle: bool,
    done: (Sender<Done>, Receiver<Done>),
}

impl Manager {
    fn new(context: Context, jobs: usize, trainer: Trainer, rests: Rests) -> Result<Self> {
        let views = context.board.snapshot();
        let state = |id: &ReplicateId| {
            let known = views.iter().find(|view| view.progress.id == *id).map(|view| view.progress.state);
            // Whatever was under way or failed when the last process ended waits for its turn again.
            known.filter(|state| matches!(state, State::Finished | State::Skipped)).unwrap_or(State::Queued)
        };
        let state = |plan: &ReplicatePlan| match state(&plan.id) {
            State::Finished if lacks_scores(&context, plan) => State::Queued,
            state => state,
        };
        let post =
            |plan: &ReplicatePlan| Post { plan: plan.clone(), steer: Arc::default(), state: state(plan), crowd: 0 };
        let posts: Vec<Post> = context.plan.replicates.iter().map(post).collect();
        for post in posts.iter().filter(|post| post.state == State::Finished) {
            // A kill right after the last step but one leaves a checkpoint that nothing needs any more.
            if let Err(error) = context.folder.replicate(&post.plan.id).delete_checkpoint() {
                let _ = context.events.send(Event::Log { id: Some(post.plan.id.clone()), text: error.to_string() });
            }
        }
        let waits = |post: &&Post| post.state == State::Queued;
        let waiting = posts.iter().filter(waits).map(|post| post.plan.id.clone()).collect();
        let ids = posts.iter().map(|post| post.plan.id.clone()).collect();
        let (wishes, news) = Wishes::start(context.folder.path().to_path_buf(), ids, jobs)?;
        let (elsewhere, owners) = (Vec::new(), HashMap::new());
        let mut manager = Self {
            context,
            jobs,
            trainer,
            posts,
            waiting,
            rests,
            elsewhere,
            owners,
            wishes,
            running: 0,
            quitting: false,
            halted: false,
            idle: false,
            done: unbounded(),
        };
        manager.take(news);
        Ok(manager)
    }

    fn work(&mut self, inbox: &Receiver<Command>) {
        let done = self.done.1.clone();
        let (look, again) = (tick(LOOK), tick(ASK_AGAIN));
        loop {
            for id in self.rests.rested(Instant::now()) {
                self.waiting.push_front(id);
            }
            self.fill_jobs();
            self.tell_if_idle();
            if self.quitting && self.running == 0 {
                return;
            }
            select! {
                recv(look) -> _ => {
                    let news = self.wishes.look();
                    self.take(news);
                }
                recv(again) -> _ => self.look_elsewhere(),
                recv(done) -> message => if let Ok((id, outcome)) = message { self.record(&id, outcome) },
                recv(inbox) -> command => match command {
                    Ok(command) => {
                        let news = self.wishes.tell(&command);
                        self.obey(command);
                        self.take(news);
                    }
                    // Nobody can steer any more: stop where the last checkpoints are.
                    Err(_) => self.quit(Leave::Now),
                },
            }
        }
    }

    /// Once, until something is launched again: what is paused may go on, and what is trained elsewhere may come here.
    fn tell_if_idle(&mut self) {
        let paused = self.posts.iter().any(|post| post.state == State::Paused);
        let nothing = self.elsewhere.is_empty() && self.rests.is_empty() && !paused;
        let idle = self.running == 0 && (self.quitting || nothing);
        if idle && !self.idle {
            self.tell(Event::Idle);
        }
        self.idle = idle;
    }

    /// Does what other processes and `ctl` want, and tells it where no replicate's state does.
    fn take(&mut self, news: News) {
        if let Some(text) = news.trouble {
            self.tell(Event::Log { id: None, text });
        }
        for command in news.commands {
            match command {
                Command::Jobs(jobs) => self.tell(Event::Jobs(jobs)),
                Command::Quit { after_epoch } => self.tell(Event::Ending { after_epoch }),
                _ => {}
            }
            self.obey(command);
        }
    }

    /// Shows how far replicates of other processes are; asks for them again where a job is free.
    fn look_elsewhere(&mut self) {
        for id in &self.elsewhere {
            let Ok(Some(record)) = self.context.folder.replicate(id).record() else { continue };
            let owner = self.owners.get(id).map(|owner| format!("trained by {owner}"));
            self.context.board.update(id, |view| {
                view.progress.follow(&record);
                view.progress.hold_back_finish();
                view.progress.reason = owner;
            });
        }
        if self.running < self.jobs && self.waiting.is_empty() {
            let wishes = &self.wishes;
            self.waiting.extend(self.elsewhere.extract_if(.., |id| !wishes.pauses(id)));
        }
    }

    fn fill_jobs(&mut self) {
        while !self.quitting && !self.halted && self.running < self.jobs {
            let Some(id) = self.waiting.pop_front() else { return };
            if self.wishes.skips(&id) {
                self.set(&id, State::Skipped);
                self.announce(&id, State::Skipped, Some("skipped by request".into()));
            } else if self.wishes.pauses(&id) {
                self.hold(&id, HELD);
            } else {
                self.launch(&id);
            }
        }
    }

    fn launch(&mut self, id: &ReplicateId) {
        let (context, trainer, done) = (self.context.clone(), self.trainer.clone(), self.done.0.clone());
        self.context.board.update(id, |view| view.progress.elsewhere = false);
        let Some(post) = self.post(id) else { return };
        post.steer.reset();
        post.state = State::Running;
        post.crowd = 0;
        let (plan, steer) = (post.plan.clone(), post.steer.clone());
        let work = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| trainer(&context, &plan, &steer)));
            let outcome = outcome.unwrap_or_else(|panic| Err(Error::Failed(panic_text(panic.as_ref()))));
            let _ = done.send((plan.id, outcome));
        };
        match std::thread::Builder::new().name(id.to_string()).spawn(work) {
            Ok(_) => {
                self.running += 1;
                let running = self.posts.iter_mut().filter(|post| post.state == State::Running);
                running.for_each(|post| post.crowd = post.crowd.max(self.running));
            }
            Err(error) => self.fail(id, &format!("cannot start a thread: {error}")),
        }
    }

    fn record(&mut self, id: &ReplicateId, outcome: Result<Outcome>) {
        self.running -= 1;
        match outcome {
            Ok(Outcome::Finished) => self.set(id, State::Finished),
            Ok(Outcome::Left(Leave::AfterEpoch)) => self.set(id, State::Paused),
            Ok(Outcome::Left(Leave::Skip)) => self.set(id, State::Skipped),
            Ok(Outcome::Left(Leave::Now)) if self.halted => self.hold(id, STOPPED),
            Ok(Outcome::Left(Leave::Now)) => self.set(id, State::Queued),
            Ok(Outcome::Elsewhere(owner)) => {
                self.set(id, State::Queued);
                self.elsewhere.push(id.clone());
                self.show_owner(id, &owner);
            }
            Err(error) if error.stops_all() => self.halt(id, &error),
            Err(Error::OutOfMemory(reason)) => self.shrink(id, &reason),
            Err(error) => self.fail(id, &error.to_string()),
        }
    }

    /// No replicate is to blame, and none can go on: all go back to their last checkpoints and wait, paused.
    fn halt(&mut self, id: &ReplicateId, error: &Error) {
        self.hold(id, STOPPED);
        if std::mem::replace(&mut self.halted, true) {
            return;
        }
        let running = self.posts.iter().filter(|post| post.state == State::Running);
        running.for_each(|post| post.steer.leave(Leave::Now));
        let resting = self.rests.wake_all();
        for id in self.waiting.clone().into_iter().chain(resting) {
            self.hold(&id, "waits until the folder can be written again");
        }
        let reason =
            format!("{error}: training stopped, nothing finished is lost. Make room or make the folder writable");
        self.tell(Event::Halted { reason });
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Pause(target) => self.each(&target, Self::pause),
            Command::Resume(target) => self.each(&target, Self::resume),
            Command::StopAfterEpoch(target) => self.each(&target, Self::stop_after_epoch),
            Command::Skip(id) => self.skip(&id),
            Command::Retry(id) => self.retry(&id),
            Command::Next(id) => self.next(&id),
            Command::Jobs(jobs) => self.jobs = jobs.max(1),
            Command::Quit { after_epoch } => self.quit(if after_epoch { Leave::AfterEpoch } else { Leave::Now }),
        }
    }

    fn each(&mut self, target: &Target, act: impl Fn(&mut Self, &ReplicateId)) {
        let ids = match target {
            Target::One(id) => vec![id.clone()],
            Target::All => self.posts.iter().map(|post| post.plan.id.clone()).collect(),
        };
        for id in &ids {
            act(self, id);
        }
    }

    fn pause(&mut self, id: &ReplicateId) {
        match self.state(id) {
            Some(State::Running) => self.steer(id, |steer| steer.pause(true)),
            Some(State::Queued) => self.hold(id, HELD),
            _ => {}
        }
    }

    fn resume(&mut self, id: &ReplicateId) {
        match self.state(id) {
            Some(State::Running) => self.steer(id, |steer| steer.pause(false)),
            Some(State::Paused) => self.queue(id),
            _ => {}
        }
    }

    fn stop_after_epoch(&mut self, id: &ReplicateId) {
        match self.state(id) {
            Some(State::Running) => self.steer(id, |steer| steer.leave(Leave::AfterEpoch)),
            Some(State::Queued) => self.hold(id, HELD),
            _ => {}
        }
    }

    fn skip(&mut self, id: &ReplicateId) {
        match self.state(id) {
            Some(State::Running) => self.steer(id, |steer| steer.leave(Leave::Skip)),
            Some(State::Queued | State::Paused | State::Failed) => {
                self.unqueue(id);
                self.write_and_announce(id, State::Skipped, "skipped by request");
            }
            _ => {}
        }
    }

    fn retry(&mut self, id: &ReplicateId) {
        match self.state(id) {
            Some(State::Running) => self.steer(id, |steer| steer.pause(false)),
            Some(State::Failed | State::Skipped | State::Paused) => self.queue(id),
            _ => {}
        }
    }

    fn next(&mut self, id: &ReplicateId) {
        if self.state(id) == Some(State::Queued) {
            self.unqueue(id);
            self.waiting.push_front(id.clone());
        }
    }

    fn quit(&mut self, leave: Leave) {
        self.quitting = true;
        for post in self.posts.iter().filter(|post| post.state == State::Running) {
            post.steer.leave(leave);
        }
        // Nobody is left to try again.
        for id in self.rests.wake_all() {
            self.write_and_announce(&id, State::Queued, STOPPED);
        }
    }

    /// Takes a replicate from where it waits for its turn or for room.
    fn unqueue(&mut self, id: &ReplicateId) {
        self.waiting.retain(|waiting| waiting != id);
        self.rests.wake(id);
    }

    fn hold(&mut self, id: &ReplicateId, reason: &str) {
        self.unqueue(id);
        self.set(id, State::Paused);
        self.announce(id, State::Paused, Some(reason.to_owned()));
    }

    fn queue(&mut self, id: &ReplicateId) {
        self.halted = false;
        self.rests.forget(id);
        self.waiting.push_back(id.clone());
        self.set(id, State::Queued);
        self.announce(id, State::Queued, None);
    }

    fn fail(&mut self, id: &ReplicateId, reason: &str) {
        self.write_and_announce(id, State::Failed, reason);
        self.tell(Event::Log { id: Some(id.clone()), text: reason.to_owned() });
    }

    /// A state that the next process must see too. A folder that can't be written is told, not fatal: others go on.
    fn write_and_announce(&mut self, id: &ReplicateId, state: State, reason: &str) {
        self.set(id, state);
        let written = self.context.folder.replicate(id).change_record(|record| {
            // A finished one that scores could not be added to is finished still.
            if record.state != State::Finished {
                record.state = state;
                record.reason = Some(reason.to_owned());
            }
        });
        let dir = self.context.folder.replicate(id);
        if let Err(error) = written.and_then(|()| dir.log(&format!("{}: {reason}", state.word()))) {
            self.tell(Event::Log { id: Some(id.clone()), text: error.to_string() });
        }
        self.announce(id, state, Some(reason.to_owned()));
    }

    /// Who trains a replicate that is not ours: always on the board, told once per owner.
    fn show_owner(&mut self, id: &ReplicateId, owner: &str) {
        let reason = format!("trained by {owner}");
        if self.owners.insert(id.clone(), owner.to_owned()).as_deref() == Some(owner) {
            self.context.board.update(id, |view| view.progress.reason = Some(reason));
        } else {
            self.announce(id, State::Running, Some(reason));
        }
        self.context.board.update(id, |view| view.progress.elsewhere = true);
    }

    /// Puts a state on the board and tells it.
    fn announce(&mut self, id: &ReplicateId, state: State, reason: Option<String>) {
        self.context.board.update(id, |view| {
            view.progress.state = state;
            view.progress.reason.clone_from(&reason);
        });
        self.tell(Event::State { id: id.clone(), state, reason });
    }

    fn tell(&self, event: Event) {
        // Nobody listening any more is no reason to stop training.
        let _ = self.context.events.send(event);
    }

    fn steer(&mut self, id: &ReplicateId, act: impl Fn(&Steer)) {
        if let Some(post) = self.post(id) {
            act(&post.steer);
        }
    }

    /// The state of a replicate that is ours to steer.
    fn state(&mut self, id: &ReplicateId) -> Option<State> {
        if self.elsewhere.contains(id) {
            return None;
        }
        self.post(id).map(|post| post.state)
    }

    fn set(&mut self, id: &ReplicateId, state: State) {
        if let Some(post) = self.post(id) {
            post.state = state;
        }
    }

    fn post(&mut self, id: &ReplicateId) -> Option<&mut Post> {
        self.posts.iter_mut().find(|post| post.plan.id == *id)
    }
}

/// Whether a finished replicate has to lend its network to scores that were added; shown as waiting for its turn.
fn lacks_scores(context: &Context, plan: &ReplicatePlan) -> bool {
    let missing = late_passes::missing(&context.folder.replicate(&plan.id), &context.plan, plan);
    if let Some(first) = missing.first() {
        let more = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
        context.board.update(&plan.id, |view| {
            view.progress.state = State::Queued;
            view.progress.reason = Some(format!("{}{more} will be added", first.name));
        });
    }
    !missing.is_empty()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("a bug: the replicate's thread panicked: {}", text.unwrap_or("without a message"))
}
