//! Under which conditions a request is carried out (RFC 9110, section 13), and the validators they are about (section 8.8). Pure;
//! used by children.

use super::head::{Head, Method};
use std::time::{Duration, SystemTime};

/// Last moment that a date of HTTP can name: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;
/// A file that changed within so many seconds may change again, and its date would not tell (RFC 9110, section 8.8.2.2).
const DATE_SETTLES: u64 = 2;

/// What tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// A strong one, with its quotation marks.
    pub etag: String,
    /// The last change, to the second; None where HTTP has no date for it, or it is in the future.
    pub modified: Option<SystemTime>,
}

impl Validators {
    /// Of the file with this number on its disk, so many bytes, and content that changed last at `seconds` since 1970 and `nanos`.
    #[must_use]
    pub fn new(inode: u64, size: u64, seconds: i64, nanos: u32, now: SystemTime) -> Validators {
        let date = u64::try_from(seconds).ok().filter(|s| *s <= LAST_SECOND);
        let date = date.and_then(|s| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(s)));
        Validators {
            etag: format!("\"{inode:x}-{size:x}-{seconds:x}.{nanos:x}\""),
            modified: date.filter(|date| *date <= now),
        }
    }

    /// The value of Last-Modified.
    #[must_use]
    pub fn last_modified(&self) -> Option<String> {
        self.modified.map(httpdate::fmt_http_date)
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What the request says.
    Go,
    /// Nothing: the client has it already (304).
    NotModified,
    /// Nothing: it is not as the client thought (412).
    Failed,
}

