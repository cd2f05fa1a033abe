//! Deadlines, counts, rates and quotas, which an HTTP client meets as a drive client does.

use super::client::Http;
use super::{EVERYTHING, config, serve};
use crate::parity::on_the_way;
use crate::peer::noise;
use crate::server::{PATIENCE, Server, User, eventually, run};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

fn nothing(_: &Path) {}

fn big_and_old(library: &Path) {
    let big = std::fs::File::create(library.join("big")).expect("file");
    big.set_len(64 * MIB as u64).expect("a length");
    std::fs::write(library.join("old"), "OLD").expect("file");
}

/// The last words to a client that is cut off.
fn cut_off(http: &mut Http, code: u16, why: &str) {
    let answer = http.hear();
    assert_eq!(answer.code, code, "{answer:?}");
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(answer.text().contains(why), "{answer:?}");
    http.expect_end();
}

/// Sends a byte from time to time, until there is an answer.
fn trickle(http: &mut Http, bytes: &[u8]) -> Duration {
    let began = Instant::now();
    for byte in bytes.iter().cycle() {
        assert!(began.elapsed() < PATIENCE, "it may take for ever");
        if http.is_heard() || http.try_send(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    began.elapsed()
}

#[test]
fn a_request_has_its_time_however_slowly_it_comes() {
    for mode in ["", "prefork = 1"] {
        let keys = format!("handshake_seconds = 1\nstall_seconds = 1\n{mode}");
        let server = serve(&keys, "keepalive_seconds = 1", "", nothing);
        std::thread::scope(|scope| {
            // The first, the next, and none at all.
            scope.spawn(|| {
                let mut http = Http::knock(&server.address);
                http.send(b"GET / HTTP/1.1\r\nX: ");
                let took = trickle(&mut http, b"a");
                assert!(took > Duration::from_millis(800), "{took:?}");
                assert!(took < Duration::from_secs(8), "{took:?}");
                cut_off(&mut http, 408, "");
            });
            scope.spawn(|| {
                let mut http = Http::enter(&server.address, "all");
                http.send(b"GET / HTTP/1.1\r\nX: ");
                let took = trickle(&mut http, b"a");
                assert!(took < Duration::from_secs(8), "{took:?}");
                cut_off(&mut http, 408, "");
            });
            scope.spawn(|| Http::knock(&server.address).expect_end());
            scope.spawn(|| {
                let mut http = Http::enter(&server.address, "all");
                let began = Instant::now();
                http.expect_end();
                assert!(began.elapsed() > Duration::from_millis(800));
                assert!(began.elapsed() < Duration::from_secs(8));
            });
            // A body that does not come, of either kind.
            for length in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
                let address = &server.address;
                scope.spawn(move || {
                    let mut http = Http::enter(address, "all");
                    let target = format!("/{}", length.len());
                    http.say("PUT", &target, &format!("{length}\r\n"));
                    http.send(b"5\r\nhello\r\n");
                    cut_off(&mut http, 408, "");
                });
            }
        });
        let files = std::fs::read_dir(server.library()).expect("library");
        let files = files.filter(|entry| entry.as_ref().expect("entry").path().is_file());
        assert_eq!(files.count(), 0);
    }
}

#[test]
fn a_download_that_nobody_takes_is_given_up() {
    let server = serve("stall_seconds = 1", "", "", big_and_old);
    let mut http = Http::enter(&server.address, "all");
    http.say("GET", "/big", "");
    server.wait_for("nothing happened for too long");
    eventually("it has left", || server.children().is_empty());
    let answer = http.hear();
    assert!(answer.code == 200 && !answer.whole, "{}", answer.body.len());
}

/// Requests without end, and nobody who hears the answers: neither side's buffers are the server's patience.
#[test]
fn who_does_not_hear_is_cut_off() {
    let server = serve("stall_seconds = 1", "", "", nothing);
    let flood = |user: &str| {
        let mut http = Http::knock_narrowly(&server.address).by(user);
        let many = format!("GET /-/app.js HTTP/1.1\r\n{}\r\n", http.always).repeat(500);
        let began = Instant::now();
        // Once the server has hung up nothing can be said any more.
        while http.try_send(many.as_bytes()).is_ok() {
            assert!(began.elapsed() < PATIENCE, "{user:?}: it may take for ever");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| flood(""));
        scope.spawn(|| flood("all"));
    });
    for _ in 0..2 {
        server.wait_for("nothing happened for too long");
    }
}

