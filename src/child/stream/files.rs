//! Files on their way out of a child.

use super::Output;
use crate::child::forward::Forward;
use crate::child::secure;
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, copy};
use crate::wire::frame::Sink as _;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

/// Most bytes of a file that one call sends. The kernel waits anew for each 64 KiB of it, and while it is inside, nobody sees
/// that anything moves: a slow client has to look slow, and not stalled.
const PIECE: usize = 128 * 1024;
/// The same for a client that takes them as fast as they come; who has taken more than any buffer holds is one.
const FAST_PIECE: usize = 1024 * 1024;
const FAST_BYTES: u64 = 16 * 1024 * 1024;
/// A call that takes this long waited, in milliseconds.
const A_MOMENT: u64 = 3;

impl Output {
    /// Sends `count` bytes of `file` from `offset` without touching them. Returns how many the file had.
    pub(in crate::child) fn send_file(
        &mut self,
        file: BorrowedFd<'_>,
        mut offset: u64,
        count: usize,
    ) -> io::Result<std::result::Result<usize, Errno>> {
        if self.secure.is_some() {
            return self.send_sealed(file, offset, count);
        }
        if let Some(forward) = &mut self.forward {
            forward.begin();
        }
        let mut left = count;
        while left > 0 {
            let began = monotonic_millis();
            if !self.is_socket {
                self.wait_for_room()?;
            }
            let is_swift = self.forward.as_ref().is_some_and(Forward::is_swift);
            let most = if self.fast < FAST_BYTES && !is_swift {
                PIECE
            } else {
                FAST_PIECE
            };
            let most = left.min(most);
            let sent = match &mut self.forward {
                Some(forward) => forward.send(self.fd.as_fd(), file, offset, most),
                None => copy::send_file(self.fd.as_fd(), file, offset, most),
            };
            let went = sent.as_ref().map_or(0, |&sent| sent as u64);
            self.fast = if self.progress.note_wait(self.fd.as_fd(), began) < A_MOMENT {
                self.fast + went
            } else {
                0
            };
            match sent {
                Ok(0) => break,
                Ok(sent) => {
                    self.progress.note(sent);
                    offset += sent as u64;
                    left -= sent;
                }
                Err(Errno::EAGAIN) => self.progress.check(self.fd.as_fd())?,
                Err(
                    error @ (Errno::EPIPE
                    | Errno::ECONNRESET
                    | Errno::ETIMEDOUT
                    | Errno::EHOSTUNREACH
                    | Errno::ENETUNREACH
                    | Errno::ENOTCONN),
                ) => return Err(error.into()),
                Err(of_the_file) => return Ok(Err(of_the_file)),
            }
        }
        if let Some(forward) = &mut self.forward {
            forward.end(self.fd.as_fd())?;
        }
        Ok(Ok(count - left))
    }

    /// The same under TLS, where they have to be touched.
    fn send_sealed(
        &mut self,
        file: BorrowedFd<'_>,
        mut offset: u64,
        count: usize,
    ) -> io::Result<std::result::Result<usize, Errno>> {
        let mut piece = std::mem::take(&mut self.piece);
        if piece.is_empty() {
            piece = secure::piece();
        }
        let mut left = count;
        let outcome = loop {
            let most = left.min(piece.len());
            if most == 0 {
                break Ok(Ok(count));
            }
            match copy::read_at(file, &mut piece[..most], offset) {
                Ok(0) => break Ok(Ok(count - left)),
                Ok(got) => {
                    left -= got;
                    offset += got as u64;
                    if let Err(error) = self.send(&piece[..got], left > 0) {
                        break Err(error);
                    }
                }
                Err(of_the_file) => break Ok(Err(of_the_file)),
            }
        };
        self.piece = piece;
        outcome
    }
}
