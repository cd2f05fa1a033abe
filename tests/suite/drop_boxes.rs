//! Drop boxes: what is put there by whatever protocol comes to lie there under a name of its own, as the operator wants it to, and shows to
//! its readers alone. What else is refused there stands among the rights (`crate::rights`).

use super::http::client::Http;
use super::parity::client::Ftp;
use super::peer::{Peer, frame, noise, put, request};
use super::server::{Server, eventually, run};
use serde_json::json;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

const MIB: usize = 1 << 20;

/// A server with a drop box, with these further keys, for `all`, and for `reader`, who fetches what is there.
fn serve(keys: &str) -> Server {
    let listen = |keys: &str| format!("[[listen]]\naddress = \"127.0.0.1:0\"\n{keys}\n");
    let config = format!(
        "durability = \"none\"\nkeep_free = 0\nshares_file = \"shares.json\"\n[[drop_box]]\npath = \"in/scans\"\nreaders = [\"reader\"]\n{keys}\n{}{}{}",
        listen("proof = \"none\""),
        listen("protocol = \"ftp\"\ntls = \"off\""),
        listen("protocol = \"http\"\ntls = \"off\""),
    );
    let rights =
        "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]";
    let users = [("all", "pencil", rights), ("reader", "pencil", rights)];
    Server::configured(&config, &users, |_| ())
}

fn drive(server: &Server, user: &str) -> Peer {
    let mut peer = Peer::connect_to(&server.addresses[0]);
    assert_eq!(peer.log_in(user, "pencil").letter, 'K');
    peer
}

#[test]
fn a_file_in_a_drop_box_gets_a_name_of_its_own_and_the_operators_permissions() {
    let server = serve("mode = \"0640\"\nlargest_file = \"2 MiB\"");
    let folder = server.library().join("in/scans");
    assert!(folder.is_dir(), "made at start");
    let mut peer = drive(&server, "all");
    peer.send(&put(json!({"path": "in/scans/s.pdf"}), b"by drive"));
    assert_eq!(peer.expect('K').json().get("name"), None);
    peer.send(&put(json!({"path": "in/scans/s.pdf"}), b"again"));
    assert_eq!(peer.expect('K').json()["name"], "s-1.pdf");
    let mut ftp = Ftp::enter(&server.addresses[1], "all");
    let stored = ftp.store("STOR in/scans/s.pdf", b"by ftp");
    assert!(stored.text().ends_with("FILE: s-2.pdf"), "{stored:?}");
    let mut http = Http::of(&server.addresses[2], "all");
    let told = http.pass("PUT", "/in/scans/s.pdf", "", b"by http");
    assert_eq!(
        told.field("location"),
        Some("/in/scans/s-3.pdf"),
        "{told:?}"
    );
    for (name, content) in [
        ("s.pdf", "by drive"),
        ("s-1.pdf", "again"),
        ("s-2.pdf", "by ftp"),
        ("s-3.pdf", "by http"),
    ] {
        let path = folder.join(name);
        assert_eq!(std::fs::read_to_string(&path).expect(name), content);
        let mode = path.metadata().expect("facts").permissions().mode();
        assert_eq!(mode & 0o7777, 0o640, "{name}");
    }
    // Elsewhere nothing of it holds.
    peer.send(&put(json!({"path": "file"}), b"content"));
    peer.expect('K');
    let mode = server.library().join("file").metadata().expect("facts");
    assert_eq!(mode.permissions().mode() & 0o777, 0o644);
    // Too large, for everybody.
    let large = noise(2 * MIB + 1, 1);
    for user in ["all", "reader"] {
        let mut peer = drive(&server, user);
        peer.send(&put(
            json!({"path": "in/scans/large", "size": large.len()}),
            &large,
        ));
        assert_eq!(peer.refusal(), "too-large");
    }
    assert_eq!(ftp.store("STOR in/scans/large", &large).code, 552);
    let refused = http.pass("PUT", "/in/scans/large", "", &large);
    assert_eq!(refused.code, 413);
    assert!(super::parity::on_the_way(&server).is_empty());
    // A reader finds all of it, and may replace and remove.
    let mut peer = drive(&server, "reader");
    let mut names = peer.list(&json!({"path": "in/scans"}));
    names.sort();
    assert_eq!(names, ["s-1.pdf", "s-2.pdf", "s-3.pdf", "s.pdf"]);
    peer.send(&put(
        json!({"path": "in/scans/s.pdf", "overwrite": true}),
        b"better",
    ));
    peer.expect('K');
    assert_eq!(peer.get("in/scans/s.pdf"), b"better");
    assert_eq!(
        peer.ask('F', &json!({"path": "in/scans/s.pdf"})).letter,
        'K'
    );
}

