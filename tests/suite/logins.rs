//! Logging in: who gets in, what everybody else hears, how long they wait for it, and what becomes of the service when what it
//! goes by is damaged.

use super::peer::{Peer, first_message, frame, from, put, request};
use super::server::{
    PATIENCE, Server, User, configure, eventually, private_file, refusal_of, write_users,
};
use super::walls::{MODES, broker_of, is_root, remembers, skip, status};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forkftp::proof::{Mac, Role};
use nix::sys::signal::Signal;
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// One listener where users have to log in and prove nothing else.
const REQUIRED: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\nproof = \"none\"\n";
const READS: &str = "rights = [\"list\", \"get\"]";
const ALICE: User<'static> = ("alice", "pencil", READS);

fn server(config: &str, users: &[User<'_>]) -> Server {
    Server::configured(&format!("{config}\n{REQUIRED}"), users, |library| {
        std::fs::write(library.join("file"), "content").expect("file");
    })
}

/// Logs in, and sees that it was not in vain.
fn enters(peer: &mut Peer, user: &str, password: &str) {
    let welcome = peer.log_in(user, password);
    assert_eq!(welcome.letter, 'K', "{:?}", welcome.json());
    assert_eq!(welcome.json()["user"], user);
    assert_eq!(peer.get("file"), b"content");
}

#[test]
fn who_does_not_get_in_hears_the_same_whatever_the_reason() {
    let server = server(
        "",
        &[
            ALICE,
            ("shut", "pencil", "rights = [\"get\"]\ndisabled = true"),
            (
                "far",
                "pencil",
                "rights = [\"get\"]\nnetworks = [\"192.0.2.0/24\"]",
            ),
        ],
    );
    // Each from an address of its own, so that none waits for the failures of another.
    let tries = [
        ("alice", "wrong"),
        ("alice", "Pencil"),
        ("nobody-here", "pencil"),
        ("shut", "pencil"),
        ("far", "pencil"),
        ("far", "wrong"),
    ];
    let mut said = Vec::new();
    for (number, (user, password)) in tries.iter().enumerate() {
        let mut peer = Peer::connect_from([127, 0, 1, number as u8 + 1], &server.address);
        let begun = Instant::now();
        let answer = peer.log_in(user, password);
        assert!(begun.elapsed() >= Duration::from_millis(250), "{user}");
        assert_eq!(answer.code(), "login", "{user}");
        said.push(answer.payload.clone());
        // It goes on, and leads nowhere but to another attempt.
        assert_eq!(peer.ask('L', &json!({"path": ""})).code(), "login");
        enters(&mut peer, "alice", "pencil");
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    // The challenge tells nothing either: it has one form, and one salt for each name.
    let challenge = |user: &str| {
        let mut peer = Peer::connect(&server);
        let answer = peer.ask('U', &first_message(user)).json();
        let message = answer["message"].as_str().expect("text").to_owned();
        let salt = message.split(',').nth(1).expect("a salt").to_owned();
        assert!(
            message.starts_with("r=abcdefghijklmnopqrstuvwx"),
            "{message}"
        );
        assert!(salt.starts_with("s="), "{message}");
        salt
    };
    for user in ["alice", "shut", "far", "nobody-here"] {
        assert_eq!(challenge(user), challenge(user), "{user}");
        assert_eq!(challenge(user).len(), challenge("alice").len(), "{user}");
    }
    assert_ne!(challenge("nobody-here"), challenge("somebody-else"));
}

#[test]
fn a_login_is_asked_for_where_the_operator_says() {
    let one = |login: &str| format!("{REQUIRED}login = {login:?}\n");
    let listeners = [one("required"), one("optional"), one("none")].concat();
    let config = format!("{listeners}[anonymous]\nrights = [\"list\"]\n");
    let server = Server::configured(&config, &[ALICE], |library| {
        std::fs::write(library.join("file"), "content").expect("file");
    });
    let [required, optional, none] = [0, 1, 2].map(|n| server.addresses[n].clone());
    for (address, login) in [
        (&required, "required"),
        (&optional, "optional"),
        (&none, "none"),
    ] {
        let hello = Peer::connect_to(address).hello.json();
        assert_eq!(hello["login"], login);
        let offered: &[&str] = if login == "none" {
            &[]
        } else {
            &["SCRAM-SHA-256"]
        };
        let given = hello["mechanisms"].as_array().cloned().unwrap_or_default();
        assert_eq!(json!(given), json!(offered));
    }
    // Required: nothing is done before, and every letter may be tried.
    let mut peer = Peer::connect_to(&required);
    for letter in "LGMRFSTNA".chars() {
        let answer = peer.ask(letter, &json!({"path": "file"}));
        assert_eq!(answer.code(), "login", "{letter}");
    }
    enters(&mut peer, "alice", "pencil");
    assert_eq!(peer.ask('U', &first_message("alice")).code(), "login");
    assert_eq!(peer.get("file"), b"content", "the session goes on");
    // Nobody puts anything there by sending it before.
    let mut peer = Peer::connect_to(&required);
    peer.send(&put(json!({"path": "early"}), b"early"));
    assert_eq!(peer.refusal(), "login");
    assert_eq!(peer.refusal(), "protocol");
    peer.expect_end();
    assert!(!server.library().join("early").exists());
    // Optional: both, and the first command decides.
    enters(&mut Peer::connect_to(&optional), "alice", "pencil");
    for address in [&optional, &none] {
        let mut peer = Peer::connect_to(address);
        assert_eq!(peer.list(&json!({"path": ""})), ["file"]);
        assert_eq!(peer.ask('G', &json!({"path": "file"})).code(), "denied");
        assert_eq!(peer.ask('U', &first_message("alice")).code(), "login");
        assert_eq!(peer.list(&json!({"path": ""})), ["file"]);
    }
    assert_eq!(
        Peer::connect_to(&none)
            .ask('U', &first_message("alice"))
            .code(),
        "login"
    );
    // Leaving is always possible.
    assert_eq!(Peer::connect_to(&required).ask('Q', &json!({})).letter, 'K');
}

#[test]
fn three_attempts_may_be_made() {
    let server = server("", &[ALICE]);
    let mut peer = Peer::connect(&server);
    for wait in [250, 500, 1000] {
        let begun = Instant::now();
        assert_eq!(peer.fail_to_log_in("alice").code(), "login");
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(wait),
            "{took:?}, not {wait} ms"
        );
        assert!(took < Duration::from_millis(wait + 8000), "{took:?}");
    }
    peer.expect_end();
    // The user is not locked out, and the last attempt of three is one.
    let mut peer = Peer::connect_from([127, 0, 0, 2], &server.address);
    for _ in 0..2 {
        assert_eq!(peer.fail_to_log_in("alice").code(), "login");
    }
    enters(&mut peer, "alice", "pencil");
}

#[test]
fn what_is_no_login_counts_as_one_that_failed() {
    let server = server("", &[ALICE]);
    let message = |text: &str| request('U', &json!({"message": text}));
    let nonce = "r=abcdefghijklmnopqrstuvwx";
    let first = || message(&format!("n,,n=alice,{nonce}"));
    // What is sent, in place of the first half and in place of the second.
    let begin: Vec<Vec<u8>> = vec![
        message(""),
        message("n"),
        message("n,,"),
        message(&format!("n,,n=,{nonce}")),
        message("n,,n=alice,r=short"),
        message("n,,n=alice"),
        message(&format!("n,a=admin,n=alice,{nonce}")),
        message(&format!("n,,m=x,n=alice,{nonce}")),
        message(&format!("n,,n=al=ice,{nonce}")),
        message(&format!("n,,n={},{nonce}", "x".repeat(65))),
        message(&format!("n,,n=al\u{7}ice,{nonce}")),
        message(&format!("p=tls-exporter,,n=alice,{nonce}")),
        message(&format!("p=tls-unique,,n=alice,{nonce}")),
        message(&format!("n,,n=alice,{nonce},{}", "x".repeat(1024))),
        message(&"x".repeat(60_000)),
        message(&"\u{1}".repeat(5000)),
        frame('U', b"{"),
        frame('U', b"\xff\xff"),
        frame('U', b"[]"),
        frame('U', b"{\"message\": 7}"),
        frame('U', b"{\"message\": \"\", \"user\": \"alice\"}"),
        frame('U', b""),
    ];
    let end: Vec<Vec<u8>> = vec![
        message(""),
        message("c=biws"),
        message("c=biws,r=abcdefghijklmnopqrstuvwx,p=AAAA"),
        message(&format!("n,,n=alice,{nonce}")),
        message(&"x".repeat(60_000)),
        frame('U', b"null"),
    ];
    let tries = begin
        .into_iter()
        .map(|bytes| (bytes, false))
        .chain(end.into_iter().map(|bytes| (bytes, true)));
    std::thread::scope(|scope| {
        for (number, (bytes, second)) in tries.enumerate() {
            let (address, first) = (&server.address, first());
            scope.spawn(move || {
                let mut peer = Peer::connect_from([127, 0, 2, number as u8 + 1], address);
                if second {
                    peer.send(&first);
                    peer.expect('K');
                }
                peer.send(&bytes);
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
                assert_eq!(peer.refusal(), "login", "{shown}");
                enters(&mut peer, "alice", "pencil");
            });
        }
    });
    // Three of them end the connection, as three wrong passwords do.
    let mut peer = Peer::connect_from([127, 0, 3, 1], &server.address);
    for _ in 0..3 {
        assert_eq!(peer.ask('U', &json!({})).code(), "login");
    }
    peer.expect_end();
}

#[test]
fn half_a_login_leads_nowhere() {
    let server = server("handshake_seconds = 2", &[ALICE]);
    // Another command in the middle.
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.ask('U', &first_message("alice")).letter, 'K');
    assert_eq!(peer.ask('L', &json!({"path": ""})).code(), "protocol");
    peer.expect_end();
    // Nothing more: the time of the handshake is the time for it.
    let begun = Instant::now();
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.ask('U', &first_message("alice")).letter, 'K');
    let mut rest = Vec::new();
    let _ = peer.socket.read_to_end(&mut rest);
    assert!(begun.elapsed() < PATIENCE, "held for ever");
    // One that goes away in the middle takes nothing along.
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.ask('U', &first_message("alice")).letter, 'K');
    drop(peer);
    // The last message of one connection is none on another.
    let mut one = Peer::connect(&server);
    let mut other = Peer::connect(&server);
    let nonce = forkftp::proof::nonce().expect("randomness");
    let begun = forkftp::scram::ClientLogin::begin(
        "alice",
        "pencil",
        &nonce,
        forkftp::scram::Binding::None,
        false,
    );
    let (login, first) = begun.expect("login");
    let challenge = one.ask('U', &json!({"message": first})).json();
    assert_eq!(other.ask('U', &json!({"message": first})).letter, 'K');
    let (_, last) = login
        .respond(challenge["message"].as_str().expect("text"))
        .expect("a challenge");
    assert_eq!(other.ask('U', &json!({"message": last})).code(), "login");
    assert_eq!(one.ask('U', &json!({"message": last})).letter, 'K');
    // Nor a second time on its own.
    assert_eq!(one.ask('U', &json!({"message": last})).code(), "login");
}

