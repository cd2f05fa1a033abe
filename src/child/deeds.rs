//! What is done with files for a client, in whatever protocol: uploads, downloads, deletions and renames, each with one line in the log and,
//! where somebody wants to know, one word to the broker, which writes the ledger. Run by a child.

use super::ask::{Broker, Unanswered};
use super::guest::Record;
use crate::digest::Value;
use crate::error::{Code, Refusal};
use crate::ipc::{self, Ask, LONGEST_LETTERS, PATH_PART};
use crate::ledger::{Outcome, Verb};
use crate::library::Removed;
use crate::sys::file::Kind;
use std::fmt::Display;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// A transfer of no more bytes is not said to begin: it is over too soon for that to be worth it.
const SOON_OVER: u64 = 64 * 1024;

/// The number of the next transfer that is said to begin.
static TICKET: AtomicU32 = AtomicU32::new(0);

/// Something that goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doing {
    began: Instant,
    /// The broker was told, under this number.
    ticket: Option<u32>,
}

impl Doing {
    /// It begins now, and nobody is told.
    pub(super) fn now() -> Doing {
        Doing {
            began: Instant::now(),
            ticket: None,
        }
    }
}

/// Something that was done, or not.
#[derive(Clone, Copy)]
pub(super) struct Deed<'a> {
    pub(super) verb: Verb,
    /// The word in the log.
    pub(super) word: &'static str,
    /// Letters of `wire::name`.
    pub(super) path: &'a str,
    pub(super) doing: Doing,
    /// The new path of a rename.
    pub(super) to: Option<&'a str>,
    pub(super) bytes: Option<u64>,
    /// What the receipt of an upload that was stored is known by.
    pub(super) id: Option<&'a str>,
    pub(super) digest: Option<Value>,
    /// What moved is not the whole file, and neither is what the digest is of.
    pub(super) is_part: bool,
    /// What is to stand in the log besides.
    pub(super) more: &'a [(&'a str, &'a dyn Display)],
}

impl<'a> Deed<'a> {
    fn new(verb: Verb, word: &'static str, path: &'a str, doing: Doing) -> Deed<'a> {
        Deed {
            verb,
            word,
            path,
            doing,
            to: None,
            bytes: None,
            id: None,
            digest: None,
            is_part: false,
            more: &[],
        }
    }

    /// A file from the client.
    pub(super) fn put(path: &'a str, doing: Doing) -> Deed<'a> {
        Deed::new(Verb::Upload, "put", path, doing)
    }

    /// A file for the client.
    pub(super) fn get(path: &'a str, doing: Doing) -> Deed<'a> {
        Deed::new(Verb::Download, "get", path, doing)
    }

    /// A folder for the client, in one archive.
    pub(super) fn zip(path: &'a str, doing: Doing) -> Deed<'a> {
        Deed::new(Verb::Download, "zip", path, doing)
    }

    /// A file or folder goes.
    pub(super) fn remove(path: &'a str, doing: Doing) -> Deed<'a> {
        Deed::new(Verb::Delete, "remove", path, doing)
    }

    /// A file or folder gets another name.
    pub(super) fn rename(path: &'a str, to: &'a str, doing: Doing) -> Deed<'a> {
        let deed = Deed::new(Verb::Rename, "rename", path, doing);
        Deed {
            to: (!to.is_empty()).then_some(to),
            ..deed
        }
    }
}

impl<'a> Deed<'a> {
    /// With what is known of what went, if it did.
    pub(super) fn of(self, gone: Option<&Removed>) -> Deed<'a> {
        match gone {
            None => self,
            Some(gone) if gone.kind == Kind::Folder => Deed {
                more: &[("type", &"folder")],
                ..self
            },
            Some(gone) => Deed {
                bytes: Some(gone.size),
                ..self
            },
        }
    }
}

impl Record<'_> {
    /// A transfer to or from `path` begins, of so many `bytes` if that is known. If this process should end in the middle, it will be known
    /// that it was cut.
    pub(super) fn begin(self, verb: Verb, path: &str, bytes: Option<u64>) -> Doing {
        let mut doing = Doing::now();
        let Some(broker) = self.tells else {
            return doing;
        };
        if bytes.is_some_and(|bytes| bytes <= SOON_OVER) {
            return doing;
        }
        let ticket = TICKET.fetch_add(1, Ordering::Relaxed);
        let told = broker.tell_path(false, path).and_then(|path| {
            broker.tell(&Ask::Begun {
                ticket,
                verb,
                path: path.to_owned(),
                shared: self.shared,
            })
        });
        // A broker that is gone hears of nothing else either.
        doing.ticket = told.is_ok().then_some(ticket);
        doing
    }

    /// That was done, or refused.
    pub(super) fn done(self, deed: &Deed<'_>, refusal: Option<&Refusal>) {
        // A broker that is gone is met with at the next question; nobody waits for this one.
        let _ = self.conclude(deed, refusal, false);
    }

    /// The same; where somebody wants to know, it is written down when this returns, and with it all that was said before.
    ///
    /// # Errors
    /// When nobody is left to write it down.
    pub(super) fn done_for_good(
        self,
        deed: &Deed<'_>,
        refusal: Option<&Refusal>,
    ) -> Result<(), Unanswered> {
        self.conclude(deed, refusal, true)
    }

    fn conclude(
        self,
        deed: &Deed<'_>,
        refusal: Option<&Refusal>,
        awaited: bool,
    ) -> Result<(), Unanswered> {
        self.log_deed(deed, refusal);
        match self.tells {
            Some(broker) => broker.tell_deed(&self, deed, refusal, awaited),
            None => Ok(()),
        }
    }

    fn log_deed(self, deed: &Deed<'_>, refusal: Option<&Refusal>) {
        let hex = deed.digest.map(|digest| digest.to_hex());
        let mut fields: Vec<(&str, &dyn Display)> = vec![("path", &deed.path)];
        if let Some(to) = &deed.to {
            fields.push(("to", to));
        }
        if let Some(bytes) = &deed.bytes {
            fields.push(("bytes", bytes));
        }
        if let Some(id) = &deed.id {
            fields.push(("id", id));
        }
        if let (Some(digest), Some(hex)) = (deed.digest, &hex) {
            fields.push((digest.kind().as_str(), hex));
        }
        fields.extend_from_slice(deed.more);
        self.log(deed.word, &fields, refusal);
    }
}

