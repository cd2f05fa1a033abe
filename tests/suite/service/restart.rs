//! One listener goes and another is started: told to leave its children behind (SIGUSR1), or killed.

use super::super::peer::{Peer, request};
use super::super::server::{Server, configure, eventually, run};
use super::faces::{Transfers, busy, command, launched, serve, visit};
use super::manager::program;
use nix::sys::signal::Signal;
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

fn process(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// Pids of this name whose command line names this folder.
fn named(name: &str, folder: &Path) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("proc");
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let comm = std::fs::read_to_string(process(*pid).join("comm"));
        let line = std::fs::read(process(*pid).join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        comm.is_ok_and(|comm| comm.trim() == name) && line.contains(&*folder.to_string_lossy())
    })
    .collect()
}

#[test]
fn a_listener_that_leaves_ends_at_once_and_its_transfers_later() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let (home, library) = (folder.path().to_owned(), folder.path().join("library"));
    let serve = command(&home, "");
    let first = launched(program(&serve), folder);
    let transfers = Transfers::begin(&first.addresses);
    eventually("six transfers", || busy(&first) == 6);
    let kept = first.keep_folder();
    first.signal(Signal::SIGUSR1);
    assert_eq!(first.wait(), Some(0));
    let drainer = named("forkftpd:drain", &home);
    assert_eq!(drainer.len(), 1);
    // The next one is started at once, with the same files.
    let second = Server::commanded(program(&serve), kept, 3);
    visit(&second.addresses);
    transfers.finish(&library);
    eventually("no drainer", || !process(drainer[0]).exists());
    visit(&second.addresses);
}

#[test]
fn a_listener_without_clients_leaves_nobody() {
    let server = serve("");
    let home = server.folder().to_owned();
    let pid = server.pid().to_string();
    // As whoever restarts it may do.
    let (code, said) = run(&["leave", "--pid", &pid]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(server.wait(), Some(0));
    assert!(named("forkftpd:drain", &home).is_empty());
    let (code, said) = run(&["leave", "--pid", "1"]);
    assert!(code != Some(0) && said.contains("no listener"), "{said}");
}

#[test]
fn what_a_killed_listener_leaves_behind_is_in_nobodys_way() {
    for prefork in [0, 2] {
        let folder = tempfile::tempdir().expect("scratch folder");
        let home = folder.path().to_owned();
        let socket = home.join("socket");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = free.local_addr().expect("address").port();
        drop(free);
        let config = format!(
            "prefork = {prefork}\ncontrol = \"control\"\n[[listen]]\naddress = \"127.0.0.1:{port}\"\nproof = \"none\"\nlogin = \"none\"\n[[listen]]\naddress = \"unix:{}\"\nproof = \"none\"\nlogin = \"none\"\n",
            socket.display()
        );
        let serve = configure(&home, &config, &[], |_| ());
        let first = Server::commanded(program(&serve), folder, 2);
        let mut peer = Peer::connect(&first);
        peer.send(&request('P', &json!({"path": "file", "size": 5})));
        let kept = first.keep_folder();
        first.kill_alone();
        assert!(socket.exists() && home.join("control").exists());
        let second = Server::commanded(program(&serve), kept, 2);
        let status = || {
            run(&[
                "who",
                "--control",
                home.join("control").to_str().expect("path"),
            ])
        };
        eventually("another control socket", || status().0 == Some(0));
        let mut other = Peer::connect(&second);
        assert!(other.list(&json!({"path": ""})).is_empty());
        UnixStream::connect(&socket).expect("the Unix socket");
        // What was under way ends well.
        peer.send(&super::super::peer::frame('D', b"12345"));
        let digest = super::super::peer::blake3(b"12345");
        let end = peer.ask('Z', &json!({"size": 5, "digest": digest}));
        assert_eq!(end.letter, 'K');
        assert_eq!(other.list(&json!({"path": ""})), ["file"]);
        // A successor has the same files, and it is its own that go with it.
        let made = std::fs::metadata(&socket).expect("the Unix socket").ino();
        second.signal(Signal::SIGUSR2);
        second.wait_for("listening on drive://unix:");
        UnixStream::connect(&socket).expect("the Unix socket");
        assert_eq!(std::fs::metadata(&socket).expect("the same").ino(), made);
        drop((peer, other));
        let _kept = second.keep_folder();
        second.signal(Signal::SIGTERM);
        assert_eq!(second.wait(), Some(0));
        assert!(!socket.exists() && !home.join("control").exists());
    }
}
