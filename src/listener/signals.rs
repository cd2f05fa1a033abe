//! The signals that the listener hears, and what it does then: reads the configuration again, hands over, leaves or ends.

use super::control::Door;
use super::dialing::Dialing;
use super::leftovers::Leftovers;
use super::run::{Listener, Started};
use super::running::Running;
use super::{pool, reload, shutdown, sockets};
use crate::log::{self, Level};
use crate::sys::process::{self, monotonic_millis};
use crate::sys::signal::{self, Pipe};
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, BorrowedFd};

/// Each as a stream of bytes.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) end: Pipe,
    pub(super) interrupt: Pipe,
    pub(super) reload: Pipe,
    /// Hand over to a successor under the same pid.
    pub(super) succeed: Pipe,
    /// Leave the children to a drainer.
    pub(super) leave: Pipe,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            end: signal::as_pipe(Signal::SIGTERM)?,
            interrupt: signal::as_pipe(Signal::SIGINT)?,
            reload: signal::as_pipe(Signal::SIGHUP)?,
            succeed: signal::as_pipe(Signal::SIGUSR2)?,
            leave: signal::as_pipe(Signal::SIGUSR1)?,
        })
    }

    /// All of them, to be waited for.
    pub(super) fn all(&self) -> [BorrowedFd<'_>; 5] {
        let all = [
            &self.end,
            &self.interrupt,
            &self.reload,
            &self.succeed,
            &self.leave,
        ];
        all.map(|pipe| pipe.0.as_fd())
    }

    /// True when the server was told to end, and has not looked yet.
    pub(super) fn are_ending(&self) -> bool {
        self.end.is_waiting() || self.interrupt.is_waiting() || self.leave.is_waiting()
    }
}

impl Listener {
    /// Does what signals say. The exit code, where one says to leave at once.
    pub(super) fn signalled(&mut self, started: Started<'_>) -> Option<i32> {
        let reload = self.signals.reload.take();
        let succeed = self.signals.succeed.take();
        if self.ending_by.is_none() {
            // The same command that reads a new configuration brings a new program into use.
            if succeed || reload && self.program.is_another() {
                self.try_successor();
            } else if reload {
                self.reload(started);
            }
        }
        if self.signals.leave.take()
            && let Some(code) = self.leave(started)
        {
            return Some(code);
        }
        let terminated = self.signals.end.take();
        let interrupted = self.signals.interrupt.take();
        if terminated || interrupted {
            self.end();
        }
        None
    }

    fn reload(&mut self, (flags, arguments): Started<'_>) {
        self.notify.reloading();
        sockets::unwatch(&self.events, &self.service.sockets);
        let most = self.most_clients;
        match reload::renew(&mut self.service, &self.events, &self.broker, flags, most) {
            Ok(()) => {
                // They were made with the old configuration; new ones take their place.
                pool::retire(&mut self.children);
                self.renewal.begin(self.service.config.tls.as_ref());
                self.keep_dialer(Dialing::renew);
                self.keep_runner(arguments, Running::renew);
                log::event(Level::Info, "configuration reloaded", &[]);
            }
            Err(problems) => {
                for problem in problems {
                    log::event(
                        Level::Error,
                        "configuration not reloaded, the old one stays",
                        &[("problem", &problem)],
                    );
                }
            }
        }
        process::trim_heap();
        if !self.weather.is_paused() {
            self.open_doors();
        }
        self.notify.ready();
    }

    /// First call: drains. Second: ends at once.
    fn end(&mut self) {
        if let Some(draining) = &mut self.draining
            && !std::mem::replace(&mut draining.hurries, true)
        {
            return self.hasten();
        }
        if self.ending_by.is_some() {
            return self.kill_all("second signal");
        }
        if let Some(trial) = self.trial.take() {
            trial.forget(&self.events);
        }
        self.elders.call();
        sockets::unwatch(&self.events, &self.service.sockets);
        self.service.sockets.drain(..).for_each(sockets::close);
        // The successor may have its name, too.
        if let Some(door) = self.service.door.take() {
            Door::close(door, &self.events);
        }
        // It goes on until the last of its sessions, and no other one is started.
        self.dialing.forget(&self.events);
        let seconds = self.service.config.drain_seconds;
        self.notify.stopping(seconds.into());
        shutdown::begin(&mut self.children, self.drain.1.take(), seconds);
        self.ending_by = Some(monotonic_millis() + u64::from(seconds) * 1000);
        self.leftovers = Leftovers::call();
    }
}