#[test]
fn an_upload_into_a_drop_box_that_was_cut_goes_on_and_shows_to_nobody() {
    let server = serve("");
    let content = noise(3 * MIB, 2);
    let mut ftp = Ftp::enter(&server.addresses[1], "all");
    let mut data = ftp.begin("STOR in/scans/cut").expect("data");
    std::io::Write::write_all(&mut data, &content[..2 * MIB]).expect("send");
    eventually("all of it came", || {
        let kept = super::parity::on_the_way(&server);
        kept.iter().any(|path| {
            path.metadata()
                .is_ok_and(|facts| facts.len() >= 2 * MIB as u64)
        })
    });
    drop(data);
    drop(ftp);
    eventually("its session is over", || server.children().is_empty());
    let folder = server.library().join("in/scans");
    assert_eq!(std::fs::read_dir(&folder).expect("box").count(), 0);
    // Somebody else was faster with the name, and the writer learns nothing of it.
    let mut other = drive(&server, "reader");
    other.send(&put(json!({"path": "in/scans/cut"}), b"another's"));
    other.expect('K');
    let mut ftp = Ftp::enter(&server.addresses[1], "all");
    ftp.expect("TYPE I", 200);
    let size: usize = ftp
        .expect("SIZE in/scans/cut", 213)
        .text()
        .parse()
        .expect("size");
    assert!((MIB..=2 * MIB).contains(&size), "{size}");
    ftp.expect("SIZE in/scans/none", 550);
    ftp.expect(&format!("REST {size}"), 350);
    let stored = ftp.store("STOR in/scans/cut", &content[size..]);
    assert!(stored.text().ends_with("FILE: cut-1"), "{stored:?}");
    assert!(std::fs::read(folder.join("cut-1")).expect("file") == content);
    // The same by the drive, which begins anew elsewhere while another of that name is under way.
    let mut peer = drive(&server, "all");
    peer.send(&request('P', &json!({"path": "in/scans/two"})));
    peer.send(&frame('D', &content[..MIB]));
    eventually("it has begun", || {
        !super::parity::on_the_way(&server).is_empty()
    });
    let mut twin = drive(&server, "all");
    twin.send(&put(json!({"path": "in/scans/two"}), &content));
    assert_eq!(twin.expect('K').json().get("name"), None);
    drop(peer);
    eventually("the first is over", || server.children().len() == 3);
    let mut http = Http::of(&server.addresses[2], "all");
    let kept = http.ask("HEAD", "/in/scans/two?upload", "");
    assert_eq!(
        (kept.code, kept.field("upload-offset")),
        (204, Some("1048576"))
    );
}

