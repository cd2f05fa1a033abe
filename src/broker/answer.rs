//! What the broker says to a child: the hello as soon as there is a client, and one answer to each question. A question out
//! of phase, or one that cannot be read, ends the child's channel, and nothing else.

use super::desk::{self, Desk};
use super::done::Telling;
use super::hasher::Work;
use super::inside::Inside;
use super::login::{Attempt, Passed, Wanted};
use super::{quota, sign};
use crate::config::{Encryption, Login, Protocol};
use crate::digest::Kind;
use crate::error::{Code, Refusal};
use crate::ipc::{
    Answer, Ask, Client, Grant, Handshake, LOGIN_ATTEMPTS, MOST_SIGNATURES, Phase, SessionId,
};
use crate::proof::{self, Mac, NONCE, Role, Transcript};
use crate::sys::process::monotonic_millis;
use crate::wire::drive::{COMMANDS, Hello, Limits, PROTOCOL};
use crate::wire::frame::{MAX_CONTROL, MAX_DATA};
use std::os::fd::OwnedFd;

/// One child, as the broker knows it.
#[derive(Debug)]
pub(super) struct Dealing {
    pub(super) session: SessionId,
    pub(super) phase: Phase,
    pub(super) client: Option<Client>,
    /// The hello that was given out.
    hello: Vec<u8>,
    /// Signatures that were given out.
    signatures: u32,
    /// The name of the client's TLS channel (RFC 9266); empty without TLS.
    pub(super) exporter: Vec<u8>,
    /// A login under way.
    pub(super) attempt: Option<Attempt>,
    pub(super) failures: u32,
    /// Whether the client speaks TLS with the proxy it comes by, if it does.
    pub(super) proxied: Option<bool>,
    /// Who is in.
    pub(super) inside: Option<Inside>,
    /// What it said of what it did.
    pub(super) telling: Telling,
}

/// A signature for a handshake by the server's key.
fn sign_for(desk: &Desk, leaf: &str, scheme: u16, handshake: &Handshake) -> Outcome {
    match desk.keys.tls.sign(leaf, scheme, handshake) {
        Ok(signature) => Reply::from(Answer::Signed { signature }).into(),
        Err(why) => Outcome::CutOff(why),
    }
}

/// What is said to a child.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) descriptors: Vec<OwnedFd>,
    /// How long it is held back, in milliseconds.
    pub(super) delay: u64,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Reply {
        Reply {
            answer,
            descriptors: Vec::new(),
            delay: 0,
        }
    }
}

impl Reply {
    pub(super) fn refused(code: Code, message: &str) -> Reply {
        let message = message.to_owned();
        Answer::Refused { code, message }.into()
    }
}

/// What comes of a question.
#[derive(Debug)]
pub(super) enum Outcome {
    Say(Reply),
    /// It was heard, and there is nothing to say.
    Nothing,
    /// A password has to be hashed first, elsewhere: `Dealing::hashed` follows.
    Hash(Box<Work>),
    /// The channel ends.
    CutOff(&'static str),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Outcome {
        Outcome::Say(reply)
    }
}

/// What was to be done is, or why not.
impl From<Result<(), Refusal>> for Outcome {
    fn from(done: Result<(), Refusal>) -> Outcome {
        match done {
            Ok(()) => Reply::from(Answer::Noted).into(),
            Err(refusal) => Reply::refused(refusal.code, &refusal.message).into(),
        }
    }
}

impl Dealing {
    pub(super) fn new(session: SessionId) -> Dealing {
        Dealing {
            session,
            phase: Phase::Waiting,
            client: None,
            hello: Vec::new(),
            signatures: 0,
            exporter: Vec::new(),
            attempt: None,
            failures: 0,
            proxied: None,
            inside: None,
            telling: Telling::default(),
        }
    }

    /// What is said to a child whose client has come: the hello, but to one that speaks TLS nothing yet.
    pub(super) fn meet(&mut self, desk: &mut Desk, client: Client) -> Option<Outcome> {
        if self.phase != Phase::Waiting {
            return Some(Outcome::CutOff("a second client"));
        }
        self.client = Some(client);
        if client.tls == Encryption::Implicit {
            self.phase = Phase::Securing;
            return None;
        }
        match client.protocol {
            Protocol::Drive => Some(self.greet(desk, client)),
            // The first word is the child's, and needs nothing from here.
            Protocol::Ftp | Protocol::Http => {
                self.phase = Phase::Login;
                None
            }
        }
    }

