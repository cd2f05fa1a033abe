//! A supervisor's life: it makes the process that becomes the program, passes its output on, and ends all of it when it has to end: at
//! the end of the program itself, of its time or of its output, when nobody wants it any more, and when the runner is gone. It
//! adopts whatever the program leaves behind, and leaves only after it.

use super::execute::{Excess, Word};
use super::kin;
use super::program::Ready;
use super::pump::Pump;
use crate::config::Limits;
use crate::ipc::{self, Outcome};
use crate::sys::process::{self, Ending, Spawned, monotonic_millis};
use crate::sys::{Errno, Result, execute, signal};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};

/// How long whoever wants the output may take for the rest of it after the end, in milliseconds.
const DELIVERY: u64 = 30_000;
/// How often what has ended by itself is reaped, in milliseconds.
const TICK: u64 = 500;
/// Longest reason that the program never began, bytes.
const LONGEST_REASON: usize = 256;

/// What a supervisor is given.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) ready: Ready,
    pub(super) limits: Limits,
    pub(super) input: Option<OwnedFd>,
    pub(super) output: OwnedFd,
    pub(super) watch: Option<OwnedFd>,
    pub(super) excess: Excess,
}

/// A new supervisor, that tells the runner at the other end of `word` how it ended.
pub(super) fn run(work: Work, word: OwnedFd) -> Infallible {
    process::set_name(c"forkftpd:super");
    let said = set_up(&work, &word).and_then(|()| Supervisor::begin(work, &word));
    let last = match said {
        Ok(Ok(mut supervisor)) => supervisor.serve(),
        Ok(Err(why)) => nothing(why),
        Err(errno) => nothing(errno.desc().to_owned()),
    };
    let told = ipc::send(word.as_fd(), &last, &[], false);
    process::exit(i32::from(told.is_err()))
}

fn nothing(why: String) -> Word {
    Word {
        outcome: Outcome::broken(format!("it could not be begun: {why}")),
        bytes: 0,
        haunted: false,
    }
}

fn set_up(work: &Work, word: &OwnedFd) -> Result<()> {
    let mut kept = vec![word.as_fd(), work.output.as_fd()];
    kept.extend(work.input.iter().map(AsFd::as_fd));
    kept.extend(work.watch.iter().map(AsFd::as_fd));
    process::close_all_but(&kept)?;
    signal::child_defaults()?;
    signal::ignore_sigterm()?;
    execute::heed_children()?;
    execute::adopt_orphans()
}

struct Supervisor<'a> {
    main: Spawned,
    pump: Pump,
    watch: Option<OwnedFd>,
    word: &'a OwnedFd,
    /// When its time is over.
    until: u64,
    /// How the program itself ended, if it has.
    ending: Option<Ending>,
}

/// What a supervisor waits for.
struct Waited {
    /// Nobody wants it any more, or the runner is gone.
    unwanted: bool,
    ended: bool,
}

