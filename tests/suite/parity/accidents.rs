//! What becomes of files and of sessions when a process is killed in the middle: the old file stays or the new one is whole, the client
//! is told as far as there is somebody left to do so, and the next one is served.

use super::client::{Ftp, Wire};
use super::{on_the_way, serve};
use crate::peer::noise;
use crate::server::{Server, eventually};
use crate::walls::{broker_of, child_at, signal, skip};
use nix::sys::signal::Signal;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Not a multiple of what is written at once.
const PART: usize = 600_000;

const MODES: [&str; 2] = ["", "prefork = 2"];

fn old(library: &Path) {
    std::fs::create_dir(library.join("home")).expect("home");
    std::fs::write(library.join("home/old"), noise(300_000, 1)).expect("file");
}

const HOME: &str = "home = \"home\"";

fn file(server: &Server, name: &str) -> PathBuf {
    server.library().join("home").join(name)
}

fn content(server: &Server, name: &str) -> Vec<u8> {
    std::fs::read(file(server, name)).expect("file")
}

/// Read from the socket and written to the disk at once.
const PIECE: u64 = 256 << 10;

/// Bytes of uploads that are under way or were cut.
fn bytes_on_the_way(server: &Server) -> u64 {
    let files = on_the_way(server);
    let sizes = files.iter().filter_map(|path| path.metadata().ok());
    sizes.map(|facts| facts.len()).sum()
}

/// Begins an upload, and sends `part` of it, which has come to the disk as far as it is written at once.
fn begin(server: &Server, ftp: &mut Ftp, name: &str, part: &[u8]) -> Wire {
    let mut data = ftp.begin(&format!("STOR {name}")).expect("data");
    data.write_all(part).expect("send");
    let pieces = part.len() as u64 / PIECE;
    eventually("a part has come", || {
        !on_the_way(server).is_empty() && bytes_on_the_way(server) >= pieces * PIECE
    });
    data
}

/// A session, once there is a child that is fit to serve it.
fn enter_again(server: &Server) -> Ftp {
    let mut entered = None;
    eventually("somebody is served", || {
        let mut ftp = Ftp::knock(&server.address);
        if ftp.next().is_some_and(|reply| reply.code == 220)
            && ftp.wire().write_all(b"USER all\r\nPASS pencil\r\n").is_ok()
        {
            let replies = [ftp.next(), ftp.next()];
            if replies[1].as_ref().is_some_and(|reply| reply.code == 230) {
                entered = Some(ftp);
            }
        }
        entered.is_some()
    });
    entered.expect("a session")
}

#[test]
fn the_upload_of_a_child_that_is_killed_is_gone_on_with() {
    let new = noise(900_000, 2);
    for mode in MODES {
        for name in ["old", "new"] {
            let server = serve(mode, "", HOME, old);
            let mut ftp = Ftp::enter(&server.address, "all");
            let Some(child) = child_at(&server, ftp.address()) else {
                return skip("the descriptors of children cannot be seen here");
            };
            let _data = begin(&server, &mut ftp, name, &new[..PART]);
            signal(child, Signal::SIGKILL);
            ftp.expect_end();
            assert!(content(&server, "old") == noise(300_000, 1));
            assert!(name == "old" || !file(&server, name).exists());
            let mut ftp = Ftp::enter(&server.address, "all");
            let mut listed = ftp.fetch("NLST").expect("names");
            listed.truncate(5);
            assert_eq!(listed, b"old\r\n", "nothing but what is whole");
            let kept = bytes_on_the_way(&server);
            assert!((2 * PIECE..=PART as u64).contains(&kept), "{kept}");
            if name == "new" {
                // Under a name that is not shown there is that part, to whom it belongs.
                let size = ftp.expect("SIZE new", 213);
                assert_eq!(size.text(), kept.to_string());
            }
            ftp.expect(&format!("REST {kept}"), 350);
            let reply = ftp.store(&format!("STOR {name}"), &new[kept as usize..]);
            assert_eq!(reply.code, 226, "{reply:?}");
            assert!(content(&server, name) == new);
            assert_eq!(on_the_way(&server), Vec::<PathBuf>::new());
        }
    }
}

#[test]
fn sessions_end_with_their_listener_but_not_in_the_middle() {
    let big = noise(8 << 20, 3);
    for mode in MODES {
        let server = serve(mode, "", HOME, |library| {
            old(library);
            std::fs::write(library.join("home/big"), &big).expect("file");
        });
        let mut idle = Ftp::enter(&server.address, "all");
        let mut getting = Ftp::enter(&server.address, "all");
        let mut download = getting.begin("RETR big").expect("data");
        let mut putting = Ftp::enter(&server.address, "all");
        let mut upload = begin(&server, &mut putting, "old", &big[..1 << 20]);
        server.signal(Signal::SIGKILL);
        let reply = idle.hear();
        assert_eq!(reply.code, 421, "{reply:?}");
        idle.expect_end();
        assert!(download.drain() == big);
        assert_eq!(getting.hear().code, 226);
        assert!(content(&server, "old") == noise(300_000, 1));
        upload.write_all(&big[1 << 20..]).expect("send");
        upload.finish();
        assert_eq!(putting.hear().code, 226);
        assert!(content(&server, "old") == big);
        for ftp in [&mut getting, &mut putting] {
            assert_eq!(ftp.hear().code, 421);
            ftp.expect_end();
        }
    }
}

