//! What the child of an HTTP client can still do: as little as the child of a drive client, with the same probe.

use super::client::Http;
use super::serve;
use crate::probe::{Held, Session, furnish, hold_child, probe_each, surround};
use crate::server::{Server, eventually};
use crate::walls::{child_at, holds, skip, status};
use std::collections::HashMap;

/// Both ways in which children come to be.
const MODES: [&str; 2] = ["", "prefork = 2"];

fn server(mode: &str) -> (Server, String) {
    let keys = format!("{mode}\nlogin_seconds = 600\nidle_seconds = 600");
    let server = serve(&keys, "keepalive_seconds = 600", "", furnish);
    let outside = surround(&server);
    (server, outside)
}

/// A connection, before or after a request that is about the library, and its child, which waits.
fn session(server: &Server, inside: bool) -> Result<(Http, Held), String> {
    let mut http = Http::of(&server.address, "all");
    if inside {
        assert_eq!(http.get("/inside").body, b"inside");
    } else {
        // What is the server's own takes no library.
        assert_eq!(http.get("/-/health").code, 200);
    }
    let pid = child_at(server, http.address());
    let pid = pid.ok_or("the descriptors of children cannot be seen here")?;
    let held = hold_child(pid, &server.library())?;
    assert_eq!(held.root.is_some(), inside, "the library");
    Ok((http, held))
}

fn probe(mode: &str, inside: bool) {
    let (server, folder) = server(mode);
    let mut bystander = Http::enter(&server.address, "all");
    let Some(sibling) = child_at(&server, bystander.address()) else {
        return skip("the descriptors of children cannot be seen here");
    };
    probe_each(&server, &folder, sibling, inside, &mut || {
        let (http, held) = session(&server, inside)?;
        let session: Session = (Box::new(http), held);
        Ok(session)
    });
    // A process beside the probed ones serves its client as if nothing had been.
    assert!(server.children().contains(&sibling));
    assert_eq!(bystander.get("/inside").body, b"inside");
}

#[test]
fn nothing_is_left_to_an_http_child_before_the_library_is_lent() {
    probe(MODES[0], false);
}

#[test]
fn nothing_is_left_to_a_warm_http_child_either() {
    probe(MODES[1], false);
}

#[test]
fn nothing_but_the_library_is_left_to_an_http_child_after_it() {
    probe(MODES[0], true);
}

#[test]
fn an_http_child_holds_what_its_phase_needs() {
    for mode in MODES {
        let (server, _outside) = server(mode);
        let mut http = Http::of(&server.address, "all");
        assert_eq!(http.get("/-/health").code, 200);
        let Some(pid) = child_at(&server, http.address()) else {
            return skip("the descriptors of children cannot be seen here");
        };
        eventually("it is shut in", || status(pid, "Seccomp") == "2");
        let mut held = holds(&server, pid);
        // Its reading end is there twice, or once.
        assert!(held.remove("drain").is_some());
        // The broker's alone: it needs no dialer.
        let before = HashMap::from([("standard", 3), ("client", 1), ("channel", 1)]);
        assert_eq!(held, before, "{mode}");
        // Who is not let in gets nothing.
        let mut stranger = Http::knock(&server.address);
        assert_eq!(stranger.get("/inside").code, 401);
        let theirs = child_at(&server, stranger.address()).expect("a child");
        let mut held = holds(&server, theirs);
        assert!(held.remove("drain").is_some());
        assert_eq!(held, before, "{mode}");
        assert_eq!(http.get("/inside").body, b"inside");
        assert_eq!(http.put("/new", b"new").code, 201);
        let library = [("root", 1), ("stage", 1), ("partial", 1)];
        let after: HashMap<_, _> = before.into_iter().chain(library).collect();
        eventually("it holds what is its own and nothing else", || {
            let mut held = holds(&server, pid);
            held.remove("drain");
            held == after
        });
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        assert_eq!(status(pid, "Threads"), "1");
        assert_eq!(status(pid, "CapEff"), "0000000000000000");
    }
}

/// A stranger who has a share link and takes their time: the child was lent the one file, and no library.
fn at_a_link(server: &Server, link: &str) -> Result<(Http, Held), String> {
    let mut http = Http::knock(&server.address);
    http.say("GET", link, "");
    assert_eq!(http.begin().map(|answer| answer.code), Some(200));
    let pid = child_at(server, http.address());
    let pid = pid.ok_or("the descriptors of children cannot be seen here")?;
    let held = hold_child(pid, &server.library())?;
    assert!(held.root.is_none(), "no library");
    Ok((http, held))
}

#[test]
fn nothing_is_left_to_a_child_that_was_lent_the_file_of_a_share_link() {
    let keys = "login_seconds = 600\nidle_seconds = 600\nstall_seconds = 600\nshares_file = \"shares.json\"";
    let listen = "login = \"required\"\nkeepalive_seconds = 600";
    let server = serve(keys, listen, "", |library| {
        furnish(library);
        // More than any socket holds.
        let large = std::fs::File::create(library.join("large")).expect("file");
        large.set_len(1 << 30).expect("length");
    });
    let folder = surround(&server);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let made = Http::of(&server.address, "all").pass("POST", "/-/shares", form, b"path=large");
    let link = made.text().trim_end().strip_prefix("http://localhost");
    let link = link.expect("a link").to_owned();
    let mut bystander = Http::of(&server.address, "all");
    assert_eq!(bystander.get("/inside").body, b"inside");
    let Some(sibling) = child_at(&server, bystander.address()) else {
        return skip("the descriptors of children cannot be seen here");
    };
    probe_each(&server, &folder, sibling, false, &mut || {
        let (http, held) = at_a_link(&server, &link)?;
        let session: Session = (Box::new(http), held);
        Ok(session)
    });
    assert_eq!(bystander.get("/inside").body, b"inside");
}