impl Broker {
    fn tell(&self, what: &Ask) -> Result<(), Unanswered> {
        Ok(ipc::send(self.0.as_fd(), what, &[], true)?)
    }

    /// Tells the beginning of a path that is too long for one message, and returns its end.
    fn tell_path<'a>(&self, to: bool, mut letters: &'a str) -> Result<&'a str, Unanswered> {
        while letters.len() > PATH_PART {
            let (part, rest) = letters.split_at(boundary(letters));
            let letters_of_part = part.to_owned();
            self.tell(&Ask::PathPart {
                to,
                letters: letters_of_part,
            })?;
            letters = rest;
        }
        Ok(letters)
    }

    fn tell_deed(
        &self,
        record: &Record<'_>,
        deed: &Deed<'_>,
        refusal: Option<&Refusal>,
        awaited: bool,
    ) -> Result<(), Unanswered> {
        let outcome = refusal.map_or(Outcome::Ok, |refusal| refusal.code.into());
        let path = self.tell_path(false, bounded(deed.path))?;
        let to = deed.to.map(|to| self.tell_path(true, bounded(to)));
        let to = to.transpose()?.map(str::to_owned);
        let digest = deed.digest.filter(|_| !deed.is_part);
        let took = deed.doing.began.elapsed().as_millis();
        let told = Ask::Done(ipc::Deed {
            verb: deed.verb,
            outcome,
            id: deed.id.map(str::to_owned),
            path: path.to_owned(),
            to,
            size: deed.bytes,
            digest: digest.map(|digest| (digest.kind(), digest.to_hex())),
            millis: u64::try_from(took).unwrap_or(u64::MAX),
            shared: record.shared,
            begun: deed.doing.ticket,
            awaited,
        });
        if awaited {
            self.note(&told, &[])
        } else {
            self.tell(&told)
        }
    }
}

/// Where at the latest the first part of `letters` ends, which are longer.
fn boundary(letters: &str) -> usize {
    let mut ends = (0..=PATH_PART).rev();
    ends.find(|&at| letters.is_char_boundary(at)).unwrap_or(0)
}

/// What is longer than any path can be is none, and its beginning tells as much.
fn bounded(letters: &str) -> &str {
    if letters.len() <= LONGEST_LETTERS {
        return letters;
    }
    let begin = &letters[..boundary(letters)];
    // Not in the middle of a byte that is written as %XX.
    match begin.rfind('%') {
        Some(at) if begin.len() - at < 3 => &begin[..at],
        _ => begin,
    }
}

/// The outcome of something that may have been done in part: where it was, it was cut.
pub(super) fn partly(refusal: Option<Refusal>, in_part: bool) -> Option<Refusal> {
    refusal.map(|refusal| match in_part {
        true => Refusal {
            code: Code::Cancelled,
            ..refusal
        },
        false => refusal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name;

    #[test]
    fn what_is_too_long_for_a_path_is_cut_where_it_can_be_read() {
        let whole = "ä".repeat(LONGEST_LETTERS / 2);
        assert_eq!(bounded(&whole), whole);
        for filler in ["", "a", "ab", "abc"] {
            let long = filler.to_owned() + &"%FF".repeat(LONGEST_LETTERS);
            let cut = bounded(&long);
            assert!(cut.len() <= PATH_PART && cut.len() > PATH_PART - 3);
            assert!(name::decode(cut).is_some(), "{cut}");
        }
    }
}
