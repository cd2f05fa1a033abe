//! Processes that are killed, and files that are moved away.

use super::{expect, file_of, lines, next, start};
use crate::http::client::Http;
use crate::parity::client::Ftp;
use crate::peer::{Peer, put};
use crate::server::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

fn end(pid: u32) {
    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("kill");
}

#[test]
fn what_a_killed_child_was_at_was_cut() {
    let server = start("");
    let mut seen = 0;
    let mut ftp = Ftp::enter(&server.addresses[1], "ann");
    let data = ftp.begin("STOR big").expect("data connection");
    let child = server.children();
    assert_eq!(child.len(), 1);
    end(child[0]);
    let line = expect(&server, &mut seen, "upload", "cut", "ann/big");
    assert_eq!(line["user"], "ann");
    drop(data);
    eventually("its end", || server.children().is_empty());
    // What it had done before stays.
    let mut http = Http::of(&server.addresses[2], "all");
    assert_eq!(http.put("/file", b"whole").code, 201);
    expect(&server, &mut seen, "upload", "ok", "file");
    end(server.children()[0]);
    eventually("its end", || server.children().is_empty());
    assert_eq!(lines(&file_of(&server)).len(), seen);
}

/// Without a broker nobody hears that an upload was stored: nobody could have written it down.
#[test]
fn what_is_answered_is_written_also_when_the_broker_is_killed() {
    let server = start("");
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.log_in("all", "pencil").letter, 'K');
    let broker = server.offspring("forkftpd:broker");
    assert_eq!(broker.len(), 1);
    let mut answered = Vec::new();
    for i in 0..200 {
        let sent = std::io::Write::write_all(
            &mut peer.socket,
            &put(json!({"path": format!("{i}")}), b"x"),
        );
        if i == 100 {
            end(broker[0]);
        }
        let Some(frame) = sent.ok().and_then(|()| peer.next()) else {
            break;
        };
        if frame.letter == 'K' {
            answered.push(frame.json()["id"].clone());
        }
    }
    assert!(answered.len() >= 100, "{}", answered.len());
    let written = lines(&file_of(&server));
    for id in &answered {
        assert!(
            written.iter().any(|line| line["id"] == *id),
            "{id} is not written"
        );
    }
}

#[test]
fn a_ledger_that_was_rotated_is_opened_anew() {
    let server = start("");
    let (path, old) = (file_of(&server), server.folder().join("ledger.jsonl.1"));
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.log_in("all", "pencil").letter, 'K');
    let store = |peer: &mut Peer, name: &str| {
        peer.send(&put(json!({"path": name}), b"x"));
        peer.expect('K');
    };
    store(&mut peer, "one");
    std::fs::rename(&path, &old).expect("rename");
    // Until it is told, the server writes to the file that it has.
    store(&mut peer, "two");
    assert_eq!(lines(&old).len(), 2);
    server.signal(Signal::SIGHUP);
    server.wait_for("configuration reloaded");
    // The same session: its lines go to the new file.
    store(&mut peer, "three");
    assert_eq!((lines(&old).len(), lines(&path).len()), (2, 1));
    // Removed without a word, it is made again.
    std::fs::remove_file(&path).expect("remove");
    store(&mut peer, "four");
    assert_eq!(lines(&path)[0]["path"], "four");
}

/// A line that was cut, by a full disk or a crash, is left as it is, and the next one begins on a line of its own.
#[test]
fn a_damaged_end_is_not_continued() {
    let mut server = start("");
    let path = file_of(&server);
    let mut seen = 0;
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.log_in("all", "pencil").letter, 'K');
    peer.send(&put(json!({"path": "one"}), b"x"));
    peer.expect('K');
    next(&server, &mut seen, 1);
    let mut text = std::fs::read_to_string(&path).expect("read");
    text.push_str("{\"time\":\"2026-");
    std::fs::write(&path, &text).expect("write");
    drop(peer);
    server.restart();
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.log_in("all", "pencil").letter, 'K');
    peer.send(&put(json!({"path": "two"}), b"x"));
    peer.expect('K');
    let after = std::fs::read_to_string(&path).expect("read");
    let new = after.strip_prefix(&text).expect("nothing was changed");
    assert!(
        new.starts_with("\n{\"time\"") && new.ends_with("}\n"),
        "{new}"
    );
    assert_eq!(new.matches('\n').count(), 2);
}
