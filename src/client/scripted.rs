//! Tests of sessions against a server that says exactly what a test wants, over a socket pair. Compiled for tests only.

use super::local::{Folder, Incoming, Manner};
use super::{Client, Error, GetRequest, Got, Options, PutRequest, Sink};
use crate::digest::{Hasher, Kind};
use crate::error::Code;
use crate::proof::{Mac, Role, Secret, Transcript};
use crate::sys::file::Stamp;
use crate::wire::drive::{GetStart, letter};
use crate::wire::frame::{HEADER, Header};
use crate::wire::path::RelPath;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The server's end.
struct Server(UnixStream);

impl Server {
    fn say(&mut self, letter: u8, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        self.0
            .write_all(
                &Header {
                    letter,
                    length: payload.len() as u32,
                }
                .encode(),
            )
            .expect("write");
        self.0.write_all(payload).expect("write");
    }

    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; HEADER];
        self.0.read_exact(&mut header).expect("read");
        let header = Header::decode(header).expect("header");
        let mut payload = vec![0; header.length as usize];
        self.0.read_exact(&mut payload).expect("read");
        (header.letter, payload)
    }

    fn hear_json(&mut self, letter: u8) -> serde_json::Value {
        let (found, payload) = self.hear();
        assert_eq!(char::from(found), char::from(letter));
        serde_json::from_slice(&payload).expect("json")
    }

    /// True when the client says nothing more and closes.
    fn closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0) | Err(_))
    }

    fn hello(&mut self, macs: &str) -> String {
        let hello = format!(
            r#"{{"protocol":"forkftp/1","nonce":"{}","macs":[{macs}],"login":"none","digests":["blake3","sha256","md5"],"commands":"LGPNQ","limits":{{"control":65536,"data":8388608,"idle":300}},"new":1}}"#,
            "07".repeat(32)
        );
        self.say(letter::HELLO, &hello);
        hello
    }

    fn start(&mut self, size: usize) {
        self.say(
            letter::OK,
            format!(r#"{{"size":{size},"offset":0,"length":{size},"mtime":1700000000}}"#),
        );
    }

    fn file(&mut self, content: &[u8]) {
        self.start(content.len());
        self.say(letter::DATA, content);
        self.end(content);
    }

    fn end(&mut self, content: &[u8]) {
        self.say(
            letter::END,
            format!(r#"{{"digest":"{}"}}"#, blake3(content)),
        );
    }
}

fn blake3(content: &[u8]) -> String {
    let mut hasher = Hasher::new(Kind::Blake3);
    hasher.update(content);
    hasher.finish().to_hex()
}

fn options() -> Options {
    Options {
        stall_timeout: Duration::from_secs(10),
        ..Options::default()
    }
}

/// A client of a server that runs `script`, starting with its hello.
fn connect(
    options: &Options,
    script: impl FnOnce(Server) + Send + 'static,
) -> (super::Result<Client>, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().expect("pair");
    theirs
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("timeout");
    let server = std::thread::spawn(move || script(Server(theirs)));
    let twin = ours.try_clone().expect("clone");
    (Client::over(ours, twin, options), server)
}

/// A client past the handshake with a server that asks for no proof.
fn session(script: impl FnOnce(&mut Server) + Send + 'static) -> (Client, JoinHandle<()>) {
    let (client, server) = connect(&options(), |mut server| {
        server.hello("");
        script(&mut server);
    });
    (client.expect("session"), server)
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("path")
}

fn with_secret() -> Options {
    Options {
        secret: Some(Secret::new(SECRET).expect("secret")),
        ..options()
    }
}

/// Answers the client's proof; `role` and `mac` are what the server computes with.
fn answer_proof(server: &mut Server, hello: &str, role: Role, said: &[u8]) -> serde_json::Value {
    let proof = server.hear_json(letter::PROVE);
    let nonce: [u8; 32] = hex::decode(proof["nonce"].as_str().expect("nonce"))
        .expect("hex")
        .try_into()
        .expect("32 bytes");
    let mac: Mac = serde_json::from_value(proof["mac"].clone()).expect("mac");
    let seen = Transcript {
        hello: hello.as_bytes(),
        client_nonce: &nonce,
        channel: b"",
    };
    let secret = Secret::new(said).expect("secret");
    let theirs = hex::decode(proof["proof"].as_str().expect("proof")).expect("hex");
    assert!(
        seen.verify(
            &Secret::new(SECRET).expect("secret"),
            Role::Client,
            mac,
            &theirs
        ),
        "the client's proof"
    );
    server.say(
        letter::OK,
        format!(
            r#"{{"proof":"{}"}}"#,
            hex::encode(seen.prove(&secret, role, mac))
        ),
    );
    proof
}

#[test]
fn both_prove_with_the_best_mac_offered() {
    for (macs, best) in [
        (r#""hmac-md5","hmac-sha256""#, "hmac-sha256"),
        (r#""hmac-md5""#, "hmac-md5"),
        (r#""new","hmac-sha256""#, "hmac-sha256"),
    ] {
        let (client, server) = connect(&with_secret(), move |mut server| {
            let hello = server.hello(macs);
            assert_eq!(
                answer_proof(&mut server, &hello, Role::Server, SECRET)["mac"],
                best
            );
            let (letter, payload) = server.hear();
            server.say(letter, payload);
            server.hear_json(letter::QUIT);
            server.say(letter::OK, "{}");
        });
        let mut client = client.expect("proved");
        assert_eq!(serde_json::to_value(client.info().mac).expect("json"), best);
        client.ping().expect("echo");
        client.quit().expect("quit");
        server.join().expect("script");
    }
}

#[test]
fn a_server_with_a_wrong_proof_hears_nothing_more() {
    for (role, secret) in [
        (Role::Server, &b"another secret of some length"[..]),
        (Role::Client, SECRET),
    ] {
        let (client, server) = connect(&with_secret(), move |mut server| {
            let hello = server.hello(r#""hmac-sha256""#);
            answer_proof(&mut server, &hello, role, secret);
            assert!(server.closed());
        });
        assert_eq!(client.err(), Some(Error::ServerProof));
        server.join().expect("script");
    }
}

#[test]
fn an_offer_changed_on_the_way_spoils_the_proof() {
    // A man in the middle takes the better MAC out of the offer; the server's proof is over what it really said.
    let (client, server) = connect(&with_secret(), |mut server| {
        let stripped = server.hello(r#""hmac-md5""#);
        let proof = server.hear_json(letter::PROVE);
        let said = stripped.replace(r#""hmac-md5""#, r#""hmac-sha256","hmac-md5""#);
        let nonce: [u8; 32] = hex::decode(proof["nonce"].as_str().expect("nonce"))
            .expect("hex")
            .try_into()
            .expect("32 bytes");
        let seen = Transcript {
            hello: said.as_bytes(),
            client_nonce: &nonce,
            channel: b"",
        };
        let secret = Secret::new(SECRET).expect("secret");
        let theirs = hex::decode(proof["proof"].as_str().expect("proof")).expect("hex");
        assert!(
            !seen.verify(&secret, Role::Client, Mac::Md5, &theirs),
            "an honest server refuses here"
        );
        server.say(
            letter::OK,
            format!(
                r#"{{"proof":"{}"}}"#,
                hex::encode(seen.prove(&secret, Role::Server, Mac::Md5))
            ),
        );
        assert!(server.closed());
    });
    assert_eq!(client.err(), Some(Error::ServerProof));
    server.join().expect("script");
}

#[test]
fn no_proof_asked_for() {
    let quiet = |mut server: Server| {
        server.hello("");
        assert!(server.closed());
    };
    let (client, server) = connect(&with_secret(), quiet);
    assert!(client.expect("goes on").info().secret_unused);
    server.join().expect("script");
    let (client, server) = connect(
        &Options {
            require_proof: true,
            ..with_secret()
        },
        quiet,
    );
    assert!(matches!(client.err(), Some(Error::Secret(_))));
    server.join().expect("script");
}

#[test]
fn handshakes_that_fail() {
    for (says, wanted) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "protocol"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "protocol"),
        (b"220 ready\r\n", "protocol"),
        (b"H\0\0\0\x02{}", "protocol"),
        (b"K\0\0\0\x02{}", "protocol"),
        (b"H\0\0", "lost"),
        (b"", "lost"),
        (b"E\0\0\0\x1d{\"code\":\"busy\",\"message\":\"m\"}", "busy"),
    ] {
        let (client, server) = connect(&options(), move |mut server| {
            let _ = server.0.write_all(says);
        });
        assert_eq!(
            client.err().map(|e| e.code()),
            Some(wanted),
            "{}",
            String::from_utf8_lossy(says)
        );
        server.join().expect("script");
    }
    // A secret is asked for, and there is none: nothing is said.
    let (client, server) = connect(&options(), |mut server| {
        server.hello(r#""hmac-sha256""#);
        assert!(server.closed());
    });
    assert!(matches!(client.err(), Some(Error::Secret(_))));
    server.join().expect("script");
}

#[test]
fn a_silent_server_is_given_up() {
    let quick = Options {
        stall_timeout: Duration::from_millis(50),
        ..options()
    };
    let (client, server) = connect(&quick, |mut server| assert!(server.closed()));
    assert!(matches!(client.err(), Some(Error::Lost(why)) if why.contains("stalled")));
    server.join().expect("script");
}

#[test]
fn an_interrupt_ends_a_wait() {
    let flag = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let with_flag = Options {
        interrupt: super::Interrupt::on(flag.clone()),
        ..options()
    };
    let (client, server) = connect(&with_flag, |mut server| {
        server.hello("");
        server.hear_json(letter::GET);
        assert!(server.closed());
    });
    let mut client = client.expect("session");
    let setter = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(
        client.get_to(&GetRequest::whole(path("a")), &mut Vec::new()),
        Err(Error::Interrupted)
    );
    assert!(!client.is_usable());
    drop(client);
    setter.join().expect("setter");
    server.join().expect("script");
}

#[test]
fn names_that_lead_elsewhere_end_the_session() {
    for bad in [
        "../x",
        "/etc/x",
        "a/../../b",
        ".hidden",
        "a/.b",
        "a\\nb",
        "%00",
        "a//b",
        "",
        "a/",
    ] {
        let (mut client, server) = session(move |server| {
            server.hear_json(letter::LIST);
            server.say(
                letter::DATA,
                format!("{{\"name\":\"{bad}\",\"type\":\"file\",\"size\":1,\"mtime\":0}}\n"),
            );
            server.say(letter::END, r#"{"entries":1}"#);
        });
        let listed = client.list(&RelPath::root(), true, |_| panic!("{bad} came through"));
        assert!(matches!(listed, Err(Error::Protocol(_))), "{bad}");
        assert!(!client.is_usable());
        server.join().expect("script");
    }
}

#[test]
fn lists_come_in_any_pieces_and_are_counted() {
    let (mut client, server) = session(|server| {
        for wrong in [false, true] {
            server.hear_json(letter::LIST);
            server.say(letter::DATA, "");
            server.say(
                letter::DATA,
                "{\"name\":\"b\",\"type\":\"file\",\"size\":1,\"mtime\":0,\"new\":0}\n{\"name\":\"a b\",\"type\":\"folder\",\"size\":0,\"mtime\":-1}\n",
            );
            server.say(letter::DATA, "{\"name\":\"a b/%FC\",\"type\":\"file\",\"size\":18446744073709551615,\"mtime\":0,\"nsec\":7}\n");
            server.say(
                letter::END,
                if wrong {
                    r#"{"entries":4}"#
                } else {
                    r#"{"entries":3,"unreadable":1}"#
                },
            );
        }
    });
    let (entries, listed) = client.list_all(&RelPath::root(), true).expect("list");
    let names: Vec<_> = entries.iter().map(|e| e.name.0.as_slice()).collect();
    assert_eq!(names, [&b"a b"[..], b"a b/\xfc", b"b"]);
    assert_eq!(listed.unreadable, 1);
    assert!(
        matches!(
            client.list_all(&RelPath::root(), true),
            Err(Error::Protocol(_))
        ),
        "a wrong count"
    );
    server.join().expect("script");
}

#[test]
fn endless_lines_and_cut_lines_are_refused() {
    for script in [
        |server: &mut Server| server.say(letter::DATA, vec![b'x'; 200_000]),
        |server: &mut Server| server.say(letter::DATA, "{\"name\""),
    ] {
        let (mut client, server) = session(move |server| {
            server.hear_json(letter::LIST);
            script(server);
            assert!(server.closed());
        });
        assert!(matches!(
            client.list_all(&RelPath::root(), false),
            Err(Error::Protocol(_))
        ));
        drop(client);
        server.join().expect("script");
    }
}

#[test]
fn gets_that_do_not_add_up() {
    type Play = fn(&mut Server);
    let cases: [(&str, Play, &str); 8] = [
        (
            "more than announced",
            |s| {
                s.start(3);
                s.say(letter::DATA, "four");
                s.end(b"four");
            },
            "protocol",
        ),
        (
            "less than announced",
            |s| {
                s.start(5);
                s.say(letter::DATA, "four");
                s.end(b"four");
            },
            "protocol",
        ),
        (
            "another offset",
            |s| s.say(letter::OK, r#"{"size":9,"offset":1,"length":8,"mtime":0}"#),
            "protocol",
        ),
        (
            "a length of its own",
            |s| s.say(letter::OK, r#"{"size":9,"offset":0,"length":8,"mtime":0}"#),
            "protocol",
        ),
        (
            "a wrong digest",
            |s| {
                s.start(4);
                s.say(letter::DATA, "four");
                s.end(b"fore");
            },
            "digest",
        ),
        (
            "no digest",
            |s| {
                s.start(4);
                s.say(letter::DATA, "four");
                s.say(letter::END, r#"{"digest":"00"}"#);
            },
            "protocol",
        ),
        (
            "another frame",
            |s| {
                s.start(4);
                s.say(letter::ECHO, "four");
            },
            "protocol",
        ),
        (
            "closed in the middle",
            |s| {
                s.start(4);
                s.say(letter::DATA, "fo");
            },
            "lost",
        ),
    ];
    for (what, script, code) in cases {
        let (mut client, server) = session(move |server| {
            server.hear_json(letter::GET);
            script(server);
        });
        let got = client.get_to(&GetRequest::whole(path("a")), &mut Vec::new());
        assert_eq!(got.err().map(|e| e.code()), Some(code), "{what}");
        drop(client);
        server.join().expect("script");
    }
}

#[test]
fn an_error_in_place_of_data_leaves_the_session_alive() {
    let (mut client, server) = session(|server| {
        server.hear_json(letter::GET);
        server.start(8);
        server.say(letter::DATA, "four");
        server.say(
            letter::ERROR,
            r#"{"code":"changed","message":"the file changed"}"#,
        );
        server.hear_json(letter::GET);
        server.file(b"fine");
    });
    let mut bytes = Vec::new();
    let got = client.get_to(&GetRequest::whole(path("a")), &mut bytes);
    assert!(matches!(got, Err(Error::Refused(refusal)) if refusal.code == Code::Changed));
    bytes.clear();
    client
        .get_to(&GetRequest::whole(path("b")), &mut bytes)
        .expect("the next one");
    assert_eq!(bytes, b"fine");
    server.join().expect("script");
}

/// Downloads `a` into a fresh folder from a server that runs `script`; returns the outcome and the names left there.
fn download(
    resume: bool,
    script: impl FnOnce(&mut Server) + Send + 'static,
) -> (super::Result<Got>, Vec<(String, Vec<u8>)>) {
    let dir = tempfile::tempdir().expect("tempdir");
    let folder = Arc::new(Folder::open(dir.path()).expect("folder"));
    let (mut client, server) = session(script);
    let mut incoming = Incoming::new(
        folder,
        b"a",
        Manner {
            overwrite: false,
            resume,
        },
    )
    .expect("free");
    let mut request = GetRequest::whole(path("a"));
    if let Some((offset, hasher)) = incoming
        .resume(request.digest, &super::Interrupt::default())
        .expect("part")
    {
        (request.offset, request.before) = (offset, Some(hasher));
    }
    let got = client.get(&request, &mut incoming);
    match &got {
        Ok(got) => incoming
            .finish(Stamp {
                seconds: got.start.mtime,
                nanos: 0,
            })
            .expect("finish"),
        Err(_) => drop(incoming),
    }
    drop(client);
    server.join().expect("script");
    let left = std::fs::read_dir(dir.path())
        .expect("list")
        .map(|e| e.expect("entry"));
    (
        got,
        left.map(|e| {
            (
                e.file_name().into_string().expect("name"),
                std::fs::read(e.path()).expect("read"),
            )
        })
        .collect(),
    )
}

#[test]
fn a_failed_download_leaves_nothing_or_its_part() {
    let cut = |server: &mut Server| {
        server.hear_json(letter::GET);
        server.start(8);
        server.say(letter::DATA, "four");
    };
    let (got, left) = download(false, cut);
    assert!(matches!(got, Err(Error::Lost(_))) && left.is_empty());
    let (got, left) = download(true, cut);
    assert!(matches!(got, Err(Error::Lost(_))));
    assert_eq!(left, [(".a.forkftp-part".to_owned(), b"four".to_vec())]);
    let (got, left) = download(false, |server| {
        server.hear_json(letter::GET);
        server.start(4);
        server.say(letter::DATA, "four");
        server.end(b"other");
    });
    assert!(matches!(got, Err(Error::Digest { .. })) && left.is_empty());
    let (got, left) = download(false, |server| {
        server.hear_json(letter::GET);
        server.file(b"whole");
    });
    assert!(got.is_ok());
    assert_eq!(left, [("a".to_owned(), b"whole".to_vec())]);
}

/// Keeps its bytes.
#[derive(Default)]
struct Kept(usize, Vec<u8>);
impl Sink for Kept {
    fn start(&mut self, _: &GetStart) -> super::Result<()> {
        if self.0 == 7 {
            Err(Error::here("this one fails on our side"))
        } else {
            Ok(())
        }
    }
    fn take(&mut self, bytes: &[u8]) -> super::Result<()> {
        self.1.extend_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn pipelined_gets_end_in_order_and_fail_alone() {
    let (mut client, server) = session(|server| {
        for i in 0..1000 {
            let asked = server.hear_json(letter::GET);
            assert_eq!(asked["path"], format!("f{i}"));
            if i % 10 == 3 {
                server.say(letter::ERROR, r#"{"code":"not-found","message":"no"}"#);
            } else {
                server.file(asked["path"].as_str().expect("path").as_bytes());
            }
        }
        assert!(server.closed());
    });
    let (mut asked, mut ended, mut most) = (0, 0, 0);
    let all = client.get_many(
        |in_flight| {
            most = most.max(in_flight);
            asked += 1;
            (asked <= 1000).then(|| {
                (
                    GetRequest::whole(path(&format!("f{}", asked - 1))),
                    Kept(asked - 1, Vec::new()),
                )
            })
        },
        |Kept(number, bytes), outcome| {
            assert_eq!(number, ended);
            ended += 1;
            match number {
                7 => assert!(matches!(outcome, Err(Error::Local { .. }))),
                n if n % 10 == 3 => assert!(matches!(outcome, Err(Error::Refused(_)))),
                n => assert_eq!(
                    (outcome.is_ok(), bytes),
                    (true, format!("f{n}").into_bytes())
                ),
            }
        },
    );
    assert_eq!((all, ended), (Ok(()), 1000));
    assert_eq!(most, 63, "asked ahead, and not without end");
    assert!(client.is_usable());
    drop(client);
    server.join().expect("script");
}

#[test]
fn a_lost_connection_reports_every_get_that_was_asked_for() {
    let (mut client, server) = session(|server| {
        server.hear_json(letter::GET);
        server.file(b"one");
        server.hear_json(letter::GET);
        server.start(10);
    });
    let (mut asked, mut codes) = (0, Vec::new());
    let all = client.get_many(
        |_| {
            asked += 1;
            (asked <= 4).then(|| (GetRequest::whole(path("a")), Kept::default()))
        },
        |_, outcome| codes.push(outcome.err().map(|e| e.code())),
    );
    assert!(matches!(all, Err(Error::Lost(_))));
    assert_eq!(
        codes,
        [None, Some("lost"), Some("unanswered"), Some("unanswered")]
    );
    server.join().expect("script");
}

/// Reads a run to its end; returns its bytes and the last frame.
fn hear_run(server: &mut Server) -> (Vec<u8>, u8, serde_json::Value) {
    let mut bytes = Vec::new();
    loop {
        let (letter, payload) = server.hear();
        match letter {
            letter::DATA => bytes.extend_from_slice(&payload),
            other => {
                return (
                    bytes,
                    other,
                    serde_json::from_slice(&payload).expect("json"),
                );
            }
        }
    }
}

fn store(server: &mut Server) -> Vec<u8> {
    let (bytes, last, end) = hear_run(server);
    assert_eq!(last, letter::END);
    assert_eq!(
        end,
        serde_json::json!({"size": bytes.len(), "digest": blake3(&bytes)})
    );
    server.say(
        letter::OK,
        format!(
            r#"{{"size":{},"digest":"{}","durability":"full"}}"#,
            bytes.len(),
            blake3(&bytes)
        ),
    );
    bytes
}

#[test]
fn puts_go_whole() {
    let big: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let sent = big.clone();
    let (mut client, server) = session(move |server| {
        for wanted in [&b""[..], b"small", &sent] {
            let put = server.hear_json(letter::PUT);
            assert_eq!(put["path"], "a/b");
            assert_eq!(store(server), wanted);
        }
    });
    for content in [&b""[..], b"small", &big] {
        let done = client
            .put_from(
                &PutRequest {
                    parents: true,
                    ..PutRequest::new(path("a/b"))
                },
                &mut &content[..],
            )
            .expect("stored");
        assert_eq!(
            (done.size, done.durability.as_str()),
            (content.len() as u64, "full")
        );
    }
    server.join().expect("script");
}

#[test]
fn an_early_refusal_ends_the_run_early() {
    let (mut client, server) = session(|server| {
        server.hear_json(letter::PUT);
        server.say(letter::ERROR, r#"{"code":"no-space","message":"full"}"#);
        let (bytes, last, fault) = hear_run(server);
        assert_eq!(
            (last, fault["code"].as_str()),
            (letter::ERROR, Some("cancelled")),
            "not the whole of it"
        );
        assert!(bytes.len() < 500 << 20);
        server.hear_json(letter::PUT);
        assert_eq!(store(server), b"next");
    });
    let refused = client.put_from(
        &PutRequest::new(path("big")),
        &mut std::io::repeat(1).take(1 << 30),
    );
    assert!(matches!(refused, Err(Error::Refused(refusal)) if refusal.code == Code::NoSpace));
    client
        .put_from(&PutRequest::new(path("a")), &mut &b"next"[..])
        .expect("the session lives");
    server.join().expect("script");
}

#[test]
fn a_source_that_fails_takes_its_put_back() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("bad sector"))
        }
    }
    let (mut client, server) = session(|server| {
        for _ in 0..2 {
            server.hear_json(letter::PUT);
            assert_eq!(hear_run(server).1, letter::ERROR);
            server.say(
                letter::ERROR,
                r#"{"code":"cancelled","message":"given up"}"#,
            );
        }
        assert!(server.closed());
    });
    assert!(matches!(
        client.put_from(&PutRequest::new(path("a")), &mut Broken),
        Err(Error::Local { .. })
    ));
    let short = client.put_from(
        &PutRequest {
            size: Some(9),
            ..PutRequest::new(path("a"))
        },
        &mut &b"short"[..],
    );
    assert!(
        matches!(short, Err(Error::Local { .. })),
        "fewer bytes than were promised"
    );
    assert!(client.is_usable());
    drop(client);
    server.join().expect("script");
}

/// A source in memory with a number.
struct Bytes(usize, std::io::Cursor<Vec<u8>>);
impl super::Source for Bytes {
    fn read(&mut self, into: &mut [u8]) -> super::Result<usize> {
        self.1.read(into).map_err(|e| Error::here(e.to_string()))
    }
    fn skip(&mut self, offset: u64, hasher: &mut Hasher) -> super::Result<bool> {
        let Some(before) = self.1.get_ref().get(..offset as usize) else {
            return Ok(false);
        };
        hasher.update(before);
        self.1.set_position(offset);
        Ok(true)
    }
    fn rewind(&mut self) -> super::Result<()> {
        self.1.set_position(0);
        Ok(())
    }
}

#[test]
fn pipelined_puts_end_in_order_and_fail_alone() {
    let (mut client, server) = session(|server| {
        for i in 0..500 {
            let put = server.hear_json(letter::PUT);
            assert_eq!(put["path"], format!("f{i}"));
            if i % 10 == 3 {
                server.say(letter::ERROR, r#"{"code":"exists","message":"taken"}"#);
                hear_run(server);
            } else {
                store(server);
            }
        }
        assert!(server.closed());
    });
    let (mut asked, mut ended) = (0, 0);
    let all = client.put_many(
        |_| {
            asked += 1;
            let content = vec![b'x'; if asked % 100 == 0 { 5_000_000 } else { 4096 }];
            (asked <= 500).then(|| {
                (
                    PutRequest::new(path(&format!("f{}", asked - 1))),
                    Bytes(asked - 1, std::io::Cursor::new(content)),
                )
            })
        },
        |Bytes(number, _), outcome| {
            assert_eq!(number, ended);
            ended += 1;
            assert_eq!(outcome.is_ok(), number % 10 != 3);
        },
    );
    assert_eq!((all, ended), (Ok(()), 500));
    assert!(client.is_usable());
    drop(client);
    server.join().expect("script");
}

#[test]
fn a_put_goes_on_where_it_was_cut_or_begins_again() {
    let (mut client, server) = session(|server| {
        let put = server.hear_json(letter::PUT);
        assert_eq!(put["resume"], true);
        server.say(
            letter::OK,
            format!(r#"{{"offset":4,"digest":"{}"}}"#, blake3(b"0123")),
        );
        let (bytes, _, end) = hear_run(server);
        assert_eq!(
            (&bytes[..], end["digest"].as_str()),
            (&b"456789"[..], Some(blake3(b"0123456789").as_str()))
        );
        server.say(
            letter::OK,
            format!(
                r#"{{"size":10,"digest":"{}","durability":"none"}}"#,
                blake3(b"0123456789")
            ),
        );
        for kept in [
            r#"{"offset":4,"digest":"00"}"#.to_owned(),
            format!(r#"{{"offset":11,"digest":"{}"}}"#, blake3(b"0123456789a")),
        ] {
            server.hear_json(letter::PUT);
            server.say(letter::OK, kept);
            assert_eq!(server.hear().0, letter::ERROR);
            server.say(
                letter::ERROR,
                r#"{"code":"cancelled","message":"given up"}"#,
            );
            assert!(server.hear_json(letter::PUT).get("resume").is_none());
            assert_eq!(store(server), b"0123456789");
        }
    });
    for kept in [4, 0, 0] {
        let mut source = Bytes(0, std::io::Cursor::new(b"0123456789".to_vec()));
        let request = PutRequest {
            size: Some(10),
            ..PutRequest::new(path("a"))
        };
        assert_eq!(
            client.put_resumed(&request, &mut source).expect("stored").1,
            kept
        );
    }
    server.join().expect("script");
}

#[test]
fn a_farewell_is_understood_while_sending() {
    let (mut client, server) = session(|server| {
        server.hear_json(letter::PUT);
        server.say(
            letter::ERROR,
            r#"{"code":"closing","message":"going down"}"#,
        );
    });
    let lost = client.put_from(
        &PutRequest::new(path("big")),
        &mut std::io::repeat(1).take(1 << 30),
    );
    assert!(
        matches!(&lost, Err(Error::Refused(refusal)) if refusal.code == Code::Closing),
        "{lost:?}"
    );
    assert!(!client.is_usable());
    server.join().expect("script");
}
