//! What the service manager is told (sd_notify(3)): that the server is ready, reloads or ends, what it is at, and that it lives. Run by
//! the listener, which alone has the address to tell it to.

use super::run::Listener;
use crate::log::{self, Level};
use crate::scoreboard::Phase;
use crate::sys::inherit;
use crate::sys::process::{monotonic_micros, monotonic_millis};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How often it hears what the server is at, at most, in milliseconds.
const INTERVAL: u64 = 1000;
/// How long a word that has to arrive may wait for room.
const PATIENCE: Duration = Duration::from_secs(1);
/// Beyond the time that an end may take, in microseconds: for what comes after it.
const MARGIN: u64 = 10_000_000;

/// What the server is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Facts {
    clients: u32,
    busy: u32,
    accepted: u64,
    /// Servers from before a hand-over that still finish something.
    elders: usize,
    /// Seconds that are left, once it ends.
    ending: Option<u64>,
}

#[derive(Debug)]
struct Watchdog {
    /// How often it hears of us, in milliseconds: half of what it would miss us after.
    every: u64,
    due: u64,
    /// The broker owes an answer, and that was said.
    complained: bool,
}

/// The way to the service manager; leads nowhere where there is none.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Watchdog>,
    /// As they were found, for a successor.
    variables: Vec<(OsString, OsString)>,
    said: Option<Facts>,
    /// When it is told next what the server is at.
    next: u64,
    /// Something may have changed that it was too early to tell.
    behind: bool,
}

impl Notifier {
    /// Takes the address and the watchdog's time out of the environment, so that nobody else has them.
    ///
    /// # Errors
    /// A sentence about an address that is none.
    pub(super) fn take() -> Result<Notifier, String> {
        let [socket, every, pid] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]
            .map(|name| (name, inherit::take_variable(name)));
        let to = match &socket.1 {
            Some(path) if !path.is_empty() => Some(reach(path).map_err(|error| {
                format!(
                    "NOTIFY_SOCKET = {}: {error}",
                    log::quoted(&path.to_string_lossy())
                )
            })?),
            _ => None,
        };
        let number = |value: &Option<OsString>| value.as_ref()?.to_str()?.parse::<u64>().ok();
        // For this process, or whoever it is for.
        let ours = pid.1.is_none() || number(&pid.1) == Some(u64::from(std::process::id()));
        let watched = number(&every.1).filter(|micros| to.is_some() && ours && *micros > 0);
        let watchdog = watched.map(|micros| Watchdog {
            every: (micros / 2000).max(1),
            due: 0,
            complained: false,
        });
        let variables = [socket, every, pid].into_iter();
        let variables = variables.filter_map(|(name, value)| Some((name.into(), value?)));
        Ok(Notifier {
            to,
            watchdog,
            variables: variables.collect(),
            ..Notifier::default()
        })
    }

    /// To be spared.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.to.as_ref().map(|(socket, _)| socket.as_fd())
    }

    /// What a successor finds in its environment.
    pub(super) fn variables(&self) -> &[(OsString, OsString)] {
        &self.variables
    }

    /// Everything listens.
    pub(super) fn ready(&self) {
        self.insist("READY=1");
    }

    /// The configuration is read again; `ready` follows.
    pub(super) fn reloading(&self) {
        self.insist(&format!(
            "RELOADING=1\nMONOTONIC_USEC={}",
            monotonic_micros()
        ));
    }

    /// The end has begun, and may take this many seconds.
    pub(super) fn stopping(&mut self, seconds: u64) {
        let micros = seconds.saturating_mul(1_000_000).saturating_add(MARGIN);
        self.insist(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}"));
        self.next = 0;
    }

    /// Waits for room, for a moment: without this word the manager would wait for it, and then act.
    fn insist(&self, words: &str) {
        let Some((socket, address)) = &self.to else {
            return;
        };
        let sent = socket
            .set_nonblocking(false)
            .and_then(|()| socket.send_to_addr(words.as_bytes(), address));
        let _ = socket.set_nonblocking(true);
        if let Err(error) = sent {
            let what = "the service manager cannot be told";
            log::event(Level::Warn, what, &[("error", &error)]);
        }
    }

    /// What may get lost: the same, or newer, follows.
    fn mention(&self, words: &str) {
        if let Some((socket, address)) = &self.to {
            let _ = socket.send_to_addr(words.as_bytes(), address);
        }
    }

    /// When it has to be told something, if only time passes; on the monotonic clock, in milliseconds.
    pub(super) fn due(&self) -> Option<u64> {
        let watchdog = self.watchdog.as_ref().map(|watchdog| watchdog.due);
        let status = self.behind.then_some(self.next);
        watchdog.into_iter().chain(status).min()
    }

    fn tell(&mut self, now: u64, facts: impl FnOnce() -> Facts) {
        if self.to.is_none() {
            return;
        }
        self.behind = now < self.next;
        if self.behind {
            return;
        }
        self.next = now + INTERVAL;
        let facts = facts();
        if self.said != Some(facts) {
            self.said = Some(facts);
            self.mention(&words(facts));
        }
    }
}