#[test]
fn an_address_that_fails_too_often_is_shut_out_for_a_while_and_no_other_is() {
    let server = server("max_failures = 3\nban_seconds = 6", &[ALICE]);
    let guesser = [127, 0, 0, 9];
    // Over several connections, which do not begin anew.
    let mut last = Instant::now();
    for wait in [250, 500, 1000] {
        let mut peer = Peer::connect_from(guesser, &server.address);
        let begun = Instant::now();
        assert_eq!(peer.fail_to_log_in("alice").code(), "login");
        assert!(begun.elapsed() >= Duration::from_millis(wait), "{wait}");
        last = Instant::now();
    }
    let refused = Peer::connect_from(guesser, &server.address).log_in("alice", "pencil");
    assert_eq!(refused.code(), "login", "the right password, too late");
    assert!(last.elapsed() < Duration::from_secs(6), "a slow machine");
    let begun = Instant::now();
    let mut friend = Peer::connect_from([127, 0, 0, 2], &server.address);
    enters(&mut friend, "alice", "pencil");
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "others wait for it"
    );
    eventually("the ban ends", || {
        let mut peer = Peer::connect_from(guesser, &server.address);
        peer.log_in("alice", "pencil").letter == 'K'
    });
}

#[test]
fn wrong_proofs_shut_an_address_out_as_wrong_passwords_do() {
    let config = "max_failures = 3\n[[listen]]\naddress = \"127.0.0.1:0\"\n";
    let server = Server::configured(config, &[ALICE], |_| ());
    let prove = |source: u8, role: Role| {
        let mut peer = Peer::connect_from([127, 0, 0, source], &server.address);
        let proof = peer.proof(Mac::Sha256, role);
        let answer = peer.ask('A', &proof);
        (peer, answer)
    };
    // The two count together.
    for _ in 0..2 {
        assert_eq!(prove(9, Role::Server).1.code(), "proof");
    }
    let (mut peer, answer) = prove(9, Role::Client);
    assert_eq!(answer.letter, 'K');
    assert_eq!(peer.fail_to_log_in("alice").code(), "login");
    assert_eq!(prove(9, Role::Client).1.code(), "proof", "the right one");
    let (mut peer, answer) = prove(2, Role::Client);
    assert_eq!(answer.letter, 'K');
    assert_eq!(peer.log_in("alice", "pencil").letter, 'K');
}

