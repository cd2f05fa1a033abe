//! What becomes of files and of connections when a process is killed in the middle: the old file stays or the new one is whole, the client
//! is told as far as there is somebody left to do so, and the next one is served.

use super::client::Http;
use super::serve;
use crate::parity::on_the_way;
use crate::peer::noise;
use crate::server::{Server, eventually};
use crate::walls::{broker_of, child_at, signal, skip};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};

const MIB: usize = 1 << 20;
/// More than what is not worth keeping, and no multiple of what is written at once.
const PART: usize = 3 * MIB + 600_000;
/// Read from the socket and written to the disk at once.
const PIECE: u64 = 256 << 10;

const MODES: [&str; 2] = ["", "prefork = 2"];
const HOME: &str = "home = \"home\"";

fn old(library: &Path) {
    std::fs::create_dir(library.join("home")).expect("home");
    std::fs::write(library.join("home/old"), noise(300_000, 1)).expect("file");
}

fn file(server: &Server, name: &str) -> PathBuf {
    server.library().join("home").join(name)
}

fn content(server: &Server, name: &str) -> Vec<u8> {
    std::fs::read(file(server, name)).expect("file")
}

/// Bytes of uploads that are under way or were cut.
fn bytes_on_the_way(server: &Server) -> u64 {
    let files = on_the_way(server);
    let sizes = files.iter().filter_map(|path| path.metadata().ok());
    sizes.map(|facts| facts.len()).sum()
}

/// Begins an upload of `length` bytes, and sends `part`, which has come to the disk as far as it is written at once.
fn begin(server: &Server, http: &mut Http, name: &str, length: usize, part: &[u8]) {
    let lines = format!("Content-Length: {length}\r\n");
    http.say("PUT", &format!("/{name}"), &lines);
    http.send(part);
    let pieces = part.len() as u64 / PIECE;
    eventually("a part has come", || {
        !on_the_way(server).is_empty() && bytes_on_the_way(server) >= pieces * PIECE
    });
}

/// A connection, once there is a child that is fit to serve it.
fn enter_again(server: &Server) -> Http {
    let mut entered = None;
    eventually("somebody is served", || {
        let mut http = Http::of(&server.address, "all");
        let request = format!("GET / HTTP/1.1\r\n{}Accept: */*\r\n\r\n", http.always);
        if http.try_send(request.as_bytes()).is_ok()
            && http.next().is_some_and(|answer| answer.code == 200)
        {
            entered = Some(http);
        }
        entered.is_some()
    });
    entered.expect("a connection")
}

fn another_broker(server: &Server, than: u32) {
    eventually("another broker", || {
        let now = server.offspring("forkftpd:broker");
        now.len() == 1 && now[0] != than
    });
}

#[test]
fn the_upload_of_a_child_that_is_killed_is_gone_on_with() {
    let new = noise(5 * MIB, 2);
    for mode in MODES {
        for name in ["old", "new"] {
            let server = serve(mode, "", HOME, old);
            let mut http = Http::enter(&server.address, "all");
            let Some(child) = child_at(&server, http.address()) else {
                return skip("the descriptors of children cannot be seen here");
            };
            begin(&server, &mut http, name, new.len(), &new[..PART]);
            signal(child, Signal::SIGKILL);
            http.expect_end();
            assert!(content(&server, "old") == noise(300_000, 1));
            assert!(name == "old" || !file(&server, name).exists());
            let mut http = Http::enter(&server.address, "all");
            let listed = http.json("/").json();
            assert_eq!(listed["total"], 1, "nothing but what is whole: {listed}");
            let target = format!("/{name}");
            let kept = http.expect("HEAD", &format!("{target}?upload"), "", 204);
            let kept: usize = kept
                .field("upload-offset")
                .and_then(|offset| offset.parse().ok())
                .expect("an offset");
            assert!((3 * MIB..=PART).contains(&kept), "{kept}");
            assert_eq!(bytes_on_the_way(&server), kept as u64);
            let all = new.len();
            // What is not what is kept is refused, and keeps it.
            let wrong = format!("Content-Range: bytes {}-{}/{all}\r\n", kept + 1, all - 1);
            let mut other = Http::enter(&server.address, "all");
            let refused = other.pass("PUT", &target, &wrong, &new[kept + 1..]);
            assert_eq!(refused.code, 409, "{refused:?}");
            assert_eq!(refused.field("upload-offset"), Some(&*kept.to_string()));
            let range = format!("Content-Range: bytes {kept}-{}/{all}\r\n", all - 1);
            let answer = http.pass("PUT", &target, &range, &new[kept..]);
            let wanted = if name == "old" { 200 } else { 201 };
            assert_eq!(answer.code, wanted, "{answer:?}");
            assert!(content(&server, name) == new);
            assert_eq!(on_the_way(&server), Vec::<PathBuf>::new());
        }
    }
}