    /// The hello.
    fn greet(&mut self, desk: &mut Desk, client: Client) -> Outcome {
        if client.proof && desk.keys.secret.is_none() {
            return Outcome::CutOff("a proof is wanted, and there is no secret");
        }
        let Ok(nonce) = proof::nonce() else {
            return Outcome::CutOff("the kernel has no randomness");
        };
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let hello = Hello {
            protocol: PROTOCOL.into(),
            nonce: hex::encode(nonce),
            macs: names(if client.proof {
                &["hmac-sha256", "hmac-md5"]
            } else {
                &[]
            }),
            login: client.login.as_str().into(),
            mechanisms: names(match client.login {
                Login::None => &[],
                _ if self.exporter.is_empty() => &["SCRAM-SHA-256"],
                _ => &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"],
            }),
            digests: Kind::ALL.to_vec(),
            commands: COMMANDS.into(),
            limits: Limits {
                control: MAX_CONTROL as u32,
                data: MAX_DATA as u32,
                idle: desk.keys.config.idle_seconds,
            },
        };
        let Ok(payload) = serde_json::to_string(&hello) else {
            return Outcome::CutOff("the hello cannot be written");
        };
        self.hello = payload.clone().into_bytes();
        if client.proof {
            self.phase = Phase::Challenged;
            return Reply::from(Answer::Hello {
                payload,
                entry: None,
            })
            .into();
        }
        self.past_the_proof(desk, client, |entry| Answer::Hello { payload, entry })
    }

    /// Answers `question`.
    pub(super) fn answer(
        &mut self,
        desk: &mut Desk,
        question: Ask,
        brought: Vec<OwnedFd>,
    ) -> Outcome {
        let Some(client) = self.client else {
            return Outcome::CutOff("a question, and no client");
        };
        if !brought.is_empty() && !matches!(question, Ask::Give { .. }) {
            return Outcome::CutOff("a descriptor that nobody asked for");
        }
        let is_plain = self.exporter.is_empty();
        // Once: what was secured is not secured again.
        let secures = match self.phase {
            Phase::Securing => true,
            Phase::Login => {
                is_plain && matches!(client.tls, Encryption::Optional | Encryption::Required)
            }
            _ => false,
        };
        match (self.phase, question) {
            (
                _,
                Ask::Sign {
                    leaf,
                    scheme,
                    handshake,
                },
            ) if secures => {
                self.signatures += 1;
                if self.signatures > MOST_SIGNATURES {
                    return Outcome::CutOff("one signature too many");
                }
                sign_for(desk, &leaf, scheme, &handshake)
            }
            (
                Phase::In,
                Ask::Sign {
                    leaf,
                    scheme,
                    handshake,
                },
            ) if client.signs_data && !is_plain => sign_for(desk, &leaf, scheme, &handshake),
            (_, Ask::Secured { exporter }) if secures => match sign::exporter(&exporter) {
                Ok(exporter) => {
                    self.exporter = exporter;
                    match client.protocol {
                        Protocol::Drive => self.greet(desk, client),
                        Protocol::Ftp | Protocol::Http => {
                            self.phase = Phase::Login;
                            Reply::from(Answer::Noted).into()
                        }
                    }
                }
                Err(why) => Outcome::CutOff(why),
            },
            (Phase::Login, Ask::Password { .. } | Ask::Anonymous)
                if client.tls == Encryption::Required && is_plain =>
            {
                Outcome::CutOff("a login without TLS where none may be")
            }
            (Phase::Challenged, Ask::Prove { nonce, mac, proof }) => {
                // One attempt: whatever comes of it, this phase is over.
                self.phase = Phase::Over;
                self.answer_prove(desk, client, &nonce, mac, &proof)
            }
            (Phase::Login, Ask::LoginFirst { message }) => self.answer_first(desk, &message),
            (Phase::Answering, Ask::LoginFinal { message }) => {
                self.answer_final(desk, client, &message)
            }
            (Phase::Login, Ask::Password { user, password }) => {
                self.check_password(desk, client, user, password, Wanted::Library)
            }
            (Phase::Login, Ask::Forwarded { address, secure }) => {
                self.answer_forwarded(desk, address, secure)
            }
            (
                Phase::Login | Phase::In,
                Ask::SignIn {
                    user,
                    password,
                    old,
                },
            ) => self.answer_sign_in(desk, client, user, password, old),
            (Phase::Login | Phase::In, Ask::Session { token }) => {
                self.answer_session(desk, client, &token)
            }
            (Phase::Login | Phase::In, Ask::SignOut { token, everywhere })
                if client.protocol == Protocol::Http =>
            {
                self.answer_sign_out(desk, client, &token, everywhere)
            }
            (Phase::Login, Ask::Anonymous) => self.answer_anonymous(desk, client),
            (
                Phase::Login | Phase::In,
                question @ (Ask::ShareNew { .. }
                | Ask::Shares { .. }
                | Ask::ShareEnd { .. }
                | Ask::ShareOpen { .. }),
            ) if client.protocol == Protocol::Http => self.answer_sharing(desk, client, question),
            (Phase::In, Ask::Give { drop_box }) => self.answer_give(desk, drop_box, &brought),
            (Phase::In, question @ (Ask::Commands { .. } | Ask::Run { .. })) => {
                self.answer_commands(desk, &client, question)
            }
            (phase, question @ (Ask::PathPart { .. } | Ask::Begun { .. } | Ask::Done(_)))
                if phase == Phase::In || self.telling.lent.is_some() =>
            {
                self.hear_deed(desk, &client, question)
            }
            (Phase::In, Ask::Reserve { bytes, files }) => self.answer_reserve(desk, bytes, files),
            (
                Phase::In,
                Ask::Spent {
                    reserved_bytes,
                    reserved_files,
                    bytes,
                    files,
                },
            ) => {
                let reserved = quota::Amount {
                    bytes: reserved_bytes,
                    files: reserved_files,
                };
                self.answer_spent(desk, reserved, bytes, files)
            }
            _ => Outcome::CutOff("a question out of its phase"),
        }
    }

