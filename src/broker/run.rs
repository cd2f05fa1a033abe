//! The broker's life: set up, then one question at a time, until the listener is gone.

use super::answer::{Dealing, Outcome, Reply};
use super::boxes::Expiry;
use super::desk::Desk;
use super::hasher::Hasher;
use super::keys::Keys;
use super::ledger::Ledger;
use super::sign::Pair;
use super::walls;
use crate::config::Flags;
use crate::ipc::{self, Ask, Client, DESCRIPTORS, Report, SessionId, Tell, shuts_descriptors};
use crate::log::{self, Level, Role};
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, privs, process, sealed, signal};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

/// The listener's channel among the events; children have numbers from 1, and hashers from here.
const CONTROL: u64 = 0;
const HASHERS: u64 = 1 << 63;
const AT_ONCE: usize = 64;

struct Broker<'a> {
    flags: &'a Flags,
    desk: Desk,
    hasher: Hasher,
    /// None once the listener is gone.
    control: Option<OwnedFd>,
    epoll: Epoll,
    children: HashMap<u64, Child>,
    /// Answers that are held back, and until when.
    later: Vec<(u64, u64, Reply)>,
    expiry: Expiry,
}

/// A child's channel.
struct Child {
    channel: OwnedFd,
    dealing: Dealing,
    /// The process that asked last.
    pid: Option<i32>,
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
        .and_then(|()| give_up_privileges())
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

/// It executes nothing, and as root it needs little of what root may do.
fn give_up_privileges() -> Result<(), Errno> {
    if privs::is_root() {
        privs::keep_capabilities(&privs::BROKER)?;
    } else {
        privs::drop_capabilities()?;
    }
    privs::no_new_privs()
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

/// Hands the logins of browsers over, in the place of the certificate.
fn give_logins(control: &OwnedFd, desk: &mut Desk) -> Result<(), Errno> {
    let logins = sealed::make(&desk.signed_in.give_away(monotonic_millis()));
    let report = Report::Ready {
        ruleset: false,
        chain: logins.is_ok(),
    };
    let given: Vec<_> = logins.iter().map(AsFd::as_fd).collect();
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
            desk: Desk::new(keys).map_err(|_| Errno::EIO)?,
            hasher: Hasher::new(),
            control: Some(control),
            epoll,
            children: HashMap::new(),
            later: Vec::new(),
            expiry: Expiry::default(),
        })
    }

    fn serve(&mut self) -> i32 {
        let mut events = [EpollEvent::empty(); AT_ONCE];
        // Without a listener no child comes; those that are at it may finish.
        while self.control.is_some() || !self.children.is_empty() {
            self.expiry.run(&self.desk.keys);
            let count = match self.epoll.wait(&mut events, self.timeout()) {
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
                match event.data() {
                    CONTROL => {}
                    number if number >= HASHERS => self.hashed(number - HASHERS),
                    child => self.about(child, |broker| broker.hear_child(child)),
                }
            }
            self.say_what_is_due();
            self.hash();
            self.desk.keep_ledger();
        }
        if let Some(ledger) = &mut self.desk.ledger {
            ledger.close();
        }
        0
    }

    fn shuts(&self) -> bool {
        shuts_descriptors(self.desk.keys.config.identity)
    }

    /// Until the next answer that is held back is due, something for the ledger, or files are looked for whose time is over.
    fn timeout(&self) -> EpollTimeout {
        let answers = self.later.iter().map(|(due, ..)| *due);
        let ledger = self.desk.ledger.as_ref().and_then(Ledger::due);
        let expiry = self.expiry.due(&self.desk.keys);
        let Some(due) = answers.chain(ledger).chain(expiry).min() else {
            return EpollTimeout::NONE;
        };
        let left = due.saturating_sub(monotonic_millis());
        EpollTimeout::try_from(left.min(60_000) as i32).unwrap_or(EpollTimeout::ZERO)
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
            Tell::Child { session, client } => {
                if let Some(channel) = descriptors.into_iter().next() {
                    log::about(session, || self.welcome(session, channel, client));
                }
            }
            Tell::Accepted { child, client, pid } => {
                // It shut itself in before it had a client, and could still open one descriptor for it.
                let shut = if client.has_to_ask() && self.shuts() {
                    privs::shut_descriptors(pid, DESCRIPTORS)
                } else {
                    Ok(())
                };
                self.about(child, |broker| match shut {
                    Ok(()) => broker.greet(child, client),
                    Err(errno) => broker.cut_off(child, errno.desc()),
                });
            }
            Tell::Reload => {
                let _ = match Keys::load(self.flags) {
                    Ok(mut keys) => {
                        keys.succeed(&mut self.desk.keys);
                        self.desk.keys = keys;
                        self.desk.renew_ledger();
                        self.desk.remembered.clear();
                        let keys = &self.desk.keys;
                        self.desk.signed_in.retain(|user, stored| {
                            keys.may_come(user, None) && keys.stored(user) == *stored
                        });
                        ready(control, &self.desk.keys)
                    }
                    Err(problems) => {
                        let report = Report::Problems(problems);
                        ipc::send(control.as_fd(), &report, &[], true)
                    }
                };
            }
            Tell::Renew => {
                let _ = match self.desk.keys.renew() {
                    Ok(()) => renewed(control, &self.desk.keys),
                    Err(problems) => {
                        let report = Report::Problems(problems);
                        ipc::send(control.as_fd(), &report, &[], true)
                    }
                };
            }
            Tell::GiveLogins => {
                let _ = give_logins(control, &mut self.desk);
            }
            Tell::KeepLogins => self.desk.signed_in.stay(),
            Tell::TakeLogins => {
                if let Some(sealed) = descriptors.into_iter().next() {
                    self.desk.take_logins(sealed);
                }
            }
            Tell::Word => {
                let _ = ipc::send(control.as_fd(), &Report::Word, &[], true);
            }
            Tell::Sweep => {
                self.desk.keys.sweep();
                let _ = ipc::send(control.as_fd(), &DONE, &[], true);
            }
            Tell::Runner => self.desk.runner.renew(descriptors.into_iter().next()),
        }
        Ok(Some(()))
    }

    /// Does what is about one child: the lines that come of it have its session.
    fn about(&mut self, child: u64, what: impl FnOnce(&mut Self)) {
        match self.children.get(&child).map(|known| known.dealing.session) {
            Some(session) => log::about(session, || what(self)),
            None => what(self),
        }
    }

    fn welcome(&mut self, session: SessionId, channel: OwnedFd, client: Option<Client>) {
        let child = session.number();
        let heard = EpollEvent::new(EpollFlags::EPOLLIN, child);
        if let Err(errno) = self.epoll.add(&channel, heard) {
            // Its channel closes here, and the child serves nobody.
            let why = errno.desc();
            log::event(Level::Error, "a child cannot be heard", &[("error", &why)]);
            return;
        }
        let new = Child {
            channel,
            dealing: Dealing::new(session),
            pid: None,
        };
        self.children.insert(child, new);
        if let Some(client) = client {
            self.greet(child, client);
        }
    }

    fn greet(&mut self, child: u64, client: Client) {
        let met = self
            .children
            .get_mut(&child)
            .and_then(|known| known.dealing.meet(&mut self.desk, client));
        if let Some(outcome) = met {
            self.carry_out(child, outcome);
        }
    }

    /// Takes one question, and what a child tells before it, up to a limit.
    fn hear_child(&mut self, child: u64) {
        for _ in 0..AT_ONCE {
            let Some(known) = self.children.get_mut(&child) else {
                return;
            };
            match ipc::receive_from::<Ask>(known.channel.as_fd()) {
                Err(Errno::EAGAIN) => return,
                Ok(None) => return self.forget(child),
                Ok(Some((question, brought, pid))) => {
                    known.pid = pid.filter(|pid| *pid > 0);
                    match known.dealing.answer(&mut self.desk, question, brought) {
                        Outcome::Nothing => {}
                        outcome => return self.carry_out(child, outcome),
                    }
                }
                Err(_) => return self.cut_off(child, "a message that is no question"),
            }
        }
    }

    fn carry_out(&mut self, child: u64, outcome: Outcome) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Say(reply) if reply.delay == 0 => self.say(child, &reply),
            Outcome::Say(reply) => {
                self.later
                    .push((monotonic_millis() + reply.delay, child, reply));
            }
            Outcome::Hash(work) => {
                if !self.hasher.take(child, work)
                    && let Some(known) = self.children.get_mut(&child)
                {
                    let outcome = known.dealing.too_busy();
                    self.carry_out(child, outcome);
                }
            }
            Outcome::CutOff(why) => self.cut_off(child, why),
        }
    }

    fn say_what_is_due(&mut self) {
        let now = monotonic_millis();
        while let Some(at) = self.later.iter().position(|(due, ..)| *due <= now) {
            let (_, child, reply) = self.later.swap_remove(at);
            self.about(child, |broker| broker.say(child, &reply));
        }
    }

    /// Starts as many hashers as there may be.
    fn hash(&mut self) {
        loop {
            let started = match self.hasher.start() {
                Ok(Some((number, answer))) => {
                    let heard = EpollEvent::new(EpollFlags::EPOLLIN, HASHERS | number);
                    self.epoll.add(answer, heard)
                }
                Ok(None) => return,
                Err(errno) => Err(errno),
            };
            if let Err(errno) = started {
                let why = errno.desc();
                log::event(
                    Level::Error,
                    "a password cannot be hashed",
                    &[("error", &why)],
                );
                // Those that run have an end, and then it is tried again.
                return;
            }
        }
    }

    fn hashed(&mut self, number: u64) {
        if let Some(answer) = self.hasher.answer_of(number) {
            let _ = self.epoll.delete(answer);
        }
        let Some((child, name, right)) = self.hasher.finish(number) else {
            return;
        };
        let right = right.map(|right| {
            if let Some((imported, verifier)) = right.better {
                self.desk.keys.replace(&name, &imported, verifier);
            }
            right.password
        });
        self.about(child, |broker| {
            if let Some(known) = broker.children.get_mut(&child) {
                let outcome = known.dealing.hashed(&mut broker.desk, right);
                broker.carry_out(child, outcome);
            }
        });
    }

    /// Sends an answer to a child. One that does not take its answers is not waited for.
    fn say(&mut self, child: u64, reply: &Reply) {
        let Some(known) = self.children.get(&child) else {
            return;
        };
        // The way to new descriptors was shut; what it is lent comes by it, and all it opens there.
        let opened = match known.pid {
            Some(pid) if reply.answer.opens_library() && self.shuts() => {
                privs::open_descriptors(pid, DESCRIPTORS)
            }
            _ => Ok(()),
        };
        let lent: Vec<_> = reply.descriptors.iter().map(AsFd::as_fd).collect();
        let said =
            opened.and_then(|()| ipc::send(known.channel.as_fd(), &reply.answer, &lent, false));
        if said.is_err() {
            self.forget(child);
        }
    }

    fn cut_off(&mut self, child: u64, why: &str) {
        log::event(Level::Error, "a child was cut off", &[("reason", &why)]);
        self.forget(child);
    }

    fn forget(&mut self, child: u64) {
        if let Some(mut known) = self.children.remove(&child) {
            let _ = self.epoll.delete(&known.channel);
            known.dealing.note_cut(&mut self.desk);
            known.dealing.leave(&mut self.desk);
        }
    }
}
