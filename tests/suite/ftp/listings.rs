//! What is listed, in each of the ways there are, to whom, and in how much memory.

use super::super::server::Server;
use super::{Ftp, server};
use std::collections::BTreeSet;
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Entries of a folder that no buffer holds, whose names are this long.
const MANY: usize = 20_000;
const LONG: usize = 240;

fn fill(library: &Path) {
    std::fs::create_dir_all(library.join("sub/deep")).expect("mkdir");
    std::fs::create_dir(library.join("empty")).expect("mkdir");
    std::fs::create_dir(library.join(".hidden")).expect("mkdir");
    for name in [
        &b"one.txt"[..],
        b"two words.txt",
        "gr\u{fc}n.txt".as_bytes(),
        b"latin \xfc",
        b".dot",
        b"new\r\n226 line",
        b"sub/inside",
        b"sub/deep/bottom",
    ] {
        std::fs::write(library.join(std::ffi::OsStr::from_bytes(name)), "12345").expect("write");
    }
    std::os::unix::fs::symlink("/etc/passwd", library.join("link")).expect("symlink");
}

/// The last column of `ls -l`: what follows the eighth.
fn names(lines: &[String]) -> Vec<&str> {
    let name = |line: &'_ str| {
        let columns = line.split_whitespace().take(8);
        columns.fold(0, |at, word| {
            at + line[at..].find(word).expect("a column") + word.len()
        }) + 1
    };
    let mut names: Vec<_> = lines.iter().map(|line| &line[name(line)..]).collect();
    names.sort_unstable();
    names
}

const SHOWN: [&str; 6] = [
    "empty",
    "gr\u{fc}n.txt",
    "latin \u{fffd}",
    "one.txt",
    "sub",
    "two words.txt",
];

#[test]
fn each_way_shows_what_is_served_and_nothing_else() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "rita");
    for line in [
        "LIST",
        "LIST -la",
        "LIST -aL .",
        "LIST /",
        "LIST *",
        "LIST  ",
    ] {
        assert_eq!(names(&ftp.lines(line)), SHOWN, "{line}");
    }
    for line in ["NLST", "NLST -la", "NLST .", "NLST *", "LIST -1"] {
        assert_eq!(ftp.lines(line), SHOWN, "{line}");
    }
    let listed = ftp.lines("LIST one.txt");
    assert_eq!(listed.len(), 1);
    assert!(listed[0].starts_with("-rw") && listed[0].ends_with(" one.txt"));
    assert_eq!(listed[0].split_whitespace().nth(4), Some("5"), "{listed:?}");
    assert!(ftp.lines("LIST -d sub")[0].starts_with("drwx"));
    // Names are what is to be asked for next.
    assert_eq!(ftp.lines("NLST one.txt"), ["one.txt"]);
    assert_eq!(ftp.lines("NLST /one.txt"), ["/one.txt"]);
    assert_eq!(ftp.lines("NLST sub"), ["sub/deep", "sub/inside"]);
    assert_eq!(ftp.lines("NLST /sub/"), ["/sub/deep", "/sub/inside"]);
    assert_eq!(
        ftp.lines("NLST -R sub"),
        ["sub/deep", "sub/deep/bottom", "sub/inside"]
    );
    assert_eq!(ftp.lines("NLST sub/i*"), ["sub/inside"]);
    assert_eq!(ftp.lines("NLST gr?n.*"), ["gr\u{fc}n.txt"]);
    assert_eq!(names(&ftp.lines("LIST sub/*")), ["deep", "inside"]);
    for line in ["LIST empty", "NLST empty", "LIST .h*", "NLST .*", "NLST x*"] {
        assert!(ftp.receive(line).is_empty(), "{line}");
    }
    // For programs: the folder itself comes first, and facts end at the blank.
    let listed = ftp.receive("MLSD");
    let mut facts: Vec<_> = listed.split(|&b| b == b'\n').collect();
    assert_eq!(facts.pop(), Some(&b""[..]));
    let first = String::from_utf8_lossy(facts[0]).into_owned();
    assert!(first.starts_with("type=cdir;") && first.ends_with("; .\r"));
    assert_eq!(facts.len(), 1 + SHOWN.len());
    for facts in &facts[1..] {
        let line = String::from_utf8_lossy(facts).into_owned();
        let (facts, name) = line.trim_end().split_once("; ").expect("a blank");
        assert!(SHOWN.contains(&name), "{line}");
        let is_folder = ["empty", "sub"].contains(&name);
        let (kind, perm) = if is_folder {
            ("dir", "le")
        } else {
            ("file", "r")
        };
        assert!(facts.starts_with(&format!("type={kind};")), "{line}");
        assert!(facts.contains(&format!("perm={perm};")), "{line}");
        assert_eq!(facts.contains("size=5;"), !is_folder, "{line}");
    }
    for line in [
        "LIST none",
        "NLST none",
        "MLSD none",
        "LIST .hidden",
        "LIST none/*",
    ] {
        ftp.refused(line, 550);
    }
    ftp.refused("MLSD one.txt", 501);
    // What was opened for it is used up.
    assert!(ftp.expect("LIST", 425).contains("EPSV"));
}

