//! `G`: getting files, one at a time or many in a pipeline. Run by the client. The bytes go to a `Sink`, which must not
//! take them for the file before the call has returned `Ok`.

use super::connection::Interrupt;
use super::session::Client;
use super::{Error, Result};
use crate::digest::{Hasher, Kind, Value};
use crate::wire::drive::{Cover, Get, GetEnd, GetStart, letter};
use crate::wire::frame::Header;
use crate::wire::name::Name;
use crate::wire::path::RelPath;
use std::collections::VecDeque;
use std::io::Write;

/// Bytes handed to a sink, and hashed, at once.
const PIECE: usize = 512 * 1024;
/// Most requests in flight.
const WINDOW: usize = 64;
/// Most bytes of requests in flight: they fit the kernel's buffers, so that we never wait to send while the server waits for
/// us to read.
const WINDOW_BYTES: usize = 12 * 1024;
/// When a sink fails, more than this is not read to its end; the connection is given up instead.
const WORTH_READING: u64 = 64 << 20;

/// What to get.
#[derive(Debug, Clone)]
pub struct GetRequest {
    /// The file.
    pub path: RelPath,
    /// First byte wanted.
    pub offset: u64,
    /// How many; to the end when None.
    pub length: Option<u64>,
    /// Digest to check with.
    pub digest: Kind,
    /// What the caller has of the file already: a hasher that has taken in the first `offset` bytes. The digest then
    /// covers the whole file.
    pub before: Option<Hasher>,
}

impl GetRequest {
    /// A whole file, checked with the default digest.
    #[must_use]
    pub fn whole(path: RelPath) -> GetRequest {
        GetRequest {
            path,
            offset: 0,
            length: None,
            digest: Kind::default(),
            before: None,
        }
    }
}

/// What was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Got {
    /// Size, time and the part that was sent.
    pub start: GetStart,
    /// Digest of what came (with `before`: of the whole file). It matched.
    pub digest: Value,
}

/// Where the bytes of a file go.
pub trait Sink {
    /// The server has the file, and will send this.
    ///
    /// # Errors
    /// Any; the bytes are passed over then.
    fn start(&mut self, start: &GetStart) -> Result<()>;
    /// Further bytes, not vouched for yet.
    ///
    /// # Errors
    /// Any; the rest is passed over then.
    fn take(&mut self, bytes: &[u8]) -> Result<()>;
}

struct Stream<'a, W>(&'a mut W);

impl<W: Write> Sink for Stream<'_, W> {
    fn start(&mut self, _: &GetStart) -> Result<()> {
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(|e| match e.raw_os_error() {
            Some(number) => Error::local("write", crate::sys::Errno::from_raw(number)),
            None => Error::here(format!("write: {e}")),
        })
    }
}

impl Client {
    /// Gets a file, or a part of it, into `to`. The bytes come before the digest is known: whatever was written is
    /// worth nothing unless this returns `Ok`.
    ///
    /// # Errors
    /// `Refused`, `Digest`, `Lost`, `Protocol`, `Interrupted`; `Local` when `to` fails.
    pub fn get_to(&mut self, request: &GetRequest, to: &mut impl Write) -> Result<Got> {
        self.get(request, &mut Stream(to))
    }

    /// Gets a file, or a part of it, into a sink.
    ///
    /// # Errors
    /// As `get_to`, and those of the sink.
    pub fn get(&mut self, request: &GetRequest, sink: &mut dyn Sink) -> Result<Got> {
        self.ask(request)?;
        self.flush()?;
        self.receive(request, sink)
    }

    /// Gets many files, asking ahead: `next` is told how many requests are in flight, and returns a further one, or None
    /// (for good when none is in flight, else for now). `done` is told how each ended, in the order of asking.
    ///
    /// # Errors
    /// What ended the connection. Every file that was asked for has then been reported: the one that was under way
    /// with the same error, those behind it as `Unanswered`.
    pub fn get_many<S: Sink>(
        &mut self,
        mut next: impl FnMut(usize) -> Option<(GetRequest, S)>,
        mut done: impl FnMut(S, Result<Got>),
    ) -> Result<()> {
        let mut waiting: VecDeque<(GetRequest, S, usize)> = VecDeque::with_capacity(WINDOW);
        let mut bytes = 0;
        loop {
            // Refilled by halves, so that requests leave many at a time.
            let mut outcome = Ok(());
            if waiting.len() <= WINDOW / 2 {
                while waiting.len() < WINDOW && bytes < WINDOW_BYTES {
                    let Some((request, sink)) = next(waiting.len()) else {
                        break;
                    };
                    // An upper bound of the JSON: three characters for each byte, and the keys.
                    let cost = 3 * request.path.as_bytes().len() + 160;
                    outcome = self.ask(&request);
                    if let Err(error) = &outcome {
                        done(sink, Err(error.clone()));
                        if self.is_broken() {
                            break;
                        }
                        continue;
                    }
                    waiting.push_back((request, sink, cost));
                    bytes += cost;
                }
                if !self.is_broken() {
                    outcome = self.flush();
                }
            }
            let Some((request, mut sink, cost)) = waiting.pop_front() else {
                return outcome;
            };
            bytes -= cost;
            let got = if self.is_broken() {
                outcome.and(Err(Error::Unanswered))
            } else {
                self.receive(&request, &mut sink)
            };
            let ended = self
                .is_broken()
                .then(|| got.as_ref().err().cloned().unwrap_or(Error::Unanswered));
            done(sink, got);
            if let Some(why) = ended {
                for (_, sink, _) in waiting {
                    done(sink, Err(Error::Unanswered));
                }
                return Err(why);
            }
        }
    }

