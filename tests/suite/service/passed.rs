//! Listening sockets that a service manager passes by name (sd_listen_fds(3)).

use super::super::peer::Peer;
use super::super::server::{Server, configure, refusal_of};
use super::manager::{passing, program};
use nix::sys::signal::Signal;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

fn open(address: &str) -> (OwnedFd, String) {
    let socket = TcpListener::bind(address).expect("listen");
    let address = socket.local_addr().expect("address").to_string();
    (socket.into(), address)
}

/// A table [[listen]].
fn listen(name: &str, more: &str) -> String {
    format!("[[listen]]\naddress = \"systemd:{name}\"\n{more}\n")
}

const OPEN: &str = "proof = \"none\"\nlogin = \"none\"";

#[test]
fn sockets_that_come_by_name_are_served_and_left_behind() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let path = folder.path().join("socket");
    let unix: OwnedFd = UnixListener::bind(&path).expect("listen").into();
    let (v4, at_v4) = open("127.0.0.1:0");
    let (v6, at_v6) = open("[::1]:0");
    let (web, at_web) = open("127.0.0.1:0");
    let (ftp, at_ftp) = open("127.0.0.1:0");
    let config = [
        listen("drive", OPEN),
        listen("web", "protocol = \"http\"\nlogin = \"none\""),
        listen("ftp", "protocol = \"ftp\"\nlogin = \"none\"\ntls = \"off\""),
        "[anonymous]\nrights = [\"list\", \"get\"]\n".to_owned(),
    ];
    let command = configure(folder.path(), &config.concat(), &[], |library| {
        std::fs::write(library.join("hello"), "Hello!").expect("write");
    });
    let sockets = [
        ("drive", &v4),
        ("web", &web),
        ("drive", &unix),
        ("ftp", &ftp),
        ("drive", &v6),
    ];
    let server = Server::commanded(passing(&program(&command), &sockets), folder, 5);
    let mut expected = vec![at_v4.clone(), at_v6, at_web.clone(), at_ftp.clone()];
    expected.push(format!("unix:{}", path.display()));
    expected.sort();
    let mut heard = server.addresses.clone();
    heard.sort();
    assert_eq!(heard, expected);

    for round in 0..3 {
        for address in [&expected[0], &expected[1], &expected[2], &expected[3]] {
            if *address != at_web && *address != at_ftp {
                let mut peer = Peer::connect_to(address);
                assert_eq!(peer.list(&json!({"path": ""})).len(), 1);
            }
        }
        let mut peer = UnixStream::connect(&path).expect("connect");
        let mut letter = [0];
        peer.read_exact(&mut letter).expect("a hello");
        assert_eq!(letter, *b"H");
        // A loopback address, judged by what it is: names of strangers' pages are refused there.
        for (host, status) in [("localhost", "200"), ("strangers.example", "421")] {
            let mut web = TcpStream::connect(&at_web).expect("connect");
            write!(
                web,
                "GET /hello HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            )
            .expect("send");
            let mut answer = String::new();
            web.read_to_string(&mut answer).expect("answer");
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
        passive_listing(&at_ftp);
        // They stay over a reload and a hand-over, and after that they are no less the manager's.
        if round == 1 {
            server.signal(Signal::SIGUSR2);
            for _ in &expected {
                let line = server.wait_for("listening on ");
                assert!(line.contains("passed="), "{line}");
            }
        } else {
            server.signal(Signal::SIGHUP);
            server.wait_for("configuration reloaded");
        }
    }
    let _kept = server.keep_folder();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    std::fs::metadata(&path).expect("the file is the manager's");
    // Nobody is refused meanwhile.
    TcpStream::connect(&at_v4).expect("the manager listens still");
}

/// A listing over a passive connection: a dialer knows where the socket is.
fn passive_listing(address: &str) {
    use std::io::{BufRead, BufReader};
    let control = TcpStream::connect(address).expect("connect");
    let mut lines = BufReader::new(control.try_clone().expect("clone")).lines();
    let mut reply = |code: &str| {
        let line = lines.next().expect("a reply").expect("text");
        assert!(line.starts_with(code), "{line}");
        line
    };
    reply("220 ");
    let say = |line: &str| (&control).write_all(line.as_bytes()).expect("send");
    say("USER anonymous\r\n");
    reply("331 ");
    say("PASS me\r\n");
    reply("230 ");
    say("EPSV\r\n");
    let said = reply("229 ");
    let port = said.split('|').nth(3).expect("port").parse().expect("port");
    let mut data = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    say("NLST\r\n");
    reply("150 ");
    let mut names = String::new();
    data.read_to_string(&mut names).expect("names");
    assert_eq!(names, "hello\r\n");
    reply("226 ");
}

/// A configuration, the sockets that are passed, and what is said of it.
type Case<'a> = (&'a str, &'a [(&'a str, &'a OwnedFd)], &'a [&'a str]);

#[test]
fn what_cannot_be_meant_is_refused_with_a_remedy() {
    let (everywhere, _) = open("0.0.0.0:0");
    let (local, _) = open("127.0.0.1:0");
    let (other, _) = open("127.0.0.1:0");
    let connected: OwnedFd = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        TcpStream::connect(listener.local_addr().expect("address"))
            .expect("connect")
            .into()
    };
    let datagram: OwnedFd = std::net::UdpSocket::bind("127.0.0.1:0")
        .expect("bind")
        .into();
    let scratch = tempfile::tempdir().expect("scratch folder");
    let unix: OwnedFd = UnixListener::bind(scratch.path().join("s"))
        .expect("listen")
        .into();
    let drive = listen("a", OPEN);
    let ftp = listen(
        "a",
        "protocol = \"ftp\"\ntls = \"off\"\nlogin = \"required\"",
    );
    let web = listen("a", "protocol = \"http\"\nlogin = \"required\"");
    let moded = listen("a", &format!("{OPEN}\nmode = \"0600\""));
    let pathless = listen("", OPEN);
    let cases: [Case<'_>; 11] = [
        (
            &drive,
            &[],
            &["systemd:a", "none at all", "FileDescriptorName=a"],
        ),
        (
            &drive,
            &[("b", &local)],
            &["systemd:a", "only b", "named \"b\"", "nobody listens"],
        ),
        (&drive, &[("a", &local), ("b", &other)], &["named \"b\""]),
        (
            &drive,
            &[("a", &everywhere)],
            &["systemd:a", "without proof"],
        ),
        (
            &drive,
            &[("a", &connected)],
            &["systemd:a", "does not listen"],
        ),
        (&drive, &[("a", &datagram)], &["systemd:a", "ListenStream="]),
        (&ftp, &[("a", &unix)], &["systemd:a", "needs an IP address"]),
        (&web, &[("a", &everywhere)], &["systemd:a", "in the clear"]),
        (
            &moded,
            &[("a", &local)],
            &["forkftpd.toml:6: ", "SocketMode="],
        ),
        (
            &pathless,
            &[("a", &local)],
            &["forkftpd.toml:6: ", "FileDescriptorName="],
        ),
        ("", &[("a", &local)], &["named \"a\"", "nobody listens"]),
    ];
    for (config, sockets, words) in cases {
        let folder = tempfile::tempdir().expect("scratch folder");
        let command = configure(folder.path(), config, &[], |_| ());
        let said = refusal_of(passing(&program(&command), sockets));
        for word in words {
            assert!(said.contains(word), "{config}: {word} is missing: {said}");
        }
    }
    // What was passed to another process is nobody's here.
    let folder = tempfile::tempdir().expect("scratch folder");
    let mut command = configure(folder.path(), &drive, &[], |_| ());
    command
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "a");
    assert!(refusal_of(command).contains("none at all"));
}

#[test]
fn check_says_what_it_cannot_know() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let config = listen("a", OPEN);
    configure(folder.path(), &config, &[], |_| ());
    let file = folder.path().join("forkftpd.toml");
    let file = file.to_str().expect("path");
    let (code, said) = super::super::server::run(&["check", "--config", file]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("systemd:a") && said.contains("as the server starts"),
        "{said}"
    );
}
