//! A form with files in it (RFC 7578, RFC 2046 section 5.1), taken apart as it comes. Pure.
//!
//! Nothing is held here: whoever reads the body keeps what is not taken yet and comes again with more behind it. Strict, since what
//! one program takes for the end of a file another may not: the form begins with its boundary, lines end with CR LF, nothing
//! stands behind a boundary in its line, and a file in which the boundary seems to stand is refused.

use memchr::memmem::Finder;

/// Longest boundary (RFC 2046, section 5.1.1), bytes.
const LONGEST_BOUNDARY: usize = 70;
/// Most bytes of the head of a part, with the empty line.
pub const LONGEST_PART_HEAD: usize = 8 * 1024;
/// Most parts of a form.
pub const MOST_PARTS: u32 = 10_000;

/// It is no form that is taken here, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadForm(pub &'static str);

/// How far a form has come.
#[derive(Debug)]
pub struct Multipart {
    /// CR LF, two hyphens and the boundary.
    delimiter: Finder<'static>,
    state: State,
    parts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Start,
    Head,
    Content,
    Over,
}

/// What comes next in a form.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A part begins.
    Part(Part),
    /// The next bytes of its content.
    Content(&'a [u8]),
    /// It is whole.
    PartEnd,
    /// The form is whole; what follows is nothing.
    Over,
    /// More bytes are needed, behind those that were not taken.
    More,
}

/// What is said of a part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// The name of the field.
    pub name: Vec<u8>,
    /// What the file is called where it comes from; None for a field that is no file.
    pub filename: Option<Vec<u8>>,
}

impl Part {
    /// The last component of the file's name: some clients send the way there, too. Nothing here says that it can be a name.
    #[must_use]
    pub fn last_component(&self) -> Option<&[u8]> {
        let name = self.filename.as_deref()?;
        let name = name.rsplit(|&b| b == b'/').next()?;
        // Windows' ways, and not names with a backslash in them.
        let is_windows = matches!(name, [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic())
            || name.starts_with(b"\\\\");
        match is_windows {
            true => name.rsplit(|&b| b == b'\\').next(),
            false => Some(name),
        }
    }
}

impl Multipart {
    /// For a body of that Content-Type; None when it is no `multipart/form-data` with a boundary.
    #[must_use]
    pub fn of(content_type: &[u8]) -> Option<Multipart> {
        let (kind, parameters) = split_at(content_type, b';');
        if !kind
            .trim_ascii()
            .eq_ignore_ascii_case(b"multipart/form-data")
        {
            return None;
        }
        let boundary = parameter(parameters, b"boundary").ok()??;
        let fits = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
        if !(1..=LONGEST_BOUNDARY).contains(&boundary.len())
            || boundary.ends_with(b" ")
            || !boundary.iter().all(fits)
        {
            return None;
        }
        let delimiter = [b"\r\n--", &boundary[..]].concat();
        Some(Multipart {
            delimiter: Finder::new(&delimiter).into_owned(),
            state: State::Start,
            parts: 0,
        })
    }

    /// True when the form is whole.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Looks at `bytes`, which begin with what was not taken the last time. Returns how many are taken now, and what they are.
    ///
    /// # Errors
    /// When they are none of a form, or go beyond a bound.
    pub fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Step<'a>), BadForm> {
        match self.state {
            State::Start => {
                let first = &self.delimiter.needle()[2..];
                let known = bytes.len().min(first.len());
                if bytes[..known] != first[..known] {
                    return Err(BadForm("a form begins with its boundary"));
                }
                let at = first.len();
                Ok(match self.after_boundary(bytes, at)? {
                    None => (0, Step::More),
                    Some(taken) if self.is_over() => (taken, Step::Over),
                    // Nothing is said of that: the head follows.
                    Some(taken) => {
                        let (more, step) = self.head(&bytes[taken..])?;
                        (taken + more, step)
                    }
                })
            }
            State::Head => self.head(bytes),
            State::Content => self.content(bytes),
            State::Over => Ok((bytes.len(), Step::Over)),
        }
    }

