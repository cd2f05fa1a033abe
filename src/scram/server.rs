//! The server's half of a login. Run by the broker on what a stranger wrote; the reasons it gives are for the log, never
//! for the stranger.

use super::words::{
    attribute, bounded, client_nonce, decode, decode_key, encode, extensions, unescape, user_name,
};
use super::{BINDING_FLAG, Binding, Verifier, hash, hmac, transcript, xor};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// The client's first message, understood.
#[derive(Clone, PartialEq, Eq)]
pub struct FirstMessage {
    user: String,
    nonce: String,
    /// The message without its header.
    bare: String,
    /// What the client's last message has to bind to: the header, and the channel's own bytes when it said `p=`.
    binding: Vec<u8>,
}

impl fmt::Debug for FirstMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstMessage")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl FirstMessage {
    /// Reads client-first-message (RFC 5802, section 7). `binding` is what the server's end of the channel has.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub fn parse(text: &str, binding: Binding<'_>) -> Result<FirstMessage, String> {
        bounded(text)?;
        let mut header = text.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(bare)) = (header.next(), header.next(), header.next())
        else {
            return Err("no header of a client's first message".into());
        };
        let channel = match (flag, binding) {
            (BINDING_FLAG, Binding::Exporter(exporter)) => exporter,
            (BINDING_FLAG, Binding::None) => {
                return Err("bound to a TLS channel, and this is none".into());
            }
            ("n", _) | ("y", Binding::None) => &[],
            // Our offer had it: somebody between us took it out (RFC 5802, section 6).
            ("y", Binding::Exporter(_)) => {
                return Err("the client was not shown the offer of channel binding".into());
            }
            _ if flag.starts_with("p=") => return Err("an unknown type of channel binding".into()),
            _ => return Err("an unknown header".into()),
        };
        if !authzid.is_empty() {
            return Err("nobody acts for another here: no a=".into());
        }
        let mut parts = bare.split(',');
        let user = user_name(&unescape(attribute('n', parts.next())?)?)?;
        let nonce = attribute('r', parts.next())?;
        client_nonce(nonce)?;
        extensions(parts)?;
        Ok(FirstMessage {
            user,
            nonce: nonce.to_owned(),
            binding: [flag.as_bytes(), b",,", channel].concat(),
            bare: bare.to_owned(),
        })
    }

    /// Who the client says it is, in the one form of names (`user_name`). Nothing is proved yet.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }
}

/// A login whose last message is awaited.
pub struct ServerLogin {
    first: FirstMessage,
    verifier: Verifier,
    nonce: String,
    /// What was answered to the first message.
    said: String,
}

impl fmt::Debug for ServerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLogin")
            .field("user", &self.first.user)
            .finish_non_exhaustive()
    }
}

impl ServerLogin {
    /// Answers the first message with server-first-message. `nonce` is fresh from the kernel; for an unknown user the verifier
    /// is `Verifier::mock`.
    #[must_use]
    pub fn challenge(
        first: FirstMessage,
        verifier: Verifier,
        nonce: &[u8; 32],
    ) -> (ServerLogin, String) {
        ServerLogin::challenge_with(first, verifier, &encode(nonce))
    }

    pub(super) fn challenge_with(
        first: FirstMessage,
        verifier: Verifier,
        nonce: &str,
    ) -> (ServerLogin, String) {
        let nonce = format!("{}{nonce}", first.nonce);
        let said = format!(
            "r={nonce},s={},i={}",
            encode(&verifier.salt),
            verifier.iterations
        );
        let login = ServerLogin {
            first,
            verifier,
            nonce,
            said: said.clone(),
        };
        (login, said)
    }

    /// Reads client-final-message, and answers it with server-final-message when the password was right. One attempt: the login is
    /// used up.
    ///
    /// # Errors
    /// What is wrong, for the log; the client hears that the login failed, and no more.
    pub fn finish(self, client_final: &str) -> Result<String, String> {
        bounded(client_final)?;
        let (without_proof, proof) = client_final
            .rsplit_once(",p=")
            .ok_or("a last message without proof")?;
        let mut parts = without_proof.split(',');
        let bound = decode(attribute('c', parts.next())?, "the channel binding")?;
        let nonce = attribute('r', parts.next())?;
        extensions(parts)?;
        let proof = decode_key(proof, "the proof")?;
        if nonce != self.nonce {
            return Err("the nonce is not the one that was given out".into());
        }
        if bound != self.first.binding {
            return Err("bound to another channel".into());
        }
        let signed = transcript(&self.first.bare, &self.said, without_proof);
        let client_key = xor(&proof, &hmac(&self.verifier.stored_key, &signed));
        if !bool::from(hash(&client_key).ct_eq(&self.verifier.stored_key)) {
            return Err("wrong password, or no such user".into());
        }
        let signature = hmac(&self.verifier.server_key, &signed);
        Ok(format!("v={}", encode(&signature)))
    }
}
