//! The listener's end: starting the dialer, and telling it of children. Run by the listener.

use super::run;
use crate::config::{Address, Config, Listen};
use crate::ipc::{self, Newcomer, SessionId};
use crate::sys::{Errno, Result, channel, net, process, signal};
use crate::wire::Protocol;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How long the listener waits for a dialer that is behind, in milliseconds; the session then goes without.
const BREATH: u16 = 50;
/// Descriptors of the dialer besides those of sessions.
const SPARE: u64 = 64;

/// A running dialer, as the listener knows it.
#[derive(Debug)]
pub struct Control {
    channel: OwnedFd,
    /// The listening sockets that it knows, each by its place.
    listen: Vec<Listen>,
}

/// The listening sockets whose clients need a dialer.
fn served(config: &Config) -> Vec<Listen> {
    let mut served = config.listen.clone();
    served.retain(|listen| {
        listen.protocol == Protocol::Ftp && matches!(listen.address, Address::Tcp(_))
    });
    served
}

impl Control {
    /// Forks the dialer for what `config` says, with at most `most` children at once. `first` is what it does before all else:
    /// giving up what only the listener needs. None when no client speaks FTP.
    ///
    /// Only in a process with one thread.
    ///
    /// # Errors
    /// EMFILE, EAGAIN, ENOMEM.
    pub fn start(config: &Config, most: u32, first: impl FnOnce()) -> Result<Option<Control>> {
        let listen = served(config);
        if listen.is_empty() {
            return Ok(None);
        }
        // A session has a channel, and one socket in the making.
        let limit = process::descriptor_limit()?.min(2 * u64::from(most) + SPARE);
        let (ours, theirs) = channel::pair()?;
        let known = &listen;
        // The dialer itself sees no files.
        let ephemeral = net::ephemeral_ports();
        signal::block_all().and_then(|blocked| {
            process::spawn(move || {
                std::mem::forget(blocked);
                first();
                run::run(theirs, (known, ephemeral), config, limit)
            })
        })?;
        Ok(Some(Control {
            channel: ours,
            listen,
        }))
    }

    /// True when it does what `config` says.
    #[must_use]
    pub fn serves(&self, config: &Config) -> bool {
        self.listen == served(config)
    }

    /// Readable when the dialer is gone.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// True when the dialer is gone, or as good as: it has nothing to say.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        ipc::receive::<Newcomer>(self.fd(), false).err() != Some(Errno::EAGAIN)
    }

    /// What there is to say of `session`, whose client is at `peer`, whose connection is `socket`, and which came by way of `listen`.
    /// None when it needs no dialer, or its socket tells nothing any more.
    #[must_use]
    pub fn newcomer(
        &self,
        session: SessionId,
        listen: &Listen,
        socket: BorrowedFd<'_>,
        peer: SocketAddr,
    ) -> Option<Newcomer> {
        let place = self.listen.iter().position(|known| known == listen)?;
        Some(Newcomer {
            session,
            place: u32::try_from(place).ok()?,
            peer,
            local: net::local_address(socket).ok()?,
        })
    }

    /// Gives the dialer its end of the channel of a child that has a client.
    ///
    /// # Errors
    /// EAGAIN when the dialer is behind; EPIPE when it is gone.
    pub fn introduce(&self, newcomer: &Newcomer, end: &OwnedFd) -> Result<()> {
        let tell = || ipc::send(self.channel.as_fd(), newcomer, &[end.as_fd()], false);
        match tell() {
            Err(Errno::EAGAIN) => {
                let mut room = [PollFd::new(self.channel.as_fd(), PollFlags::POLLOUT)];
                // Whether there is room now shows at the next try.
                let _ = poll(&mut room, PollTimeout::from(BREATH));
                tell()
            }
            said => said,
        }
    }
}