    /// What stands after a boundary that ends at `at`: where it ends, or None when that has not come.
    fn after_boundary(&mut self, bytes: &[u8], at: usize) -> Result<Option<usize>, BadForm> {
        let rest = bytes.get(at..).unwrap_or_default();
        self.state = match rest {
            [b'\r', b'\n', ..] => State::Head,
            [b'-', b'-', ..] => State::Over,
            [] | [b'\r'] | [b'-'] => return Ok(None),
            _ => return Err(BadForm("something stands behind a boundary")),
        };
        Ok(Some(at + 2))
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Step<'a>), BadForm> {
        let window = &bytes[..bytes.len().min(LONGEST_PART_HEAD)];
        let Some(end) = memchr::memmem::find(window, b"\r\n\r\n") else {
            if window.len() == LONGEST_PART_HEAD {
                return Err(BadForm("the head of a part is too long"));
            }
            return Ok((0, Step::More));
        };
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(BadForm("too many parts"));
        }
        let part = part_of(&bytes[..end])?;
        self.state = State::Content;
        Ok((end + 4, Step::Part(part)))
    }

    fn content<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Step<'a>), BadForm> {
        match self.delimiter.find(bytes) {
            Some(0) => {
                let at = self.delimiter.needle().len();
                Ok(match self.after_boundary(bytes, at)? {
                    None => (0, Step::More),
                    Some(taken) => (taken, Step::PartEnd),
                })
            }
            Some(at) => Ok((at, Step::Content(&bytes[..at]))),
            None => {
                let sure = bytes.len() - self.begun(bytes);
                Ok(match sure {
                    0 => (0, Step::More),
                    sure => (sure, Step::Content(&bytes[..sure])),
                })
            }
        }
    }

    /// How many bytes at the end of `bytes` could be the beginning of a delimiter.
    fn begun(&self, bytes: &[u8]) -> usize {
        let delimiter = self.delimiter.needle();
        let most = bytes.len().min(delimiter.len() - 1);
        let tail = &bytes[bytes.len() - most..];
        // It has one CR, its first byte.
        match memchr::memrchr(b'\r', tail) {
            Some(at) if delimiter.starts_with(&tail[at..]) => most - at,
            _ => 0,
        }
    }
}

/// What the head of a part says, which ends before its empty line.
fn part_of(head: &[u8]) -> Result<Part, BadForm> {
    const UNSAID: BadForm = BadForm("a part says once what it is: Content-Disposition: form-data");
    let mut found = None;
    let mut rest = head;
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n");
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[][..], |end| &rest[end + 2..]);
        if line.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return Err(BadForm("a line of a part's head ends with CR LF"));
        }
        let Some(colon) = memchr::memchr(b':', line) else {
            return Err(BadForm("the head of a part has a line that is no field"));
        };
        if !line[..colon].eq_ignore_ascii_case(b"content-disposition") {
            continue;
        }
        let (kind, parameters) = split_at(&line[colon + 1..], b';');
        if !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") || found.is_some() {
            return Err(UNSAID);
        }
        let name = parameter(parameters, b"name")?.unwrap_or_default();
        let filename = parameter(parameters, b"filename")?;
        found = Some(Part { name, filename });
    }
    found.ok_or(UNSAID)
}

/// The value of one of `parameters`, which stand one behind the other with semicolons between.
fn parameter(mut parameters: &[u8], wanted: &[u8]) -> Result<Option<Vec<u8>>, BadForm> {
    const BAD: BadForm = BadForm("a parameter is NAME=VALUE or NAME=\"VALUE\", and stands once");
    let mut found = None;
    loop {
        parameters = parameters.trim_ascii_start();
        if parameters.is_empty() {
            return Ok(found);
        }
        let equals = memchr::memchr(b'=', parameters).ok_or(BAD)?;
        let name = parameters[..equals].trim_ascii();
        let (value, rest) = value(&parameters[equals + 1..]).ok_or(BAD)?;
        let rest = rest.trim_ascii_start();
        parameters = match rest {
            [] => rest,
            [b';', rest @ ..] => rest,
            _ => return Err(BAD),
        };
        if name.eq_ignore_ascii_case(wanted) && found.replace(value).is_some() {
            return Err(BAD);
        }
    }
}

/// A value, and what follows it. In quotes browsers write `%22` for a quote, older clients `\"`; they leave a backslash before anything
/// else as it is, and mean it.
fn value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        let value = text[..end].trim_ascii();
        let is_token = |b: &u8| b.is_ascii_graphic() && !b"\"(),:;<=>?@[\\]{}".contains(b);
        // The boundaries of some clients are no tokens, but nothing in them can be misunderstood.
        let fits = value.iter().all(|b| is_token(b) || b"/:=?(),".contains(b));
        return (fits && !value.is_empty()).then(|| (value.to_vec(), &text[end..]));
    };
    let mut value = Vec::new();
    loop {
        match rest {
            [] => return None,
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', byte @ (b'"' | b'\\'), after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [b'%', b'2', b'2', after @ ..] => {
                value.push(b'"');
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
        }
    }
}

fn split_at(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(byte, text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

#[cfg(test)]
mod tests;
