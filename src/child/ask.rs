//! What a child hears from the broker and asks it: one function each. A broker that does not
//! answer, or answers something else, ends the session: nothing goes on without it.

use crate::error::{Code, Refusal};
use crate::ipc::{self, Answer, Ask, Grant, Handshake};
use crate::library::Library;
use crate::scoreboard::Slot;
use crate::sys::{Errno, privs, process};
use crate::wire::drive::Prove;
use crate::wire::path::RelPath;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use zeroize::Zeroizing;

/// The channel to the broker, for as long as there is something to ask; and where logins that it refuses are counted.
#[derive(Debug, Clone)]
pub(super) struct Broker(pub(super) std::sync::Arc<OwnedFd>, pub(super) Slot<'static>);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The broker says no.
    Refused(Refusal),
    /// The broker is gone, or makes no sense.
    Gone(String),
}

impl From<Errno> for Unanswered {
    fn from(errno: Errno) -> Unanswered {
        Unanswered::Gone(format!("the broker does not answer: {}", errno.desc()))
    }
}

pub(super) fn unexpected<T>(answer: Answer) -> Result<T, Unanswered> {
    match answer {
        Answer::Refused { code, message } => Err(Unanswered::Refused(Refusal::new(code, message))),
        _ => Err(Unanswered::Gone(
            "the broker answered another question".into(),
        )),
    }
}

/// What a client that was let in may do, and where.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) grant: Grant,
    pub(super) library: Library,
}

/// Takes what an answer brought, and enters the narrower walls if there are any.
fn admitted(mut given: Vec<OwnedFd>, grant: Grant) -> Result<Admitted, Unanswered> {
    if grant.narrower {
        let ruleset = given.pop().ok_or(Errno::EPROTO)?;
        privs::restrict_files(ruleset.as_fd())?;
    }
    process::set_umask(grant.files.umask);
    let closed = grant.policy.closed().map(RelPath::parse);
    let closed = closed.collect::<Result<_, _>>();
    let library = Library::from_descriptors(given, grant.files)
        .zip(closed.ok())
        .map(|(library, closed)| library.closing(closed))
        .ok_or_else(|| Unanswered::Gone("the broker gave no library".into()))?;
    Ok(Admitted { grant, library })
}

impl Broker {
    /// The signature of a TLS handshake by the key of the certificate `leaf`.
    pub(super) fn ask_sign(
        &self,
        leaf: &str,
        scheme: u16,
        handshake: Handshake,
    ) -> Result<Vec<u8>, Unanswered> {
        let leaf = leaf.to_owned();
        let question = Ask::Sign {
            leaf,
            scheme,
            handshake,
        };
        match ipc::call(&self.0, &question, &[])? {
            (Answer::Signed { signature }, _) => hex::decode(signature)
                .map_err(|_| Unanswered::Gone("the broker's signature is none".into())),
            (other, _) => unexpected(other),
        }
    }

    /// Says that the TLS handshake is over, and what the channel is called; the hello comes in answer.
    pub(super) fn tell_secured(&self, exporter: &[u8]) -> Result<(), Unanswered> {
        let exporter = hex::encode(exporter);
        Ok(ipc::send(
            self.0.as_fd(),
            &Ask::Secured { exporter },
            &[],
            true,
        )?)
    }

    /// The same where no hello follows.
    pub(super) fn ask_secured(&self, exporter: &[u8]) -> Result<(), Unanswered> {
        let exporter = hex::encode(exporter);
        self.note(&Ask::Secured { exporter }, &[])
    }

    /// Whether that is the user's password; the library, if it is.
    pub(super) fn ask_password(
        &self,
        user: String,
        password: Zeroizing<String>,
    ) -> Result<Admitted, Unanswered> {
        match ipc::call(&self.0, &Ask::Password { user, password }, &[])? {
            (Answer::Welcome { entry, .. }, given) => admitted(given, entry),
            (other, _) => self.unproved(other),
        }
    }

    /// The payload of the hello; and the library, unless a proof has to come first.
    pub(super) fn hear_hello(&self) -> Result<(String, Option<Admitted>), Unanswered> {
        let heard = ipc::receive(self.0.as_fd(), true)?;
        match heard.ok_or(Errno::EPIPE)? {
            (Answer::Hello { payload, entry }, given) => {
                let entry = entry.map(|grant| admitted(given, grant));
                Ok((payload, entry.transpose()?))
            }
            (other, _) => unexpected(other),
        }
    }

    /// The server's proof if the client's is right, and the library unless a login has to follow.
    pub(super) fn ask_prove(&self, prove: Prove) -> Result<(String, Option<Admitted>), Unanswered> {
        let Prove { nonce, mac, proof } = prove;
        match ipc::call(&self.0, &Ask::Prove { nonce, mac, proof }, &[])? {
            (Answer::Proved { proof, entry }, given) => {
                let entry = entry.map(|grant| admitted(given, grant));
                Ok((proof, entry.transpose()?))
            }
            (other, _) => self.unproved(other),
        }
    }

