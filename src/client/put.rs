//! `P`: putting files, one at a time or many in a pipeline. Run by the client. A file is announced with its size, sent in
//! pieces that are hashed on the way, and ends with size and digest; only the server's `K` says that it is stored.

use super::session::Client;
use super::{Error, Result};
use crate::digest::{Hasher, Kind};
use crate::error::Code;
use crate::sys::file::Stamp;
use crate::wire::drive::{Fault, Put, PutDone, PutEnd, PutStart, letter};
use crate::wire::frame::DATA_CHUNK;
use crate::wire::name::Name;
use crate::wire::path::RelPath;
use std::collections::VecDeque;
use std::io::Read;

/// Most puts whose answers have not been read. Their answers fit the kernel's buffers, so that the server never waits for us
/// to read while we wait to send.
const WINDOW: usize = 64;
/// Pieces up to this are gathered with their neighbours before they are sent; larger ones go straight from the buffer.
const SMALL: u64 = 48 * 1024;

/// What to put.
#[derive(Debug, Clone)]
pub struct PutRequest {
    /// Where to.
    pub path: RelPath,
    /// Bytes, if known: more or fewer is an error then.
    pub size: Option<u64>,
    /// Time to give the file; that of arrival when None.
    pub modified: Option<Stamp>,
    /// Digest to check with.
    pub digest: Kind,
    /// Replace a file of that name.
    pub overwrite: bool,
    /// Make the folders on the way.
    pub parents: bool,
}

impl PutRequest {
    /// A new file of unknown size, checked with the default digest.
    #[must_use]
    pub fn new(path: RelPath) -> PutRequest {
        PutRequest {
            path,
            size: None,
            modified: None,
            digest: Kind::default(),
            overwrite: false,
            parents: false,
        }
    }

    fn wire(&self, resume: bool) -> Put {
        Put {
            path: Name(self.path.as_bytes().to_vec()),
            size: self.size,
            mtime: self.modified.map(|m| m.seconds),
            nsec: self.modified.map_or(0, |m| m.nanos),
            digest: self.digest,
            overwrite: self.overwrite,
            parents: self.parents,
            resume,
        }
    }
}

/// Where the bytes of a file come from.
pub trait Source {
    /// Further bytes; 0 at the end.
    ///
    /// # Errors
    /// Any; the server then forgets the file.
    fn read(&mut self, into: &mut [u8]) -> Result<usize>;

    /// Called after the last byte: the last chance to say that they do not belong together.
    ///
    /// # Errors
    /// Any; the server then forgets the file.
    fn check(&mut self) -> Result<()> {
        Ok(())
    }

    /// Takes the first `offset` bytes into `hasher` and goes on behind them; false when there are not so many. After false,
    /// or when they turn out to be others than the server has, `rewind` follows.
    ///
    /// # Errors
    /// Any.
    fn skip(&mut self, offset: u64, _hasher: &mut Hasher) -> Result<bool> {
        Ok(offset == 0)
    }

    /// Goes back to the first byte.
    ///
    /// # Errors
    /// Any.
    fn rewind(&mut self) -> Result<()> {
        Ok(())
    }
}

struct Stream<'a, R>(&'a mut R);

impl<R: Read> Source for Stream<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        loop {
            match self.0.read(into) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                result => return result.map_err(|e| Error::here(format!("read: {e}"))),
            }
        }
    }
}

/// How sending one file ended on our side; the server's answer is still to come.
enum Sent {
    /// `Z` went out.
    Whole(PutEnd),
    /// We gave up, with `E`.
    GivenUp(Error),
    /// The server gave up early; its answer has been read.
    Refused(Error),
}

/// One put whose answer has not been read.
struct Waiting<S> {
    source: S,
    sent: std::result::Result<PutEnd, Error>,
}

impl Client {
    /// Puts all that `from` has to give. It is stored when this returns `Ok`, as durably as the answer says.
    ///
    /// # Errors
    /// `Refused`, `Lost`, `Protocol`, `Interrupted`; `Local` when `from` fails.
    pub fn put_from(&mut self, request: &PutRequest, from: &mut impl Read) -> Result<PutDone> {
        self.put(request, &mut Stream(from))
    }

    /// Puts one file.
    ///
    /// # Errors
    /// As `put_from`, and those of the source.
    pub fn put(&mut self, request: &PutRequest, source: &mut dyn Source) -> Result<PutDone> {
        self.check_digest(request.digest)?;
        self.send(letter::PUT, &request.wire(false))?;
        let sent = self.send_whole(request, source, Hasher::new(request.digest), 0, &mut |_| {
            Ok(true)
        })?;
        self.flush()?;
        self.outcome(sent)
    }

