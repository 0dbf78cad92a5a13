//! Who keeps verdicts and marks? A thread that appends them to the study's folder, so that no key waits for a disk, and
//! tells what everybody has said there.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::store::verdicts::{self, Review};
use crate::{Error, Result};

/// How often the file is looked at for what others say.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the keeper tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// How many reviews of ours it has taken so far.
    pub taken: usize,
    /// Each reviewer's last word on each example.
    pub reviews: Result<Vec<Review>, String>,
    /// Why a word of ours could not be written, since the last news.
    pub lost: Option<String>,
}

/// The thread. It ends when this is dropped, after everything that was said is written.
#[derive(Debug)]
pub struct Keeper {
    tell: Option<Sender<Review>>,
    news: Receiver<Kept>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread for a study's folder.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(study: PathBuf) -> Result<Self> {
        let (tell, said) = unbounded();
        let (hear, news) = unbounded();
        let keep = move || keep(&study, &said, &hear);
        let thread = std::thread::Builder::new().name("keeper".into()).spawn(keep);
        let thread = thread.map_err(|error| Error::Failed(format!("no thread for verdicts: {error}")))?;
        Ok(Self { tell: Some(tell), news, thread: Some(thread) })
    }

    /// Keeps a review.
    pub fn keep(&self, review: Review) {
        if let Some(tell) = &self.tell {
            let _ = tell.send(review);
        }
    }

    /// What is known now, if there is news.
    pub fn news(&self) -> Option<Kept> {
        self.news.try_iter().reduce(|before, after| Kept { lost: after.lost.or(before.lost), ..after })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.tell = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's work: writes what is said, reads what changed.
fn keep(study: &Path, said: &Receiver<Review>, hear: &Sender<Kept>) {
    let mut taken = 0;
    let mut known: Option<Result<Vec<Review>, String>> = None;
    let (mut size, mut lost) = (None, None);
    loop {
        // Words only ever come to the end of the file: as long as before means the same as before.
        let now = std::fs::metadata(verdicts::path(study)).ok().map(|file| file.len());
        if known.is_none() || now != size || lost.is_some() || matches!(known, Some(Err(_))) {
            let read = verdicts::read(study).map_err(|error| error.to_string());
            // What is there is told again without the word that was lost.
            if known.as_ref() != Some(&read) || lost.is_some() {
                let _ = hear.send(Kept { taken, reviews: read.clone(), lost: lost.take() });
            }
            (known, size) = (Some(read), now);
        }
        match said.recv_timeout(LOOK_EVERY) {
            Ok(review) => {
                let review = Review { time: crate::store::now(), ..review };
                taken += 1;
                lost = verdicts::add(study, &review).err().map(|error| error.to_string());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Verdict;

    fn review(id: u32, reviewer: &str) -> Review {
        Review { id, verdict: Some(Verdict::Ambiguous), reviewer: reviewer.into(), ..Review::default() }
    }

    fn wait(keeper: &Keeper, enough: impl Fn(&Kept) -> bool) -> Kept {
        loop {
            let news = keeper.news.recv().unwrap();
            if enough(&news) {
                return news;
            }
        }
    }

    #[test]
    fn everything_said_is_written_before_the_keeper_is_gone() {
        let study = tempfile::tempdir().unwrap();
        let keeper = Keeper::start(study.path().to_path_buf()).unwrap();
        (0..50).for_each(|id| keeper.keep(review(id, "ann")));
        drop(keeper);
        let kept = verdicts::read(study.path()).unwrap();
        assert_eq!(kept.len(), 50);
        assert!(kept.iter().all(|review| review.time > 0.0));
    }

    /// Whoever asks late for the news hears of it too.
    #[test]
    fn a_word_that_cannot_be_written_is_told_and_taken_back() {
        let study = tempfile::tempdir().unwrap();
        let keeper = Keeper::start(study.path().to_path_buf()).unwrap();
        wait(&keeper, |news| news.reviews == Ok(Vec::new()));
        std::fs::create_dir(verdicts::path(study.path())).unwrap();
        keeper.keep(review(1, "ann"));
        let told = wait(&keeper, |news| news.lost.is_some());
        assert!(told.taken == 1 && told.lost.unwrap().contains("verdicts.jsonl"));
        let (hear, news) = unbounded();
        let late = Keeper { tell: None, news, thread: None };
        for (taken, lost) in [(1, Some("full".to_owned())), (2, None)] {
            hear.send(Kept { taken, reviews: Ok(Vec::new()), lost }).unwrap();
        }
        assert_eq!(late.news(), Some(Kept { taken: 2, reviews: Ok(Vec::new()), lost: Some("full".into()) }));
    }

    #[test]
    fn what_another_process_says_is_heard_and_damage_is_told_until_it_is_mended() {
        let study = tempfile::tempdir().unwrap();
        let keeper = Keeper::start(study.path().to_path_buf()).unwrap();
        wait(&keeper, |news| news.reviews == Ok(Vec::new()));
        keeper.keep(review(1, "ann"));
        verdicts::add(study.path(), &review(2, "bob")).unwrap();
        wait(&keeper, |news| news.taken == 1 && news.reviews.as_ref().is_ok_and(|all| all.len() == 2));
        let whole = std::fs::read(verdicts::path(study.path())).unwrap();
        std::fs::write(verdicts::path(study.path()), "no line\n").unwrap();
        let told = wait(&keeper, |news| news.reviews.is_err());
        assert!(told.reviews.unwrap_err().contains("line 1"));
        std::fs::write(verdicts::path(study.path()), whole).unwrap();
        wait(&keeper, |news| news.reviews.is_ok());
    }
}
