//! Waiting for something on behalf of somebody who may hang up meanwhile. Run by children.

use super::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The source has something to read, or is at its end.
    pub ready: bool,
    /// The peer has closed its connection, or its sending half of it: both look the same from here.
    pub hung_up: bool,
}

/// Waits for at most `millis` until `source` has something to read or ends, or `peer` hangs up. What the peer has sent and nobody has
/// read does not count (POLLRDHUP, poll(2)).
///
/// # Errors
/// As poll(2); a signal is none.
pub fn await_readable(source: BorrowedFd<'_>, peer: BorrowedFd<'_>, millis: u16) -> Result<Seen> {
    let entry = |fd: BorrowedFd<'_>, events| libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    let mut entries = [entry(source, libc::POLLIN), entry(peer, libc::POLLRDHUP)];
    let count = entries.len() as libc::nfds_t;
    // SAFETY: poll reads and writes `count` entries, which outlive the call; the borrows keep the descriptors open.
    let waited = unsafe { libc::poll(entries.as_mut_ptr(), count, millis.into()) };
    match Errno::result(waited) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(other) => return Err(other),
    }
    Ok(Seen {
        ready: entries[0].revents != 0,
        hung_up: entries[1].revents != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::Shutdown;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_peer_that_sends_has_not_hung_up() {
        let (from, mut into) = UnixStream::pair().expect("pair");
        let (ours, mut theirs) = UnixStream::pair().expect("pair");
        let see = |millis| await_readable(from.as_fd(), ours.as_fd(), millis).expect("poll");
        let seen = |ready, hung_up| Seen { ready, hung_up };
        theirs.write_all(b"more").expect("write");
        assert_eq!(see(0), seen(false, false));
        into.write_all(b"x").expect("write");
        assert_eq!(see(5000), seen(true, false));
        theirs.shutdown(Shutdown::Write).expect("shutdown");
        assert_eq!(see(5000), seen(true, true));
        drop(theirs);
        assert_eq!(see(5000), seen(true, true));
    }
}