#[test]
fn folders_below_have_headings_as_ls_has_them() {
    let server = server(|library| {
        std::fs::create_dir_all(library.join("a/b/c")).expect("mkdir");
        std::fs::write(library.join("a/b/c/file"), "").expect("write");
    });
    let mut ftp = Ftp::log_in(&server, "rita");
    let shape = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).expect("text");
        let last = |line: &str| line.rsplit(' ').next().unwrap_or_default().to_owned();
        text.split("\r\n").map(last).collect::<Vec<_>>().join(" ")
    };
    let whole = ".: a  ./a: b  ./a/b: c  ./a/b/c: file ";
    assert_eq!(shape(ftp.receive("LIST -R")), whole);
    assert_eq!(shape(ftp.receive("LIST -lR a/b/")), "a/b: c  a/b/c: file ");
    assert_eq!(shape(ftp.receive("LIST -R /a/b/c")), "/a/b/c: file ");
    // As deep as the library is walked, and no deeper: the client is told.
    let mut deep = server.library().join("deep");
    for _ in 0..130 {
        std::fs::create_dir(&deep).expect("mkdir");
        deep.push("d");
    }
    let mut data = ftp.data();
    ftp.expect("LIST -R deep", 150);
    let mut listed = Vec::new();
    data.read_to_end(&mut listed).expect("data");
    let reply = ftp.reply();
    assert_eq!(reply.code, 550, "{}", reply.text());
    assert!(reply.text().contains("deep"), "{}", reply.text());
}

/// The most memory that the server's only child has had so far, in KiB.
fn peak(server: &Server) -> u64 {
    let child = server.children();
    assert_eq!(child.len(), 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child[0])).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.expect("VmHWM").trim().trim_end_matches(" kB");
    line.parse().expect("a number")
}

fn many(library: &Path) {
    for n in 0..MANY {
        std::fs::File::create(library.join(format!("{n:0LONG$}"))).expect("file");
    }
}

#[test]
fn many_entries_take_no_more_memory_than_few() {
    let server = server(many);
    let mut ftp = Ftp::log_in(&server, "rita");
    // What it takes once, however little is listed.
    for line in ["LIST x*", "NLST x*", "LIST -R none*"] {
        assert!(ftp.receive(line).is_empty());
    }
    let before = peak(&server);
    let wanted: BTreeSet<String> = (0..MANY).map(|n| format!("{n:0LONG$}")).collect();
    let found: BTreeSet<String> = ftp.lines("NLST").into_iter().collect();
    assert!(found == wanted, "{} names", found.len());
    assert_eq!(ftp.lines("LIST").len(), MANY);
    assert_eq!(ftp.lines("MLSD").len(), MANY + 1);
    assert_eq!(ftp.lines("LIST -R").len(), MANY + 1);
    let said = ftp.ask("STAT /");
    assert_eq!((said.code, said.lines.len()), (212, MANY + 2));
    let grown = peak(&server).saturating_sub(before);
    // All names are more than four times that.
    assert!(grown < 1024, "{grown} KiB more");
}

