//! The listener's end: starting the broker, and talking to it.

use crate::ipc::{self, Client, Report, SessionId, Tell};
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, Result, channel};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::Cell;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// How long the listener, which meanwhile does nothing else, waits for an order to be carried out, in milliseconds.
const PATIENCE: u64 = 5000;
/// The same for a broker that is set up: it reads its secrets from disks that may be slow.
const START_PATIENCE: u64 = 30_000;

/// How long the listener waits for a broker that is behind before it sends a client away, in milliseconds.
const BREATH: u16 = 50;

/// What the broker makes for the children, and the listener hands down to them.
#[derive(Debug)]
pub struct Setup {
    /// The Landlock ruleset, if this kernel has any.
    pub ruleset: Option<OwnedFd>,
    /// The server's certificates, sealed, if any client speaks TLS.
    pub chain: Option<OwnedFd>,
}

/// A running broker, as the listener knows it.
#[derive(Debug)]
pub struct Control {
    channel: OwnedFd,
    /// It was asked for a word, and has not said it yet.
    owes: Cell<bool>,
}

/// What a broker said that was not asked for anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// The word it was asked for.
    Word,
    /// It is gone, or makes no sense any more.
    Gone,
}

impl Control {
    /// Starts the broker from this same program, with the command line's `arguments`, and waits until it is set up. With it
    /// comes what the children are to be given.
    ///
    /// # Errors
    /// Lines for the operator: what the broker could not do, or why it could not be started.
    pub fn start(arguments: &[OsString]) -> std::result::Result<(Control, Setup), Vec<String>> {
        let cannot = |what: &str| vec![format!("the broker cannot be started: {what}")];
        let (ours, theirs) = channel::pair().map_err(|errno| cannot(errno.desc()))?;
        // The file this process runs, even if another has taken its name meanwhile.
        let started = Command::new("/proc/self/exe")
            .arg0("forkftpd")
            .arg("broker")
            .args(arguments)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn();
        let mut broker = started.map_err(|error| cannot(&error.to_string()))?;
        let control = Control {
            channel: ours,
            owes: Cell::new(false),
        };
        match control.await_report(START_PATIENCE) {
            Ok(()) => {
                let setup = control
                    .report()
                    .unwrap_or_else(|| Err(cannot("it is another program")))?;
                Ok((control, setup))
            }
            Err(errno) => {
                // It holds its end of the channel, or this would have been the channel's end: the pid is still its own.
                let _ = broker.kill();
                Err(vec![format!(
                    "the broker was not set up within {} seconds ({}), and was ended: is a disk with the secret, the users or the library hanging?",
                    START_PATIENCE / 1000,
                    errno.desc()
                )])
            }
        }
    }

    /// Readable when the broker has something to say or is gone.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Makes the channel of a child that is about to be born, for this session. No other has the same number.
    ///
    /// # Errors
    /// EAGAIN when the broker is behind; EMFILE; EPIPE when it is gone.
    pub fn introduce(&self, session: SessionId, client: Option<Client>) -> Result<OwnedFd> {
        let (child, broker) = channel::pair()?;
        channel::know_senders(broker.as_fd())?;
        let told = Tell::Child { session, client };
        let tell = || ipc::send(self.channel.as_fd(), &told, &[broker.as_fd()], false);
        match tell() {
            Err(Errno::EAGAIN) => {
                self.await_room();
                tell()?;
            }
            said => said?,
        }
        Ok(child)
    }

    /// Waits a moment for a broker that is behind: many clients came at once.
    fn await_room(&self) {
        let mut room = [PollFd::new(self.channel.as_fd(), PollFlags::POLLOUT)];
        // Whether there is room now shows at the next try.
        let _ = poll(&mut room, BREATH);
    }

    /// Says who the client of a warm child is, and which process it is.
    ///
    /// # Errors
    /// As `introduce`.
    pub fn accepted(&self, child: u64, client: Client, pid: i32) -> Result<()> {
        ipc::send(
            self.channel.as_fd(),
            &Tell::Accepted { child, client, pid },
            &[],
            false,
        )
    }

    /// Has the broker order commands by way of `runner`, or none without one.
    ///
    /// # Errors
    /// EAGAIN when the broker is behind; EPIPE when it is gone.
    pub fn give_runner(&self, runner: Option<&OwnedFd>) -> Result<()> {
        let given: Vec<_> = runner.into_iter().map(AsFd::as_fd).collect();
        let tell = || ipc::send(self.channel.as_fd(), &Tell::Runner, &given, false);
        match tell() {
            Err(Errno::EAGAIN) => {
                self.await_room();
                tell()
            }
            said => said,
        }
    }

