//! Large uploads of which no digest is computed, which the kernel may move past the server: the same bytes come to the same end.

use super::{CONFIG, EVERYTHING, Ftp};
use crate::server::{Server, eventually};
use nix::sys::socket::{MsgFlags, send};
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

const MIB: usize = 1024 * 1024;

fn server(keys: &str) -> Server {
    let config = format!("receipt = \"none\"\n{keys}{CONFIG}");
    Server::configured(&config, &[("ann", "pencil", EVERYTHING)], |_| ())
}

fn numbered(size: usize) -> Vec<u8> {
    (0u32..).flat_map(u32::to_le_bytes).take(size).collect()
}

fn is_there(server: &Server, name: &str, bytes: &[u8]) {
    let found = std::fs::read(server.library().join(name)).expect("read");
    assert_eq!(found.len(), bytes.len(), "{name}");
    assert!(found == bytes, "{name}: other bytes");
}

/// Files below `folder`, with their sizes and their bytes on the disk.
fn files(folder: &Path) -> Vec<(PathBuf, u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("list") {
        let path = entry.expect("entry").path();
        // What is taken away meanwhile is no matter.
        match std::fs::symlink_metadata(&path) {
            Ok(facts) if facts.is_dir() => found.extend(files(&path)),
            Ok(facts) => found.push((path, facts.len(), facts.blocks() * 512)),
            Err(_) => {}
        }
    }
    found
}

/// All cut uploads.
fn kept(server: &Server) -> Vec<(u64, u64)> {
    let found = files(&server.library().join(".forkftp"));
    found
        .into_iter()
        .map(|(_, size, disk)| (size, disk))
        .collect()
}

#[test]
fn all_of_it_is_stored_whatever_was_announced_and_wherever_it_begins() {
    let server = server("");
    let bytes = numbered(9 * MIB + 12_345);
    let mut ftp = Ftp::log_in(&server, "ann");
    assert_eq!(ftp.store("STOR unannounced", &bytes), 226);
    is_there(&server, "unannounced", &bytes);
    for allo in [0, 1, MIB, bytes.len()] {
        ftp.expect(format!("ALLO {allo}"), 200);
        assert_eq!(ftp.store("STOR announced", &bytes), 226, "{allo}");
        is_there(&server, "announced", &bytes);
    }
    // One byte less than was announced is not the whole.
    ftp.expect(format!("ALLO {}", bytes.len() + 1), 200);
    assert_eq!(ftp.store("STOR less", &bytes), 426);
    let whole = bytes.len() as u64;
    assert!(matches!(kept(&server)[..], [(size, _)] if size == whole));
    // And the rest makes it whole.
    ftp.expect(format!("REST {whole}"), 350);
    assert_eq!(ftp.store("STOR less", &bytes), 226);
    is_there(&server, "less", &[&bytes[..], &bytes].concat());
    assert_eq!(ftp.store("APPE unannounced", &bytes), 226);
    is_there(&server, "unannounced", &[&bytes[..], &bytes].concat());
    assert!(kept(&server).is_empty());
}

#[test]
fn urgent_bytes_are_no_end() {
    let server = server("");
    let bytes = numbered(8 * MIB);
    let mut ftp = Ftp::log_in(&server, "ann");
    let mut data = ftp.data();
    ftp.expect("STOR urgent", 150);
    let (before, after) = bytes.split_at(5 * MIB + 1);
    data.write_all(before).expect("before");
    // What is urgent is beside the stream, and no part of it.
    send(data.as_raw_fd(), b"!", MsgFlags::MSG_OOB).expect("urgent");
    data.write_all(after).expect("after");
    data.shutdown(Shutdown::Write).expect("end");
    assert_eq!(ftp.reply().code, 226);
    is_there(&server, "urgent", &bytes);
}

#[test]
fn all_that_came_is_kept_when_it_is_cut_and_nothing_more_is_taken() {
    let server = server("");
    let bytes = numbered(7 * MIB + 54_321);
    for announced in [false, true] {
        let mut ftp = Ftp::log_in(&server, "ann");
        if announced {
            ftp.expect(format!("ALLO {}", 100 * MIB), 200);
        }
        let mut data = ftp.data();
        ftp.expect("STOR cut", 150);
        data.write_all(&bytes).expect("data");
        // The control connection goes first: the other is read to its end.
        drop(ftp);
        let came = bytes.len() as u64;
        eventually("all that came is kept, and no more", || {
            // Room for what is to come is given back with the end.
            matches!(kept(&server)[..], [(size, disk)] if size == came && disk < came + MIB as u64)
        });
        drop(data);
        assert!(!server.library().join("cut").exists());
        let mut ftp = Ftp::log_in(&server, "ann");
        eventually("nobody writes it any more", || {
            ftp.ask("REST 7340032").code == 350 && ftp.store("STOR cut", &bytes[7 * MIB..]) == 226
        });
        is_there(&server, "cut", &bytes);
        ftp.expect("DELE cut", 250);
    }
}

#[test]
fn what_is_larger_than_files_may_be_is_not_kept() {
    let server = server("largest_file = \"6 MiB\"\n");
    let mut ftp = Ftp::log_in(&server, "ann");
    let bytes = numbered(6 * MIB);
    assert_eq!(ftp.store("STOR fits", &bytes), 226);
    let mut data = ftp.data();
    ftp.expect("STOR large", 150);
    // It is hung up on in the middle.
    let _ = data.write_all(&numbered(16 * MIB));
    assert_eq!(ftp.reply().code, 552);
    assert!(kept(&server).is_empty());
    is_there(&server, "fits", &bytes);
}
