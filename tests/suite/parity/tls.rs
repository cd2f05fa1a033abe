//! FTP under TLS: what goes through it, whose data connection it is, and where an upload ends.

use super::client::{Ftp, Tls, Wire, tcp};
use crate::peer::noise;
use crate::server::{Server, User, new_certificate};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use std::io::{Read, Write};
use std::net::Shutdown;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
const RIGHTS: &str = "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\"]";

/// A server with these keys of its own and of its listening socket, and `OLD` in the file `old`.
fn server(keys: &str, listen: &str) -> Server {
    let config = format!(
        "tls_certificate = \"crt\"\ntls_key = \"key\"\ndurability = \"none\"\n{keys}\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\n{listen}\n"
    );
    let secret = format!("{RIGHTS}\ntls = \"required\"");
    let users: [User<'_>; 2] = [("all", "pencil", RIGHTS), ("secret", "pencil", &secret)];
    Server::configured(&config, &users, |library| {
        new_certificate(library.parent().expect("folder"));
        std::fs::write(library.join("old"), "OLD").expect("file");
    })
}

fn old(server: &Server) -> Vec<u8> {
    std::fs::read(server.library().join("old")).expect("file")
}

fn secured(wire: &Wire) -> &rustls::ClientConnection {
    match wire {
        Wire::Secure(stream) => &stream.conn,
        Wire::Plain(_) => panic!("in the clear"),
    }
}

#[test]
fn every_transfer_goes_through() {
    for version in VERSIONS {
        for (mode, implicit) in [("", false), ("prefork = 2", false), ("", true)] {
            let listen = if implicit {
                "tls = \"implicit\""
            } else {
                "tls = \"required\""
            };
            let server = server(mode, listen);
            let tls = Tls::new(&server, version);
            let mut ftp = if implicit {
                let mut ftp = Ftp::knock_secure(&server.address, &tls);
                assert_eq!(ftp.hear().code, 220);
                assert_eq!(ftp.log_in("all").code, 230);
                ftp.expect("TYPE I", 200);
                ftp
            } else {
                Ftp::enter_secure(&server.address, "all", &tls)
            };
            // Nothing, less than a record, records exactly, and many.
            for (number, size) in [0, 1, 16_384, 65_536, 3_000_001].into_iter().enumerate() {
                let content = noise(size, number as u64);
                let stored = ftp.store(&format!("STOR f{number}"), &content);
                assert_eq!(stored.code, 226, "{stored:?}");
                let got = ftp.fetch(&format!("RETR f{number}"));
                assert!(got.is_ok_and(|got| got == content), "{size} bytes");
            }
            let names = ftp.fetch("NLST").expect("names");
            assert_eq!(names.split(|&b| b == b'\n').count(), 7);
            // Many connections one after the other resume, whichever way their bytes go.
            for number in 0..15 {
                let stored = ftp.store("STOR many", &noise(1000, number));
                assert_eq!(stored.code, 226, "{version:?} {number}: {stored:?}");
                let got = ftp.fetch("RETR many");
                assert!(got.is_ok(), "{version:?} {number}: {got:?}");
            }
            // This client uses a ticket once, and has a few at most (RFC 8446, appendix C.4).
            for number in 0..15 {
                let stored = ftp.store("STOR many", &noise(1000, number));
                assert_eq!(stored.code, 226, "{version:?} {number}: {stored:?}");
            }
            ftp.expect("QUIT", 221);
            // An end without close_notify would be an error.
            assert_eq!(ftp.wire().read(&mut [0]).expect("close_notify"), 0);
        }
    }
}

#[test]
fn a_data_connection_that_does_not_resume_is_served_where_it_may_be() {
    for version in VERSIONS {
        for (reuse, served) in [("require", false), ("prefer", true), ("off", true)] {
            let listen = format!("tls = \"optional\"\ndata_tls_reuse = {reuse:?}");
            let server = server("", &listen);
            let mut ftp = Ftp::enter_secure(&server.address, "all", &Tls::new(&server, version));
            // One that remembers nothing.
            ftp.tls = Some(Tls::new(&server, version));
            let got = ftp.fetch("RETR old");
            let stored = ftp.store("STOR old", b"NEW");
            if served {
                assert_eq!(got, Ok(b"OLD".to_vec()), "{reuse}");
                assert_eq!(stored.code, 226, "{reuse}: {stored:?}");
                assert_eq!(old(&server), b"NEW");
            } else {
                assert_eq!(got.expect_err("refused").code, 522, "{reuse}");
                assert_eq!(stored.code, 522, "{reuse}: {stored:?}");
                assert_eq!(old(&server), b"OLD");
            }
            if reuse == "prefer" {
                server.wait_for("did not resume the TLS session");
            }
            // In the clear nothing goes where it is to be encrypted.
            ftp.tls = None;
            let mut data = ftp.begin("STOR old").expect("data");
            let _ = data.write_all(b"PLAIN");
            data.finish();
            assert_eq!(ftp.hear().code, 522, "{reuse}");
            assert_ne!(old(&server), b"PLAIN");
            ftp.expect("NOOP", 200);
        }
    }
}

/// What one session gave to its client opens nothing in another.
#[test]
fn a_ticket_of_another_session_does_not_resume() {
    for version in VERSIONS {
        for mode in ["", "prefork = 2"] {
            let server = server(mode, "tls = \"required\"");
            let one = Tls::new(&server, version);
            let mut first = Ftp::enter_secure(&server.address, "all", &one);
            // Its client has tickets by now, that its own session takes.
            assert!(first.fetch("RETR old").is_ok());
            let mut second = Ftp::enter_secure(&server.address, "all", &Tls::new(&server, version));
            second.tls = Some(one.clone());
            let got = second.fetch("RETR old").expect_err("somebody else");
            assert_eq!(got.code, 522, "{got:?}");
            assert_eq!(second.store("STOR old", b"NEW").code, 522);
            assert_eq!(old(&server), b"OLD");
            assert!(first.fetch("RETR old").is_ok(), "its own goes on");
            // Nor does it begin a control connection in a shorter way.
            let mut third = Ftp::connect(&server.address);
            third.secure(&one).expect("TLS");
            let kind = secured(third.wire()).handshake_kind();
            assert_eq!(kind, Some(rustls::HandshakeKind::Full));
        }
    }
}

#[test]
fn an_upload_ends_where_tls_says_so() {
    for version in VERSIONS {
        for (key, whole) in [("", false), ("close_notify = \"off\"", true)] {
            let server = server("", &format!("tls = \"required\"\n{key}"));
            let tls = Tls::new(&server, version);
            let mut ftp = Ftp::enter_secure(&server.address, "all", &tls);
            let mut data = ftp.begin("STOR old").expect("data");
            data.write_all(b"NEW").expect("send");
            data.flush().expect("send");
            data.socket().shutdown(Shutdown::Write).expect("shutdown");
            let reply = ftp.hear();
            let wanted: (u16, &[u8]) = if whole { (226, b"NEW") } else { (426, b"OLD") };
            assert_eq!((reply.code, &*old(&server)), wanted, "{reply:?}");
            drop(data);
            // In the middle of a record.
            let mut data = ftp.begin("STOR old").expect("data");
            data.write_all(&noise(50_000, 1)).expect("send");
            data.flush().expect("send");
            let mut socket = data.socket();
            socket
                .write_all(&[0x17, 3, 3, 0x10, 0, 1, 2, 3])
                .expect("send");
            socket.shutdown(Shutdown::Write).expect("shutdown");
            let reply = ftp.hear();
            assert_eq!(reply.code, 426, "{reply:?}");
            assert_eq!(old(&server), wanted.1);
            // What the network makes up is not the client's.
            let mut data = ftp.begin("STOR old").expect("data");
            data.write_all(&noise(50_000, 2)).expect("send");
            data.flush().expect("send");
            let forged = [&[0x17, 3, 3, 0, 40][..], &[7; 40]].concat();
            data.socket().write_all(&forged).expect("send");
            let reply = ftp.hear();
            assert_eq!(reply.code, 426, "{reply:?}");
            assert_eq!(old(&server), wanted.1);
        }
    }
}

#[test]
fn who_means_another_protocol_is_refused() {
    let server = server("", "tls = \"optional\"");
    for (alpn, taken) in [
        (&[][..], true),
        (&[&b"ftp"[..]], true),
        (&[&b"http/1.1"[..], b"ftp"], true),
        (&[&b"h2"[..], b"http/1.1"], false),
        (&[forkftp::tls::ALPN], false),
    ] {
        let mut ftp = Ftp::connect(&server.address);
        let shaken = ftp.secure(&Tls::offering(&server, &TLS13, alpn));
        assert_eq!(shaken.is_ok(), taken, "{alpn:?}: {:?}", shaken.err());
        if taken {
            assert_eq!(ftp.log_in("all").code, 230);
        }
    }
}

#[test]
fn what_is_said_between_auth_and_tls_ends_the_session() {
    let server = server("", "tls = \"optional\"");
    for behind in ["NOOP\r\n", "USER all\r\n", "x"] {
        let mut ftp = Ftp::connect(&server.address);
        ftp.send(format!("AUTH TLS\r\n{behind}").as_bytes());
        // No 234: what would be read under TLS may be somebody else's.
        let reply = ftp.next();
        assert!(
            reply.as_ref().is_none_or(|reply| reply.code == 421),
            "{reply:?}"
        );
        if reply.is_some() {
            ftp.expect_end();
        }
    }
    // And what was said before it counts for nothing.
    let mut ftp = Ftp::connect(&server.address);
    ftp.expect("USER all", 331);
    ftp.secure(&Tls::new(&server, &TLS13)).expect("TLS");
    ftp.expect("PASS pencil", 503);
}

#[test]
fn who_logs_in_under_tls_alone_does() {
    let optional = server("", "tls = \"optional\"");
    let mut ftp = Ftp::connect(&optional.address);
    let refused = ftp.log_in("secret");
    assert_eq!(refused.code, 530, "{refused:?}");
    assert!(refused.text().contains("TLS"), "{refused:?}");
    // Others may.
    Ftp::enter(&optional.address, "all");
    let tls = Tls::new(&optional, &TLS13);
    Ftp::enter_secure(&optional.address, "secret", &tls);
    let required = server("", "tls = \"required\"");
    for user in ["all", "secret", "nobody-of-that-name"] {
        let mut ftp = Ftp::connect(&required.address);
        ftp.expect(&format!("USER {user}"), 530);
        ftp.expect("PASS pencil", 503);
    }
    let mut ftp = Ftp::enter_secure(&required.address, "all", &Tls::new(&required, &TLS13));
    ftp.expect("PROT C", 534);
    // Data in the clear is possible where nothing is required.
    let mut ftp = Ftp::enter_secure(&optional.address, "secret", &tls);
    ftp.expect("PROT C", 200);
    ftp.tls = None;
    assert_eq!(ftp.fetch("RETR old"), Ok(b"OLD".to_vec()));
}

#[test]
fn a_handshake_that_does_not_come_has_its_time() {
    let keys = "login_seconds = 1\nstall_seconds = 1";
    let server = server(keys, "tls = \"optional\"\ndata_seconds = 1");
    let mut ftp = Ftp::connect(&server.address);
    ftp.expect("AUTH TLS", 234);
    // Nothing of it is said; nobody waits for ever.
    let mut rest = Vec::new();
    let _ = ftp.wire().read_to_end(&mut rest);
    server.wait_for("no TLS handshake");
    let tls = Tls::new(&server, &TLS13);
    let mut ftp = Ftp::enter_secure(&server.address, "all", &tls);
    let socket = ftp.reach();
    ftp.expect("STOR old", 150);
    // Too late for one deadline or the other.
    let code = ftp.hear().code;
    assert!([426, 522].contains(&code), "{code}");
    drop(socket);
    assert_eq!(ftp.fetch("RETR old"), Ok(b"OLD".to_vec()));
    // Not TLS at all.
    let mut plain = tcp(server.address.parse().expect("address"));
    plain
        .write_all(&[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5])
        .expect("send");
    let mut said = [0; 4];
    plain.read_exact(&mut said).expect("a greeting");
    assert_eq!(&said, b"220 ");
}
