//! What the child of an FTP client, and the dialer that makes its sockets, can still do: as little as the child of a drive client,
//! with the same probe.

use super::client::Ftp;
use super::serve;
use crate::probe::{Held, Session, furnish, hold_child, probe_each, surround};
use crate::server::{Server, eventually};
use crate::walls::{child_at, holds, is_root, skip, status};
use std::collections::HashMap;

/// Both ways in which children come to be.
const MODES: [&str; 2] = ["", "prefork = 2"];

fn server(mode: &str) -> (Server, String) {
    let server = serve(&format!("{mode}\nlogin_seconds = 600"), "", "", furnish);
    let outside = surround(&server);
    (server, outside)
}

/// A session, before or after the login, and its child, which waits.
fn session(server: &Server, inside: bool) -> Result<(Ftp, Held), String> {
    let mut ftp = Ftp::connect(&server.address);
    if inside {
        assert_eq!(ftp.log_in("all").code, 230);
        assert_eq!(ftp.fetch("NLST"), Ok(b"inside\r\n".to_vec()));
    }
    let held = hold(server, &mut ftp)?;
    assert_eq!(held.root.is_some(), inside, "the library");
    Ok((ftp, held))
}

fn hold(server: &Server, ftp: &mut Ftp) -> Result<Held, String> {
    let pid = child_at(server, ftp.address());
    let pid = pid.ok_or("the descriptors of children cannot be seen here")?;
    hold_child(pid, &server.library())
}

fn probe(mode: &str, inside: bool) {
    let (server, folder) = server(mode);
    let mut bystander = Ftp::enter(&server.address, "all");
    let Some(sibling) = child_at(&server, bystander.address()) else {
        return skip("the descriptors of children cannot be seen here");
    };
    probe_each(&server, &folder, sibling, inside, &mut || {
        let (ftp, held) = session(&server, inside)?;
        let session: Session = (Box::new(ftp), held);
        Ok(session)
    });
    // A process beside the probed ones serves its client as if nothing had been.
    assert!(server.children().contains(&sibling));
    assert_eq!(bystander.fetch("RETR inside"), Ok(b"inside".to_vec()));
}

#[test]
fn nothing_is_left_to_an_ftp_child_before_the_login() {
    probe(MODES[0], false);
}

#[test]
fn nothing_is_left_to_a_warm_ftp_child_either() {
    probe(MODES[1], false);
}

#[test]
fn nothing_but_the_library_is_left_to_an_ftp_child_after_it() {
    probe(MODES[0], true);
}

#[test]
fn an_ftp_child_holds_what_its_phase_needs() {
    for mode in MODES {
        let (server, _outside) = server(mode);
        let mut ftp = Ftp::connect(&server.address);
        let Some(pid) = child_at(&server, ftp.address()) else {
            return skip("the descriptors of children cannot be seen here");
        };
        eventually("it is shut in", || status(pid, "Seccomp") == "2");
        let mut held = holds(&server, pid);
        // Its reading end is there twice, or once.
        assert!(held.remove("drain").is_some());
        // The broker's, and the dialer's.
        let before = HashMap::from([("standard", 3), ("client", 1), ("channel", 2)]);
        assert_eq!(held, before, "{mode}");
        assert_eq!(ftp.log_in("all").code, 230);
        assert_eq!(ftp.fetch("RETR inside"), Ok(b"inside".to_vec()));
        assert_eq!(ftp.store("STOR new", b"new").code, 226);
        // The passive socket is closed once the reply is on its way; one may wait for the next.
        let library = [("root", 1), ("stage", 1), ("partial", 1)];
        let after: HashMap<_, _> = before.into_iter().chain(library).collect();
        eventually("it holds what is its own and nothing else", || {
            let mut held = holds(&server, pid);
            held.remove("drain");
            held.remove("lent").unwrap_or(0) <= 1 && held == after
        });
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        assert_eq!(status(pid, "Threads"), "1");
        assert_eq!(status(pid, "CapEff"), "0000000000000000");
    }
}

/// What else it has to do without is in `crate::dialing`.
#[test]
fn the_dialer_has_an_empty_root() {
    let (server, _outside) = server(MODES[0]);
    let mut ftp = Ftp::enter(&server.address, "all");
    ftp.expect("EPSV", 229);
    let dialers = server.offspring("forkftpd:dial");
    assert_eq!(dialers.len(), 1, "{dialers:?}");
    if !is_root() {
        return skip("the root folder of the dialer: only root can change it");
    }
    let pid = dialers[0];
    eventually("it is shut in", || status(pid, "Seccomp") == "2");
    for folder in ["root", "cwd"] {
        match std::fs::read_dir(format!("/proc/{pid}/{folder}")) {
            Ok(entries) => assert_eq!(entries.count(), 0, "{folder}"),
            Err(error) => skip(&format!("/proc/PID/{folder} of the dialer: {error}")),
        }
    }
}
