//! Frames on their way out: small ones are gathered.

use super::{HEADER, Header, MAX_CONTROL, MAX_DATA};
use serde::Serialize;
use std::io;

/// Output is sent when this much has gathered.
const FLUSH_AT: usize = 64 * 1024;

/// Where a writer's bytes go.
pub trait Sink {
    /// Sends all of `bytes`. `more` says that further bytes follow at once, so that a small piece may wait for them.
    ///
    /// # Errors
    /// When the peer has gone or takes nothing for too long.
    fn send(&mut self, bytes: &[u8], more: bool) -> io::Result<()>;
}

/// Puts frames on a stream, gathering small ones until `flush`.
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    out: Vec<u8>,
}

impl<S: Sink> Writer<S> {
    /// Frames to `sink`.
    pub fn new(sink: S) -> Writer<S> {
        Writer {
            sink,
            out: Vec::new(),
        }
    }

    /// The stream underneath. What was gathered has not gone there yet.
    pub fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// A frame with a JSON payload.
    ///
    /// # Errors
    /// As `Sink::send`; `InvalidInput` when the payload would be over `MAX_CONTROL`.
    pub fn json<T: Serialize>(&mut self, letter: u8, value: &T) -> io::Result<()> {
        let at = self.out.len();
        self.out.extend_from_slice(&[0; HEADER]);
        let written = serde_json::to_writer(&mut self.out, value);
        let length = self.out.len() - at - HEADER;
        if written.is_err() || length > MAX_CONTROL {
            self.out.truncate(at);
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a control frame would be too long",
            ));
        }
        self.out[at..at + HEADER].copy_from_slice(
            &Header {
                letter,
                length: length as u32,
            }
            .encode(),
        );
        self.flush_if_full()
    }

    /// A frame with these bytes.
    ///
    /// # Errors
    /// As `Sink::send`.
    ///
    /// # Panics
    /// When `payload` is longer than `MAX_DATA`.
    pub fn bytes(&mut self, letter: u8, payload: &[u8]) -> io::Result<()> {
        assert!(
            payload.len() <= MAX_DATA,
            "a frame of {} bytes",
            payload.len()
        );
        self.out.extend_from_slice(
            &Header {
                letter,
                length: payload.len() as u32,
            }
            .encode(),
        );
        if payload.len() >= FLUSH_AT {
            self.push(true)?;
            return self.sink.send(payload, false);
        }
        self.out.extend_from_slice(payload);
        self.flush_if_full()
    }

    /// A `D` frame of `length` bytes that `fill` writes in place; it returns how many it had, the rest stays zero.
    ///
    /// # Errors
    /// As `Sink::send`.
    pub fn fill<E>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> io::Result<Result<usize, E>> {
        self.out.extend_from_slice(
            &Header {
                letter: b'D',
                length: length as u32,
            }
            .encode(),
        );
        let at = self.out.len();
        self.out.resize(at + length, 0);
        let filled = fill(&mut self.out[at..]);
        self.flush_if_full()?;
        Ok(filled)
    }

    /// Sends what was gathered and the header of a `D` frame, whose `length` bytes the caller then sends through `sink`.
    ///
    /// # Errors
    /// As `Sink::send`.
    pub fn open_data(&mut self, length: usize) -> io::Result<&mut S> {
        self.out.extend_from_slice(
            &Header {
                letter: b'D',
                length: length as u32,
            }
            .encode(),
        );
        self.push(true)?;
        Ok(&mut self.sink)
    }

    /// Sends all that was gathered.
    ///
    /// # Errors
    /// As `Sink::send`.
    pub fn flush(&mut self) -> io::Result<()> {
        self.push(false)
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.out.len() >= FLUSH_AT {
            self.push(true)
        } else {
            Ok(())
        }
    }

    fn push(&mut self, more: bool) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let sent = self.sink.send(&self.out, more);
        self.out.clear();
        sent
    }
}
