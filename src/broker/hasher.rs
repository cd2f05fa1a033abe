//! Hashing of passwords, in processes that live for one hash: the broker itself never waits for one. So many at once, so
//! many waiting, and the rest is told to come again.

use crate::ipc::SessionId;
use crate::log::{self, Level};
use crate::scram::{ITERATIONS, SALT, Verifier};
use crate::sys::{Errno, Result};
use crate::sys::{process, random};
use crate::users::{Editor, Imported, Stored};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Most hashes that wait for their turn.
const WAITING: usize = 256;
/// What a hasher says when the password was right.
const RIGHT: u8 = b'y';
/// Longest word of a hasher: that, and a new verifier.
const WORD: usize = 512;

/// A password to be hashed.
#[derive(Debug)]
pub(super) struct Work {
    /// Where it was typed.
    pub(super) session: SessionId,
    /// Whose it is to be.
    pub(super) name: String,
    pub(super) password: Zeroizing<String>,
    pub(super) stored: Stored,
    /// Checked besides, where `stored` is another, and to no end: while there are users whose passwords were hashed by another server, nobody is
    /// to be told from them by the time it takes.
    pub(super) besides: Option<Imported>,
    /// Where a better verifier goes.
    pub(super) users_file: Option<PathBuf>,
}

/// A process that hashes.
#[derive(Debug)]
struct Running {
    /// The child whose client it is about.
    child: u64,
    work: Box<Work>,
    answer: OwnedFd,
}

/// A password that was right.
#[derive(Debug)]
pub(super) struct Right {
    pub(super) password: Zeroizing<String>,
    /// The hash of another server that it was checked by, and our verifier for the place of it.
    pub(super) better: Option<(Imported, Verifier)>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Hasher {
    most: usize,
    running: Vec<(u64, Running)>,
    waiting: VecDeque<(u64, Box<Work>)>,
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
    pub(super) fn take(&mut self, child: u64, work: Box<Work>) -> bool {
        if self.waiting.len() >= WAITING {
            return false;
        }
        self.waiting.push_back((child, work));
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
        let Some((_, work)) = self.waiting.front() else {
            return Ok(None);
        };
        let (answer, say) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        process::spawn(|| hash(work, say.as_fd()))?;
        let Some((child, work)) = self.waiting.pop_front() else {
            return Ok(None);
        };
        self.next += 1;
        self.running.push((
            self.next,
            Running {
                child,
                work,
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

    /// What process `number` found: the child it was for, whose password it was to be, and the password if it was right.
    pub(super) fn finish(&mut self, number: u64) -> Option<(u64, String, Option<Right>)> {
        let at = self
            .running
            .iter()
            .position(|(running, _)| *running == number)?;
        let (
            _,
            Running {
                child,
                work,
                answer,
            },
        ) = self.running.swap_remove(at);
        let mut said = Zeroizing::new([0; WORD]);
        let word = match nix::unistd::read(&answer, &mut said[..]) {
            Ok(length @ 1..) => &said[..length],
            _ => {
                let session = work.session;
                log::event(Level::Error, "a hasher died", &[("session", &session)]);
                &[]
            }
        };
        let Work {
            name,
            password,
            stored,
            ..
        } = *work;
        let right = word.strip_prefix(&[RIGHT]).map(|verifier| {
            let verifier = std::str::from_utf8(verifier).ok();
            let verifier = verifier.and_then(|text| text.parse().ok());
            let better = stored.imported().cloned().zip(verifier);
            Right { password, better }
        });
        Some((child, name, right))
    }
}

/// A hasher's life.
fn hash(work: &Work, say: BorrowedFd<'_>) -> Infallible {
    process::set_name(c"forkftpd:hash");
    log::set_session(work.session);
    let said = log::close_all_but(&[say]).and_then(|()| {
        let (right, better) = work.check();
        let mut word = Zeroizing::new(vec![if right { RIGHT } else { b'n' }]);
        if let Some(better) = &better {
            word.extend_from_slice(better.as_bytes());
        }
        nix::unistd::write(say, &word)?;
        Ok::<_, Errno>(better)
    });
    // The client has its answer, and waits neither for the lock nor for the disk.
    if let Ok(Some(better)) = &said {
        work.keep(better);
    }
    process::exit(i32::from(said.is_err()))
}

impl Work {
    /// Whether the password is right, and then our verifier of it where what is stored is another's. Takes as long for a wrong one.
    fn check(&self) -> (bool, Option<Zeroizing<String>>) {
        let right = self.stored.check(&self.password);
        if let Some(besides) = &self.besides
            && self.stored.imported() != Some(besides)
        {
            let _ = besides.check(&self.password);
        }
        if self.stored.imported().is_none() {
            return (right, None);
        }
        let mut salt = vec![0; SALT];
        if let Err(errno) = random::fill(&mut salt) {
            let what = "a password cannot be hashed anew";
            log::event(Level::Error, what, &[("error", &errno.desc())]);
            return (right, None);
        }
        // What cannot be one of our passwords stays as it is.
        let ours = Verifier::with_salt(&self.password, salt, ITERATIONS).ok();
        let ours = ours.filter(|_| right);
        (right, ours.map(|ours| Zeroizing::new(ours.to_string())))
    }

    /// Puts our verifier into the users file, unless something else stands there by now.
    fn keep(&self, verifier: &str) {
        let Some(path) = &self.users_file else { return };
        let put = || -> std::result::Result<bool, Vec<String>> {
            let mut editor = Editor::open(path, false)?;
            if editor.password(&self.name) != Some(self.stored.to_string().as_str()) {
                return Ok(false);
            }
            let set = editor.set(&self.name, "password", Some(verifier.into()));
            set.map_err(|why| vec![why])?;
            editor.save().map(|_| true)
        };
        match put() {
            Ok(true) => {
                let what = "an imported password was replaced by our own verifier";
                log::event(Level::Info, what, &[("user", &self.name)]);
            }
            Ok(false) => {}
            Err(why) => {
                let what =
                    "an imported password could not be replaced in the users file, and serves on";
                let why = why.join("; ");
                log::event(Level::Warn, what, &[("user", &self.name), ("error", &why)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(stored: Stored, password: &str, besides: Option<Imported>) -> Work {
        Work {
            session: SessionId::new(1, 1),
            name: "ann".into(),
            password: Zeroizing::new(password.to_owned()),
            stored,
            besides,
            users_file: None,
        }
    }

    #[test]
    fn a_right_password_makes_our_verifier_of_anothers_hash_and_a_wrong_one_does_not() {
        let imported: Imported = "$apr1$saltsalt$LR9wPsIAcuy46wmT2IkL./"
            .parse()
            .expect("apr1");
        let theirs = Stored::Imported(imported.clone());
        let (right, better) = work(theirs.clone(), "pencil", None).check();
        let better = better.expect("verifier");
        assert!(right && better.len() < WORD);
        let ours: Verifier = better.parse().expect("ours");
        assert!(ours.check("pencil") && !ours.check("pen"));
        assert_eq!(work(theirs, "pen", None).check(), (false, None));
        let ours = Stored::from(ours);
        let both = Some(imported);
        assert_eq!(
            work(ours.clone(), "pencil", both.clone()).check(),
            (true, None)
        );
        assert_eq!(work(ours, "pen", both).check(), (false, None));
    }
}
