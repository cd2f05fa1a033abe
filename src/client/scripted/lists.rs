//! Scripted tests: lists.

use super::{Server, session};
use crate::client::Error;
use crate::wire::drive::letter;
use crate::wire::path::RelPath;

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