#[test]
fn a_transfer_that_crawls_is_ended() {
    let keys = "stall_seconds = 1\nmin_rate = \"1 MiB\"";
    let server = serve(keys, "", "", big_and_old);
    let (address, over) = (&server.address, &AtomicBool::new(false));
    let crawl = |method: &str, target: &str, lines: &str, step: &dyn Fn(&mut Http)| {
        let mut http = Http::enter(address, "all");
        http.say(method, target, lines);
        while !over.load(Ordering::Relaxed) {
            step(&mut http);
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let puts = |bytes: &[u8]| {
        let step = |http: &mut Http| drop(http.try_send(bytes));
        match bytes.len() {
            512 => crawl("PUT", "/old", "Content-Length: 10000000\r\n", &step),
            _ => crawl("PUT", "/new", "Transfer-Encoding: chunked\r\n", &step),
        }
    };
    std::thread::scope(|scope| {
        let gets = |http: &mut Http| drop(std::io::Read::read(http.wire(), &mut [0; 512]));
        scope.spawn(move || crawl("GET", "/big", "", &gets));
        scope.spawn(|| puts(&[0; 512]));
        scope.spawn(|| puts(&b"1;abcdefghi\r\nx\r\n".repeat(4)));
        let lines: Vec<_> = (0..3).map(|_| server.wait_for("deadline passed")).collect();
        over.store(true, Ordering::Relaxed);
        assert!(
            lines.iter().all(|line| line.contains("min_rate")),
            "{lines:?}"
        );
    });
    // Who is fast enough stays.
    let mut http = Http::enter(&server.address, "all");
    assert_eq!(http.get("/big").body.len(), 64 * MIB);
    assert_eq!(http.get("/old").body, b"OLD");
}

#[test]
fn as_many_come_in_as_may() {
    for mode in ["", "prefork = 2"] {
        for limit in ["max_per_address = 2", "max_clients = 2"] {
            let server = serve(&format!("{limit}\n{mode}"), "", "", nothing);
            let (mut first, mut second) =
                (Http::knock(&server.address), Http::knock(&server.address));
            for http in [&mut first, &mut second] {
                assert_eq!(http.get("/-/health").code, 200);
            }
            let mut third = Http::knock(&server.address);
            let answer = third.hear();
            assert_eq!(answer.code, 503, "{answer:?}");
            assert!(answer.field("retry-after").is_some(), "{answer:?}");
            third.expect_end();
            if limit.contains("address") {
                let mut other = Http::knock_from([127, 0, 0, 2], &server.address);
                assert_eq!(other.get("/-/health").code, 200, "elsewhere there is room");
            }
            drop(first);
            eventually("one has left", || {
                let mut http = Http::knock(&server.address);
                // Who is too many is told before they have asked.
                let _ = http.try_send(b"GET /-/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
                http.next().is_some_and(|answer| answer.code == 200)
            });
            assert_eq!(second.get("/-/health").code, 200);
        }
    }
}

#[test]
fn users_come_as_often_and_from_where_they_may() {
    let near = format!("{EVERYTHING}\nnetworks = [\"127.0.0.2\"]");
    let once = format!("{EVERYTHING}\nsessions = 1");
    let users: [User<'_>; 2] = [("near", "pencil", &near), ("once", "pencil", &once)];
    let server = Server::configured(&config("", ""), &users, nothing);
    // As if the password were wrong.
    assert_eq!(Http::of(&server.address, "near").json("/").code, 401);
    let mut near = Http::knock_from([127, 0, 0, 2], &server.address).by("near");
    assert_eq!(near.json("/").code, 200);
    let first = Http::enter(&server.address, "once");
    let refused = Http::of(&server.address, "once").json("/");
    assert!([401, 403, 429, 503].contains(&refused.code), "{refused:?}");
    drop(first);
    eventually("the first has left", || {
        Http::of(&server.address, "once").json("/").code == 200
    });
}

fn guess(address: &str, from: [u8; 4], password: &str) -> (u16, Duration) {
    let mut http = Http::knock_from(from, address);
    let credentials = super::client::basic("all", password);
    let began = Instant::now();
    let answer = http.ask("GET", "/", &format!("Authorization: {credentials}\r\n"));
    (answer.code, began.elapsed())
}

#[test]
fn an_address_that_guesses_is_shut_out_for_a_while() {
    let server = serve("max_failures = 3\nban_seconds = 6", "", "", nothing);
    let near = [127, 0, 0, 9];
    for least in [250, 500, 1000] {
        let (code, took) = guess(&server.address, near, "guess");
        assert_eq!(code, 401);
        assert!(took >= Duration::from_millis(least), "{took:?}");
    }
    let last = Instant::now();
    let (code, _) = guess(&server.address, near, "pencil");
    assert!([401, 429].contains(&code), "the right password, too late");
    assert!(last.elapsed() < Duration::from_secs(6), "a slow machine");
    // Nobody else waits for it.
    let began = Instant::now();
    Http::enter(&server.address, "all");
    assert!(began.elapsed() < Duration::from_secs(4));
    eventually("the ban ends", || {
        guess(&server.address, near, "pencil").0 == 200
    });
}

fn who(control: &str) -> Value {
    let (code, text) = run(&["who", "--json", "--control", control]);
    assert_eq!(code, Some(0), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_session_is_shown_and_ended() {
    for mode in ["", "prefork = 1"] {
        let folder = tempfile::tempdir().expect("scratch folder");
        let control = folder.path().join("control");
        let control = control.to_str().expect("path");
        let keys = format!("control = {control:?}\n{mode}");
        let server = serve(&keys, "", "", |library| {
            std::fs::write(library.join("file"), noise(MIB, 3)).expect("file");
        });
        let mut stays = Http::enter(&server.address, "all");
        let mut goes = Http::enter(&server.address, "all");
        assert_eq!(goes.get("/file").body.len(), MIB);
        assert_eq!(goes.put("/new", &noise(2 * MIB, 4)).code, 201);
        let address = goes.address().to_string();
        let find = || {
            let status = who(control);
            assert_eq!(status["clients"], 2, "{status}");
            let sessions = status["sessions"].as_array().expect("sessions").clone();
            let session = sessions.into_iter().find(|s| s["address"] == *address);
            session.expect("by its address")
        };
        let session = find();
        assert_eq!(session["protocol"], "http");
        assert_eq!(session["user"], "all");
        assert_eq!(session["state"], "idle", "{session}");
        assert!(session["sent"].as_u64() >= Some(MIB as u64), "{session}");
        let received = session["received"].as_u64();
        assert!(received >= Some(2 * MIB as u64), "{session}");
        // In the middle of an upload that is shown, too.
        goes.say("PUT", "/file", "Content-Length: 100000\r\n");
        goes.send(b"half");
        eventually("it is at work", || find()["state"] == "busy");
        let pid = session["pid"].to_string();
        let kick = ["kick", "--pid", &pid, "--control", control];
        assert_eq!(run(&kick), (Some(0), "1 session ended\n".to_owned()));
        goes.expect_end();
        assert_eq!(stays.get("/file").body, noise(MIB, 3));
        let (code, text) = run(&["kick", "--user", "all", "--control", control]);
        assert_eq!((code, &*text), (Some(0), "1 session ended\n"));
        stays.expect_end();
        eventually("nobody is left", || who(control)["clients"] == 0);
    }
}

#[test]
fn at_the_end_transfers_finish_and_idle_connections_are_closed() {
    for mode in ["", "prefork = 2"] {
        let keys = format!("drain_seconds = 10\n{mode}");
        let big = noise(8 * MIB, 5);
        let server = serve(&keys, "", "", |library| {
            std::fs::write(library.join("big"), &big).expect("file");
        });
        let library = server.library();
        let mut idle = Http::enter(&server.address, "all");
        let mut entering = Http::knock(&server.address);
        entering.send(b"GET / HT");
        let mut getting = Http::enter(&server.address, "all");
        getting.say("GET", "/big", "");
        assert_eq!(getting.begin().map(|answer| answer.code), Some(200));
        let mut putting = Http::enter(&server.address, "all");
        let length = format!("Content-Length: {}\r\n", 2 * MIB);
        putting.say("PUT", "/new", &length);
        putting.send(&big[..MIB]);
        eventually("it has begun", || !on_the_way(&server).is_empty());
        server.signal(Signal::SIGTERM);
        idle.expect_end();
        cut_off(&mut entering, 503, "");
        assert!(getting.fill(big.len()));
        getting.expect_whole(&big);
        putting.send(&big[MIB..2 * MIB]);
        assert_eq!(putting.hear().code, 201);
        for http in [&mut getting, &mut putting] {
            http.expect_end();
        }
        assert!(std::fs::read(library.join("new")).expect("new") == big[..2 * MIB]);
        assert_eq!(server.wait(), Some(0));
    }
}

/// What `bytes` take at `rate`, less what may be saved up and the resolution of clocks.
fn least(bytes: usize, rate: usize) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate as f64 - 0.13)
}

#[test]
fn files_come_and_go_as_slowly_as_they_should() {
    let content = noise(MIB, 6);
    let rates = "download_rate = \"1 MiB\"\nupload_rate = \"1 MiB\"";
    // The listener would end what does not move.
    let server = serve("stall_seconds = 1", "", rates, |library| {
        std::fs::create_dir(library.join("folder")).expect("folder");
        std::fs::write(library.join("folder/file"), &content).expect("file");
        std::fs::write(library.join("small"), &content[..64 << 10]).expect("file");
    });
    let timed = |what: &(dyn Fn(&mut Http) + Sync)| {
        let mut http = Http::enter(&server.address, "all");
        let began = Instant::now();
        what(&mut http);
        let took = began.elapsed();
        assert!(took >= least(MIB, MIB), "{took:?}");
        assert!(took < PATIENCE, "{took:?}");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            timed(&|http| assert!(http.get("/folder/file").body == content));
        });
        // As many small files, or parts, as make a large one.
        scope.spawn(|| {
            timed(&|http| {
                for _ in 0..16 {
                    assert_eq!(http.get("/small").body, content[..64 << 10]);
                }
            });
        });
        scope.spawn(|| {
            timed(&|http| {
                for _ in 0..16 {
                    let part = http.ask("GET", "/folder/file", "Range: bytes=100-65635\r\n");
                    assert_eq!((part.code, part.body.len()), (206, 64 << 10));
                }
            });
        });
        scope.spawn(|| timed(&|http| assert_eq!(http.get("/folder/?zip").code, 200)));
        scope.spawn(|| timed(&|http| assert_eq!(http.put("/new", &content).code, 201)));
    });
    assert!(std::fs::read(server.library().join("new")).expect("new") == content);
}

/// Nothing is left of an upload that did not fit: it would only take room.
fn nothing_is_kept(server: &Server) {
    assert_eq!(on_the_way(server), Vec::<PathBuf>::new());
}

/// Sends `content` without saying how much it is.
fn put_in_chunks(address: &str, target: &str, content: &[u8]) -> u16 {
    let mut http = Http::enter(address, "all");
    http.say("PUT", target, "Transfer-Encoding: chunked\r\n");
    for piece in content.chunks(100_000) {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        if http.try_send(&chunk).is_err() {
            break;
        }
    }
    let _ = http.try_send(b"0\r\n\r\n");
    http.hear().code
}

fn post(http: &mut Http, target: &str, name: &str, content: &[u8]) -> u16 {
    let lines = "Content-Type: multipart/form-data; boundary=xYzZy\r\nAccept: application/json\r\n";
    let head = format!(
        "--xYzZy\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n"
    );
    let body = [head.as_bytes(), content, b"\r\n--xYzZy--\r\n"].concat();
    http.pass("POST", target, lines, &body).code
}

#[test]
fn a_quota_is_one_by_http_too() {
    let keys = "home = \"home\"\nquota = 4000000\nquota_files = 3";
    let server = serve("keep_free = 0", "", keys, |library| {
        std::fs::create_dir(library.join("home")).expect("home");
        std::fs::write(library.join("home/old"), noise(400_000, 7)).expect("file");
    });
    let address = &server.address;
    let enter = || Http::enter(address, "all");
    // More than what is kept of a cut upload, said beforehand or not: the old one stays, and nothing is kept of the new one.
    for target in ["/new", "/old"] {
        let content = noise(5 * MIB, 8);
        assert_eq!(enter().put(target, &content).code, 507, "{target}");
        nothing_is_kept(&server);
        assert_eq!(put_in_chunks(address, target, &content), 507, "{target}");
        nothing_is_kept(&server);
        assert_eq!(post(&mut enter(), "/", &target[1..], &content), 507);
        nothing_is_kept(&server);
        assert!(enter().get("/old").body == noise(400_000, 7), "{target}");
    }
    // It is said, and refused before a byte is sent.
    let mut http = enter();
    let lines = "Content-Length: 3600001\r\nExpect: 100-continue\r\n";
    assert_eq!(http.ask("PUT", "/new", lines).code, 507);
    // To the byte.
    assert_eq!(enter().put("/new", &noise(3_600_001, 9)).code, 507);
    assert_eq!(enter().put("/new", &noise(3_600_000, 9)).code, 201);
    assert_eq!(enter().put("/empty", b"").code, 201);
    assert_eq!(enter().put("/fourth", b"").code, 507, "one file too many");
    assert_eq!(post(&mut enter(), "/", "fourth", b""), 507);
    nothing_is_kept(&server);
    // What is freed can be had again, by whoever it is.
    let mut http = enter();
    http.expect("DELETE", "/old", "", 204);
    assert_eq!(enter().put("/other", &noise(400_000, 10)).code, 201);
    assert_eq!(post(&mut enter(), "/", "other", &noise(400_001, 1)), 507);
    let lines = "Destination: /new\r\nOverwrite: T\r\n";
    http.expect("MOVE", "/other", lines, 204);
    assert_eq!(enter().put("/again", &noise(3_600_000, 11)).code, 201);
    let home = server.library().join("home");
    let size = |name: &str| std::fs::metadata(home.join(name)).expect("file").len();
    assert_eq!(size("new") + size("again") + size("empty"), 4_000_000);
    nothing_is_kept(&server);
}

#[test]
fn parts_that_are_kept_are_counted() {
    let keys = "home = \"home\"\nquota = 4000000\nquota_files = 3";
    let server = serve("keep_free = 0", "", keys, |library| {
        std::fs::create_dir(library.join("home")).expect("home");
        std::fs::write(library.join("home/old"), b"old").expect("file");
    });
    let part = |target: &str, part: &[u8], total: usize| {
        let range = format!("Content-Range: bytes 0-{}/{total}\r\n", part.len() - 1);
        let mut http = Http::enter(&server.address, "all");
        http.pass("PUT", target, &range, part).code
    };
    // However small they are.
    assert_eq!(part("/one", b"1", 2), 202);
    assert_eq!(part("/two", b"2", 2), 202);
    assert_eq!(part("/three", b"3", 2), 507);
    assert_eq!(on_the_way(&server).len(), 2);
    let mut http = Http::enter(&server.address, "all");
    assert_eq!(http.put("/three", b"3").code, 507);
    let mut http = Http::enter(&server.address, "all");
    assert_eq!(http.put("/old", b"new").code, 200, "that is no file more");
    // And however large.
    let large = noise(3_000_000, 1);
    for target in ["/one", "/two"] {
        http.expect("DELETE", &format!("{target}?upload"), "", 204);
    }
    assert_eq!(part("/two", &large, 3_500_000), 202);
    assert_eq!(part("/one", &large, 3_500_000), 507);
    assert_eq!(
        Http::enter(&server.address, "all").put("/old", &large).code,
        507
    );
    let range = "Content-Range: bytes 3000000-3499999/3500000\r\n";
    let last = noise(500_000, 2);
    let mut http = Http::enter(&server.address, "all");
    assert_eq!(http.pass("PUT", "/two", range, &last).code, 201);
}

#[test]
fn a_file_is_not_larger_than_files_may_be_and_the_disk_does_not_fill() {
    let server = serve("largest_file = 3000000", "", "", |library| {
        std::fs::write(library.join("old"), "OLD").expect("file");
    });
    let address = &server.address;
    for size in [5 * MIB, 3_000_001] {
        let content = noise(size, 1);
        assert_eq!(Http::enter(address, "all").put("/old", &content).code, 413);
        nothing_is_kept(&server);
        assert_eq!(put_in_chunks(address, "/old", &content), 413);
        nothing_is_kept(&server);
        let mut http = Http::enter(address, "all");
        assert_eq!(post(&mut http, "/", "old", &content), 413);
        nothing_is_kept(&server);
    }
    let mut http = Http::enter(address, "all");
    let lines = "Content-Length: 3000001\r\nExpect: 100-continue\r\n";
    assert_eq!(http.ask("PUT", "/old", lines).code, 413);
    // A whole that is said with a part of it is judged as well.
    let lines = "Content-Range: bytes 0-9/3000001\r\n";
    let mut http = Http::enter(address, "all");
    assert_eq!(http.pass("PUT", "/new", lines, &[0; 10]).code, 413);
    let mut http = Http::enter(address, "all");
    assert_eq!(http.get("/old").body, b"OLD");
    assert_eq!(http.put("/old", &noise(3_000_000, 1)).code, 200);
    nothing_is_kept(&server);
    let server = serve("keep_free = \"100000 TiB\"", "", "", nothing);
    let mut http = Http::enter(&server.address, "all");
    assert_eq!(http.put("/new", &noise(1000, 1)).code, 507);
    nothing_is_kept(&server);
}

#[test]
fn what_is_decided_anew_holds_for_the_next() {
    for mode in ["", "prefork = 2"] {
        let server = serve(mode, "", "", nothing);
        let mut old = Http::enter(&server.address, "all");
        let is_counted = |http: &mut Http| http.get("/-/metrics").code == 200;
        assert!(!is_counted(&mut Http::knock(&server.address)));
        let file = server.folder().join("forkftpd.toml");
        let text = std::fs::read_to_string(&file).expect("configuration");
        std::fs::write(
            &file,
            format!("{text}\nmetrics_networks = [\"127.0.0.1\"]\n"),
        )
        .expect("configuration");
        server.signal(Signal::SIGHUP);
        eventually("it holds", || is_counted(&mut Http::knock(&server.address)));
        assert_eq!(old.json("/").code, 200, "who is in goes on");
    }
}
