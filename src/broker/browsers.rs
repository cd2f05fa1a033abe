//! What the children of browsers, and of the proxies before them, ask: logins that outlast a connection, and who a proxy's client is.

use super::answer::{Dealing, Outcome, Reply};
use super::desk::{self, Desk};
use super::login::{Attempt, Passed, Wanted};
use crate::config::{Login, Protocol};
use crate::error::Code;
use crate::ipc::{Answer, Client, LOGIN_ATTEMPTS, Phase};
use crate::log::{self, Level};
use crate::sys::net::Peer;
use crate::sys::process::monotonic_millis;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// What is said to those who are still at a server that has a successor.
const ELSEWHERE: &str = "another server has taken over: try again";

/// True where browsers log in.
fn has_logins(client: &Client) -> bool {
    client.protocol == Protocol::Http && client.login != Login::None
}

impl Dealing {
    /// From now on the client is whom the proxy speaks for: in all limits, and in the log.
    pub(super) fn answer_forwarded(
        &mut self,
        desk: &mut Desk,
        address: IpAddr,
        secure: bool,
    ) -> Outcome {
        let Some(client) = &mut self.client else {
            return Outcome::CutOff("a proxy of nobody");
        };
        if !client.by_proxy || self.failures > 0 {
            return Outcome::CutOff("a client that came by no proxy");
        }
        let peer = Peer::Forwarded(address);
        if !desk.arrive(peer.source()) {
            self.phase = Phase::Over;
            let what = "as many connections from your address are open as may be; try again later";
            return Reply::refused(Code::Busy, what).into();
        }
        client.peer = peer;
        client.by_proxy = false;
        self.proxied = Some(secure);
        Reply::from(Answer::Noted).into()
    }

    /// A password, for a session: it is looked at as every other.
    pub(super) fn answer_sign_in(
        &mut self,
        desk: &mut Desk,
        client: Client,
        name: String,
        password: Zeroizing<String>,
        old: Option<Zeroizing<String>>,
    ) -> Outcome {
        if !has_logins(&client) {
            return Outcome::CutOff("a login where nobody logs in");
        }
        if self.failures >= LOGIN_ATTEMPTS {
            return Outcome::CutOff("one login too many");
        }
        if desk.signed_in.are_gone() {
            return Reply::refused(Code::Busy, ELSEWHERE).into();
        }
        let wanted = Wanted::Session {
            back: self.phase,
            old,
        };
        self.check_password(desk, client, name, password, wanted)
    }

    /// What comes of it.
    pub(super) fn settle_sign_in(
        &mut self,
        desk: &mut Desk,
        client: Client,
        name: &str,
        passed: Passed,
        back: Phase,
        old: Option<&str>,
    ) -> Outcome {
        let wait = match self.judge(desk, &client, name, passed, back) {
            Ok((_, wait)) => wait,
            Err(refused) => return Outcome::Say(*refused),
        };
        self.phase = back;
        let account = desk.keys.account(name);
        if account.is_none_or(|account| account.needs_tls && !self.is_secure()) {
            return Reply::refused(Code::Denied, "this user logs in under TLS alone").into();
        }
        let now = monotonic_millis();
        if let Some(old) = old {
            desk.signed_in.end(old, false, now);
        }
        let seconds = u64::from(client.session_hours) * 3600;
        let stored = desk.keys.stored(name);
        let Ok(token) = desk.signed_in.begin(name, stored, seconds * 1000, now) else {
            return Outcome::CutOff("the kernel has no randomness");
        };
        let user = name.to_owned();
        Outcome::Say(Reply {
            delay: wait,
            ..Answer::Session {
                token,
                user,
                seconds,
            }
            .into()
        })
    }

    /// Lets in whose session it is; or says whether it is theirs who are in.
    pub(super) fn answer_session(
        &mut self,
        desk: &mut Desk,
        client: Client,
        token: &str,
    ) -> Outcome {
        if !has_logins(&client) {
            return Outcome::CutOff("a session where nobody logs in");
        }
        let user = desk.signed_in.user(token, monotonic_millis());
        let user = user.map(str::to_owned);
        let user = user.filter(|user| desk.keys.may_come(user, desk::address(&client)));
        let Some(user) = user else {
            return Reply::refused(Code::Login, "that login is over").into();
        };
        if self.phase == Phase::Login {
            let back = self.phase;
            let outcome = self.let_in(desk, client, Some(user), |entry| Answer::Welcome {
                message: None,
                entry,
            });
            // No attempt was made: the visitor may have another way in.
            if self.phase == Phase::Over {
                self.phase = back;
            }
            return outcome;
        }
        match self.user() {
            Some(inside) if *inside == user => Reply::from(Answer::Noted).into(),
            _ => Reply::refused(Code::Denied, "that is somebody else").into(),
        }
    }

    /// Whoever has a token may end it.
    pub(super) fn answer_sign_out(
        &mut self,
        desk: &mut Desk,
        client: Client,
        token: &str,
        everywhere: bool,
    ) -> Outcome {
        if desk.signed_in.are_gone() {
            // The successor would not know that it is over.
            return Reply::refused(Code::Busy, ELSEWHERE).into();
        }
        let ended = desk.signed_in.end(token, everywhere, monotonic_millis());
        if let Some(user) = ended {
            let everywhere = if everywhere { "yes" } else { "no" };
            log::event(
                Level::Info,
                "signed out",
                &[
                    ("peer", &client.peer),
                    ("user", &user),
                    ("everywhere", &everywhere),
                ],
            );
        }
        Reply::from(Answer::Noted).into()
    }
}

impl Attempt {
    /// The phase that is gone back to where nothing comes of it.
    pub(super) fn back(&self) -> Phase {
        match &self.wanted {
            Wanted::Library => Phase::Login,
            Wanted::Session { back, .. } => *back,
        }
    }
}
