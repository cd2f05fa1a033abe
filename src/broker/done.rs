//! What children say they did, written down with what the broker knows for itself: who it is, from where, by which protocol, and when. Run by the
//! broker.
//!
//! A child that was taken over can say that its own user did what they did not do, below that user's home. It can say nothing of anybody else.

use super::answer::{Dealing, Outcome};
use super::desk::{self, Desk};
use super::keys::Keys;
use super::shares::Share;
use crate::ipc::{Ask, Client, Deed, LONGEST_LETTERS, MOST_UNDER_WAY, PATH_PART};
use crate::ledger::{self, Line, Verb, is_id};
use crate::log::{self, Level};
use crate::sys::process::monotonic_millis;
use crate::wire::name;
use crate::wire::path::RelPath;
use jiff::Timestamp;

/// What a child has said of what it is at, and the file that it was lent.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// The path of the file that it was lent last by a share link, from the library's root, and the link.
    pub(super) lent: Option<(String, String)>,
    under_way: Vec<UnderWay>,
    /// The beginnings of paths that are too long for one message: the path, and the new one of a rename.
    parts: (String, String),
    /// When it was let in, or lent something: nothing took longer.
    pub(super) since: u64,
}

/// A transfer that began.
#[derive(Debug)]
struct UnderWay {
    ticket: u32,
    verb: Verb,
    /// From the library's root.
    path: String,
    shared: bool,
    since: u64,
}

const IMPOSSIBLE: Outcome = Outcome::CutOff("a deed that cannot be");

impl Keys {
    /// True when somebody wants to know what is done.
    pub(super) fn hears_deeds(&self) -> bool {
        self.config.ledger_file.is_some()
    }
}

impl Desk {
    /// Something was done, or was to be: it is written down.
    fn note(&mut self, line: &Line) {
        if let Some(ledger) = &mut self.ledger {
            ledger.add(line);
        }
        if line.deed == Verb::Upload && line.outcome == ledger::Outcome::Ok {
            self.published(line);
        }
    }

    /// An upload was stored, and can be seen under `line.path`; its client has not heard of that yet.
    #[allow(clippy::unused_self)]
    fn published(&mut self, _line: &Line) {}
}

impl Dealing {
    /// Whatever is said about deeds, by who is in or was lent a file.
    pub(super) fn hear_deed(&mut self, desk: &mut Desk, client: &Client, said: Ask) -> Outcome {
        match said {
            Ask::PathPart { to, letters } => self.hear_part(to, &letters),
            Ask::Begun {
                ticket,
                verb,
                path,
                shared,
            } => self.hear_begun(ticket, verb, &path, shared),
            Ask::Done(deed) => self.answer_done(desk, client, &deed),
            _ => IMPOSSIBLE,
        }
    }

    /// A part of a path.
    fn hear_part(&mut self, to: bool, letters: &str) -> Outcome {
        let parts = &mut self.telling.parts;
        let part = if to { &mut parts.1 } else { &mut parts.0 };
        part.push_str(letters);
        if letters.len() > PATH_PART || part.len() > LONGEST_LETTERS {
            return IMPOSSIBLE;
        }
        Outcome::Nothing
    }

    /// A transfer begins.
    fn hear_begun(&mut self, ticket: u32, verb: Verb, path: &str, shared: bool) -> Outcome {
        let path = std::mem::take(&mut self.telling.parts.0) + path;
        let is_transfer = matches!(verb, Verb::Upload | Verb::Download);
        let known = self.telling.under_way.iter();
        if !is_transfer || known.clone().any(|other| other.ticket == ticket) {
            return IMPOSSIBLE;
        }
        let Some(path) = self.whole_path(&path, verb, shared) else {
            return IMPOSSIBLE;
        };
        if self.telling.under_way.len() >= MOST_UNDER_WAY {
            return IMPOSSIBLE;
        }
        self.telling.under_way.push(UnderWay {
            ticket,
            verb,
            path,
            shared,
            since: monotonic_millis(),
        });
        Outcome::Nothing
    }

    /// Something was done.
    fn answer_done(&mut self, desk: &mut Desk, client: &Client, deed: &Deed) -> Outcome {
        if let Some(ticket) = deed.begun {
            let under_way = &mut self.telling.under_way;
            match under_way.iter().position(|known| known.ticket == ticket) {
                Some(at) => drop(under_way.swap_remove(at)),
                None => return IMPOSSIBLE,
            }
        }
        let Some(line) = self.line(client, deed) else {
            return IMPOSSIBLE;
        };
        desk.note(&line);
        if deed.awaited {
            desk.write_down();
            return Ok(()).into();
        }
        Outcome::Nothing
    }

