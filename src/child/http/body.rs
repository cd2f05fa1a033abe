//! The bytes of a body on their way to the disk. Run by a child.

use super::End;
use super::exchange::Exchange;
use super::incoming::{Incoming, Stop};
use crate::child::guest::Guest;
use crate::child::pieces::{PIECE, Pieces};

/// Takes the whole body into `incoming`. `came` counts the bytes, also where it fails.
pub(super) fn receive(
    exchange: &mut Exchange<'_>,
    guest: &mut Guest,
    incoming: &mut Incoming,
    came: &mut u64,
) -> Result<(), Stop> {
    let length = exchange.connection.body_left();
    let most = usize::try_from(length.unwrap_or(u64::MAX)).unwrap_or(PIECE);
    let mut pieces = Pieces::new(most.min(PIECE), length.unwrap_or(0));
    loop {
        let mut piece = pieces.next(incoming.upload())?;
        let (filled, end) = fill(exchange, guest, &mut piece);
        *came += filled as u64;
        incoming.write(guest, &piece[..filled])?;
        pieces.written(piece, filled)?;
        match end {
            Some(end) => return Err(end.into()),
            None if filled == 0 => break,
            None => {}
        }
    }
    Ok(pieces.end(incoming.upload())?)
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
