//! What a child may say of its deeds, and that the broker believes no more than it has to.

use super::{EVERYTHING, lines};
use crate::broker::{Broker, Talk, of_password, welcomed};
use crate::server::{User, eventually};
use forkftp::config::{Encryption, Login};
use forkftp::error::Code;
use forkftp::ipc::{Answer, Ask, Client, Deed, LONGEST_LETTERS, MOST_UNDER_WAY, PATH_PART};
use forkftp::ledger::{Outcome, Verb};
use forkftp::sys::net::Peer;
use forkftp::wire::Protocol;
use serde_json::Value;

const CONFIG: &str = "ledger_file = \"ledger\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\n";

fn start(config: &str) -> Broker {
    let alice = format!("{EVERYTHING}\nhome = \"home\"");
    let users: [User<'_>; 1] = [("alice", "pencil", &alice)];
    Broker::configured(config, &users)
}

fn child(broker: &mut Broker) -> Talk {
    let client = Client {
        protocol: Protocol::Ftp,
        peer: Peer::Net(([127, 12, 0, 1], 1).into()),
        proof: false,
        login: Login::Required,
        tls: Encryption::Off,
        signs_data: false,
        by_proxy: false,
        session_hours: 1,
    };
    Talk(broker.tell_child(Some(client)).0)
}

fn inside(broker: &mut Broker) -> Talk {
    let talk = child(broker);
    welcomed(talk.ask(&of_password("alice", "pencil")));
    talk
}

fn written(broker: &Broker) -> Vec<Value> {
    lines(&broker.folder.path().join("ledger"))
}

fn upload() -> Deed {
    Deed {
        verb: Verb::Upload,
        outcome: Outcome::Ok,
        id: Some("0123456789abcdef".into()),
        path: "file".into(),
        to: None,
        size: Some(1),
        digest: None,
        millis: 3,
        shared: false,
        begun: None,
        awaited: true,
    }
}

#[test]
fn what_the_broker_knows_no_child_can_say() {
    let mut broker = start(CONFIG);
    let talk = inside(&mut broker);
    let deed = Deed {
        millis: u64::MAX,
        ..upload()
    };
    assert_eq!(talk.ask(&Ask::Done(deed)), Some(Answer::Noted));
    let line = written(&broker).remove(0);
    // As the broker was told of the child by the listener.
    assert_eq!(line["session"], "00000001-1");
    assert_eq!(line["user"], "alice");
    assert_eq!(line["address"], "127.12.0.1");
    assert_eq!(line["face"], "ftp");
    assert_eq!(line["path"], "home/file");
    // Nothing took longer than the child has been there.
    assert!(
        line["millis"]
            .as_u64()
            .is_some_and(|millis| millis < 60_000)
    );
}

#[test]
fn a_deed_that_cannot_be_ends_the_channel_and_is_not_written() {
    let mut broker = start(CONFIG);
    let letters = |count: usize| "x".repeat(count);
    let bad = [
        (
            "no id",
            Deed {
                id: None,
                ..upload()
            },
        ),
        (
            "a bad id",
            Deed {
                id: Some("0123456789ABCDEF".into()),
                ..upload()
            },
        ),
        (
            "an id of a download",
            Deed {
                verb: Verb::Download,
                ..upload()
            },
        ),
        (
            "an id of what failed",
            Deed {
                outcome: Outcome::Cut,
                ..upload()
            },
        ),
        (
            "a way up",
            Deed {
                path: "../other/file".into(),
                ..upload()
            },
        ),
        (
            "a hidden one",
            Deed {
                path: ".forkftp".into(),
                ..upload()
            },
        ),
        (
            "no path",
            Deed {
                path: "%".into(),
                ..upload()
            },
        ),
        (
            "no letters of a refusal",
            Deed {
                path: "%".into(),
                id: None,
                outcome: Outcome::Refused(Code::Denied),
                ..upload()
            },
        ),
        (
            "a new name of an upload",
            Deed {
                to: Some("x".into()),
                ..upload()
            },
        ),
        (
            "a rename to nowhere",
            Deed {
                verb: Verb::Rename,
                id: None,
                ..upload()
            },
        ),
        (
            "a digest that is none",
            Deed {
                digest: Some((forkftp::digest::Kind::Md5, "00".into())),
                ..upload()
            },
        ),
        (
            "a beginning that was not",
            Deed {
                begun: Some(1),
                ..upload()
            },
        ),
        (
            "a shared file that was not lent",
            Deed {
                shared: true,
                verb: Verb::Download,
                id: None,
                ..upload()
            },
        ),
    ];
    for (what, deed) in bad {
        let talk = inside(&mut broker);
        assert_eq!(talk.ask(&Ask::Done(deed)), None, "{what}");
    }
    let begun = |ticket, path: &str, verb| Ask::Begun {
        ticket,
        verb,
        path: path.into(),
        shared: false,
    };
    let part = |count| Ask::PathPart {
        to: false,
        letters: letters(count),
    };
    let twice = vec![begun(1, "a", Verb::Upload), begun(1, "a", Verb::Upload)];
    let many = (0..=MOST_UNDER_WAY as u32).map(|i| begun(i, "a", Verb::Download));
    let parts = LONGEST_LETTERS / PATH_PART + 1;
    for (what, said) in [
        ("a ticket twice", twice),
        ("too many under way", many.collect()),
        ("a deletion that goes on", vec![begun(1, "a", Verb::Delete)]),
        ("a way up", vec![begun(1, "../a", Verb::Upload)]),
        ("too long a part", vec![part(PATH_PART + 1)]),
        (
            "too many parts",
            (0..parts).map(|_| part(PATH_PART)).collect(),
        ),
    ] {
        let talk = inside(&mut broker);
        for word in &said {
            talk.say(word);
        }
        assert_eq!(talk.ask(&Ask::Done(upload())), None, "{what}");
    }
    let early = child(&mut broker);
    assert_eq!(early.ask(&Ask::Done(upload())), None, "before the login");
    let cut: Vec<_> = written(&broker);
    // What was said to begin was cut when the channel was: nothing else stands there.
    assert!(cut.iter().all(|line| line["outcome"] == "cut"), "{cut:?}");
}

#[test]
fn what_was_under_way_when_a_child_ends_was_cut() {
    let mut broker = start(CONFIG);
    let talk = inside(&mut broker);
    for (ticket, path) in [(7, "one"), (8, "two")] {
        talk.say(&Ask::Begun {
            ticket,
            verb: Verb::Upload,
            path: path.into(),
            shared: false,
        });
    }
    let deed = Deed {
        begun: Some(7),
        path: "one".into(),
        ..upload()
    };
    assert_eq!(talk.ask(&Ask::Done(deed)), Some(Answer::Noted));
    drop(talk);
    eventually("the second line", || written(&broker).len() == 2);
    let line = written(&broker).remove(1);
    assert_eq!(
        (
            &line["deed"],
            &line["outcome"],
            &line["path"],
            &line["user"]
        ),
        (
            &"upload".into(),
            &"cut".into(),
            &"home/two".into(),
            &"alice".into()
        )
    );
}

#[test]
fn without_a_ledger_a_child_that_tells_all_the_same_is_heard_and_that_is_all() {
    let mut broker = start(&CONFIG.replace("ledger_file = \"ledger\"\n", ""));
    let talk = inside(&mut broker);
    assert_eq!(talk.ask(&Ask::Done(upload())), Some(Answer::Noted));
    assert!(!broker.folder.path().join("ledger").exists());
}
