//! A file shows when it is whole, or not at all.

use super::peer::{Peer, blake3, frame, noise, put, request};
use super::server::{Server, eventually};
use serde_json::json;
use std::os::unix::fs::{FileTypeExt, symlink};

#[test]
fn every_durability_stores_and_says_which() {
    for durability in ["full", "file", "none"] {
        let server = Server::start(&["--durability", durability]);
        let mut peer = Peer::connect(&server);
        for (name, size) in [("empty", 0), ("small", 5_000), ("large", 3_000_000)] {
            let content = noise(size, 1);
            peer.send(&put(
                json!({"path": name, "size": size, "mtime": 1_600_000_000, "nsec": 5}),
                &content,
            ));
            let done = peer.expect('K').json();
            assert_eq!(
                (&done["durability"], &done["size"], &done["digest"]),
                (&json!(durability), &json!(size), &json!(blake3(&content)))
            );
            assert_eq!(
                std::fs::read(server.library().join(name)).expect("read"),
                content
            );
            let facts = std::fs::metadata(server.library().join(name)).expect("facts");
            assert_eq!(
                facts
                    .modified()
                    .expect("mtime")
                    .duration_since(std::time::UNIX_EPOCH)
                    .expect("after 1970")
                    .as_nanos(),
                1_600_000_000_000_000_005
            );
        }
        assert!(server.staged("stage").is_empty() && server.staged("partial").is_empty());
    }
}

#[test]
fn what_does_not_match_is_not_stored_and_the_old_file_stays() {
    let server = Server::prepared(&[], |library| {
        std::fs::write(library.join("file"), "old").expect("write")
    });
    for size in [4_000, 2_000_000] {
        let content = noise(size, 2);
        let mut wrong = content.clone();
        wrong[size / 2] ^= 1;
        let mut peer = Peer::connect(&server);
        let begin = |more: serde_json::Value| {
            let mut payload = json!({"path": "file", "overwrite": true});
            payload
                .as_object_mut()
                .expect("object")
                .extend(more.as_object().expect("object").clone());
            [request('P', &payload), frame('D', &content)].concat()
        };
        let end = |size: usize, content: &[u8]| {
            request('Z', &json!({"size": size, "digest": blake3(content)}))
        };
        for (bytes, code) in [
            (
                [begin(json!({"size": size})), end(size, &wrong)].concat(),
                "digest",
            ),
            ([begin(json!({})), end(size, &wrong)].concat(), "digest"),
            (
                [begin(json!({"size": size + 1})), end(size, &content)].concat(),
                "size",
            ),
            ([begin(json!({})), end(size + 1, &content)].concat(), "size"),
            (
                [begin(json!({"size": size - 1})), end(size, &content)].concat(),
                "size",
            ),
            (
                [
                    begin(json!({})),
                    request('Z', &json!({"size": size, "digest": "00"})),
                ]
                .concat(),
                "request",
            ),
            (
                [
                    begin(json!({})),
                    request('E', &json!({"code": "cancelled", "message": "no"})),
                ]
                .concat(),
                "cancelled",
            ),
        ] {
            peer.send(&bytes);
            assert_eq!(peer.refusal(), code);
            assert_eq!(peer.get("file"), b"old");
            assert!(server.staged("stage").is_empty());
        }
    }
}

#[test]
fn names_that_are_taken_are_not_overwritten_unasked() {
    let server = Server::prepared(&[], |library| {
        std::fs::write(library.join("file"), "old").expect("write");
        std::fs::create_dir(library.join("folder")).expect("mkdir");
        std::fs::write(library.join("outside"), "secret").expect("write");
        symlink("outside", library.join("link")).expect("symlink");
        nix::unistd::mkfifo(&library.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
    });
    let mut peer = Peer::connect(&server);
    for (payload, code) in [
        (json!({"path": "file"}), "exists"),
        (json!({"path": "folder", "overwrite": true}), "is-folder"),
        (json!({"path": "", "overwrite": true}), "is-folder"),
        (json!({"path": "link", "overwrite": true}), "exists"),
        (json!({"path": "pipe", "overwrite": true}), "exists"),
        (json!({"path": "link/x"}), "not-found"),
        (json!({"path": "file/x", "parents": true}), "not-folder"),
        (json!({"path": "absent/x"}), "not-found"),
        (json!({"path": ".hidden"}), "name"),
        (json!({"path": "folder/../x"}), "name"),
    ] {
        // The bytes are on their way already when the refusal comes.
        peer.send(&put(payload.clone(), &noise(100_000, 3)));
        assert_eq!(peer.refusal(), code, "{payload}");
    }
    peer.send(&put(json!({"path": "a/b/c", "parents": true}), b"deep"));
    peer.expect('K');
    peer.send(&put(json!({"path": "file", "overwrite": true}), b"new"));
    peer.expect('K');
    assert_eq!(
        (peer.get("file"), peer.get("a/b/c")),
        (b"new".to_vec(), b"deep".to_vec())
    );
    assert!(
        std::fs::symlink_metadata(server.library().join("pipe"))
            .expect("pipe")
            .file_type()
            .is_fifo()
    );
    assert_eq!(
        std::fs::read(server.library().join("outside")).expect("read"),
        b"secret"
    );
}

#[test]
fn a_put_shows_nothing_before_its_end_and_one_writes_at_a_time() {
    let server = Server::start(&[]);
    let (mut writer, mut other) = (Peer::connect(&server), Peer::connect(&server));
    let content = noise(3_000_000, 4);
    writer.send(&request(
        'P',
        &json!({"path": "big", "size": content.len()}),
    ));
    writer.send(&frame('D', &content[..2_000_000]));
    eventually("the bytes are staged", || {
        server
            .staged("partial")
            .iter()
            .any(|p| p.metadata().is_ok_and(|m| m.len() == 2_000_000))
    });
    assert!(
        other
            .list(&json!({"path": "", "recursive": true}))
            .is_empty()
    );
    assert_eq!(other.ask('G', &json!({"path": "big"})).code(), "not-found");
    other.send(&put(json!({"path": "big"}), b"mine"));
    assert_eq!(other.refusal(), "in-use");
    writer.send(
        &[
            frame('D', &content[2_000_000..]),
            request(
                'Z',
                &json!({"size": content.len(), "digest": blake3(&content)}),
            ),
        ]
        .concat(),
    );
    writer.expect('K');
    assert_eq!(other.get("big"), content);
}

#[test]
fn space_that_is_to_stay_free_does() {
    let folder = tempfile::tempdir().expect("folder");
    let config = folder.path().join("c.toml");
    std::fs::write(&config, "keep_free = \"1000 TiB\"\n").expect("write");
    let server = Server::start(&["--config", config.to_str().expect("path")]);
    let mut peer = Peer::connect(&server);
    for size in [10, 2_000_000] {
        peer.send(&put(json!({"path": "f", "size": size}), &noise(size, 5)));
        assert_eq!(peer.refusal(), "no-space");
    }
    assert!(server.staged("partial").is_empty());
    std::fs::write(&config, "largest_file = 100\nkeep_free = 0\n").expect("write");
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for("configuration reloaded");
    let mut peer = Peer::connect(&server);
    for payload in [json!({"path": "f", "size": 101}), json!({"path": "f"})] {
        peer.send(&put(payload, &noise(101, 5)));
        assert_eq!(peer.refusal(), "too-large");
    }
    peer.send(&put(json!({"path": "f"}), &noise(100, 5)));
    peer.expect('K');
}
