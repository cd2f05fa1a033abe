//! Names that change under the server's hands, and names that are of no file: whatever is asked meanwhile, nothing outside the library
//! is read, made, changed or removed.

use super::peer::{Peer, noise, put, request};
use super::server::{PATIENCE, Server, give_away};
use super::walls::{contains, is_root, open_to_all, outside, skip};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Seconds that all races together take; FORKFTP_RACE_SECONDS says otherwise.
const SECONDS: u64 = 10;

/// Somebody who may write into the library keeps changing a folder for a link that leads out of it, and a file for another. No
/// answer ever holds a byte from there, and nothing is ever changed there.
#[test]
fn a_folder_that_keeps_becoming_a_link_leads_nowhere() {
    for level in ["full", "off"] {
        race(level, length() / 2);
    }
}

/// All requests of one round, by what they are called. Each leaves things so that the next round can do the same.
fn requests(round: u64) -> Vec<(&'static str, Vec<u8>)> {
    let put_to = |path: &str| {
        put(
            json!({"path": path, "size": 4, "overwrite": true, "mtime": 5}),
            b"mine",
        )
    };
    let to = |path: &str, to: &str| request('R', &json!({"path": path, "to": to}));
    let free = |path: &str| request('F', &json!({"path": path}));
    let (new, made) = (format!("door/new-{round}"), format!("door/made-{round}"));
    let (moved, top) = (format!("door/moved-{round}"), format!("top-{round}"));
    vec![
        ("get", request('G', &json!({"path": "door/file"}))),
        ("list", request('L', &json!({"path": "door"}))),
        (
            "list all",
            request('L', &json!({"path": "door", "recursive": true})),
        ),
        ("stat", request('S', &json!({"path": "door/file"}))),
        (
            "time",
            request('T', &json!({"path": "door/file", "mtime": 5})),
        ),
        ("put", put_to(&new)),
        (
            "put with folders",
            put(
                json!({"path": format!("door/deep-{round}/file"), "size": 4, "parents": true}),
                b"mine",
            ),
        ),
        ("make", request('M', &json!({"path": made}))),
        ("rename within", to(&new, &moved)),
        ("put beside", put_to(&top)),
        ("rename into", to(&top, &format!("door/in-{round}"))),
        ("rename out of", to(&moved, &format!("out-{round}"))),
        (
            "rename over",
            request(
                'R',
                &json!({"path": format!("out-{round}"), "to": "door/over", "overwrite": true}),
            ),
        ),
        ("free a file", free(&format!("door/in-{round}"))),
        ("free a folder", free(&made)),
        ("leaf get", request('G', &json!({"path": "leaf"}))),
        ("leaf stat", request('S', &json!({"path": "leaf"}))),
        (
            "leaf time",
            request('T', &json!({"path": "leaf", "mtime": 5})),
        ),
        // The rest of a round that met the link.
        ("tidy", free(&top)),
    ]
}

/// What is outside: names, contents and times.
pub fn facts(outside: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = std::fs::read_dir(outside).expect("outside");
    entries
        .map(|entry| {
            let entry = entry.expect("entry");
            let time = entry.metadata().expect("facts").modified().expect("time");
            let content = std::fs::read(entry.path()).expect("content");
            let name = entry.file_name().into_string().expect("text");
            (name, (content, time))
        })
        .collect()
}

/// A folder and a file, and a link that leads out of the library beside each.
pub fn lay_traps(library: &Path) {
    std::fs::create_dir(library.join("door")).expect("a folder");
    std::fs::write(library.join("door/file"), b"inside").expect("a file");
    std::fs::write(library.join("leaf"), b"inside").expect("a file");
    std::os::unix::fs::symlink("../outside", library.join("trap")).expect("a link");
    std::os::unix::fs::symlink("../outside/file", library.join("leaf-trap")).expect("a link");
}

/// The folder that the links lead to, with files that only walls keep the server from.
pub fn bait(server: &Server) -> PathBuf {
    let outside = outside(server);
    open_to_all(&outside);
    for name in ["file", "secret-name", "over"] {
        std::fs::write(outside.join(name), b"OUTSIDE").expect("a file");
        open_to_all(&outside.join(name));
        super::walls::give_to_server(&outside.join(name));
    }
    outside
}

