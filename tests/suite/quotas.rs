//! Quotas: what fits to the byte and no more, whoever sends at the same time, and whatever ends in the middle.

use super::peer::{Frame, Peer, blake3, frame, noise, put, request};
use super::server::{Server, eventually};
use super::walls::{Stopped, broker_of};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// A server with one user, who may do everything in a folder of her own as far as these keys let her.
fn server(keys: &str) -> Server {
    let config = "durability = \"none\"\nkeep_free = 0\n[[listen]]\naddress = \"127.0.0.1:0\"\nproof = \"none\"\n";
    let rights = "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]\nhome = \"home\"\n";
    Server::configured(
        config,
        &[("quinn", "pencil", &format!("{rights}{keys}"))],
        |library| {
            std::fs::create_dir(library.join("home")).expect("home");
            // Not hers, and not counted.
            std::fs::write(library.join("other"), noise(5000, 1)).expect("file");
        },
    )
}

fn enter(address: &str) -> Peer {
    let mut peer = Peer::connect_to(address);
    assert_eq!(peer.log_in("quinn", "pencil").letter, 'K');
    peer
}

fn home(server: &Server) -> PathBuf {
    server.library().join("home")
}

/// Bytes and files that the server believes to be there.
fn counted(server: &Server) -> (u64, u64) {
    let text = std::fs::read_to_string(state(server)).expect("state");
    let number = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.expect("a line").trim().parse().expect("a number")
    };
    (number("bytes "), number("files "))
}

fn state(server: &Server) -> PathBuf {
    let folder = server.library().join(".forkftp/quota");
    let mut all = std::fs::read_dir(folder).expect("quota");
    let state = all.next().expect("a state").expect("entry").path();
    assert!(all.next().is_none(), "one home, one state");
    state
}

/// Bytes and files that are there, by inode: a file may have two names for a moment.
fn there(folders: &[PathBuf]) -> (u64, u64) {
    let mut sizes = HashMap::new();
    for folder in folders {
        add(folder, &mut sizes);
    }
    (sizes.values().sum(), sizes.len() as u64)
}

fn add(folder: &Path, sizes: &mut HashMap<u64, u64>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(facts) if facts.is_dir() => add(&entry.path(), sizes),
            Ok(facts) => {
                sizes.insert(facts.ino(), facts.len());
            }
            Err(_) => {}
        }
    }
}

/// What is counted is what is there.
fn in_step(server: &Server) {
    assert_eq!(counted(server), there(&[home(server)]));
}

/// The answer to a whole upload: `ok`, or the code it was refused with.
fn outcome(frame: &Frame) -> String {
    match frame.letter {
        'K' => "ok".into(),
        _ => frame.code(),
    }
}

fn store(peer: &mut Peer, path: &str, size: usize, known: bool) -> String {
    let mut payload = json!({"path": path, "overwrite": true});
    if known {
        payload["size"] = json!(size);
    }
    peer.send(&put(payload, &noise(size, size as u64)));
    outcome(&peer.next().expect("an answer"))
}

fn free(peer: &mut Peer, path: &str) {
    assert_eq!(peer.ask('F', &json!({"path": path})).letter, 'K', "{path}");
}

#[test]
fn as_much_fits_as_the_quota_says_and_not_a_byte_more() {
    for known in [true, false] {
        let server = server("quota = 1000");
        let mut peer = enter(&server.address);
        assert_eq!(store(&mut peer, "f", 1001, known), "quota");
        assert_eq!(there(&[home(&server)]), (0, 0));
        assert_eq!(store(&mut peer, "f", 1000, known), "ok");
        in_step(&server);
        assert_eq!(store(&mut peer, "g", 1, known), "quota");
        assert_eq!(store(&mut peer, "empty", 0, known), "ok");
        free(&mut peer, "f");
        assert_eq!(store(&mut peer, "a", 600, known), "ok");
        assert_eq!(store(&mut peer, "b", 401, known), "quota");
        assert_eq!(store(&mut peer, "b", 400, known), "ok");
        // Another session of hers is the same quota.
        assert_eq!(store(&mut enter(&server.address), "c", 1, known), "quota");
        in_step(&server);
        assert_eq!(counted(&server), (1000, 3));
        // Refused uploads, many in a row, keep nothing back.
        free(&mut peer, "b");
        for _ in 0..20 {
            assert_eq!(store(&mut peer, "b", 401, known), "quota");
        }
        assert_eq!(store(&mut peer, "b", 400, known), "ok");
    }
}

