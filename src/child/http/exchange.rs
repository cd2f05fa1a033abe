//! One request and its answer, as a handler sees them. Run by a child.

use super::connection::Connection;
use super::reply::{Length, Reply};
use super::{End, Handled, refusal};
use crate::child::run::World;
use crate::config::Encryption;
use crate::error::Refusal;
use crate::wire::http::head::{Head, Method};

/// One request and its answer.
pub(super) struct Exchange<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) head: Head,
    pub(super) world: World<'a>,
    /// What is said is encrypted, on the whole way to the client.
    pub(super) secure: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        connection: &'a mut Connection,
        head: Head,
        world: World<'a>,
    ) -> Exchange<'a> {
        Exchange {
            connection,
            head,
            world,
            secure: world.listen.tls == Encryption::Implicit,
        }
    }

    /// The answer, whole.
    pub(super) fn reply(&mut self, reply: Reply) -> Handled {
        let reply = self.dressed(reply);
        self.connection
            .send(&reply, self.head.method == Method::Head)
    }

    /// The head of the answer, whose content follows by way of the connection. Returns whether it is wanted.
    pub(super) fn begin(&mut self, reply: Reply, length: Length) -> Result<bool, End> {
        let reply = self.dressed(reply);
        let head_only = self.head.method == Method::Head;
        self.connection.begin(&reply, length, head_only)?;
        Ok(!head_only)
    }

    /// Answers with why not, under a status that the refusal alone does not tell.
    pub(super) fn refuse_as(&mut self, status: u16, refusal: &Refusal) -> Handled {
        let reply = refusal::reply_as(self, status, refusal);
        self.reply(reply)
    }

    /// Answers with why not.
    pub(super) fn refuse(&mut self, refusal: &Refusal) -> Handled {
        let reply = refusal::reply(self, refusal);
        self.reply(reply)
    }

    /// With the fields that every answer of this listening socket has.
    fn dressed(&self, reply: Reply) -> Reply {
        match self.world.listen.http.hsts_seconds {
            // In the clear it means nothing (RFC 6797, section 7.2).
            _ if !self.secure => reply,
            0 => reply,
            seconds => reply.field("Strict-Transport-Security", format!("max-age={seconds}")),
        }
    }

    /// True when that word stands in the query, with or without a value.
    pub(super) fn asks(&self, word: &str) -> bool {
        let mut pairs = self.head.query.split('&');
        pairs.any(|pair| pair.split('=').next() == Some(word))
    }

    /// True when the client would rather have this type of content than any other that stands in its Accept (RFC 9110, section 12.5.1).
    pub(super) fn wants(&self, kind: &str) -> bool {
        self.head.listed("accept").any(|member| {
            member
                .split(';')
                .next()
                .is_some_and(|name| name.trim() == kind)
        })
    }
}
