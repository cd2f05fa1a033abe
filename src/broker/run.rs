//! The broker's life: set up, then one question at a time, until the listener is gone.

use super::answer::{Dealing, Reply};
use super::keys::Keys;
use super::sign::Pair;
use super::walls;
use crate::config::Flags;
use crate::ipc::{self, Ask, Client, Report, Tell};
use crate::log::{self, Level, Role};
use crate::sys::{Errno, process, signal};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

/// The listener's channel among the events; children have numbers from 1.
const CONTROL: u64 = 0;
const AT_ONCE: usize = 64;

struct Broker<'a> {
    flags: &'a Flags,
    keys: Keys,
    /// None once the listener is gone.
    control: Option<OwnedFd>,
    epoll: Epoll,
    children: HashMap<u64, (OwnedFd, Dealing)>,
}

/// Serves the listener at the other end of `control` until it is gone. Returns the exit code.
#[must_use]
pub fn run(flags: &Flags, control: OwnedFd) -> i32 {
    log::become_role(Role::Broker);
    process::set_name(c"forkftpd:broker");
    // What is in this memory is for no other process of this user, and for no core file.
    if let Err(errno) = process::hide_memory()
        .and_then(|()| signal::child_defaults())
        .and_then(|()| signal::ignore_sigterm())
    {
        return tell(
            &control,
            &Report::Problems(vec![format!(
                "the broker cannot be set up: {}",
                errno.desc()
            )]),
            1,
        );
    }
    let keys = match Keys::load(flags) {
        Ok(keys) => keys,
        Err(problems) => return tell(&control, &Report::Problems(problems), 1),
    };
    match Broker::new(flags, keys, control) {
        Ok(mut broker) => broker.serve(),
        Err(errno) => {
            log::event(
                Level::Error,
                "the broker cannot go on",
                &[("error", &errno.desc())],
            );
            1
        }
    }
}

fn tell(control: &OwnedFd, report: &Report, code: i32) -> i32 {
    if let Err(errno) = ipc::send(control.as_fd(), report, &[], true) {
        log::event(
            Level::Error,
            "the broker cannot report",
            &[("error", &errno.desc())],
        );
        return 1;
    }
    code
}

/// Reports that everything is loaded, and gives the walls of the children and the certificate along.
fn ready(control: &OwnedFd, keys: &Keys) -> Result<(), Errno> {
    let ruleset = walls::ruleset(&keys.library);
    let chain = keys.tls.current().map(Pair::publish).transpose()?;
    let report = Report::Ready {
        ruleset: ruleset.is_some(),
        chain: chain.is_some(),
    };
    let given: Vec<_> = ruleset.iter().chain(&chain).map(AsFd::as_fd).collect();
    ipc::send(control.as_fd(), &report, &given, true)
}

/// The same of the certificate alone.
fn renewed(control: &OwnedFd, keys: &Keys) -> Result<(), Errno> {
    let chain = keys.tls.current().map(Pair::publish).transpose()?;
    let report = Report::Ready {
        ruleset: false,
        chain: chain.is_some(),
    };
    let given: Vec<_> = chain.iter().map(AsFd::as_fd).collect();
    ipc::send(control.as_fd(), &report, &given, true)
}

const DONE: Report = Report::Ready {
    ruleset: false,
    chain: false,
};