/// A data connection of a client that takes little before it reads.
fn narrow(ftp: &mut Ftp) -> TcpStream {
    let said = ftp.expect("EPSV", 229);
    let port: u16 = said
        .split('|')
        .nth(3)
        .expect("a port")
        .parse()
        .expect("a port");
    crate::parity::client::narrow(([127, 0, 0, 1], port).into())
}

#[test]
fn a_listing_is_given_up_when_the_client_says_so() {
    let server = server(many);
    let mut ftp = Ftp::log_in(&server, "rita");
    let data = narrow(&mut ftp);
    ftp.expect("LIST", 150);
    // It is asked how it goes, too, and waits with everything else.
    ftp.expect("STAT", 213);
    ftp.send("PWD");
    assert_eq!(ftp.ask("ABOR").code, 426);
    assert_eq!(ftp.reply().code, 226);
    assert_eq!(ftp.reply().code, 257);
    drop(data);
    assert_eq!(ftp.lines("NLST").len(), MANY, "the session goes on");
    // Whoever closes the data connection hears of it, and goes on as well.
    let data = narrow(&mut ftp);
    ftp.expect("LIST", 150);
    drop(data);
    assert_eq!(ftp.reply().code, 426);
    assert_eq!(ftp.lines("NLST 00*1").len(), MANY / 10);
}

#[test]
fn status_is_told_of_the_session_and_of_paths() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "ann");
    ftp.expect("CWD sub", 250);
    let said = ftp.expect("STAT", 211);
    for wanted in [
        "User: ann",
        "/sub",
        "I (bytes)",
        "not encrypted",
        "127.0.0.1",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let said = ftp.ask("STAT /");
    assert_eq!((said.code, said.lines.len()), (212, SHOWN.len() + 2));
    let said = ftp.ask("STAT -l inside");
    assert_eq!((said.code, said.lines.len()), (213, 3));
    assert!(said.lines[1].ends_with(b" inside") && said.lines[1].starts_with(b"-rw"));
    assert_eq!(ftp.ask("STAT d*").lines.len(), 3);
    ftp.expect("STAT none", 550);
    // STAT comes between REST and what it is for.
    ftp.expect("REST 3", 350);
    ftp.expect("STAT", 211);
    assert_eq!(ftp.receive("RETR inside"), b"45");
}

#[test]
fn who_may_not_list_learns_nothing() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "dora");
    for path in ["", " sub", " one.txt", " none", " .hidden", " *"] {
        for verb in ["LIST", "NLST", "MLSD"] {
            let said = ftp.refused(format!("{verb}{path}"), 550);
            assert_eq!(said, "550 permission denied", "{verb}{path}");
        }
    }
    for path in ["sub", "one.txt", "none", ".hidden"] {
        for verb in [
            "MLST", "STAT", "SIZE", "MDTM", "HASH", "XMD5", "RNFR", "DELE",
        ] {
            let said = ftp.expect(format!("{verb} {path}"), 550);
            assert_eq!(said, "550 permission denied", "{verb} {path}");
        }
    }
    // It may go to where it is to put something, and finds out about folders by that and no more.
    ftp.expect("CWD sub/deep", 250);
    ftp.expect("CDUP", 250);
    assert!(ftp.expect("PWD", 257).starts_with("257 \"/sub\" "));
    for path in [
        "inside",
        "none",
        "/.hidden",
        "/.forkftp",
        "/one.txt/below",
        "/link",
    ] {
        let said = ftp.expect(format!("CWD {path}"), 550);
        assert_eq!(said, "550 there is no such folder", "{path}");
    }
    assert_eq!(ftp.store("STOR new", b"12345"), 226);
    assert!(server.library().join("sub/new").exists());
}
