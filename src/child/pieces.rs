//! The pieces in which a file comes in, and the digest of a large one, which is computed beside the writing. Run by a child.

use crate::digest::Hasher;
use crate::error::{Code, Refusal};
use crate::library::Upload;
use crate::sys::Errno;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// Read from the connection and written to the disk at once.
pub(super) const PIECE: usize = 256 * 1024;
/// From here on an upload is worth more than buffers: a thread that computes its digest beside the writing, say.
pub(super) const LARGE: u64 = 4 * 1024 * 1024;
/// Pieces that are there at once: read, written, or in the digest.
const PIECES: usize = 4;
/// All that thread does is hash.
const HASHING_STACK: usize = 256 * 1024;

/// Of one upload.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Empty while it is with its user.
    own: Vec<u8>,
    /// Bytes that are said to come, and those that came.
    known: u64,
    came: u64,
    /// What is written is what came.
    is_plain: bool,
    hashing: Option<Hashing>,
}

impl Pieces {
    /// For an upload of which `known` bytes are said to come, in pieces of `size` bytes as long as it is not large.
    pub(super) fn new(size: usize, known: u64) -> Pieces {
        Pieces {
            own: vec![0; size],
            known,
            came: 0,
            is_plain: true,
            hashing: None,
        }
    }

    /// The same for bytes that are changed before they are written: whoever writes them puts them into the digest, too.
    pub(super) fn to_change(size: usize) -> Pieces {
        Pieces {
            is_plain: false,
            ..Pieces::new(size, 0)
        }
    }

    /// Room for the next bytes of `upload`. From where it is large on, what is put there and written is `hash`ed beside.
    ///
    /// # Errors
    /// `Io` when there is no room for a thread, or when it is gone.
    pub(super) fn next(&mut self, upload: &mut Upload) -> Result<Vec<u8>, Refusal> {
        if self.is_plain
            && self.known.max(self.came) >= LARGE
            && let Some(hasher) = upload.lend_hasher()
        {
            self.hashing = Some(Hashing::begin(hasher)?);
            self.own = Vec::new();
        }
        match &self.hashing {
            None => Ok(std::mem::take(&mut self.own)),
            Some(hashing) => hashing.empty.recv().map_err(|_| Code::Io.into()),
        }
    }

    /// Gives back a `piece` whose first `filled` bytes were written, as they are.
    ///
    /// # Errors
    /// `Io` when the thread is gone.
    pub(super) fn written(&mut self, piece: Vec<u8>, filled: usize) -> Result<(), Refusal> {
        self.came += filled as u64;
        match &self.hashing {
            None => self.own = piece,
            Some(hashing) => {
                let sent = hashing.to_hash.send((piece, filled));
                sent.map_err(|_| Refusal::from(Code::Io))?;
            }
        }
        Ok(())
    }

    /// The last has come: `upload` has its digest back.
    ///
    /// # Errors
    /// `Io` when the thread is gone.
    pub(super) fn end(self, upload: &mut Upload) -> Result<(), Refusal> {
        if let Some(hashing) = self.hashing {
            upload.take_hasher_back(hashing.end()?);
        }
        Ok(())
    }
}

/// A thread that computes a digest. Dropped, it ends by itself.
#[derive(Debug)]
struct Hashing {
    to_hash: Sender<(Vec<u8>, usize)>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Hasher>,
}

impl Hashing {
    fn begin(hasher: Hasher) -> Result<Hashing, Refusal> {
        // There are so many pieces: neither channel ever holds more.
        let (to_hash, filled) = channel();
        let (to_fill, empty) = channel();
        for _ in 0..PIECES {
            to_fill
                .send(vec![0; PIECE])
                .map_err(|_| Refusal::from(Code::Io))?;
        }
        let thread = Builder::new()
            .stack_size(HASHING_STACK)
            .spawn(move || hash(hasher, &filled, &to_fill))
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        Ok(Hashing {
            to_hash,
            empty,
            thread,
        })
    }

    fn end(self) -> Result<Hasher, Refusal> {
        drop(self.to_hash);
        self.thread.join().map_err(|_| Code::Io.into())
    }
}

/// Computes until nothing more comes, and gives each piece back.
fn hash(
    mut hasher: Hasher,
    filled: &Receiver<(Vec<u8>, usize)>,
    to_fill: &Sender<Vec<u8>>,
) -> Hasher {
    for (piece, length) in filled {
        hasher.update(&piece[..length]);
        // Nobody takes it any more at the end.
        let _ = to_fill.send(piece);
    }
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Files;
    use crate::digest::{Kind, Value};
    use crate::library::{Library, Streamed};
    use crate::wire::path::RelPath;

    const BLOCK: &[u8] = b"0123456789abcdef";

    /// Uploads `size` bytes by way of `pieces`. Returns the digest, and whether it was computed beside.
    fn upload(mut pieces: Pieces, size: usize) -> (Option<Value>, bool) {
        let folder = tempfile::tempdir().expect("tempdir");
        let library = Library::open(folder.path(), Files::of_tests(), None).expect("library");
        let streamed = Streamed {
            digest: Some(Kind::Sha256),
            ..Streamed::default()
        };
        let path = RelPath::parse(b"file").expect("path");
        let mut upload = library.begin_streamed(&path, streamed).expect("begin");
        let mut at = 0;
        let mut bytes = BLOCK.iter().cycle();
        while at < size {
            let mut piece = pieces.next(&mut upload).expect("piece");
            let filled = piece.len().min(size - at);
            piece[..filled].fill_with(|| *bytes.next().unwrap_or(&0));
            upload.write(&piece[..filled]).expect("write");
            pieces.written(piece, filled).expect("hash");
            at += filled;
        }
        let beside = pieces.hashing.is_some();
        assert_eq!(upload.digest().is_none(), beside, "who has the digest");
        pieces.end(&mut upload).expect("end");
        let digest = upload.digest();
        upload.discard(&library);
        (digest, beside)
    }

    fn digest_of(size: usize) -> Option<Value> {
        let mut hasher = Hasher::new(Kind::Sha256);
        let bytes: Vec<u8> = BLOCK.iter().copied().cycle().take(size).collect();
        hasher.update(&bytes);
        Some(hasher.finish())
    }

    #[test]
    fn the_digest_is_the_same_wherever_it_is_computed() {
        let large = LARGE as usize;
        let rest = 2 * PIECES * PIECE + 1234;
        for (pieces, size, beside) in [
            (Pieces::new(10, 10), 10, false),
            // It might become large, and does not.
            (Pieces::new(PIECE, 0), large, false),
            (Pieces::new(PIECE, 0), large + rest, true),
            (Pieces::new(PIECE, LARGE), large, true),
            // Less comes than was said: the caller's to judge.
            (Pieces::new(PIECE, LARGE), 10, true),
            (Pieces::to_change(PIECE), large + rest, false),
        ] {
            assert_eq!(upload(pieces, size), (digest_of(size), beside), "{size}");
        }
    }

    #[test]
    fn what_was_written_before_is_in_the_digest_once() {
        // The thread takes over in the middle, from the first piece after the limit.
        let size = LARGE as usize + PIECE + 1;
        assert_eq!(
            upload(Pieces::new(PIECE - 1, 0), size),
            (digest_of(size), true)
        );
    }
}
