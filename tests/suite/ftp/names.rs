//! The working folder, and names that are made, changed and freed: what happens on the disk, and what does not.

use super::super::server::{Server, eventually};
use super::{CONFIG, EVERYTHING, Ftp, server};
use std::path::Path;

fn fill(library: &Path) {
    std::fs::create_dir_all(library.join("full/sub")).expect("mkdir");
    std::fs::create_dir(library.join("empty")).expect("mkdir");
    for (name, content) in [("file", "old"), ("other", "new"), ("full/file", "inside")] {
        std::fs::write(library.join(name), content).expect("write");
    }
}

fn content(server: &Server, name: &str) -> Option<String> {
    std::fs::read_to_string(server.library().join(name)).ok()
}

fn is_folder(server: &Server, name: &str) -> bool {
    server.library().join(name).is_dir()
}

#[test]
fn the_working_folder_is_never_above_the_root() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "rita");
    for (line, folder) in [
        ("CWD full", "/full"),
        ("XCWD sub/", "/full/sub"),
        ("CDUP", "/full"),
        ("CWD ./sub/../../empty", "/empty"),
        ("XCUP", "/"),
        ("CDUP", "/"),
        ("CWD ../../..", "/"),
        ("CWD //full//sub", "/full/sub"),
        ("CWD /", "/"),
    ] {
        ftp.expect(line, 250);
        for verb in ["PWD", "XPWD"] {
            let said = ftp.expect(verb, 257);
            assert!(
                said.starts_with(&format!("257 \"{folder}\" ")),
                "{line}: {said}"
            );
        }
    }
    for line in ["CWD none", "CWD file", "CWD .forkftp", "CWD full/file/x"] {
        ftp.expect(line, 550);
    }
    ftp.expect("CWD", 501);
    // A folder that has gone is said to have gone; from there there is a way up.
    ftp.expect("CWD empty", 250);
    std::fs::remove_dir(server.library().join("empty")).expect("rmdir");
    ftp.refused("LIST", 550);
    ftp.expect("CDUP", 250);
}

#[test]
fn folders_are_made_and_only_empty_ones_removed() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "ann");
    let said = ftp.expect("MKD say \"x\"", 257);
    assert!(said.starts_with("257 \"/say \"\"x\"\"\" "), "{said}");
    assert!(is_folder(&server, "say \"x\""));
    ftp.expect("CWD full", 250);
    assert!(ftp.expect("XMKD a", 257).starts_with("257 \"/full/a\" "));
    for (line, code) in [
        ("MKD a", 550),
        ("MKD none/b", 550),
        ("MKD file/b", 550),
        ("MKD .b", 553),
        ("MKD /", 550),
        ("MKD", 501),
        ("RMD /full", 550),
        ("RMD none", 550),
        ("RMD file", 550),
        ("RMD /", 550),
        ("RMD", 501),
        ("DELE a", 550),
        ("DELE none", 550),
        ("DELE", 501),
    ] {
        ftp.expect(line, code);
    }
    assert!(is_folder(&server, "full/a"), "DELE is for files");
    assert!(
        content(&server, "full/file").is_some(),
        "RMD is for folders"
    );
    ftp.expect("RMD a", 250);
    ftp.expect("DELE file", 250);
    ftp.expect("XRMD sub", 250);
    ftp.expect("RMD ../full", 250);
    assert!(!is_folder(&server, "full"));
}

#[test]
fn a_name_is_taken_only_by_who_may_overwrite() {
    let server = server(fill);
    let mut bob = Ftp::log_in(&server, "bob");
    for taken in ["other", "empty", "full"] {
        bob.expect("RNFR file", 350);
        bob.expect(format!("RNTO {taken}"), 553);
    }
    assert_eq!(content(&server, "other").as_deref(), Some("new"));
    assert_eq!(content(&server, "file").as_deref(), Some("old"));
    bob.expect("RNFR file", 350);
    bob.expect("RNTO full/moved", 250);
    assert_eq!(content(&server, "full/moved").as_deref(), Some("old"));
    let mut ann = Ftp::log_in(&server, "ann");
    ann.expect("RNFR full/moved", 350);
    ann.expect("RNTO other", 250);
    assert_eq!(content(&server, "other").as_deref(), Some("old"));
    assert_eq!(content(&server, "full/moved"), None);
    // Folders are never replaced, nor by folders.
    for (from, to) in [("other", "empty"), ("empty", "full"), ("empty", "other")] {
        ann.expect(format!("RNFR {from}"), 350);
        ann.expect(format!("RNTO {to}"), 553);
    }
    assert!(is_folder(&server, "empty") && is_folder(&server, "full"));
    ann.expect("RNFR full", 350);
    ann.expect("RNTO full/sub/below", 553);
    ann.expect("RNFR /", 350);
    ann.expect("RNTO root", 550);
}

#[test]
fn rnto_comes_right_after_rnfr() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "ann");
    ftp.expect("RNTO x", 503);
    for between in ["NOOP", "PWD", "RNFR none", "TYPE I", "EPSV"] {
        ftp.expect("RNFR file", 350);
        ftp.ask(between);
        ftp.expect("RNTO x", 503);
    }
    ftp.expect("RNFR file", 350);
    ftp.expect("RNTO", 501);
    ftp.expect("RNTO x", 503);
    assert_eq!(content(&server, "file").as_deref(), Some("old"));
    assert_eq!(content(&server, "x"), None);
}

#[test]
fn whoever_may_not_learns_nothing_and_changes_nothing() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "rita");
    for path in ["file", "none", "full", "empty", ".forkftp", "new"] {
        for verb in [
            "DELE",
            "RMD",
            "MKD",
            "RNFR",
            "MFMT 20200101000000",
            "SITE CHMOD 600",
            "SITE UTIME 20200101000000",
        ] {
            let said = ftp.expect(format!("{verb} {path}"), 550);
            assert_eq!(said, "550 permission denied", "{verb} {path}");
        }
    }
    assert!(is_folder(&server, "empty") && content(&server, "file").is_some());
    assert!(!is_folder(&server, "new"));
}

#[test]
fn a_removed_file_is_in_the_log_and_no_longer_in_the_quota() {
    let config = format!("vsftpd_log = \"ftp.log\"\n{CONFIG}");
    let keys = format!("{EVERYTHING}\nquota_files = 1");
    let server = Server::configured(&config, &[("ann", "pencil", &keys)], |_| ());
    let mut ftp = Ftp::log_in(&server, "ann");
    assert_eq!(ftp.store("STOR one", b"1"), 226);
    assert_eq!(ftp.store("STOR two", b"2"), 552);
    ftp.expect("DELE two", 550);
    ftp.expect("DELE one", 250);
    assert_eq!(ftp.store("STOR two", b"2"), 226);
    // What replaces another takes its place: then there is room for one more.
    ftp.expect("DELE two", 250);
    eventually("what was removed is logged", || {
        let log = std::fs::read_to_string(server.folder().join("ftp.log")).unwrap_or_default();
        log.contains("[ann] OK DELETE: Client \"127.0.0.1\", \"/one\"")
            && log.contains("[ann] FAIL DELETE: Client \"127.0.0.1\", \"/two\"")
    });
    // How much room there is, the quota decides.
    ftp.expect("AVBL", 550);
}
