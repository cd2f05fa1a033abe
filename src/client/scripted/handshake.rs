//! Scripted tests: proofs, farewells and silence.

use super::{Server, connect, options, path};
use crate::client::{Error, GetRequest, Interrupt, Options};
use crate::proof::{Mac, Role, Secret, Transcript};
use crate::wire::drive::letter;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn with_secret() -> Options {
    Options {
        secret: Some(Secret::new(SECRET).expect("secret")),
        ..options()
    }
}

/// Answers the client's proof; `role` and `mac` are what the server computes with.
fn answer_proof(server: &mut Server, hello: &str, role: Role, said: &[u8]) -> serde_json::Value {
    let proof = server.hear_json(letter::PROVE);
    let nonce: [u8; 32] = hex::decode(proof["nonce"].as_str().expect("nonce"))
        .expect("hex")
        .try_into()
        .expect("32 bytes");
    let mac: Mac = serde_json::from_value(proof["mac"].clone()).expect("mac");
    let seen = Transcript {
        hello: hello.as_bytes(),
        client_nonce: &nonce,
        channel: b"",
    };
    let secret = Secret::new(said).expect("secret");
    let theirs = hex::decode(proof["proof"].as_str().expect("proof")).expect("hex");
    assert!(
        seen.verify(
            &Secret::new(SECRET).expect("secret"),
            Role::Client,
            mac,
            &theirs
        ),
        "the client's proof"
    );
    server.say(
        letter::OK,
        format!(
            r#"{{"proof":"{}"}}"#,
            hex::encode(seen.prove(&secret, role, mac))
        ),
    );
    proof
}

#[test]
fn both_prove_with_the_best_mac_offered() {
    for (macs, best) in [
        (r#""hmac-md5","hmac-sha256""#, "hmac-sha256"),
        (r#""hmac-md5""#, "hmac-md5"),
        (r#""new","hmac-sha256""#, "hmac-sha256"),
    ] {
        let (client, server) = connect(&with_secret(), move |mut server| {
            let hello = server.hello(macs);
            assert_eq!(
                answer_proof(&mut server, &hello, Role::Server, SECRET)["mac"],
                best
            );
            let (letter, payload) = server.hear();
            server.say(letter, payload);
            server.hear_json(letter::QUIT);
            server.say(letter::OK, "{}");
        });
        let mut client = client.expect("proved");
        assert_eq!(serde_json::to_value(client.info().mac).expect("json"), best);
        client.ping().expect("echo");
        client.quit().expect("quit");
        server.join().expect("script");
    }
}

#[test]
fn a_server_with_a_wrong_proof_hears_nothing_more() {
    for (role, secret) in [
        (Role::Server, &b"another secret of some length"[..]),
        (Role::Client, SECRET),
    ] {
        let (client, server) = connect(&with_secret(), move |mut server| {
            let hello = server.hello(r#""hmac-sha256""#);
            answer_proof(&mut server, &hello, role, secret);
            assert!(server.closed());
        });
        assert_eq!(client.err(), Some(Error::ServerProof));
        server.join().expect("script");
    }
}

#[test]
fn an_offer_changed_on_the_way_spoils_the_proof() {
    // A man in the middle takes the better MAC out of the offer; the server's proof is over what it really said.
    let (client, server) = connect(&with_secret(), |mut server| {
        let stripped = server.hello(r#""hmac-md5""#);
        let proof = server.hear_json(letter::PROVE);
        let said = stripped.replace(r#""hmac-md5""#, r#""hmac-sha256","hmac-md5""#);
        let nonce: [u8; 32] = hex::decode(proof["nonce"].as_str().expect("nonce"))
            .expect("hex")
            .try_into()
            .expect("32 bytes");
        let seen = Transcript {
            hello: said.as_bytes(),
            client_nonce: &nonce,
            channel: b"",
        };
        let secret = Secret::new(SECRET).expect("secret");
        let theirs = hex::decode(proof["proof"].as_str().expect("proof")).expect("hex");
        assert!(
            !seen.verify(&secret, Role::Client, Mac::Md5, &theirs),
            "an honest server refuses here"
        );
        server.say(
            letter::OK,
            format!(
                r#"{{"proof":"{}"}}"#,
                hex::encode(seen.prove(&secret, Role::Server, Mac::Md5))
            ),
        );
        assert!(server.closed());
    });
    assert_eq!(client.err(), Some(Error::ServerProof));
    server.join().expect("script");
}

#[test]
fn no_proof_asked_for() {
    let quiet = |mut server: Server| {
        server.hello("");
        assert!(server.closed());
    };
    let (client, server) = connect(&with_secret(), quiet);
    assert!(client.expect("goes on").info().secret_unused);
    server.join().expect("script");
    let (client, server) = connect(
        &Options {
            require_proof: true,
            ..with_secret()
        },
        quiet,
    );
    assert!(matches!(client.err(), Some(Error::Secret(_))));
    server.join().expect("script");
}

#[test]
fn handshakes_that_fail() {
    for (says, wanted) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "protocol"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "protocol"),
        (b"220 ready\r\n", "protocol"),
        (b"H\0\0\0\x02{}", "protocol"),
        (b"K\0\0\0\x02{}", "protocol"),
        (b"H\0\0", "lost"),
        (b"", "lost"),
        (b"E\0\0\0\x1d{\"code\":\"busy\",\"message\":\"m\"}", "busy"),
    ] {
        let (client, server) = connect(&options(), move |mut server| {
            let _ = server.0.write_all(says);
        });
        assert_eq!(
            client.err().map(|e| e.code()),
            Some(wanted),
            "{}",
            String::from_utf8_lossy(says)
        );
        server.join().expect("script");
    }
    // A secret is asked for, and there is none: nothing is said.
    let (client, server) = connect(&options(), |mut server| {
        server.hello(r#""hmac-sha256""#);
        assert!(server.closed());
    });
    assert!(matches!(client.err(), Some(Error::Secret(_))));
    server.join().expect("script");
}

#[test]
fn a_silent_server_is_given_up() {
    let quick = Options {
        stall_timeout: Duration::from_millis(50),
        ..options()
    };
    let (client, server) = connect(&quick, |mut server| assert!(server.closed()));
    assert!(matches!(client.err(), Some(Error::Lost(why)) if why.contains("stalled")));
    server.join().expect("script");
}

#[test]
fn an_interrupt_ends_a_wait() {
    let flag = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let with_flag = Options {
        interrupt: Interrupt::on(flag.clone()),
        ..options()
    };
    let (client, server) = connect(&with_flag, |mut server| {
        server.hello("");
        server.hear_json(letter::GET);
        assert!(server.closed());
    });
    let mut client = client.expect("session");
    let setter = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(
        client.get_to(&GetRequest::whole(path("a")), &mut Vec::new()),
        Err(Error::Interrupted)
    );
    assert!(!client.is_usable());
    drop(client);
    setter.join().expect("setter");
    server.join().expect("script");
}
