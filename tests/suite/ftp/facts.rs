//! Sizes, times, permissions and facts; and what the session says of itself.

use super::super::server::Server;
use super::{Ftp, server};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

fn fill(library: &Path) {
    std::fs::create_dir(library.join("folder")).expect("mkdir");
    std::fs::write(library.join("file"), "one\ntwo\r\n").expect("write");
    std::fs::write(library.join("20200229123456 odd"), "odd").expect("write");
    let large = std::fs::File::create(library.join("large")).expect("file");
    large.set_len(2 << 20).expect("length");
}

fn modified(server: &Server, name: &str) -> (i64, i64) {
    let facts = std::fs::metadata(server.library().join(name)).expect("facts");
    (facts.mtime(), facts.mtime_nsec())
}

#[test]
fn sizes_are_those_of_transfers() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "rita");
    assert_eq!(ftp.expect("SIZE file", 213), "213 9");
    assert_eq!(ftp.expect("SIZE large", 213), "213 2097152");
    ftp.expect("TYPE A", 200);
    assert_eq!(ftp.expect("SIZE file", 213), "213 10");
    assert_eq!(ftp.receive("RETR file"), b"one\r\ntwo\r\n");
    // Not without reading more of it than an answer is worth.
    assert!(ftp.expect("SIZE large", 550).contains("TYPE I"));
    for kind in ["TYPE I", "TYPE A"] {
        ftp.expect(kind, 200);
        for path in ["folder", "none", "/", ".forkftp"] {
            ftp.expect(format!("SIZE {path}"), 550);
        }
        ftp.expect("SIZE", 501);
    }
}

#[test]
fn times_are_shown_and_set() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "ann");
    let said = ftp.expect("MFMT 20200229123456 file", 213);
    assert_eq!(said, "213 Modify=20200229123456; file");
    assert_eq!(modified(&server, "file"), (1_582_979_696, 0));
    assert_eq!(ftp.expect("MDTM file", 213), "213 20200229123456");
    for (line, code, time) in [
        (
            "MFMT 20200229123456.25 file",
            213,
            (1_582_979_696, 250_000_000),
        ),
        ("MDTM 20210101000000 file", 213, (1_609_459_200, 0)),
        ("SITE UTIME 202002291234 file", 200, (1_582_979_640, 0)),
        ("site utime 20200229123456 file", 200, (1_582_979_696, 0)),
        (
            "SITE UTIME file 20210101000000 20210101000001 20210101000000 UTC",
            200,
            (1_609_459_201, 0),
        ),
    ] {
        ftp.expect(line, code);
        assert_eq!(modified(&server, "file"), time, "{line}");
    }
    // A file that has such a name is shown: it is what was asked for.
    let odd = modified(&server, "20200229123456 odd");
    let file = ftp.expect("MDTM 20200229123456 odd", 213);
    assert_eq!(file.len(), "213 YYYYMMDDHHMMSS".len(), "{file}");
    assert_eq!(modified(&server, "20200229123456 odd"), odd);
    for (line, code) in [
        ("MDTM folder", 550),
        ("MDTM none", 550),
        ("MDTM 20200229123456 none", 550),
        ("MDTM", 501),
        ("MFMT 20200229123456 folder", 550),
        ("MFMT 20200229123456 none", 550),
        ("MFMT 20200230123456 file", 501),
        ("MFMT file", 501),
        ("MFMT 20200229123456", 501),
        ("SITE UTIME file", 501),
        ("SITE UTIME 202002291234 none", 550),
    ] {
        ftp.expect(line, code);
    }
}

#[test]
fn permissions_are_set_as_far_as_serving_lets_them() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "ann");
    let mode = |name: &str| {
        let facts = std::fs::metadata(server.library().join(name)).expect("facts");
        facts.permissions().mode() & 0o7777
    };
    ftp.expect("SITE CHMOD 640 file", 200);
    assert_eq!(mode("file"), 0o640);
    ftp.expect("site chmod 0700 folder", 200);
    assert_eq!(mode("folder"), 0o700);
    for (line, code) in [
        ("SITE CHMOD 4755 file", 501),
        ("SITE CHMOD 000 file", 501),
        ("SITE CHMOD 600 folder", 501),
        ("SITE CHMOD u+x file", 501),
        ("SITE CHMOD 640", 501),
        ("SITE CHMOD", 501),
        ("SITE CHMOD 640 none", 550),
    ] {
        ftp.expect(line, code);
    }
    assert_eq!((mode("file"), mode("folder")), (0o640, 0o700));
    assert!(ftp.lines("LIST file")[0].starts_with("-rw-r----- "));
}

