//! What the listener is given at its start: listening sockets, from the service manager under names (sd_listen_fds(3)), or all that a
//! listener of before hands over. Run by the listener, before it opens anything.
//!
//! A predecessor passes its descriptors under the numbers that they have: to bring them into a row, as the service manager does, it would
//! have to close others, and there would be no way back where the program cannot be executed.

use super::control::Door;
use crate::config::{Address, Listen};
use crate::log::{self, Level};
use crate::sys::inherit;
use crate::sys::listening::{self, Place};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

/// The first descriptor that is passed (sd_listen_fds(3), SD_LISTEN_FDS_START).
const FIRST: RawFd = 3;
/// Most descriptors that are taken.
const MOST: RawFd = 1000;
/// What one without a name is called there.
const NAMELESS: &str = "unknown";

/// A socket that came under a name.
#[derive(Debug)]
struct Given {
    name: String,
    fd: OwnedFd,
}

/// The variable that says what a predecessor hands over.
pub(super) const HANDED_OVER: &str = "FORKFTPD_HANDED_OVER";

/// What that is, with the numbers of the descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HandedOver {
    /// The process that it is for.
    pub(super) pid: u32,
    /// When the one who hands it over started, in seconds since 1970.
    pub(super) start: u32,
    pub(super) what: Vec<(RawFd, What)>,
}

/// What a descriptor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    /// A listening socket that came from the service manager, under this name.
    Given(String),
    /// One that the server made: its `key`.
    Own(String),
    /// The control socket with this path.
    Door(String),
    /// The channel to a drainer.
    Elder,
    /// The logins of browsers, sealed: for the broker alone.
    Logins,
}

/// What was passed, until somebody takes it.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    given: Vec<Given>,
    /// Those that a predecessor made, by their keys.
    own: Vec<(String, OwnedFd)>,
    door: Option<(String, OwnedFd)>,
    elders: Vec<OwnedFd>,
    logins: Option<OwnedFd>,
    before: u32,
}

/// What a socket of ours is opened as, as far as it cannot be changed later.
pub(super) fn key(listen: &Listen) -> String {
    match &listen.address {
        Address::Unix(_) => format!("{} {:04o}", listen.address, listen.mode),
        _ => listen.address.to_string(),
    }
}

/// Where a socket that came under a name really is.
pub(super) type Found = (String, Address);

impl Inherited {
    /// Takes what the environment says was passed to this process. The variables are gone then: they are for nobody else.
    ///
    /// # Errors
    /// Lines for the operator.
    pub(super) fn take() -> Result<Inherited, Vec<String>> {
        let one = |problem| vec![problem];
        let names = passed_names().map_err(one)?;
        let passed = (FIRST..).zip(names.into_iter().map(What::Given));
        let handed = handed_over().map_err(one)?;
        let before = handed.as_ref().map_or(0, |handed| handed.start);
        let handed = handed.into_iter().flat_map(|handed| handed.what);
        let all: Vec<(RawFd, What)> = passed.chain(handed).collect();
        let numbers: Vec<RawFd> = all.iter().map(|(number, _)| *number).collect();
        let taken = inherit::adopt(&numbers).map_err(|errno| {
            vec![format!(
                "descriptors {numbers:?} are said to be passed: {}",
                errno.desc()
            )]
        })?;
        let mut inherited = Inherited {
            before,
            ..Inherited::default()
        };
        for ((_, what), fd) in all.into_iter().zip(taken) {
            match what {
                What::Given(name) => inherited.given.push(Given { name, fd }),
                What::Own(key) => inherited.own.push((key, fd)),
                What::Door(path) => inherited.door = Some((path, fd)),
                What::Elder => inherited.elders.push(fd),
                What::Logins => inherited.logins = Some(fd),
            }
        }
        Ok(inherited)
    }

