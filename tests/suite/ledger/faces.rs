//! One line for each deed on each face, with what the client saw.

use super::{expect, file_of, lines, next, start};
use crate::http::client::Http;
use crate::parity::client::Ftp;
use crate::peer::{Peer, blake3, put, request};
use crate::server::Server;
use forkftp::digest::{Hasher, Kind};
use serde_json::{Value, json};
use std::collections::HashSet;

fn sha256(content: &[u8]) -> String {
    let mut hasher = Hasher::new(Kind::Sha256);
    hasher.update(content);
    hasher.finish().to_hex()
}

/// What stands in every line of a session of this user.
fn expect_who(line: &Value, user: Option<&str>, face: &str) {
    let user = user.map_or(Value::Null, Value::from);
    assert_eq!(
        (&line["user"], &line["face"], &line["address"]),
        (&user, &face.into(), &"127.0.0.1".into()),
        "{line}"
    );
    // As in the log: the server's start, and the child's number.
    let session = line["session"].as_str().expect("session");
    let (start, number) = session.split_once('-').expect("two parts");
    assert!(start.len() == 8 && number.parse::<u64>().is_ok(), "{line}");
    let time: jiff::Timestamp = line["time"]
        .as_str()
        .and_then(|time| time.parse().ok())
        .expect("time");
    let age = jiff::Timestamp::now().duration_since(time).as_secs();
    assert!((-1..60).contains(&age), "{line}");
    assert!(line["millis"].as_u64().is_some_and(|took| took < 20_000));
}

#[test]
fn every_deed_by_the_drive_protocol_has_its_line() {
    let server = start("");
    let mut seen = 0;
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.log_in("ann", "pencil").letter, 'K');
    peer.send(&put(json!({"path": "a b%25"}), b"content"));
    let done = peer.expect('K').json();
    // Below her home, and in the letters of the protocol.
    let line = expect(&server, &mut seen, "upload", "ok", "ann/a b%25");
    expect_who(&line, Some("ann"), "drive");
    assert_eq!(line["id"], done["id"]);
    assert_eq!(done["id"].as_str().map(str::len), Some(16));
    assert_eq!(
        (&line["size"], &line["blake3"]),
        (&7.into(), &blake3(b"content").into())
    );
    peer.get("a b%25");
    let line = expect(&server, &mut seen, "download", "ok", "ann/a b%25");
    expect_who(&line, Some("ann"), "drive");
    assert_eq!(
        (&line["size"], &line["blake3"]),
        (&7.into(), &blake3(b"content").into())
    );
    peer.send(&request('G', &json!({"path": "a b%25", "offset": 5})));
    for letter in ['K', 'D', 'Z'] {
        peer.expect(letter);
    }
    let line = expect(&server, &mut seen, "download", "ok", "ann/a b%25");
    // The digest of a part is not the file's.
    assert_eq!((&line["size"], &line["blake3"]), (&2.into(), &Value::Null));
    let renamed = peer.ask('R', &json!({"path": "a b%25", "to": "c"}));
    assert_eq!(renamed.letter, 'K');
    let line = expect(&server, &mut seen, "rename", "ok", "ann/a b%25");
    assert_eq!(line["to"], "ann/c");
    assert_eq!(peer.ask('F', &json!({"path": "c"})).letter, 'K');
    let line = expect(&server, &mut seen, "delete", "ok", "ann/c");
    assert_eq!(line["size"], 7);
    // What fails: no such file, a bad digest, a path that is none, and what was given up.
    assert_eq!(peer.ask('G', &json!({"path": "c"})).code(), "not-found");
    expect(&server, &mut seen, "download", "not-found", "ann/c");
    assert_eq!(peer.ask('F', &json!({"path": "c"})).code(), "not-found");
    expect(&server, &mut seen, "delete", "not-found", "ann/c");
    peer.send(&put(json!({"path": "../up"}), b"x"));
    assert_eq!(peer.refusal(), "name");
    let line = expect(&server, &mut seen, "upload", "name", "ann/../up");
    assert_eq!(line["id"], Value::Null);
    peer.send(&request('P', &json!({"path": "half"})));
    peer.send(&request(
        'E',
        &json!({"code": "cancelled", "message": "no"}),
    ));
    assert_eq!(peer.refusal(), "cancelled");
    expect(&server, &mut seen, "upload", "cut", "ann/half");
    peer.send(&request('P', &json!({"path": "half", "size": 1_000_000})));
    peer.socket.shutdown(std::net::Shutdown::Both).expect("end");
    expect(&server, &mut seen, "upload", "cut", "ann/half");
    // Nothing else has a line.
    let mut peer = Peer::connect(&server);
    peer.list(&json!({"path": ""}));
    assert_eq!(peer.ask('S', &json!({"path": "ann"})).letter, 'K');
    peer.ask('Q', &json!({}));
    peer.expect_end();
    assert_eq!(lines(&file_of(&server)).len(), seen);
}

