//! Facts of MLST and MLSD (RFC 3659, section 7): which ones a session wants, and one line of them. Run by children that
//! serve FTP.

use super::digits::push;
use super::listing::push_name;
use super::time::write_stamp;

/// What is known about a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// A folder, not a file.
    pub is_folder: bool,
    /// Bytes.
    pub size: u64,
    /// Last change of the content: seconds since 1970, and nanoseconds.
    pub modified: (i64, u32),
    /// Permission bits; others are ignored.
    pub mode: u32,
    /// Names it has.
    pub links: u64,
    /// Filesystem and number within it: the same for two names of one file, and for no other.
    pub unique: (u64, u64),
    /// What the user may do with it: letters of RFC 3659, section 7.5.5.
    pub perm: &'a str,
}

/// What a line of MLSD is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Something in the folder (`file`, `dir`).
    Within,
    /// The folder itself (`cdir`).
    This,
    /// The one above (`pdir`).
    Above,
}

/// The facts there are, in the order they are written.
const NAMES: [&str; 6] = ["type", "size", "modify", "perm", "unique", "UNIX.mode"];

/// Which facts a session wants: a bit for each of `NAMES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts(u8);

impl Default for Facts {
    /// All there are: clients show what they find without asking for more.
    fn default() -> Facts {
        Facts(0b11_1111)
    }
}

impl Facts {
    /// OPTS MLST's argument, `type;size;`: those named and no other, names not known left out, nothing for nothing.
    #[must_use]
    pub fn parse(argument: &[u8]) -> Facts {
        let mut bits = 0;
        for wanted in argument.split(|&b| b == b';') {
            for (bit, name) in NAMES.iter().enumerate() {
                if wanted.eq_ignore_ascii_case(name.as_bytes()) {
                    bits |= 1 << bit;
                }
            }
        }
        Facts(bits)
    }

    /// `MLST type*;size*;...` for FEAT: all there are, with a star at those that are now wanted.
    #[must_use]
    pub fn feature(self) -> String {
        let mut text = String::from("MLST ");
        for (bit, name) in NAMES.iter().enumerate() {
            text.push_str(name);
            text.push_str(if self.has(bit) { "*;" } else { ";" });
        }
        text
    }

    /// `MLST OPTS type;size;`: the text of the reply to OPTS MLST (RFC 3659, section 7.9).
    #[must_use]
    pub fn chosen(self) -> String {
        let mut text = String::from("MLST OPTS");
        for (bit, name) in NAMES.iter().enumerate() {
            if self.has(bit) {
                text.push_str(if text.ends_with(';') { "" } else { " " });
                text.push_str(name);
                text.push(';');
            }
        }
        text
    }

    /// Adds a line of MLSD, with its end.
    pub fn write(self, out: &mut Vec<u8>, entry: &Entry<'_>, name: &[u8]) {
        self.write_listed(out, Listed::Within, entry, name);
    }

    /// Adds a line of MLSD that may be about the folder itself or the one above, with its end.
    pub fn write_listed(self, out: &mut Vec<u8>, listed: Listed, entry: &Entry<'_>, name: &[u8]) {
        self.write_text(out, listed, entry, name);
        out.extend_from_slice(b"\r\n");
    }

    /// The line of MLST without an end, for `reply::lines`; the name is a whole path there.
    #[must_use]
    pub fn text(self, entry: &Entry<'_>, path: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + path.len());
        self.write_text(&mut out, Listed::Within, entry, path);
        out
    }

    fn has(self, bit: usize) -> bool {
        self.0 & 1 << bit != 0
    }