#[test]
fn connections_end_with_their_listener_but_not_in_the_middle() {
    let big = noise(8 * MIB, 3);
    for mode in MODES {
        let server = serve(mode, "", HOME, |library| {
            old(library);
            std::fs::write(library.join("home/big"), &big).expect("file");
        });
        let mut idle = Http::enter(&server.address, "all");
        let mut getting = Http::enter(&server.address, "all");
        getting.say("GET", "/big", "");
        assert_eq!(getting.begin().map(|answer| answer.code), Some(200));
        let mut putting = Http::enter(&server.address, "all");
        begin(&server, &mut putting, "old", big.len(), &big[..MIB]);
        server.signal(Signal::SIGKILL);
        idle.expect_end();
        assert!(getting.fill(big.len()));
        getting.expect_whole(&big);
        assert!(content(&server, "old") == noise(300_000, 1));
        putting.send(&big[MIB..]);
        assert_eq!(putting.hear().code, 200);
        assert!(content(&server, "old") == big);
        for http in [&mut getting, &mut putting] {
            http.expect_end();
        }
    }
}

#[test]
fn without_its_broker_a_connection_goes_on_until_it_has_something_to_ask() {
    let new = noise(3 * MIB, 4);
    for mode in MODES {
        let server = serve(mode, "", HOME, old);
        let mut waiting = Http::of(&server.address, "all");
        assert_eq!(waiting.get("/-/health").code, 200);
        let mut http = Http::enter(&server.address, "all");
        begin(&server, &mut http, "old", new.len(), &new[..500_000]);
        let broker = broker_of(&server);
        signal(broker, Signal::SIGKILL);
        another_broker(&server, broker);
        // It has the library.
        http.send(&new[500_000..]);
        assert_eq!(http.hear().code, 200);
        assert!(content(&server, "old") == new);
        assert!(http.get("/old").body == new);
        http.expect("DELETE", "/old", "", 204);
        // Who has not been let in can ask nobody, and is told.
        let told = waiting.get("/old");
        assert_eq!(told.code, 503, "{told:?}");
        waiting.expect_end();
        let mut http = enter_again(&server);
        assert_eq!(http.put("/old", b"again").code, 201);
    }
}

#[test]
fn without_its_broker_nothing_is_stored_that_nobody_counts() {
    let server = serve("", "", "home = \"home\"\nquota = \"1 GiB\"", old);
    let mut http = Http::enter(&server.address, "all");
    http.say("PUT", "/old", "Transfer-Encoding: chunked\r\n");
    let chunk = [&b"100000\r\n"[..], &[7; MIB], b"\r\n"].concat();
    http.send(&chunk);
    eventually("it has begun", || !on_the_way(&server).is_empty());
    let broker = broker_of(&server);
    signal(broker, Signal::SIGKILL);
    another_broker(&server, broker);
    // More than was reserved ahead.
    for _ in 0..1000 {
        if http.is_heard() || http.try_send(&chunk).is_err() {
            break;
        }
    }
    // With nothing of the quota in hand the child is refused more of it; otherwise it cannot give back what it has.
    let answer = http.hear();
    assert!([500, 503].contains(&answer.code), "{answer:?}");
    http.expect_end();
    assert!(content(&server, "old") == noise(300_000, 1));
    let mut http = enter_again(&server);
    assert_eq!(http.put("/old", b"again").code, 200);
    assert_eq!(content(&server, "old"), b"again");
}