    /// All descriptors, to be spared.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let given = self.given.iter().map(|given| &given.fd);
        let own = self.own.iter().chain(&self.door).map(|(_, fd)| fd);
        let rest = self.elders.iter().chain(&self.logins);
        given.chain(own).chain(rest).map(AsFd::as_fd).collect()
    }

    /// Drainers that a predecessor left.
    pub(super) fn elders(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.elders)
    }

    /// When the predecessor started, in seconds since 1970; 0 when there was none.
    pub(super) fn before(&self) -> u32 {
        self.before
    }

    /// The logins of browsers.
    pub(super) fn logins(&mut self) -> Option<OwnedFd> {
        self.logins.take()
    }

    /// The predecessor's control socket, if it has this path. With another path it is closed, and its file goes.
    pub(super) fn door(&mut self, path: Option<&Path>) -> Option<Door> {
        let (known, fd) = self.door.take()?;
        match path {
            Some(path) if path.to_string_lossy() == known => Some(Door::handed(fd, path)),
            _ => {
                drop(Door::handed(fd, Path::new(&known)));
                None
            }
        }
    }

    /// Closes what a predecessor listened on and nobody wants any more, and removes the files of Unix sockets.
    pub(super) fn give_up_the_rest(&mut self) {
        for (key, fd) in self.own.drain(..) {
            if let Ok(Place::Unix(path)) = listening::place_of(fd.as_fd()) {
                let _ = std::fs::remove_file(path);
            }
            log::event(Level::Info, "not listened on any more", &[("socket", &key)]);
        }
    }

    /// Where the sockets are that came under names.
    ///
    /// # Errors
    /// Lines for the operator, about those that are no listening sockets.
    pub(super) fn found(&self) -> Result<Vec<Found>, Vec<String>> {
        let mut wrong = Vec::new();
        let mut found = Vec::new();
        for Given { name, fd } in &self.given {
            match listening::place_of(fd.as_fd()) {
                Ok(place) => found.push((name.clone(), address(place))),
                Err(why) => wrong.push(format!(
                    "systemd:{name}: what was passed under this name is of no use: {why}"
                )),
            }
        }
        if wrong.is_empty() {
            Ok(found)
        } else {
            Err(wrong)
        }
    }

    /// The socket for `listen`, if it was passed.
    pub(super) fn socket_for(&mut self, listen: &Listen) -> Option<OwnedFd> {
        let Some(name) = listen.given.as_deref() else {
            let key = key(listen);
            let at = self.own.iter().position(|(known, _)| *known == key)?;
            return Some(self.own.remove(at).1);
        };
        let is_it = |given: &Given| {
            let place = listening::place_of(given.fd.as_fd());
            given.name == name && place.is_ok_and(|place| address(place) == listen.address)
        };
        let at = self.given.iter().position(is_it)?;
        Some(self.given.swap_remove(at).fd)
    }
}

fn address(place: Place) -> Address {
    match place {
        Place::Tcp(address) => Address::Tcp(address),
        Place::Unix(path) => Address::Unix(path),
    }
}

/// What a predecessor handed over to this process.
fn handed_over() -> Result<Option<HandedOver>, String> {
    let Some(text) = inherit::take_variable(HANDED_OVER) else {
        return Ok(None);
    };
    let text = text.to_string_lossy();
    let handed: HandedOver = serde_json::from_str(&text)
        .map_err(|error| format!("{HANDED_OVER} is another program's: {error}"))?;
    Ok(Some(handed).filter(|handed| handed.pid == std::process::id()))
}

/// The names of the sockets that were passed to this process, in their order.
fn passed_names() -> Result<Vec<String>, String> {
    let [pid, count, names, _] = [
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "LISTEN_PIDFDID",
    ]
    .map(|name| inherit::take_variable(name).map(|value| value.to_string_lossy().into_owned()));
    let own = std::process::id().to_string();
    // What is for another process was inherited by mistake.
    let (Some(count), true) = (count, pid.as_deref() == Some(&own)) else {
        return Ok(Vec::new());
    };
    let number: Option<RawFd> = count.parse().ok().filter(|n| (0..=MOST).contains(n));
    let Some(number) = number else {
        return Err(format!("LISTEN_FDS = {count:?}: a number up to {MOST}"));
    };
    let number = number as usize;
    let names: Vec<String> = match names {
        Some(names) if number > 0 => names.split(':').map(str::to_owned).collect(),
        _ => vec![NAMELESS.to_owned(); number],
    };
    if names.len() != number {
        return Err(format!(
            "LISTEN_FDNAMES has {} names, and LISTEN_FDS says {number}",
            names.len()
        ));
    }
    Ok(names)
}

/// Puts the places of sockets that came by name in the place of their names: one for each socket.
///
/// # Errors
/// Lines for the operator: names that did not come, those that nobody takes, and what cannot be where it is.
pub(super) fn locate(listen: &mut Vec<Listen>, found: &[Found]) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    let mut located = Vec::with_capacity(listen.len());
    for wanted in listen.iter() {
        let Address::Systemd(name) = &wanted.address else {
            located.push(wanted.clone());
            continue;
        };
        let mut came = found.iter().filter(|(given, _)| given == name).peekable();
        if came.peek().is_none() {
            let all: Vec<&str> = found.iter().map(|(given, _)| given.as_str()).collect();
            let all = match all.as_slice() {
                [] => "none at all".to_owned(),
                names => format!("only {}", names.join(", ")),
            };
            wrong.push(format!(
                "systemd:{name}: no socket of this name was passed, {all}: set FileDescriptorName={name} in a socket unit of this service and start it by that, or name an address"
            ));
        }
        for (_, address) in came {
            match wanted.found_at(address.clone()) {
                Ok(there) => located.push(there),
                Err(problems) => wrong.extend(problems),
            }
        }
    }
    let is_taken = |name: &str| {
        let named =
            |listen: &Listen| matches!(&listen.address, Address::Systemd(own) if own == name);
        listen.iter().any(named)
    };
    let mut idle: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    idle.retain(|name| !is_taken(name));
    idle.dedup();
    for name in idle {
        wrong.push(format!(
            "a socket named {} was passed, and nobody listens on it: name it in a table [[listen]] with address = \"systemd:NAME\", or take it out of the service's socket units",
            log::quoted(name)
        ));
    }
    if wrong.is_empty() {
        *listen = located;
        Ok(())
    } else {
        Err(wrong)
    }
}
