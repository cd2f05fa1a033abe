//! Lines of LIST and NLST. Run by children that serve FTP. LIST is written as `ls -l` writes it: RFC 959 leaves it open, and
//! that is what clients read.

use super::digits::push_number;
use super::facts::Entry;
use super::time::civil;

/// Half a year of 365.2425 days, in seconds, as ls(1) has it: what is older is shown with its year.
const HALF_A_YEAR: i64 = 15_778_476;

/// What is further ahead of the clock than this is shown with its year.
const DAY: i64 = 86_400;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Adds `-rw-r--r--   1 ftp      ftp          1234 Nov 21 07:40 name`, with its end. Times are UTC; `now` is seconds since 1970.
/// Nobody is told who owns what on the server.
pub fn write(out: &mut Vec<u8>, now: i64, entry: &Entry<'_>, name: &[u8]) {
    out.push(if entry.is_folder { b'd' } else { b'-' });
    for (place, letter) in b"rwxrwxrwx".iter().enumerate() {
        let set = entry.mode & 0o400 >> place != 0;
        out.push(if set { *letter } else { b'-' });
    }
    out.push(b' ');
    push_number(out, entry.links, 3, b' ');
    out.extend_from_slice(b" ftp      ftp      ");
    push_number(out, entry.size, 8, b' ');
    out.push(b' ');
    let seconds = entry.modified.0;
    let at = civil(seconds);
    // Cannot be out of bounds: a month is 1 to 12.
    out.extend_from_slice(MONTHS[usize::from(at.month - 1)]);
    out.push(b' ');
    push_number(out, at.day.into(), 2, b' ');
    if (now.saturating_sub(HALF_A_YEAR)..=now.saturating_add(DAY)).contains(&seconds) {
        out.push(b' ');
        push_number(out, at.hour.into(), 2, b'0');
        out.push(b':');
        push_number(out, at.minute.into(), 2, b'0');
    } else {
        out.extend_from_slice(b"  ");
        push_number(out, at.year.into(), 4, b'0');
    }
    out.push(b' ');
    write_name(out, name);
}

/// Adds a line of NLST, with its end.
pub fn write_name(out: &mut Vec<u8>, name: &[u8]) {
    push_name(out, name);
    out.extend_from_slice(b"\r\n");
}

/// Adds a name. Somebody else than this server may have put a file there whose name would end the line: its control bytes
/// are shown as `?`, and it cannot be asked for.
pub(super) fn push_name(out: &mut Vec<u8>, name: &[u8]) {
    if name.iter().any(u8::is_ascii_control) {
        out.extend(
            name.iter()
                .map(|&byte| if byte.is_ascii_control() { b'?' } else { byte }),
        );
    } else {
        out.extend_from_slice(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-21 07:40:45.
    const NOW: i64 = 1_795_246_845;

    const FILE: Entry<'static> = Entry {
        is_folder: false,
        size: 1234,
        modified: (NOW, 0),
        mode: 0o644,
        links: 1,
        unique: (0, 0),
        perm: "r",
    };

    fn line(entry: &Entry<'_>, name: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, NOW, entry, name);
        out
    }

    #[test]
    fn lines_table() {
        let at = |seconds| Entry {
            modified: (seconds, 0),
            ..FILE
        };
        for (entry, expected) in [
            (
                FILE,
                "-rw-r--r--   1 ftp      ftp          1234 Nov 21 07:40 a b\r\n",
            ),
            (
                Entry {
                    is_folder: true,
                    mode: 0o40_751,
                    links: 12,
                    ..FILE
                },
                "drwxr-x--x  12 ftp      ftp          1234 Nov 21 07:40 a b\r\n",
            ),
            (
                Entry {
                    mode: 0o7000,
                    links: 1000,
                    ..FILE
                },
                "---------- 1000 ftp      ftp          1234 Nov 21 07:40 a b\r\n",
            ),
            (
                Entry {
                    size: u64::MAX,
                    ..FILE
                },
                "-rw-r--r--   1 ftp      ftp      18446744073709551615 Nov 21 07:40 a b\r\n",
            ),
            (
                at(NOW - HALF_A_YEAR),
                "-rw-r--r--   1 ftp      ftp          1234 May 22 16:46 a b\r\n",
            ),
            (
                at(NOW - HALF_A_YEAR - 1),
                "-rw-r--r--   1 ftp      ftp          1234 May 22  2026 a b\r\n",
            ),
            (
                at(NOW + DAY),
                "-rw-r--r--   1 ftp      ftp          1234 Nov 22 07:40 a b\r\n",
            ),
            (
                at(NOW + DAY + 1),
                "-rw-r--r--   1 ftp      ftp          1234 Nov 22  2026 a b\r\n",
            ),
            (
                at(0),
                "-rw-r--r--   1 ftp      ftp          1234 Jan  1  1970 a b\r\n",
            ),
            (
                at(i64::MIN),
                "-rw-r--r--   1 ftp      ftp          1234 Jan  1  0000 a b\r\n",
            ),
        ] {
            assert_eq!(String::from_utf8_lossy(&line(&entry, b"a b")), expected);
        }
        for (name, shown) in [
            (&b"x\r\n-rw"[..], &b"x??-rw\r\n"[..]),
            (b"\xfc\x1b[2J", b"\xfc?[2J\r\n"),
        ] {
            let mut out = Vec::new();
            write_name(&mut out, name);
            assert_eq!(out, shown);
        }
    }

    proptest! {
        #[test]
        fn one_entry_is_one_line(name: Vec<u8>, seconds: i64, size: u64, mode: u32, links: u64) {
            let written = line(&Entry { size, modified: (seconds, 0), mode, links, ..FILE }, &name);
            prop_assert_eq!(written.iter().filter(|b| b.is_ascii_control()).count(), 2);
            prop_assert!(written.ends_with(b"\r\n"));
        }
    }
}
