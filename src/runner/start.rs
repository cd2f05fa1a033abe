//! The listener's end: starting the runner, and saying who orders of it. Run by the listener.

use crate::config::{Command as Named, Config, Durability, Hooks};
use crate::ipc::{self, Hear};
use crate::log;
use crate::sys::{Errno, Result, channel};
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A running runner, as the listener knows it. It ends after its last execution once this is dropped and nobody orders of it any more.
#[derive(Debug)]
pub struct Control {
    channel: OwnedFd,
    /// What it was started for.
    serves: Serves,
}

/// The part of a configuration that a runner reads.
#[derive(Debug, PartialEq, Eq)]
struct Serves {
    commands: Vec<Named>,
    most: u32,
    hooks: Hooks,
    /// Where hooks find files, and how safe uploads are to be.
    library: (PathBuf, Durability),
    log: (log::Format, log::Level),
}

impl Serves {
    fn of(config: &Config) -> Serves {
        Serves {
            commands: config.commands.clone(),
            most: config.most_commands,
            hooks: config.hooks.clone(),
            library: (config.library.clone(), config.files.durability),
            log: (config.log_format, config.log_level),
        }
    }
}

impl Control {
    /// Starts the runner from this same program, with the command line's `arguments`, for what `config` says. `first` comes before it
    /// runs, and can `introduce` it already: what is ordered meanwhile waits for it.
    ///
    /// # Errors
    /// EMFILE, EAGAIN, ENOMEM; as execve(2).
    pub fn start(
        config: &Config,
        arguments: &[OsString],
        first: impl FnOnce(&Control),
    ) -> Result<Control> {
        let (ours, theirs) = channel::pair()?;
        let control = Control {
            channel: ours,
            serves: Serves::of(config),
        };
        first(&control);
        // The file this process runs, even if another has taken its name meanwhile.
        let started = Command::new("/proc/self/exe")
            .arg0("forkftpd")
            .arg("runner")
            .args(arguments)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn();
        // Nobody waits for it: the listener heeds no child's end, and its channel tells.
        started
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))?;
        Ok(control)
    }

    /// True when it does what `config` says.
    #[must_use]
    pub fn serves(&self, config: &Config) -> bool {
        self.serves == Serves::of(config)
    }

    /// Readable when the runner is gone.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// True when the runner is gone, or as good as: it has nothing to say.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        ipc::receive::<Hear>(self.fd(), false).err() != Some(Errno::EAGAIN)
    }

    /// Tells it that the server ends: it goes once what it runs has ended, or this is dropped.
    ///
    /// # Errors
    /// EPIPE when it is gone.
    pub fn leave(&self) -> Result<()> {
        ipc::send(self.fd(), &Hear::Leave, &[], false)
    }

    /// Makes a channel to it for a broker, the only one from now on: the broker's end.
    ///
    /// # Errors
    /// EMFILE; EPIPE when it is gone.
    pub fn introduce(&self) -> Result<OwnedFd> {
        let (brokers, theirs) = channel::pair()?;
        ipc::send(self.fd(), &Hear::Broker, &[theirs.as_fd()], false)?;
        Ok(brokers)
    }
}