#[test]
fn a_user_has_as_many_sessions_as_may_be() {
    for mode in ["", "prefork = 2"] {
        let server = server(
            mode,
            &[ALICE, ("one", "pencil", "rights = [\"get\"]\nsessions = 1")],
        );
        let mut first = Peer::connect(&server);
        enters(&mut first, "one", "pencil");
        let mut second = Peer::connect(&server);
        assert_eq!(second.log_in("one", "pencil").code(), "busy");
        second.expect_end();
        // Nobody else is counted for it, and failures are no sessions.
        enters(&mut Peer::connect(&server), "alice", "pencil");
        assert_eq!(first.ask('Q', &json!({})).letter, 'K');
        drop(first);
        eventually("the place is free again", || {
            Peer::connect(&server).log_in("one", "pencil").letter == 'K'
        });
        // Also of a child that was killed.
        let mut killed = Peer::connect(&server);
        eventually("the place is free again", || {
            killed = Peer::connect(&server);
            killed.log_in("one", "pencil").letter == 'K'
        });
        for pid in server.children() {
            let pid = nix::unistd::Pid::from_raw(pid as i32);
            let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
        }
        eventually("the place is free again", || {
            Peer::connect(&server).log_in("one", "pencil").letter == 'K'
        });
    }
}

#[test]
fn new_users_are_for_new_sessions_and_broken_ones_for_none() {
    let server = server("", &[ALICE, ("carol", "pencil", READS)]);
    let mut old = Peer::connect(&server);
    enters(&mut old, "alice", "pencil");
    let changed: [User<'_>; 2] = [("alice", "another", READS), ("bob", "pencil", READS)];
    write_users(server.folder(), &changed);
    // Nothing happens of itself.
    enters(&mut Peer::connect(&server), "carol", "pencil");
    let reload = |line: &str| {
        server.signal(Signal::SIGHUP);
        server.wait_for(line)
    };
    reload("configuration reloaded");
    let as_it_should_be = |source: u8| {
        let connect = || Peer::connect_from([127, 0, 4, source], &server.address);
        enters(&mut connect(), "alice", "another");
        enters(&mut connect(), "bob", "pencil");
        assert_eq!(connect().log_in("alice", "pencil").code(), "login");
        assert_eq!(connect().log_in("carol", "pencil").code(), "login");
    };
    as_it_should_be(1);
    assert_eq!(old.get("file"), b"content", "a session goes on");
    let file = server.folder().join("users.toml");
    let sound = std::fs::read(&file).expect("users");
    let replace = |content: &[u8], mode: u32| {
        let new = server.folder().join("users.new");
        private_file(&new, content);
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).expect("chmod");
        std::fs::rename(new, &file).expect("rename");
    };
    for (number, (content, mode, word)) in [
        (
            &b"[users.alice]\npassword = \"pencil\"\nrights = []\n"[..],
            0o600,
            "users.toml:2",
        ),
        (&sound[..sound.len() / 4], 0o600, "users.toml"),
        (&sound[..], 0o644, "chmod 600"),
    ]
    .into_iter()
    .enumerate()
    {
        replace(content, mode);
        let line = reload("configuration not reloaded, the old one stays");
        assert!(line.contains(word), "{word}: {line}");
        as_it_should_be(number as u8 + 2);
    }
    std::fs::remove_file(&file).expect("remove");
    reload("configuration not reloaded, the old one stays");
    as_it_should_be(9);
}