#[test]
fn uploads_that_are_answered_together_are_written_down_before() {
    let server = start("");
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.log_in("all", "pencil").letter, 'K');
    let mut batch = Vec::new();
    for i in 0..300 {
        batch.extend(put(json!({"path": format!("{i}")}), b"x"));
        if i % 50 == 7 {
            batch.extend(put(json!({"path": ".hidden"}), b"x"));
        }
    }
    peer.send(&batch);
    let (mut ids, mut refused) = (HashSet::new(), 0);
    while ids.len() < 300 || refused < 6 {
        let frame = peer.next().expect("an answer");
        match frame.letter {
            'K' => {
                let id = frame.json()["id"].as_str().expect("id").to_owned();
                // It was written down before it was said.
                let known = lines(&file_of(&server));
                assert!(known.iter().any(|line| line["id"] == *id));
                ids.insert(id);
            }
            _ => refused += 1,
        }
    }
    let written = lines(&file_of(&server));
    let written = written.iter().filter_map(|line| line["id"].as_str());
    assert_eq!(written.map(str::to_owned).collect::<HashSet<_>>(), ids);
}

#[test]
fn every_deed_by_ftp_has_its_line() {
    let server = start("");
    let mut seen = 0;
    let mut ftp = Ftp::enter(&server.addresses[1], "all");
    let reply = ftp.store("STOR one", b"content");
    let said = reply.text();
    let line = expect(&server, &mut seen, "upload", "ok", "one");
    expect_who(&line, Some("all"), "ftp");
    let (id, digest) = (&line["id"], &line["sha256"]);
    assert!(said.contains(&format!("id={}", id.as_str().expect("id"))));
    assert_eq!(*digest, sha256(b"content"));
    assert_eq!(line["size"], 7);
    assert_eq!(ftp.fetch("RETR one").expect("content"), b"content");
    let line = expect(&server, &mut seen, "download", "ok", "one");
    expect_who(&line, Some("all"), "ftp");
    assert_eq!(line["size"], 7);
    ftp.store("STOU one", b"other");
    let line = next(&server, &mut seen, 1).remove(0);
    let path = line["path"].as_str().expect("path");
    assert!(path.starts_with("one-") && server.library().join(path).exists());
    ftp.expect("RNFR one", 350);
    ftp.expect("RNTO two", 250);
    let line = expect(&server, &mut seen, "rename", "ok", "one");
    assert_eq!(line["to"], "two");
    ftp.expect("DELE two", 250);
    let line = expect(&server, &mut seen, "delete", "ok", "two");
    assert_eq!(line["size"], 7);
    ftp.expect("MKD folder", 257);
    ftp.expect("RMD folder", 250);
    expect(&server, &mut seen, "delete", "ok", "folder");
    ftp.expect("DELE two", 550);
    expect(&server, &mut seen, "delete", "not-found", "two");
    assert!(ftp.fetch("RETR two").is_err());
    expect(&server, &mut seen, "download", "not-found", "two");
    let mut rita = Ftp::enter(&server.addresses[1], "rita");
    rita.store("STOR x", b"x");
    let line = expect(&server, &mut seen, "upload", "denied", "x");
    expect_who(&line, Some("rita"), "ftp");
    // Cut by its client in the middle.
    ftp.expect("TYPE I", 200);
    ftp.expect("ALLO 100000", 200);
    ftp.store("STOR cut", b"not all");
    let line = expect(&server, &mut seen, "upload", "cut", "cut");
    assert_eq!(line["size"], 7);
}

