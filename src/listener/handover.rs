//! Handing over to a successor without ending what is under way (SIGUSR2; SIGHUP, once the program's file is another; SIGUSR1). Run by
//! the listener.
//!
//! First the program is asked whether it could serve (`trial`). Then the living children are left to a drainer, a fork of the listener,
//! and the listener itself becomes the program anew, under its own pid, with the listening sockets open: who connects in between waits
//! for a moment, and nobody is refused.
//!
//! Two brokers live side by side then. What they keep in files they keep under locks: share links, and what lies in homes with a quota. What
//! the old one has in memory begins anew in the other: how many clients and sessions there are (those of the drainer are not among
//! them), failed logins and bans, and room that uploads under way have reserved, by which a quota may be passed until they end. The
//! logins of browsers go over; the old broker changes none from then on. Whoever leaves for a restart hands nothing over: no process that
//! could take it is there.

use super::control::Door;
use super::drainer::Draining;
use super::events::{Event, Events};
use super::inherited::{HANDED_OVER, HandedOver, What};
use super::run::{Listener, Started};
use super::sockets::{self, Socket};
use super::trial::Trial;
use super::{inherited, shutdown};
use crate::config::{Config, Flags};
use crate::log::{self, Level};
use crate::sys::{Errno, channel, inherit, process, signal};
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most drainers at once: each of them keeps a broker.
const MOST_ELDERS: usize = 16;
/// What a drainer is told when its successor ends: it has no more time than that one.
const END: &[u8] = b"end";

/// The program as it was started.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// Behind its name: `serve` and what follows it.
    pub(super) arguments: Vec<OsString>,
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let facts = std::fs::metadata(path).ok()?;
    Some((facts.dev(), facts.ino()))
}

/// The file that this process runs, even if it has no name any more.
const RUNNING: &str = "/proc/self/exe";

impl Program {
    /// Found at the start, while the name that it was started by is still its own: later another file may have it.
    pub(super) fn find() -> Program {
        let mut arguments = std::env::args_os();
        let name = arguments.next().map(PathBuf::from).unwrap_or_default();
        let running = identity(Path::new(RUNNING));
        // A link is kept: it may lead to another version one day.
        let named = std::path::absolute(&name).ok();
        let named = named.filter(|path| {
            name.components().count() > 1 && running.is_some() && identity(path) == running
        });
        let path = named.or_else(|| std::fs::read_link(RUNNING).ok());
        Program {
            path: path.unwrap_or(name),
            arguments: arguments.collect(),
        }
    }

    /// True when the name is another file's by now.
    pub(super) fn is_another(&self) -> bool {
        let now = identity(&self.path);
        now.is_some() && now != identity(Path::new(RUNNING))
    }
}

/// Drainers that were left before, at the other ends of their channels.
#[derive(Debug, Default)]
pub(super) struct Elders(Vec<OwnedFd>);

impl Elders {
    /// Those that an earlier listener of this pid left.
    pub(super) fn watch(all: Vec<OwnedFd>, events: &Events) -> Result<Elders, Errno> {
        for elder in &all {
            events.watch(elder.as_fd(), Event::Elder)?;
        }
        Ok(Elders(all))
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Lets those go that have ended.
    pub(super) fn look(&mut self, events: &Events) {
        self.0.retain(|elder| {
            let lives = channel::receive(elder.as_fd(), &mut [0; 8], false);
            let lives = matches!(lives, Err(Errno::EAGAIN));
            if !lives {
                events.forget(elder.as_fd());
            }
            lives
        });
    }

    /// Tells all that the server ends.
    pub(super) fn call(&self) {
        for elder in &self.0 {
            // One that does not hear it has ended.
            let _ = channel::send(elder.as_fd(), END, &[], false);
        }
    }

    /// Has nothing to do with them any more, as a process that shares the events with the one that has.
    pub(super) fn disown(&mut self, events: &Events) {
        for elder in self.0.drain(..) {
            events.forget(elder.as_fd());
        }
    }
}

impl Listener {
    /// Asks the program whether it could take over; what it says comes later.
    pub(super) fn try_successor(&mut self) {
        if self.ending_by.is_some() {
            return;
        }
        if self.trial.is_some() {
            log::event(Level::Warn, "a hand-over is under way already", &[]);
            return;
        }
        self.notify.reloading();
        let path = self.program.path.display().to_string();
        let what = "asking the program whether it can take over";
        log::event(Level::Info, what, &[("program", &path)]);
        match Trial::begin(&self.program, &self.events) {
            Ok(trial) => self.trial = Some(trial),
            Err(errno) => self.stays(&[format!("it cannot be asked: {}", errno.desc())]),
        }
    }