#[test]
fn an_upload_that_fails_gives_back_what_was_kept_for_it() {
    let server = server("quota = 1000");
    let mut peer = enter(&server.address);
    let content = noise(900, 1);
    let begin = request('P', &json!({"path": "f", "size": 900}));
    let data = frame('D', &content);
    let ends: [(Vec<u8>, &str); 3] = [
        (
            request('Z', &json!({"size": 900, "digest": blake3(b"other")})),
            "digest",
        ),
        (
            request('Z', &json!({"size": 899, "digest": blake3(&content)})),
            "size",
        ),
        (
            request('E', &json!({"code": "cancelled", "message": "no"})),
            "cancelled",
        ),
    ];
    for (end, code) in ends {
        peer.send(&[&begin[..], &data, &end].concat());
        assert_eq!(peer.refusal(), code);
    }
    // A client that goes away in the middle.
    let mut gone = enter(&server.address);
    // The answer to the first frame comes when room is kept for it.
    let resumed = json!({"path": "f", "size": 900, "resume": true});
    assert_eq!(gone.ask('P', &resumed).letter, 'K');
    gone.send(&data[..100]);
    assert_eq!(store(&mut peer, "g", 200, true), "quota");
    drop(gone);
    eventually("it is given back", || {
        store(&mut peer, "f", 1000, true) == "ok"
    });
    in_step(&server);
    // A name that is taken is no reason to count anything.
    for _ in 0..3 {
        let again = put(json!({"path": "f", "size": 900}), &content);
        peer.send(&again);
        assert_eq!(peer.refusal(), "exists");
    }
    free(&mut peer, "f");
    assert_eq!(store(&mut peer, "f", 1000, true), "ok");
}

#[test]
fn files_are_counted_too() {
    let server = server("quota_files = 3");
    let mut peer = enter(&server.address);
    for name in ["a", "b", "c"] {
        assert_eq!(store(&mut peer, name, 10, true), "ok");
    }
    for known in [true, false] {
        assert_eq!(store(&mut peer, "d", 0, known), "quota");
    }
    // In the place of another it is no new one, and a folder is none.
    assert_eq!(store(&mut peer, "a", 100_000, true), "ok");
    assert_eq!(peer.ask('M', &json!({"path": "folder"})).letter, 'K');
    assert_eq!(
        peer.ask('R', &json!({"path": "a", "to": "folder/a"}))
            .letter,
        'K'
    );
    assert_eq!(store(&mut peer, "d", 1, true), "quota");
    let over = json!({"path": "folder/a", "to": "b", "overwrite": true});
    assert_eq!(peer.ask('R', &over).letter, 'K');
    assert_eq!(store(&mut peer, "d", 1, true), "ok");
    assert_eq!(peer.ask('F', &json!({"path": "folder"})).letter, 'K');
    assert_eq!(store(&mut peer, "e", 1, true), "quota");
    free(&mut peer, "d");
    assert_eq!(store(&mut peer, "e", 1, true), "ok");
    in_step(&server);
}

#[test]
fn overwriting_needs_room_for_both_and_keeps_one() {
    let server = server("quota = 1000");
    let mut peer = enter(&server.address);
    for (size, wanted, counted_then) in [
        (600, "ok", 600),
        (401, "quota", 600),
        (400, "ok", 400),
        (601, "quota", 400),
        (600, "ok", 600),
        (0, "ok", 0),
        (1000, "ok", 1000),
        (1, "quota", 1000),
    ] {
        assert_eq!(store(&mut peer, "f", size, true), wanted, "{size}");
        assert_eq!(counted(&server), (counted_then, 1), "{size}");
        in_step(&server);
    }
}