    /// Puts one file, going on where an earlier attempt was cut if the server has kept its beginning. Also returns how
    /// many bytes did not have to be sent again.
    ///
    /// # Errors
    /// As `put`.
    pub fn put_resumed(
        &mut self,
        request: &PutRequest,
        source: &mut dyn Source,
    ) -> Result<(PutDone, u64)> {
        self.check_digest(request.digest)?;
        self.send(letter::PUT, &request.wire(true))?;
        self.flush()?;
        let kept: PutStart = self.expect(letter::OK)?;
        let mut hasher = Hasher::new(request.digest);
        let same = request.size.is_none_or(|size| kept.offset <= size)
            && source
                .skip(kept.offset, &mut hasher)
                .map(|there| there && hasher.finish().to_hex() == kept.digest)
                .or_else(|error| {
                    // The run was begun, so it has to be ended before anything else can be said.
                    self.cancel()?;
                    self.flush()?;
                    self.await_cancelled()?;
                    Err(error)
                })?;
        if !same {
            self.cancel()?;
            self.flush()?;
            self.await_cancelled()?;
            source.rewind()?;
            return self.put(request, source).map(|done| (done, 0));
        }
        let sent = self.send_whole(request, source, hasher, kept.offset, &mut |_| Ok(true))?;
        self.flush()?;
        self.outcome(sent).map(|done| (done, kept.offset))
    }

    /// Puts many files without waiting for each answer: `next` is told how many are in flight, and returns a further one,
    /// or None (for good when none is in flight, else for now). `done` is told how each ended, in order.
    ///
    /// # Errors
    /// What ended the connection; all that were begun have been reported then, those that got no answer as `Unanswered`.
    pub fn put_many<S: Source>(
        &mut self,
        mut next: impl FnMut(usize) -> Option<(PutRequest, S)>,
        mut done: impl FnMut(S, Result<PutDone>),
    ) -> Result<()> {
        let mut waiting: VecDeque<Waiting<S>> = VecDeque::with_capacity(WINDOW);
        let outcome = self.pump(&mut waiting, &mut next, &mut done);
        for entry in waiting {
            done(
                entry.source,
                Err(entry.sent.err().unwrap_or(Error::Unanswered)),
            );
        }
        outcome
    }

    fn pump<S: Source>(
        &mut self,
        waiting: &mut VecDeque<Waiting<S>>,
        next: &mut impl FnMut(usize) -> Option<(PutRequest, S)>,
        done: &mut impl FnMut(S, Result<PutDone>),
    ) -> Result<()> {
        loop {
            while waiting.len() < WINDOW {
                let Some((request, mut source)) = next(waiting.len()) else {
                    break;
                };
                let asked = self
                    .check_digest(request.digest)
                    .and_then(|()| self.send(letter::PUT, &request.wire(false)));
                if let Err(error) = asked {
                    done(source, Err(error.clone()));
                    if self.is_broken() {
                        return Err(error);
                    }
                    continue;
                }
                // Answers that come meanwhile belong to those before; only when none is left is it this file's own.
                let sent = self.send_whole(
                    &request,
                    &mut source,
                    Hasher::new(request.digest),
                    0,
                    &mut |client| {
                        let Some(first) = waiting.pop_front() else {
                            return Ok(true);
                        };
                        client.settle(first, done).map(|()| false)
                    },
                );
                match sent {
                    Ok(Sent::Whole(end)) => waiting.push_back(Waiting {
                        source,
                        sent: Ok(end),
                    }),
                    Ok(Sent::GivenUp(error)) => waiting.push_back(Waiting {
                        source,
                        sent: Err(error),
                    }),
                    Ok(Sent::Refused(error)) => {
                        let fatal = self.is_broken().then(|| error.clone());
                        done(source, Err(error));
                        if let Some(error) = fatal {
                            return Err(error);
                        }
                    }
                    Err(error) => {
                        waiting.push_back(Waiting {
                            source,
                            sent: Err(error.clone()),
                        });
                        return Err(error);
                    }
                }
            }
            self.flush()?;
            // Read by halves, so that what comes next leaves many at a time; to the end when nothing comes next.
            let least = if waiting.len() >= WINDOW {
                WINDOW / 2
            } else {
                waiting.len().saturating_sub(1)
            };
            let Some(first) = waiting.pop_front() else {
                return Ok(());
            };
            self.settle(first, done)?;
            while waiting.len() > least {
                let Some(first) = waiting.pop_front() else {
                    break;
                };
                self.settle(first, done)?;
            }
        }
    }

    /// Reads the answer to a put and reports it.
    fn settle<S>(
        &mut self,
        entry: Waiting<S>,
        done: &mut impl FnMut(S, Result<PutDone>),
    ) -> Result<()> {
        let sent = match entry.sent {
            Ok(end) => Sent::Whole(end),
            Err(error) => Sent::GivenUp(error),
        };
        let result = self.outcome(sent);
        let fatal = if self.is_broken() {
            result.as_ref().err().cloned()
        } else {
            None
        };
        done(entry.source, result);
        fatal.map_or(Ok(()), Err)
    }