#[test]
fn every_deed_by_http_has_its_line() {
    let server = start("");
    let mut seen = 0;
    let mut http = Http::of(&server.addresses[2], "all");
    let answer = http.pass("PUT", "/one", "Accept: application/json\r\n", b"content");
    assert_eq!(answer.code, 201);
    let line = expect(&server, &mut seen, "upload", "ok", "one");
    expect_who(&line, Some("all"), "http");
    let told = answer.json();
    assert_eq!(
        (&line["id"], &line["sha256"], &line["size"]),
        (&told["id"], &told["sha256"], &told["size"])
    );
    assert_eq!(http.get("/one").body, b"content");
    let line = expect(&server, &mut seen, "download", "ok", "one");
    expect_who(&line, Some("all"), "http");
    assert_eq!(line["size"], 7);
    http.expect("HEAD", "/one", "", 200);
    http.expect("GET", "/one", "Range: bytes=5-\r\n", 206);
    let line = expect(&server, &mut seen, "download", "ok", "one");
    assert_eq!(line["size"], 2);
    http.expect("MOVE", "/one", "Destination: /two\r\n", 201);
    let line = expect(&server, &mut seen, "rename", "ok", "one");
    assert_eq!(line["to"], "two");
    http.expect("GET", "/one", "", 404);
    expect(&server, &mut seen, "download", "not-found", "one");
    http.expect("GET", "/?zip", "", 200);
    let line = expect(&server, &mut seen, "download", "ok", "");
    assert!(line["size"].as_u64().is_some_and(|size| size > 7), "{line}");
    http.expect("DELETE", "/two", "", 204);
    let line = expect(&server, &mut seen, "delete", "ok", "two");
    assert_eq!(line["size"], 7);
    let form =
        "--x\r\nContent-Disposition: form-data; name=f; filename=form\r\n\r\ninside\r\n--x--\r\n";
    let kind = "Content-Type: multipart/form-data; boundary=x\r\n";
    assert_eq!(http.pass("POST", "/", kind, form.as_bytes()).code, 201);
    let line = expect(&server, &mut seen, "upload", "ok", "form");
    assert_eq!(line["sha256"], sha256(b"inside"));
    // A part that is kept has no line of its own; the whole has.
    let part = "Content-Range: bytes 0-3/6\r\n";
    assert_eq!(http.pass("PUT", "/parts", part, b"part").code, 202);
    let part = "Content-Range: bytes 4-5/6\r\n";
    assert_eq!(http.pass("PUT", "/parts", part, b"ly").code, 201);
    let line = expect(&server, &mut seen, "upload", "ok", "parts");
    assert_eq!(
        (&line["size"], &line["sha256"]),
        (&6.into(), &sha256(b"partly").into())
    );
    // The body is cut.
    http.send(b"PUT /cut HTTP/1.1\r\nHost: localhost\r\n");
    let always = http.always.clone();
    let rest = always.replace("Host: localhost\r\n", "");
    http.send(format!("{rest}Content-Length: 100\r\n\r\nnot all").as_bytes());
    http.wire()
        .socket()
        .shutdown(std::net::Shutdown::Both)
        .expect("end");
    let line = expect(&server, &mut seen, "upload", "cut", "cut");
    assert_eq!(line["size"], 7);
}

/// Whoever has the link is nobody that the ledger could name, but the link is.
#[test]
fn a_file_that_was_got_by_a_share_link_has_the_path_of_who_shared_it() {
    let server = start("");
    let mut seen = 0;
    let mut ann = Http::of(&server.addresses[2], "ann");
    assert_eq!(ann.put("/file", b"shared").code, 201);
    expect(&server, &mut seen, "upload", "ok", "ann/file");
    let kind = "Content-Type: application/json\r\nAccept: application/json\r\n";
    let asked = json!({"path": "/file"}).to_string();
    let share = ann.pass("POST", "/-/shares", kind, asked.as_bytes()).json();
    let url = share["url"].as_str().expect("url");
    let link = &url[url.find("/-/s/").expect("link")..];
    let mut stranger = Http::knock(&server.addresses[2]);
    assert_eq!(stranger.get(link).body, b"shared");
    let line = expect(&server, &mut seen, "download", "ok", "ann/file");
    expect_who(&line, None, "http");
    assert_eq!(line["share"], share["id"]);
    // Somebody who is in, and whose home has such a file, too.
    let mut all = Http::enter(&server.addresses[2], "all");
    assert_eq!(all.get(link).body, b"shared");
    let line = expect(&server, &mut seen, "download", "ok", "ann/file");
    expect_who(&line, Some("all"), "http");
    assert_eq!(line["share"], share["id"]);
    all.expect("GET", "/ann/file", "", 200);
    let line = expect(&server, &mut seen, "download", "ok", "ann/file");
    assert_eq!(line["share"], Value::Null);
}

/// Names of any bytes and of any length: what no message can hold goes in parts.
#[test]
fn long_names_come_whole() {
    let server = start("");
    let mut seen = 0;
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.log_in("all", "pencil").letter, 'K');
    // No UTF-8: each byte takes three letters.
    let folder = vec!["%FF".repeat(240); 16].join("/");
    let (file, other) = (format!("{folder}/file"), format!("{folder}/other"));
    peer.send(&put(json!({"path": file, "parents": true}), b"x"));
    peer.expect('K');
    expect(&server, &mut seen, "upload", "ok", &file);
    assert_eq!(
        peer.ask('R', &json!({"path": file, "to": other})).letter,
        'K'
    );
    let line = expect(&server, &mut seen, "rename", "ok", &file);
    assert_eq!(line["to"], other);
    // No path at all, and longer than any.
    let long = "\u{1}%FF".repeat(5000);
    assert_eq!(peer.ask('G', &json!({"path": long})).letter, 'E');
    let line = next(&server, &mut seen, 1).remove(0);
    let path = line["path"].as_str().expect("path");
    assert!(path.len() > 100 && long.starts_with(path), "{path}");
    peer.get(&other);
    expect(&server, &mut seen, "download", "ok", &other);
}

#[test]
fn nothing_is_told_where_there_is_no_ledger() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(&server);
    peer.send(&put(json!({"path": "a"}), b"x"));
    // The upload is known by something all the same: the log has it.
    let id = peer.expect('K').json()["id"]
        .as_str()
        .expect("id")
        .to_owned();
    assert!(server.wait_for(" put ").contains(&format!("id={id}")));
    peer.get("a");
    assert!(!server.folder().join("ledger.jsonl").exists());
}
