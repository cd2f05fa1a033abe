//! Scripted tests: commands.

use super::{Server, session};
use crate::client::Error;
use crate::error::Code;
use crate::wire::drive::{Ended, RunEnd, letter};
use std::io::{self, Write};

#[test]
fn output_comes_as_it_is_and_ends_as_the_server_says() {
    let (mut client, server) = session(|server| {
        for end in [
            r#"{"exit":3}"#,
            r#"{"signal":15,"core":true}"#,
            r#"{"ended":"time"}"#,
            r#"{"ended":"tide"}"#,
        ] {
            assert_eq!(
                server.hear_json(letter::RUN),
                serde_json::json!({"name": "disk"})
            );
            server.say(letter::DATA, "");
            server.say(letter::DATA, b"a\x1b[0m\xff");
            server.say(letter::DATA, "");
            server.say(letter::DATA, vec![b'x'; 300_000]);
            server.say(letter::END, end);
        }
        assert_eq!(server.hear_json(letter::RUN), serde_json::json!({}));
        server.say(
            letter::OK,
            r#"{"commands":[{"name":"disk","cost":1}],"more":0}"#,
        );
    });
    for end in [
        RunEnd::exit(3),
        RunEnd::signal(15),
        RunEnd::ended(Ended::Time),
        RunEnd::ended(Ended::Unknown),
    ] {
        let mut came = Vec::new();
        assert_eq!(client.run("disk", &mut came).expect("run"), end);
        assert_eq!(came[..6], *b"a\x1b[0m\xff");
        assert_eq!(came.len(), 300_006);
    }
    let offers = client.commands().expect("commands");
    assert_eq!((offers.len(), offers[0].description.as_str()), (1, ""));
    server.join().expect("script");
}

#[test]
fn refusals_come_before_and_amid_and_nonsense_ends_the_session() {
    let (mut client, server) = session(|server| {
        let fault = r#"{"code":"denied","message":"no"}"#;
        server.hear_json(letter::RUN);
        server.say(letter::ERROR, fault);
        server.hear_json(letter::RUN);
        server.say(letter::DATA, "half");
        server.say(letter::ERROR, fault);
        server.hear_json(letter::RUN);
        server.say(letter::OK, "{}");
        assert!(server.closed());
    });
    for expected in ["", "half"] {
        let mut came = Vec::new();
        let refused = client.run("disk", &mut came).expect_err("refused");
        assert!(matches!(refused, Error::Refused(refusal) if refusal.code == Code::Denied));
        assert_eq!(came, expected.as_bytes());
        assert!(client.is_usable());
    }
    let broken = client
        .run("disk", &mut Vec::new())
        .expect_err("no frame of a command");
    assert!(matches!(broken, Error::Protocol(_)), "{broken:?}");
    assert!(!client.is_usable());
    drop(client);
    server.join().expect("script");
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(
            crate::sys::Errno::ENOSPC as i32,
        ))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_that_cannot_be_kept_ends_the_connection_and_so_the_command() {
    let (mut client, server) = session(|server: &mut Server| {
        server.hear_json(letter::RUN);
        server.say(letter::DATA, "x");
        assert!(server.closed());
    });
    let failed = client.run("disk", &mut Full).expect_err("full");
    assert!(matches!(failed, Error::Local { .. }), "{failed:?}");
    assert!(!client.is_usable());
    drop(client);
    server.join().expect("script");
}
