//! `/-/metrics`: the counters of the whole server in Prometheus' text form (version 0.0.4), for those that the operator named. To
//! everybody else it is not there. Run by a child.
//!
//! The numbers are the listener's, which shows its page to children whose client may see it; they are a second old at most.

use super::exchange::Exchange;
use super::reply::Reply;
use super::{Handled, service};
use crate::error::Code;
use crate::scoreboard::{Totals, exposition};
use crate::sys::net::Peer;

pub(super) fn show(exchange: &mut Exchange<'_>, peer: Peer) -> Handled {
    let totals = exchange
        .world
        .totals
        .filter(|_| is_for(exchange, peer))
        .map(written);
    match totals {
        Some(text) => service::read(exchange, |_| {
            Reply::with_content(200, "text/plain; version=0.0.4; charset=utf-8", text)
        }),
        None => exchange.refuse(&Code::NotFound.into()),
    }
}

/// True when the one who asks is in `metrics_networks`. Whoever comes by a proxy that is not trusted could be anybody.
fn is_for(exchange: &Exchange<'_>, peer: Peer) -> bool {
    let http = &exchange.world.listen.http;
    let head = &exchange.head;
    // Behind one that is trusted, it is known who they are.
    let proxied = !matches!(peer, Peer::Forwarded(_))
        && ["x-forwarded-for", "forwarded", "via"]
            .iter()
            .any(|name| head.all(name).next().is_some());
    let Some(address) = peer.address().map(|address| address.to_canonical()) else {
        return false;
    };
    !proxied
        && http
            .metrics_networks
            .iter()
            .any(|network| network.contains(&address))
}

fn written(totals: &Totals) -> String {
    exposition(totals.uptime(), totals.warm(), |protocol| {
        totals.sum(protocol)
    })
}
