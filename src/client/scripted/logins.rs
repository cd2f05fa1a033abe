//! Scripted tests: logins, and servers that only say they know the user.

use super::{Server, connect, options};
use crate::client::{Client, Error, Login, Options, Url};
use crate::error::Code;
use crate::rights::{Right, Rights};
use crate::scram::{Binding, FirstMessage, MIN_ITERATIONS, ServerLogin, Verifier};
use crate::wire::drive::letter;
use serde_json::json;

const BOTH: &str = r#""SCRAM-SHA-256-PLUS","SCRAM-SHA-256""#;

fn with_login() -> Options {
    Options {
        login: Some(Login::new("alice", "pencil").expect("login")),
        ..options()
    }
}

fn verifier(password: &str) -> Verifier {
    Verifier::new(password, MIN_ITERATIONS).expect("verifier")
}

impl Server {
    fn hello_with_login(&mut self, login: &str, mechanisms: &str) {
        let hello = format!(
            r#"{{"protocol":"forkftp/1","nonce":"{}","macs":[],"login":"{login}","mechanisms":[{mechanisms}],"digests":["blake3"],"commands":"LGPNQ","limits":{{"control":65536,"data":8388608,"idle":300}}}}"#,
            "07".repeat(32)
        );
        self.say(letter::HELLO, hello);
    }

    fn hear_login(&mut self) -> String {
        let heard = self.hear_json(letter::LOGIN);
        heard["message"].as_str().expect("message").to_owned()
    }

    /// An honest server up to its last message, which is returned, or why there is none.
    fn challenge(&mut self, verifier: Verifier) -> Result<String, String> {
        let first = FirstMessage::parse(&self.hear_login(), Binding::None).expect("first");
        assert_eq!(first.user(), "alice");
        let (login, next) = ServerLogin::challenge(first, verifier, &[9; 32]);
        self.say(letter::OK, json!({"message": next, "new": 1}).to_string());
        login.finish(&self.hear_login())
    }

    fn welcome(&mut self, message: &str, user: &str) {
        let said = json!({"message": message, "user": user, "rights": ["list", "get"], "new": 1});
        self.say(letter::OK, said.to_string());
    }

    /// Answers one echo: requests come only from somebody who is in.
    fn echo(&mut self) {
        let (letter, payload) = self.hear();
        assert_eq!(letter, letter::ECHO);
        self.say(letter, payload);
    }
}

#[test]
fn a_user_logs_in_before_anything_else() {
    for login in ["required", "optional"] {
        let (client, server) = connect(&with_login(), move |mut server| {
            server.hello_with_login(login, BOTH);
            let last = server.challenge(verifier("pencil")).expect("right");
            server.welcome(&last, "alice");
            server.echo();
        });
        let mut client = client.expect("in");
        assert_eq!(client.info().user.as_deref(), Some("alice"));
        let rights = Rights::NONE.with(Right::List).with(Right::Get);
        assert_eq!(client.info().rights, Some(rights));
        client.ping().expect("echo");
        server.join().expect("script");
    }
}

#[test]
fn many_connections_make_the_keys_once() {
    let options = with_login();
    let known = verifier("pencil");
    for _ in 0..3 {
        let known = known.clone();
        let (client, server) = connect(&options.clone(), move |mut server| {
            server.hello_with_login("required", BOTH);
            let last = server.challenge(known).expect("right");
            server.welcome(&last, "alice");
        });
        client.expect("in");
        server.join().expect("script");
    }
    let login = options.login.expect("login");
    assert_eq!(login.keys_made(), 1);
}

#[test]
fn a_wrong_password_is_not_tried_again() {
    let (client, server) = connect(&with_login(), |mut server| {
        server.hello_with_login("required", BOTH);
        assert!(server.challenge(verifier("crayon")).is_err());
        let said = r#"{"code":"login","message":"no\u001b[2J"}"#;
        server.say(letter::ERROR, said);
        assert!(server.closed());
    });
    let error = client.expect_err("refused");
    assert_eq!(error.code(), "login");
    assert!(error.ends_connection() && !error.to_string().contains('\u{1b}'));
    assert!(matches!(error, Error::LoginRefused(_)));
    server.join().expect("script");
}

