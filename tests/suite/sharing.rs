//! Share links as the broker deals with them: what a child may ask when, and what it is lent.

use super::broker::{Broker, Talk, of_password, refused, welcomed};
use super::server::User;
use forkftp::config::{Encryption, Login};
use forkftp::error::Code;
use forkftp::ipc::{self, Answer, Ask, Client, Share};
use forkftp::sys::file;
use forkftp::sys::net::Peer;
use forkftp::wire::Protocol;
use std::os::fd::{AsFd, OwnedFd};

const USERS: [User<'static>; 2] = [
    ("alice", "pencil", "rights = [\"list\", \"get\"]"),
    ("bob", "pencil", "rights = [\"list\"]"),
];
const CONFIG: &str = "shares_file = \"shares.json\"\n[anonymous]\nrights = [\"list\", \"get\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"http\"\nlogin = \"optional\"\n";

fn start() -> Broker {
    let broker = Broker::configured(CONFIG, &USERS);
    let file = broker.folder.path().join("library/home/file");
    std::fs::write(file, b"shared").expect("file");
    broker
}

fn child(broker: &mut Broker, login: Login) -> Talk {
    let client = Client {
        protocol: Protocol::Http,
        peer: Peer::Net(([127, 11, 0, 1], 1).into()),
        proof: false,
        login,
        tls: Encryption::Off,
        signs_data: false,
        by_proxy: false,
        session_hours: 2,
    };
    Talk(broker.tell_child(Some(client)).0)
}

fn inside(broker: &mut Broker, user: &str) -> Talk {
    let talk = child(broker, Login::Required);
    welcomed(talk.ask(&of_password(user, "pencil")));
    talk
}

fn new(path: &str, count: Option<u32>) -> Ask {
    Ask::ShareNew {
        path: path.into(),
        seconds: 60,
        count,
    }
}

fn made(answer: Option<Answer>) -> Share {
    match answer {
        Some(Answer::Shared(share)) => share,
        other => panic!("{other:?}"),
    }
}

/// What comes along with the file of a link.
fn open(talk: &Talk, token: &str, reads: bool) -> (Answer, Vec<OwnedFd>) {
    let token = token.to_owned();
    ipc::call(&talk.0, &Ask::ShareOpen { token, reads }, &[]).expect("an answer")
}

#[test]
fn only_who_is_in_by_a_name_makes_links() {
    let mut broker = start();
    for asked in [
        new("home/file", None),
        Ask::Shares { after: None },
        Ask::ShareEnd { id: "x".into() },
    ] {
        let talk = child(&mut broker, Login::Optional);
        assert_eq!(talk.ask(&asked), None, "before a login");
        let talk = child(&mut broker, Login::Optional);
        welcomed(talk.ask(&Ask::Anonymous));
        assert_eq!(talk.ask(&asked), None, "without a name");
    }
    let bob = inside(&mut broker, "bob");
    refused(bob.ask(&new("home/file", None)), Code::Denied);
    let alice = inside(&mut broker, "alice");
    refused(alice.ask(&new("home", None)), Code::IsFolder);
    refused(alice.ask(&new("home/%", None)), Code::Request);
    refused(alice.ask(&new(&"x".repeat(4001), None)), Code::Name);
    let share = made(alice.ask(&new("home/file", None)));
    refused(
        bob.ask(&Ask::ShareEnd {
            id: share.id.clone(),
        }),
        Code::NotFound,
    );
    assert_eq!(
        alice.ask(&Ask::ShareEnd { id: share.id }),
        Some(Answer::Noted)
    );
    broker.serves();
}

#[test]
fn a_child_without_a_library_is_lent_one_file_and_then_nothing() {
    let mut broker = start();
    let alice = inside(&mut broker, "alice");
    let share = made(alice.ask(&new("home/file", Some(2))));
    let talk = child(&mut broker, Login::Required);
    // What is made up costs nothing, and leaves the other ways in.
    refused(Some(open(&talk, "AAAA", true).0), Code::NotFound);
    let (answer, given) = open(&talk, &share.token, true);
    assert!(
        matches!(answer, Answer::Lent { is_last: true, .. }),
        "{answer:?}"
    );
    let mut content = [0; 16];
    let got = file::read_at(given[0].as_fd(), &mut content, 0).expect("read");
    assert_eq!(&content[..got], b"shared");
    assert!(
        file::write_at(given[0].as_fd(), b"x", 0).is_err(),
        "to be read"
    );
    // The file, and the walls to be entered.
    assert_eq!(given.len(), 2);
    assert_eq!(
        talk.ask(&of_password("alice", "pencil")),
        None,
        "it is over"
    );
    // Who only looks gets nothing to read, and it does not count.
    for _ in 0..3 {
        let talk = child(&mut broker, Login::Required);
        let (answer, given) = open(&talk, &share.token, false);
        assert!(matches!(answer, Answer::Lent { .. }), "{answer:?}");
        assert_eq!(file::facts(given[0].as_fd()).expect("facts").size, 6);
        assert!(file::read_at(given[0].as_fd(), &mut content, 0).is_err());
    }
    // Who has a library keeps it, and may go on.
    let (answer, given) = open(&alice, &share.token, true);
    assert!(
        matches!(
            answer,
            Answer::Lent {
                is_last: false,
                alone: false,
                ..
            }
        ),
        "{answer:?}"
    );
    assert_eq!(given.len(), 1);
    refused(Some(open(&alice, &share.token, true).0), Code::NotFound);
    match alice.ask(&Ask::Shares { after: None }) {
        Some(Answer::Shares {
            shares,
            more: false,
        }) => assert_eq!(shares, []),
        other => panic!("{other:?}"),
    }
    broker.serves();
}

#[test]
fn many_links_are_told_in_parts() {
    let mut broker = start();
    let long = format!("home/{}/{}", "l".repeat(250), "n".repeat(250));
    let path = broker.folder.path().join("library").join(&long);
    std::fs::create_dir(path.parent().expect("folder")).expect("mkdir");
    std::fs::write(path, b"").expect("file");
    let alice = inside(&mut broker, "alice");
    let all: Vec<_> = (0..20)
        .map(|_| made(alice.ask(&new(&long, None))))
        .collect();
    let (mut told, mut answers) = (Vec::<Share>::new(), 0);
    loop {
        let after = told.last().map(|share| share.id.clone());
        let Some(Answer::Shares { shares, more }) = alice.ask(&Ask::Shares { after }) else {
            panic!("no links");
        };
        told.extend(shares);
        answers += 1;
        if !more {
            break;
        }
    }
    assert!(answers > 1);
    assert_eq!(told, all);
}
