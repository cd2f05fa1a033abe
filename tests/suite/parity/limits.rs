//! Deadlines, counts, rates and quotas, which an FTP client meets as a drive client does.

use super::client::{Ftp, Wire};
use super::{config, on_the_way, serve};
use crate::peer::noise;
use crate::server::{PATIENCE, Server, User, eventually, run};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
const RIGHTS: &str = "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\"]";

fn nothing(_: &Path) {}

/// The last words to a client that is cut off.
fn cut_off(ftp: &mut Ftp, why: &str) {
    let reply = ftp.hear();
    assert_eq!(reply.code, 421, "{reply:?}");
    assert!(reply.text().contains(why), "{reply:?}");
    ftp.expect_end();
}

#[test]
fn a_login_has_its_time_whatever_is_said_meanwhile() {
    for mode in ["", "prefork = 1"] {
        let server = serve(&format!("login_seconds = 1\n{mode}"), "", "", nothing);
        let mut ftp = Ftp::connect(&server.address);
        let began = Instant::now();
        let last = loop {
            assert!(began.elapsed() < PATIENCE, "it may take for ever");
            // Between two commands it may have been cut off.
            if ftp.wire().write_all(b"NOOP\r\n").is_err() {
                break None;
            }
            match ftp.next() {
                Some(reply) if reply.code == 200 => std::thread::sleep(Duration::from_millis(50)),
                last => break last,
            }
        };
        assert!(began.elapsed() > Duration::from_millis(800));
        assert!(last.is_none_or(|reply| reply.code == 421));
        // Who is in has all the time that there is.
        let mut ftp = Ftp::enter(&server.address, "all");
        std::thread::sleep(Duration::from_millis(1500));
        ftp.expect("NOOP", 200);
    }
}

