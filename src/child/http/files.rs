//! GET and HEAD of a file: whole or in part, as it is, by sendfile. Run by a child.

use super::exchange::Exchange;
use super::reply::{Length, Reply};
use super::{End, Handled};
use crate::child::guest::{Guest, Transfer};
use crate::error::{Code, Refusal};
use crate::rights::Operation;
use crate::wire::name;
use crate::wire::path::RelPath;

pub(super) fn get(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    let opened = guest
        .allow(Operation::Get)
        .and_then(|()| guest.library.open_file(path));
    let file = match opened {
        Ok(file) => file,
        Err(refusal) => {
            let shown = name::encode(path.as_bytes());
            guest.log_transfer("get", &shown, &Err(refusal.clone()));
            return exchange.refuse(&refusal);
        }
    };
    let size = file.facts().size;
    let reply = Reply::new(200).field("Content-Type", "application/octet-stream");
    if !exchange.begin(reply, Length::Known(size))? {
        return Ok(());
    }
    let mut at = 0;
    while at < size {
        let left = usize::try_from(size - at).unwrap_or(usize::MAX);
        let piece = guest.downloads.piece(left);
        guest.downloads.take(piece).run(exchange.connection.slot());
        let output = &mut exchange.connection.stream.output;
        match output.send_file(file.fd(), at, piece)? {
            Ok(sent) if sent == piece => at += sent as u64,
            Ok(_) => return Err(cut(Code::Changed.into())),
            Err(errno) => return Err(cut(errno.into())),
        }
    }
    let result = Ok(Transfer {
        bytes: size,
        digest_kind: "",
        digest: None,
    });
    guest.log_transfer("get", &name::encode(path.as_bytes()), &result);
    Ok(())
}

/// An answer cannot be taken back: the client sees by its length that it is not whole.
fn cut(refusal: Refusal) -> End {
    End::HangUp(refusal)
}