    /// There is no hand-over, and the server goes on.
    pub(super) fn stays(&mut self, problems: &[String]) {
        for problem in problems {
            let what = "no hand-over, this server goes on";
            log::event(Level::Error, what, &[("problem", problem)]);
        }
        self.notify.ready();
    }

    /// Hears what the program says of itself, and hands over once it has said yes. Returns only where it does not come to that.
    pub(super) fn hear_trial(&mut self, started: Started<'_>) {
        let Some(trial) = &mut self.trial else {
            return;
        };
        // An administrator who is being answered hears the whole of it first.
        if !trial.hear(&self.events) || self.desk.is_busy() {
            return;
        }
        let Some(verdict) = self.trial.take().and_then(Trial::end) else {
            return;
        };
        let Err(problems) = verdict.and_then(|()| self.hand_over(started));
        if self.weather.is_paused() {
            sockets::unwatch(&self.events, &self.service.sockets);
        } else {
            self.open_doors();
        }
        self.stays(&problems);
    }

    fn hand_over(&mut self, started: Started<'_>) -> Result<Infallible, Vec<String>> {
        if self.elders.count() >= MOST_ELDERS {
            return Err(vec![format!(
                "{MOST_ELDERS} servers of before still finish transfers: wait for one of them, or restart"
            )]);
        }
        let before = self.service.sockets.len();
        let ready = self.open_what_is_new(started.0);
        let failed = ready.and_then(|()| self.give_up_the_doors(started));
        self.service
            .sockets
            .drain(before..)
            .for_each(sockets::close);
        failed
    }

    fn give_up_the_doors(&mut self, started: Started<'_>) -> Result<Infallible, Vec<String>> {
        let logins = self.broker.give_logins().unwrap_or_default();
        sockets::unwatch(&self.events, &self.service.sockets);
        if let Some(door) = &self.service.door {
            door.unwatch(&self.events);
        }
        self.show_life_once();
        let failed = self.become_successor(logins, started);
        self.broker.keep_logins();
        failed
    }

    /// What the new configuration listens on besides is opened while there is still a way back. One that only the new program
    /// understands is its own matter.
    fn open_what_is_new(&mut self, flags: &Flags) -> Result<(), Vec<String>> {
        let Ok(mut config) = Config::load(flags) else {
            return Ok(());
        };
        let given = self.service.sockets.iter().filter_map(Socket::found);
        inherited::locate(&mut config.listen, &given.collect::<Vec<_>>())?;
        let sockets = &mut self.service.sockets;
        for wanted in &config.listen {
            if !sockets.iter().any(|socket| socket.serves(wanted)) {
                sockets.push(sockets::open_one(wanted).map_err(|problem| vec![problem])?);
            }
        }
        Ok(())
    }

    fn become_successor(
        &mut self,
        logins: Option<OwnedFd>,
        started: Started<'_>,
    ) -> Result<Infallible, Vec<String>> {
        let said =
            |what: &'static str| move |errno: Errno| vec![format!("{what}: {}", errno.desc())];
        // From here on a signal waits for the successor.
        let _blocked = signal::block_all().map_err(said("signals"))?;
        if self.signals.are_ending() {
            return Err(vec!["the server was told to end".into()]);
        }
        let left = self.leave_children(started).map_err(said("the drainer"))?;
        let mut handed = self.what_is_handed();
        handed.extend(logins.as_ref().map(|fd| (fd.as_fd(), What::Logins)));
        handed.extend(left.iter().map(|left| (left.elder.as_fd(), What::Elder)));
        let text = HandedOver {
            pid: std::process::id(),
            start: self.children.start(),
            what: numbered(&handed),
        };
        let done = become_again(&self.program, self.notify.variables(), &handed, &text);
        // It still is what it was.
        if let Some(left) = &left {
            left.call_off();
        }
        done.map_err(|errno| {
            vec![format!(
                "{} cannot be executed: {}",
                self.program.path.display(),
                errno.desc()
            )]
        })
    }

