//! What receivers heard, ref update by ref update.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Receiver, read_record};

/// A ref update: the ref, where it was, where it is.
pub type Update = (String, String, String);

pub fn line((name, old, new): &Update) -> String {
    format!("{old} {new} {name}\n")
}

/// One request that came in whole, and how it was answered.
#[derive(Clone, Debug)]
pub struct Heard {
    pub at: Instant,
    pub id: String,
    pub update: Update,
    pub status: u16,
}

/// What a receiver heard.
#[derive(Default)]
pub struct Journal {
    heard: Mutex<Vec<Heard>>,
}

impl Journal {
    /// A receiver that writes down here what it hears; `answer` gives the status and how long it takes.
    pub fn receiver(self: &Arc<Self>, answer: impl Fn() -> (u16, Duration) + Send + Sync + 'static) -> Receiver {
        let journal = Arc::clone(self);
        Receiver::wild(move |stream| {
            // It ends when the connection does.
            let _ = journal.serve(&stream, &answer);
        })
    }

    fn serve(&self, mut stream: &TcpStream, answer: &dyn Fn() -> (u16, Duration)) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut id, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
                match line.trim_end().split_once(": ") {
                    Some((name, value)) if name.eq_ignore_ascii_case("idempotency-key") => id = value.into(),
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.parse().ok()?
                    }
                    _ if line == "\r\n" => break,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let json: Value = serde_json::from_slice(&body).ok()?;
            let text = |key: &str| json[key].as_str().unwrap().to_owned();
            let update = (text("ref"), text("before"), text("after"));
            let (status, delay) = answer();
            self.heard.lock().unwrap().push(Heard { at: Instant::now(), id, update, status });
            thread::sleep(delay);
            stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
        }
    }

    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

/// The updates that records hold, with the ids of their events.
pub fn told(records: &[PathBuf]) -> BTreeMap<Update, BTreeSet<String>> {
    let mut told: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for record in records {
        for line in read_record(record)["lines"].as_array().unwrap() {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            told.entry((text("ref"), text("old"), text("new"))).or_default().insert(text("event"));
        }
    }
    told
}