impl Supervisor<'_> {
    /// Makes the process that becomes the program. `Ok(Err)` with why it could not become that.
    fn begin(work: Work, word: &OwnedFd) -> Result<std::result::Result<Supervisor<'_>, String>> {
        let (from, into) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (failed, say) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let input = match work.input {
            Some(input) => input,
            None => nix::fcntl::open(
                "/dev/null",
                OFlag::O_RDONLY | OFlag::O_CLOEXEC,
                nix::sys::stat::Mode::empty(),
            )?,
        };
        let parent = std::process::id();
        let ready = &work.ready;
        let main = process::spawn(|| ready.run((&input, &into), &say, parent))?;
        drop((input, into, say));
        // Its end says that the program has begun, or that there is no process any more that could say why not.
        let mut why = [0; LONGEST_REASON];
        let mut length = 0;
        while let Some(room) = why.get_mut(length..).filter(|room| !room.is_empty()) {
            match nix::unistd::read(&failed, room) {
                Ok(0) => break,
                Ok(got) => length += got,
                Err(Errno::EINTR) => {}
                Err(other) => return Err(other),
            }
        }
        if length > 0 {
            kin::end_all(&[], |_, _| {});
            return Ok(Err(String::from_utf8_lossy(&why[..length]).into_owned()));
        }
        Ok(Ok(Supervisor {
            main,
            pump: Pump::new(from, work.output, work.limits.most_output, work.excess)?,
            watch: work.watch,
            word,
            until: monotonic_millis() + u64::from(work.limits.seconds) * 1000,
            ending: None,
        }))
    }

    fn serve(&mut self) -> Word {
        let mut outcome = self.attend();
        let haunted = !kin::end_all(&[], |_, _| {});
        self.ending.get_or_insert(Ending::Unknown);
        let delivered = outcome == Outcome::Gone || self.deliver();
        if matches!(outcome, Outcome::Exit(_) | Outcome::Signal(_)) {
            if self.pump.is_over_limit() {
                outcome = Outcome::Output;
            } else if !delivered {
                // What was not taken in all that time will not be.
                outcome = Outcome::Time;
            }
        }
        Word {
            outcome,
            bytes: self.pump.moved,
            haunted,
        }
    }

    /// Until the program ends, or has to.
    fn attend(&mut self) -> Outcome {
        loop {
            let left = self.until.saturating_sub(monotonic_millis());
            let waited = match self.wait(left.min(TICK)) {
                Ok(waited) => waited,
                Err(errno) => return Outcome::broken(errno.desc()),
            };
            if waited.unwanted {
                return Outcome::Gone;
            }
            // Also what it left behind: it would go on counting for the limit of processes.
            let (main, mut ending) = (self.main.pid, None);
            kin::reap_ended(|pid, how| {
                if pid == main {
                    ending = Some(how);
                }
            });
            self.ending = ending;
            match self.ending {
                Some(Ending::Exited(code)) => return Outcome::Exit(code),
                Some(Ending::Killed(signal)) => return Outcome::Signal(signal),
                Some(Ending::Unknown) => return Outcome::broken("nobody knows how it ended"),
                None if waited.ended => return Outcome::broken("somebody else reaped it"),
                None => {}
            }
            if self.pump.is_over_limit() {
                return Outcome::Output;
            }
            if left == 0 {
                return Outcome::Time;
            }
        }
    }

    /// Gives on what was written before the end. False when it is not taken.
    fn deliver(&mut self) -> bool {
        let until = monotonic_millis() + DELIVERY;
        while !self.pump.is_done() {
            let left = until.saturating_sub(monotonic_millis());
            match self.wait(left) {
                Ok(waited) if waited.unwanted => return false,
                Ok(_) if left > 0 => {}
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }

    /// Waits for at most `millis`, and moves output on.
    fn wait(&mut self, millis: u64) -> Result<Waited> {
        let (target, room) = self.pump.target();
        let nothing = PollFlags::empty();
        let source = self.pump.source();
        let main = self.ending.is_none().then_some(self.main.pidfd.as_fd());
        let watch = self.watch.as_ref().map(AsFd::as_fd);
        // A place for each: what is not waited for now stands for itself as the runner's channel.
        let runner = self.word.as_fd();
        let mut fds = [
            PollFd::new(runner, nothing),
            PollFd::new(target, room),
            PollFd::new(watch.unwrap_or(runner), nothing),
            PollFd::new(source.unwrap_or(runner), readable(source.is_some())),
            PollFd::new(main.unwrap_or(runner), readable(main.is_some())),
        ];
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(other) => return Err(other),
        }
        let said = |at: usize| fds[at].revents().unwrap_or(PollFlags::empty());
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        let mut unwanted = [0, 1, 2].into_iter().any(|at| said(at).intersects(gone));
        let (gives, takes) = (
            said(1).contains(PollFlags::POLLOUT),
            source.is_some() && !said(3).is_empty(),
        );
        let ended = main.is_some() && !said(4).is_empty();
        if gives && !unwanted {
            unwanted = self.pump.give().is_err();
        } else if takes {
            self.pump.take()?;
        }
        Ok(Waited { unwanted, ended })
    }
}

fn readable(wanted: bool) -> PollFlags {
    if wanted {
        PollFlags::POLLIN
    } else {
        PollFlags::empty()
    }
}
