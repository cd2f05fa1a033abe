//! One line per event, to standard error, in one write: lines of many processes never mix. Or one entry of systemd's journal. Used by the listener and its
//! children; the client talks to its user instead.
//!
//! Text that came from outside goes through `quoted`, so that no name can forge a line or reach a terminal raw.

pub mod ftp;
mod journal;

use crate::sys;
use crate::wire::SessionId;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// How much an event matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Service is refused or ends.
    Error,
    /// Something the operator should look at.
    Warn,
    /// Sessions and transfers.
    Info,
    /// What a developer wants to see.
    Debug,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `TIME LEVEL PROCESS[PID] MESSAGE KEY=VALUE ...`
    Text,
    /// One JSON object a line.
    Json,
    /// Entries of systemd's journal, with fields, and not to standard error.
    Journal,
}

/// Bytes of a value that are shown: more than any name of a file, less than some paths.
const LONGEST_VALUE: usize = 1024;

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);
static FORMAT: AtomicU8 = AtomicU8::new(Format::Text as u8);
static ROLE: AtomicU8 = AtomicU8::new(Role::Listener as u8);
/// Of a process that has taken a role, so that no line asks the kernel for it; 0 before.
static PID: AtomicU32 = AtomicU32::new(0);
/// The session that lines are about: its start, and its number; 0 for none.
static SESSION: (AtomicU32, AtomicU64) = (AtomicU32::new(0), AtomicU64::new(0));

/// Which process writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The parent of all, or a command.
    Listener,
    /// The holder of secrets.
    Broker,
    /// The maker of data connections.
    Dialer,
    /// The one that executes the operator's commands.
    Runner,
    /// The server of one client.
    Child,
    /// Who sees to the sessions of before a hand-over.
    Drainer,
}

/// Where lines will go.
#[derive(Debug)]
pub struct Output {
    format: Format,
    journal: Option<OwnedFd>,
}

impl Output {
    /// Opens what `format` needs.
    ///
    /// # Errors
    /// A line for the operator: it is not there.
    pub fn open(format: Format) -> Result<Output, String> {
        let journal = match format {
            Format::Journal => Some(journal::connect()?),
            Format::Text | Format::Json => None,
        };
        Ok(Output { format, journal })
    }

    /// The number of the journal's socket, if lines go there: what inherits it may write to it, and nothing else.
    #[must_use]
    pub fn journal(&self) -> Option<u32> {
        let journal = self.journal.as_ref();
        journal.and_then(|journal| u32::try_from(journal.as_raw_fd()).ok())
    }

    /// Sets what is written and how, from now on; children inherit it.
    pub fn install(self, level: Level) {
        journal::install(self.journal);
        FORMAT.store(self.format as u8, Ordering::Relaxed);
        LEVEL.store(level as u8, Ordering::Relaxed);
    }
}

/// The number of the journal's socket in this process, if lines go there.
#[must_use]
pub fn journal() -> Option<u32> {
    journal::with(|journal| u32::try_from(journal?.as_raw_fd()).ok())
}

/// Closes every descriptor but the standard three, those of the logs, and `keep`.
///
/// # Errors
/// As close_range(2).
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> sys::Result<()> {
    ftp::with_descriptors(|logs| {
        journal::with(|journal| {
            let keep: Vec<_> = keep.iter().chain(logs).copied().chain(journal).collect();
            sys::process::close_all_but(&keep)
        })
    })
}

/// Names this process in every line from now on. Whoever was forked takes a role anew.
pub fn become_role(role: Role) {
    PID.store(std::process::id(), Ordering::Relaxed);
    ROLE.store(role as u8, Ordering::Relaxed);
}

/// Says in every line from now on that it is about this session: in a process that serves it alone.
pub fn set_session(session: SessionId) {
    SESSION.0.store(session.start(), Ordering::Relaxed);
    SESSION.1.store(session.number(), Ordering::Relaxed);
}

/// Says so in the lines of `what`: in a process with one thread that serves many.
pub fn about<T>(session: SessionId, what: impl FnOnce() -> T) -> T {
    let before = SESSION.1.load(Ordering::Relaxed);
    let before = SessionId::new(SESSION.0.load(Ordering::Relaxed), before);
    set_session(session);
    let done = what();
    set_session(before);
    done
}

fn session() -> Option<SessionId> {
    let number = SESSION.1.load(Ordering::Relaxed);
    (number != 0).then(|| SessionId::new(SESSION.0.load(Ordering::Relaxed), number))
}

