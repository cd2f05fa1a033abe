//! Scripted tests: downloads.

use super::{Server, path, session};
use crate::client::local::{Folder, Incoming, Manner};
use crate::client::{Error, GetRequest, Got, Interrupt, Result, Sink};
use crate::error::Code;
use crate::sys::file::Stamp;
use crate::wire::drive::{GetStart, letter};
use std::sync::Arc;

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
) -> (Result<Got>, Vec<(String, Vec<u8>)>) {
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
        .resume(request.digest, &Interrupt::default())
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
    fn start(&mut self, _: &GetStart) -> Result<()> {
        if self.0 == 7 {
            Err(Error::here("this one fails on our side"))
        } else {
            Ok(())
        }
    }
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
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
