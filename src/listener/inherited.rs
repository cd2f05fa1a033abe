//! What the listener is given at its start: listening sockets, from the service manager under names (sd_listen_fds(3)). Run by the
//! listener, before it opens anything.

use crate::config::{Address, Listen};
use crate::sys::inherit;
use crate::sys::listening::{self, Place};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

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

/// What was passed, until somebody takes it.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    given: Vec<Given>,
}

/// Where a socket that came under a name really is.
pub(super) type Found = (String, Address);

impl Inherited {
    /// Takes what the environment says was passed to this process. The variables are gone then: they are for nobody else.
    ///
    /// # Errors
    /// Lines for the operator.
    pub(super) fn take() -> Result<Inherited, Vec<String>> {
        let names = passed_names().map_err(|problem| vec![problem])?;
        let numbers: Vec<RawFd> = (FIRST..).take(names.len()).collect();
        let taken = inherit::adopt(&numbers).map_err(|errno| {
            let last = FIRST + numbers.len() as RawFd - 1;
            vec![format!(
                "LISTEN_FDS says that the descriptors {FIRST} to {last} were passed: {}",
                errno.desc()
            )]
        })?;
        let given = names.into_iter().zip(taken);
        let given = given.map(|(name, fd)| Given { name, fd }).collect();
        Ok(Inherited { given })
    }

    /// All descriptors, to be spared.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.given.iter().map(|given| given.fd.as_fd()).collect()
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
        let name = listen.given.as_deref()?;
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
            crate::log::quoted(name)
        ));
    }
    if wrong.is_empty() {
        *listen = located;
        Ok(())
    } else {
        Err(wrong)
    }
}