/// What a server says that does not start with these files changed.
fn refuses(change: impl Fn(&Path)) -> String {
    let folder = tempfile::tempdir().expect("folder");
    let config = "[[listen]]\naddress = \"127.0.0.1:0\"\n";
    let command = configure(folder.path(), config, &[ALICE], |_| ());
    change(folder.path());
    refusal_of(command)
}

#[test]
fn nobody_is_served_by_damaged_files() {
    let mode = |path: &Path, bits| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).expect("chmod");
    };
    let overwrite = |path: &Path, content: &[u8]| {
        let file = std::fs::File::options()
            .write(true)
            .truncate(true)
            .open(path);
        file.and_then(|mut file| file.write_all(content))
            .expect("write");
    };
    type Change<'a> = Box<dyn Fn(&Path) + 'a>;
    let changes: [(Change<'_>, &str); 8] = [
        (
            Box::new(|at| overwrite(&at.join("users.toml"), b"[users.alice\n")),
            "users.toml:1",
        ),
        (
            Box::new(|at| overwrite(&at.join("users.toml"), b"\n[users.alice]\nrights = []\n")),
            "users.toml:2",
        ),
        (
            Box::new(|at| overwrite(&at.join("users.toml"), b"\n\xff\n")),
            "users.toml:2",
        ),
        (
            Box::new(|at| mode(&at.join("users.toml"), 0o640)),
            "chmod 600",
        ),
        (
            Box::new(|at| std::fs::remove_file(at.join("users.toml")).expect("remove")),
            "forkftpd user add",
        ),
        (
            Box::new(|at| overwrite(&at.join("secret"), b"short")),
            "at least 16",
        ),
        (Box::new(|at| mode(&at.join("secret"), 0o604)), "chmod 600"),
        (
            Box::new(|at| std::fs::remove_file(at.join("secret")).expect("remove")),
            "forkftpd secret new",
        ),
    ];
    for (change, word) in &changes {
        let said = refuses(change);
        assert!(said.contains(word), "{word}: {said}");
        // A damaged verifier is said to be one, and not shown.
        assert!(!said.contains("SCRAM-SHA-256$4096:"), "{said}");
    }
}