    fn ask(&mut self, request: &GetRequest) -> Result<()> {
        self.check_digest(request.digest)?;
        let cover = if request.before.is_some() {
            Cover::File
        } else {
            Cover::Range
        };
        let path = Name(request.path.as_bytes().to_vec());
        self.send(
            letter::GET,
            &Get {
                path,
                offset: request.offset,
                length: request.length,
                digest: request.digest,
                cover,
            },
        )
    }

    /// The answer to one request.
    fn receive(&mut self, request: &GetRequest, sink: &mut dyn Sink) -> Result<Got> {
        let start: GetStart = self.expect(letter::OK)?;
        let due = start
            .size
            .checked_sub(request.offset)
            .map(|rest| request.length.map_or(rest, |most| most.min(rest)));
        if start.offset != request.offset
            || due != Some(start.length)
            || start.nsec >= 1_000_000_000
        {
            return Err(self.protocol("it announces another part of the file than was asked for"));
        }
        let mut failed = sink.start(&start).err();
        let mut hasher = request
            .before
            .clone()
            .unwrap_or_else(|| Hasher::new(request.digest));
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() < PIECE {
            buffer.resize(PIECE, 0);
        }
        let end = self.body(start.length, &mut buffer, |bytes| {
            hasher.update(bytes);
            if failed.is_none() {
                failed = sink.take(bytes).err();
            }
            failed.is_none()
        });
        self.buffer = buffer;
        let end = end.and_then(|header| self.parse::<GetEnd>(header));
        // What the local side said comes first: the rest is what followed from it.
        if let Some(error) = failed {
            return Err(error);
        }
        let end = end?;
        let found = hasher.finish();
        match Value::from_hex(request.digest, &end.digest) {
            None => Err(self.protocol("a digest that is none")),
            Some(announced) if announced == found => Ok(Got {
                start,
                digest: found,
            }),
            Some(announced) => Err(Error::Digest {
                announced: announced.to_hex(),
                found: found.to_hex(),
            }),
        }
    }

    /// The `D` frames of `length` bytes together, in pieces to `take`, which returns false when it wants no more. Returns the
    /// header of `Z`.
    fn body(
        &mut self,
        length: u64,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<Header> {
        let piece = self
            .rate
            .as_ref()
            .map_or(buffer.len(), |rate| rate.piece().min(buffer.len()));
        let buffer = &mut buffer[..piece];
        let mut filled = 0;
        let end = self.read_run(length, buffer, &mut filled, &mut take);
        // When the connection was lost, what came before counts: it may be resumed. What an `E` follows is void.
        if filled > 0 && !matches!(end, Err(Error::Refused(_) | Error::Protocol(_))) {
            take(&buffer[..filled]);
        }
        end
    }

    /// As `body`; leaves the last `filled` bytes in the buffer.
    fn read_run(
        &mut self,
        length: u64,
        buffer: &mut [u8],
        filled: &mut usize,
        take: &mut impl FnMut(&[u8]) -> bool,
    ) -> Result<Header> {
        let mut to_come = length;
        loop {
            let header = self.next_frame()?;
            match header.letter {
                letter::DATA => {}
                letter::ERROR => return Err(self.fault(header)),
                letter::END if to_come > 0 => {
                    return Err(self.protocol(format!("{to_come} bytes fewer than announced")));
                }
                letter::END => return Ok(header),
                other => return Err(self.unexpected(other, "a part of the file")),
            }
            to_come = to_come
                .checked_sub(u64::from(header.length))
                .ok_or_else(|| self.protocol("more bytes than announced"))?;
            let mut left = header.length;
            while left > 0 {
                let got = self
                    .reader
                    .data(&mut left, &mut buffer[*filled..])
                    .map_err(|broken| self.failed(broken))?;
                *filled += got;
                if let Some(rate) = &self.rate {
                    let paid = rate.take(got, &self.interrupt);
                    paid.inspect_err(|_| self.abandon())?;
                }
                if *filled == buffer.len() {
                    *filled = 0;
                    if !take(buffer) && to_come > WORTH_READING {
                        self.abandon();
                        return Err(Error::Unanswered);
                    }
                }
            }
        }
    }

    /// The flag this session obeys.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }
}
