//! Lines as nobody would write them, through everything that reads a client's bytes. Run by the tests alone; how
//! long, and how to repeat what failed, stands in `wire::dice`.

use super::facts::{Entry, Facts};
use super::line::{LONGEST_LINE, Line, Lines};
use super::{ascii, command, glob, listing, path, reply};
use crate::wire::dice::{Dice, rounds};
use crate::wire::path::{RelPath, is_served_name};

/// What is mutated: a line of each kind.
const CORPUS: &[&[u8]] = &[
    b"USER anonymous",
    b"PASS guest@example.org",
    b"PORT 192,0,2,1,24,131",
    b"EPRT |2|1080::8:800:200C:417A|5282|",
    b"EPRT |1|132.235.1.2|6275|",
    b"EPSV ALL",
    b"TYPE A N",
    b"TYPE L 8",
    b"REST 18446744073709551615",
    b"ALLO 500000 R 80",
    b"RANG 0 99",
    b"MDTM 20260501134507.123 a b",
    b"MFMT 20000229235960 a",
    b"SITE UTIME a b 20200101000000 20260501134507 20210101000000 UTC",
    b"SITE CHMOD 644 a",
    b"LIST -laR -- -x*?/../*.txt",
    b"OPTS MLST type;size;modify;perm;unique;UNIX.mode;",
    b"XCRC \"a b\" 5 9",
    b"CWD ../../.hidden//./a\xfc",
    b"GET / HTTP/1.1",
    b"\xff\xf4\xff\xf2ABOR",
    b"\xff\xfa\x18\x01\xff\xf0NOOP",
];

/// Bytes that mean something to somebody.
const SPECIAL: &[u8] = b"\r\n\0\xff\xf0\xfa\xfb\xf2 \t.-/|,;*?\"0189\x7f\x1b\xc3\xbc";

fn line(dice: &mut Dice) -> Vec<u8> {
    let mut line = match dice.below(8) {
        0 => dice.bytes(60),
        1 => vec![dice.byte(); LONGEST_LINE - 3 + dice.below(6)],
        _ => dice.one_of(CORPUS).to_vec(),
    };
    dice.spoil(&mut line);
    line
}

#[test]
fn lines_as_nobody_would_write_them() {
    let mut dice = Dice::new(SPECIAL);
    let (mut lines, mut cwd, mut made, mut understood) = (Lines::new(), RelPath::root(), 0, 0);
    for _ in rounds(20_000) {
        let mut rest = line(&mut dice);
        rest.extend_from_slice(if dice.below(4) == 0 { b"\n" } else { b"\r\n" });
        made += 1;
        while !rest.is_empty() {
            let room = lines.room();
            assert!(!room.is_empty(), "no line waits, so there is room");
            let n = rest.len().min(room.len()).min(1 + dice.below(rest.len()));
            room[..n].copy_from_slice(&rest[..n]);
            lines.filled(n);
            rest.drain(..n);
            while let Some(line) = lines.next() {
                if let Line::Command(line) = line {
                    assert!(line.len() <= LONGEST_LINE && !line.contains(&b'\n'));
                    understood += u64::from(read(&line, &mut cwd));
                }
            }
        }
        // Telnet may have swallowed all there is until its end, which need never come.
        if dice.below(20) == 0 {
            lines.clear();
        }
    }
    assert!(
        understood > made / 10,
        "most lines are made of some that are understood"
    );
}

/// True when the line is a command.
fn read(line: &[u8], cwd: &mut RelPath) -> bool {
    let _ = command::is_http(line);
    one_line(&reply::reply(500, line));
    let Some(said) = command::parse(line) else {
        return false;
    };
    assert!((1..=command::LONGEST_VERB).contains(&said.verb.len()));
    assert!(
        said.verb
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    );
    let argument = said.argument.as_slice();
    let (_, deeper) = command::split_word(argument);
    for argument in [argument, deeper] {
        let _ = (
            command::host_port(argument),
            command::extended_port(argument),
        );
        let _ = (
            command::epsv_argument(argument),
            command::offset(argument),
            command::allo(argument),
        );
        let _ = (
            command::range(argument),
            command::transfer_type(argument),
            command::stamp(argument),
        );
        let _ = (
            command::mdtm_argument(argument),
            command::checksum_argument(argument),
        );
        for (_, path) in command::mfmt(argument)
            .into_iter()
            .chain(command::utime(argument))
        {
            assert!(!path.is_empty() && argument.windows(path.len()).any(|part| part == path));
        }
        assert!(argument.ends_with(command::list_argument(argument).path));
        show(argument);
        if let Ok(path) = path::resolve(cwd, argument) {
            let parts = || path.as_bytes().split(|&b| b == b'/');
            assert!(path.is_root() || parts().all(is_served_name));
            *cwd = if parts().count() > 20 {
                RelPath::root()
            } else {
                path
            };
        }
    }
    true
}

/// What a name or a pattern of a stranger's becomes in replies and listings.
fn show(name: &[u8]) {
    one_line(&reply::reply(257, reply::quoted_path(name)));
    let entry = Entry {
        is_folder: false,
        size: u64::MAX,
        modified: (i64::MAX, 0),
        mode: u32::MAX,
        links: u64::MAX,
        unique: (u64::MAX, u64::MAX),
        perm: "r",
    };
    let mut out = Vec::new();
    listing::write(&mut out, 0, &entry, name);
    one_line(&out);
    out.clear();
    Facts::parse(name).write(&mut out, &entry, name);
    one_line(&out);
    if let Some((_, pattern)) = glob::is_pattern(name) {
        let _ = glob::matches(pattern, name);
    }
    let (mut to, mut from) = (Vec::new(), Vec::new());
    ascii::Converter::new().to_wire(name, &mut to);
    assert_eq!(ascii::Converter::new().counted(name), to.len() as u64);
    let mut back = ascii::Converter::new();
    back.from_wire(&to, &mut from);
    back.finish(&mut from);
    assert!(from.len() <= name.len());
}

fn one_line(bytes: &[u8]) {
    assert!(bytes.ends_with(b"\r\n"));
    assert_eq!(bytes.iter().filter(|b| b.is_ascii_control()).count(), 2);
}
