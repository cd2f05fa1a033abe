//! Channels between our own processes: pairs of message sockets over which whole messages and descriptors travel
//! (SOCK_SEQPACKET, unix(7)). Every message is bounded; one that is longer, or carries more descriptors, is an error.

use super::{Errno, Result};
use nix::cmsg_space;
use nix::sys::socket::{
    self, AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Most descriptors in one message.
pub const MAX_DESCRIPTORS: usize = 4;

/// What came in one message.
#[derive(Debug)]
pub struct Received {
    /// Bytes of it.
    pub length: usize,
    /// Descriptors that came along.
    pub descriptors: Vec<OwnedFd>,
    /// The process that sent it, where the receiving end `knows_senders`.
    pub sender: Option<i32>,
}

/// Has the kernel say of every message at this end which process sent it (SO_PASSCRED, unix(7)).
pub fn know_senders(end: BorrowedFd<'_>) -> Result<()> {
    socket::setsockopt(&end, socket::sockopt::PassCred, &true)
}

/// A connected pair, close-on-exec.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socket::socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
}

/// Sends one message with `descriptors`. Does not wait when `wait` is false: EAGAIN says that the other end is behind.
///
/// # Errors
/// EPIPE and ECONNRESET when the other end is gone.
pub fn send(
    to: BorrowedFd<'_>,
    message: &[u8],
    descriptors: &[BorrowedFd<'_>],
    wait: bool,
) -> Result<()> {
    let mut flags = MsgFlags::MSG_NOSIGNAL;
    if !wait {
        flags |= MsgFlags::MSG_DONTWAIT;
    }
    let raw: Vec<i32> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() {
        &rights[..0]
    } else {
        &rights[..]
    };
    loop {
        match socket::sendmsg::<()>(
            to.as_raw_fd(),
            &[IoSlice::new(message)],
            control,
            flags,
            None,
        ) {
            Err(Errno::EINTR) => {}
            Err(other) => return Err(other),
            // A message goes whole or not at all.
            Ok(_) => return Ok(()),
        }
    }
}

/// Receives one message into `buffer`. None at the end of the channel.
///
/// # Errors
/// EMSGSIZE when the message or its descriptors did not fit; EAGAIN when there is none and `wait` is false.
pub fn receive(from: BorrowedFd<'_>, buffer: &mut [u8], wait: bool) -> Result<Option<Received>> {
    let mut flags = MsgFlags::MSG_CMSG_CLOEXEC;
    if !wait {
        flags |= MsgFlags::MSG_DONTWAIT;
    }
    let mut space = cmsg_space!([i32; MAX_DESCRIPTORS], socket::UnixCredentials);
    let (received, cut) = loop {
        let mut into = [IoSliceMut::new(buffer)];
        let got = match socket::recvmsg::<()>(from.as_raw_fd(), &mut into, Some(&mut space), flags)
        {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        let cut = got
            .flags
            .intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC);
        let mut descriptors = Vec::new();
        let mut sender = None;
        for control in got.cmsgs()? {
            match control {
                ControlMessageOwned::ScmRights(raw) => {
                    for fd in raw {
                        // SAFETY: the kernel has just put this descriptor into our table for us, and nothing else owns it.
                        descriptors.push(unsafe { OwnedFd::from_raw_fd(fd) });
                    }
                }
                ControlMessageOwned::ScmCredentials(of) => sender = Some(of.pid()),
                _ => {}
            }
        }
        let received = Received {
            length: got.bytes,
            descriptors,
            sender,
        };
        break (received, cut);
    };
    if cut {
        return Err(Errno::EMSGSIZE);
    }
    Ok((received.length > 0).then_some(received))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn messages_and_descriptors_arrive_whole() {
        let (a, b) = pair().expect("pair");
        let file = std::fs::File::open("/dev/null").expect("open");
        let mut buffer = [0; 8];
        let mut take = |wait| receive(b.as_fd(), &mut buffer, wait);
        send(a.as_fd(), b"one", &[file.as_fd(), file.as_fd()], true).expect("send");
        let got = take(true).expect("receive").expect("message");
        assert_eq!(
            (got.length, got.descriptors.len(), got.sender),
            (3, 2, None)
        );
        know_senders(b.as_fd()).expect("option");
        send(a.as_fd(), b"two", &[file.as_fd()], true).expect("send");
        let got = take(true).expect("receive").expect("message");
        let this = nix::unistd::getpid().as_raw();
        assert_eq!(
            (got.length, got.descriptors.len(), got.sender),
            (3, 1, Some(this))
        );
        send(a.as_fd(), b"a longer one", &[], true).expect("send");
        assert_eq!(take(true).expect_err("too long"), Errno::EMSGSIZE);
        assert_eq!(take(false).expect_err("none"), Errno::EAGAIN);
        drop(a);
        assert!(take(true).expect("end").is_none());
        assert!(matches!(
            send(b.as_fd(), b"x", &[], true),
            Err(Errno::EPIPE)
        ));
    }
}