/// Keeps changing each for its link and back, until it is over.
pub fn swap(library: &Path, over: &AtomicBool) {
    let pairs = [("door", "trap"), ("leaf", "leaf-trap")]
        .map(|(one, other)| (library.join(one), library.join(other)));
    while !over.load(Ordering::Relaxed) {
        for (one, other) in &pairs {
            let exchange = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
            let here = nix::fcntl::AT_FDCWD;
            nix::fcntl::renameat2(here, one, here, other, exchange).expect("exchange");
        }
    }
}

/// How long all races of one kind together take.
pub fn length() -> Duration {
    let seconds = std::env::var("FORKFTP_RACE_SECONDS").ok();
    let seconds = seconds.map_or(SECONDS, |s| s.parse().expect("seconds"));
    Duration::from_secs(seconds)
}

fn race(level: &str, length: Duration) {
    let arguments = ["--sandbox", level, "--durability", "none"];
    let server = Server::prepared(&arguments, lay_traps);
    let outside = bait(&server);
    let before = facts(&outside);
    let library = server.library();
    let over = AtomicBool::new(false);
    let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&library, &over));
        let mut peer = Peer::connect(&server);
        let until = Instant::now() + length;
        let mut round = 0;
        while Instant::now() < until {
            round += 1;
            for (what, request) in requests(round) {
                peer.send(&request);
                let answer = answer(&mut peer);
                if let Ok(said) = &answer {
                    assert!(!contains(said, b"OUTSIDE"), "{what}: a byte from outside");
                    assert!(
                        !contains(said, b"secret-name"),
                        "{what}: a name from outside"
                    );
                    if what.ends_with("stat") {
                        let said: serde_json::Value = serde_json::from_slice(said).expect("json");
                        assert_eq!(said["size"], 6, "{what}: facts from outside");
                    }
                }
                counts.entry(what).or_default()[usize::from(answer.is_ok())] += 1;
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(facts(&outside) == before, "something outside was changed");
    assert_raced(&counts);
    assert!(server.staged("stage").is_empty());
}

/// What was tried was refused at one time and served at another; if not, nothing raced.
pub fn assert_raced(counts: &BTreeMap<&str, [u64; 2]>) {
    for (what, [refused, served]) in counts {
        let both = *served > 0 && *refused > 0;
        assert!(
            both || *what == "put beside",
            "no race: {what} {served} {refused}"
        );
    }
}

/// All of an answer, or the code it was refused with.
fn answer(peer: &mut Peer) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    loop {
        let frame = peer.next().expect("an answer");
        match frame.letter {
            'E' => return Err(frame.code()),
            'D' => all.extend(frame.payload),
            // Of a download it is the beginning.
            'K' if frame.json().get("offset").is_none() => return Ok(frame.payload),
            'Z' => return Ok(all),
            _ => {}
        }
    }
}

/// The code of a refusal, or `ok`.
fn outcome(peer: &mut Peer, request: &[u8]) -> String {
    peer.send(request);
    match answer(peer) {
        Ok(_) => "ok".into(),
        Err(code) => code,
    }
}

