//! How does a file of the hub get onto the disk? One GET, its redirects followed, taken up again where it broke off,
//! its SHA-256 compared with the one that the hub announces.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body};

use super::{Unit, Watch, stop};
use crate::data::input::MOST_BYTES;
use crate::data::official::hex;
use crate::{Error, Result};

/// A connection must be there after so long, and bring something after so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// A download that broke off is taken up again so often without one new byte.
const TRIES: u32 = 4;
/// The first wait before that; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The hub sends us to its store, and from an old name to a new one.
const MOST_REDIRECTS: u32 = 8;

/// Asks one hub.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    endpoint: String,
}

/// Why there is no answer that can be used.
enum Refusal {
    /// The hub has no such file.
    NotThere(String),
    /// Anything else.
    Failed(Error),
}

/// An answer with content.
struct Answer {
    response: Response<Body>,
    /// The SHA-256 of the whole file, where the hub announced it.
    sha256: Option<String>,
}

impl Client {
    /// A client for the hub at an address such as `https://huggingface.co`.
    ///
    /// # Errors
    /// `Error::Usage` for an address that is none.
    pub fn new(endpoint: &str) -> Result<Self> {
        let endpoint = endpoint.trim_end_matches('/');
        let host = ["https://", "http://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme));
        if host.is_none_or(|host| host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control())) {
            let expected = "expected an address such as https://huggingface.co";
            return Err(Error::Usage(format!("the hub's endpoint is `{endpoint}`: {expected}")));
        }
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("diffscope/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(PATIENCE))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .build();
        Ok(Self { agent: config.new_agent(), endpoint: endpoint.to_owned() })
    }

    /// Downloads the first of several files that the hub has to `path`.
    ///
    /// # Errors
    /// `Error::Failed` where the hub cannot be reached, has none of them, or breaks off again and again;
    /// `Error::File` for another content than announced; `Error::Io` where `path` cannot be written.
    pub(super) fn first_of(&self, files: &[String], path: &Path, step: &str, watch: &dyn Watch) -> Result<()> {
        let mut refused = String::new();
        for file in files {
            let url = format!("{}/{file}", self.endpoint);
            match self.file(&url, path, step, watch) {
                Ok(()) => return Ok(()),
                Err(Refusal::NotThere(reason)) => refused = reason,
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        Err(Error::Failed(refused))
    }

    fn file(&self, url: &str, path: &Path, step: &str, watch: &dyn Watch) -> Result<(), Refusal> {
        let mut answer = self.get(url, 0, None)?;
        let announced = answer.sha256.take();
        let validator = text(answer.response.headers(), header::ETAG).filter(|etag| !etag.starts_with("W/"));
        let total = length(&answer.response);
        if total.is_some_and(|total| total > MOST_BYTES) {
            return Err(failed(format!("{url}: larger than {MOST_BYTES} bytes")));
        }
        watch.begin(step, total, Unit::Bytes);
        let mut target = Target { file: File::create(path).map_err(Error::io(path))?, path, have: 0 };
        let (mut best, mut idle) = (0, 0);
        loop {
            let broken = target.append(answer.response.into_body().into_reader(), watch)?;
            let mut reason = match (broken, total) {
                (None, Some(total)) if target.have != total => format!("{} of {total} bytes came", target.have),
                (None, _) => break,
                (Some(reason), _) => reason,
            };
            idle = if target.have > best { 0 } else { idle + 1 };
            best = best.max(target.have);
            answer = loop {
                if idle >= TRIES {
                    return Err(failed(format!("{url}: the download breaks off at byte {best}: {reason}")));
                }
                std::thread::sleep(FIRST_WAIT * 2_u32.pow(idle));
                stop(watch)?;
                match self.get(url, target.have, validator.as_deref()) {
                    Ok(answer) => break answer,
                    Err(Refusal::NotThere(again)) => (reason, idle) = (again, idle + 1),
                    Err(Refusal::Failed(again)) => (reason, idle) = (again.to_string(), idle + 1),
                }
            };
            target.continue_at(start(&answer.response), url)?;
        }
        target.verify(url, announced).map_err(Refusal::Failed)
    }

    /// Asks for a file from a byte on, following redirects.
    fn get(&self, url: &str, from: u64, validator: Option<&str>) -> Result<Answer, Refusal> {
        let (mut place, mut sha256) = (url.to_owned(), None);
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.agent.get(&place).header(header::ACCEPT_ENCODING, "identity");
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
                if let Some(validator) = validator {
                    request = request.header(header::IF_RANGE, validator);
                }
            }
            let response = request.call().map_err(|error| failed(format!("cannot reach {place}: {error}")))?;
            sha256 = sha256.or_else(|| linked_sha256(response.headers()));
            let status = response.status();
            if status.is_redirection() {
                place = redirected(&place, &response).map_err(failed)?;
                continue;
            }
            return match status {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(Answer { response, sha256 }),
                // The hub answers 401 for repositories that do not exist.
                StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::GONE => {
                    Err(Refusal::NotThere(format!("{url}: the hub has no such file ({status})")))
                }
                StatusCode::TOO_MANY_REQUESTS => {
                    Err(failed(format!("{url}: the hub wants fewer requests ({status}); try again in some minutes")))
                }
                _ => Err(failed(format!("{url}: the hub answers {status}"))),
            };
        }
        Err(failed(format!("{url}: more than {MOST_REDIRECTS} redirects")))
    }
}

/// A file that grows.
struct Target<'a> {
    file: File,
    path: &'a Path,
    have: u64,
}