#[test]
fn what_lies_in_a_drop_box_cannot_be_shared_nor_guessed_by_conditions() {
    let server = serve("");
    let folder = server.library().join("in/scans");
    let mut reader = drive(&server, "reader");
    reader.send(&put(json!({"path": "in/scans/secret"}), b"secret"));
    reader.expect('K');
    let mut http = Http::of(&server.addresses[2], "all");
    let lines = "Content-Type: application/json\r\n";
    let body = br#"{"path": "in/scans/secret"}"#;
    assert_eq!(http.pass("POST", "/-/shares", lines, body).code, 403);
    let mut readers = Http::of(&server.addresses[2], "reader");
    let made = readers.pass("POST", "/-/shares", lines, body);
    assert_eq!(made.code, 201, "{made:?}");
    for name in ["secret", "nothing"] {
        for condition in [
            "If-Match: *",
            "If-Match: \"x\"",
            "If-None-Match: \"x\"",
            "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            let target = format!("/in/scans/{name}");
            let refused = http.pass("PUT", &target, &format!("{condition}\r\n"), b"new");
            assert_eq!(refused.code, 403, "{name} {condition}: {refused:?}");
        }
    }
    assert_eq!(std::fs::read_dir(&folder).expect("box").count(), 1);
    let new = http.pass("PUT", "/in/scans/secret", "If-None-Match: *\r\n", b"new");
    assert_eq!(new.field("location"), Some("/in/scans/secret-1"));
    // With a slash or without, a page says what can be done there and shows nothing.
    assert_eq!(http.get("/in/scans").field("location"), Some("/in/scans/"));
    let page = http.ask("GET", "/in/scans/", "Accept: text/html\r\n");
    assert_eq!(page.code, 200);
    assert!(page.text().contains("<form") && !page.text().contains("secret"));
    let mut ftp = Ftp::enter(&server.addresses[1], "all");
    let facts = String::from_utf8(ftp.fetch("MLSD in").expect("listing")).expect("text");
    let line = facts
        .lines()
        .find(|line| line.ends_with(" scans"))
        .expect("the box");
    assert!(line.contains("perm=ce;"), "{line}");
}

#[test]
fn a_drop_box_that_cannot_be_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("folder");
    let mode = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).expect("chmod");
    let file = folder.path().join("f.toml");
    for (tables, word) in [
        ("[[drop_box]]\npath = \"/in\"", "below the library"),
        ("[[drop_box]]\npath = \"\"", "below the library"),
        (
            "[[drop_box]]\npath = \"a\"\nmode = \"0755\"",
            "nobody executes",
        ),
        ("[[drop_box]]\npath = \"a\"\nmode = \"0400\"", "0600"),
        (
            "[[drop_box]]\npath = \"a\"\ngroup = \"nobody-here\"",
            "no such group",
        ),
        (
            "[[drop_box]]\npath = \"a\"\nexpire_hours = 0",
            "expire_hours",
        ),
        ("[[drop_box]]\npath = \"a\"\nhook = \"none\"", "no [[hook]]"),
        (
            "[[drop_box]]\npath = \"a\"\n[[drop_box]]\npath = \"a/b\"",
            "no other",
        ),
        (
            "[[hook]]\nname = \"a\"\nrun = [\"/bin/true\"]\nuser = \"nobody\"",
            "spool_folder",
        ),
        (
            "spool_folder = \".\"\n[[hook]]\nname = \"a\"\nrun = [\"/bin/true\"]\nuser = \"nobody\"",
            "0700",
        ),
        (
            "spool_folder = \"a/b\"\n[[hook]]\nname = \"a\"\nrun = [\"/bin/true\"]\nuser = \"nobody\"",
            "the folder above",
        ),
        (
            "[[hook]]\nname = \"a b\"\nrun = [\"/bin/true\"]\nuser = \"nobody\"",
            "letters",
        ),
        (
            "[[drop_box]]\npath = \"a\"\nreader = \"x\"",
            "unknown field",
        ),
    ] {
        std::fs::write(&file, format!("library = \"l\"\n{tables}\n")).expect("write");
        let config = file.display().to_string();
        let (code, said) = run(&["check", "--no-secret", "--config", &config]);
        assert!(code != Some(0) && said.contains(word), "{tables}: {said}");
        assert!(said.contains("f.toml"), "{said}");
    }
}

#[test]
fn files_of_a_drop_box_belong_to_its_group() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // A number needs no name on this machine.
    let server = serve("group = \"4712\"\nmode = \"0660\"");
    let mut peer = drive(&server, "all");
    peer.send(&put(json!({"path": "in/scans/file"}), b"content"));
    peer.expect('K');
    let facts = server
        .library()
        .join("in/scans/file")
        .metadata()
        .expect("facts");
    assert_eq!((facts.gid(), facts.mode() & 0o7777), (4712, 0o660));
    let owner = server.library().metadata().expect("facts").uid();
    assert_eq!(facts.uid(), owner, "the server's user still");
}
