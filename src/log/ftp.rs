//! Logins and transfers by FTP in the lines that other tools have read for decades: wu-ftpd's xferlog (xferlog(5)), and vsftpd's
//! own log, whose failed logins fail2ban's stock filter knows. Opened by the listener, written by its children.
//!
//! The address stands before anything a client chose, and what it chose cannot end a line or a field.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// The open files. Children inherit them.
#[derive(Debug, Default)]
pub struct FtpLogs {
    xferlog: Option<File>,
    vsftpd: Option<File>,
}

static LOGS: RwLock<FtpLogs> = RwLock::new(FtpLogs {
    xferlog: None,
    vsftpd: None,
});
/// Read once, before children lose sight of the files it is made of.
static ZONE: OnceLock<jiff::tz::TimeZone> = OnceLock::new();

/// What was done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It came from the client.
    Upload,
    /// It went to the client.
    Download,
    /// It was removed.
    Delete,
}

/// A file that was moved, or was to be.
#[derive(Debug, Clone, Copy)]
pub struct Moved<'a> {
    /// What was done.
    pub deed: Deed,
    /// By whom; none for anonymous.
    pub user: Option<&'a str>,
    /// From where; none for a peer without an address.
    pub peer: Option<IpAddr>,
    /// The path from the client's root, as bytes.
    pub path: &'a [u8],
    /// Bytes that were moved.
    pub bytes: u64,
    /// In which time.
    pub took: Duration,
    /// As text (TYPE A).
    pub ascii: bool,
    /// All of it.
    pub complete: bool,
}

impl FtpLogs {
    /// Opens what is named, to be added to.
    ///
    /// # Errors
    /// A line for the operator.
    pub fn open(xferlog: Option<&Path>, vsftpd: Option<&Path>) -> Result<FtpLogs, String> {
        let open = |path: Option<&Path>| {
            let open = |path: &Path| {
                let mut options = OpenOptions::new();
                let opened = options.append(true).create(true).mode(0o640).open(path);
                opened.map_err(|error| format!("log {}: {error}", path.display()))
            };
            path.map(open).transpose()
        };
        Ok(FtpLogs {
            xferlog: open(xferlog)?,
            vsftpd: open(vsftpd)?,
        })
    }

    /// Makes these the logs of this process and of those it makes.
    pub fn install(self) {
        ZONE.get_or_init(jiff::tz::TimeZone::system);
        *LOGS.write().unwrap_or_else(PoisonError::into_inner) = self;
    }
}