#[test]
fn what_has_no_size_is_counted_as_it_comes() {
    let server = server("quota = \"5 MiB\"");
    let mut peer = enter(&server.address);
    for pieces in [81, 200, 80] {
        let piece = noise(MIB / 16, pieces);
        let mut run = request('P', &json!({"path": "f"}));
        for _ in 0..pieces {
            run.extend(frame('D', &piece));
        }
        let content = piece.repeat(pieces as usize);
        let end = json!({"size": content.len(), "digest": blake3(&content)});
        run.extend(request('Z', &end));
        peer.send(&run);
        let wanted = if pieces > 80 { "quota" } else { "ok" };
        assert_eq!(
            outcome(&peer.next().expect("an answer")),
            wanted,
            "{pieces}"
        );
        if pieces > 80 {
            // The refusal came before the end of the run; this comes after it.
            peer.send(&frame('N', b"echo"));
            peer.expect('N');
            assert_eq!(there(&[home(&server)]), (0, 0));
            // Kept, it would only take the room that is missing.
            assert_eq!(there(&[partials(&server)]), (0, 0));
        }
    }
    assert_eq!(counted(&server), (5 * MIB as u64, 1));
    in_step(&server);
}

fn partials(server: &Server) -> PathBuf {
    server.library().join(".forkftp/partial")
}

#[test]
fn many_at_once_do_not_pass_it_together() {
    const QUOTA: u64 = 7 << 19;
    let server = server(&format!("quota = {QUOTA}"));
    let address = &server.address;
    let places = [partials(&server), home(&server)];
    let broker = broker_of(&server);
    for known in [true, false] {
        let over = AtomicBool::new(false);
        let (stored, most) = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut most = 0;
                while !over.load(Ordering::Relaxed) {
                    // So that no file goes and gives its room to another between two looks.
                    let stopped = Stopped::new(broker);
                    most = most.max(there(&places).0);
                    drop(stopped);
                    std::thread::sleep(Duration::from_millis(1));
                }
                most
            });
            let senders: Vec<_> = (0..8)
                .map(|number| {
                    scope.spawn(move || {
                        let mut peer = enter(address);
                        store(&mut peer, &format!("f{number}"), MIB, known)
                    })
                })
                .collect();
            let mut stored = 0;
            for sender in senders {
                match sender.join().expect("a sender").as_str() {
                    "ok" => stored += 1,
                    other => assert_eq!(other, "quota"),
                }
            }
            over.store(true, Ordering::Relaxed);
            (stored, watcher.join().expect("a watcher"))
        });
        assert!(most <= QUOTA, "{most} bytes lay there at once");
        assert!(most > 0 || !known, "nothing was seen");
        if known {
            assert_eq!(stored, 3, "as many as fit");
        }
        in_step(&server);
        let mut peer = enter(&server.address);
        for name in peer.list(&json!({"path": ""})) {
            free(&mut peer, &name);
        }
        // Everything that was kept for somebody is there again.
        eventually("all of it is free", || {
            let all = store(&mut peer, "all", QUOTA as usize, true) == "ok";
            if all {
                free(&mut peer, "all");
            }
            all
        });
        assert_eq!(counted(&server), (0, 0));
    }
}

/// Begins an upload of `size` bytes and sends `sent` of them; the server has them when this returns.
fn begin(server: &Server, payload: &Value, content: &[u8], sent: usize) -> Peer {
    let mut peer = enter(&server.address);
    peer.send(&request('P', payload));
    peer.send(&frame('D', &content[..sent]));
    eventually("the bytes are there", || {
        there(&[partials(server)]).0 >= sent as u64
    });
    peer
}

#[test]
fn a_child_that_is_killed_gives_back_what_it_had() {
    let server = server("quota = \"3 MiB\"");
    let content = noise(5 * MIB / 2, 1);
    let payload = json!({"path": "f", "size": content.len()});
    let _cut = begin(&server, &payload, &content, 100_000);
    let child = server.children();
    assert_eq!(child.len(), 1, "{child:?}");
    let mut peer = enter(&server.address);
    assert_eq!(store(&mut peer, "g", MIB, true), "quota");
    kill(Pid::from_raw(child[0] as i32), Signal::SIGKILL).expect("kill");
    eventually("it is given back", || {
        store(&mut peer, "g", 5 * MIB / 2, true) == "ok"
    });
    in_step(&server);
    // What it had written is counted while it lies there.
    assert_eq!(store(&mut peer, "h", MIB / 2, true), "quota");
    assert_eq!(store(&mut peer, "h", MIB / 2 - 100_000, true), "ok");
    in_step(&server);
}

