//! Warm children: each serves one client, and is replaced; counts and reloads are as exact as without.

use super::peer::Peer;
use super::server::{Server, eventually};
use nix::sys::signal::Signal;
use serde_json::json;

#[test]
fn each_serves_one_client_and_is_replaced() {
    let server = Server::start(&["--prefork", "3"]);
    eventually("three wait", || server.children().len() == 3);
    let mut served = std::collections::HashSet::new();
    for _ in 0..20 {
        let before = server.children();
        let mut peer = Peer::connect(&server);
        assert!(peer.list(&json!({"path": ""})).is_empty());
        eventually("three wait beside the one that serves", || {
            server.children().len() == 4
        });
        drop(peer);
        eventually("it has left", || server.children().len() == 3);
        let after = server.children();
        served.extend(before.into_iter().filter(|pid| !after.contains(pid)));
    }
    assert_eq!(served.len(), 20, "no child served twice");
}

#[test]
fn limits_hold_and_a_killed_child_is_counted_out() {
    for mode in [
        &["--max-clients", "3", "--max-per-address", "2"][..],
        &[
            "--max-clients",
            "3",
            "--max-per-address",
            "2",
            "--prefork",
            "2",
        ],
    ] {
        let server = Server::start(mode);
        let (first, _second) = (Peer::connect(&server), Peer::connect(&server));
        assert_eq!(first.hello.letter, 'H');
        let mut third = Peer::connect(&server);
        assert_eq!(third.hello.code(), "busy");
        third.expect_end();
        let left = server.children().len();
        drop(first);
        eventually("one has left", || {
            Peer::connect(&server).hello.letter == 'H'
        });
        assert!(left >= 2);
    }
}

#[test]
fn a_reload_replaces_the_waiting_and_loses_no_client() {
    let server = Server::start(&["--prefork", "2"]);
    eventually("two wait", || server.children().len() == 2);
    let before = server.children();
    let mut old = Peer::connect(&server);
    for _ in 0..10 {
        server.signal(Signal::SIGHUP);
        let mut peer = Peer::connect(&server);
        assert!(
            peer.list(&json!({"path": ""})).is_empty(),
            "a client that came during a reload is served"
        );
    }
    assert!(
        old.list(&json!({"path": ""})).is_empty(),
        "an old client goes on"
    );
    drop(old);
    eventually("only new ones wait", || {
        let now = server.children();
        now.len() == 2 && now.iter().all(|pid| !before.contains(pid))
    });
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
}
