//! Who a request comes from, and what they may do: the browser's session, or name and password, or nobody. The broker knows; once it has
//! lent the library to a connection, that is one visitor's for good. Run by a child.

use super::exchange::Exchange;
use super::forwarded::Forwarded;
use super::reply::Reply;
use super::{End, Handled, refusal};
use crate::child::ask::{Admitted, Broker, Session, Unanswered};
use crate::child::guest::Guest;
use crate::config::Login;
use crate::error::{Code, Refusal};
use crate::ipc::{Client, LOGIN_ATTEMPTS};
use crate::sys::net::Peer;
use crate::sys::random;
use crate::wire::http::basic::Basic;
use crate::wire::http::head::Method;
use crate::wire::http::{cookie, form, location};
use zeroize::Zeroizing;

/// Said to those who have not tried yet.
const FIRST: &str = "log in first";

/// Whoever a connection serves.
pub(super) struct Visitor {
    client: Client,
    broker: Broker,
    guest: Option<Guest>,
    /// What they send with every request, if they were let in by name and password.
    basic: Option<Remembered>,
    failures: u32,
}

/// What a request shows of who sent it.
struct Shown {
    token: Option<Zeroizing<String>>,
    /// The value of Authorization; empty where there are several.
    authorization: Option<Zeroizing<Vec<u8>>>,
}

/// A secret that is known again and not kept.
struct Remembered {
    key: [u8; 32],
    digest: blake3::Hash,
}

impl Remembered {
    fn new(secret: &[u8]) -> Result<Remembered, End> {
        let mut key = [0; 32];
        random::fill(&mut key).map_err(|errno| End::Forsaken(errno.desc().to_owned()))?;
        let digest = blake3::keyed_hash(&key, secret);
        Ok(Remembered { key, digest })
    }

    /// In constant time, as digests are compared.
    fn is(&self, secret: &[u8]) -> bool {
        blake3::keyed_hash(&self.key, secret) == self.digest
    }
}

/// What the broker says to somebody, or that it says nothing any more.
fn heard<T>(answer: Result<T, Unanswered>) -> Result<Result<T, Refusal>, End> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(Unanswered::Refused(refusal)) => Ok(Err(refusal)),
        Err(Unanswered::Gone(reason)) => Err(End::Forsaken(reason)),
    }
}

impl Visitor {
    pub(super) fn new(client: Client, broker: Broker) -> Visitor {
        Visitor {
            client,
            broker,
            guest: None,
            basic: None,
            failures: 0,
        }
    }

    /// Who is at the other end: behind a proxy that is trusted, its client.
    pub(super) fn peer(&self) -> Peer {
        self.client.peer
    }

    /// For what needs no library.
    pub(super) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Whether visitors say who they are.
    pub(super) fn login(&self) -> Login {
        self.client.login
    }

    /// True when a proxy that is trusted speaks for them.
    pub(super) fn is_by_proxy(&self) -> bool {
        self.client.by_proxy
    }

    /// True once the connection is somebody's.
    pub(super) fn is_bound(&self) -> bool {
        self.guest.is_some()
    }

    /// A request has come; false when it was answered that it comes to nothing. From a proxy it brings its client along, who is one for the broker, too, before anything is asked of it.
    ///
    /// A proxy uses its connections for whoever comes next; ours are one client's for good. So each serves one request, whoever sends
    /// the next: sent on to another connection instead, a client could meet a stranger's there again and again.
    pub(super) fn arrive(&mut self, exchange: &mut Exchange<'_>) -> Result<bool, End> {
        if !self.client.by_proxy {
            return Ok(true);
        }
        exchange.connection.close_after();
        let proxies = &exchange.world.listen.http.trusted_proxies;
        let Some(Forwarded { address, secure }) = Forwarded::of(&exchange.head, proxies) else {
            return Ok(true);
        };
        let told = heard(self.broker.ask_forwarded(address, secure))?;
        self.client.peer = Peer::Forwarded(address);
        exchange.secure = secure;
        match told {
            Ok(()) => Ok(true),
            Err(refusal) => exchange.refuse(&refusal).map(|()| false),
        }
    }

    /// Who the request comes from, let in; None when that was answered already.
    pub(super) fn enter(&mut self, exchange: &mut Exchange<'_>) -> Result<Option<&mut Guest>, End> {
        let shown = self.shown(exchange);
        let is_in = if self.guest.is_none() {
            self.come_in(exchange, shown)?
        } else if self.is_same(&shown)? {
            true
        } else {
            elsewhere(exchange)?;
            false
        };
        Ok(self.guest.as_mut().filter(|_| is_in))
    }

