//! Scripted tests: uploads.

use super::{Server, blake3, connect, options, path, session};
use crate::client::{Error, Options, PutRequest, Result, Source};
use crate::digest::Hasher;
use crate::error::Code;
use crate::wire::drive::letter;
use std::io::Read;
use std::time::Duration;

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
impl Source for Bytes {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.1.read(into).map_err(|e| Error::here(e.to_string()))
    }
    fn skip(&mut self, offset: u64, hasher: &mut Hasher) -> Result<bool> {
        let Some(before) = self.1.get_ref().get(..offset as usize) else {
            return Ok(false);
        };
        hasher.update(before);
        self.1.set_position(offset);
        Ok(true)
    }
    fn rewind(&mut self) -> Result<()> {
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

#[test]
fn a_server_that_takes_its_time_has_not_stalled_and_one_that_takes_nothing_has() {
    let impatient = Options {
        stall_timeout: Duration::from_secs(1),
        ..options()
    };
    // More than the kernel takes at once; what it has when all is sent takes longer than a stall, without the answer.
    let content: Vec<u8> = (0..480_000u32).map(|i| (i % 251) as u8).collect();
    for takes in [true, false] {
        let (client, server) = connect(&impatient, move |mut server| {
            server.hello("");
            server.hear_json(letter::PUT);
            if takes {
                for _ in 0..12 {
                    std::thread::sleep(Duration::from_millis(200));
                    server.0.read_exact(&mut [0; 40_000]).expect("read");
                }
                std::thread::sleep(Duration::from_millis(500));
                server.say(letter::ERROR, r#"{"code":"io","message":"in the end"}"#);
            }
            while !server.closed() {}
        });
        let mut client = client.expect("session");
        let put = client.put_from(&PutRequest::new(path("a")), &mut &content[..]);
        match put {
            Err(Error::Refused(refusal)) => assert!(takes && refusal.code == Code::Io),
            Err(Error::Lost(why)) => assert!(!takes && why.contains("stalled"), "{why}"),
            other => panic!("{other:?}"),
        }
        drop(client);
        server.join().expect("script");
    }
}
