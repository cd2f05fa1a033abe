//! A cut transfer goes on where it was, and the whole is proved again.

use super::peer::{Peer, blake3, frame, noise, put, request};
use super::server::{Server, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

fn cut_after(server: &Server, name: &str, content: &[u8], at: usize) -> Peer {
    let mut peer = Peer::connect(server);
    peer.send(&request(
        'P',
        &json!({"path": name, "size": content.len(), "overwrite": true}),
    ));
    peer.send(&frame('D', &content[..at]));
    eventually("the bytes are staged", || {
        server
            .staged("partial")
            .iter()
            .any(|p| p.metadata().is_ok_and(|m| m.len() == at as u64))
    });
    peer
}

fn go_on(server: &Server, name: &str, content: &[u8]) -> usize {
    let mut peer = Peer::connect(server);
    let mut start = peer.ask(
        'P',
        &json!({"path": name, "size": content.len(), "overwrite": true, "resume": true}),
    );
    while start.letter == 'E' && start.code() == "in-use" {
        // The child of the cut upload has not ended yet.
        start = peer.ask(
            'P',
            &json!({"path": name, "size": content.len(), "overwrite": true, "resume": true}),
        );
    }
    let start = start.json();
    let offset = start["offset"].as_u64().expect("offset") as usize;
    assert_eq!(start["digest"], blake3(&content[..offset]));
    peer.send(
        &[
            frame('D', &content[offset..]),
            request(
                'Z',
                &json!({"size": content.len(), "digest": blake3(content)}),
            ),
        ]
        .concat(),
    );
    peer.expect('K');
    offset
}

#[test]
fn a_put_resumes_after_the_client_or_the_child_is_gone() {
    let server = Server::prepared(&[], |library| {
        std::fs::write(library.join("f"), "old").expect("write")
    });
    let content = noise(4_000_000, 1);
    drop(cut_after(&server, "f", &content, 1_500_000));
    assert_eq!(Peer::connect(&server).get("f"), b"old");
    assert_eq!(go_on(&server, "f", &content), 1_500_000);
    assert_eq!(Peer::connect(&server).get("f"), content);

    let peer = cut_after(&server, "g", &content, 2_500_000);
    for child in server.children() {
        let _ = kill(Pid::from_raw(child as i32), Signal::SIGKILL);
    }
    assert_eq!(go_on(&server, "g", &content), 2_500_000);
    drop(peer);
    assert_eq!(Peer::connect(&server).get("g"), content);
    assert!(server.staged("partial").is_empty() && server.staged("stage").is_empty());
}

#[test]
fn kept_bytes_of_something_else_are_told_apart() {
    let server = Server::start(&[]);
    let (first, second) = (noise(2_000_000, 1), noise(2_000_000, 2));
    drop(cut_after(&server, "f", &first, 1_100_000));
    let mut peer = Peer::connect(&server);
    let mut start = peer.ask('P', &json!({"path": "f", "resume": true}));
    while start.letter == 'E' {
        start = peer.ask('P', &json!({"path": "f", "resume": true}));
    }
    assert_ne!(start.json()["digest"], blake3(&second[..1_100_000]));
    peer.send(&request(
        'E',
        &json!({"code": "cancelled", "message": "another file"}),
    ));
    assert_eq!(peer.refusal(), "cancelled");
    peer.send(&put(json!({"path": "f"}), &second));
    peer.expect('K');
    assert_eq!(peer.get("f"), second);
}

#[test]
fn a_get_gives_any_range_and_the_digest_of_the_whole() {
    let content = noise(3_000_000, 3);
    let server = Server::prepared(&[], |library| {
        std::fs::write(library.join("f"), &content).expect("write")
    });
    let mut peer = Peer::connect(&server);
    for (offset, length) in [
        (0, 10),
        (1, 2_999_999),
        (2_999_999, 1),
        (3_000_000, 0),
        (1_000_000, 5_000_000),
    ] {
        for cover in ["range", "file"] {
            let start = peer
                .ask(
                    'G',
                    &json!({"path": "f", "offset": offset, "length": length, "cover": cover}),
                )
                .json();
            let end = content.len().min(offset + length);
            assert_eq!(
                (&start["size"], &start["length"]),
                (&json!(content.len()), &json!(end - offset))
            );
            let mut got = Vec::new();
            let last = loop {
                let frame = peer.next().expect("data");
                if frame.letter != 'D' {
                    break frame;
                }
                got.extend(frame.payload);
            };
            assert_eq!(got, content[offset..end]);
            assert_eq!(
                last.json()["digest"],
                blake3(if cover == "file" {
                    &content
                } else {
                    &content[offset..end]
                })
            );
        }
    }
}
