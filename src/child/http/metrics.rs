//! `/-/metrics`: the counters of the whole server in Prometheus' text form (version 0.0.4), for those that the operator named. To
//! everybody else it is not there. Run by a child.
//!
//! The numbers are the listener's, which shows its page to children whose client may see it; they are a second old at most.

use super::exchange::Exchange;
use super::reply::Reply;
use super::{Handled, service};
use crate::error::Code;
use crate::scoreboard::{Sum, Totals};
use crate::sys::net::Peer;
use crate::wire::Protocol;
use std::fmt::Write as _;

/// What each metric is called, its type, what it tells, and how it is read of a protocol's numbers.
type Row = (&'static str, &'static str, &'static str, fn(&Sum) -> u64);

#[rustfmt::skip]
const ROWS: [Row; 7] = [
    ("forkftp_connections_accepted_total", "counter", "Clients that were let in to be served.", |sum| sum.accepted),
    ("forkftp_connections_turned_away_total", "counter", "Clients that were told that the server is busy.", |sum| sum.turned_away),
    ("forkftp_received_bytes_total", "counter", "Bytes from clients.", |sum| sum.done.received),
    ("forkftp_sent_bytes_total", "counter", "Bytes to clients.", |sum| sum.done.sent),
    ("forkftp_logins_refused_total", "counter", "Logins and proofs that were refused.", |sum| sum.done.refused),
    ("forkftp_uploads_total", "counter", "Files that were stored.", |sum| sum.done.uploads),
    ("forkftp_downloads_total", "counter", "Files that were sent.", |sum| sum.done.downloads),
];

const PHASES: [&str; 3] = ["login", "idle", "busy"];

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
    let mut text = String::with_capacity(4096);
    let mut gauge = |name: &str, what: &str, value: String| {
        let _ = write!(
            text,
            "# HELP {name} {what}\n# TYPE {name} gauge\n{name}{value}\n"
        );
    };
    let version = env!("CARGO_PKG_VERSION");
    gauge(
        "forkftp_info",
        "Which version this is.",
        format!("{{version=\"{version}\"}} 1"),
    );
    let uptime = totals.uptime();
    gauge(
        "forkftp_uptime_seconds",
        "Seconds since the server started.",
        format!(" {}.{:03}", uptime / 1000, uptime % 1000),
    );
    gauge(
        "forkftp_warm_children",
        "Children that wait for a client.",
        format!(" {}", totals.warm()),
    );
    let sums = Protocol::ALL.map(|protocol| (protocol.as_str(), totals.sum(protocol)));
    let name = "forkftp_clients";
    let what = "Clients that are connected, by what they are at.";
    let _ = write!(text, "# HELP {name} {what}\n# TYPE {name} gauge\n");
    for (protocol, sum) in &sums {
        for (phase, living) in PHASES.iter().zip(sum.living) {
            let _ = writeln!(
                text,
                "{name}{{protocol=\"{protocol}\",phase=\"{phase}\"}} {living}"
            );
        }
    }
    for (name, kind, what, read) in ROWS {
        let _ = write!(text, "# HELP {name} {what}\n# TYPE {name} {kind}\n");
        for (protocol, sum) in &sums {
            let _ = writeln!(text, "{name}{{protocol=\"{protocol}\"}} {}", read(sum));
        }
    }
    text
}
