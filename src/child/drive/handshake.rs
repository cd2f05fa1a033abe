//! The hello and the proof of the shared secret, before anything else is heard. Run by a child.

use super::{End, Fail, Handled, Session, commands};
use crate::digest::Kind;
use crate::error::{Code, Refusal};
use crate::proof::{self, Mac, NONCE, Role, Transcript};
use crate::wire::drive::{Hello, Limits, PROTOCOL, Prove, Proved, letter};
use crate::wire::frame::{MAX_CONTROL, MAX_DATA};

/// Says hello, and hears the proof if this listener wants one. Every refusal here ends the session: one attempt.
pub(super) fn run(session: &mut Session<'_>, proof: bool) -> Handled {
    let nonce =
        proof::nonce().map_err(|error| Fail::End(End::Lost(format!("no randomness: {error}"))))?;
    let secret = session.config.secret.as_ref().filter(|_| proof);
    if proof && secret.is_none() {
        return Err(Fail::End(End::Lost(
            "a proof is wanted, and there is no secret to check it by".into(),
        )));
    }
    let hello = Hello {
        protocol: PROTOCOL.into(),
        nonce: hex::encode(nonce),
        macs: if proof {
            vec!["hmac-sha256".into(), "hmac-md5".into()]
        } else {
            Vec::new()
        },
        login: "none".into(),
        digests: Kind::ALL.to_vec(),
        commands: commands(),
        limits: Limits {
            control: MAX_CONTROL as u32,
            data: MAX_DATA as u32,
            idle: session.config.idle_seconds,
        },
    };
    let payload =
        serde_json::to_vec(&hello).map_err(|error| Fail::End(End::Lost(error.to_string())))?;
    session.writer.bytes(letter::HELLO, &payload)?;
    session.writer.flush()?;
    let Some(secret) = secret else { return Ok(()) };

    let unproved = |what: &str| Refusal::new(Code::Proof, what);
    let Some(header) = session.reader.header()? else {
        return Err(Fail::End(End::Goodbye));
    };
    if header.letter != letter::PROVE {
        return Err(unproved("the shared secret has to be proved first").into());
    }
    let prove: Prove = session.request(header)?;
    let mut client_nonce = [0; NONCE];
    if hex::decode_to_slice(&prove.nonce, &mut client_nonce).is_err() {
        return Err(Refusal::new(Code::Request, "the nonce is not 32 bytes in hexadecimal").into());
    }
    let given = hex::decode(&prove.proof).map_err(|_| unproved(Code::Proof.text()))?;
    let seen = Transcript {
        hello: &payload,
        client_nonce: &client_nonce,
        channel: b"",
    };
    let mac: Mac = prove.mac;
    if !seen.verify(secret, Role::Client, mac, &given) {
        return Err(unproved(Code::Proof.text()).into());
    }
    session.writer.json(
        letter::OK,
        &Proved {
            proof: hex::encode(seen.prove(secret, Role::Server, mac)),
        },
    )?;
    Ok(())
}