    fn answer_prove(
        &mut self,
        desk: &mut Desk,
        client: Client,
        nonce: &str,
        mac: Mac,
        given: &str,
    ) -> Outcome {
        let Some(secret) = &desk.keys.secret else {
            return Outcome::CutOff("a proof, and no secret");
        };
        let mut client_nonce = [0; NONCE];
        if hex::decode_to_slice(nonce, &mut client_nonce).is_err() {
            let what = "the nonce is not 32 bytes in hexadecimal";
            return Reply::refused(Code::Request, what).into();
        }
        let seen = Transcript {
            hello: &self.hello,
            client_nonce: &client_nonce,
            channel: &self.exporter,
        };
        let proved = match hex::decode(given) {
            Ok(given) => seen.verify(secret, Role::Client, mac, &given),
            Err(_) => false,
        };
        let (source, now, limits) = (client.peer.source(), monotonic_millis(), desk.limits());
        if !proved || desk.throttle.is_banned(source, limits, now) {
            let mut reply = Reply::refused(Code::Proof, Code::Proof.text());
            reply.delay = desk.throttle.failed(source, None, limits, now);
            return reply.into();
        }
        let proof = hex::encode(seen.prove(secret, Role::Server, mac));
        self.past_the_proof(desk, client, |entry| Answer::Proved { proof, entry })
    }

    /// Lets the client in, or has it log in; `say` makes the answer of what it may do already.
    fn past_the_proof(
        &mut self,
        desk: &mut Desk,
        client: Client,
        say: impl FnOnce(Option<Grant>) -> Answer,
    ) -> Outcome {
        if client.login != Login::None {
            self.phase = Phase::Login;
            return Reply::from(say(None)).into();
        }
        self.let_in(desk, client, None, |entry| say(Some(entry)))
    }

    fn answer_anonymous(&mut self, desk: &mut Desk, client: Client) -> Outcome {
        if client.login == Login::Required {
            return Reply::refused(Code::Login, "log in first").into();
        }
        self.let_in(desk, client, None, |entry| Answer::Welcome {
            message: None,
            entry,
        })
    }

    /// Who is in, if they have a name.
    pub(super) fn user(&self) -> Option<&String> {
        self.inside.as_ref()?.name.as_ref()
    }

    /// True when what the client says is encrypted on its way here, or to a proxy that says so.
    pub(super) fn is_secure(&self) -> bool {
        self.proxied.unwrap_or(!self.exporter.is_empty())
    }

    /// Whether a finished attempt to log in is let pass: the server's last message then, and how long the answer waits; or the answer
    /// to one that is not, after which it goes back to the phase `back`, or is over.
    pub(super) fn judge(
        &mut self,
        desk: &mut Desk,
        client: &Client,
        name: &str,
        passed: Passed,
        back: Phase,
    ) -> Result<(Option<String>, u64), Box<Reply>> {
        let (source, now, limits) = (client.peer.source(), monotonic_millis(), desk.limits());
        let wait = desk.throttle.delay_of(source, name, limits, now);
        let barred = desk.throttle.is_banned(source, limits, now)
            || !desk.keys.may_come(name, desk::address(client));
        let message = match passed {
            Passed::Yes { message } if !barred => message,
            Passed::Yes { .. } | Passed::No => {
                self.failures += 1;
                self.phase = if self.failures < LOGIN_ATTEMPTS {
                    back
                } else {
                    Phase::Over
                };
                let mut reply = Reply::refused(Code::Login, Code::Login.text());
                reply.delay = wait + desk.throttle.failed(source, Some(name), limits, now);
                return Err(reply.into());
            }
        };
        desk.throttle.succeeded(source, name, limits, now);
        Ok((message, wait))
    }

    /// What comes of a finished attempt to log in.
    pub(super) fn settle(
        &mut self,
        desk: &mut Desk,
        client: Client,
        name: &str,
        passed: Passed,
    ) -> Outcome {
        let (message, wait) = match self.judge(desk, &client, name, passed, Phase::Login) {
            Ok(judged) => judged,
            Err(refused) => return Outcome::Say(*refused),
        };
        let welcome = |entry| Answer::Welcome { message, entry };
        match self.let_in(desk, client, Some(name.to_owned()), welcome) {
            Outcome::Say(reply) => Reply {
                delay: reply.delay + wait,
                ..reply
            }
            .into(),
            other => other,
        }
    }
}
