//! Both protocols over one library: whoever comes by one meets the files, the limits and the uploads of those who come by the other.

use super::client::Ftp;
use super::on_the_way;
use crate::peer::{Peer, blake3, frame, noise, put, request};
use crate::server::{Server, eventually};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

const MIB: usize = 1 << 20;

/// A server with a place for either, for the user `all`, with these further keys: of the server, and of the user.
fn server(keys: &str, user: &str, prepare: impl FnOnce(&Path)) -> (Server, String, String) {
    let config = format!(
        "durability = \"none\"\nkeep_free = 0\n{keys}\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nproof = \"none\"\n"
    );
    let rights =
        "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]";
    let user = format!("{rights}\n{user}");
    let server = Server::configured(&config, &[("all", "pencil", &user)], prepare);
    let [ftp, drive] = &server.addresses[..] else {
        panic!("two places");
    };
    let (ftp, drive) = (ftp.clone(), drive.clone());
    (server, ftp, drive)
}

fn enter(drive: &str) -> Peer {
    let mut peer = Peer::connect_to(drive);
    assert_eq!(peer.log_in("all", "pencil").letter, 'K');
    peer
}

/// The code that an upload is refused with.
fn refusal(peer: &mut Peer, path: &str, content: &[u8]) -> String {
    peer.send(&put(json!({"path": path, "overwrite": true}), content));
    peer.refusal()
}

#[test]
fn a_file_is_the_same_either_way() {
    let (_server, ftp, drive) = server("receipt = \"blake3\"", "", |_| ());
    let (mut ftp, mut peer) = (Ftp::enter(&ftp, "all"), enter(&drive));
    let content = noise(3 * MIB + 1, 1);
    let stored = ftp.store("STOR by ftp", &content);
    let receipt = format!("blake3={}", blake3(&content));
    assert!(stored.text().contains(&receipt), "{stored:?}");
    assert!(peer.get("by ftp") == content);
    let facts = peer.ask('S', &json!({"path": "by ftp"})).json();
    assert_eq!(facts["size"], content.len());
    peer.send(&put(
        json!({"path": "by drive", "mtime": 1_400_000_000}),
        &content,
    ));
    peer.expect('K');
    assert!(ftp.fetch("RETR by drive").is_ok_and(|all| all == content));
    assert_eq!(ftp.expect("MDTM by drive", 213).text(), "20140513165320");
    assert_eq!(
        ftp.expect("SIZE by drive", 213).text(),
        content.len().to_string()
    );
    ftp.expect("DELE by drive", 250);
    assert_eq!(peer.list(&json!({"path": ""})), ["by ftp"]);
}

#[test]
fn of_two_writers_of_one_name_the_second_is_told() {
    for name in ["old", "new"] {
        let (server, ftp, drive) = server("", "", |library| {
            std::fs::write(library.join("old"), "OLD").expect("file");
        });
        let (mut ftp, mut peer) = (Ftp::enter(&ftp, "all"), enter(&drive));
        let new = noise(2 * MIB, 2);
        let mut data = ftp.begin(&format!("STOR {name}")).expect("data");
        std::io::Write::write_all(&mut data, &new[..MIB]).expect("send");
        eventually("it has begun", || !on_the_way(&server).is_empty());
        assert_eq!(refusal(&mut peer, name, b"by drive"), "in-use");
        let mut other = Ftp::enter(&server.addresses[0], "all");
        assert_eq!(other.store(&format!("STOR {name}"), b"by ftp").code, 450);
        assert_eq!(other.store(&format!("APPE {name}"), b"by ftp").code, 450);
        std::io::Write::write_all(&mut data, &new[MIB..]).expect("send");
        data.finish();
        assert_eq!(ftp.hear().code, 226);
        assert!(peer.get(name) == new);
        // The other way round.
        peer.send(&request('P', &json!({"path": name, "overwrite": true})));
        peer.send(&frame('D', &new[..MIB]));
        eventually("it has begun", || !on_the_way(&server).is_empty());
        assert_eq!(other.store(&format!("STOR {name}"), b"by ftp").code, 450);
        peer.send(&request(
            'E',
            &json!({"code": "cancelled", "message": "no"}),
        ));
        assert_eq!(peer.refusal(), "cancelled");
        assert_eq!(other.store(&format!("STOR {name}"), b"by ftp").code, 226);
        assert_eq!(peer.get(name), b"by ftp");
        assert_eq!(on_the_way(&server), Vec::<PathBuf>::new());
    }
}

