//! A successor takes over under the same pid: nobody is refused, and what is under way ends well.

use super::super::peer::{Peer, request};
use super::super::server::{Server, User, configure, eventually, forkftpd};
use super::faces::{self, Transfers, busy, serve, visit, visited, who};
use super::manager::Manager;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

/// Pids of drainers.
fn drainers(server: &Server) -> Vec<u32> {
    server.offspring("forkftpd:drain")
}

/// Has another listener take over, and waits until it listens everywhere.
fn succeed(server: &Server, signal: Signal) {
    let started = who(server)["started"].clone();
    server.signal(signal);
    eventually("another server", || who(server)["started"] != started);
}

#[test]
fn a_successor_takes_over_and_every_transfer_ends_whole() {
    for prefork in [0, 3] {
        let server = serve(&format!("prefork = {prefork}"));
        let transfers = Transfers::begin(&server.addresses);
        let mut idle = Peer::connect(&server);
        assert_eq!(idle.list(&json!({"path": ""})).len(), 2);
        eventually("six transfers", || busy(&server) == 6);
        let brokers = server.offspring("forkftpd:broker");
        visited(&server.addresses, |another| {
            for _ in 0..2 {
                succeed(&server, Signal::SIGUSR2);
                // Who paused for a moment goes on.
                assert_eq!(idle.list(&json!({"path": ""})).len(), 2);
                another();
            }
        });
        // It is another server, with the pid of the old one, and what was under way is not its own.
        let status = who(&server);
        assert_eq!(status["pid"], server.pid());
        assert_eq!(busy(&server), 0, "{status}");
        assert!(!drainers(&server).is_empty());
        assert!(
            !server
                .offspring("forkftpd:broker")
                .iter()
                .all(|pid| brokers.contains(pid))
        );
        transfers.finish(&server.library());
        drop(idle);
        eventually("no drainer, and one broker", || {
            drainers(&server).is_empty() && server.offspring("forkftpd:broker").len() == 1
        });
        visit(&server.addresses);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait(), Some(0));
    }
}

#[test]
fn the_end_is_for_those_of_before_too() {
    let server = serve("drain_seconds = 60");
    let transfers = Transfers::begin(&server.addresses);
    let mut idle = Peer::connect(&server);
    idle.list(&json!({"path": ""}));
    eventually("six transfers", || busy(&server) == 6);
    succeed(&server, Signal::SIGUSR2);
    let drainer = drainers(&server);
    server.signal(Signal::SIGTERM);
    server.wait_for("draining faster");
    // Transfers have drain_seconds, and the listener waits for them, although they are not its own.
    transfers.finish(&server.library());
    assert_eq!(idle.list(&json!({"path": ""})).len(), 2, "the last request");
    assert_eq!(idle.refusal(), "closing");
    drop(idle);
    assert_eq!(drainer.len(), 1);
    assert_eq!(server.wait(), Some(0));
    // A moment after its channel closes it is gone.
    let line = format!("/proc/{}/cmdline", drainer[0]);
    eventually("no drainer", || {
        std::fs::read(&line).unwrap_or_default().is_empty()
    });
}

#[test]
fn what_is_left_of_before_ends_when_its_time_is_over() {
    let server = serve("handover_seconds = 1");
    let _transfers = Transfers::begin(&server.addresses);
    eventually("six transfers", || busy(&server) == 6);
    succeed(&server, Signal::SIGUSR2);
    server.wait_for("their time is over");
    eventually("no drainer", || drainers(&server).is_empty());
    visit(&server.addresses);
}

#[test]
fn the_manager_hears_of_a_hand_over() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let manager = Manager::new(folder.path());
    let mut command = faces::command(folder.path(), "");
    command.env("NOTIFY_SOCKET", manager.path());
    command.env("WATCHDOG_USEC", "4000000");
    let server = Server::commanded(command, folder, 3);
    manager.wait_for("READY=1");
    let mut peer = Peer::connect(&server);
    peer.send(&request('P', &json!({"path": "x", "size": 5})));
    manager.wait_for_status("1 transfer busy");
    server.signal(Signal::SIGUSR2);
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    manager.wait_for_status(
        "STATUS=0 clients, 0 transfers busy; 0 since start; 1 server of before finishing",
    );
    manager.wait_for("WATCHDOG=1");
    drop(peer);
    manager.wait_for_status("STATUS=0 clients, 0 transfers busy; 0 since start");
}

/// A copy of the program at `path`, put there in one step.
fn install(path: &Path) {
    let new = path.with_extension("new");
    std::fs::copy(forkftpd().get_program(), &new).expect("copy");
    std::fs::rename(new, path).expect("rename");
}

/// A server whose program is a file of its own.
fn installed() -> Server {
    let folder = tempfile::tempdir().expect("scratch folder");
    let program = folder.path().join("forkftpd");
    install(&program);
    let command = faces::command(folder.path(), "");
    let mut own = Command::new(program);
    own.args(command.get_args());
    faces::launched(own, folder)
}

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).expect("metadata").ino()
}

