//! What comes before the login: greeting, encryption, name and password. Run by a child, which holds no verifier and no library:
//! both are the broker's, and the second is lent at the end of this.

use super::line::Line;
use super::{End, tables};
use crate::child::ask::{Admitted, Unanswered};
use crate::config::{Encryption, Login};
use crate::error::{Code, Refusal};
use crate::ipc::LOGIN_ATTEMPTS;
use crate::log;
use crate::scoreboard::Phase;
use crate::wire::ftp::command::{self, Command};
use crate::wire::ftp::line::Line as Said;
use zeroize::Zeroizing;

/// Commands nobody knows that a client may begin with: who does not speak FTP has come to the wrong place, or was sent there
/// (the ALPACA attack, CVE-2021-3618).
const STRANGE: u32 = 10;
/// Longest name and password that are asked about, bytes.
const LONGEST: usize = 512;

/// Hears a client out until it is somebody.
pub(super) fn log_in(line: &mut Line<'_>) -> Result<Admitted, End> {
    log::ftp::connected(line.client.peer.address());
    line.control.say(220, "forkftp")?;
    if line.client.login == Login::None {
        // It may do something as it is: how long it takes to think about it is as for everybody who is in.
        line.control.enter(Phase::Idle);
    }
    let mut user = None;
    let (mut strange, mut failures) = (0, 0);
    let mut first = true;
    loop {
        let Some(said) = line.control.line()? else {
            return Err(End::Goodbye);
        };
        if let Said::Command(text) = &said
            && std::mem::take(&mut first)
            && command::is_http(text)
        {
            return Err(strange_client("an HTTP request came"));
        }
        let command = line.understand(said)?;
        let found = command
            .as_ref()
            .is_some_and(|command| tables::is_known(&command.verb));
        strange += u32::from(!found);
        if strange >= STRANGE {
            return Err(strange_client("what came is not FTP"));
        }
        let Some(Command { verb, argument }) = command else {
            continue;
        };
        match verb.as_str() {
            "USER" => user = name(line, &argument)?,
            "PASS" => match user.take() {
                None => line.control.say(503, "USER comes first.")?,
                Some(name) => match password(line, &name, &argument) {
                    Ok(admitted) => {
                        let who = admitted.grant.user.as_deref().unwrap_or("ftp");
                        log::ftp::login(who, line.client.peer.address(), true);
                        line.control.say(230, "You are in.")?;
                        return Ok(admitted);
                    }
                    Err(Unanswered::Gone(reason)) => return Err(End::Forsaken(reason)),
                    Err(Unanswered::Refused(refusal)) => {
                        log::ftp::login(&name, line.client.peer.address(), false);
                        failures += 1;
                        if failures == LOGIN_ATTEMPTS || refusal.code != Code::Login {
                            line.control.say(530, &refusal.message)?;
                            return Err(End::HangUp(Refusal::new(Code::Login, "no login")));
                        }
                        line.control.say(530, "Login refused.")?;
                    }
                },
            },
            verb => match tables::find(tables::ANYWHERE, verb) {
                Some(row) => {
                    (row.handle)(line, &argument)?;
                    if verb == "AUTH" {
                        // What was said in the clear counts for nothing (RFC 4217, section 15).
                        user = None;
                    }
                }
                None if found => line.control.say(530, "Log in first.")?,
                None => line.unknown(verb)?,
            },
        }
        if line.control.slot().asked_to_end() {
            return Err(End::HangUp(Code::Closing.into()));
        }
    }
}

fn strange_client(what: &str) -> End {
    End::HangUp(Refusal::new(Code::Protocol, what))
}

/// USER: the answer is the same whoever that is.
fn name(line: &mut Line<'_>, argument: &[u8]) -> Result<Option<String>, End> {
    if argument.is_empty() {
        line.control.say(501, "USER takes a name.")?;
        return Ok(None);
    }
    if line.client.tls == Encryption::Required && !line.is_secure {
        line.control
            .say(530, "Logins are encrypted here: AUTH TLS comes first.")?;
        return Ok(None);
    }
    line.control.say(331, "The password, please.")?;
    Ok(Some(String::from_utf8_lossy(argument).into_owned()))
}

/// True for the names of those who have none.
fn is_anonymous(name: &str) -> bool {
    name.eq_ignore_ascii_case("anonymous") || name.eq_ignore_ascii_case("ftp")
}

/// PASS: the broker knows.
fn password(line: &mut Line<'_>, name: &str, argument: &[u8]) -> Result<Admitted, Unanswered> {
    if line.client.login == Login::None
        || line.client.login == Login::Optional && is_anonymous(name)
    {
        return line.broker.ask_anonymous();
    }
    if name.len() > LONGEST || argument.len() > LONGEST {
        return Err(Unanswered::Refused(Code::Login.into()));
    }
    let password = Zeroizing::new(String::from_utf8_lossy(argument).into_owned());
    line.broker.ask_password(name.to_owned(), password)
}
