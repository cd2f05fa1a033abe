//! The bytes of an upload on their way from the data connection to the disk, and what their end says. Run by a child.

use super::End;
use super::control::Control;
use super::data::{self, Connection, Direction, Farewell, Stop};
use super::line::Line;
use crate::child::guest::Guest;
use crate::child::pieces::{PIECE, Pieces};
use crate::child::quota::Reserved;
use crate::config::{Goodbye, OnHangup};
use crate::library::Upload;
use crate::sys::net;
use crate::sys::process::monotonic_millis;
use crate::wire::ftp::ascii::Converter;
use crate::wire::ftp::command::Type;

/// What a client that dies has its connections closed within of each other, beyond two round trips, in milliseconds; and the
/// longest that is waited for it. Of 200 clients that were killed the second end was there within a quarter of a millisecond.
const MOMENT: u64 = 2;
const LONGEST_MOMENT: u64 = 50;
/// How long it is waited for the rest of what a client sent that has gone, in milliseconds.
const REST: u64 = 1000;

/// What the end of an upload leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It is whole.
    Whole,
    /// It is whole if the client is still there at that moment, on the monotonic clock, in milliseconds.
    PresentUntil(u64),
}

/// Where the bytes of an upload go, and what is counted of them.
pub(super) struct Intake<'a> {
    pub(super) guest: &'a mut Guest,
    pub(super) upload: &'a mut Upload,
    pub(super) reserved: &'a mut Reserved,
    /// What ALLO said of them.
    pub(super) announced: Option<u64>,
    pub(super) came: &'a mut u64,
}

impl Intake<'_> {
    /// From the data connection, of which `ready` tells the client, to what can be said about its end.
    pub(super) fn receive(mut self, line: &mut Line<'_>, ready: &[u8]) -> Result<Evidence, Stop> {
        let mut connection = line.open_data(Direction::FromClient, ready)?;
        let kind = line.kind;
        let control = &mut line.control;
        self.take(&mut connection, control, kind)?;
        let farewell = connection.farewell();
        // Some wait for ours before they close, others have gone: they have nothing to hear (RFC 5246, section 7.2.1).
        let _ = connection.finish(control);
        let came = *self.came;
        if self.announced.is_some_and(|announced| came < announced) {
            let what = format!("{came} bytes came, and ALLO announced more");
            return Err(Stop::Broken(what));
        }
        match farewell {
            Some(Farewell::Said) => return Ok(Evidence::Whole),
            Some(Farewell::Torn) => {
                let what = "TLS was cut in the middle of a record".to_owned();
                return Err(Stop::Broken(what));
            }
            Some(Farewell::Missing) if line.world.listen.ftp.goodbye == Goodbye::Require => {
                let what = "TLS did not say that this was the end (close_notify)".to_owned();
                return Err(Stop::Broken(what));
            }
            _ => {}
        }
        if self.announced == Some(came) || self.guest.grant.on_hangup == OnHangup::Publish {
            return Ok(Evidence::Whole);
        }
        // Of the control connection: that of the other is as long as what stood in its buffers.
        let round_trip = net::round_trip(line.control.fd())
            .unwrap_or(0)
            .div_ceil(1000);
        let moment = (2 * round_trip + MOMENT).min(LONGEST_MOMENT);
        Ok(Evidence::PresentUntil(monotonic_millis() + moment))
    }

    /// Takes all that comes, up to the client's end.
    fn take(
        &mut self,
        connection: &mut Connection,
        control: &mut Control,
        kind: Type,
    ) -> Result<(), Stop> {
        let mut text = Text::new(kind);
        let mut pieces = match text {
            Text::Bytes => Pieces::new(PIECE, self.announced.unwrap_or(0)),
            Text::Lines(..) => Pieces::to_change(PIECE),
        };
        loop {
            let mut piece = pieces.next(self.upload)?;
            let most = self.guest.uploads.piece(piece.len());
            let (filled, stop) = fill(connection, control, &mut piece[..most]);
            self.count(filled, control);
            self.write(text.of(&piece[..filled]))?;
            pieces.written(piece, filled)?;
            let stop = match stop {
                // Its bytes may come without a pause: nobody has looked meanwhile.
                None if filled == most => data::attend(control).err(),
                stop => stop,
            };
            match stop {
                None if filled < most => break,
                None => {}
                Some(stop) => {
                    if let Stop::Over(End::Lost(_)) = stop {
                        self.take_rest(connection, &mut text)?;
                    }
                    return Err(stop);
                }
            }
        }
        self.write(text.end())?;
        Ok(pieces.end(self.upload)?)
    }

    /// The client is gone, but not all that it has sent: the more is kept, the less it has to send again.
    fn take_rest(&mut self, connection: &mut Connection, text: &mut Text) -> Result<(), Stop> {
        let mut piece = vec![0; PIECE];
        let until = monotonic_millis() + REST;
        while monotonic_millis() < until
            && let Some(got) = connection.receive_rest(&mut piece)
        {
            *self.came += got as u64;
            self.write(text.of(&piece[..got]))?;
        }
        Ok(())
    }

    /// So many bytes came; more may come when they are paid for.
    fn count(&mut self, came: usize, control: &Control) {
        *self.came += came as u64;
        self.guest.uploads.take(came).run(control.slot());
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let end = self.upload.written() + bytes.len() as u64;
        self.guest.grow(self.reserved, end)?;
        Ok(self.upload.write(bytes)?)
    }
}

/// What comes, as it is to be stored.
enum Text {
    Bytes,
    Lines(Converter, Vec<u8>),
}

impl Text {
    fn new(kind: Type) -> Text {
        match kind {
            Type::Image => Text::Bytes,
            Type::Ascii => Text::Lines(Converter::new(), Vec::new()),
        }
    }

    fn of<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        match self {
            Text::Bytes => bytes,
            Text::Lines(converter, converted) => {
                converted.clear();
                converter.from_wire(bytes, converted);
                converted
            }
        }
    }

    /// What was held back for what might have followed.
    fn end(&mut self) -> &[u8] {
        match self {
            Text::Bytes => b"",
            Text::Lines(converter, converted) => {
                converted.clear();
                converter.finish(converted);
                converted
            }
        }
    }
}

/// Reads until `into` is full: whole pieces cost the disk's cache less. How many bytes there are, fewer at the end; and why there
/// are no more, if that is not the end.
fn fill(
    connection: &mut Connection,
    control: &mut Control,
    into: &mut [u8],
) -> (usize, Option<Stop>) {
    let mut filled = 0;
    while filled < into.len() {
        match connection.receive(control, &mut into[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(stop) => return (filled, Some(stop)),
        }
    }
    (filled, None)
}
