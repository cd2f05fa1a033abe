//! The hello and the proof of the shared secret, before anything else is heard. Run by a child, which holds no secret and
//! no library: both are the broker's, and the second is given out at the end of this.

use super::{End, Fail, Line};
use crate::child::ask::{Admitted, Broker, Unanswered};
use crate::error::{Code, Refusal};
use crate::wire::drive::{Proved, letter};

impl From<Unanswered> for Fail {
    fn from(why: Unanswered) -> Fail {
        match why {
            Unanswered::Refused(refusal) => Fail::Refuse(refusal),
            Unanswered::Gone(reason) => Fail::End(End::Lost(reason)),
        }
    }
}

/// Says hello, hears the proof if one is wanted, and returns what the client may do. Every refusal here ends the session: one attempt.
pub(super) fn run(line: &mut Line, broker: Broker) -> Result<Admitted, Fail> {
    let (hello, entry) = broker.hear_hello()?;
    line.writer.bytes(letter::HELLO, hello.as_bytes())?;
    line.writer.flush()?;
    if let Some(entry) = entry {
        return Ok(entry);
    }
    let Some(header) = line.reader.header()? else {
        return Err(Fail::End(End::Goodbye));
    };
    if header.letter != letter::PROVE {
        let what = "the shared secret has to be proved first";
        return Err(Refusal::new(Code::Proof, what).into());
    }
    let (proof, entry) = broker.ask_prove(line.request(header)?)?;
    line.writer.json(letter::OK, &Proved { proof })?;
    entry.ok_or_else(|| Code::Login.into())
}
