//! Who a request comes from, and what they may do. The broker knows; once it has lent the library to a connection, that is one visitor's
//! for good. Run by a child.

use super::exchange::Exchange;
use super::{End, Handled};
use crate::child::ask::{Broker, Unanswered};
use crate::child::guest::Guest;
use crate::config::Login;
use crate::error::Code;
use crate::ipc::Client;
use crate::sys::net::Peer;

/// Whoever a connection serves.
pub(super) struct Visitor<'a> {
    client: &'a Client,
    broker: Broker,
    guest: Option<Guest>,
}

impl<'a> Visitor<'a> {
    pub(super) fn new(client: &'a Client, broker: Broker) -> Visitor<'a> {
        Visitor {
            client,
            broker,
            guest: None,
        }
    }

    /// Who is at the other end of the connection.
    pub(super) fn peer(&self) -> Peer {
        self.client.peer
    }

    /// Who the request comes from, let in; None when that was answered already.
    pub(super) fn enter(&mut self, exchange: &mut Exchange<'_>) -> Result<Option<&mut Guest>, End> {
        if self.guest.is_none() {
            if self.client.login == Login::Required {
                return exchange.refuse(&Code::Login.into()).map(|()| None);
            }
            match self.broker.ask_anonymous() {
                Ok(admitted) => {
                    let (broker, slot) = (self.broker.clone(), exchange.connection.slot());
                    self.guest = Some(Guest::new(self.client.peer, admitted, broker, slot));
                }
                Err(Unanswered::Gone(reason)) => return Err(End::Forsaken(reason)),
                Err(Unanswered::Refused(refusal)) => {
                    return refused(exchange.refuse(&refusal));
                }
            }
        }
        Ok(self.guest.as_mut())
    }
}

fn refused<'g>(told: Handled) -> Result<Option<&'g mut Guest>, End> {
    told.map(|()| None)
}
