//! Many requests at once: answers in order, small files in batches, nothing sticks together.

use super::peer::{Peer, blake3, noise, put, request};
use super::server::Server;
use serde_json::json;
use std::io::Write as _;

#[test]
fn a_thousand_puts_and_gets_answer_in_order() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(&server);
    let content = |i: u64| noise((i as usize * 37) % 9_000, i);
    let mut writer = peer.socket.try_clone().expect("clone");
    let sender = std::thread::spawn(move || {
        for i in 0..1_000 {
            writer
                .write_all(&put(
                    json!({"path": format!("f{i}"), "size": content(i).len()}),
                    &content(i),
                ))
                .expect("send");
            if i % 100 == 50 {
                // A refused one in between: its answer keeps its place.
                writer
                    .write_all(&put(json!({"path": "f0"}), b"again"))
                    .expect("send");
            }
        }
        for i in 0..1_000 {
            writer
                .write_all(&request('G', &json!({"path": format!("f{i}")})))
                .expect("send");
        }
    });
    for i in 0..1_000 {
        assert_eq!(
            peer.expect('K').json()["digest"],
            blake3(&content(i)),
            "put {i}"
        );
        if i % 100 == 50 {
            assert_eq!(peer.refusal(), "exists");
        }
    }
    for i in 0..1_000 {
        assert_eq!(peer.receive(), content(i), "get {i}");
    }
    sender.join().expect("sender");
    assert!(server.staged("stage").is_empty());
}

#[test]
fn a_whole_upload_is_stored_even_if_its_client_does_not_wait() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(&server);
    peer.send(&put(json!({"path": "last", "size": 4}), b"word"));
    drop(peer);
    super::server::eventually("it is stored", || server.library().join("last").exists());
}
