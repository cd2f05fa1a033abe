//! systemd's journal: lines on standard error that say how much they matter, when the journal reads them there (sd-daemon(3)), and
//! entries with fields by its own socket (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL>).
//!
//! A child, which makes no socket, inherits the one of the listener. It is connected, and the system calls that could send to another
//! address are none that a child has for it (`child::sandbox`).

use super::Level;
use std::fmt::{Display, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

static JOURNAL: RwLock<Option<OwnedFd>> = RwLock::new(None);
/// The journal reads standard error.
static READS: AtomicBool = AtomicBool::new(false);

/// A connection to the journal.
///
/// # Errors
/// A sentence with the remedy: there is no journal.
pub(super) fn connect() -> Result<OwnedFd, String> {
    let connected = UnixDatagram::unbound().and_then(|socket| {
        socket.connect(SOCKET)?;
        Ok(OwnedFd::from(socket))
    });
    connected.map_err(|error| {
        format!(
            "log_format = \"journal\": {SOCKET}: {error}; where no journal of systemd runs, take log_format = \"text\" or \"json\""
        )
    })
}

/// Makes this the connection of this process and of those it makes.
pub(super) fn install(connection: Option<OwnedFd>) {
    READS.store(reads_standard_error(), Ordering::Relaxed);
    *JOURNAL.write().unwrap_or_else(PoisonError::into_inner) = connection;
}

/// Calls `each` with the connection, if there is one.
pub(super) fn with<T>(each: impl FnOnce(Option<BorrowedFd<'_>>) -> T) -> T {
    let journal = JOURNAL.read().unwrap_or_else(PoisonError::into_inner);
    each(journal.as_ref().map(AsFd::as_fd))
}

/// What a line on standard error begins with, if it is the journal that reads it: how much it matters. It notes the time itself.
pub(super) fn prefix(level: Level) -> Option<String> {
    let reads = READS.load(Ordering::Relaxed);
    reads.then(|| format!("<{}>", priority(level)))
}

/// True when standard error is the stream that systemd connected to the journal ($JOURNAL_STREAM, systemd.exec(5)).
fn reads_standard_error() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = nix::sys::stat::fstat(std::io::stderr().as_fd());
    stderr.is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// As syslog(3) has it.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug => 7,
    }
}

/// Sends an entry; false when the journal did not take it.
pub(super) fn write(entry: &[u8]) -> bool {
    // write(2) and nothing else: what a child may not send to another address it may send here.
    with(|journal| journal.is_some_and(|journal| nix::unistd::write(journal, entry).is_ok()))
}

/// An entry: `message` for people, and each of `fields` for searches, as FORKFTP_ and its name in capitals.
pub(super) fn entry<'a>(
    level: Level,
    message: &str,
    fields: impl Iterator<Item = (&'a str, &'a dyn Display)>,
) -> Vec<u8> {
    let mut entry = Vec::with_capacity(512);
    let mut value = String::new();
    put(&mut entry, "MESSAGE", message);
    put(&mut entry, "PRIORITY", &priority(level).to_string());
    put(&mut entry, "SYSLOG_IDENTIFIER", "forkftpd");
    for (key, what) in fields {
        value.clear();
        // Writing to a String cannot fail.
        let _ = write!(value, "{what}");
        let key: String = key.chars().map(capital).collect();
        value = super::shortened(value);
        put(&mut entry, &format!("FORKFTP_{key}"), &value);
    }
    entry
}

/// The names of fields have capital letters, digits and underscores.
fn capital(c: char) -> char {
    match c.to_ascii_uppercase() {
        c @ ('A'..='Z' | '0'..='9') => c,
        _ => '_',
    }
}

/// `KEY=value`, or the value with its length before it, which may be of several lines.
fn put(entry: &mut Vec<u8>, key: &str, value: &str) {
    entry.extend_from_slice(key.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_as_the_journal_reads_it() {
        let fields: [(&str, &dyn Display); 4] = [
            ("peer", &"192.0.2.7:5000"),
            ("path", &"two\nMESSAGE=forged\n"),
            ("again-seconds", &7),
            ("user", &""),
        ];
        let entry = entry(Level::Warn, "get path=\"two\\nlines\"", fields.into_iter());
        let expected = [
            &b"MESSAGE=get path=\"two\\nlines\"\nPRIORITY=4\nSYSLOG_IDENTIFIER=forkftpd\nFORKFTP_PEER=192.0.2.7:5000\nFORKFTP_PATH\n"[..],
            &[19, 0, 0, 0, 0, 0, 0, 0],
            b"two\nMESSAGE=forged\n\nFORKFTP_AGAIN_SECONDS=7\nFORKFTP_USER=\n",
        ];
        assert_eq!(
            String::from_utf8_lossy(&entry),
            String::from_utf8_lossy(&expected.concat())
        );
    }

    #[test]
    fn no_value_is_longer_than_a_datagram_can_bear() {
        let long = "ü\n".repeat(100_000);
        let entry = entry(
            Level::Info,
            "get",
            [("path", &long as &dyn Display)].into_iter(),
        );
        assert!(entry.len() < 2000, "{}", entry.len());
    }

    #[test]
    fn levels_are_those_of_syslog() {
        let all = [Level::Error, Level::Warn, Level::Info, Level::Debug];
        assert_eq!(all.map(priority), [3, 4, 6, 7]);
    }
}