#[test]
fn without_its_broker_a_session_goes_on_until_it_has_something_to_ask() {
    let new = noise(3 << 20, 4);
    for mode in MODES {
        let server = serve(mode, "", HOME, old);
        let mut waiting = Ftp::connect(&server.address);
        let mut ftp = Ftp::enter(&server.address, "all");
        let mut data = begin(&server, &mut ftp, "old", &new[..500_000]);
        let broker = broker_of(&server);
        signal(broker, Signal::SIGKILL);
        eventually("another broker", || {
            let now = server.offspring("forkftpd:broker");
            now.len() == 1 && now[0] != broker
        });
        // It has the library.
        data.write_all(&new[500_000..]).expect("send");
        data.finish();
        assert_eq!(ftp.hear().code, 226);
        assert!(content(&server, "old") == new);
        assert!(ftp.fetch("RETR old").is_ok_and(|all| all == new));
        ftp.expect("DELE old", 250);
        // Who has not logged in can ask nobody, and is told.
        waiting.expect("USER all", 331);
        waiting.expect("PASS pencil", 421);
        waiting.expect_end();
        let mut ftp = enter_again(&server);
        assert_eq!(ftp.store("STOR old", b"again").code, 226);
    }
}

#[test]
fn without_its_broker_nothing_is_stored_that_nobody_counts() {
    let new = noise(3 << 20, 5);
    // With nothing of the quota in hand the session can only not go on with this; otherwise it cannot give back what it has.
    for (part, code) in [(100_000, 451), (PART, 421)] {
        let server = serve("", "", "home = \"home\"\nquota = \"1 GiB\"", old);
        let mut ftp = Ftp::enter(&server.address, "all");
        let mut data = begin(&server, &mut ftp, "old", &new[..part]);
        let broker = broker_of(&server);
        signal(broker, Signal::SIGKILL);
        eventually("another broker", || {
            let now = server.offspring("forkftpd:broker");
            now.len() == 1 && now[0] != broker
        });
        // More than was reserved ahead.
        while !ftp.is_heard() {
            let _ = data.write_all(&new);
        }
        let reply = ftp.hear();
        assert_eq!(reply.code, code, "{reply:?}");
        if code == 451 {
            // It is in, and may get what it likes; the next that is counted is the last.
            assert!(ftp.fetch("RETR old").is_ok());
            let refused = ftp.store("STOR old", &new);
            assert_eq!(refused.code, 421, "{refused:?}");
        }
        ftp.expect_end();
        assert!(content(&server, "old") == noise(300_000, 1));
        assert_eq!(on_the_way(&server), Vec::<PathBuf>::new());
        let mut ftp = enter_again(&server);
        assert_eq!(ftp.store("STOR old", b"again").code, 226);
        assert_eq!(content(&server, "old"), b"again");
    }
}

#[test]
fn without_its_dialer_a_session_says_so_and_the_next_one_has_another() {
    for mode in MODES {
        let server = serve(mode, "", HOME, old);
        let mut ftp = Ftp::enter(&server.address, "all");
        assert!(ftp.fetch("RETR old").is_ok());
        let mut during = Ftp::enter(&server.address, "all");
        let mut upload = begin(&server, &mut during, "old", b"a part");
        let dialers = server.offspring("forkftpd:dial");
        assert_eq!(dialers.len(), 1, "{dialers:?}");
        signal(dialers[0], Signal::SIGKILL);
        eventually("another dialer", || {
            let now = server.offspring("forkftpd:dial");
            now.len() == 1 && now[0] != dialers[0]
        });
        // A data connection that stands is nobody's but the child's.
        upload.write_all(b", and the rest").expect("send");
        upload.finish();
        assert_eq!(during.hear().code, 226);
        assert_eq!(content(&server, "old"), b"a part, and the rest");
        // One may have been made ahead.
        eventually("there are none any more", || ftp.ask("EPSV").code == 425);
        ftp.expect("PASV", 425);
        ftp.expect("RETR old", 425);
        ftp.expect("SIZE old", 213);
        let mut ftp = enter_again(&server);
        assert!(
            ftp.fetch("RETR old")
                .is_ok_and(|all| all == b"a part, and the rest")
        );
    }
}