impl Target<'_> {
    /// Appends what comes; the reason where it broke off.
    fn append(&mut self, mut body: impl Read, watch: &dyn Watch) -> Result<Option<String>> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            stop(watch)?;
            let came = match body.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => buffer.get(..count).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Some(error.to_string())),
            };
            self.have += came.len() as u64;
            if self.have > MOST_BYTES {
                return Err(Error::file(self.path, format!("larger than {MOST_BYTES} bytes")));
            }
            self.file.write_all(came).map_err(Error::io(self.path))?;
            watch.at(self.have);
        }
    }

    /// Goes on at the byte at which an answer starts: where it broke off, or at 0 from a hub that gives whole files only.
    fn continue_at(&mut self, start: u64, url: &str) -> Result<()> {
        if start > self.have {
            return Err(Error::Failed(format!("{url}: the hub goes on at byte {start} instead of {}", self.have)));
        }
        self.have = start;
        self.file.set_len(start).and_then(|()| self.file.seek(SeekFrom::Start(start))).map_err(Error::io(self.path))?;
        Ok(())
    }

    /// Compares the file with its announced SHA-256.
    fn verify(&self, url: &str, announced: Option<String>) -> Result<()> {
        let Some(announced) = announced else { return Ok(()) };
        let mut hasher = Sha256::new();
        let mut file = File::open(self.path).map_err(Error::io(self.path))?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer).map_err(Error::io(self.path))? {
                0 => break,
                count => hasher.update(buffer.get(..count).unwrap_or_default()),
            }
        }
        let found = hex(&hasher.finalize());
        if found == announced {
            return Ok(());
        }
        Err(Error::Failed(format!("{url}: damaged on the way: its SHA-256 is {found}, the hub announced {announced}")))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn failed(reason: String) -> Refusal {
    Refusal::Failed(Error::Failed(reason))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The SHA-256 that the hub announces for a file in its large-file store.
fn linked_sha256(headers: &HeaderMap) -> Option<String> {
    let etag = text(headers, header::HeaderName::from_static("x-linked-etag"))?;
    let digest = etag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
    (digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digest)
}

/// The first byte of an answer.
fn start(response: &Response<Body>) -> u64 {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return 0;
    }
    let range = text(response.headers(), header::CONTENT_RANGE).unwrap_or_default();
    range.trim_start_matches("bytes ").split('-').next().and_then(|start| start.trim().parse().ok()).unwrap_or(0)
}

/// The size of the whole file, where its first answer tells.
fn length(response: &Response<Body>) -> Option<u64> {
    text(response.headers(), header::CONTENT_LENGTH)?.parse().ok()
}

/// Where a redirect leads: another host, or another path on the same one. Never from HTTPS to HTTP.
fn redirected(place: &str, response: &Response<Body>) -> Result<String, String> {
    let to = text(response.headers(), header::LOCATION)
        .ok_or_else(|| format!("{place}: the hub answers {} without a place", response.status()))?;
    let host = place.find("://").map_or(0, |at| at + 3);
    let root = place.get(host..).and_then(|rest| rest.find('/')).map_or(place, |end| &place[..host + end]);
    match to {
        to if to.starts_with("https://") => Ok(to),
        to if to.starts_with("http://") && place.starts_with("http://") => Ok(to),
        to if to.starts_with('/') && !to.starts_with("//") => Ok(format!("{root}{to}")),
        to => Err(format!("{place}: the hub sends us to {to}, which is not followed")),
    }
}