#[test]
fn a_damaged_quota_lets_nobody_in_who_has_it() {
    let quota = "rights = [\"list\", \"get\", \"put\"]\nquota = \"1 MiB\"";
    let mut server = server("", &[ALICE, ("dora", "pencil", quota)]);
    enters(&mut Peer::connect(&server), "dora", "pencil");
    let folder = server.library().join(".forkftp/quota");
    let states: Vec<_> = std::fs::read_dir(&folder)
        .expect("quota")
        .map(|entry| entry.expect("entry").path())
        .collect();
    assert_eq!(states.len(), 1, "{states:?}");
    let state = &states[0];
    let sound = std::fs::read(state).expect("state");
    for restarted in [false, true] {
        for damaged in [
            &b""[..],
            b"forkftp quota 1\nbytes 7\n",
            &sound[..sound.len() - 2],
        ] {
            std::fs::write(state, damaged).expect("write");
            if restarted {
                server.restart();
            }
            let answer = Peer::connect(&server).log_in("dora", "pencil");
            assert_eq!(answer.code(), "io", "{damaged:?}");
            let line = server.wait_for("the state of a quota is damaged");
            assert!(line.contains("remove its file"), "a remedy: {line}");
            enters(&mut Peer::connect(&server), "alice", "pencil");
        }
        std::fs::remove_file(state).expect("remove");
        enters(&mut Peer::connect(&server), "dora", "pencil");
        assert_eq!(std::fs::read(state).expect("state"), sound);
    }
}

