//! A broker without a listener, played to by the test; and children that ask it what they should not. Whatever one of them says costs
//! it its own channel, and nobody else anything.

use super::server::{User, as_user, configure, eventually, forkftpd};
use forkftp::config::Login;
use forkftp::error::Code;
use forkftp::ipc::{self, Answer, Ask, Client, Report, Tell};
use forkftp::proof::Mac;
use forkftp::scram::{Binding, ClientLogin};
use forkftp::sys::channel;
use forkftp::sys::net::Peer;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A running broker, and the listener's end of its channel.
pub struct Broker {
    process: Child,
    control: OwnedFd,
    next: u64,
    pub folder: tempfile::TempDir,
}

/// What a client's socket asks for.
#[derive(Clone, Copy)]
pub struct At {
    pub proof: bool,
    pub login: Login,
}

const LOGIN: At = At {
    proof: false,
    login: Login::Required,
};

impl Broker {
    pub fn start(users: &[User<'_>]) -> Broker {
        let config = "[[listen]]\naddress = \"127.0.0.1:0\"\n[anonymous]\nrights = [\"list\"]\n";
        Broker::configured(config, users)
    }

    pub fn configured(config: &str, users: &[User<'_>]) -> Broker {
        let folder = tempfile::tempdir().expect("folder");
        configure(folder.path(), config, users, |library| {
            std::fs::create_dir(library.join("home")).expect("home");
        });
        let (control, theirs) = channel::pair().expect("channel");
        let process = forkftpd()
            .arg("broker")
            .arg("--config")
            .arg(folder.path().join("forkftpd.toml"))
            .args(as_user())
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("broker");
        let (report, _) = ipc::receive::<Report>(control.as_fd(), true)
            .expect("report")
            .expect("report");
        assert!(matches!(report, Report::Ready { .. }), "{report:?}");
        Broker {
            process,
            control,
            next: 1,
            folder,
        }
    }

    /// A channel of a child that has no client yet, and its number.
    fn warm(&mut self) -> (OwnedFd, u64) {
        self.tell_child(None)
    }

    pub fn tell_child(&mut self, client: Option<Client>) -> (OwnedFd, u64) {
        let (ours, theirs) = channel::pair().expect("channel");
        // Nobody waits here for ever.
        let patience = nix::sys::time::TimeVal::new(20, 0);
        nix::sys::socket::setsockopt(&ours, nix::sys::socket::sockopt::ReceiveTimeout, &patience)
            .expect("timeout");
        let child = self.next;
        self.next += 1;
        let session = ipc::SessionId::new(1, child);
        let told = Tell::Child { session, client };
        ipc::send(self.control.as_fd(), &told, &[theirs.as_fd()], true).expect("tell");
        (ours, child)
    }

    /// A channel of a child whose client comes from an address of its own, once it has heard the hello.
    fn child(&mut self, at: At) -> Talk {
        let number = self.next as u16;
        let [high, low] = number.to_be_bytes();
        let client = Client {
            protocol: forkftp::wire::Protocol::Drive,
            peer: Peer::Net(([127, 9, high, low], 1).into()),
            proof: at.proof,
            login: at.login,
            tls: forkftp::config::Encryption::Off,
            signs_data: false,
            by_proxy: false,
            session_hours: 1,
        };
        let (channel, _) = self.tell_child(Some(client));
        let talk = Talk(channel);
        let hello = talk.hear().expect("hello");
        assert!(matches!(hello, Answer::Hello { .. }), "{hello:?}");
        talk
    }

    /// It reads everything again.
    pub fn reload(&mut self) {
        ipc::send(self.control.as_fd(), &Tell::Reload, &[], true).expect("tell");
        let report = ipc::receive::<Report>(self.control.as_fd(), true).expect("report");
        let ready = matches!(report, Some((Report::Ready { .. }, _)));
        assert!(ready, "{report:?}");
    }

    /// A child whose client has logged in.
    fn inside(&mut self, user: &str) -> Talk {
        let talk = self.child(LOGIN);
        let welcome = talk.log_in(user, "pencil");
        assert!(
            matches!(welcome, Some(Answer::Welcome { .. })),
            "{welcome:?}"
        );
        talk
    }

    /// It goes on for others as if nothing had been.
    pub fn serves(&mut self) {
        self.inside("alice");
        assert_eq!(self.process.try_wait().expect("wait"), None);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A child's end of its channel.
pub struct Talk(pub OwnedFd);

impl Talk {
    /// What comes next; None when the channel was cut.
    fn hear(&self) -> Option<Answer> {
        match ipc::receive::<Answer>(self.0.as_fd(), true) {
            Ok(answer) => answer.map(|(answer, _)| answer),
            // Cut while there was something in it that the broker had not read.
            Err(nix::errno::Errno::ECONNRESET) => None,
            Err(errno) => panic!("nothing was heard: {errno}"),
        }
    }

    pub fn say(&self, question: &Ask) {
        let _ = ipc::send(self.0.as_fd(), question, &[], true);
    }

    pub fn ask(&self, question: &Ask) -> Option<Answer> {
        self.say(question);
        self.hear()
    }

    fn is_cut(&self) -> bool {
        self.hear().is_none()
    }

    fn log_in(&self, user: &str, password: &str) -> Option<Answer> {
        let nonce = forkftp::proof::nonce().expect("randomness");
        let begun = ClientLogin::begin(user, password, &nonce, Binding::None, false);
        let (login, message) = begun.expect("login");
        let Some(Answer::Continue { message }) = self.ask(&Ask::LoginFirst { message }) else {
            panic!("no challenge");
        };
        let (_, message) = login.respond(&message).expect("challenge");
        self.ask(&Ask::LoginFinal { message })
    }

    fn password(&self, password: &str) -> Option<Answer> {
        self.ask(&of_password("alice", password))
    }
}

pub fn of_password(user: &str, password: &str) -> Ask {
    Ask::Password {
        user: user.into(),
        password: password.to_owned().into(),
    }
}

pub fn refused(answer: Option<Answer>, wanted: Code) {
    match answer {
        Some(Answer::Refused { code, .. }) => assert_eq!(code, wanted),
        other => panic!("{other:?}, not {wanted:?}"),
    }
}

pub fn welcomed(answer: Option<Answer>) {
    assert!(matches!(answer, Some(Answer::Welcome { .. })), "{answer:?}");
}

const USERS: [User<'static>; 2] = [
    ("alice", "pencil", "rights = [\"list\", \"get\"]"),
    (
        "quinn",
        "pencil",
        "rights = [\"list\", \"put\"]\nhome = \"home\"\nquota = 1000\nquota_files = 10",
    ),
];

const fn reserve(bytes: u64, files: u64) -> Ask {
    Ask::Reserve { bytes, files }
}

const fn spent(reserved_bytes: u64, reserved_files: u64, bytes: i64, files: i64) -> Ask {
    Ask::Spent {
        reserved_bytes,
        reserved_files,
        bytes,
        files,
    }
}

/// One of every question.
fn questions() -> Vec<Ask> {
    let message = || "n,,n=alice,r=abcdefghijklmnopqrstuvwx".to_owned();
    vec![
        Ask::Sign {
            leaf: "00".repeat(32),
            scheme: 0x0403,
            handshake: ipc::Handshake::Tls13 {
                hash: "5a".repeat(32),
            },
        },
        Ask::Secured {
            exporter: "07".repeat(32),
        },
        Ask::Prove {
            nonce: "00".repeat(32),
            mac: Mac::Sha256,
            proof: "00".repeat(32),
        },
        Ask::LoginFirst { message: message() },
        Ask::LoginFinal { message: message() },
        of_password("alice", "pencil"),
        Ask::Anonymous,
        reserve(1, 1),
        spent(0, 0, 0, 0),
        // Of browsers, of which there are none here.
        Ask::SignIn {
            user: "alice".into(),
            password: "pencil".to_owned().into(),
            old: None,
        },
        Ask::Session {
            token: "00".repeat(32).into(),
        },
        Ask::SignOut {
            token: "00".repeat(32).into(),
            everywhere: true,
        },
        Ask::Forwarded {
            address: [192, 0, 2, 1].into(),
            secure: true,
        },
        // Of commands, of which there are none here.
        Ask::Commands { after: None },
        Ask::Run { name: "x".into() },
        // Of those who have share links.
        Ask::ShareNew {
            path: "file".into(),
            seconds: 60,
            count: None,
        },
        Ask::Shares { after: None },
        Ask::ShareEnd { id: "x".into() },
        Ask::ShareOpen {
            token: "x".into(),
            reads: true,
        },
    ]
}

#[test]
fn a_question_out_of_its_phase_ends_the_channel() {
    let mut broker = Broker::start(&USERS);
    let name = |ask: &Ask| {
        format!("{ask:?}")
            .split([' ', '{'])
            .next()
            .unwrap_or("")
            .to_owned()
    };
    // What may be asked in each phase; everything else may not.
    for asked in questions() {
        let what = name(&asked);
        // Before there is a client.
        let (channel, _) = broker.warm();
        let talk = Talk(channel);
        talk.say(&asked);
        assert!(talk.is_cut(), "{what} before a client");
        // Before the proof.
        let login = Login::None;
        let talk = broker.child(At { proof: true, login });
        match talk.ask(&asked) {
            None => assert_ne!(what, "Prove"),
            answer => {
                assert_eq!(what, "Prove", "{answer:?}");
                refused(answer, Code::Proof);
                // Once.
                assert_eq!(talk.ask(&asked), None);
            }
        }
        // Before the login.
        let talk = broker.child(LOGIN);
        let answer = talk.ask(&asked);
        let may = ["LoginFirst", "Password", "Anonymous"].contains(&what.as_str());
        assert_eq!(answer.is_some(), may, "{what} before a login: {answer:?}");
        // In the middle of one.
        let talk = broker.child(LOGIN);
        let first = questions().swap_remove(3);
        assert!(matches!(talk.ask(&first), Some(Answer::Continue { .. })));
        let answer = talk.ask(&asked);
        assert_eq!(
            answer.is_some(),
            what == "LoginFinal",
            "{what} within: {answer:?}"
        );
        // Inside, without a quota.
        let talk = broker.inside("alice");
        let may = ["Commands", "Run"].contains(&what.as_str());
        let answer = talk.ask(&asked);
        assert_eq!(answer.is_some(), may, "{what} inside: {answer:?}");
        // And with one.
        let talk = broker.inside("quinn");
        let answer = talk.ask(&asked);
        let may = ["Reserve", "Spent"].contains(&what.as_str());
        assert_eq!(
            answer == Some(Answer::Noted),
            may,
            "{what} inside: {answer:?}"
        );
    }
    broker.serves();
}

#[test]
fn commands_are_for_the_drive_protocol_alone_and_nobody_has_them_by_asking() {
    let mut broker = Broker::start(&USERS);
    let run = || Ask::Run { name: "x".into() };
    for protocol in [
        forkftp::wire::Protocol::Ftp,
        forkftp::wire::Protocol::Http,
        forkftp::wire::Protocol::Drive,
    ] {
        let client = Client {
            protocol,
            peer: Peer::Net(([127, 9, 9, 9], 1).into()),
            proof: false,
            login: Login::Required,
            tls: forkftp::config::Encryption::Off,
            signs_data: false,
            by_proxy: false,
            session_hours: 1,
        };
        let (channel, _) = broker.tell_child(Some(client));
        let talk = Talk(channel);
        if protocol == forkftp::wire::Protocol::Drive {
            talk.hear().expect("hello");
            welcomed(talk.ask(&of_password("alice", "pencil")));
            refused(talk.ask(&run()), Code::Denied);
            let none = Answer::Commands {
                commands: Vec::new(),
                more: false,
            };
            assert_eq!(talk.ask(&Ask::Commands { after: None }), Some(none));
        } else {
            welcomed(talk.ask(&of_password("alice", "pencil")));
            assert_eq!(talk.ask(&run()), None, "{protocol:?}");
        }
    }
    broker.serves();
}

#[test]
fn after_three_failures_nothing_may_be_asked() {
    let mut broker = Broker::start(&USERS);
    let talk = broker.child(LOGIN);
    for _ in 0..3 {
        refused(talk.log_in("alice", "wrong"), Code::Login);
    }
    assert_eq!(talk.ask(&questions()[3]), None);
    // The attempts of passwords and of messages are the same three.
    let talk = broker.child(LOGIN);
    refused(talk.log_in("alice", "wrong"), Code::Login);
    refused(talk.password("wrong"), Code::Login);
    refused(
        talk.ask(&Ask::LoginFirst {
            message: "?".into(),
        }),
        Code::Login,
    );
    assert_eq!(talk.password("pencil"), None);
    // A child that does not wait for its answers has no more of them.
    let talk = broker.child(LOGIN);
    let begun = Instant::now();
    for _ in 0..10 {
        talk.say(&Ask::LoginFirst {
            message: "?".into(),
        });
    }
    let mut answers = 0;
    while talk.hear().is_some() {
        answers += 1;
    }
    assert!(answers <= 3, "{answers}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    broker.serves();
}

#[test]
fn what_is_no_question_ends_the_channel() {
    let mut broker = Broker::start(&USERS);
    let long = vec![b'x'; ipc::MAX_MESSAGE + 1];
    let full = serde_json::to_vec(&of_password("alice", &"p".repeat(7000))).expect("json");
    let doubled = br#"{"Reserve":{"bytes":1,"bytes":1,"files":1}}"#;
    let unknown = br#"{"Reserve":{"bytes":1,"files":1,"home":"other"}}"#;
    let bad: [&[u8]; 9] = [
        b"",
        b"\0",
        b"{",
        b"\"Anything\"",
        b"\xff\xff\xff\xff",
        br#"{"Reserve":{"bytes":-1,"files":0}}"#,
        doubled,
        unknown,
        &long,
    ];
    for bytes in bad {
        let talk = broker.inside("quinn");
        channel::send(talk.0.as_fd(), bytes, &[], true).expect("send");
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
        assert!(talk.is_cut(), "{shown}");
    }
    // A descriptor has no business there.
    let talk = broker.inside("quinn");
    let file = tempfile::tempfile().expect("file");
    ipc::send(talk.0.as_fd(), &reserve(1, 1), &[file.as_fd()], true).expect("send");
    assert!(talk.is_cut(), "it brought a descriptor");
    // As long as may be is a question like any other.
    let talk = broker.child(LOGIN);
    channel::send(talk.0.as_fd(), &full, &[], true).expect("send");
    refused(talk.hear(), Code::Login);
    // Nobody to say the answer to, and nobody who listens.
    for _ in 0..50 {
        let talk = broker.child(LOGIN);
        talk.say(&of_password("alice", "wrong"));
        drop(talk);
    }
    let deaf = broker.inside("quinn");
    for _ in 0..2000 {
        let said = ipc::send(deaf.0.as_fd(), &reserve(0, 0), &[], false);
        if said.is_err() {
            break;
        }
    }
    broker.serves();
}

#[test]
fn a_quota_is_kept_by_the_broker_whatever_a_child_says() {
    let mut broker = Broker::start(&USERS);
    let noted = |answer: Option<Answer>| assert_eq!(answer, Some(Answer::Noted));
    let talk = broker.inside("quinn");
    for (bytes, files) in [
        (1001, 0),
        (u64::MAX, 0),
        (0, 11),
        (0, u64::MAX),
        (u64::MAX, u64::MAX),
    ] {
        refused(talk.ask(&reserve(bytes, files)), Code::Quota);
    }
    noted(talk.ask(&reserve(600, 4)));
    refused(talk.ask(&reserve(401, 0)), Code::Quota);
    // Another session of hers has what is left.
    let other = broker.inside("quinn");
    refused(other.ask(&reserve(401, 0)), Code::Quota);
    refused(other.ask(&reserve(0, 7)), Code::Quota);
    noted(other.ask(&reserve(400, 6)));
    // More than it reserved itself is not given back, whatever others did.
    assert_eq!(other.ask(&spent(401, 0, 0, 0)), None);
    let other = broker.inside("quinn");
    refused(other.ask(&reserve(401, 0)), Code::Quota);
    assert_eq!(other.ask(&spent(0, 1, 0, 0)), None);
    let other = broker.inside("quinn");
    assert_eq!(other.ask(&spent(u64::MAX, u64::MAX, 0, 0)), None);
    // Nor is more used than was reserved for it.
    let other = broker.inside("quinn");
    assert_eq!(other.ask(&spent(0, 0, 1, 0)), None);
    let other = broker.inside("quinn");
    noted(other.ask(&reserve(400, 1)));
    assert_eq!(other.ask(&spent(400, 1, 401, 1)), None);
    // What the children that were cut off had is free again, and what this one has is not.
    let other = broker.inside("quinn");
    noted(other.ask(&reserve(400, 6)));
    refused(other.ask(&reserve(1, 0)), Code::Quota);
    noted(other.ask(&spent(400, 6, 400, 1)));
    noted(talk.ask(&spent(100, 1, 100, 1)));
    refused(talk.ask(&reserve(1, 0)), Code::Quota);
    drop(talk);
    eventually("what it had not given back is free", || {
        other.ask(&reserve(500, 8)) == Some(Answer::Noted)
    });
    refused(other.ask(&reserve(1, 0)), Code::Quota);
    broker.serves();
}

#[test]
fn a_password_is_right_or_wrong_and_anonymous_is_where_it_may_be() {
    let mut broker = Broker::start(&USERS);
    let said = |answer: Option<Answer>| match answer {
        Some(Answer::Refused { code, message }) => (code, message),
        other => panic!("{other:?}"),
    };
    let talk = broker.child(LOGIN);
    let wrong = said(talk.password("wrong"));
    assert_eq!(wrong.0, Code::Login);
    assert_eq!(said(talk.ask(&of_password("nobody-here", "pencil"))), wrong);
    welcomed(talk.password("pencil"));
    assert_eq!(talk.password("pencil"), None, "once");
    for bad in ["", "\u{7}", &"p".repeat(2000)] {
        refused(broker.child(LOGIN).password(bad), Code::Login);
        refused(
            broker.child(LOGIN).ask(&of_password(bad, "pencil")),
            Code::Login,
        );
    }
    refused(broker.child(LOGIN).ask(&Ask::Anonymous), Code::Login);
    for (login, may) in [(Login::Optional, true), (Login::Required, false)] {
        let talk = broker.child(At {
            proof: false,
            login,
        });
        match talk.ask(&Ask::Anonymous) {
            Some(Answer::Welcome { entry, .. }) => {
                assert!(may && entry.user.is_none());
                assert_eq!(entry.policy.rights.to_string(), "list");
            }
            other => {
                assert!(!may);
                refused(other, Code::Login);
            }
        }
    }
    broker.serves();
}

#[test]
fn hashing_holds_nobody_up_and_a_right_password_is_remembered() {
    use forkftp::scram::Verifier;
    // Slow enough that it is seen: some tenths of a second each.
    let slow = Verifier::new("pencil", 400_000).expect("verifier");
    let mut broker = Broker::start(&USERS);
    let users = broker.folder.path().join("users.toml");
    let mut text = std::fs::read_to_string(&users).expect("users");
    text += &format!("[users.slow]\npassword = \"{slow}\"\nrights = [\"get\"]\n");
    std::fs::write(&users, text).expect("users");
    broker.reload();
    let hashing: Vec<_> = (0..4).map(|_| broker.child(LOGIN)).collect();
    let begun = Instant::now();
    for talk in &hashing {
        talk.say(&of_password("slow", "pencil"));
    }
    // Meanwhile somebody else says hello, and is challenged again and again.
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let asked = Instant::now();
        let talk = broker.child(LOGIN);
        let answer = talk.ask(&questions()[3]);
        longest = longest.max(asked.elapsed());
        assert!(
            matches!(answer, Some(Answer::Continue { .. })),
            "{answer:?}"
        );
    }
    for talk in &hashing {
        welcomed(talk.hear());
    }
    let hashed = begun.elapsed();
    assert!(longest < hashed / 3, "{longest:?} of {hashed:?}");
    // It is known now; another password is not, and takes as long as ever.
    let asked = Instant::now();
    welcomed(broker.child(LOGIN).ask(&of_password("slow", "pencil")));
    let remembered = asked.elapsed();
    let asked = Instant::now();
    refused(
        broker.child(LOGIN).ask(&of_password("slow", "wrong")),
        Code::Login,
    );
    let wrong = asked.elapsed() - Duration::from_millis(250);
    assert!(remembered < wrong / 2, "{remembered:?} and {wrong:?}");
    broker.serves();
}
