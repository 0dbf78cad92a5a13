//! A hub on the loopback interface: files by path, redirects to a store, ranges, and the ways in which it may fail.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use diffscope::data::official::hex;
use sha2::{Digest, Sha256};

/// How the store answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// As it should.
    Whole,
    /// Breaks off in the middle, so often.
    Breaks(usize),
    /// The same, and gives whole files only.
    BreaksWithoutRanges(usize),
    /// Another content than announced.
    Damaged,
}

/// A hub that serves until it is dropped.
pub struct Hub {
    address: SocketAddr,
    served: Arc<Served>,
}

struct Served {
    files: HashMap<String, Vec<u8>>,
    store: Store,
    broken: AtomicUsize,
    ended: AtomicBool,
    /// Request lines, with the range where one was asked for.
    requests: Mutex<Vec<String>>,
}

impl Hub {
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>, store: Store) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(Served {
            files: files.into_iter().collect(),
            store,
            broken: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            requests: Mutex::default(),
        });
        let serving = served.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away is its own affair.
                let _ = stream.and_then(|stream| serving.answer(stream));
            }
        });
        Self { address, served }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.served.requests.lock().unwrap().clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.served.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Served {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let range = headers.iter().find_map(|line| Some(line.to_lowercase().strip_prefix("range: ")?.to_owned()));
        self.requests.lock().unwrap().push(format!("{request} {}", range.as_deref().unwrap_or_default()));
        let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        match path.strip_prefix("store/") {
            Some(file) => self.content(&mut stream, file, range.as_deref()),
            None => self.redirect(&mut stream, &path),
        }
    }

    /// As the hub does for large files: the digest of the content, and where the content is.
    fn redirect(&self, stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
        let Some(content) = self.files.get(path) else {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nNot Found");
        };
        let digest = hex(&Sha256::digest(content));
        write!(
            stream,
            "HTTP/1.1 302 Found\r\nX-Linked-Etag: \"{digest}\"\r\nLocation: /store/{path}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
    }

    fn content(&self, stream: &mut TcpStream, path: &str, range: Option<&str>) -> std::io::Result<()> {
        let mut content = self.files[path].clone();
        if self.store == Store::Damaged {
            *content.last_mut().unwrap() ^= 1;
        }
        let ranges = !matches!(self.store, Store::BreaksWithoutRanges(_));
        let asked = range.and_then(|range| range.strip_prefix("bytes=")?.trim_end_matches('-').parse::<usize>().ok());
        let from = asked.filter(|_| ranges).unwrap_or(0);
        let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
        let length = content.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nETag: \"of-the-store\"\r\nContent-Length: {}\r\n\
             Content-Range: bytes {from}-{}/{length}\r\nConnection: close\r\n\r\n",
            length - from,
            length - 1,
        )?;
        let breaks = match self.store {
            Store::Breaks(times) | Store::BreaksWithoutRanges(times) => times,
            Store::Whole | Store::Damaged => 0,
        };
        let end = if self.broken.load(Ordering::SeqCst) < breaks {
            self.broken.fetch_add(1, Ordering::SeqCst);
            (length / 2).max(from)
        } else {
            length
        };
        stream.write_all(&content[from..end])
    }
}
