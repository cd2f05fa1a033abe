//! Logging in and out, for browsers: `/-/login` and `/-/logout`. Run by a child, through whose memory the password goes once, on its way
//! from the form to the broker.

use super::entrance::Visitor;
use super::exchange::Exchange;
use super::reply::Reply;
use super::{End, Handled, page, refusal};
use crate::config::Login;
use crate::error::Code;
use crate::log::{self, Level};
use crate::wire::http::basic::{Basic, LONGEST};
use crate::wire::http::head::{Framing, Method};
use crate::wire::http::{cookie, form, location};
use serde_json::json;
use zeroize::Zeroizing;

/// Most bytes of a form.
const LONGEST_FORM: usize = 8 * 1024;

type Fields = Vec<(String, Zeroizing<String>)>;

/// Shows the form, or takes what was typed into it.
pub(super) fn login(exchange: &mut Exchange<'_>, visitor: &mut Visitor) -> Handled {
    if visitor.login() == Login::None {
        return exchange.reply(Reply::text(404, "nobody logs in here"));
    }
    match exchange.head.method {
        Method::Get | Method::Head => {
            let query = form::pairs(&exchange.head.query);
            let to = destination(&query);
            match visitor.is_signed_in(exchange)? {
                None => Ok(()),
                Some(true) => exchange.reply(private(see_other(to))),
                Some(false) => {
                    let page = page::login(exchange, 200, &to, "", None);
                    exchange.reply(page)
                }
            }
        }
        Method::Post => sign_in(exchange, visitor),
        _ => not_allowed(exchange),
    }
}

fn sign_in(exchange: &mut Exchange<'_>, visitor: &mut Visitor) -> Handled {
    let Some(fields) = fields(exchange)? else {
        return Ok(());
    };
    let field = |name| form::value(&fields, name).unwrap_or_default();
    let (user, password) = (field("user"), field("password"));
    let answer = if user.len() > LONGEST || password.len() > LONGEST {
        Err(Code::Login.into())
    } else {
        let basic = Basic {
            user: user.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        };
        visitor.sign_in(exchange, basic)?
    };
    let to = destination(&fields);
    let wants_json = exchange.wants("application/json");
    let session = match answer {
        Ok(session) => session,
        Err(refused) => {
            let reply = if wants_json {
                refusal::reply(exchange, &refused)
            } else {
                page::login(
                    exchange,
                    refusal::status_of(&refused),
                    &to,
                    user,
                    Some(&refused),
                )
            };
            return exchange.reply(match refused.code {
                Code::Login => reply.field("WWW-Authenticate", "Cookie"),
                _ => reply,
            });
        }
    };
    log::event(
        Level::Info,
        "signed in",
        &[("peer", &visitor.peer()), ("user", &session.user)],
    );
    end_bound(exchange, visitor);
    let reply = if wants_json {
        Reply::json(200, &json!({"user": session.user}))
    } else {
        see_other(to)
    };
    let cookie = cookie::keep(&session.token, session.seconds, exchange.secure);
    exchange.reply(private(reply.field("Set-Cookie", cookie)))
}

/// Ends the session of the browser, or all of its user's.
pub(super) fn logout(exchange: &mut Exchange<'_>, visitor: &mut Visitor) -> Handled {
    if visitor.login() == Login::None {
        return exchange.reply(Reply::text(404, "nobody logs in here"));
    }
    match exchange.head.method {
        Method::Get | Method::Head => {
            let page = page::logout(exchange);
            return exchange.reply(page);
        }
        Method::Post => {}
        _ => return not_allowed(exchange),
    }
    let Some(fields) = fields(exchange)? else {
        return Ok(());
    };
    let everywhere = form::value(&fields, "everywhere") == Some("1");
    visitor.sign_out(exchange, everywhere)?;
    end_bound(exchange, visitor);
    let reply = if exchange.wants("application/json") {
        Reply::json(200, &json!({"user": null}))
    } else {
        see_other(destination(&fields))
    };
    let cookie = cookie::drop(exchange.secure);
    exchange.reply(private(reply.field("Set-Cookie", cookie)))
}

/// The next request is another visitor's to the connection: spares the browser to be sent on.
fn end_bound(exchange: &mut Exchange<'_>, visitor: &Visitor) {
    if visitor.is_bound() {
        exchange.connection.close_after();
    }
}

/// What was sent in a form; None when what was sent is none, which was answered.
fn fields(exchange: &mut Exchange<'_>) -> Result<Option<Fields>, End> {
    if matches!(exchange.head.framing, Framing::None | Framing::Length(0)) {
        return Ok(Some(Vec::new()));
    }
    if !form::is_one(&exchange.head) {
        let what = format!("that is sent as {}", form::TYPE);
        return exchange.reply(Reply::text(415, &what)).map(|()| None);
    }
    let mut body = Zeroizing::new(vec![0; LONGEST_FORM]);
    let mut filled = 0;
    while filled < body.len() {
        match exchange.connection.read_body(&mut body[filled..])? {
            0 => break,
            came => filled += came,
        }
    }
    exchange.connection.forget();
    if filled == body.len() {
        exchange.connection.close_after();
        let what = "a form is not that long";
        return exchange.reply(Reply::text(413, what)).map(|()| None);
    }
    let Ok(text) = std::str::from_utf8(&body[..filled]) else {
        return exchange
            .reply(Reply::text(400, "the form is not UTF-8"))
            .map(|()| None);
    };
    Ok(Some(form::secret_pairs(text)))
}

/// Where somebody goes on: on this server, whatever stands there.
fn destination<V: AsRef<str>>(fields: &[(String, V)]) -> String {
    form::value(fields, "to")
        .and_then(location::local)
        .unwrap_or_else(|| "/".to_owned())
}

fn see_other(to: String) -> Reply {
    Reply::new(303).field("Location", to)
}

fn private(reply: Reply) -> Reply {
    reply.field("Cache-Control", "no-store")
}

fn not_allowed(exchange: &mut Exchange<'_>) -> Handled {
    exchange.reply(
        Reply::text(405, "that cannot be done here").field("Allow", "GET, HEAD, POST, OPTIONS"),
    )
}
