//! Whatever bytes come, the answer is the one the page promises, and the server stands.

use super::peer::{Peer, frame, put, request};
use super::server::Server;
use forkftp::proof::{Mac, Role};
use serde_json::json;
use std::io::Write as _;

#[test]
fn pieces_and_packets_make_no_difference() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(&server);
    let mut all = Vec::new();
    all.extend(put(json!({"path": "a"}), b"content of a"));
    all.extend(request('G', &json!({"path": "a"})));
    all.extend(frame('N', b"echo"));
    for byte in &all {
        peer.socket.write_all(&[*byte]).expect("send");
    }
    peer.expect('K');
    assert_eq!(peer.receive(), b"content of a");
    assert_eq!(peer.expect('N').payload, b"echo");
}

#[test]
fn refusals_leave_the_session_alive() {
    let server = Server::prepared(&[], |library| {
        std::fs::write(library.join("file"), "x").expect("write")
    });
    let mut peer = Peer::connect(&server);
    for (letter, payload, code) in [
        ('Y', "{}", "letter"),
        ('G', "", "request"),
        ('G', "[]", "request"),
        ('G', "{\"path\":1}", "request"),
        ('G', "{\"path\":\"file\",\"path\":\"file\"}", "request"),
        ('G', "{\"path\":\"file\",\"more\":1}", "request"),
        ('G', "{\"path\":\"%zz\"}", "request"),
        ('G', "{\"path\":\"file\",\"offset\":2}", "range"),
        (
            'G',
            "{\"path\":\"file\",\"offset\":18446744073709551615}",
            "range",
        ),
        ('G', "{\"path\":\"absent\"}", "not-found"),
        ('G', "{\"path\":\"\"}", "is-folder"),
        ('G', "{\"path\":\"file/x\"}", "not-folder"),
        ('G', "{\"path\":\"../file\"}", "name"),
        ('G', "{\"path\":\"/etc/passwd\"}", "name"),
        ('G', "{\"path\":\"%2e%2e/x\"}", "name"),
        ('G', "{\"path\":\"a\\u0000b\"}", "name"),
        ('G', "{\"path\":\"a\\nb\"}", "name"),
        ('G', "{\"path\":\".forkftp\"}", "not-found"),
        ('L', "{\"path\":\".forkftp/stage\"}", "not-found"),
        ('L', "{\"path\":\"absent\"}", "not-found"),
    ] {
        peer.send(&frame(letter, payload.as_bytes()));
        assert_eq!(peer.refusal(), code, "{letter} {payload}");
    }
    assert_eq!(peer.get("file"), b"x");
}

#[test]
fn what_is_no_frame_ends_the_connection_with_a_word() {
    let server = Server::start(&[]);
    let long = [b"L\x00\x01\x00\x01".to_vec(), vec![b'x'; 65537]].concat();
    let long_data = b"D\xff\xff\xff\xff".to_vec();
    for (bytes, what) in [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), "TLS"),
        (b"\r\n\r\n\r\n".to_vec(), "newlines"),
        (long, "a control frame that is too long"),
        (long_data, "a data frame that is too long"),
        (frame('D', b"x"), "D out of place"),
        (request('Z', &json!({})), "Z out of place"),
        (request('K', &json!({})), "K out of place"),
        (request('A', &json!({})), "A after the handshake"),
        (
            [
                request('P', &json!({"path": "p"})),
                request('L', &json!({"path": ""})),
            ]
            .concat(),
            "L in a put",
        ),
    ] {
        let mut peer = Peer::connect(&server);
        peer.send(&bytes);
        assert_eq!(peer.refusal(), "protocol", "{what}");
        peer.expect_end();
    }
    assert!(Peer::connect(&server).list(&json!({"path": ""})).is_empty());
}

#[test]
fn nothing_is_heard_before_the_proof_and_there_is_one_attempt() {
    let server = Server::start(&["--proof"]);
    for (letter, payload) in [
        ('L', json!({"path": ""})),
        ('Q', json!({})),
        ('N', json!({})),
    ] {
        let mut peer = Peer::connect(&server);
        peer.send(&request(letter, &payload));
        assert_eq!(peer.refusal(), "proof");
        peer.expect_end();
    }
    for mac in [Mac::Sha256, Mac::Md5] {
        let mut peer = Peer::connect(&server);
        let right = peer.proof(mac, Role::Client);
        assert_eq!(peer.ask('A', &right).letter, 'K');
        assert!(peer.list(&json!({"path": ""})).is_empty());

        // Another connection has another nonce.
        let mut peer = Peer::connect(&server);
        let (reflected, fresh) = (peer.proof(mac, Role::Server), peer.proof(mac, Role::Client));
        for (wrong, what) in [(right, "replayed"), (reflected, "reflected")] {
            let mut other = Peer::connect(&server);
            assert_eq!(other.ask('A', &wrong).code(), "proof", "{what}");
            other.expect_end();
        }
        peer.send(&request(
            'A',
            &json!({"nonce": "00", "mac": mac, "proof": ""}),
        ));
        peer.send(&request('A', &fresh));
        assert_eq!(peer.refusal(), "request");
        peer.expect_end();
    }
}

#[test]
fn a_session_runs_over_a_pair_of_pipes() {
    use std::process::Stdio;
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("file"), vec![b'x'; 200_000]).expect("write");
    super::server::give_away(folder.path(), folder.path());
    let mut session = super::server::forkftpd()
        .args([
            "session",
            "--protocol",
            "drive",
            "--no-secret",
            "--config",
            "/dev/null",
            "--library",
        ])
        .arg(folder.path())
        .args(super::server::as_user())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("session");
    let mut input = session.stdin.take().expect("stdin");
    input
        .write_all(
            &[
                request('G', &json!({"path": "file"})),
                request('Q', &json!({})),
            ]
            .concat(),
        )
        .expect("send");
    let mut output = Vec::new();
    std::io::Read::read_to_end(&mut session.stdout.take().expect("stdout"), &mut output)
        .expect("read");
    assert_eq!(output.iter().filter(|&&b| b == b'x').count(), 200_000);
    assert_eq!(output[0], b'H');
    assert!(session.wait().expect("wait").success());
}