    /// What is written of `deed`; none where it cannot be.
    fn line(&mut self, client: &Client, deed: &Deed) -> Option<Line> {
        let was_done = deed.outcome == ledger::Outcome::Ok;
        let is_stored = deed.verb == Verb::Upload && was_done;
        let parts = std::mem::take(&mut self.telling.parts);
        let said = (
            parts.0 + &deed.path,
            deed.to.as_ref().map(|to| parts.1 + to),
        );
        let path = if was_done {
            self.whole_path(&said.0, deed.verb, deed.shared)?
        } else {
            self.refused_path(&said.0, deed.shared)?
        };
        let to = match &said.1 {
            Some(_) if deed.verb != Verb::Rename => return None,
            Some(to) if was_done => Some(self.whole_path(to, deed.verb, false)?),
            Some(to) => Some(self.refused_path(to, false)?),
            None if deed.verb == Verb::Rename && was_done => return None,
            None => None,
        };
        if deed.id.as_ref().is_some_and(|id| !is_id(id)) || deed.id.is_some() != is_stored {
            return None;
        }
        let longest = monotonic_millis().saturating_sub(self.telling.since);
        let mut line = self.begin_line(client, deed.verb, deed.outcome, path, deed.shared);
        line.id = deed.id.clone();
        line.to = to;
        line.size = deed.size;
        line.digest = deed.digest().ok()?;
        line.millis = deed.millis.min(longest);
        Some(line)
    }

    /// A line with what is known here.
    fn begin_line(
        &self,
        client: &Client,
        deed: Verb,
        outcome: ledger::Outcome,
        path: String,
        shared: bool,
    ) -> Line {
        let lent = self.telling.lent.as_ref().filter(|_| shared);
        Line {
            time: Timestamp::now(),
            deed,
            outcome,
            id: None,
            session: Some(self.session.to_string()),
            user: self.user().cloned(),
            face: Some(client.protocol),
            address: desk::address(client),
            share: lent.map(|(_, share)| share.clone()),
            path,
            to: None,
            size: None,
            digest: None,
            millis: 0,
        }
    }

    /// A child is lent the file of a share link of a user with this home.
    pub(super) fn lend(&mut self, home: Option<&RelPath>, share: &Share) {
        let below = name::decode(&share.path).unwrap_or_default();
        let home = home.map_or(&b""[..], RelPath::as_bytes);
        let parts = [home, &below];
        let whole = parts.iter().copied().filter(|part| !part.is_empty());
        let path = name::encode(&whole.collect::<Vec<_>>().join(&b'/'));
        self.telling.lent = Some((path, share.id.clone()));
        if self.inside.is_none() {
            self.telling.since = monotonic_millis();
        }
    }

    /// From the library's root, what `letters` are from the home of who is in; of a shared file what it was when it was lent. None for what is
    /// no path, and where there is no home.
    fn whole_path(&self, letters: &str, verb: Verb, shared: bool) -> Option<String> {
        if shared {
            let lent = self.telling.lent.as_ref();
            let lent = lent.filter(|_| verb == Verb::Download);
            return lent.map(|(path, _)| path.clone());
        }
        let path = RelPath::parse(&name::decode(letters)?).ok()?;
        Some(name::encode(
            &self.inside.as_ref()?.whole_path_of(path.as_bytes()),
        ))
    }

    /// The same of what may be no path at all: nothing was done with it. It is as long as one can be, and no longer.
    fn refused_path(&self, letters: &str, shared: bool) -> Option<String> {
        if shared {
            return self.whole_path("", Verb::Download, true);
        }
        let bytes = name::decode(letters)?;
        Some(name::encode(&self.inside.as_ref()?.whole_path_of(&bytes)))
    }

    /// The child is gone: what it was at was cut.
    pub(super) fn note_cut(&mut self, desk: &mut Desk) {
        let Some(client) = self.client else { return };
        for was in std::mem::take(&mut self.telling.under_way) {
            let took = monotonic_millis().saturating_sub(was.since);
            let cut = ledger::Outcome::Cut;
            let mut line = self.begin_line(&client, was.verb, cut, was.path, was.shared);
            line.millis = took;
            desk.note(&line);
        }
    }
}

impl Desk {
    /// Writes the lines that were gathered.
    pub(super) fn write_down(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.flush();
        }
    }

    /// Does what is due for the ledger.
    pub(super) fn keep_ledger(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.flush();
            ledger.tick();
        }
    }

    /// Everything was read again: what was opened for it takes the place of what there was.
    pub(super) fn renew_ledger(&mut self) {
        let before = self.ledger.take();
        self.ledger = self.keys.ledger.take();
        match (&mut self.ledger, before) {
            (Some(ledger), Some(before)) => ledger.succeed(before),
            (None, Some(mut before)) => {
                before.close();
                log::event(Level::Info, "no ledger is kept any more", &[]);
            }
            _ => {}
        }
    }
}
