//! Share links: one file for whoever has the link, and nothing else for them; made, listed and ended by users.

use super::client::{Answer, Http};
use super::{EVERYTHING, config, serve};
use crate::server::{Server, User};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const KEYS: &str = "shares_file = \"shares.json\"";

fn furnish(library: &Path) {
    std::fs::create_dir(library.join("in")).expect("folder");
    std::fs::write(library.join("in/file"), b"shared").expect("file");
    std::fs::write(library.join("other"), b"not shared").expect("file");
}

fn server() -> Server {
    serve(KEYS, "login = \"required\"", "", furnish)
}

fn two(ann: &str, bob: &str) -> Server {
    let users: [User<'_>; 2] = [("ann", "pencil", ann), ("bob", "pencil", bob)];
    let config = config(KEYS, "login = \"required\"");
    Server::configured(&config, &users, furnish)
}

fn ask(server: &Server, user: &str, wanted: &Value) -> Answer {
    let lines = "Content-Type: application/json\r\nAccept: application/json\r\n";
    let body = wanted.to_string();
    Http::of(&server.address, user).pass("POST", "/-/shares", lines, body.as_bytes())
}

/// What was made, and where it leads.
fn share(server: &Server, user: &str, wanted: &Value) -> (Value, String) {
    let answer = ask(server, user, wanted);
    assert_eq!(answer.code, 201, "{answer:?}");
    let made = answer.json();
    let url = made["url"].as_str().expect("url");
    let link = url.strip_prefix("http://localhost").expect("at this host");
    (made.clone(), link.to_owned())
}

/// What somebody without a name gets there, on a connection of their own.
fn open(server: &Server, link: &str) -> Answer {
    Http::knock(&server.address).get(link)
}

#[test]
fn who_has_a_link_gets_that_file_and_nothing_else() {
    let server = server();
    let (made, link) = share(&server, "all", &json!({"path": "in/file", "hours": 1}));
    assert_eq!(
        (&made["path"], &made["count"]),
        (&json!("in/file"), &Value::Null)
    );
    let mut stranger = Http::knock(&server.address);
    let answer = stranger.get(&link);
    assert_eq!((answer.code, &answer.body[..]), (200, &b"shared"[..]));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    // This connection's child can have nothing more.
    assert_eq!(answer.field("connection"), Some("close"));
    stranger.say("GET", "/other", "");
    assert_eq!(stranger.next(), None);
    let mut stranger = Http::knock(&server.address);
    assert_eq!(stranger.get("/in/file").code, 401);
    let part = stranger.ask("GET", &link, "Range: bytes=1-3\r\n");
    assert_eq!((part.code, &part.body[..]), (206, &b"har"[..]));
    // The name is for people.
    let (token, _) = link.rsplit_once('/').expect("a name");
    assert_eq!(open(&server, &format!("{token}/else")).body, b"shared");
    assert_eq!(open(&server, token).body, b"shared");
    let forged = link.replacen("/-/s/", "/-/s/A", 1);
    assert_eq!(open(&server, &forged).code, 404);
    // Who is in already goes on.
    let mut user = Http::of(&server.address, "all");
    assert_eq!(user.get("/other").body, b"not shared");
    assert_eq!(user.get(&link).body, b"shared");
    assert_eq!(user.get("/other").body, b"not shared");
    assert_eq!(stranger_put(&server, &link), 405);
}

fn stranger_put(server: &Server, link: &str) -> u16 {
    Http::knock(&server.address).put(link, b"changed").code
}

#[test]
fn a_link_ends_by_its_count_or_its_user_and_not_by_a_restart() {
    let mut server = server();
    let (_, counted) = share(&server, "all", &json!({"path": "in/file", "count": 2}));
    let (made, ended) = share(&server, "all", &json!({"path": "/other"}));
    let head = Http::knock(&server.address).expect("HEAD", &counted, "", 200);
    assert_eq!(
        head.field("content-length"),
        Some("6"),
        "looking does not count"
    );
    assert_eq!(open(&server, &counted).body, b"shared");
    server.restart();
    assert_eq!(open(&server, &counted).body, b"shared");
    let gone = open(&server, &counted);
    assert_eq!(gone.code, 404);
    let list = Http::of(&server.address, "all").json("/-/shares").json();
    assert_eq!(list["shares"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["shares"][0]["url"], made["url"]);
    let one = format!("/-/shares/{}", made["id"].as_str().expect("id"));
    assert_eq!(open(&server, &ended).body, b"not shared");
    Http::of(&server.address, "all").expect("DELETE", &one, "", 204);
    Http::of(&server.address, "all").expect("DELETE", &one, "", 404);
    // Over, used up or made up: it is all the same.
    assert_eq!(open(&server, &ended).body, gone.body);
    assert_eq!(open(&server, "/-/s/AAAA").body, gone.body);
    let long = "A".repeat(7000);
    assert_eq!(open(&server, &format!("/-/s/{long}")).body, gone.body);
    Http::of(&server.address, "all").expect("DELETE", &format!("/-/shares/{long}"), "", 404);
}

#[test]
fn what_cannot_be_shared_is_refused() {
    let may_put = "rights = [\"list\", \"put\"]";
    let server = two(EVERYTHING, may_put);
    for (user, wanted, code) in [
        ("ann", json!({"path": "nothing"}), 404),
        ("ann", json!({"path": ""}), 409),
        ("ann", json!({"path": "in"}), 409),
        ("ann", json!({"path": "../x"}), 400),
        ("ann", json!({"path": ".forkftp"}), 404),
        ("ann", json!({"path": "other", "hours": 0}), 400),
        ("ann", json!({"path": "other", "hours": 8761}), 400),
        ("ann", json!({"path": "other", "count": 0}), 400),
        ("ann", json!({"path": "other", "more": 1}), 400),
        ("ann", json!({"path": "x/".repeat(2500)}), 400),
        ("ann", json!({"path": "x/\u{1}"}), 400),
        ("ann", json!({"path": "x".repeat(20_000)}), 413),
        ("bob", json!({"path": "other"}), 403),
        ("", json!({"path": "other"}), 401),
    ] {
        let answer = ask(&server, user, &wanted);
        assert_eq!(answer.code, code, "{user} {wanted}: {answer:?}");
    }
    let made = Http::of(&server.address, "ann").pass("POST", "/-/shares", "", b"{}");
    assert_eq!(made.code, 415);
    let (made, _) = share(&server, "ann", &json!({"path": "other"}));
    let one = format!("/-/shares/{}", made["id"].as_str().expect("id"));
    Http::of(&server.address, "bob").expect("DELETE", &one, "", 404);
    let list = Http::of(&server.address, "bob").json("/-/shares").json();
    assert_eq!(list, json!({"shares": []}));
}

#[test]
fn a_link_gives_what_its_user_may_get_and_no_more() {
    let at_home = format!("{EVERYTHING}\nhome = \"in\"\nnetworks = [\"127.0.0.1\"]");
    let server = two(&at_home, EVERYTHING);
    let (_, link) = share(&server, "ann", &json!({"path": "file"}));
    let refused = ask(&server, "ann", &json!({"path": "other"}));
    assert_eq!(refused.code, 404, "beside the home");
    // Where the user may come from binds no visitor.
    let far = Http::knock_from([127, 0, 9, 9], &server.address).get(&link);
    assert_eq!(far.body, b"shared");
    let file = server.library().join("in/file");
    std::fs::remove_file(&file).expect("remove");
    std::os::unix::fs::symlink("../other", &file).expect("link");
    assert_eq!(open(&server, &link).code, 404, "no way out of the home");
    std::fs::remove_file(&file).expect("remove");
    std::fs::write(&file, b"another").expect("write");
    assert_eq!(open(&server, &link).body, b"another", "the name counts");
    // What the server's user may not read, a broker that is root does not give away either.
    let set = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&file, mode).expect("chmod");
    };
    set(0o000);
    assert_eq!(open(&server, &link).code, 404);
    set(0o644);
    assert_eq!(open(&server, &link).body, b"another");
    for user in [
        "disabled = true",
        "rights = [\"list\"]\nhome = \"in\"",
        "home = \"elsewhere\"",
    ] {
        let user = if user.contains("rights") {
            user.to_owned()
        } else {
            format!("{EVERYTHING}\n{user}")
        };
        crate::server::write_users(server.folder(), &[("ann", "pencil", &user)]);
        server.signal(nix::sys::signal::Signal::SIGHUP);
        let what = format!("the link ends with {user}");
        crate::server::eventually(&what, || open(&server, &link).code == 404);
        crate::server::write_users(server.folder(), &[("ann", "pencil", &at_home)]);
        server.signal(nix::sys::signal::Signal::SIGHUP);
        crate::server::eventually("it is there again", || open(&server, &link).code == 200);
    }
}

#[test]
fn without_a_file_for_them_there_are_no_links() {
    let server = serve("", "login = \"required\"", "", furnish);
    let answer = ask(&server, "all", &json!({"path": "other"}));
    assert_eq!(answer.code, 404);
    assert_eq!(open(&server, "/-/s/AAAA").code, 404);
}