#[test]
fn an_idle_session_ends() {
    let server = serve("idle_seconds = 1", "", "", nothing);
    let mut ftp = Ftp::enter(&server.address, "all");
    let began = Instant::now();
    cut_off(&mut ftp, "nothing happened");
    assert!(began.elapsed() > Duration::from_millis(900));
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_transfer_that_stalls_is_given_up_and_the_session_goes_on() {
    let big = noise(64 * MIB, 1);
    let server = serve(
        "stall_seconds = 1\nidle_seconds = 60",
        "data_seconds = 1",
        "",
        |library| {
            std::fs::write(library.join("big"), &big).expect("file");
            std::fs::write(library.join("old"), "OLD").expect("file");
        },
    );
    std::thread::scope(|scope| {
        // A client that takes nothing.
        scope.spawn(|| {
            let mut ftp = Ftp::enter(&server.address, "all");
            let began = Instant::now();
            let data = ftp.begin("RETR big").expect("data");
            let reply = ftp.hear();
            assert_eq!(reply.code, 426, "{reply:?}");
            assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
            drop(data);
            assert_eq!(ftp.fetch("RETR old"), Ok(b"OLD".to_vec()));
        });
        // One that sends nothing any more.
        scope.spawn(|| {
            let mut ftp = Ftp::enter(&server.address, "all");
            let mut data = ftp.begin("STOR old").expect("data");
            data.write_all(&big[..100_000]).expect("send");
            let reply = ftp.hear();
            assert_eq!(reply.code, 426, "{reply:?}");
            assert_eq!(ftp.fetch("RETR old"), Ok(b"OLD".to_vec()));
        });
        // One that never comes to the socket that it asked for.
        scope.spawn(|| {
            let mut ftp = Ftp::enter(&server.address, "all");
            ftp.expect("EPSV", 229);
            ftp.expect("STOR other", 425);
            ftp.expect("EPSV", 229);
            ftp.expect("RETR old", 425);
            assert_eq!(ftp.fetch("RETR old"), Ok(b"OLD".to_vec()));
        });
    });
    assert_eq!(
        std::fs::read(server.library().join("old")).expect("old"),
        b"OLD"
    );
}

/// Commands without end, and nobody who hears the answers: neither side's buffers are the server's patience.
#[test]
fn who_does_not_hear_is_cut_off() {
    let flood = |user: Option<&str>| {
        let server = serve("stall_seconds = 1", "", "", nothing);
        let mut ftp = Ftp::knock_narrowly(&server.address);
        assert_eq!(ftp.hear().code, 220);
        if let Some(user) = user {
            assert_eq!(ftp.log_in(user).code, 230);
        }
        let began = Instant::now();
        let many = b"HELP\r\n".repeat(1000);
        // Once the server has hung up nothing can be said any more.
        while ftp.wire().write_all(&many).is_ok() {
            assert!(began.elapsed() < PATIENCE, "{user:?}: it may take for ever");
        }
        server.wait_for("nothing happened for too long");
        eventually("it has left", || server.children().is_empty());
    };
    std::thread::scope(|scope| {
        scope.spawn(|| flood(None));
        scope.spawn(|| flood(Some("all")));
    });
}

#[test]
fn a_transfer_that_crawls_is_ended() {
    let keys = "stall_seconds = 1\nmin_rate = \"1 MiB\"";
    let server = serve(keys, "", "", |library| {
        std::fs::write(library.join("big"), noise(64 * MIB, 2)).expect("file");
        std::fs::write(library.join("old"), "OLD").expect("file");
    });
    let crawl = |command: &str, step: fn(&mut Wire)| {
        let mut ftp = Ftp::enter(&server.address, "all");
        let mut data = ftp.begin(command).expect("data");
        let began = Instant::now();
        while !ftp.is_heard() {
            step(&mut data);
            assert!(
                began.elapsed() < PATIENCE,
                "{command}: it may take for ever"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        // By the listener, which has no words for clients.
        ftp.expect_end();
    };
    std::thread::scope(|scope| {
        let gets = |data: &mut Wire| assert!(data.read(&mut [0; 512]).is_ok());
        let puts = |data: &mut Wire| drop(data.write_all(&[0; 512]));
        scope.spawn(move || crawl("RETR big", gets));
        scope.spawn(move || crawl("STOR old", puts));
    });
    for _ in 0..2 {
        let line = server.wait_for("deadline passed");
        assert!(line.contains("min_rate"), "{line}");
    }
    // Who is fast enough stays.
    let mut ftp = Ftp::enter(&server.address, "all");
    assert_eq!(ftp.fetch("RETR big").map(|all| all.len()), Ok(64 * MIB));
    assert_eq!(ftp.fetch("RETR old"), Ok(b"OLD".to_vec()));
}

#[test]
fn as_many_come_in_as_may() {
    for mode in ["", "prefork = 2"] {
        let keys = format!("max_per_address = 2\n{mode}");
        let server = serve(&keys, "", "", nothing);
        let first = Ftp::connect(&server.address);
        let mut second = Ftp::connect(&server.address);
        let mut third = Ftp::knock(&server.address);
        cut_off(&mut third, "connections from your address");
        // From elsewhere there is room.
        assert_eq!(
            Ftp::knock_from([127, 0, 0, 2], &server.address).hear().code,
            220
        );
        drop(first);
        eventually("one has left", || {
            Ftp::knock(&server.address)
                .next()
                .is_some_and(|reply| reply.code == 220)
        });
        second.expect("NOOP", 200);
    }
}

#[test]
fn users_come_as_often_and_from_where_they_may() {
    let near = format!("{RIGHTS}\nnetworks = [\"127.0.0.2\"]");
    let once = format!("{RIGHTS}\nsessions = 1");
    let users: [User<'_>; 2] = [("near", "pencil", &near), ("once", "pencil", &once)];
    let server = Server::configured(&config("", ""), &users, nothing);
    // As if the password were wrong.
    let refused = Ftp::connect(&server.address).log_in("near");
    assert_eq!((refused.code, refused.text()), (530, "Login refused."));
    let mut near = Ftp::knock_from([127, 0, 0, 2], &server.address);
    assert_eq!(near.hear().code, 220);
    assert_eq!(near.log_in("near").code, 230);
    let first = Ftp::enter(&server.address, "once");
    let mut second = Ftp::connect(&server.address);
    let refused = second.log_in("once");
    assert_eq!(refused.code, 530);
    assert!(refused.text().contains("sessions"), "{refused:?}");
    drop(first);
    eventually("the first has left", || {
        Ftp::connect(&server.address).log_in("once").code == 230
    });
}

#[test]
fn an_address_that_guesses_is_shut_out_for_a_while() {
    let users: [User<'_>; 1] = [("all", "pencil", RIGHTS)];
    let keys = "max_failures = 3\nban_seconds = 6";
    let server = Server::configured(&config(keys, ""), &users, nothing);
    let guess = |password: &str| {
        let mut ftp = Ftp::knock_from([127, 0, 0, 9], &server.address);
        assert_eq!(ftp.hear().code, 220);
        let began = Instant::now();
        (ftp.log_in_with("all", password).code, began.elapsed())
    };
    for least in [250, 500, 1000] {
        let (code, took) = guess("guess");
        assert_eq!(code, 530);
        assert!(took >= Duration::from_millis(least), "{took:?}");
    }
    let last = Instant::now();
    assert_eq!(guess("pencil").0, 530, "the right password, too late");
    assert!(last.elapsed() < Duration::from_secs(6), "a slow machine");
    // Nobody else waits for it.
    let began = Instant::now();
    Ftp::enter(&server.address, "all");
    assert!(began.elapsed() < Duration::from_secs(4));
    eventually("the ban ends", || guess("pencil").0 == 230);
}

#[test]
fn a_connection_has_so_many_tries() {
    let server = serve("", "", "", nothing);
    let mut ftp = Ftp::connect(&server.address);
    for _ in 1..forkftp::ipc::LOGIN_ATTEMPTS {
        assert_eq!(ftp.log_in_with("all", "guess").code, 530);
    }
    assert_eq!(ftp.log_in_with("all", "guess").code, 530);
    cut_off(&mut ftp, "no login");
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
        let server = serve(
            &format!("control = {control:?}\n{mode}"),
            "",
            "",
            |library| {
                std::fs::write(library.join("file"), noise(MIB, 3)).expect("file");
            },
        );
        let mut stays = Ftp::enter(&server.address, "all");
        let mut goes = Ftp::enter(&server.address, "all");
        assert_eq!(goes.fetch("RETR file").map(|all| all.len()), Ok(MIB));
        assert_eq!(goes.store("STOR new", &noise(2 * MIB, 4)).code, 226);
        let address = goes.address().to_string();
        let status = who(control);
        assert_eq!(status["clients"], 2, "{status}");
        let sessions = status["sessions"].as_array().expect("sessions");
        let session = sessions.iter().find(|s| s["address"] == *address);
        let session = session.expect("by its address");
        assert_eq!(session["protocol"], "ftp");
        assert_eq!(session["user"], "all");
        assert_eq!(session["state"], "idle", "{session}");
        assert!(session["sent"].as_u64() >= Some(MIB as u64), "{session}");
        assert!(
            session["received"].as_u64() >= Some(2 * MIB as u64),
            "{session}"
        );
        // In the middle of an upload that is shown, too.
        let mut data = goes.begin("STOR file").expect("data");
        data.write_all(b"half").expect("send");
        let pid = session["pid"].to_string();
        eventually("it is at work", || {
            let status = who(control);
            let all = status["sessions"].as_array().expect("sessions").clone();
            all.iter()
                .any(|s| s["address"] == *address && s["state"] == "busy")
        });
        let kick = ["kick", "--pid", &pid, "--control", control];
        assert_eq!(run(&kick), (Some(0), "1 session ended\n".to_owned()));
        goes.expect_end();
        stays.expect("NOOP", 200);
        assert!(
            stays
                .fetch("RETR file")
                .is_ok_and(|all| all == noise(MIB, 3))
        );
        let (code, text) = run(&["kick", "--user", "all", "--control", control]);
        assert_eq!((code, &*text), (Some(0), "1 session ended\n"));
        stays.expect_end();
        eventually("nobody is left", || who(control)["clients"] == 0);
    }
}

#[test]
fn at_the_end_transfers_finish_and_idle_sessions_are_told() {
    for mode in ["", "prefork = 2"] {
        let keys = format!("drain_seconds = 10\n{mode}");
        let big = noise(32 * MIB, 5);
        let server = serve(&keys, "", "", |library| {
            std::fs::write(library.join("big"), &big).expect("file");
        });
        let library = server.library();
        let mut idle = Ftp::enter(&server.address, "all");
        let mut entering = Ftp::connect(&server.address);
        let mut getting = Ftp::enter(&server.address, "all");
        let mut download = getting.begin("RETR big").expect("data");
        let mut putting = Ftp::enter(&server.address, "all");
        let mut upload = putting.begin("STOR new").expect("data");
        upload.write_all(&big[..MIB]).expect("send");
        server.signal(Signal::SIGTERM);
        cut_off(&mut idle, "going down");
        cut_off(&mut entering, "going down");
        // Longer than it takes to see that all are gone but these.
        assert!(download.drain() == big);
        assert_eq!(getting.hear().code, 226);
        cut_off(&mut getting, "going down");
        upload.write_all(&big[MIB..2 * MIB]).expect("send");
        upload.finish();
        assert_eq!(putting.hear().code, 226);
        cut_off(&mut putting, "going down");
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
    let rates = "download_rate = \"1 MiB\"\nupload_rate = \"512 KiB\"";
    // The listener would end what does not move.
    let server = serve("stall_seconds = 1", "", rates, |library| {
        std::fs::write(library.join("file"), &content).expect("file");
        std::fs::write(library.join("small"), &content[..64 << 10]).expect("file");
    });
    let mut ftp = Ftp::enter(&server.address, "all");
    // As many small files as make a large one.
    ftp.expect("TYPE I", 200);
    let began = Instant::now();
    for _ in 0..16 {
        assert_eq!(ftp.fetch("RETR small").expect("file"), content[..64 << 10]);
    }
    assert!(began.elapsed() >= least(MIB, MIB), "{:?}", began.elapsed());
    for kind in ["TYPE I", "TYPE A"] {
        ftp.expect(kind, 200);
        let began = Instant::now();
        let got = ftp.fetch("RETR file").expect("file");
        assert!(kind == "TYPE A" || got == content);
        assert!(
            began.elapsed() >= least(MIB, MIB),
            "{kind}: {:?}",
            began.elapsed()
        );
    }
    ftp.expect("TYPE I", 200);
    let began = Instant::now();
    assert_eq!(ftp.store("STOR new", &content).code, 226);
    assert!(
        began.elapsed() >= least(MIB, MIB / 2),
        "{:?}",
        began.elapsed()
    );
    assert!(began.elapsed() < PATIENCE);
    assert!(std::fs::read(server.library().join("new")).expect("new") == content);
}

/// Nothing is left of an upload that did not fit: it would only take room.
fn nothing_is_kept(server: &Server) {
    assert_eq!(on_the_way(server), Vec::<PathBuf>::new());
}

#[test]
fn a_quota_is_one_by_ftp_too() {
    let keys = "home = \"home\"\nquota = 4000000\nquota_files = 3";
    let server = serve("keep_free = 0", "", keys, |library| {
        std::fs::create_dir(library.join("home")).expect("home");
        std::fs::write(library.join("home/old"), noise(400_000, 7)).expect("file");
    });
    let mut ftp = Ftp::enter(&server.address, "all");
    // More than what is kept of a cut upload. Nobody says how large it is, and it grows beyond: the old one stays, and nothing is kept of the new one.
    for command in ["STOR new", "STOR old", "APPE old", "STOU"] {
        let refused = ftp.store(command, &noise(5 * MIB, 8));
        assert_eq!(refused.code, 552, "{command}: {refused:?}");
        nothing_is_kept(&server);
        assert!(
            ftp.fetch("RETR old")
                .is_ok_and(|old| old == noise(400_000, 7)),
            "{command}"
        );
    }
    // It is said, and refused before a byte is sent.
    ftp.expect("ALLO 3600001", 200);
    assert_eq!(ftp.begin("STOR new").err().expect("no room").code, 552);
    // To the byte.
    assert_eq!(ftp.store("STOR new", &noise(3_600_001, 9)).code, 552);
    assert_eq!(ftp.store("STOR new", &noise(3_600_000, 9)).code, 226);
    assert_eq!(ftp.store("STOR empty", b"").code, 226);
    assert_eq!(ftp.store("STOR fourth", b"").code, 552, "one file too many");
    nothing_is_kept(&server);
    // What is freed can be had again, by whoever it is.
    ftp.expect("DELE old", 250);
    let mut other = Ftp::enter(&server.address, "all");
    assert_eq!(other.store("STOR other", &noise(400_000, 10)).code, 226);
    assert_eq!(other.store("APPE other", b"x").code, 552);
    other.expect("RNFR other", 350);
    other.expect("RNTO new", 250);
    assert_eq!(ftp.store("STOR again", &noise(3_600_000, 11)).code, 226);
    let home = server.library().join("home");
    let size = |name: &str| std::fs::metadata(home.join(name)).expect("file").len();
    assert_eq!(size("new") + size("again") + size("empty"), 4_000_000);
    nothing_is_kept(&server);
}

#[test]
fn a_file_is_not_larger_than_files_may_be_and_the_disk_does_not_fill() {
    let server = serve("largest_file = 3000000", "", "", |library| {
        std::fs::write(library.join("old"), "OLD").expect("file");
    });
    let mut ftp = Ftp::enter(&server.address, "all");
    for size in [5 * MIB, 3_000_001] {
        assert_eq!(ftp.store("STOR old", &noise(size, 1)).code, 552);
        nothing_is_kept(&server);
    }
    ftp.expect("ALLO 3000001", 200);
    assert_eq!(ftp.begin("STOR old").err().expect("too large").code, 552);
    assert_eq!(ftp.fetch("RETR old"), Ok(b"OLD".to_vec()));
    nothing_is_kept(&server);
    assert_eq!(ftp.store("STOR old", &noise(3_000_000, 1)).code, 226);
    let server = serve("keep_free = \"100000 TiB\"", "", "", nothing);
    let mut ftp = Ftp::enter(&server.address, "all");
    let refused = ftp.store("STOR new", &noise(1000, 1));
    assert_eq!(refused.code, 452, "{refused:?}");
    nothing_is_kept(&server);
}