#[test]
fn a_server_that_does_not_know_the_user_hears_nothing_more() {
    let forged = |message: String, user: &'static str| {
        let (client, server) = connect(&with_login(), move |mut server| {
            server.hello_with_login("required", BOTH);
            let right = server.challenge(verifier("pencil")).expect("right");
            let message = if message.is_empty() { right } else { message };
            server.welcome(&message, user);
            assert!(server.closed());
        });
        server.join().expect("script");
        client.expect_err("forged")
    };
    let zeros = "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for message in [zeros, "v=", "x", "e=other-error"] {
        assert_eq!(forged(message.into(), "alice"), Error::ServerLogin);
    }
    assert_eq!(forged(String::new(), "root").code(), "protocol");
    // It lets everybody in at once, or after any word.
    for early in [true, false] {
        let (client, server) = connect(&with_login(), move |mut server| {
            server.hello_with_login("required", BOTH);
            server.hear_login();
            if early {
                server.welcome(zeros, "alice");
            } else {
                server.say(letter::OK, r#"{"message":"r=mine,s=AAAA,i=4096"}"#);
            }
            assert!(server.closed());
        });
        assert_eq!(client.err().map(|e| e.code()), Some("protocol"));
        server.join().expect("script");
    }
}

#[test]
fn iterations_out_of_bounds_are_refused() {
    for number in ["1", "4095", "10000001", "4294967296"] {
        let (client, server) = connect(&with_login(), move |mut server| {
            server.hello_with_login("required", BOTH);
            let first = server.hear_login();
            let nonce = first.rsplit_once("r=").expect("nonce").1;
            let next = format!("r={nonce}more,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={number}");
            server.say(letter::OK, json!({"message": next}).to_string());
            assert!(server.closed(), "nothing is said to it");
        });
        let error = client.expect_err("refused");
        assert!(error.to_string().contains("iterations"), "{error}");
        server.join().expect("script");
    }
}

#[test]
fn who_is_wanted_and_who_is_there() {
    // What the hello says, whether there is a user, and how it ends.
    for (login, mechanisms, user, wanted) in [
        ("none", "", false, None),
        ("optional", BOTH, false, None),
        ("required", BOTH, false, Some("login")),
        ("none", "", true, Some("login")),
        ("required", r#""SCRAM-SHA-256-PLUS""#, true, Some("login")),
        ("required", r#""PLAIN","SCRAM-SHA-1""#, true, Some("login")),
        ("perhaps", BOTH, true, Some("protocol")),
    ] {
        let options = if user { with_login() } else { options() };
        let (client, server) = connect(&options, move |mut server| {
            server.hello_with_login(login, mechanisms);
            if wanted.is_none() {
                server.echo();
            } else {
                assert!(server.closed());
            }
        });
        let ends = match client {
            Ok(mut client) => {
                client.ping().expect("echo");
                assert_eq!(client.info().user, None);
                None
            }
            Err(error) => Some(error.code()),
        };
        assert_eq!(ends, wanted, "{login} {mechanisms} {user}");
        server.join().expect("script");
    }
}

#[test]
fn an_older_server_refuses_the_letter() {
    let (client, server) = connect(&with_login(), |mut server| {
        server.hello_with_login("optional", BOTH);
        server.hear_login();
        server.say(letter::ERROR, r#"{"code":"letter","message":"m"}"#);
        assert!(server.closed());
    });
    assert!(matches!(client.err(), Some(Error::Refused(why)) if why.code == Code::Letter));
    server.join().expect("script");
}

#[test]
fn an_address_and_a_password_belong_together() {
    // Nothing listens there: it is refused before anybody connects.
    let url: Url = "drive://bob@127.0.0.1:1/".parse().expect("url");
    for options in [options(), with_login()] {
        let error = Client::connect(&url, &options).expect_err("refused");
        assert!(matches!(error, Error::Login(_)), "{error}");
    }
    assert!(Login::new("a\u{7}", "p").is_err() && Login::new("a", "").is_err());
    let shown = format!("{:?}", Login::new("alice", "pencil").expect("login"));
    assert!(shown.contains("alice") && !shown.contains("pencil"));
}
