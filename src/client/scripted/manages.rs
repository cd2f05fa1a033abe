//! Scripted tests: folders made, names changed and freed.

use super::{connect, options, path, session};
use crate::client::Error;
use crate::error::Code;
use crate::sys::file::Stamp;
use crate::wire::drive::letter;
use crate::wire::path::RelPath;
use serde_json::json;

fn code<T: std::fmt::Debug>(result: crate::client::Result<T>) -> Code {
    match result {
        Err(Error::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_say_what_was_asked_for_and_nothing_that_need_not_be_said() {
    let (mut client, server) = session(|server| {
        for (letter, request) in [
            (letter::MAKE, json!({"path": "a"})),
            (letter::MAKE, json!({"path": "a/b", "parents": true})),
            (letter::RENAME, json!({"path": "a", "to": "b"})),
            (
                letter::RENAME,
                json!({"path": "a", "to": "b", "overwrite": true}),
            ),
            (letter::REMOVE, json!({"path": "a"})),
            (letter::TIME, json!({"path": "a", "mtime": -1, "nsec": 5})),
        ] {
            assert_eq!(server.hear_json(letter), request);
            // A newer server may say more.
            server.say(letter::OK, r#"{"new":1}"#);
        }
        assert_eq!(server.hear_json(letter::STAT), json!({"path": "a"}));
        server.say(
            letter::OK,
            r#"{"name":"a","type":"file","size":7,"mtime":1,"new":1}"#,
        );
    });
    let time = Stamp {
        seconds: -1,
        nanos: 5,
    };
    client.make_folder(&path("a"), false).expect("M");
    client.make_folder(&path("a/b"), true).expect("M");
    client.rename(&path("a"), &path("b"), false).expect("R");
    client.rename(&path("a"), &path("b"), true).expect("R");
    client.remove(&path("a")).expect("F");
    client.set_time(&path("a"), time).expect("T");
    assert_eq!(client.stat(&path("a")).expect("S").size, 7);
    server.join().expect("script");
}

#[test]
fn an_older_server_is_not_asked() {
    let (client, server) = connect(&options(), |mut server| {
        server.hello_of("", "LGPNQ");
        server.hear_json(letter::QUIT);
        server.say(letter::OK, "{}");
    });
    let mut client = client.expect("session");
    let a = path("a");
    assert_eq!(code(client.make_folder(&a, true)), Code::Letter);
    assert_eq!(code(client.rename(&a, &a, true)), Code::Letter);
    assert_eq!(code(client.remove(&a)), Code::Letter);
    assert_eq!(code(client.stat(&a)), Code::Letter);
    assert_eq!(code(client.set_time(&a, Stamp::default())), Code::Letter);
    let none = client.remove_many([&a], |_, _| panic!("it was asked"));
    assert_eq!(code(none), Code::Letter);
    assert!(client.is_usable());
    client.quit().expect("quit");
    server.join().expect("script");
}

#[test]
fn an_answer_about_something_else_ends_the_session() {
    let (mut client, server) = session(|server| {
        server.hear_json(letter::STAT);
        server.say(
            letter::OK,
            r#"{"name":"b","type":"file","size":7,"mtime":1}"#,
        );
    });
    assert!(matches!(client.stat(&path("a")), Err(Error::Protocol(_))));
    assert!(!client.is_usable());
    server.join().expect("script");
}

#[test]
fn many_are_removed_in_order_and_each_outcome_is_told() {
    let paths: Vec<RelPath> = (0..300).map(|n| path(&format!("f{n}"))).collect();
    let (mut client, server) = session(|server| {
        for n in 0..300 {
            assert_eq!(
                server.hear_json(letter::REMOVE),
                json!({"path": format!("f{n}")})
            );
            if n % 100 == 7 {
                server.say(letter::ERROR, r#"{"code":"denied","message":"no"}"#);
            } else {
                server.say(letter::OK, "{}");
            }
        }
    });
    let mut told = Vec::new();
    let all = client.remove_many(&paths, |path, outcome| told.push((path, outcome)));
    all.expect("all were answered");
    assert!(told.iter().map(|(path, _)| *path).eq(&paths));
    let refused: Vec<_> = told
        .into_iter()
        .enumerate()
        .filter(|(_, (_, outcome))| outcome.is_err())
        .collect();
    assert_eq!(refused.len(), 3);
    for (n, (_, outcome)) in refused {
        assert_eq!((n % 100, code(outcome)), (7, Code::Denied));
    }
    server.join().expect("script");
}

#[test]
fn what_was_not_answered_is_not_called_done() {
    let paths: Vec<RelPath> = (0..100).map(|n| path(&format!("f{n}"))).collect();
    let (mut client, server) = session(|server| {
        server.hear_json(letter::REMOVE);
        server.say(letter::OK, "{}");
        server.hear_json(letter::REMOVE);
        server.say(
            letter::ERROR,
            r#"{"code":"closing","message":"going down"}"#,
        );
    });
    let (mut done, mut other) = (0, 0);
    let all = client.remove_many(&paths, |_, outcome| match outcome {
        Ok(()) => done += 1,
        Err(_) => other += 1,
    });
    assert_eq!(code(all), Code::Closing);
    assert_eq!(done, 1);
    assert!((1..99).contains(&other), "{other} of those that were sent");
    assert!(!client.is_usable());
    server.join().expect("script");
}