#[test]
fn facts_are_those_that_were_chosen() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "ann");
    ftp.expect("MFMT 20200229123456 file", 213);
    ftp.expect("CWD folder", 250);
    let said = ftp.ask("MLST ../file");
    assert_eq!((said.code, said.lines.len()), (250, 3));
    let line = String::from_utf8_lossy(&said.lines[1]).into_owned();
    let wanted = " type=file;size=9;modify=20200229123456;perm=adfrw;unique=";
    assert!(
        line.starts_with(wanted) && line.ends_with("; /file"),
        "{line}"
    );
    let of_folder = ftp.expect("MLST", 250);
    assert!(of_folder.contains("perm=flcdmpe;") && of_folder.contains("; /folder\n"));
    assert!(ftp.expect("MLST /", 250).contains("perm=lcmpe;"));
    ftp.expect("MLST none", 550);
    let said = ftp.expect("OPTS MLST size;nonsense;TYPE;", 200);
    assert_eq!(said, "200 MLST OPTS type;size;");
    assert!(
        ftp.expect("MLST /file", 250)
            .contains("\n type=file;size=9; /file\n")
    );
    let told = ftp.expect("FEAT", 211);
    let wanted = "\n MLST type*;size*;modify;perm;unique;UNIX.mode;\n";
    assert!(told.contains(wanted), "{told}");
    ftp.expect("CWD /", 250);
    assert!(
        ftp.lines("MLSD")
            .contains(&"type=file;size=9; file".to_owned())
    );
    ftp.expect("OPTS MLST", 200);
    assert!(ftp.expect("MLST file", 250).contains("\n  /file\n"));
}

#[test]
fn a_cut_upload_has_a_size_for_its_owner_alone() {
    let server = server(|_| ());
    let bytes = vec![7; 1_500_000];
    for user in ["ann", "dora"] {
        let mut ftp = Ftp::log_in(&server, user);
        let name = format!("{user}.bin");
        ftp.expect("ALLO 2000000", 200);
        let mut data = ftp.data();
        ftp.expect(format!("STOR {name}"), 150);
        data.write_all(&bytes).expect("data");
        drop(data);
        assert_eq!(ftp.reply().code, 426);
        assert_eq!(ftp.expect(format!("SIZE {name}"), 213), "213 1500000");
        let mut other = Ftp::log_in(&server, "bob");
        other.expect(format!("SIZE {name}"), 550);
        other.expect(format!("MLST {name}"), 550);
        ftp.expect("TYPE A", 200);
        ftp.expect(format!("SIZE {name}"), 550);
        ftp.expect("TYPE I", 200);
        ftp.expect("REST 1500000", 350);
        assert_eq!(ftp.store(format!("STOR {name}"), &[8; 500_000]), 226);
        let stored = std::fs::read(server.library().join(&name)).expect("stored");
        assert_eq!(stored.len(), 2_000_000);
        assert!(stored.starts_with(&bytes) && stored.ends_with(&[8; 500_000]));
        // Once it is there, whoever may not look does not learn its size.
        let said = ftp.ask(format!("SIZE {name}")).code;
        assert_eq!(said, if user == "dora" { 550 } else { 213 });
    }
}

#[test]
fn the_session_says_what_is_true() {
    let server = server(fill);
    let mut ftp = Ftp::connect(&server);
    let before = ftp.expect("FEAT", 211);
    for wanted in [
        "EPSV",
        "HASH BLAKE3;MD5;SHA-256*",
        "REST STREAM",
        "TVFS",
        "UTF8",
    ] {
        assert!(before.contains(&format!("\n {wanted}\n")), "{before}");
    }
    for absent in ["AUTH", "PROT", "EPRT", "HOST"] {
        assert!(!before.contains(&format!("\n {absent}")), "{before}");
    }
    for line in ["SITE HELP", "STAT", "AVBL", "RANG 1 2", "OPTS HASH MD5"] {
        assert!([530, 501].contains(&ftp.ask(line).code), "{line}");
    }
    ftp.expect("USER ann", 331);
    ftp.expect("PASS pencil", 230);
    assert_eq!(ftp.expect("FEAT", 211), before);
    let room = ftp.expect("AVBL", 213);
    let room: u64 = room["213 ".len()..].parse().expect("a number");
    assert!(room > 0);
    for (line, code) in [
        ("AVBL folder", 213),
        ("AVBL none", 550),
        ("ACCT x", 202),
        ("REIN", 502),
        ("USER bob", 503),
        ("PASS pencil", 503),
        ("TYPE", 501),
        ("SITE", 501),
        ("SITE EXEC ls", 504),
        ("SITE IDLE", 200),
        ("SITE IDLE 86400", 504),
        ("SITE HELP", 214),
        ("OPTS UTF8 ON", 200),
        ("OPTS NONSENSE", 501),
    ] {
        ftp.expect(line, code);
    }
    let help = ftp.expect("HELP", 214);
    for verb in ["LIST", "XSHA256", "SITE", "RNTO", "ACCT"] {
        assert!(help.contains(verb), "{verb}: {help}");
    }
    let mut dora = Ftp::log_in(&server, "rita");
    dora.expect("AVBL", 550);
}