    /// Sends the run of `D` and its end. `answered` is called when the server speaks meanwhile: it reads an answer to an
    /// earlier put and returns false, or returns true when there is none, so that the answer is to this one.
    fn send_whole(
        &mut self,
        request: &PutRequest,
        source: &mut dyn Source,
        mut hasher: Hasher,
        offset: u64,
        answered: &mut dyn FnMut(&mut Client) -> Result<bool>,
    ) -> Result<Sent> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let sent = self.send_run(request, source, &mut hasher, offset, &mut buffer, answered);
        self.buffer = buffer;
        let size = match sent {
            Ok(size) => size,
            Err(Stop::Refused(error)) => {
                // The end of the run, which the server reads in silence.
                self.cancel()?;
                return Ok(Sent::Refused(error));
            }
            Err(Stop::Source(error)) => {
                self.cancel()?;
                return Ok(Sent::GivenUp(error));
            }
            Err(Stop::Connection(error)) => return Err(error),
        };
        let end = PutEnd {
            size,
            digest: hasher.finish().to_hex(),
        };
        self.send(letter::END, &end)?;
        Ok(Sent::Whole(end))
    }

    /// The `D` frames; returns the size of the whole file.
    fn send_run(
        &mut self,
        request: &PutRequest,
        source: &mut dyn Source,
        hasher: &mut Hasher,
        offset: u64,
        buffer: &mut Vec<u8>,
        answered: &mut dyn FnMut(&mut Client) -> Result<bool>,
    ) -> std::result::Result<u64, Stop> {
        let mut at = offset;
        let most = DATA_CHUNK
            .min(self.info().limits.data as usize)
            .min(self.rate.as_ref().map_or(usize::MAX, |rate| rate.piece()));
        loop {
            let left = request
                .size
                .map_or(u64::MAX, |size| size.saturating_sub(at));
            if left == 0 {
                break;
            }
            let want = most.min(usize::try_from(left).unwrap_or(usize::MAX));
            if buffer.len() < want {
                buffer.resize(want, 0);
            }
            let mut filled = 0;
            while filled < want {
                self.interrupt
                    .check()
                    .inspect_err(|_| self.abandon())
                    .map_err(Stop::Connection)?;
                match source
                    .read(&mut buffer[filled..want])
                    .map_err(|e| self.judge(e))?
                {
                    0 => break,
                    got => filled += got,
                }
            }
            let piece = &buffer[..filled];
            if let Some(rate) = &self.rate {
                let paid = rate.take(filled, &self.interrupt);
                paid.inspect_err(|_| self.abandon())
                    .map_err(Stop::Connection)?;
            }
            if filled > 0 {
                hasher.update(piece);
                let sent = self.writer.bytes(letter::DATA, piece);
                self.sent(sent).map_err(Stop::Connection)?;
                at += filled as u64;
            }
            if filled < want {
                if request.size.is_some() {
                    return Err(Stop::Source(Error::here(
                        "the file became shorter while it was read",
                    )));
                }
                break;
            }
            // A small file leaves in one go with its neighbours: too soon for an answer.
            while left > SMALL && self.answer_is_here() {
                if answered(self).map_err(Stop::Connection)? {
                    return Err(self.early_answer());
                }
            }
        }
        source.check().map_err(|e| self.judge(e))?;
        Ok(at)
    }

    /// An interrupt that the source noticed is ours, too: no answer is worth waiting for.
    fn judge(&mut self, error: Error) -> Stop {
        if error == Error::Interrupted {
            self.abandon();
            return Stop::Connection(error);
        }
        Stop::Source(error)
    }

    /// What the server says to a run that has not ended can only be an error.
    fn early_answer(&mut self) -> Stop {
        match self.next_frame() {
            Ok(header) if header.letter == letter::ERROR => {
                let error = self.fault(header);
                if self.is_broken() {
                    Stop::Connection(error)
                } else {
                    Stop::Refused(error)
                }
            }
            Ok(header) => {
                Stop::Connection(self.unexpected(header.letter, "nothing yet, or an error"))
            }
            Err(error) => Stop::Connection(error),
        }
    }

    fn cancel(&mut self) -> Result<()> {
        self.send(
            letter::ERROR,
            &Fault {
                code: Code::Cancelled,
                message: "given up".into(),
            },
        )
    }

    fn await_cancelled(&mut self) -> Result<()> {
        let header = self.next_frame()?;
        match header.letter {
            letter::ERROR => match self.fault(header) {
                error if self.is_broken() => Err(error),
                _ => Ok(()),
            },
            other => Err(self.unexpected(other, "an error")),
        }
    }

    /// The server's last word on one put.
    fn outcome(&mut self, sent: Sent) -> Result<PutDone> {
        match sent {
            Sent::Refused(error) => Err(error),
            Sent::GivenUp(error) => {
                self.await_cancelled()?;
                Err(error)
            }
            Sent::Whole(end) => {
                let done: PutDone = self.expect(letter::OK)?;
                if done.size != end.size || !done.digest.eq_ignore_ascii_case(&end.digest) {
                    return Err(self.protocol("it confirms another file than was sent"));
                }
                Ok(done)
            }
        }
    }
}

/// Why a run ended before its time.
enum Stop {
    /// Our side cannot go on; the connection is fine.
    Source(Error),
    /// The server cannot go on; the connection is fine.
    Refused(Error),
    /// Nothing more can be said.
    Connection(Error),
}