#[test]
fn limits_are_of_whoever_it_is_however_they_come() {
    // A quota.
    let keys = "home = \"home\"\nquota = 1000";
    let home = |library: &Path| std::fs::create_dir(library.join("home")).expect("home");
    let (_server, ftp, drive) = server("", keys, home);
    let (mut ftp, mut peer) = (Ftp::enter(&ftp, "all"), enter(&drive));
    assert_eq!(ftp.store("STOR one", &[1; 600]).code, 226);
    assert_eq!(refusal(&mut peer, "two", &[2; 401]), "quota");
    peer.send(&put(json!({"path": "two"}), &[2; 400]));
    peer.expect('K');
    assert_eq!(ftp.store("STOR three", &[3]).code, 552);
    assert_eq!(peer.ask('F', &json!({"path": "one"})).letter, 'K');
    assert_eq!(ftp.store("STOR three", &[3; 600]).code, 226);
    // Sessions.
    let (_server, ftp, drive) = server("", "sessions = 1", |_| ());
    let session = enter(&drive);
    assert_eq!(Ftp::connect(&ftp).log_in("all").code, 530);
    drop(session);
    eventually("it has left", || {
        Ftp::connect(&ftp).log_in("all").code == 230
    });
    // Connections.
    let (_server, ftp, drive) = server("max_per_address = 1", "", |_| ());
    let session = Ftp::connect(&ftp);
    assert_eq!(Peer::connect_to(&drive).hello.code(), "busy");
    drop(session);
    eventually("it has left", || {
        Peer::connect_to(&drive).hello.letter == 'H'
    });
    // Failures.
    let (_server, ftp, drive) = server("max_failures = 2\nban_seconds = 600", "", |_| ());
    assert_eq!(Ftp::connect(&ftp).log_in_with("all", "guess").code, 530);
    assert_eq!(
        Peer::connect_to(&drive).fail_to_log_in("all").code(),
        "login"
    );
    assert_eq!(Ftp::connect(&ftp).log_in("all").code, 530);
    assert_eq!(
        Peer::connect_to(&drive).log_in("all", "pencil").code(),
        "login"
    );
}

#[test]
fn many_writers_at_once_leave_one_whole_file() {
    const EACH: u64 = 12;
    const ROUNDS: u64 = 4;
    const SIZE: usize = 300_000;
    let (server, ftp, drive) = server("", "", |_| ());
    let (ftp, drive) = (&ftp, &drive);
    let start = Barrier::new(2 * EACH as usize);
    std::thread::scope(|scope| {
        for number in 0..EACH {
            let start = &start;
            scope.spawn(move || {
                let mut ftp = Ftp::enter(ftp, "all");
                for round in 0..ROUNDS {
                    let content = noise(SIZE, 2 * (number * ROUNDS + round));
                    start.wait();
                    let reply = ftp.store("STOR same", &content);
                    assert!([226, 450].contains(&reply.code), "{reply:?}");
                }
            });
            scope.spawn(move || {
                let mut peer = enter(drive);
                for round in 0..ROUNDS {
                    let content = noise(SIZE, 2 * (number * ROUNDS + round) + 1);
                    let payload = json!({"path": "same", "overwrite": true});
                    start.wait();
                    peer.send(&put(payload, &content));
                    let answer = peer.next().expect("an answer");
                    assert!(answer.letter == 'K' || answer.code() == "in-use");
                }
            });
        }
    });
    let left = Ftp::enter(ftp, "all").fetch("RETR same").expect("a file");
    let whole = (0..2 * EACH * ROUNDS).filter(|seed| left == noise(SIZE, *seed));
    assert_eq!(whole.count(), 1, "a mixture of two");
    assert_eq!(on_the_way(&server), Vec::<PathBuf>::new());
}

/// A box that anybody may put things into, of whatever name, and nobody looks into.
#[test]
fn what_is_dropped_under_one_name_at_once_is_all_kept() {
    let config = "durability = \"none\"\nkeep_free = 0\n[anonymous]\nrights = [\"put\"]\non_taken = \"rename\"\nlargest_file = 5000\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\nlogin = \"optional\"\n";
    let server = Server::configured(config, &[], |_| ());
    let mut all: Vec<_> = (0..3)
        .map(|number| {
            let mut ftp = Ftp::enter(&server.address, "ftp");
            let mut data = ftp.begin("STOR picture").expect("data");
            std::io::Write::write_all(&mut data, &noise(1000, number)).expect("send");
            (ftp, data)
        })
        .collect();
    for (ftp, data) in &mut all {
        data.finish();
        assert_eq!(ftp.hear().code, 226);
    }
    let (ftp, _) = &mut all[0];
    assert_eq!(ftp.store("STOR large", &noise(5001, 9)).code, 552);
    for command in ["RETR picture", "LIST", "NLST", "MLSD"] {
        assert_eq!(
            ftp.fetch(command).expect_err("denied").code,
            550,
            "{command}"
        );
    }
    for command in [
        "DELE picture",
        "SIZE picture",
        "MDTM picture",
        "MLST",
        "RNFR picture",
    ] {
        ftp.expect(command, 550);
    }
    let files = std::fs::read_dir(server.library()).expect("library");
    let paths = files.map(|entry| entry.expect("entry").path());
    let contents: Vec<_> = paths
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).expect("file"))
        .collect();
    assert_eq!(contents.len(), 3);
    for number in 0..3 {
        assert!(contents.contains(&noise(1000, number)), "{number}");
    }
}
