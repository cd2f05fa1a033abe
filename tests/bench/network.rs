//! A network of the program's own, which has loopback alone. In it every connection of every server can be put under the same
//! congestion control, of servers too that know no such setting: the route says so, and neither this machine's setting nor
//! other programs are touched.

use crate::stats::say;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Whether there is such a network.
static OWN: OnceLock<bool> = OnceLock::new();

/// Goes into a network of its own, if this user may, with all threads and programs that are started from now on.
pub(crate) fn enter() {
    OWN.get_or_init(|| {
        // SAFETY: takes no pointer; no other thread of this program runs yet that could be in another network afterwards.
        let alone = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
        alone && ip(&["link", "set", "lo", "up"])
    });
}

/// The connections made while this lives, all of them, in both directions.
pub(crate) struct Under;

/// Puts new connections under `congestion`. Nothing where there is no network of its own: they go by this machine's setting.
pub(crate) fn under(congestion: &str) -> Option<Under> {
    let own = OWN.get().copied().unwrap_or(false);
    (own && route(&["congctl", congestion])).then_some(Under)
}

/// Does `what` under each of `congestions` in turn, and says where that could not be had.
pub(crate) fn under_each(congestions: &[&str], what: impl Fn(&str)) {
    for congestion in congestions {
        let under = under(congestion);
        what(congestion);
        if under.is_none() {
            say(
                "    (no network of its own: the peers, and what they send, went by the system's congestion control)",
            );
        }
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        route(&[]);
    }
}

fn route(more: &[&str]) -> bool {
    let loopback = [
        "route",
        "replace",
        "local",
        "127.0.0.1",
        "dev",
        "lo",
        "table",
        "local",
        "proto",
        "kernel",
        "scope",
        "host",
        "src",
        "127.0.0.1",
    ];
    ip(&[&loopback, more].concat())
}

fn ip(words: &[&str]) -> bool {
    let mut command = Command::new("ip");
    command
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
