//! The bytes of a body on their way to the disk, with the digest of many computed beside. Run by a child.

use super::End;
use super::exchange::Exchange;
use super::incoming::{Incoming, Stop};
use crate::child::guest::Guest;
use crate::digest::Hasher;
use crate::error::{Code, Refusal};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Read from the connection and written to the disk at once.
pub(super) const PIECE: usize = 256 * 1024;
/// From here on it is worth a thread to compute the digest beside the writing.
const LARGE: u64 = 4 * 1024 * 1024;
/// Pieces that are there at once: read, written, or in the digest.
const PIECES: usize = 4;
/// All that thread does is hash.
const HASHING_STACK: usize = 256 * 1024;

/// Takes the whole body into `incoming`. `came` counts the bytes, also where it fails.
pub(super) fn receive(
    exchange: &mut Exchange<'_>,
    guest: &mut Guest,
    incoming: &mut Incoming,
    came: &mut u64,
) -> Result<(), Stop> {
    let length = exchange.connection.body_left();
    if length.is_some_and(|length| length >= LARGE)
        && let Some(hasher) = incoming.lend_hasher()
    {
        return receive_hashing(exchange, guest, incoming, came, hasher);
    }
    let most = usize::try_from(length.unwrap_or(u64::MAX)).unwrap_or(PIECE);
    let mut piece = vec![0; most.min(PIECE)];
    while take(exchange, guest, incoming, came, &mut piece)? > 0 {}
    Ok(())
}

fn receive_hashing(
    exchange: &mut Exchange<'_>,
    guest: &mut Guest,
    incoming: &mut Incoming,
    came: &mut u64,
    hasher: Hasher,
) -> Result<(), Stop> {
    // There are so many pieces: neither channel ever holds more.
    let (to_hash, filled) = channel::<(Vec<u8>, usize)>();
    let (to_fill, empty) = channel::<Vec<u8>>();
    for _ in 0..PIECES {
        to_fill.send(vec![0; PIECE]).map_err(|_| broken())?;
    }
    std::thread::scope(|scope| {
        let hashing = std::thread::Builder::new().stack_size(HASHING_STACK);
        let hashing = hashing
            .spawn_scoped(scope, move || hash(hasher, &filled, &to_fill))
            .map_err(End::from)?;
        let received = loop {
            let Ok(mut piece) = empty.recv() else {
                break Err(broken().into());
            };
            match take(exchange, guest, incoming, came, &mut piece) {
                Ok(0) => break Ok(()),
                Ok(got) if to_hash.send((piece, got)).is_ok() => {}
                Ok(_) => break Err(broken().into()),
                Err(stop) => break Err(stop),
            }
        };
        drop(to_hash);
        let hasher = hashing.join().map_err(|_| broken())?;
        incoming.take_hasher_back(hasher);
        received
    })
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

/// The digest cannot be computed.
fn broken() -> Refusal {
    Code::Io.into()
}

/// The next bytes, up to `piece` full of them. Returns how many; 0 at the end of the body.
fn take(
    exchange: &mut Exchange<'_>,
    guest: &mut Guest,
    incoming: &mut Incoming,
    came: &mut u64,
    piece: &mut [u8],
) -> Result<usize, Stop> {
    let (filled, end) = fill(exchange, guest, piece);
    *came += filled as u64;
    incoming.write(guest, &piece[..filled])?;
    match end {
        Some(end) => Err(end.into()),
        None => Ok(filled),
    }
}

/// Fills `piece` from the body as far as the guest's pace lets it. Returns how many bytes came, fewer than there is room for at its end
/// alone; and why it ends before, if it does.
pub(super) fn fill(
    exchange: &mut Exchange<'_>,
    guest: &mut Guest,
    piece: &mut [u8],
) -> (usize, Option<End>) {
    let most = guest.uploads.piece(piece.len());
    let mut filled = 0;
    let mut end = None;
    while filled < most {
        match exchange.connection.read_body(&mut piece[filled..most]) {
            Ok(0) => break,
            Ok(came) => filled += came,
            Err(why) => {
                end = Some(why);
                break;
            }
        }
    }
    let slot = exchange.connection.slot();
    guest.uploads.take(filled).run(slot);
    (filled, end)
}
