//! Channels between our own processes: pairs of message sockets over which whole messages and descriptors travel
//! (SOCK_SEQPACKET, unix(7)). Every message is bounded; one that is longer, or carries more descriptors, is an error.

use super::{Errno, Result};
use nix::sys::socket::{self, AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType};
use std::io::IoSlice;
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
/// EMSGSIZE when the message or its descriptors did not fit, here or into the table of this process: then none of them stays open.
/// EAGAIN when there is none and `wait` is false.
pub fn receive(from: BorrowedFd<'_>, buffer: &mut [u8], wait: bool) -> Result<Option<Received>> {
    let mut flags = libc::MSG_CMSG_CLOEXEC;
    if !wait {
        flags |= libc::MSG_DONTWAIT;
    }
    let mut control = [0u64; CONTROL / 8];
    let mut into = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all zeroes is a valid msghdr, with null pointers and no lengths.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut into;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    let length = loop {
        header.msg_controllen = CONTROL as _;
        // SAFETY: `header` describes `buffer` and `control` and no more than their lengths, and all of them outlive the call.
        let got = unsafe { libc::recvmsg(from.as_raw_fd(), &raw mut header, flags) };
        match Errno::result(got) {
            Err(Errno::EINTR) => {}
            result => break result?.unsigned_abs(),
        }
    };
    // Not by way of nix, which of a message that was cut gives nothing: what had arrived of its descriptors would stay open for good.
    let filled = header.msg_controllen as usize;
    let control: Vec<u8> = control.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let (descriptors, sender) = what_came_along(control.get(..filled).unwrap_or(&control));
    let cut = header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
    if cut || descriptors.len() > MAX_DESCRIPTORS {
        return Err(Errno::EMSGSIZE);
    }
    Ok((length > 0).then_some(Received {
        length,
        descriptors,
        sender,
    }))
}

/// Bytes of struct cmsghdr as the kernel writes it: a length of the whole, of the machine's word, and two ints (cmsg(3)). What follows
/// one begins at a multiple of the word.
const HEADER: usize = size_of::<usize>() + 8;
/// Room for descriptors and for who sent them.
const CONTROL: usize =
    (HEADER + 4 * MAX_DESCRIPTORS) + (HEADER + size_of::<libc::ucred>()).next_multiple_of(8);

/// Reads what the kernel wrote into the control buffer of recvmsg(2).
fn what_came_along(mut control: &[u8]) -> (Vec<OwnedFd>, Option<i32>) {
    let mut descriptors = Vec::new();
    let mut sender = None;
    while let Some((length, rest)) = control.split_first_chunk() {
        let length = usize::from_ne_bytes(*length);
        let (kind, data) = match (rest.get(..8), control.get(HEADER..length)) {
            (Some(kind), Some(data)) => (kind, data),
            _ => break,
        };
        let ints = |bytes: &[u8]| -> Vec<i32> {
            let (whole, _) = bytes.as_chunks();
            whole.iter().map(|int| i32::from_ne_bytes(*int)).collect()
        };
        match ints(kind)[..] {
            [libc::SOL_SOCKET, libc::SCM_RIGHTS] => {
                for fd in ints(data) {
                    // SAFETY: the kernel has just put this descriptor into our table for us, and nothing else owns it.
                    descriptors.push(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
            // struct ucred begins with the process id.
            [libc::SOL_SOCKET, libc::SCM_CREDENTIALS] => sender = ints(data).first().copied(),
            _ => {}
        }
        let next = length.next_multiple_of(size_of::<usize>());
        control = control.get(next..).unwrap_or_default();
    }
    (descriptors, sender)
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

    #[test]
    fn descriptors_of_a_message_that_was_cut_are_closed() {
        let (a, b) = pair().expect("pair");
        for count in [MAX_DESCRIPTORS, MAX_DESCRIPTORS + 1, 12, 100] {
            // Each closes only once nobody has its other end any more: neither we, nor what was received.
            let (end, other) = nix::unistd::pipe().expect("pipe");
            let many = vec![other.as_fd(); count];
            send(a.as_fd(), b"x", &many, true).expect("send");
            drop(other);
            let received = receive(b.as_fd(), &mut [0; 8], false);
            match received {
                Ok(Some(got)) => assert_eq!(got.descriptors.len(), MAX_DESCRIPTORS),
                result => assert_eq!(result.expect_err("too many"), Errno::EMSGSIZE, "{count}"),
            }
            let mut ended = [nix::poll::PollFd::new(
                end.as_fd(),
                nix::poll::PollFlags::POLLIN,
            )];
            assert_eq!(nix::poll::poll(&mut ended, 5_000u16), Ok(1), "{count}");
        }
    }
}
