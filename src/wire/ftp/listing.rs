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