#[test]
fn what_was_cut_counts_until_it_is_resumed() {
    let server = server("quota = \"2 MiB\"");
    let content = noise(2 * MIB, 1);
    let payload = json!({"path": "f", "size": content.len()});
    drop(begin(&server, &payload, &content, 3 * MIB / 2));
    let mut peer = enter(&server.address);
    eventually("its child has left", || server.children().len() == 1);
    assert_eq!(store(&mut peer, "g", MIB / 2 + 1, true), "quota");
    assert_eq!(store(&mut peer, "g", MIB / 2, true), "ok");
    free(&mut peer, "g");
    // To the byte: what is kept is not counted twice.
    let start = peer.ask(
        'P',
        &json!({"path": "f", "size": content.len(), "resume": true}),
    );
    assert_eq!(start.letter, 'K', "{:?}", start.json());
    let offset = start.json()["offset"].as_u64().expect("offset") as usize;
    assert_eq!(offset, 3 * MIB / 2);
    peer.send(&frame('D', &content[offset..]));
    let end = json!({"size": content.len(), "digest": blake3(&content)});
    assert_eq!(peer.ask('Z', &end).letter, 'K');
    assert_eq!(peer.get("f"), content);
    in_step(&server);
    assert_eq!(there(&[partials(&server)]), (0, 0));
    assert_eq!(store(&mut peer, "g", 1, true), "quota");
}

#[test]
fn it_is_remembered_when_the_server_is_started_again() {
    let mut server = server("quota = 1000\nquota_files = 2");
    assert_eq!(store(&mut enter(&server.address), "a", 600, true), "ok");
    for _ in 0..2 {
        server.restart();
        let mut peer = enter(&server.address);
        assert_eq!(counted(&server), (600, 1));
        assert_eq!(store(&mut peer, "b", 401, true), "quota");
    }
    assert_eq!(store(&mut enter(&server.address), "b", 400, true), "ok");
    // Also when its broker is another.
    server.restart();
    let broker = server.offspring("forkftpd:broker");
    kill(Pid::from_raw(broker[0] as i32), Signal::SIGKILL).expect("kill");
    eventually("a new broker", || {
        let now = server.offspring("forkftpd:broker");
        now.len() == 1 && now != broker
    });
    let mut peer = enter(&server.address);
    assert_eq!(store(&mut peer, "a", 1, true), "quota");
    in_step(&server);
}

#[test]
fn it_is_counted_anew_when_its_state_is_removed() {
    let server = server("quota = 1000\nquota_files = 3000");
    let mut peer = enter(&server.address);
    assert_eq!(store(&mut peer, "a", 600, true), "ok");
    // What others put there is not seen,
    std::fs::write(home(&server).join("by-hand"), noise(300, 1)).expect("file");
    std::fs::create_dir(home(&server).join("folder")).expect("folder");
    std::fs::write(home(&server).join("folder/deep"), noise(50, 2)).expect("file");
    assert_eq!(store(&mut peer, "b", 100, true), "ok");
    assert_eq!(counted(&server), (700, 2));
    // until it is counted again.
    std::fs::remove_file(state(&server)).expect("remove");
    let mut peer = enter(&server.address);
    in_step(&server);
    assert_eq!(counted(&server), (1050, 4));
    assert_eq!(store(&mut peer, "c", 1, true), "quota");
    free(&mut peer, "a");
    assert_eq!(store(&mut peer, "c", 550, true), "ok");
    in_step(&server);
}

#[test]
fn a_large_home_is_counted_while_others_are_served() {
    let server = server("quota = \"1 MiB\"");
    for number in 0..2100 {
        std::fs::write(home(&server).join(format!("f{number}")), b"seven..").expect("file");
    }
    let mut busy = 0;
    eventually("it has been counted", || {
        let mut peer = Peer::connect(&server);
        let answer = peer.log_in("quinn", "pencil");
        if answer.letter == 'K' {
            return true;
        }
        assert_eq!(answer.code(), "busy");
        busy += 1;
        false
    });
    assert!(busy > 0, "somebody waited for the counting");
    assert_eq!(counted(&server), (2100 * 7, 2100));
    in_step(&server);
    eventually("the counter has left", || counters(&server).is_empty());
}

/// Processes that count for this server's broker.
fn counters(server: &Server) -> Vec<u32> {
    let broker = server.offspring("forkftpd:broker")[0];
    let list = std::fs::read_to_string(format!("/proc/{broker}/task/{broker}/children"));
    let pids = list.expect("children");
    pids.split_whitespace()
        .map(|pid| pid.parse::<u32>().expect("pid"))
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| stat.contains("forkftpd:count") && !stat.contains(") Z "))
        })
        .collect()
}
