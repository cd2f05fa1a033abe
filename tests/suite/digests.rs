//! A kept digest is used while it fits, and never after.

use super::peer::{Peer, blake3, noise, put};
use super::server::Server;
use serde_json::json;

/// True when the filesystem of the tests keeps extended attributes.
fn keeps_attributes() -> bool {
    let folder = tempfile::tempdir().expect("folder");
    let (_, said) = super::server::run(&[
        "check",
        "--no-secret",
        "--config",
        "/dev/null",
        "--library",
        folder.path().to_str().expect("path"),
    ]);
    said.contains("extended attributes: yes")
}

#[test]
fn a_file_that_changed_has_its_own_digest() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(&server);
    let content = noise(300_000, 1);
    peer.send(&put(json!({"path": "f"}), &content));
    peer.expect('K');
    // `get` compares the digest that came with the bytes that came.
    assert_eq!(peer.get("f"), content);
    let path = server.library().join("f");
    let before = std::fs::metadata(&path)
        .expect("facts")
        .modified()
        .expect("mtime");
    let changed = noise(300_000, 2);
    std::fs::write(&path, &changed).expect("write");
    assert_eq!(peer.get("f"), changed);
    std::fs::write(&path, &content).expect("write");
    std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("open")
        .set_modified(before)
        .expect("mtime");
    assert_eq!(peer.get("f"), content);
}

#[test]
fn a_kept_digest_is_really_used() {
    if !keeps_attributes() {
        return;
    }
    let server = Server::start(&[]);
    let mut peer = Peer::connect(&server);
    let content = noise(300_000, 1);
    peer.send(&put(json!({"path": "f", "mtime": 1_600_000_000}), &content));
    peer.expect('K');
    assert_eq!(peer.get("f"), content);
    // Damage that leaves no trace in the inode is what a digest of earlier days finds, and one of now does not: changed
    // behind the filesystem's back it would be; here the attribute is.
    let path =
        std::ffi::CString::new(server.library().join("f").to_str().expect("path")).expect("path");
    let digest_of_file = |peer: &mut Peer| {
        assert_eq!(peer.ask('G', &json!({"path": "f"})).letter, 'K');
        loop {
            let frame = peer.next().expect("data");
            if frame.letter == 'Z' {
                return frame.json()["digest"].as_str().expect("digest").to_owned();
            }
        }
    };
    assert_eq!(digest_of_file(&mut peer), blake3(&content));
    let fd = std::fs::File::open(server.library().join("f")).expect("open");
    let mut record = [0; 65];
    use std::os::fd::AsFd;
    assert_eq!(
        forkftp::sys::file::attribute(fd.as_fd(), c"user.forkftp.blake3", &mut record),
        Some(65),
        "{path:?} has a kept digest"
    );
    let now = forkftp::sys::file::now();
    record[21..29].copy_from_slice(&now.seconds.to_be_bytes());
    record[29..33].copy_from_slice(&now.nanos.to_be_bytes());
    record[33..].fill(0xab);
    forkftp::sys::file::set_attribute(fd.as_fd(), c"user.forkftp.blake3", &record)
        .expect("attribute");
    assert_eq!(
        digest_of_file(&mut peer),
        "ab".repeat(32),
        "the file was read although its digest is kept"
    );
}