/// True when events of `level` are written: spares the caller making a line for nobody.
#[must_use]
pub fn wants(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// Writes one event. `message` is ours and fixed; whatever varies is in `fields`.
pub fn event(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    if !wants(level) {
        return;
    }
    let format = FORMAT.load(Ordering::Relaxed);
    let line = if format == Format::Json as u8 {
        json(level, message, fields)
    } else if format == Format::Journal as u8 && entered(level, message, fields) {
        return;
    } else {
        text(level, message, fields)
    };
    // Nobody is left to tell when standard error is gone; the service goes on.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn role() -> &'static str {
    match ROLE.load(Ordering::Relaxed) {
        r if r == Role::Broker as u8 => "broker",
        r if r == Role::Dialer as u8 => "dialer",
        r if r == Role::Runner as u8 => "runner",
        r if r == Role::Child as u8 => "child",
        r if r == Role::Drainer as u8 => "drainer",
        _ => "listener",
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}

fn pid() -> u32 {
    match PID.load(Ordering::Relaxed) {
        0 => std::process::id(),
        known => known,
    }
}

fn text(level: Level, message: &str, fields: &[(&str, &dyn Display)]) -> String {
    let begin = journal::prefix(level);
    let mut line = begin.unwrap_or_else(|| format!("{:.3} ", jiff::Timestamp::now()));
    // Writing to a String cannot fail.
    let _ = write!(line, "{} {}[{}] ", level_name(level), role(), pid());
    describe(&mut line, message, fields);
    line.push('\n');
    line
}

/// Sends an entry to the journal; false when it does not take it, so that it is not lost.
fn entered(level: Level, message: &str, fields: &[(&str, &dyn Display)]) -> bool {
    let mut described = String::with_capacity(256);
    describe(&mut described, message, fields);
    let (process, session) = (role(), session());
    let process: [(&str, &dyn Display); 1] = [("process", &process)];
    let session = session.as_ref().map(|id| ("session", id as &dyn Display));
    let fields = process.into_iter().chain(fields.iter().copied());
    journal::write(&journal::entry(level, &described, fields.chain(session)))
}

/// `MESSAGE KEY=VALUE ...`
fn describe(line: &mut String, message: &str, fields: &[(&str, &dyn Display)]) {
    line.push_str(message);
    for (key, value) in fields {
        let value = shortened(value.to_string());
        let _ = if needs_quotes(&value) {
            write!(line, " {key}={}", quoted(&value))
        } else {
            write!(line, " {key}={value}")
        };
    }
    if let Some(session) = session() {
        let _ = write!(line, " session={session}");
    }
}

fn json(level: Level, message: &str, fields: &[(&str, &dyn Display)]) -> String {
    let mut object = serde_json::Map::new();
    object.insert(
        "time".into(),
        format!("{:.3}", jiff::Timestamp::now()).into(),
    );
    object.insert("level".into(), level_name(level).into());
    object.insert("process".into(), role().into());
    object.insert("pid".into(), pid().into());
    object.insert("message".into(), message.into());
    for (key, value) in fields {
        object.insert((*key).to_owned(), shortened(value.to_string()).into());
    }
    if let Some(session) = session() {
        object.insert("session".into(), session.to_string().into());
    }
    serde_json::Value::Object(object).to_string() + "\n"
}

/// A value as long as a log can bear.
fn shortened(mut value: String) -> String {
    if value.len() > LONGEST_VALUE {
        let whole = (0..=LONGEST_VALUE)
            .rev()
            .find(|&at| value.is_char_boundary(at));
        value.truncate(whole.unwrap_or(0));
        value.push('…');
    }
    value
}

fn needs_quotes(value: &str) -> bool {
    value.is_empty()
        || value.chars().any(|c| {
            c.is_whitespace() || c.is_control() || matches!(c, '"' | '=' | '\\') || is_direction(c)
        })
}

/// Characters that change the direction in which a terminal writes: a name with them can look like another.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `value` in double quotes, with every character that could forge or hide something as an escape.
#[must_use]
pub fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || is_direction(c) || (c.is_whitespace() && c != ' ') => {
                out.extend(c.escape_unicode())
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_cannot_forge_a_line() {
        let name = "a\n2026-01-01T00:00:00Z info child[1] put \x1b[31m\u{9b}\u{202e}\"x";
        let line = text(Level::Info, "get", &[("path", &name), ("bytes", &5)]);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains('\x1b') && !line.contains('\u{9b}') && !line.contains('\u{202e}'));
        assert!(line.ends_with(" bytes=5\n"));
        assert!(text(Level::Info, "get", &[("path", &"ü".repeat(5000))]).len() < 1200);
        let object: serde_json::Value =
            serde_json::from_str(&json(Level::Info, "get", &[("path", &name)])).expect("json");
        assert_eq!(object["path"], name);
    }
}