impl Broker<'_> {
    fn new(flags: &Flags, keys: Keys, control: OwnedFd) -> Result<Broker<'_>, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&control, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL))?;
        ready(&control, &keys)?;
        Ok(Broker {
            flags,
            keys,
            control: Some(control),
            epoll,
            children: HashMap::new(),
        })
    }

    fn serve(&mut self) -> i32 {
        let mut events = [EpollEvent::empty(); AT_ONCE];
        // Without a listener no child comes; those that are at it may finish.
        while self.control.is_some() || !self.children.is_empty() {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => 0,
                Ok(count) => count,
                Err(errno) => {
                    log::event(
                        Level::Error,
                        "the broker cannot wait",
                        &[("error", &errno.desc())],
                    );
                    return 1;
                }
            };
            // What the listener said about a child is heard before the child's question about it.
            while let Some(told) = self.hear_listener().transpose() {
                if let Err(code) = told {
                    return code;
                }
            }
            for event in &events[..count] {
                if event.data() != CONTROL {
                    self.hear_child(event.data());
                }
            }
        }
        0
    }

    /// Takes one message of the listener, if there is one. `Err` with the exit code when it makes no sense.
    fn hear_listener(&mut self) -> Result<Option<()>, i32> {
        let Some(control) = &self.control else {
            return Ok(None);
        };
        let (told, descriptors) = match ipc::receive::<Tell>(control.as_fd(), false) {
            Ok(Some(told)) => told,
            Ok(None) => {
                let _ = self.epoll.delete(control);
                self.control = None;
                return Ok(None);
            }
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) => {
                log::event(
                    Level::Error,
                    "the listener cannot be understood",
                    &[("error", &errno.desc())],
                );
                return Err(1);
            }
        };
        match told {
            Tell::Child { child, client } => {
                if let Some(channel) = descriptors.into_iter().next() {
                    self.welcome(child, channel, client);
                }
            }
            Tell::Accepted { child, client } => self.greet(child, client),
            Tell::Reload => {
                let _ = match Keys::load(self.flags) {
                    Ok(mut keys) => {
                        keys.tls.succeed(std::mem::take(&mut self.keys.tls));
                        self.keys = keys;
                        ready(control, &self.keys)
                    }
                    Err(problems) => {
                        let report = Report::Problems(problems);
                        ipc::send(control.as_fd(), &report, &[], true)
                    }
                };
            }
            Tell::Renew => {
                let _ = match self.keys.renew() {
                    Ok(()) => renewed(control, &self.keys),
                    Err(problems) => {
                        let report = Report::Problems(problems);
                        ipc::send(control.as_fd(), &report, &[], true)
                    }
                };
            }
            Tell::Sweep => {
                self.keys.sweep();
                let _ = ipc::send(control.as_fd(), &DONE, &[], true);
            }
        }
        Ok(Some(()))
    }

    fn welcome(&mut self, child: u64, channel: OwnedFd, client: Option<Client>) {
        let heard = EpollEvent::new(EpollFlags::EPOLLIN, child);
        if let Err(errno) = self.epoll.add(&channel, heard) {
            // Its channel closes here, and the child serves nobody.
            let why = errno.desc();
            log::event(Level::Error, "a child cannot be heard", &[("error", &why)]);
            return;
        }
        self.children.insert(child, (channel, Dealing::new()));
        if let Some(client) = client {
            self.greet(child, client);
        }
    }

    fn greet(&mut self, child: u64, client: Client) {
        let dealing = self.children.get_mut(&child).map(|(_, dealing)| dealing);
        if let Some(reply) = dealing.and_then(|dealing| dealing.meet(&self.keys, &client)) {
            self.say(child, reply);
        }
    }

    fn hear_child(&mut self, child: u64) {
        let Some((channel, dealing)) = self.children.get_mut(&child) else {
            return;
        };
        match ipc::receive::<Ask>(channel.as_fd(), false) {
            Err(Errno::EAGAIN) => {}
            Ok(None) => self.forget(child),
            Ok(Some((question, _))) => {
                let reply = dealing.answer(&self.keys, question);
                self.say(child, reply);
            }
            Err(_) => self.say(child, Err("a message that is no question")),
        }
    }

    /// Sends an answer to a child, or cuts it off.
    fn say(&mut self, child: u64, reply: Reply) {
        let Some((channel, _)) = self.children.get(&child) else {
            return;
        };
        let said = match &reply {
            Err(why) => {
                log::event(Level::Error, "a child was cut off", &[("reason", why)]);
                Err(Errno::EPROTO)
            }
            // A child that does not take its answers is not waited for.
            Ok(answer) if answer.opens_library() => {
                let library = self.keys.library.descriptors();
                ipc::send(channel.as_fd(), answer, &library, false)
            }
            Ok(answer) => ipc::send(channel.as_fd(), answer, &[], false),
        };
        if said.is_err() {
            self.forget(child);
        }
    }

    fn forget(&mut self, child: u64) {
        if let Some((channel, _)) = self.children.remove(&child) {
            let _ = self.epoll.delete(&channel);
        }
    }
}
