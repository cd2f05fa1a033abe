//! Asking a program whether it could take over: it is run as `forkftpd check` with the arguments of this server, and what it says is
//! read beside all other events. Run by the listener.

use super::events::{Event, Events};
use super::handover::Program;
use crate::sys::process::{self, Spawned, monotonic_millis};
use crate::sys::{Errno, Result, inherit, signal};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// How long it may take, in milliseconds: as long as a broker to set itself up.
const PATIENCE: u64 = 30_000;
/// Most that it may say, bytes.
const MOST: usize = 256 * 1024;
/// Lines of it that are passed on.
const LINES: usize = 20;
/// What it says at last, when it could serve.
const YES: &str = "configuration ok";

/// A program that is being asked.
#[derive(Debug)]
pub(super) struct Trial {
    process: Spawned,
    answer: OwnedFd,
    said: Vec<u8>,
    until: u64,
    verdict: Option<Verdict>,
}

/// Yes, or why not: lines for the operator.
pub(super) type Verdict = std::result::Result<(), Vec<String>>;

impl Trial {
    /// # Errors
    /// EMFILE, EAGAIN, ENOMEM.
    pub(super) fn begin(program: &Program, events: &Events) -> Result<Trial> {
        let (answer, end) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&answer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let null = File::open("/dev/null").map_err(|_| Errno::EMFILE)?;
        let mut arguments = vec![program.path.clone().into_os_string(), "check".into()];
        arguments.extend(program.arguments.iter().skip(1).cloned());
        let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let process = signal::block_all().and_then(|blocked| {
            process::spawn(move || {
                std::mem::forget(blocked);
                let failed = signal::child_defaults()
                    .and_then(|()| nix::unistd::dup2_stdin(&null))
                    .and_then(|()| nix::unistd::dup2_stdout(&end))
                    .and_then(|()| nix::unistd::dup2_stderr(&end))
                    .and_then(|()| inherit::become_program(&program.path, &arguments, &variables));
                let Err(errno) = failed;
                let why = format!("it cannot be executed: {}\n", errno.desc());
                let _ = nix::unistd::write(&end, why.as_bytes());
                process::exit(127)
            })
        })?;
        events.watch(answer.as_fd(), Event::Trial)?;
        Ok(Trial {
            process,
            answer,
            said: Vec::new(),
            until: monotonic_millis() + PATIENCE,
            verdict: None,
        })
    }

    /// Hears more of it, without waiting. True once there is a verdict.
    pub(super) fn hear(&mut self, events: &Events) -> bool {
        if self.verdict.is_none() {
            self.verdict = self.hear_more();
            if self.verdict.is_some() {
                events.forget(self.answer.as_fd());
            }
        }
        self.verdict.is_some()
    }

    fn hear_more(&mut self) -> Option<Verdict> {
        let mut piece = [0; 4096];
        let over = loop {
            match nix::unistd::read(&self.answer, &mut piece) {
                Ok(0) => break None,
                Ok(_) if self.said.len() > MOST => break Some("it does not stop talking"),
                Ok(got) => self.said.extend_from_slice(&piece[..got]),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if monotonic_millis() >= self.until => {
                    break Some("it does not answer");
                }
                Err(Errno::EAGAIN) => return None,
                Err(other) => break Some(other.desc()),
            }
        };
        let text = String::from_utf8_lossy(&self.said);
        let mut lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        if over.is_none() && lines.last() == Some(&YES) {
            return Some(Ok(()));
        }
        lines.truncate(LINES);
        let lines = lines.into_iter().map(str::to_owned);
        let mut problems: Vec<String> = lines.chain(over.map(str::to_owned)).collect();
        if problems.is_empty() {
            problems.push("it ended without a word".into());
        }
        Some(Err(problems))
    }

    /// Ends it, if it has not ended by itself.
    pub(super) fn end(self) -> Option<Verdict> {
        let _ = process::kill(self.process.pidfd.as_fd(), Signal::SIGKILL);
        self.verdict
    }

    /// The same, where nobody wants to know any more.
    pub(super) fn forget(self, events: &Events) {
        events.forget(self.answer.as_fd());
        self.end();
    }
}