#[test]
fn what_is_no_file_is_absent_and_keeps_nobody_waiting() {
    use nix::sys::stat::{Mode, SFlag, mknod};
    let all = Mode::from_bits_truncate(0o666);
    let mut kinds = vec!["fifo", "socket"];
    let server = Server::prepared(&["--stall-seconds", "5"], |library| {
        nix::unistd::mkfifo(&library.join("fifo"), all).expect("fifo");
        std::os::unix::net::UnixListener::bind(library.join("socket")).expect("socket");
        std::fs::write(library.join("file"), "content").expect("file");
    });
    let library = server.library();
    // /dev/zero: one that never ends.
    let zero = nix::sys::stat::makedev(1, 5);
    match mknod(&library.join("device"), SFlag::S_IFCHR, all, zero) {
        Ok(()) => {
            open_to_all(&library.join("device"));
            kinds.push("device");
        }
        Err(errno) => {
            assert!(!is_root() || errno == nix::errno::Errno::EPERM, "{errno}");
            skip("devices: only root makes one");
        }
    }
    give_away(server.folder(), &library);
    let mut peer = Peer::connect(&server);
    let begun = Instant::now();
    for kind in &kinds {
        let on = |letter: char, more: serde_json::Value| {
            let mut payload = json!({"path": kind});
            for (key, value) in more.as_object().expect("keys") {
                payload[key] = value.clone();
            }
            request(letter, &payload)
        };
        for (request, wanted) in [
            (on('G', json!({})), "not-found"),
            (on('L', json!({})), "not-found"),
            (on('S', json!({})), "not-found"),
            (on('T', json!({"mtime": 5})), "not-found"),
            (on('F', json!({})), "not-found"),
            (on('R', json!({"to": "taken"})), "not-found"),
            (on('M', json!({})), "exists"),
            (on('M', json!({"parents": true})), "exists"),
            (put(json!({"path": kind, "size": 3}), b"new"), "exists"),
            (
                put(json!({"path": kind, "overwrite": true}), b"new"),
                "exists",
            ),
            (
                put(json!({"path": format!("{kind}/x"), "size": 3}), b"new"),
                "not-folder",
            ),
            (
                request('R', &json!({"path": "file", "to": kind, "overwrite": true})),
                "exists",
            ),
        ] {
            let shown = String::from_utf8_lossy(&request[..request.len().min(60)]);
            assert_eq!(outcome(&mut peer, &request), wanted, "{kind}: {shown}");
        }
    }
    assert!(begun.elapsed() < PATIENCE, "somebody waited");
    assert_eq!(peer.list(&json!({"path": "", "recursive": true})), ["file"]);
    for kind in kinds {
        let left = library.join(kind).symlink_metadata().expect("it is there");
        assert!(!left.is_file(), "{kind}");
    }
}

#[test]
fn the_other_names_of_a_file_keep_it() {
    let server = Server::prepared(&[], |library| {
        std::fs::write(library.join("one"), "content").expect("file");
        for name in ["two", "three"] {
            std::fs::hard_link(library.join("one"), library.join(name)).expect("link");
        }
    });
    let mut peer = Peer::connect(&server);
    let over = put(json!({"path": "one", "size": 3, "overwrite": true}), b"new");
    assert_eq!(outcome(&mut peer, &over), "ok");
    assert_eq!(peer.get("one"), b"new");
    assert_eq!(peer.get("two"), b"content");
    let same = json!({"path": "two", "to": "three", "overwrite": true});
    assert_eq!(outcome(&mut peer, &request('R', &same)), "exists");
    assert_eq!(
        outcome(&mut peer, &request('F', &json!({"path": "two"}))),
        "ok"
    );
    assert_eq!(peer.get("three"), b"content");
    assert_eq!(peer.list(&json!({"path": ""})), ["one", "three"]);
}

#[test]
fn many_children_at_once_do_not_meet_in_the_stage() {
    const CHILDREN: u64 = 64;
    let server = Server::start(&["--durability", "none", "--max-clients", "100"]);
    let address = &server.address;
    // Each waits for all others with its upload whole but for the last frame.
    let start = std::sync::Barrier::new(CHILDREN as usize);
    std::thread::scope(|scope| {
        for number in 0..CHILDREN {
            let start = &start;
            scope.spawn(move || {
                let mut peer = Peer::connect_to(address);
                for round in 0..4 {
                    let content = noise(5000, number * 4 + round);
                    let payload = json!({"path": "same", "size": 5000, "overwrite": true});
                    let run = put(payload, &content);
                    let last = run.len() - 20;
                    peer.send(&run[..last]);
                    start.wait();
                    peer.send(&run[last..]);
                    peer.expect('K');
                }
            });
        }
    });
    let left = Peer::connect(&server).get("same");
    let last = (0..CHILDREN * 4).filter(|seed| left == noise(5000, *seed));
    assert_eq!(last.count(), 1, "a mixture of two");
    assert!(server.staged("stage").is_empty() && server.staged("partial").is_empty());
}
