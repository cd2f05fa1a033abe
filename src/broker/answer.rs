//! What the broker says to a child: the hello as soon as there is a client, and one answer to one question. A question out
//! of phase, or one that cannot be read, ends the child's channel, and nothing else.

use super::keys::Keys;
use super::sign;
use crate::config::Files;
use crate::digest::Kind;
use crate::error::Code;
use crate::ipc::{Answer, Ask, Client, Grant, MOST_SIGNATURES, Phase};
use crate::proof::{self, Mac, NONCE, Role, Transcript};
use crate::wire::drive::{COMMANDS, Hello, Limits, PROTOCOL};
use crate::wire::frame::{MAX_CONTROL, MAX_DATA};

/// One child, as the broker knows it.
#[derive(Debug)]
pub(super) struct Dealing {
    phase: Phase,
    /// The hello that was given out.
    hello: Vec<u8>,
    /// The client of a handshake that is not over.
    securing: Option<Client>,
    /// Signatures that were given out.
    signatures: u32,
    /// The name of the client's TLS channel (RFC 9266); empty without TLS.
    exporter: Vec<u8>,
}

/// An answer, or why the channel ends.
pub(super) type Reply = Result<Answer, &'static str>;

impl Dealing {
    pub(super) fn new() -> Dealing {
        Dealing {
            phase: Phase::Waiting,
            hello: Vec::new(),
            securing: None,
            signatures: 0,
            exporter: Vec::new(),
        }
    }

    /// What is said to a child whose client has come: the hello, but to one that speaks TLS nothing yet.
    pub(super) fn meet(&mut self, keys: &Keys, client: &Client) -> Option<Reply> {
        if self.phase != Phase::Waiting {
            return Some(Err("a second client"));
        }
        if !client.tls {
            return Some(self.greet(keys, client));
        }
        self.phase = Phase::Securing;
        self.securing = Some(*client);
        None
    }

    /// The hello.
    fn greet(&mut self, keys: &Keys, client: &Client) -> Reply {
        let proof = client.proof;
        if proof && keys.secret.is_none() {
            return Err("a proof is wanted, and there is no secret");
        }
        let nonce = proof::nonce().map_err(|_| "the kernel has no randomness")?;
        let macs: &[&str] = if proof {
            &["hmac-sha256", "hmac-md5"]
        } else {
            &[]
        };
        let hello = Hello {
            protocol: PROTOCOL.into(),
            nonce: hex::encode(nonce),
            macs: macs.iter().map(|mac| (*mac).to_owned()).collect(),
            login: client.login.as_str().into(),
            mechanisms: Vec::new(),
            digests: Kind::ALL.to_vec(),
            commands: COMMANDS.into(),
            limits: Limits {
                control: MAX_CONTROL as u32,
                data: MAX_DATA as u32,
                idle: keys.config.idle_seconds,
            },
        };
        let payload = serde_json::to_string(&hello).map_err(|_| "the hello cannot be written")?;
        self.hello = payload.clone().into_bytes();
        self.phase = if proof {
            Phase::Challenged
        } else {
            Phase::Over
        };
        let entry = (!proof).then(|| self.anonymous(keys));
        Ok(Answer::Hello { payload, entry })
    }

    /// What somebody may do who did not log in.
    fn anonymous(&self, keys: &Keys) -> Grant {
        let account = &keys.config.anonymous;
        Grant {
            user: None,
            rights: account.rights,
            files: Files {
                largest_file: account.largest_file.or(keys.config.files.largest_file),
                umask: account.umask.unwrap_or(keys.config.files.umask),
                ..keys.config.files
            },
            upload_rate: account.upload_rate,
            download_rate: account.download_rate,
            quota: account.quota.is_some() || account.quota_files.is_some(),
        }
    }

    /// Answers `question`.
    pub(super) fn answer(&mut self, keys: &Keys, question: Ask) -> Reply {
        match (self.phase, question) {
            (
                Phase::Securing,
                Ask::Sign {
                    leaf,
                    scheme,
                    handshake,
                },
            ) => {
                self.signatures += 1;
                if self.signatures > MOST_SIGNATURES {
                    return Err("one signature too many");
                }
                let signature = keys.tls.sign(&leaf, scheme, &handshake)?;
                Ok(Answer::Signed { signature })
            }
            (Phase::Securing, Ask::Secured { exporter }) => {
                self.exporter = sign::exporter(&exporter)?;
                let client = self.securing.take().ok_or("no client")?;
                self.greet(keys, &client)
            }
            (Phase::Challenged, Ask::Prove { nonce, mac, proof }) => {
                // One attempt: whatever comes of it, this phase is over.
                self.phase = Phase::Over;
                self.answer_prove(keys, &nonce, mac, &proof)
            }
            _ => Err("a question out of its phase"),
        }
    }

    fn answer_prove(&self, keys: &Keys, nonce: &str, mac: Mac, given: &str) -> Reply {
        let refused = |code: Code, message: &str| {
            let message = message.to_owned();
            Ok(Answer::Refused { code, message })
        };
        let secret = keys.secret.as_ref().ok_or("a proof, and no secret")?;
        let mut client_nonce = [0; NONCE];
        if hex::decode_to_slice(nonce, &mut client_nonce).is_err() {
            return refused(Code::Request, "the nonce is not 32 bytes in hexadecimal");
        }
        let seen = Transcript {
            hello: &self.hello,
            client_nonce: &client_nonce,
            channel: &self.exporter,
        };
        match hex::decode(given) {
            Ok(given) if seen.verify(secret, Role::Client, mac, &given) => {}
            _ => return refused(Code::Proof, Code::Proof.text()),
        }
        let proof = hex::encode(seen.prove(secret, Role::Server, mac));
        let entry = Some(self.anonymous(keys));
        Ok(Answer::Proved { proof, entry })
    }
}