    /// The server's first message of SCRAM.
    pub(super) fn ask_login_first(&self, message: String) -> Result<String, Unanswered> {
        match ipc::call(&self.0, &Ask::LoginFirst { message }, &[])? {
            (Answer::Continue { message }, _) => Ok(message),
            (other, _) => unexpected(other),
        }
    }

    /// The server's last message of SCRAM, and the library, if the client's last is right.
    pub(super) fn ask_login_final(
        &self,
        message: String,
    ) -> Result<(String, Admitted), Unanswered> {
        match ipc::call(&self.0, &Ask::LoginFinal { message }, &[])? {
            (
                Answer::Welcome {
                    message: Some(message),
                    entry,
                },
                given,
            ) => Ok((message, admitted(given, entry)?)),
            (other, _) => self.unproved(other),
        }
    }

    /// The library, for a client that does not log in.
    pub(super) fn ask_anonymous(&self) -> Result<Admitted, Unanswered> {
        match ipc::call(&self.0, &Ask::Anonymous, &[])? {
            (Answer::Welcome { entry, .. }, given) => admitted(given, entry),
            (other, _) => unexpected(other),
        }
    }

    /// Who the client is that a trusted proxy speaks for, and whether it speaks TLS with the proxy.
    pub(super) fn ask_forwarded(&self, address: IpAddr, secure: bool) -> Result<(), Unanswered> {
        self.note(&Ask::Forwarded { address, secure }, &[])
    }

    /// A session for a browser, if that is the user's password; `old` is the one that it had.
    pub(super) fn ask_sign_in(
        &self,
        user: String,
        password: Zeroizing<String>,
        old: Option<Zeroizing<String>>,
    ) -> Result<Session, Unanswered> {
        let question = Ask::SignIn {
            user,
            password,
            old,
        };
        match ipc::call(&self.0, &question, &[])? {
            (
                Answer::Session {
                    token,
                    user,
                    seconds,
                },
                _,
            ) => Ok(Session {
                token,
                user,
                seconds,
            }),
            (other, _) => self.unproved(other),
        }
    }

    /// The library, for the browser whose session this is.
    pub(super) fn ask_session(&self, token: &str) -> Result<Admitted, Unanswered> {
        let token = token.to_owned().into();
        match ipc::call(&self.0, &Ask::Session { token }, &[])? {
            (Answer::Welcome { entry, .. }, given) => admitted(given, entry),
            (other, _) => unexpected(other),
        }
    }

    /// Whether that is a session of who is in.
    pub(super) fn ask_same_session(&self, token: &str) -> Result<(), Unanswered> {
        let token = token.to_owned().into();
        self.note(&Ask::Session { token }, &[])
    }

    /// That session is over, or all of its user.
    pub(super) fn ask_sign_out(&self, token: &str, everywhere: bool) -> Result<(), Unanswered> {
        let token = token.to_owned().into();
        self.note(&Ask::SignOut { token, everywhere }, &[])
    }

    /// Room in the quota.
    pub(super) fn ask_reserve(&self, bytes: u64, files: u64) -> Result<(), Unanswered> {
        self.note(&Ask::Reserve { bytes, files }, &[])
    }

    /// What came of reservations and removals.
    pub(super) fn ask_spent(&self, spent: Spent) -> Result<(), Unanswered> {
        let spent = Ask::Spent {
            reserved_bytes: spent.reserved_bytes,
            reserved_files: spent.reserved_files,
            bytes: spent.bytes,
            files: spent.files,
        };
        self.note(&spent, &[])
    }

    /// The file is given to whom it belongs.
    pub(super) fn ask_give(
        &self,
        file: BorrowedFd<'_>,
        drop_box: Option<usize>,
    ) -> Result<(), Unanswered> {
        self.note(&Ask::Give { drop_box }, &[file])
    }

    /// The answer to a login or a proof that is not the good one.
    fn unproved<T>(&self, answer: Answer) -> Result<T, Unanswered> {
        if let Answer::Refused {
            code: Code::Login | Code::Proof,
            ..
        } = answer
        {
            self.1.refused();
        }
        unexpected(answer)
    }

    pub(super) fn note(&self, ask: &Ask, file: &[BorrowedFd<'_>]) -> Result<(), Unanswered> {
        match ipc::call(&self.0, ask, file)? {
            (Answer::Noted, _) => Ok(()),
            (other, _) => unexpected(other),
        }
    }
}

/// A login in a browser.
#[derive(Debug)]
pub(super) struct Session {
    /// For the browser to keep.
    pub(super) token: Zeroizing<String>,
    pub(super) user: String,
    /// How long it holds at most.
    pub(super) seconds: u64,
}

/// What has been used of a quota, and what was reserved for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spent {
    pub(super) reserved_bytes: u64,
    pub(super) reserved_files: u64,
    pub(super) bytes: i64,
    pub(super) files: i64,
}
