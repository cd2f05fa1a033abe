//! The listener's end: starting the broker, and talking to it.

use crate::ipc::{self, Client, Report, Tell};
use crate::sys::{Errno, Result, channel};
use nix::poll::{PollFd, PollFlags, poll};
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// How long the listener, which meanwhile does nothing else, waits for an order to be carried out, in milliseconds.
const PATIENCE: u16 = 5000;

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
    next: u64,
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
        started.map_err(|error| cannot(&error.to_string()))?;
        let control = Control {
            channel: ours,
            next: 1,
        };
        let setup = control.report()?;
        Ok((control, setup))
    }

    /// Readable when the broker has something to say or is gone.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Makes the channel of a child that is about to be born: the child's end, and the number that the broker knows it by.
    ///
    /// # Errors
    /// EAGAIN when the broker is behind; EMFILE; EPIPE when it is gone.
    pub fn introduce(&mut self, client: Option<Client>) -> Result<(OwnedFd, u64)> {
        let (child, broker) = channel::pair()?;
        let number = self.next;
        ipc::send(
            self.channel.as_fd(),
            &Tell::Child {
                child: number,
                client,
            },
            &[broker.as_fd()],
            false,
        )?;
        self.next += 1;
        Ok((child, number))
    }

    /// Says who the client of a warm child is.
    ///
    /// # Errors
    /// As `introduce`.
    pub fn accepted(&self, child: u64, client: Client) -> Result<()> {
        ipc::send(
            self.channel.as_fd(),
            &Tell::Accepted { child, client },
            &[],
            false,
        )
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

    /// Has the broker remove what is left in the stage.
    pub fn sweep(&self) {
        let _ = self.order(&Tell::Sweep);
    }

    /// A broker that hangs must not take the listener with it: it is given up for this time.
    fn order(&self, order: &Tell) -> std::result::Result<Setup, Vec<String>> {
        ipc::send(self.channel.as_fd(), order, &[], false).map_err(|errno| vec![gone(errno)])?;
        let mut answers = [PollFd::new(self.channel.as_fd(), PollFlags::POLLIN)];
        match poll(&mut answers, PATIENCE) {
            Ok(0) => Err(vec![gone(Errno::ETIMEDOUT)]),
            _ => self.report(),
        }
    }

    fn report(&self) -> std::result::Result<Setup, Vec<String>> {
        match ipc::receive::<Report>(self.channel.as_fd(), true) {
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
        }
    }
}

fn gone(errno: Errno) -> String {
    format!("the broker does not answer: {}", errno.desc())
}