    /// What the request shows. It is taken out of it: nobody else needs it.
    fn shown(&self, exchange: &mut Exchange<'_>) -> Shown {
        if self.client.login == Login::None {
            return Shown {
                token: None,
                authorization: None,
            };
        }
        let token = token(exchange);
        let head = &mut exchange.head;
        let authorization = head.all("authorization").next().is_some();
        let authorization = authorization
            .then(|| Zeroizing::new(head.one("authorization").unwrap_or_default().to_vec()));
        if authorization.is_some() {
            head.forget("authorization");
            exchange.connection.forget();
        }
        Shown {
            token,
            authorization,
        }
    }

    /// Lets in whoever that is; false when it was answered why not.
    fn come_in(&mut self, exchange: &mut Exchange<'_>, shown: Shown) -> Result<bool, End> {
        if let Some(token) = &shown.token {
            match heard(self.broker.ask_session(token))? {
                Ok(admitted) => return Ok(self.seat(exchange, admitted)),
                // As none.
                Err(refusal) if refusal.code == Code::Login => {}
                Err(refusal) => return exchange.refuse(&refusal).map(|()| false),
            }
        }
        if let Some(authorization) = &shown.authorization {
            let Some(basic) = Basic::parse(authorization) else {
                let why = Code::Login.text();
                return ask_for_basic(exchange, why).map(|()| false);
            };
            let answer = self.broker.ask_password(basic.user, basic.password);
            return match heard(answer)? {
                Ok(admitted) => {
                    self.basic = Some(Remembered::new(authorization)?);
                    Ok(self.seat(exchange, admitted))
                }
                Err(refusal) => {
                    self.has_failed(exchange, &refusal);
                    let told = match refusal.code {
                        Code::Login => ask_for_basic(exchange, &refusal.message),
                        _ => exchange.refuse(&refusal),
                    };
                    told.map(|()| false)
                }
            };
        }
        if self.client.login == Login::Required {
            return ask_for_login(exchange).map(|()| false);
        }
        match heard(self.broker.ask_anonymous())? {
            Ok(admitted) => Ok(self.seat(exchange, admitted)),
            Err(refusal) => exchange.refuse(&refusal).map(|()| false),
        }
    }

    /// From now on the connection is theirs.
    fn seat(&mut self, exchange: &Exchange<'_>, admitted: Admitted) -> bool {
        let (broker, slot) = (self.broker.clone(), exchange.connection.slot());
        self.guest = Some(Guest::new(self.client.peer, admitted, broker, slot));
        true
    }

    /// True when a request comes from whom the connection belongs to.
    fn is_same(&self, shown: &Shown) -> Result<bool, End> {
        if let Some(token) = &shown.token {
            match heard(self.broker.ask_same_session(token))? {
                Ok(()) => return Ok(true),
                Err(refusal) if refusal.code == Code::Login => {}
                Err(_) => return Ok(false),
            }
        }
        let has_name = |guest: &Guest| guest.grant.user.is_some();
        Ok(match (&shown.authorization, &self.basic) {
            (Some(authorization), Some(known)) => known.is(authorization),
            (Some(_), None) => false,
            (None, _) => !self.guest.as_ref().is_some_and(has_name),
        })
    }

    /// True when the request has the cookie of a session that lives: then there is nobody to log in. None when it has, and the
    /// connection is somebody else's, which was answered.
    pub(super) fn is_signed_in(
        &mut self,
        exchange: &mut Exchange<'_>,
    ) -> Result<Option<bool>, End> {
        let Some(token) = token(exchange) else {
            return Ok(Some(false));
        };
        if self.guest.is_none() {
            return Ok(Some(match heard(self.broker.ask_session(&token))? {
                Ok(admitted) => self.seat(exchange, admitted),
                Err(_) => false,
            }));
        }
        match heard(self.broker.ask_same_session(&token))? {
            Ok(()) => Ok(Some(true)),
            Err(refusal) if refusal.code == Code::Login => Ok(Some(false)),
            Err(_) => elsewhere(exchange).map(|()| None),
        }
    }

