//! HASH, XCRC and their kind: of whole files and of parts, known values; and RANG, which RETR heeds as well.

use super::{Ftp, server};
use std::path::Path;

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const BLAKE3: &str = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
const CRC32: &str = "352441c2";

fn fill(library: &Path) {
    std::fs::create_dir(library.join("folder")).expect("mkdir");
    std::fs::write(library.join("abc"), "abc").expect("write");
    std::fs::write(library.join("xabcx"), "xabcx").expect("write");
    std::fs::write(library.join("say \"abc\" 1 2"), "abc").expect("write");
    std::fs::write(library.join("empty"), "").expect("write");
    // What takes minutes to read.
    let huge = std::fs::File::create(library.join("huge")).expect("file");
    huge.set_len(1 << 40).expect("length");
}

#[test]
fn known_values_of_abc() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "rita");
    assert_eq!(ftp.expect("OPTS HASH", 200), "200 SHA-256");
    for (name, hex) in [("MD5", MD5), ("BLAKE3", BLAKE3), ("SHA-256", SHA256)] {
        assert_eq!(
            ftp.expect(format!("OPTS HASH {name}"), 200),
            format!("200 {name}")
        );
        let told = ftp.expect("FEAT", 211);
        assert!(told.contains(&format!("{name}*")), "{told}");
        let expected = |part, name: &str, file| format!("213 {name} {part} {hex} {file}");
        assert_eq!(ftp.expect("HASH abc", 213), expected("0-3", name, "abc"));
        ftp.expect("RANG 1 3", 350);
        assert_eq!(
            ftp.expect("HASH /xabcx", 213),
            expected("1-4", name, "/xabcx")
        );
        // It held for one command.
        assert!(
            ftp.expect("HASH xabcx", 213)
                .starts_with(&format!("213 {name} 0-5 "))
        );
    }
    assert!(ftp.expect("OPTS HASH sha-1", 501).contains("none"));
    assert_eq!(ftp.expect("OPTS HASH", 200), "200 SHA-256");
    for (verb, hex) in [("XCRC", CRC32), ("XMD5", MD5), ("XSHA256", SHA256)] {
        for argument in [
            "abc",
            "\"abc\"",
            "\"abc\" 0",
            "\"abc\" 0 3",
            "\"xabcx\" 1 4",
            "say \"abc\" 1 2",
            "\"say \"\"abc\"\" 1 2\"",
        ] {
            let said = ftp.expect(format!("{verb} {argument}"), 250);
            assert_eq!(said, format!("250 {hex}"), "{verb} {argument}");
        }
        for (argument, code) in [
            ("none", 550),
            ("folder", 550),
            ("", 501),
            ("\"abc\" 4", 554),
            ("\"abc\" 0 4", 554),
            ("\"abc\" 2 1", 554),
        ] {
            ftp.expect(format!("{verb} {argument}").trim_end(), code);
        }
    }
    assert_eq!(ftp.expect("XCRC empty", 250), "250 00000000");
    assert!(ftp.expect("HASH empty", 213).contains(" 0-0 e3b0c442"));
    for (line, code) in [("HASH none", 550), ("HASH folder", 550), ("HASH", 501)] {
        ftp.expect(line, code);
    }
    ftp.expect("RANG 2 9", 350);
    ftp.expect("HASH abc", 554);
}

#[test]
fn a_kept_digest_is_that_of_the_file() {
    let server = server(fill);
    let path = server.library().join("large");
    let mut ftp = Ftp::log_in(&server, "ann");
    let bytes = vec![b'a'; 1_000_000];
    assert_eq!(ftp.store("STOR large", &bytes), 226);
    // FIPS 180-4's third example.
    let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    for _ in 0..2 {
        assert!(ftp.expect("HASH large", 213).contains(expected));
        assert_eq!(ftp.expect("XSHA256 large", 250), format!("250 {expected}"));
    }
    // Whatever was kept is not told of another content.
    let mut changed = bytes;
    changed[500_000] = b'b';
    std::fs::write(path, changed).expect("write");
    assert!(!ftp.expect("HASH large", 213).contains(expected));
}

#[test]
fn a_part_of_a_file_is_sent() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "ann");
    for (range, expected) in [("1 3", "abc"), ("3 99", "cx"), ("0 0", "x"), ("5 9", "")] {
        ftp.expect(format!("RANG {range}"), 350);
        assert_eq!(ftp.receive("RETR xabcx"), expected.as_bytes(), "{range}");
    }
    assert_eq!(ftp.receive("RETR xabcx"), b"xabcx", "for one command");
    for (first, last) in [
        ("RANG 1 3", "RANG 1 0"),
        ("RANG 1 3", "PWD"),
        ("REST 2", "PWD"),
    ] {
        ftp.expect(first, 350);
        ftp.ask(last);
        assert_eq!(ftp.receive("RETR xabcx"), b"xabcx", "{last}");
    }
    ftp.expect("RANG 6 7", 350);
    ftp.refused("RETR xabcx", 554);
    for line in ["RANG", "RANG 1", "RANG a b", "RANG -1 2", "RANG 1 2 3"] {
        ftp.expect(line, 501);
    }
    ftp.expect("RANG 1 3", 350);
    ftp.refused("STOR abc", 501);
    assert_eq!(
        std::fs::read(server.library().join("abc")).expect("file"),
        b"abc"
    );
    ftp.expect("TYPE A", 200);
    ftp.expect("RANG 1 3", 350);
    ftp.refused("RETR xabcx", 501);
}

#[test]
fn a_long_sum_is_given_up_when_the_client_says_so() {
    let server = server(fill);
    let mut ftp = Ftp::log_in(&server, "rita");
    for line in ["HASH huge", "XCRC huge", "XMD5 huge"] {
        ftp.send(line);
        ftp.expect("STAT", 213);
        ftp.expect("ABOR", 426);
        assert_eq!(ftp.reply().code, 226);
        ftp.expect("NOOP", 200);
    }
    // Nobody sums up for a client that has gone.
    ftp.send("HASH huge");
    ftp.expect("STAT", 213);
    drop(ftp);
    server.wait_for("lost");
}