fn reach(path: &OsStr) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(path)?,
        _ => {
            return Err(std::io::Error::other(
                "it is neither a path nor an abstract name",
            ));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

fn words(facts: Facts) -> String {
    let counted = |count: u64, one: &str, many: &str| {
        let what = if count == 1 { one } else { many };
        format!("{} {what}", grouped(count))
    };
    if let Some(seconds) = facts.ending {
        let micros = seconds.saturating_mul(1_000_000).saturating_add(MARGIN);
        let children = grouped(u64::from(facts.clients));
        let left = counted(seconds, "second", "seconds");
        return format!("STATUS=draining {children}, {left} left\nEXTEND_TIMEOUT_USEC={micros}");
    }
    let clients = counted(facts.clients.into(), "client", "clients");
    let busy = counted(facts.busy.into(), "transfer", "transfers");
    let elders = match facts.elders {
        0 => String::new(),
        some => format!(
            "; {} of before finishing",
            counted(some as u64, "server", "servers")
        ),
    };
    let accepted = grouped(facts.accepted);
    format!("STATUS={clients}, {busy} busy; {accepted} since start{elders}")
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Listener {
    /// Tells the service manager what the server is at, if that is another thing than before, and that it lives.
    pub(super) fn tell_manager(&mut self) {
        let now = monotonic_millis();
        let ending = self.ending_by.map(|by| match by {
            // All were killed.
            u64::MAX => 0,
            by => by.saturating_sub(now).div_ceil(1000),
        });
        let (children, books, clients) = (&self.children, &self.books, self.admission.total());
        let elders = self.elders.count();
        self.notify.tell(now, || Facts {
            clients,
            busy: children.count_in(Phase::Busy),
            accepted: books.accepted_in_all(),
            elders,
            ending,
        });
        self.show_life(now);
    }

    /// The watchdog hears from this loop, where clients are accepted, and only while the broker answers: without one nobody gets in. One
    /// that is known to be missing is being started again, and is no reason to start the listener, too.
    fn show_life(&mut self, now: u64) {
        let Some(watchdog) = &mut self.notify.watchdog else {
            return;
        };
        if now < watchdog.due {
            return;
        }
        let missing = self.broker_missing.is_some() || self.ending_by.is_some();
        // Whoever cannot even be asked does not answer either.
        if !missing && (self.broker.owes_word() || !self.broker.ask_for_word()) {
            if !watchdog.complained {
                watchdog.complained = true;
                let what =
                    "the broker does not answer, and the watchdog is not told that all is well";
                log::event(Level::Error, what, &[]);
            }
            // Its answer is an event, and brings us here again.
            watchdog.due = now + INTERVAL.min(watchdog.every);
            return;
        }
        watchdog.complained = false;
        watchdog.due = now + watchdog.every;
        self.notify.mention("WATCHDOG=1");
    }

    /// Before something that may keep the loop: it begins with a whole period.
    pub(super) fn show_life_once(&mut self) {
        if self.notify.watchdog.is_some() {
            self.notify.mention("WATCHDOG=1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_for_people() {
        let facts = Facts {
            clients: 3,
            busy: 1,
            accepted: 1_234_567,
            elders: 0,
            ending: None,
        };
        assert_eq!(
            words(facts),
            "STATUS=3 clients, 1 transfer busy; 1,234,567 since start"
        );
        let elders = 2;
        assert!(words(Facts { elders, ..facts }).ends_with("start; 2 servers of before finishing"));
        let ending = Some(1);
        let said = words(Facts { ending, ..facts });
        assert_eq!(
            said,
            "STATUS=draining 3, 1 second left\nEXTEND_TIMEOUT_USEC=11000000"
        );
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
