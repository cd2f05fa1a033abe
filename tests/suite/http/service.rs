//! What surrounds the files: health, time, metrics for those who may see them, and listening sockets that only send on.

use super::client::Http;
use super::{LISTEN, serve};
use crate::server::{Server, eventually};
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn the_server_says_that_it_is_there_and_what_time_it_is() {
    let server = serve("", "login = \"required\"", "", |_| {});
    let mut http = Http::knock(&server.address);
    let health = http.get("/-/health");
    assert_eq!((health.code, health.text()), (200, "ok\n"));
    let health = http.json("/-/health").json();
    assert_eq!(health["status"], json!("ok"));
    assert_eq!(health["version"], json!(env!("CARGO_PKG_VERSION")));
    assert!(
        health["uptime"].as_u64().is_some_and(|up| up < 600),
        "{health}"
    );
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.expect("a clock").as_secs()
    };
    let (before, time, after) = (now(), http.json("/-/time").json(), now());
    let unix = time["unix"].as_u64().expect("seconds");
    assert!((before..=after).contains(&unix), "{time}");
    let said: jiff::Timestamp = time["time"]
        .as_str()
        .and_then(|t| t.parse().ok())
        .expect("RFC 3339");
    assert_eq!(said.as_second() as u64, unix);
    assert!(http.get("/-/time").text().starts_with("20"));
    let put = http.put("/-/health", b"");
    assert_eq!((put.code, put.field("allow")), (405, Some("GET, HEAD")));
    assert_eq!(http.get("/-/metrics").code, 404, "off");
}

fn metrics(http: &mut Http) -> BTreeMap<String, f64> {
    let answer = http.get("/-/metrics");
    assert_eq!(answer.code, 200);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.field("content-type"), Some(kind));
    let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

fn counters_of(mode: &str) {
    let keys = format!("{mode}\nmax_per_address = 2");
    let server = serve(
        &keys,
        "login = \"required\"\nmetrics_networks = [\"127.0.0.1\"]",
        "",
        |library| std::fs::write(library.join("file"), vec![7; 100_000]).expect("file"),
    );
    let far = |n| Http::knock_from([127, 0, 0, n], &server.address);
    assert_eq!(far(2).get("/-/metrics").code, 404, "not among them");
    let mut http = far(3).by("all");
    assert_eq!(http.get("/file").body.len(), 100_000);
    assert_eq!(http.put("/new", &[1; 50_000]).code, 201);
    drop(http);
    let mut wrong = far(4);
    wrong.always += "Authorization: Basic YWxsOm5vdGhpbmc=\r\n";
    assert_eq!(wrong.get("/file").code, 401);
    drop(wrong);
    let mut idle = far(5).by("all");
    assert_eq!(idle.ask("HEAD", "/file", "").code, 200);
    let mut full = [far(6), far(6)].map(|mut http| {
        assert_eq!(http.get("/-/health").code, 200);
        http
    });
    assert_eq!(far(6).next().map(|answer| answer.code), Some(503));
    let mut asks = Http::knock(&server.address);
    let of = |now: &BTreeMap<String, f64>, name: &str| {
        now[&format!("forkftp_{name}{{protocol=\"http\"}}")]
    };
    let living = |now: &BTreeMap<String, f64>, phase: &str| {
        now[&format!("forkftp_clients{{protocol=\"http\",phase=\"{phase}\"}}")]
    };
    let mut last = BTreeMap::new();
    eventually("the counters are as they should be", || {
        last = metrics(&mut asks);
        of(&last, "sent_bytes_total") > 100_000.0
            && of(&last, "received_bytes_total") > 50_000.0
            && of(&last, "uploads_total") == 1.0
            && of(&last, "downloads_total") == 1.0
            && of(&last, "logins_refused_total") == 1.0
            && of(&last, "connections_turned_away_total") == 1.0
            && of(&last, "connections_accepted_total") == 7.0
            && living(&last, "idle") + living(&last, "busy") == 4.0
    });
    assert_eq!(last["forkftp_uploads_total{protocol=\"ftp\"}"], 0.0);
    assert!(last["forkftp_uptime_seconds"] > 0.0);
    assert_eq!(idle.get("/-/metrics").code, 404);
    assert_eq!(full[0].get("/-/health").code, 200);
    // Somebody's proxy, which nobody named, comes for anybody.
    asks.expect("GET", "/-/metrics", "X-Forwarded-For: 127.0.0.1\r\n", 404);
}

#[test]
fn who_may_sees_the_counters_of_the_whole_server() {
    counters_of("");
}

#[test]
fn who_may_sees_them_from_a_warm_child_as_well() {
    counters_of("prefork = 3");
}

#[test]
fn a_trusted_proxys_client_is_who_sees_them() {
    let listen = "login = \"required\"\nmetrics_networks = [\"192.0.2.7\"]\ntrusted_proxies = [\"127.0.0.1\"]";
    let server = serve("", listen, "", |_| {});
    for (lines, code) in [
        ("X-Forwarded-For: 192.0.2.7\r\n", 200),
        ("X-Forwarded-For: 192.0.2.7, 192.0.2.8\r\n", 404),
        ("", 404),
    ] {
        Http::knock(&server.address).expect("GET", "/-/metrics", lines, code);
    }
}

#[test]
fn a_socket_that_sends_on_does_nothing_else() {
    let keys = format!("[[listen]]\n{LISTEN}\nredirect = \"https://files.example.org/\"");
    let server = Server::configured(&keys, &[], |library| {
        std::fs::write(library.join("file"), b"here").expect("file");
    });
    let mut http = Http::knock(&server.address);
    for (method, target, to) in [
        ("GET", "/file", "/file"),
        ("HEAD", "/a%20b/?x=1&y", "/a%20b/?x=1&y"),
        ("DELETE", "/file", "/file"),
        ("GET", "/-/health", "/-/health"),
        ("GET", "http://other/x", "/x"),
        ("OPTIONS", "*", "/"),
        ("GET", "//evil.example/x", "//evil.example/x"),
    ] {
        let answer = http.ask(method, target, "Sec-Fetch-Site: cross-site\r\n");
        let to = format!("https://files.example.org{to}");
        assert_eq!(
            (answer.code, answer.field("location")),
            (308, Some(&*to)),
            "{target}"
        );
    }
    let answer = http.pass("PUT", "/new", "", b"content");
    assert_eq!(answer.code, 308);
    assert!(!server.library().join("new").exists());
}