/// Judges the conditions of `head` in their order (section 13.2.2), but for If-Range. `current` is what is there now, if anything is.
#[must_use]
pub fn judge(head: &Head, current: Option<&Validators>) -> Verdict {
    let reads = matches!(head.method, Method::Get | Method::Head);
    if head.all("if-match").next().is_some() {
        if !listed(head, "if-match", current, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if let (Some(date), Some(modified)) =
        (date(head, "if-unmodified-since"), modified(current))
        && modified > date
    {
        return Verdict::Failed;
    }
    if head.all("if-none-match").next().is_some() {
        if listed(head, "if-none-match", current, Comparison::Weak) {
            return if reads {
                Verdict::NotModified
            } else {
                Verdict::Failed
            };
        }
    } else if let (true, Some(date), Some(modified)) =
        (reads, date(head, "if-modified-since"), modified(current))
        && modified <= date
    {
        return Verdict::NotModified;
    }
    Verdict::Go
}

/// True when a part may be sent, as far as If-Range says (section 13.1.5): the client has the rest of the same version.
#[must_use]
pub fn part_fits(head: &Head, current: &Validators, now: SystemTime) -> bool {
    let mut values = head.all("if-range");
    let (Some(value), None) = (values.next(), values.next()) else {
        return head.all("if-range").next().is_none();
    };
    if let Some((tag, rest)) = entity_tag(value) {
        return rest.is_empty() && !tag.is_weak && tag.quoted == current.etag.as_bytes();
    }
    let (Some(date), Some(modified)) = (date(head, "if-range"), current.modified) else {
        return false;
    };
    let settled = now
        .duration_since(modified)
        .is_ok_and(|ago| ago.as_secs() >= DATE_SETTLES);
    settled && date == modified
}

fn modified(current: Option<&Validators>) -> Option<SystemTime> {
    current.and_then(|current| current.modified)
}

/// The one date in the field; what is none is passed over.
fn date(head: &Head, field: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(head.text(field)?).ok()
}

/// How two entity tags are compared (section 8.8.3.2); ours are strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// True when what is there is among the listed. A list is read up to what is no entity tag.
fn listed(head: &Head, field: &str, current: Option<&Validators>, how: Comparison) -> bool {
    let Some(current) = current else {
        return false;
    };
    head.all(field).any(|value| {
        if value == b"*" {
            return true;
        }
        let mut rest = value;
        loop {
            rest = rest.trim_ascii_start();
            if let Some(after) = rest.strip_prefix(b",") {
                rest = after;
                continue;
            }
            let Some((tag, after)) = entity_tag(rest) else {
                return false;
            };
            let fits = how == Comparison::Weak || !tag.is_weak;
            if fits && tag.quoted == current.etag.as_bytes() {
                return true;
            }
            rest = after;
        }
    })
}

struct EntityTag<'a> {
    is_weak: bool,
    quoted: &'a [u8],
}

/// The entity tag at the beginning of `bytes`, and what follows it.
fn entity_tag(bytes: &[u8]) -> Option<(EntityTag<'_>, &[u8])> {
    let (is_weak, bytes) = match bytes.strip_prefix(b"W/") {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    let inside = bytes.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', inside)?;
    let (quoted, rest) = bytes.split_at(end + 2);
    let sound = inside[..end].iter().all(|b| *b > b' ' && *b != 0x7f);
    sound.then_some((EntityTag { is_weak, quoted }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sunday, 06-Nov-94 08:49:38 GMT";

    fn head(method: &str, fields: &str) -> Head {
        let text = format!("{method} / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        Head::parse(text.as_bytes())
            .expect("sound")
            .expect("whole")
            .0
    }

    fn fields(lines: &[(&str, &str)]) -> String {
        let line = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
        lines.iter().map(line).collect()
    }

    fn current() -> Validators {
        let mut current = Validators::new(255, 16, 784_111_777, 1, SystemTime::now());
        assert_eq!(current.etag, "\"ff-10-2ebc98a1.1\"");
        assert_eq!(current.last_modified().as_deref(), Some(THEN));
        current.etag = "\"a,b\"".into();
        current
    }

    #[test]
    fn conditions_are_judged_in_their_order() {
        use Verdict::{Failed, Go, NotModified};
        let (m, n) = ("If-Match", "If-None-Match");
        let (u, i) = ("If-Unmodified-Since", "If-Modified-Since");
        for (lines, read, write, absent) in [
            (&[][..], Go, Go, Go),
            (&[(m, "\"a,b\"")], Go, Go, Failed),
            (&[(m, "*")], Go, Go, Failed),
            (&[(m, "\"x\", ,\"a,b\"")], Go, Go, Failed),
            (&[(m, "\"x\""), (m, "\"a,b\"")], Go, Go, Failed),
            (&[(m, "W/\"a,b\"")], Failed, Failed, Failed),
            (&[(m, "a,b")], Failed, Failed, Failed),
            (&[(m, "\"x\"")], Failed, Failed, Failed),
            (&[(m, "")], Failed, Failed, Failed),
            (&[(n, "\"a,b\"")], NotModified, Failed, Go),
            (&[(n, "W/\"a,b\"")], NotModified, Failed, Go),
            (&[(n, "\"x\",W/\"a,b\"")], NotModified, Failed, Go),
            (&[(n, "*")], NotModified, Failed, Go),
            (&[(n, "\"x\"")], Go, Go, Go),
            (&[(n, "\"a, b\"")], Go, Go, Go),
            (&[(n, "junk, \"a,b\"")], Go, Go, Go),
            (&[(u, BEFORE)], Failed, Failed, Go),
            (&[(u, THEN)], Go, Go, Go),
            (&[(u, AFTER)], Go, Go, Go),
            (&[(u, "yesterday")], Go, Go, Go),
            (&[(i, BEFORE)], Go, Go, Go),
            (&[(i, THEN)], NotModified, Go, Go),
            (&[(i, AFTER)], NotModified, Go, Go),
            (&[(i, "yesterday")], Go, Go, Go),
            (&[(i, AFTER), (i, AFTER)], Go, Go, Go),
            // The tag decides, whatever the date says.
            (&[(m, "\"a,b\""), (u, BEFORE)], Go, Go, Failed),
            (&[(n, "\"x\""), (i, AFTER)], Go, Go, Go),
            (&[(n, "\"a,b\""), (i, BEFORE)], NotModified, Failed, Go),
            (&[(m, "\"x\""), (n, "\"a,b\"")], Failed, Failed, Failed),
            (
                &[(m, "\"a,b\""), (n, "\"a,b\"")],
                NotModified,
                Failed,
                Failed,
            ),
            (&[(u, BEFORE), (n, "\"a,b\"")], Failed, Failed, Go),
        ] {
            let text = fields(lines);
            for (method, verdict) in [("GET", read), ("HEAD", read), ("PUT", write)] {
                let found = judge(&head(method, &text), Some(&current()));
                assert_eq!(found, verdict, "{method} {lines:?}");
            }
            assert_eq!(judge(&head("PUT", &text), None), absent, "{lines:?}");
        }
    }

    #[test]
    fn a_part_is_of_the_version_that_the_client_has() {
        let now = SystemTime::now();
        let r = "If-Range";
        for (lines, fits) in [
            (&[][..], true),
            (&[(r, "\"a,b\"")], true),
            (&[(r, THEN)], true),
            (&[(r, "W/\"a,b\"")], false),
            (&[(r, "\"a,b\", \"c\"")], false),
            (&[(r, "\"a\"")], false),
            (&[(r, "*")], false),
            (&[(r, AFTER)], false),
            (&[(r, BEFORE)], false),
            (&[(r, "")], false),
            (&[(r, "\"a,b\""), (r, "\"a,b\"")], false),
        ] {
            let head = head("GET", &fields(lines));
            assert_eq!(part_fits(&head, &current(), now), fits, "{lines:?}");
        }
        let modified = current().modified.expect("a date");
        let head = head("GET", &fields(&[(r, THEN)]));
        assert!(!part_fits(
            &head,
            &current(),
            modified + Duration::from_secs(1)
        ));
        assert!(part_fits(
            &head,
            &current(),
            modified + Duration::from_secs(2)
        ));
    }

    #[test]
    fn dates_that_http_has_no_word_for_are_left_out() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for (seconds, date) in [
            (-1, None),
            (i64::MIN, None),
            (i64::MAX, None),
            (1001, None),
            (0, Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            (1000, Some("Thu, 01 Jan 1970 00:16:40 GMT")),
        ] {
            let validators = Validators::new(1, 2, seconds, 3, now);
            assert_eq!(validators.last_modified().as_deref(), date, "{seconds}");
        }
        let far = now + Duration::from_secs(LAST_SECOND);
        let last = Validators::new(1, 2, LAST_SECOND as i64, 0, far);
        assert!(last.last_modified().is_some());
        let after = Validators::new(1, 2, LAST_SECOND as i64 + 1, 0, far);
        assert_eq!(after.last_modified(), None);
    }
}
