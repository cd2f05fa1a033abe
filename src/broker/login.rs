//! Logins: SCRAM in two steps, and a password in one for protocols that have nothing better. Whoever is unknown, shut out, at
//! the wrong place or in error about the password gets the same answer, after the same work.

use super::answer::{Dealing, Outcome, Reply};
use super::desk::Desk;
use super::hasher::Work;
use crate::error::Code;
use crate::ipc::{Answer, Client, Phase};
use crate::log::{self, Level};
use crate::proof;
use crate::scram::{Binding, FirstMessage, ServerLogin};
use zeroize::Zeroizing;

/// A login under way.
#[derive(Debug)]
pub(super) struct Attempt {
    name: String,
    /// None while a password is being hashed.
    scram: Option<ServerLogin>,
    pub(super) wanted: Wanted,
}

/// What a login is for.
#[derive(Debug)]
pub(super) enum Wanted {
    Library,
    /// A session for a browser.
    Session {
        /// The phase in which it was asked for.
        back: Phase,
        /// The session that it takes the place of.
        old: Option<Zeroizing<String>>,
    },
}

/// What came of one.
#[derive(Debug)]
pub(super) enum Passed {
    Yes {
        /// The server's last message of SCRAM.
        message: Option<String>,
    },
    No,
}

impl Dealing {
    pub(super) fn answer_first(&mut self, desk: &mut Desk, message: &str) -> Outcome {
        let Some(client) = self.client else {
            return Outcome::CutOff("a login of nobody");
        };
        let binding = if self.exporter.is_empty() {
            Binding::None
        } else {
            Binding::Exporter(&self.exporter)
        };
        let first = match FirstMessage::parse(message, binding) {
            Ok(first) => first,
            Err(reason) => {
                refused(&client, "", &reason);
                return self.settle(desk, client, "", Passed::No);
            }
        };
        let Ok(nonce) = proof::nonce() else {
            return Outcome::CutOff("the kernel has no randomness");
        };
        let name = first.user().to_owned();
        let (scram, message) = ServerLogin::challenge(first, desk.keys.verifier(&name), &nonce);
        self.attempt = Some(Attempt {
            name,
            scram: Some(scram),
            wanted: Wanted::Library,
        });
        self.phase = Phase::Answering;
        Reply::from(Answer::Continue { message }).into()
    }

    pub(super) fn answer_final(
        &mut self,
        desk: &mut Desk,
        client: Client,
        message: &str,
    ) -> Outcome {
        let Some(Attempt {
            name,
            scram: Some(scram),
            ..
        }) = self.attempt.take()
        else {
            return Outcome::CutOff("the end of a login that did not begin");
        };
        let passed = match scram.finish(message) {
            Ok(message) => Passed::Yes {
                message: Some(message),
            },
            Err(reason) => {
                let reason = match desk.keys.is_imported(&name) {
                    true => "the password is still as another server hashed it: a login by FTP or HTTP has to come first".to_owned(),
                    false => reason,
                };
                refused(&client, &name, &reason);
                Passed::No
            }
        };
        self.settle(desk, client, &name, passed)
    }

    /// What it is for comes after it is known to be right.
    pub(super) fn check_password(
        &mut self,
        desk: &mut Desk,
        client: Client,
        name: String,
        password: Zeroizing<String>,
        wanted: Wanted,
    ) -> Outcome {
        let stored = desk.keys.stored(&name);
        if desk.remembered.knows(&name, &password, &stored) {
            let passed = Passed::Yes { message: None };
            return self.checked(desk, client, &name, passed, wanted);
        }
        // Nothing more is heard of this child before the hash is there.
        self.phase = Phase::Answering;
        self.attempt = Some(Attempt {
            name: name.clone(),
            scram: None,
            wanted,
        });
        Outcome::Hash(Box::new(Work {
            session: self.session,
            name,
            password,
            stored,
            besides: desk.keys.dearest().cloned(),
            users_file: desk.keys.config.users_file.clone(),
        }))
    }

    fn checked(
        &mut self,
        desk: &mut Desk,
        client: Client,
        name: &str,
        passed: Passed,
        wanted: Wanted,
    ) -> Outcome {
        match wanted {
            Wanted::Library => self.settle(desk, client, name, passed),
            Wanted::Session { back, old } => {
                let old = old.as_ref().map(|old| old.as_str());
                self.settle_sign_in(desk, client, name, passed, back, old)
            }
        }
    }

    /// The password that `check_password` had hashed was right, or it was not.
    pub(super) fn hashed(&mut self, desk: &mut Desk, right: Option<Zeroizing<String>>) -> Outcome {
        let (
            Some(client),
            Some(Attempt {
                name,
                scram: None,
                wanted,
            }),
        ) = (self.client, self.attempt.take())
        else {
            return Outcome::CutOff("a hash that nobody wants");
        };
        let passed = match right {
            Some(password) => {
                let stored = desk.keys.stored(&name);
                desk.remembered.note(&name, &password, &stored);
                Passed::Yes { message: None }
            }
            None => {
                refused(&client, &name, "wrong password");
                Passed::No
            }
        };
        self.checked(desk, client, &name, passed, wanted)
    }

    /// There is no hash to be had now: the server has as many to make as it can.
    pub(super) fn too_busy(&mut self) -> Outcome {
        let attempt = self.attempt.take();
        self.phase = attempt.map_or(Phase::Login, |attempt| attempt.back());
        let message = "too many logins at once, try again".to_owned();
        let code = Code::Busy;
        Reply::from(Answer::Refused { code, message }).into()
    }
}

/// For the operator; the client hears none of it.
fn refused(client: &Client, name: &str, reason: &str) {
    log::event(
        Level::Warn,
        "login refused",
        &[("peer", &client.peer), ("user", &name), ("reason", &reason)],
    );
}