    fn write_text(self, out: &mut Vec<u8>, listed: Listed, entry: &Entry<'_>, name: &[u8]) {
        if self.has(0) {
            out.extend_from_slice(match listed {
                Listed::This => b"type=cdir;",
                Listed::Above => b"type=pdir;",
                Listed::Within if entry.is_folder => b"type=dir;",
                Listed::Within => b"type=file;",
            });
        }
        // What a folder takes on the disk tells nobody anything.
        if self.has(1) && !entry.is_folder {
            out.extend_from_slice(b"size=");
            push(out, entry.size, 10, 1, b'0');
            out.push(b';');
        }
        if self.has(2) {
            out.extend_from_slice(b"modify=");
            write_stamp(out, entry.modified.0);
            out.push(b';');
        }
        if self.has(3) {
            out.extend_from_slice(b"perm=");
            out.extend_from_slice(entry.perm.as_bytes());
            out.push(b';');
        }
        if self.has(4) {
            out.extend_from_slice(b"unique=");
            push(out, entry.unique.0, 16, 1, b'0');
            out.push(b'g');
            push(out, entry.unique.1, 16, 1, b'0');
            out.push(b';');
        }
        if self.has(5) {
            out.extend_from_slice(b"UNIX.mode=");
            push(out, u64::from(entry.mode & 0o7777), 8, 4, b'0');
            out.push(b';');
        }
        out.push(b' ');
        push_name(out, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Entry<'static> = Entry {
        is_folder: false,
        size: 1234,
        modified: (1_795_246_845, 999_999_999),
        mode: 0o100_644,
        links: 1,
        unique: (0x801, 0xab_cdef),
        perm: "adfrw",
    };

    fn line(facts: Facts, listed: Listed, entry: &Entry<'_>, name: &[u8]) -> String {
        let mut out = Vec::new();
        facts.write_listed(&mut out, listed, entry, name);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn selections_table() {
        assert_eq!(
            Facts::default().feature(),
            "MLST type*;size*;modify*;perm*;unique*;UNIX.mode*;"
        );
        for (argument, chosen) in [
            ("Type;SIZE;", "MLST OPTS type;size;"),
            ("size;type", "MLST OPTS type;size;"),
            ("unix.MODE;lang;unique;", "MLST OPTS unique;UNIX.mode;"),
            ("", "MLST OPTS"),
            ("nonsense", "MLST OPTS"),
        ] {
            assert_eq!(
                Facts::parse(argument.as_bytes()).chosen(),
                chosen,
                "{argument}"
            );
        }
        assert_eq!(
            Facts::parse(b"size;").feature(),
            "MLST type;size*;modify;perm;unique;UNIX.mode;"
        );
    }

    #[test]
    fn lines_table() {
        let all = Facts::parse(b"type;size;modify;perm;unique;unix.mode;");
        let folder = Entry {
            is_folder: true,
            perm: "el",
            mode: 0o40_755,
            ..FILE
        };
        for (facts, listed, entry, name, expected) in [
            (
                Facts::parse(b"type;size;modify;perm;"),
                Listed::Within,
                FILE,
                "a b",
                "type=file;size=1234;modify=20261121074045;perm=adfrw; a b\r\n",
            ),
            (
                all,
                Listed::Within,
                FILE,
                "a",
                "type=file;size=1234;modify=20261121074045;perm=adfrw;unique=801gabcdef;UNIX.mode=0644; a\r\n",
            ),
            (
                all,
                Listed::Within,
                folder,
                "d",
                "type=dir;modify=20261121074045;perm=el;unique=801gabcdef;UNIX.mode=0755; d\r\n",
            ),
            (
                Facts::parse(b"type;"),
                Listed::This,
                folder,
                "/",
                "type=cdir; /\r\n",
            ),
            (
                Facts::parse(b"type;"),
                Listed::Above,
                folder,
                "..",
                "type=pdir; ..\r\n",
            ),
            (Facts::parse(b""), Listed::Within, FILE, " x", "  x\r\n"),
            (
                Facts::parse(b""),
                Listed::Within,
                FILE,
                "x\r\ntype=file; y",
                " x??type=file; y\r\n",
            ),
        ] {
            assert_eq!(line(facts, listed, &entry, name.as_bytes()), expected);
        }
        assert_eq!(
            Facts::parse(b"size;").text(&FILE, b"/a/\xfc\n"),
            b"size=1234; /a/\xfc?"
        );
    }
}
