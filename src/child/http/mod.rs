//! HTTP, server's side (RFC 9110, RFC 9112): one client's requests, in order, until it leaves. Run by a child.
//!
//! A connection serves one visitor: the first request that is about the library says who that is, and a later one by somebody else is
//! sent on to a connection of its own. A table has a row for each thing that can be done; a handler answers itself, and what it returns
//! is only whether the connection goes on.

mod assets;
mod body;
mod connection;
mod entrance;
mod exchange;
mod files;
mod folder;
mod forwarded;
mod gather;
mod incoming;
mod login;
mod manage;
mod metrics;
mod origin;
mod own;
mod packed;
mod page;
mod post;
mod put;
mod receipt;
mod redirect;
mod refusal;
mod reply;
mod service;
mod shares;
mod site;
mod tables;
mod words;
mod zip;

use super::ask::Broker;
use super::run::{Exit, World};
use super::stream::{Stream, refusal_in};
use crate::error::{Code, Refusal};
use crate::ipc::Client;
use crate::log::{self, Level};
use crate::scoreboard::Phase;
use crate::sys::net::Peer;
use connection::Connection;
use entrance::Visitor;
use exchange::Exchange;
use reply::Reply;
use std::io;

/// Why a connection is over.
#[derive(Debug)]
enum End {
    /// Both sides are done with it.
    Goodbye,
    /// The client is cut off: for what it sent, or because time is up, or because the server goes down.
    HangUp(Refusal),
    /// There is nobody left to tell, or nothing that could be told any more.
    Lost(String),
    /// The broker is gone.
    Forsaken(String),
}

/// Whether the connection goes on.
type Handled = Result<(), End>;

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        // Deadlines and the end of the service come as errors of the stream.
        let told = refusal_in(&error).cloned();
        told.map_or_else(|| End::Lost(error.to_string()), End::HangUp)
    }
}

/// Serves the client at the other end of `stream` until it leaves.
pub(super) fn serve(mut stream: Stream, world: World<'_>, client: &Client, broker: Broker) -> Exit {
    if let Peer::Net(_) = client.peer {
        stream.output.hurry();
    }
    let mut connection = Connection::new(stream);
    let mut visitor = Visitor::new(*client, broker);
    let end = loop {
        if let Err(end) = turn(&mut connection, world, &mut visitor) {
            break end;
        }
    };
    close(connection, visitor.peer(), end)
}

/// One request and its answer.
fn turn(connection: &mut Connection, world: World<'_>, visitor: &mut Visitor) -> Handled {
    let head = match connection.head()? {
        None => return Err(End::Goodbye),
        Some(Ok(head)) => head,
        Some(Err(broken)) => {
            connection.close_after();
            connection.send(&Reply::text(broken.status, broken.why), false)?;
            return Err(End::HangUp(Refusal::new(Code::Protocol, broken.why)));
        }
    };
    connection.enter(Phase::Busy);
    if connection.slot().asked_to_leave() {
        // The next one is the successor's.
        connection.close_after();
    }
    let mut exchange = Exchange::new(connection, head, world);
    if visitor.arrive(&mut exchange)? {
        tables::dispatch(&mut exchange, visitor)?;
    }
    // A password that nobody wanted to know stays no longer than one that was.
    if exchange.head.all("authorization").next().is_some() {
        exchange.head.forget("authorization");
        exchange.connection.forget();
    }
    connection.settle()?;
    if connection.slot().asked_to_end() {
        return Err(End::Goodbye);
    }
    connection.enter(Phase::Idle);
    Ok(())
}

fn close(mut connection: Connection, peer: Peer, end: End) -> Exit {
    let mut fields: Vec<(&str, &dyn std::fmt::Display)> = vec![("peer", &peer)];
    let exit = match &end {
        End::Goodbye => {
            log::event(Level::Info, "left", &fields);
            Exit::Done
        }
        End::HangUp(refusal) => {
            connection.say_why(refusal);
            let code = refusal.code.as_str();
            fields.push(("code", &code));
            fields.push(("reason", &refusal.message));
            let (level, exit) = match refusal.code {
                Code::Closing => (Level::Info, Exit::Done),
                Code::Timeout => (Level::Info, Exit::Late),
                _ => (Level::Warn, Exit::Cut),
            };
            log::event(level, "cut off", &fields);
            exit
        }
        End::Forsaken(reason) => {
            let what = "the server cannot go on with this connection: try again";
            connection.say_why(&Refusal::new(Code::Busy, what));
            fields.push(("reason", reason));
            log::event(Level::Error, "forsaken", &fields);
            Exit::Cut
        }
        End::Lost(reason) => {
            fields.push(("reason", reason));
            log::event(Level::Info, "lost", &fields);
            return Exit::Cut;
        }
    };
    connection.leave();
    exit
}