fn runs(server: &Server) -> u64 {
    inode(Path::new(&format!("/proc/{}/exe", server.pid())))
}

#[test]
fn a_reload_brings_a_new_program_into_use() {
    let server = installed();
    let program = server.folder().join("forkftpd");
    // The same program: the configuration is read again, and that is all.
    let started = who(&server)["started"].clone();
    server.signal(Signal::SIGHUP);
    server.wait_for("configuration reloaded");
    assert_eq!(who(&server)["started"], started);

    let transfers = Transfers::begin(&server.addresses);
    eventually("six transfers", || busy(&server) == 6);
    let before = runs(&server);
    visited(&server.addresses, |_| {
        install(&program);
        assert_ne!(inode(&program), before);
        succeed(&server, Signal::SIGHUP);
    });
    assert_eq!(runs(&server), inode(&program));
    transfers.finish(&server.library());
    // And once more: it knows where it came from.
    install(&program);
    succeed(&server, Signal::SIGHUP);
    assert_eq!(runs(&server), inode(&program));
}

#[test]
fn a_program_that_cannot_serve_does_not_take_over() {
    let server = installed();
    let program = server.folder().join("forkftpd");
    let new = program.with_extension("new");
    let started = who(&server)["started"].clone();
    let transfers = Transfers::begin(&server.addresses);
    let broken = [
        (
            "#!/bin/sh\necho this one is broken; exit 1\n",
            "this one is broken",
        ),
        ("#!/bin/sh\nexit 0\n", "without a word"),
        ("no program\n", "cannot be executed"),
        // Says yes, and is gone when it counts.
        (
            "#!/bin/sh\necho configuration ok\nprintf 'no program' >\"$0\"\n",
            "cannot be executed",
        ),
    ];
    visited(&server.addresses, |_| {
        for (text, said) in broken {
            std::fs::write(&new, text).expect("write");
            std::fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).expect("mode");
            std::fs::rename(&new, &program).expect("rename");
            server.signal(Signal::SIGHUP);
            let line = server.wait_for("no hand-over, this server goes on");
            assert!(line.contains(said), "{line}");
        }
    });
    // The program is sound, and the configuration is not.
    install(&program);
    let file = server.folder().join("forkftpd.toml");
    let config = std::fs::read_to_string(&file).expect("read");
    std::fs::write(&file, format!("no_such_key = 1\n{config}")).expect("write");
    server.signal(Signal::SIGUSR2);
    let line = server.wait_for("no hand-over, this server goes on");
    assert!(line.contains("no_such_key"), "{line}");
    // Another server has what the new configuration asks for.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let taken = taken.local_addr().map(|at| (taken, at)).expect("address");
    let more = format!(
        "[[listen]]\naddress = \"{}\"\nproof = \"none\"\nlogin = \"none\"\n",
        taken.1
    );
    std::fs::write(&file, format!("{config}{more}")).expect("write");
    server.signal(Signal::SIGUSR2);
    let line = server.wait_for("no hand-over, this server goes on");
    assert!(line.contains("another server has it"), "{line}");

    assert_eq!(who(&server)["started"], started);
    eventually("no drainer", || drainers(&server).is_empty());
    transfers.finish(&server.library());
    std::fs::write(&file, config).expect("write");
    succeed(&server, Signal::SIGUSR2);
    visit(&server.addresses);
}

#[test]
fn browsers_stay_logged_in() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let users: [User<'_>; 1] = [("ann", "pencil", "rights = [\"list\", \"get\"]")];
    let config =
        "control = \"control\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"http\"\n";
    let command = configure(folder.path(), config, &users, |library| {
        std::fs::write(library.join("small"), "small\n").expect("write");
    });
    let server = Server::commanded(command, folder, 1);
    let ask = |head: &str, body: &str| {
        let mut socket = TcpStream::connect(&server.address).expect("connect");
        write!(
            socket,
            "{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n{body}"
        )
        .expect("send");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("answer");
        answer
    };
    let body = "user=ann&password=pencil";
    let head = format!(
        "POST /-/login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}",
        body.len()
    );
    let answer = ask(&head, body);
    let cookie = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("set-cookie")
            .then(|| value.split(';').next())?
    });
    let cookie = cookie.unwrap_or_else(|| panic!("no cookie: {answer}"));
    let get = format!("GET /small HTTP/1.1\r\nCookie: {cookie}");
    assert!(ask(&get, "").starts_with("HTTP/1.1 200 "));
    succeed(&server, Signal::SIGUSR2);
    let answer = ask(&get, "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!ask("GET /small HTTP/1.1", "").starts_with("HTTP/1.1 200 "));
    // One whose broker has learnt nothing of it knows no such login.
    let broker = server.offspring("forkftpd:broker");
    kill(Pid::from_raw(broker[0] as i32), Signal::SIGKILL).expect("kill");
    server.wait_for("the broker is gone");
    eventually("another broker", || {
        let now = server.offspring("forkftpd:broker");
        now.len() == 1 && now != broker
    });
    assert!(!ask(&get, "").starts_with("HTTP/1.1 200 "));
}