/// Calls `each` with the descriptors of the logs, which a child keeps.
pub(super) fn with_descriptors<T>(each: impl FnOnce(&[BorrowedFd<'_>]) -> T) -> T {
    let logs = LOGS.read().unwrap_or_else(PoisonError::into_inner);
    let open: Vec<_> = [&logs.xferlog, &logs.vsftpd]
        .into_iter()
        .flatten()
        .map(AsFd::as_fd)
        .collect();
    each(&open)
}

/// Somebody connected.
pub fn connected(peer: Option<IpAddr>) {
    vsftpd(None, "CONNECT", peer, "");
}

/// Somebody logged in, or tried to.
pub fn login(user: &str, peer: Option<IpAddr>, succeeded: bool) {
    let what = if succeeded { "OK LOGIN" } else { "FAIL LOGIN" };
    vsftpd(Some(user), what, peer, "");
}

/// A file was moved, or was to be.
pub fn moved(moved: &Moved<'_>) {
    let path = printable(moved.path, false);
    let what = match (moved.complete, moved.deed) {
        (true, Deed::Upload) => "OK UPLOAD",
        (false, Deed::Upload) => "FAIL UPLOAD",
        (true, Deed::Download) => "OK DOWNLOAD",
        (false, Deed::Download) => "FAIL DOWNLOAD",
        (true, Deed::Delete) => "OK DELETE",
        (false, Deed::Delete) => "FAIL DELETE",
    };
    let rest = if moved.deed == Deed::Delete {
        format!(", \"{path}\"")
    } else {
        let seconds = moved.took.as_secs_f64().max(0.000_001);
        let rate = moved.bytes as f64 / 1024.0 / seconds;
        format!(", \"{path}\", {} bytes, {rate:.2}Kbyte/sec", moved.bytes)
    };
    let user = moved.user.unwrap_or("ftp");
    vsftpd(Some(user), what, moved.peer, &rest);
    let logs = LOGS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = &logs.xferlog {
        write(file, &xferlog(&now(), moved));
    }
}

fn xferlog(now: &str, moved: &Moved<'_>) -> String {
    let direction = match moved.deed {
        Deed::Upload => 'i',
        Deed::Download => 'o',
        Deed::Delete => 'd',
    };
    // What the user "anonymous" typed as a password is not kept; wu-ftpd had it here.
    let (access, user, way) = match moved.user {
        Some(user) => ('r', printable(user.as_bytes(), true), 1),
        None => ('a', "ftp".to_owned(), 0),
    };
    format!(
        "{now} {} {} {} {} {} _ {direction} {access} {user} ftp {way} * {}\n",
        moved.took.as_secs().max(1),
        address(moved.peer),
        moved.bytes,
        printable(moved.path, true),
        if moved.ascii { 'a' } else { 'b' },
        if moved.complete { 'c' } else { 'i' },
    )
}

fn vsftpd(user: Option<&str>, what: &str, peer: Option<IpAddr>, rest: &str) {
    let logs = LOGS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = &logs.vsftpd {
        write(file, &vsftpd_line(&now(), user, what, peer, rest));
    }
}

fn vsftpd_line(
    now: &str,
    user: Option<&str>,
    what: &str,
    peer: Option<IpAddr>,
    rest: &str,
) -> String {
    let user = user.map_or_else(String::new, |user| {
        format!(
            "[{}] ",
            printable(user.as_bytes(), true).replace(['[', ']'], "?")
        )
    });
    let (pid, peer) = (std::process::id(), address(peer));
    format!("{now} [pid {pid}] {user}{what}: Client \"{peer}\"{rest}\n")
}

/// One line in one write: lines of many processes never mix.
fn write(mut file: &File, line: &str) {
    // Nobody is left to tell when the log is gone; the service goes on, and standard error has the same.
    let _ = file.write_all(line.as_bytes());
}

/// This moment, in this machine's time.
#[must_use]
pub fn now_here() -> jiff::Zoned {
    let zone = ZONE.get().cloned().unwrap_or(jiff::tz::TimeZone::UTC);
    jiff::Timestamp::now().to_zoned(zone)
}

/// As ctime(3) has it, in this machine's time.
fn now() -> String {
    now_here().strftime("%a %b %e %H:%M:%S %Y").to_string()
}

fn address(peer: Option<IpAddr>) -> String {
    peer.map_or_else(|| "-".to_owned(), |peer| peer.to_canonical().to_string())
}

/// What a client chose, so that it ends no field: control bytes and quotes are `?`, and blanks `_` where fields end with one.
fn printable(text: &[u8], one_word: bool) -> String {
    let text = String::from_utf8_lossy(text);
    let shown = text.chars().map(|c| match c {
        c if c.is_control() || c == '"' => '?',
        c if one_word && c.is_whitespace() => '_',
        c => c,
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "Sat Nov 21 07:40:45 2026";

    #[test]
    fn lines_are_those_that_other_tools_read() {
        let moved = Moved {
            deed: Deed::Upload,
            user: Some("scan"),
            peer: Some([192, 0, 2, 7].into()),
            path: b"/in/a b.pdf",
            bytes: 1234,
            took: Duration::from_millis(2500),
            ascii: false,
            complete: true,
        };
        assert_eq!(
            xferlog(NOW, &moved),
            "Sat Nov 21 07:40:45 2026 2 192.0.2.7 1234 /in/a_b.pdf b _ i r scan ftp 1 * c\n"
        );
        let anonymous = Moved {
            deed: Deed::Download,
            user: None,
            ascii: true,
            complete: false,
            ..moved
        };
        assert!(xferlog(NOW, &anonymous).ends_with(" a _ o a ftp ftp 0 * i\n"));
        let line = vsftpd_line(NOW, Some("root"), "FAIL LOGIN", moved.peer, "");
        let (head, tail) = line.split_once("[pid ").expect("pid");
        assert_eq!(head, "Sat Nov 21 07:40:45 2026 ");
        assert!(tail.ends_with("] [root] FAIL LOGIN: Client \"192.0.2.7\"\n"));
    }

    #[test]
    fn no_name_forges_a_line_or_a_field() {
        let name = "x] FAIL LOGIN: Client \"10.0.0.1\"\nSat [pid 1] [y";
        let line = vsftpd_line(NOW, Some(name), "OK LOGIN", Some([192, 0, 2, 7].into()), "");
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(line.matches('"').count(), 2);
        assert_eq!(line.matches(']').count(), 2);
        assert!(!printable(b"a b\tc\r\n", true).contains([' ', '\t', '\r', '\n']));
    }
}