    /// A session, if that is the user's password.
    pub(super) fn sign_in(
        &mut self,
        exchange: &mut Exchange<'_>,
        basic: Basic,
    ) -> Result<Result<Session, Refusal>, End> {
        let old = token(exchange);
        let answer = self.broker.ask_sign_in(basic.user, basic.password, old);
        let answer = heard(answer)?;
        if let Err(refusal) = &answer {
            self.has_failed(exchange, refusal);
        }
        Ok(answer)
    }

    /// Ends the session of the browser, or all of its user.
    pub(super) fn sign_out(&self, exchange: &Exchange<'_>, everywhere: bool) -> Handled {
        if let Some(token) = token(exchange)
            && let Err(refusal) = heard(self.broker.ask_sign_out(&token, everywhere))?
        {
            return Err(End::Forsaken(refusal.message));
        }
        Ok(())
    }

    /// Counts as the broker does: after the last attempt it hears no more from this connection.
    fn has_failed(&mut self, exchange: &mut Exchange<'_>, refusal: &Refusal) {
        self.failures += 1;
        if self.failures == LOGIN_ATTEMPTS || refusal.code != Code::Login {
            exchange.connection.close_after();
        }
    }
}

/// The token in the cookie, if it can be one.
fn token(exchange: &Exchange<'_>) -> Option<Zeroizing<String>> {
    let value = cookie::presented(&exchange.head, exchange.secure)?;
    cookie::is_token(value).then(|| Zeroizing::new(value.to_owned()))
}

/// The target as it was written.
fn target(exchange: &Exchange<'_>) -> String {
    let head = &exchange.head;
    match head.query.as_str() {
        "" => head.written.clone(),
        query => format!("{}?{query}", head.written),
    }
}

/// Sends somebody else on to a connection of their own.
fn elsewhere(exchange: &mut Exchange<'_>) -> Handled {
    exchange.connection.close_after();
    let Some(location) = location::local(&target(exchange)) else {
        let what = "this connection is another visitor's";
        return exchange.reply(Reply::text(400, what));
    };
    let what = "this connection is another visitor's: ask again on one of your own";
    exchange.reply(Reply::text(307, what).field("Location", location))
}

/// Asks who it is, in the way the client can answer.
fn ask_for_login(exchange: &mut Exchange<'_>) -> Handled {
    let safe = matches!(exchange.head.method, Method::Get | Method::Head);
    let reply = if safe && exchange.wants("text/html") {
        let to = location::local(&target(exchange)).unwrap_or_else(|| "/".to_owned());
        let page = format!("/-/login?to={}", form::encode(&to));
        by_way_of_login(exchange, page)
    } else if exchange.wants("application/json") {
        let refused = Refusal::new(Code::Login, FIRST);
        refusal::reply(exchange, &refused).field("WWW-Authenticate", "Cookie")
    } else {
        return ask_for_basic(exchange, FIRST);
    };
    let reply = without_cookie(exchange, reply);
    exchange.reply(reply)
}

/// A browser sends no cookie of ours when another site's link leads here (SameSite=Strict), but with what a page of ours leads to it
/// does: who is logged in comes back from the login page at once.
fn by_way_of_login(exchange: &Exchange<'_>, page: String) -> Reply {
    if exchange.head.one("sec-fetch-site") == Some(b"cross-site") {
        let html = format!(
            "<!doctype html><meta charset=\"utf-8\"><title>forkftp</title>\
             <meta http-equiv=\"refresh\" content=\"0;url={page}\">\
             <a href=\"{page}\">Log in</a>\n"
        );
        return Reply::with_content(200, "text/html; charset=utf-8", html)
            .field("Content-Security-Policy", "default-src 'none'")
            .field("Cache-Control", "no-store");
    }
    Reply::new(303)
        .field("Location", page)
        .field("Cache-Control", "no-store")
}

/// The same of a program.
fn ask_for_basic(exchange: &mut Exchange<'_>, why: &str) -> Handled {
    let how = "Basic realm=\"forkftp\", charset=\"UTF-8\"";
    let refused = Refusal::new(Code::Login, why);
    let reply = refusal::reply(exchange, &refused).field("WWW-Authenticate", how);
    let reply = without_cookie(exchange, reply);
    exchange.reply(reply)
}

/// Has a browser forget a cookie that is worth nothing any more.
fn without_cookie(exchange: &Exchange<'_>, reply: Reply) -> Reply {
    match cookie::presented(&exchange.head, exchange.secure) {
        Some(_) => reply.field("Set-Cookie", cookie::drop(exchange.secure)),
        None => reply,
    }
}
