//! What comes before the first command: the hello, the proof of the shared secret, the login. Run by a child, which holds no
//! secret and no library: both are the broker's, and the second is lent at the end of this.

use super::{End, Fail, Line};
use crate::child::ask::{Admitted, Broker, Unanswered};
use crate::config::Login;
use crate::error::{Code, Refusal};
use crate::ipc::{Client, LOGIN_ATTEMPTS};
use crate::scoreboard::Phase;
use crate::scram::MAX_MESSAGE;
use crate::wire::drive::{self, LoggedIn, LoginNext, Nothing, Proved, letter};
use crate::wire::frame::Header;

impl From<Unanswered> for Fail {
    fn from(why: Unanswered) -> Fail {
        match why {
            Unanswered::Refused(refusal) => Fail::Refuse(refusal),
            Unanswered::Gone(reason) => Fail::End(End::Lost(reason)),
        }
    }
}

/// A client that was let in, and the command it began with, if it did not log in.
pub(super) type Entered = (Admitted, Option<Header>);

/// Says hello, hears the proof and the login that are wanted, and returns what the client may do. A refusal ends the session.
pub(super) fn run(line: &mut Line, client: &Client, broker: &Broker) -> Result<Entered, Fail> {
    let (hello, mut entry) = broker.hear_hello()?;
    line.writer.bytes(letter::HELLO, hello.as_bytes())?;
    if client.proof {
        line.writer.flush()?;
        entry = prove(line, broker)?;
    }
    match entry {
        Some(admitted) => {
            line.writer.flush()?;
            Ok((admitted, None))
        }
        None => log_in(line, client, broker),
    }
}

fn header(line: &mut Line) -> Result<Header, Fail> {
    line.writer.flush()?;
    line.reader.header()?.ok_or(Fail::End(End::Goodbye))
}

fn prove(line: &mut Line, broker: &Broker) -> Result<Option<Admitted>, Fail> {
    let header = header(line)?;
    if header.letter != letter::PROVE {
        let what = "the shared secret has to be proved first";
        return Err(Refusal::new(Code::Proof, what).into());
    }
    let (proof, entry) = broker.ask_prove(line.request(header)?)?;
    line.writer.json(letter::OK, &Proved { proof })?;
    Ok(entry)
}

/// Up to `LOGIN_ATTEMPTS` logins; or none, and a command, where that may be.
fn log_in(line: &mut Line, client: &Client, broker: &Broker) -> Result<Entered, Fail> {
    if client.login == Login::Optional {
        // It may do something as it is: how long it takes to think about it is as for everybody who is in.
        line.reader.inner().enter(Phase::Idle);
    }
    let mut failures = 0;
    loop {
        let header = header(line)?;
        match header.letter {
            letter::LOGIN => match one_login(line, broker, header) {
                Ok(admitted) => return Ok((admitted, None)),
                Err(Fail::Refuse(refusal)) if refusal.code == Code::Login => {
                    failures += 1;
                    if failures == LOGIN_ATTEMPTS {
                        return Err(refusal.into());
                    }
                    line.refuse(&refusal)?;
                }
                Err(other) => return Err(other),
            },
            letter::QUIT => {
                let Nothing {} = line.request(header)?;
                line.writer.json(letter::OK, &Nothing {})?;
                return Err(Fail::End(End::Goodbye));
            }
            _ if client.login == Login::Optional => {
                return Ok((broker.ask_anonymous()?, Some(header)));
            }
            letter::DATA | letter::END => return Err(Fail::hang_up("data before a login")),
            _ => {
                line.reader.skip(header)?;
                line.refuse(&Refusal::new(Code::Login, "log in first"))?;
            }
        }
    }
}

/// Both messages of one login.
fn one_login(line: &mut Line, broker: &Broker, first: Header) -> Result<Admitted, Fail> {
    let message = self::message(line, first)?;
    let message = broker.ask_login_first(message)?;
    line.writer.json(letter::OK, &LoginNext { message })?;
    let second = header(line)?;
    if second.letter != letter::LOGIN {
        return Err(Fail::hang_up("a login was begun and not finished"));
    }
    let message = self::message(line, second)?;
    let (message, admitted) = broker.ask_login_final(message)?;
    let grant = &admitted.grant;
    let answer = LoggedIn {
        message,
        user: grant.user.clone().unwrap_or_default(),
        rights: grant.policy.rights,
    };
    line.writer.json(letter::OK, &answer)?;
    line.writer.flush()?;
    Ok(admitted)
}

/// A message of SCRAM. What can be none is an empty one, which the broker counts as an attempt like any other.
fn message(line: &mut Line, header: Header) -> Result<String, Fail> {
    match line.request(header) {
        Ok(drive::Login { message }) if message.len() <= MAX_MESSAGE => Ok(message),
        Ok(_) | Err(Fail::Refuse(_)) => Ok(String::new()),
        Err(end) => Err(end),
    }
}
