//! Listings: what is there, all of it, in bounded memory.

use super::peer::{Peer, request};
use super::server::Server;
use serde_json::{Value, json};
use std::os::unix::ffi::OsStrExt;

#[test]
fn only_what_is_served_is_listed() {
    let server = Server::prepared(&[], |library| {
        std::fs::create_dir_all(library.join("folder/inner")).expect("mkdir");
        std::fs::create_dir(library.join(".hidden")).expect("mkdir");
        for name in [
            &b"plain"[..],
            b"with space",
            b"100%",
            "grün".as_bytes(),
            b"latin \xfc",
            b".dot",
            b"new\nline",
            b"folder/inner/deep",
        ] {
            std::fs::write(library.join(std::ffi::OsStr::from_bytes(name)), "x").expect("write");
        }
        std::os::unix::fs::symlink("/etc/passwd", library.join("link")).expect("symlink");
        std::os::unix::fs::symlink("folder", library.join("folder link")).expect("symlink");
        nix::unistd::mkfifo(&library.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
    });
    let mut peer = Peer::connect(&server);
    let root = [
        "100%25",
        "folder",
        "grün",
        "latin %FC",
        "plain",
        "with space",
    ];
    assert_eq!(peer.list(&json!({"path": ""})), root);
    assert_eq!(
        peer.list(&json!({"path": "folder", "recursive": true})),
        ["inner", "inner/deep"]
    );
    assert_eq!(peer.list(&json!({"path": "folder/inner/deep"})), ["deep"]);
    assert_eq!(
        peer.list(&json!({"path": "", "recursive": true})).len(),
        root.len() + 2
    );
    for path in ["100%25", "latin %FC", "with space"] {
        assert_eq!(peer.get(path), b"x");
    }
    for absent in ["link", "pipe", ".dot", "folder link/inner"] {
        assert_eq!(
            peer.ask('G', &json!({"path": absent})).code(),
            "not-found",
            "{absent}"
        );
    }
}

#[test]
fn a_hundred_thousand_entries_take_little_memory() {
    let server = Server::prepared(&[], |library| {
        for folder in 0..10 {
            let folder = library.join(format!("folder-{folder}"));
            std::fs::create_dir(&folder).expect("mkdir");
            for file in 0..10_000 {
                std::fs::File::create(
                    folder.join(format!("a file with quite a long name, number {file}")),
                )
                .expect("create");
            }
        }
    });
    let mut peer = Peer::connect(&server);
    peer.send(&request('L', &json!({"path": "", "recursive": true})));
    // The server is far into the listing, and held up by us.
    let mut frames = vec![peer.expect('D')];
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.children()[0])).expect("status");
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok())
        .expect("VmHWM");
    loop {
        let frame = peer.next().expect("a frame");
        if frame.letter == 'Z' {
            assert_eq!(frame.json()["entries"], 100_010);
            break;
        }
        frames.push(frame);
    }
    let lines: usize = frames
        .iter()
        .map(|frame| frame.payload.iter().filter(|&&b| b == b'\n').count())
        .sum();
    assert_eq!(lines, 100_010);
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.children()[0])).expect("status");
    let after: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok())
        .expect("VmHWM");
    // Twelve megabytes went through it.
    assert!(
        after.saturating_sub(peak) < 1024,
        "the child grew from {peak} to {after} KiB"
    );
    let first: Value = serde_json::from_slice(
        frames[0]
            .payload
            .split(|&b| b == b'\n')
            .next()
            .expect("line"),
    )
    .expect("json");
    assert!(first["type"] == "folder" || first["type"] == "file");
}
