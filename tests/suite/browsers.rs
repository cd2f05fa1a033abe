//! Logins in browsers, and clients of a proxy, as the broker deals with them: what a child may ask when, and whose a session is.

use super::broker::{Broker, Talk, of_password, refused, welcomed};
use super::server::{User, write_users};
use forkftp::config::{Encryption, Login};
use forkftp::error::Code;
use forkftp::ipc::{Answer, Ask, Client};
use forkftp::sys::net::Peer;
use forkftp::wire::Protocol;
use std::net::IpAddr;
use zeroize::Zeroizing;

const USERS: [User<'static>; 4] = [
    ("alice", "pencil", "rights = [\"list\", \"get\"]"),
    ("bob", "brush", "rights = [\"list\"]"),
    (
        "far",
        "pencil",
        "rights = [\"list\"]\nnetworks = [\"203.0.113.0/24\"]",
    ),
    (
        "sealed",
        "pencil",
        "rights = [\"list\"]\ntls = \"required\"",
    ),
];

type Token = Zeroizing<String>;

/// A child with a client that speaks HTTP, from an address of its own.
fn browser(broker: &mut Broker, login: Login, by_proxy: bool) -> Talk {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let client = Client {
        protocol: Protocol::Http,
        peer: Peer::Net(([127, 10, high, low], 1).into()),
        proof: false,
        login,
        tls: Encryption::Off,
        signs_data: false,
        by_proxy,
        session_hours: 2,
    };
    Talk(broker.tell_child(Some(client)).0)
}

fn required(broker: &mut Broker) -> Talk {
    browser(broker, Login::Required, false)
}

fn sign_in(user: &str, password: &str, old: Option<&Token>) -> Ask {
    Ask::SignIn {
        user: user.into(),
        password: password.to_owned().into(),
        old: old.cloned(),
    }
}

fn of_session(token: &str) -> Ask {
    Ask::Session {
        token: token.to_owned().into(),
    }
}

fn forwarded(address: &str, secure: bool) -> Ask {
    let address: IpAddr = address.parse().expect("address");
    Ask::Forwarded { address, secure }
}