    fn what_is_handed(&self) -> Vec<(BorrowedFd<'_>, What)> {
        let sockets = self.service.sockets.iter().map(|socket| {
            let what = match &socket.listen.given {
                Some(name) => What::Given(name.clone()),
                None => What::Own(inherited::key(&socket.listen)),
            };
            (socket.fd.as_fd(), what)
        });
        let door = self.service.door.iter().map(|door| {
            let path = door.path().to_string_lossy().into_owned();
            (door.fd(), What::Door(path))
        });
        let elders = self
            .elders
            .0
            .iter()
            .map(|elder| (elder.as_fd(), What::Elder));
        sockets.chain(door).chain(elders).collect()
    }

    /// Leaves the living children to a drainer, which begins once this process has become another or ended. None where there are none.
    fn leave_children(&mut self, started: Started<'_>) -> Result<Option<Left>, Errno> {
        if self.children.living() == 0 {
            return Ok(None);
        }
        let (wait, go) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let (elder, heir) = channel::pair()?;
        process::spawn(|| {
            // Until here both are one: the child drops what was the listener's part, which the kernel alone tells apart.
            process::give_up(go.as_fd());
            process::give_up(elder.as_fd());
            self.drain_for(Draining::new(heir), &wait, started)
        })?;
        Ok(Some(Left { elder, go }))
    }

    /// Leaves the children to a drainer, and the place to whoever is started next. Returns the exit code; None when it cannot be done.
    pub(super) fn leave(&mut self, started: Started<'_>) -> Option<i32> {
        if self.ending_by.is_some() {
            return None;
        }
        sockets::unwatch(&self.events, &self.service.sockets);
        if let Some(door) = &self.service.door {
            door.unwatch(&self.events);
        }
        let left = signal::block_all().and_then(|blocked| {
            let left = self.leave_children(started)?;
            // What comes from now on is not the drainer's, with which the pipes of signals are shared.
            std::mem::forget(blocked);
            Ok(left)
        });
        if let Err(errno) = &left {
            let why = errno.desc();
            let what = "the children cannot be left to anybody, and the server goes on";
            log::event(Level::Error, what, &[("error", &why)]);
            self.open_doors();
            return None;
        }
        // The drainer begins when this process ends: until then `left` is not let go.
        std::mem::forget(left);
        let children = self.children.living();
        log::event(Level::Info, "leaving", &[("children", &children)]);
        self.notify.stopping(0);
        self.service.sockets.drain(..).for_each(sockets::close);
        if let Some(door) = self.service.door.take() {
            Door::close(door, &self.events);
        }
        Some(0)
    }

    /// A second time, or told by the successor: there is no more time than for an end.
    pub(super) fn hasten(&mut self) {
        let seconds = self.service.config.drain_seconds;
        shutdown::hasten(&mut self.children, seconds);
        let by = process::monotonic_millis() + u64::from(seconds) * 1000;
        self.ending_by = self.ending_by.map(|before| before.min(by));
    }
}

/// Our ends of the channels to a drainer.
struct Left {
    elder: OwnedFd,
    /// It begins when this closes, or ends at the first byte.
    go: OwnedFd,
}

impl Left {
    fn call_off(&self) {
        // It has heard it, or is gone.
        let _ = nix::unistd::write(&self.go, b"n");
    }
}

fn numbered(handed: &[(BorrowedFd<'_>, What)]) -> Vec<(RawFd, What)> {
    let numbered = handed
        .iter()
        .map(|(fd, what)| (fd.as_raw_fd(), what.clone()));
    numbered.collect()
}

/// Becomes the program anew; returns only when it cannot.
fn become_again(
    program: &Program,
    variables: &[(OsString, OsString)],
    handed: &[(BorrowedFd<'_>, What)],
    text: &HandedOver,
) -> Result<Infallible, Errno> {
    let text = serde_json::to_string(text).map_err(|_| Errno::EINVAL)?;
    let mut environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    environment.extend_from_slice(variables);
    environment.push((HANDED_OVER.into(), text.into()));
    let mut arguments = vec![program.path.clone().into_os_string()];
    arguments.extend_from_slice(&program.arguments);
    let leave_open = |open| {
        handed
            .iter()
            .try_for_each(|(fd, _)| inherit::leave_open(*fd, open))
    };
    let done = leave_open(true)
        .and_then(|()| inherit::become_program(&program.path, &arguments, &environment));
    leave_open(false)?;
    done
}
