//! A file's way into the socket of a client who may take it faster than sendfile alone brings it. Run by a child.
//!
//! Two things hold a fast transfer up, and each is of use only then. sendfile(2) hands the socket 64 KiB at a time, and each time
//! is one more race with the client for the socket's lock: splice(2) through a larger pipe of our own hands it more. And while
//! the client is as fast as we are, each acknowledgement sends off what there is of the next packet: twice as many packets for as
//! many bytes, which TCP_CORK prevents. Once the client is behind there are no such packets, and to hold back would only cost time.

use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, Result, copy, net};
use std::os::fd::BorrowedFd;

/// Most bytes that one sendfile sends.
const PIECE: usize = 512 * 1024;
/// Bytes after which it is looked how fast the client is; the pipe holds as many.
const WINDOW: usize = 1024 * 1024;
/// A client who takes longer for them, in milliseconds, gets no faster by any of this. All processes of one user may have few
/// pipes of this size (fs.pipe-user-pages-soft), so they are not for everyone.
const SWIFT: u64 = 10;
/// With more than this not acknowledged, the client is behind.
const BEHIND: u64 = 512 * 1024;

/// Of one connection.
#[derive(Debug, Default)]
pub(super) struct Forward {
    pipe: Option<copy::Pipe>,
    /// The kernel gives none as large.
    has_none: bool,
    /// What the pipe holds, from the offset on that is to be sent next.
    held: usize,
    is_corked: bool,
    /// Sent since it was looked, and when that was.
    sent: usize,
    looked_at: u64,
}

impl Forward {
    /// Sends up to `count` bytes of `file` from `offset`. Returns how many went, after which the next call has to go on; 0 means
    /// that the file ends there.
    ///
    /// # Errors
    /// As `copy::send_file`.
    pub(super) fn send(
        &mut self,
        to: BorrowedFd<'_>,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> Result<usize> {
        let sent = match &self.pipe {
            None => copy::send_file(to, file, offset, count.min(PIECE))?,
            Some(pipe) => {
                if self.held == 0 {
                    self.held = pipe.fill(file, offset, count.min(WINDOW))?;
                    if self.held == 0 {
                        return Ok(0);
                    }
                }
                let sent = pipe.drain(to, self.held, count > self.held)?;
                self.held -= sent.min(self.held);
                sent
            }
        };
        self.sent += sent;
        if self.sent >= WINDOW && self.held == 0 {
            self.look(to)?;
        }
        Ok(sent)
    }

    /// Counts from now on how long the client takes: it has been waited for something else.
    pub(super) fn begin(&mut self) {
        self.sent = 0;
        self.looked_at = monotonic_millis();
    }

    /// True while the client takes the bytes as fast as they come.
    pub(super) fn is_swift(&self) -> bool {
        self.pipe.is_some()
    }

    /// Holds nothing back any more: the file is over, and the connection goes on.
    ///
    /// # Errors
    /// What the socket has.
    pub(super) fn end(&mut self, to: BorrowedFd<'_>) -> Result<()> {
        if std::mem::take(&mut self.is_corked) {
            net::cork(to, false)?;
        }
        Ok(())
    }

    fn look(&mut self, to: BorrowedFd<'_>) -> Result<()> {
        let now = monotonic_millis();
        let is_swift = now.saturating_sub(self.looked_at) <= SWIFT;
        self.sent = 0;
        self.looked_at = now;
        if !is_swift {
            self.pipe = None;
        } else if self.pipe.is_none() && !self.has_none {
            match copy::Pipe::new(WINDOW) {
                Ok(pipe) => self.pipe = Some(pipe),
                // Too many have one. Without it goes, too.
                Err(Errno::EPERM | Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) => {
                    self.has_none = true;
                }
                Err(errno) => return Err(errno),
            }
        }
        let cork = is_swift && net::unacknowledged(to)? < BEHIND;
        if cork != self.is_corked {
            net::cork(to, cork)?;
            self.is_corked = cork;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::thread;

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let one = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        (one, listener.accept().expect("accept").0)
    }

    fn file_of(bytes: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().expect("file");
        file.write_all(bytes).expect("write");
        file
    }

    /// Sends all of it, and returns how many bytes went by way of the pipe.
    fn send_all(forward: &mut Forward, to: &TcpStream, file: &std::fs::File, size: usize) -> usize {
        let (mut at, mut piped) = (0, 0);
        while at < size {
            let with_pipe = forward.pipe.is_some();
            match forward.send(to.as_fd(), file.as_fd(), at as u64, size - at) {
                Ok(0) => break,
                Ok(sent) => {
                    at += sent;
                    piped += if with_pipe { sent } else { 0 };
                }
                Err(errno) => panic!("{errno} at {at}"),
            }
        }
        piped
    }

    fn numbered(size: usize) -> Vec<u8> {
        (0u32..).flat_map(u32::to_le_bytes).take(size).collect()
    }

    #[test]
    fn a_fast_client_gets_the_same_bytes_by_way_of_the_pipe() {
        let bytes = numbered(64 * WINDOW + 12_345);
        let file = file_of(&bytes);
        let (client, server) = connected();
        let reader = thread::spawn(move || {
            let (mut client, mut all) = (client, Vec::new());
            client.read_to_end(&mut all).expect("read");
            all
        });
        // The first window is a swift one, however busy the machine is.
        let mut forward = Forward {
            looked_at: u64::MAX,
            ..Forward::default()
        };
        let piped = send_all(&mut forward, &server, &file, bytes.len());
        drop(server);
        assert!(reader.join().expect("reader") == bytes, "other bytes");
        assert!(piped >= WINDOW, "only {piped} bytes by way of the pipe");
    }

    #[test]
    fn a_slow_client_loses_the_pipe_between_two_fillings() {
        let (client, server) = connected();
        let mut forward = Forward {
            looked_at: u64::MAX,
            ..Forward::default()
        };
        let bytes = numbered(3 * WINDOW);
        let file = file_of(&bytes);
        let reader = thread::spawn(move || {
            let (mut client, mut all) = (client, Vec::new());
            client.read_to_end(&mut all).expect("read");
            all
        });
        while forward.pipe.is_none() {
            let at = forward.sent;
            forward
                .send(server.as_fd(), file.as_fd(), at as u64, WINDOW - at)
                .expect("sent");
        }
        // A look that comes long after the last.
        forward.looked_at = 0;
        let mut at = WINDOW;
        while at < 2 * WINDOW {
            assert!(forward.pipe.is_some());
            at += forward
                .send(server.as_fd(), file.as_fd(), at as u64, 3 * WINDOW - at)
                .expect("sent");
        }
        assert!(forward.pipe.is_none() && forward.held == 0 && !forward.is_corked);
        while at < 3 * WINDOW {
            at += forward
                .send(server.as_fd(), file.as_fd(), at as u64, 3 * WINDOW - at)
                .expect("sent");
        }
        drop(server);
        assert!(reader.join().expect("reader") == bytes, "other bytes");
    }

    #[test]
    fn a_file_that_has_become_shorter_ends_there() {
        let (client, server) = connected();
        let file = file_of(&numbered(WINDOW / 2));
        let mut forward = Forward {
            pipe: Some(copy::Pipe::new(WINDOW).expect("pipe")),
            ..Forward::default()
        };
        let piped = send_all(&mut forward, &server, &file, WINDOW);
        assert_eq!(piped, WINDOW / 2);
        drop(client);
    }
}