    /// Has the broker read everything again; returns what the children are to be given from now on.
    ///
    /// # Errors
    /// Lines for the operator; the broker goes on with what it had.
    pub fn reload(&self) -> std::result::Result<Setup, Vec<String>> {
        self.order(&Tell::Reload)
    }

    /// Has the broker read the certificate and its key again; returns the new chain.
    ///
    /// # Errors
    /// As `reload`.
    pub fn renew(&self) -> std::result::Result<Option<OwnedFd>, Vec<String>> {
        self.order(&Tell::Renew).map(|setup| setup.chain)
    }

    /// Has the broker give away the logins of browsers, sealed: the successor's go on with them.
    ///
    /// # Errors
    /// As `reload`.
    pub fn give_logins(&self) -> std::result::Result<Option<OwnedFd>, Vec<String>> {
        self.order(&Tell::GiveLogins).map(|setup| setup.chain)
    }

    /// Has it keep them after all.
    pub fn keep_logins(&self) {
        // One that does not hear it answers that it is closing: its users come again.
        let _ = ipc::send(self.channel.as_fd(), &Tell::KeepLogins, &[], false);
    }

    /// Has the broker go on with logins that another one gave away.
    pub fn take_logins(&self, sealed: &OwnedFd) {
        // Without them users log in again.
        let _ = ipc::send(
            self.channel.as_fd(),
            &Tell::TakeLogins,
            &[sealed.as_fd()],
            false,
        );
    }

    /// Asks for a word, which comes as an event: whoever says it answers children, too. False when it is so far behind that it cannot
    /// be asked.
    #[must_use]
    pub fn ask_for_word(&self) -> bool {
        // One that is gone is an event, too.
        let asked = ipc::send(self.channel.as_fd(), &Tell::Word, &[], false) != Err(Errno::EAGAIN);
        self.owes.set(asked);
        asked
    }

    /// True while a word is awaited.
    #[must_use]
    pub fn owes_word(&self) -> bool {
        self.owes.get()
    }

    /// What there is to hear, without waiting.
    #[must_use]
    pub fn hear(&self) -> Heard {
        match ipc::receive::<Report>(self.channel.as_fd(), false) {
            Ok(Some((Report::Word, _))) => {
                self.owes.set(false);
                Heard::Word
            }
            Err(Errno::EAGAIN) => Heard::Nothing,
            // A report that came too late is taken for what it is not by whoever asks next.
            Ok(_) | Err(_) => Heard::Gone,
        }
    }

    /// Has the broker remove what is left in the stage.
    pub fn sweep(&self) {
        let _ = self.order(&Tell::Sweep);
    }

    /// A broker that hangs must not take the listener with it: it is given up for this time.
    fn order(&self, order: &Tell) -> std::result::Result<Setup, Vec<String>> {
        ipc::send(self.channel.as_fd(), order, &[], false).map_err(|errno| vec![gone(errno)])?;
        let until = monotonic_millis() + PATIENCE;
        loop {
            self.await_report(until.saturating_sub(monotonic_millis()))
                .map_err(|errno| vec![gone(errno)])?;
            if let Some(reported) = self.report() {
                return reported;
            }
        }
    }

    /// Waits until there is a report, or the channel's end.
    fn await_report(&self, millis: u64) -> Result<()> {
        let until = monotonic_millis() + millis;
        loop {
            let left = until.saturating_sub(monotonic_millis());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut answers = [PollFd::new(self.channel.as_fd(), PollFlags::POLLIN)];
            match poll(&mut answers, timeout) {
                Ok(0) if left == 0 => return Err(Errno::ETIMEDOUT),
                // A signal is not an answer.
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(other) => return Err(other),
            }
        }
    }

    /// None for a word that was asked for before.
    fn report(&self) -> Option<std::result::Result<Setup, Vec<String>>> {
        let reported = match ipc::receive::<Report>(self.channel.as_fd(), true) {
            Ok(Some((Report::Word, _))) => {
                self.owes.set(false);
                return None;
            }
            Ok(Some((Report::Ready { ruleset, chain }, given))) => {
                let mut given = given.into_iter();
                let mut next = |there: bool| if there { given.next() } else { None };
                Ok(Setup {
                    ruleset: next(ruleset),
                    chain: next(chain),
                })
            }
            Ok(Some((Report::Problems(problems), _))) => Err(problems),
            Ok(None) => Err(vec![gone(Errno::EPIPE)]),
            Err(errno) => Err(vec![gone(errno)]),
        };
        Some(reported)
    }
}

fn gone(errno: Errno) -> String {
    format!("the broker does not answer: {}", errno.desc())
}
