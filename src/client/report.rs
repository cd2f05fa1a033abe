//! What a command tells its user, and the exit code that comes of it. Run by the commands, from every thread that moves files.
//! Messages go to standard error as `forkftp: verb object: reason`, results (`--json`) to standard output.

use super::exit::Exit;
use super::progress::Meter;
use super::receipt::Receipts;
use super::{Error, show};
use crate::digest::Kind;
use crate::wire::drive::PutDone;
use crate::wire::name::Name;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How much to say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// One JSON object for each file on standard output.
    pub json: bool,
    /// Failures only.
    pub quiet: bool,
}

/// One file that was moved, for `--json`.
#[derive(Debug, Serialize)]
pub struct Moved<'a> {
    /// Its path in the library, as on the wire.
    pub name: Name,
    /// Bytes of the whole file.
    pub size: u64,
    /// Which digest.
    pub kind: &'a str,
    /// Its value, hexadecimal.
    pub digest: &'a str,
    /// What the upload is known by on the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// How durably it is stored (uploads).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<&'a str>,
    /// How long it took.
    pub seconds: f64,
}

#[derive(Serialize)]
struct Failed<'a> {
    name: Name,
    error: &'a str,
    message: String,
}

/// The account of one command.
#[derive(Debug)]
pub struct Report {
    verb: &'static str,
    manner: Manner,
    begin: Instant,
    meter: OnceLock<Meter>,
    files: AtomicU64,
    bytes: AtomicU64,
    exit: Mutex<Exit>,
    stdout_closed: AtomicBool,
    receipts: Option<Receipts>,
}

impl Report {
    /// For the command `verb`.
    #[must_use]
    pub fn new(verb: &'static str, manner: Manner) -> Report {
        Report {
            verb,
            manner,
            begin: Instant::now(),
            meter: OnceLock::new(),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            exit: Mutex::new(Exit::Done),
            stdout_closed: AtomicBool::new(false),
            receipts: None,
        }
    }

    /// The same, with receipts kept of what is put.
    #[must_use]
    pub fn keeping(mut self, receipts: Option<Receipts>) -> Report {
        self.receipts = receipts;
        self
    }

    /// A file was put: it gets a receipt, where they are kept.
    pub fn stored(&self, path: &[u8], kind: Kind, done: &PutDone, seconds: f64) {
        let kept = self
            .receipts
            .as_ref()
            .map(|receipts| receipts.add(path, kind, done, seconds));
        if let Some(Err(error)) = kept {
            self.failed(path, &error);
        }
    }

    /// Shows bars from now on, if a person watches.
    pub fn watch(&self, connections: usize, files: u64, bytes: Option<u64>) {
        if !self.manner.quiet && std::io::stderr().is_terminal() {
            self.meter
                .get_or_init(|| Meter::new(connections, files, bytes));
        }
    }

    /// Connection `worker` begins with a file, of which `done` bytes are there already.
    pub fn begin(&self, worker: usize, name: &[u8], size: Option<u64>, done: u64) {
        if let Some(meter) = self.meter.get() {
            meter.begin(worker, name, size, done);
        }
    }

    /// File bytes moved on connection `worker`.
    pub fn moved(&self, worker: usize, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(meter) = self.meter.get() {
            meter.moved(worker, bytes as u64);
        }
    }

    /// A file is done.
    pub fn done(&self, moved: &Moved<'_>) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.json(moved);
    }

    /// Something could not be done.
    pub fn failed(&self, object: &[u8], error: &Error) {
        self.count(Exit::of(error));
        self.json(&Failed {
            name: Name(object.to_vec()),
            error: error.code(),
            message: error.to_string(),
        });
        if *error != Error::Interrupted {
            self.say(&format!("{} {}: {error}", self.verb, show::clean(object)));
        }
    }

    /// The whole command could not go on.
    pub fn stopped(&self, error: &Error) {
        self.count(Exit::of(error));
        self.say(&format!("{}: {error}", self.verb));
    }

    /// Files that were not tried, after `error` was the reason for one of them.
    pub fn left(&self, names: impl Iterator<Item = Vec<u8>>, error: &Error) {
        let mut count = 0;
        for name in names {
            count += 1;
            self.json(&Failed {
                name: Name(name),
                error: error.code(),
                message: error.to_string(),
            });
        }
        if count > 0 {
            self.count(Exit::of(error));
            self.say(&format!(
                "{}: {error}; {} not done",
                self.verb,
                show::count(count, "file was", "files were")
            ));
        }
    }

    /// Something worth knowing that is no failure.
    pub fn notice(&self, text: &str) {
        if !self.manner.quiet {
            self.say(&format!("{}: {text}", self.verb));
        }
    }

    /// Makes the exit code at least this severe.
    pub fn count(&self, exit: Exit) {
        let mut worst = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
        *worst = worst.and(exit);
    }

    /// How the command ends; says how much was done.
    pub fn finish(&self) -> Exit {
        if let Some(meter) = self.meter.get() {
            meter.clear();
        }
        let (files, bytes) = (
            self.files.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        );
        let exit = *self.exit.lock().unwrap_or_else(PoisonError::into_inner);
        if exit == Exit::Interrupted {
            self.say(&format!("{}: interrupted", self.verb));
        }
        if !self.manner.quiet && (files > 0 || exit == Exit::Done) {
            let took = self.begin.elapsed();
            let text = format!(
                "{}: {}, {}",
                self.verb,
                show::count(files, "file", "files"),
                show::size(bytes)
            );
            self.say(&(text + &pace(bytes, took)));
        }
        exit
    }

    /// True when nobody reads standard output any more.
    #[must_use]
    pub fn is_stdout_closed(&self) -> bool {
        self.stdout_closed.load(Ordering::Relaxed)
    }

    fn json(&self, value: &impl Serialize) {
        if !self.manner.json || self.is_stdout_closed() {
            return;
        }
        let Ok(mut line) = serde_json::to_vec(value) else {
            return;
        };
        line.push(b'\n');
        let written = self.aside(|| {
            let mut to = std::io::stdout().lock();
            to.write_all(&line).and_then(|()| to.flush())
        });
        // The transfers are what was asked for; that nobody listens to the account is no failure.
        if written.is_err() {
            self.stdout_closed.store(true, Ordering::Relaxed);
        }
    }

    fn say(&self, text: &str) {
        self.aside(|| say(text));
    }

    fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        match self.meter.get() {
            Some(meter) => meter.aside(write),
            None => write(),
        }
    }
}

/// A message of the program on standard error.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "forkftp: {text}");
}

fn pace(bytes: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let rate = if seconds > 0.0 {
        bytes as f64 / seconds
    } else {
        0.0
    };
    format!(" in {seconds:.1} s ({}/s)", show::size(rate as u64))
}