/// The token of a new session of `user`.
fn token(talk: &Talk, user: &str, password: &str, old: Option<&Token>) -> Token {
    match talk.ask(&sign_in(user, password, old)) {
        Some(Answer::Session {
            token,
            user: whose,
            seconds: 7200,
        }) if whose == user => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_lets_its_user_in_wherever_it_is_shown_and_nobody_else() {
    let mut broker = Broker::start(&USERS);
    let talk = required(&mut broker);
    let alice = token(&talk, "alice", "pencil", None);
    // The library was not lent with it: that is asked for.
    match talk.ask(&of_session(&alice)) {
        Some(Answer::Welcome { entry, .. }) => {
            assert_eq!(entry.user.as_deref(), Some("alice"));
            assert_eq!(entry.policy.rights.to_string(), "list,get");
        }
        other => panic!("{other:?}"),
    }
    // Who is in is asked about with each request; another visitor may log in by the way, and stays another.
    assert_eq!(talk.ask(&of_session(&alice)), Some(Answer::Noted));
    let bob = token(&talk, "bob", "brush", None);
    refused(talk.ask(&of_session(&bob)), Code::Denied);
    refused(talk.ask(&sign_in("bob", "pencil", None)), Code::Login);
    refused(talk.ask(&of_session(&"0".repeat(64))), Code::Login);
    refused(talk.ask(&of_session("?")), Code::Login);
    assert_eq!(talk.ask(&of_session(&alice)), Some(Answer::Noted));
    assert_eq!(talk.ask(&of_password("alice", "pencil")), None, "once");
    // A token that nobody has is no attempt, and leaves other ways in.
    let talk = required(&mut broker);
    for _ in 0..5 {
        refused(talk.ask(&of_session(&"0".repeat(64))), Code::Login);
    }
    welcomed(talk.ask(&of_password("alice", "pencil")));
    // Nobody logs in where nobody logs in.
    for question in [of_session(&alice), sign_in("alice", "pencil", None)] {
        let talk = browser(&mut broker, Login::None, false);
        assert_eq!(talk.ask(&question), None);
    }
    broker.serves();
}

#[test]
fn a_session_that_was_ended_is_over_on_all_connections_at_once() {
    let mut broker = Broker::start(&USERS);
    let (one, two) = (required(&mut broker), required(&mut broker));
    let alice = token(&one, "alice", "pencil", None);
    let bob = token(&one, "bob", "brush", None);
    welcomed(one.ask(&of_session(&alice)));
    welcomed(two.ask(&of_session(&alice)));
    let out = |token: &Token, everywhere| Ask::SignOut {
        token: token.clone(),
        everywhere,
    };
    assert_eq!(two.ask(&out(&alice, false)), Some(Answer::Noted));
    refused(one.ask(&of_session(&alice)), Code::Login);
    refused(two.ask(&of_session(&alice)), Code::Login);
    refused(required(&mut broker).ask(&of_session(&alice)), Code::Login);
    // A login takes the place of the one that the browser had, and only when it is one.
    let first = token(&one, "alice", "pencil", None);
    let wrong = sign_in("alice", "wrong", Some(&first));
    refused(one.ask(&wrong), Code::Login);
    assert_eq!(one.ask(&of_session(&first)), Some(Answer::Noted));
    let second = token(&one, "alice", "pencil", Some(&first));
    assert!(*first != *second);
    refused(one.ask(&of_session(&first)), Code::Login);
    // Everywhere is all of the user's, and nobody else's; and not by a token that is over.
    let third = token(&two, "alice", "pencil", None);
    assert_eq!(two.ask(&out(&first, true)), Some(Answer::Noted));
    assert_eq!(one.ask(&of_session(&second)), Some(Answer::Noted));
    assert_eq!(two.ask(&out(&third, true)), Some(Answer::Noted));
    refused(one.ask(&of_session(&second)), Code::Login);
    welcomed(required(&mut broker).ask(&of_session(&bob)));
    broker.serves();
}

#[test]
fn a_password_for_a_session_is_tried_as_often_as_any() {
    let mut broker = Broker::start(&USERS);
    let talk = required(&mut broker);
    refused(talk.ask(&sign_in("alice", "wrong", None)), Code::Login);
    refused(talk.ask(&of_password("alice", "wrong")), Code::Login);
    refused(talk.ask(&sign_in("nobody", "wrong", None)), Code::Login);
    assert_eq!(talk.ask(&sign_in("alice", "pencil", None)), None);
    // Also by somebody who is in.
    let talk = browser(&mut broker, Login::Optional, false);
    welcomed(talk.ask(&Ask::Anonymous));
    for _ in 0..3 {
        refused(talk.ask(&sign_in("alice", "wrong", None)), Code::Login);
    }
    assert_eq!(talk.ask(&sign_in("alice", "pencil", None)), None);
    broker.serves();
}

#[test]
fn a_reload_keeps_the_sessions_of_users_that_stayed_as_they_were() {
    let mut broker = Broker::start(&USERS);
    let users = std::fs::read_to_string(broker.folder.path().join("users.toml")).expect("users");
    let talk = required(&mut broker);
    let alice = token(&talk, "alice", "pencil", None);
    let bob = token(&talk, "bob", "brush", None);
    broker.reload();
    welcomed(required(&mut broker).ask(&of_session(&alice)));
    // Bob is shut out, and comes back: without the session he had.
    let disabled = users.replace("[users.\"bob\"]", "[users.\"bob\"]\ndisabled = true");
    assert_ne!(disabled, users);
    std::fs::write(broker.folder.path().join("users.toml"), &disabled).expect("users");
    broker.reload();
    refused(required(&mut broker).ask(&of_session(&bob)), Code::Login);
    std::fs::write(broker.folder.path().join("users.toml"), &users).expect("users");
    broker.reload();
    refused(required(&mut broker).ask(&of_session(&bob)), Code::Login);
    let talk = required(&mut broker);
    welcomed(talk.ask(&of_session(&alice)));
    // The same password, and yet another verifier: it was set anew.
    write_users(broker.folder.path(), &USERS);
    broker.reload();
    refused(talk.ask(&of_session(&alice)), Code::Login);
    broker.serves();
}

#[test]
fn a_client_of_a_proxy_is_who_the_proxy_says_once() {
    let mut broker = Broker::start(&USERS);
    let mut proxied = || browser(&mut broker, Login::Required, true);
    // Where they may come from, and whether they speak TLS, are said by the proxy.
    let (far, sealed) = (
        of_password("far", "pencil"),
        of_password("sealed", "pencil"),
    );
    refused(proxied().ask(&far), Code::Login);
    refused(proxied().ask(&sealed), Code::Denied);
    refused(
        proxied().ask(&sign_in("sealed", "pencil", None)),
        Code::Denied,
    );
    let talk = proxied();
    assert_eq!(
        talk.ask(&forwarded("203.0.113.9", false)),
        Some(Answer::Noted)
    );
    let session = token(&talk, "far", "pencil", None);
    welcomed(talk.ask(&far));
    let talk = proxied();
    assert_eq!(
        talk.ask(&forwarded("2001:db8::1", true)),
        Some(Answer::Noted)
    );
    refused(talk.ask(&of_session(&session)), Code::Login);
    welcomed(talk.ask(&sealed));
    let talk = proxied();
    assert_eq!(
        talk.ask(&forwarded("192.0.2.1", false)),
        Some(Answer::Noted)
    );
    refused(talk.ask(&sealed), Code::Denied);
    // Once, before anything has failed, before they are in, and by a proxy.
    let again = forwarded("203.0.113.9", true);
    let talk = proxied();
    assert_eq!(talk.ask(&again), Some(Answer::Noted));
    assert_eq!(talk.ask(&again), None);
    let talk = proxied();
    refused(talk.ask(&of_password("alice", "wrong")), Code::Login);
    assert_eq!(talk.ask(&again), None);
    let talk = proxied();
    welcomed(talk.ask(&of_password("alice", "pencil")));
    assert_eq!(talk.ask(&again), None);
    assert_eq!(required(&mut broker).ask(&again), None);
    broker.serves();
}
