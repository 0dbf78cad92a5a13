//! `data fetch NAME...`: the files of a source from the hub, with a bar where somebody looks.

use std::path::Path;

use super::Exit;
use crate::Result;
use crate::data::official::Set;

/// A build without the hub.
///
/// # Errors
/// Always: what is missing, and the way out.
#[cfg(not(feature = "hub"))]
pub fn fetch(_sets: &[&'static Set], _endpoint: Option<&str>, home: &Path) -> Result<Exit> {
    let way_out = format!("build it with `--features hub`, or put the official files under {}", home.display());
    Err(crate::Error::Failed(format!("this build cannot fetch (it has no feature `hub`): {way_out}")))
}

/// Fetches every set, one after the other.
///
/// # Errors
/// As [`crate::data::hub::fetch`]; where several were asked for, which of them failed.
#[cfg(feature = "hub")]
pub fn fetch(sets: &[&'static Set], endpoint: Option<&str>, home: &Path) -> Result<Exit> {
    use crate::data::hub::{self, Client};
    let set_endpoint = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    let client = Client::new(endpoint.or(set_endpoint.as_deref()).unwrap_or(hub::ENDPOINT))?;
    let watch = bar::Bar::new()?;
    let done = super::data::each(sets, "could not be fetched", |set| {
        if hub::Watch::stopped(&watch) {
            return Ok(());
        }
        let fetched = hub::fetch(set, home, &client, &watch);
        watch.clear();
        let fetched = fetched.map_err(|error| advised(error, set, home))?;
        let state = if fetched.was_there { "was there" } else { "ready" };
        super::print(&format!("{}: {state}; {} ({})", set.source, fetched.evidence, fetched.folder.display()))
    });
    if hub::Watch::stopped(&watch) {
        super::tell("diffscope: interrupted; nothing half done was kept");
        return Ok(Exit::Interrupted);
    }
    done
}

/// A failure of the hub, with the ways around it.
#[cfg(feature = "hub")]
fn advised(error: crate::Error, set: &Set, home: &Path) -> crate::Error {
    let crate::Error::Failed(reason) = error else { return error };
    let by_hand = home.join(set.folder);
    let ways = "try again, name another hub with --endpoint or $HF_ENDPOINT, or put the official files into";
    crate::Error::Failed(format!("{reason}\nNothing was kept. You may {ways} {}", by_hand.display()))
}

#[cfg(feature = "hub")]
mod bar {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use indicatif::{ProgressBar, ProgressStyle};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    use crate::data::hub::{Unit, Watch};
    use crate::{Error, Result};

    /// A bar on standard error; a line per step where that is no terminal.
    pub(super) struct Bar {
        bar: RefCell<ProgressBar>,
        stop: Arc<AtomicBool>,
    }

    impl Bar {
        /// A bar that shows nothing yet. The first signal asks for the end, a second one ends the program.
        pub(super) fn new() -> Result<Self> {
            let stop = Arc::new(AtomicBool::new(false));
            for signal in [SIGHUP, SIGINT, SIGTERM] {
                signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())
                    .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
                    .map_err(|error| Error::Failed(format!("cannot listen for signals: {error}")))?;
            }
            Ok(Self { bar: RefCell::new(ProgressBar::hidden()), stop })
        }

        /// Takes the bar off the screen.
        pub(super) fn clear(&self) {
            self.bar.borrow().finish_and_clear();
        }
    }

    impl Watch for Bar {
        fn begin(&self, step: &str, total: Option<u64>, unit: Unit) {
            self.clear();
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            if bar.is_hidden() {
                crate::commands::tell(step);
            }
            let amount = match (unit, total) {
                (Unit::Bytes, Some(_)) => {
                    "{wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}"
                }
                (Unit::Bytes, None) => "{spinner} {decimal_bytes} {decimal_bytes_per_sec}",
                (Unit::Images, _) => "{wide_bar} {human_pos}/{human_len} images",
            };
            // A style that indicatif cannot read is a mistake of ours; its own style serves then.
            if let Ok(style) = ProgressStyle::with_template(&format!("{{msg}}  {amount}")) {
                bar.set_style(style.progress_chars("━╸ "));
            }
            bar.set_message(step.to_owned());
            self.bar.replace(bar);
        }

        fn at(&self, done: u64) {
            self.bar.borrow().set_position(done);
        }

        fn stopped(&self) -> bool {
            self.stop.load(Ordering::Relaxed)
        }
    }
}
