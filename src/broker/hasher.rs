//! Hashing of passwords, in processes that live for one hash: the broker itself never waits for one. So many at once, so
//! many waiting, and the rest is told to come again.

use crate::log::{self, Level};
use crate::scram::Verifier;
use crate::sys::process;
use crate::sys::{Errno, Result};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use zeroize::Zeroizing;

/// Most hashes that wait for their turn.
const WAITING: usize = 256;
/// What a hasher says when the password was right.
const RIGHT: u8 = b'y';

/// A password to be hashed.
#[derive(Debug)]
struct Job {
    /// The child whose client it is about.
    child: u64,
    verifier: Box<Verifier>,
    password: Zeroizing<String>,
}

/// A process that hashes.
#[derive(Debug)]
struct Running {
    child: u64,
    password: Zeroizing<String>,
    answer: OwnedFd,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Hasher {
    most: usize,
    running: Vec<(u64, Running)>,
    waiting: VecDeque<Job>,
    next: u64,
}

impl Hasher {
    /// As many at once as there are processors.
    pub(super) fn new() -> Hasher {
        let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Hasher {
            most,
            running: Vec::new(),
            waiting: VecDeque::new(),
            next: 0,
        }
    }

    /// Takes a password on; false when there are too many.
    pub(super) fn take(
        &mut self,
        child: u64,
        verifier: Box<Verifier>,
        password: Zeroizing<String>,
    ) -> bool {
        if self.waiting.len() >= WAITING {
            return false;
        }
        self.waiting.push_back(Job {
            child,
            verifier,
            password,
        });
        true
    }

    /// Starts a process if there is something to hash and room for it. Returns its number and what is readable when it is done.
    ///
    /// # Errors
    /// EAGAIN, ENOMEM, EMFILE: the job waits on.
    pub(super) fn start(&mut self) -> Result<Option<(u64, BorrowedFd<'_>)>> {
        if self.running.len() >= self.most {
            return Ok(None);
        }
        let Some(Job {
            child,
            verifier,
            password,
        }) = self.waiting.front()
        else {
            return Ok(None);
        };
        let (answer, say) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        process::spawn(|| hash(verifier, password, say.as_fd()))?;
        let child = *child;
        let password = self
            .waiting
            .pop_front()
            .map_or_else(Zeroizing::default, |job| job.password);
        self.next += 1;
        self.running.push((
            self.next,
            Running {
                child,
                password,
                answer,
            },
        ));
        let last = self.running.last();
        Ok(last.map(|(number, running)| (*number, running.answer.as_fd())))
    }

    /// What is readable when process `number` is done.
    pub(super) fn answer_of(&self, number: u64) -> Option<BorrowedFd<'_>> {
        let found = self.running.iter().find(|(running, _)| *running == number);
        found.map(|(_, running)| running.answer.as_fd())
    }

    /// What process `number` found: the child it was for, and the password if it was right.
    pub(super) fn finish(&mut self, number: u64) -> Option<(u64, Option<Zeroizing<String>>)> {
        let at = self
            .running
            .iter()
            .position(|(running, _)| *running == number)?;
        let (_, running) = self.running.swap_remove(at);
        let mut said = [0];
        let right = match nix::unistd::read(&running.answer, &mut said) {
            Ok(1) => said[0] == RIGHT,
            _ => {
                log::event(Level::Error, "a hasher died", &[]);
                false
            }
        };
        Some((running.child, right.then_some(running.password)))
    }
}

/// A hasher's life.
fn hash(verifier: &Verifier, password: &str, say: BorrowedFd<'_>) -> Infallible {
    process::set_name(c"forkftpd:hash");
    let said = process::close_all_but(&[say]).and_then(|()| {
        let right = verifier.check(password);
        nix::unistd::write(say, &[if right { RIGHT } else { b'n' }])
    });
    process::exit(i32::from(!matches!(said, Ok::<usize, Errno>(1))))
}