#[test]
fn passwords_and_verifiers_are_in_the_memory_of_the_broker_alone() {
    let password = "a password that stands nowhere else";
    for mode in MODES {
        let prefork = if mode.is_empty() { 0 } else { 2 };
        let config = format!("handshake_seconds = 600\nprefork = {prefork}");
        let server = server(&config, &[("alice", password, READS)]);
        let users = std::fs::read_to_string(server.folder().join("users.toml")).expect("users");
        let (_, keys) = users.split_once("password = \"").expect("a verifier");
        let verifier = keys.split('"').next().expect("a verifier");
        let (_, keys) = verifier.rsplit_once('$').expect("keys");
        let (stored, serving) = keys.split_once(':').expect("two keys");
        let raw = |text: &str| STANDARD.decode(text).expect("base 64");
        let text = |text: &str| text.trim_end_matches('=').as_bytes().to_vec();
        // As they stand in the file, and as they are computed with.
        let kept = [raw(stored), raw(serving), text(stored), text(serving)];
        let never = [password.as_bytes().to_vec()];
        let mut inside = Peer::connect(&server);
        enters(&mut inside, "alice", password);
        let mut failed = Peer::connect(&server);
        assert_eq!(failed.fail_to_log_in("alice").code(), "login");
        let mut half = Peer::connect(&server);
        assert_eq!(half.ask('U', &first_message("alice")).letter, 'K');
        let _waiting = Peer::connect(&server);
        let library = server.library().to_str().expect("text").as_bytes().to_vec();
        for pid in server.children().into_iter().chain([server.pid()]) {
            let name = status(pid, "Name");
            for wanted in [&kept[..], &never] {
                match remembers(pid, wanted) {
                    Ok(found) => assert!(!found, "{name} has a key"),
                    Err(error) => return skip(&format!("memory of children: {error}")),
                }
            }
            // What does stand in it is found.
            assert!(remembers(pid, std::slice::from_ref(&library)).expect("memory"));
        }
        let broker = broker_of(&server);
        match remembers(broker, &kept) {
            Ok(found) => {
                assert!(is_root(), "another process of its user reads the broker");
                assert!(found, "not even the broker has them");
                assert!(!remembers(broker, &never).expect("memory"), "the password");
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
        }
    }
}

#[test]
fn many_who_log_in_at_once_all_get_in() {
    let server = server("max_per_address = 50\nmax_clients = 50", &[ALICE]);
    let waiting: Vec<_> = (0..8)
        .map(|_| from([127, 0, 0, 1], &server.address))
        .collect();
    let address = &server.address;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| enters(&mut Peer::connect_to(address), "alice", "pencil"));
        }
    });
    drop(waiting);
}
