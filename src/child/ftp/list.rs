//! LIST, NLST, MLSD, and STAT of a path: what is in a folder, as many entries as there are, in bounded memory and as the disk gives
//! them. Run by a child.

use super::control::Control;
use super::data::{self, Connection, Direction, Stop};
use super::describe::{Form, Style};
use super::{Handled, Session};
use crate::error::{Code, Refusal};
use crate::library::{Library, Walk};
use crate::rights::Operation;
use crate::sys::file::{Facts, Kind};
use crate::wire::ftp::command::{List, list_argument};
use crate::wire::ftp::path::resolve;
use crate::wire::ftp::{glob, listing, reply};
use crate::wire::name;
use crate::wire::path::{Bad, RelPath};

/// Lines are sent when they come to this many bytes.
const LINES: usize = 32 * 1024;
/// After so many entries it is looked at what the client says, however few of them it is shown.
const OFTEN: u64 = 512;
/// Deepest folder below the listed one that is followed: each level holds descriptors.
const DEEPEST: usize = 128;

pub(super) fn list(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.list(&asked(argument), Style::Long)
}

pub(super) fn nlst(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.list(&asked(argument), Style::Names)
}

/// MLSD (RFC 3659, section 7): no flags, no patterns.
pub(super) fn mlsd(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let asked = List {
        path: argument,
        ..List::default()
    };
    session.list(&asked, Style::Facts)
}

/// STAT of a path (RFC 959, section 4.1.3): LIST over the control connection.
pub(super) fn stat(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let asked = asked(argument);
    let plan = match session.plan(&asked, Style::Long) {
        Ok(plan) => plan,
        Err(refusal) => {
            session.log_list(&asked, &Err(refusal.clone()));
            return session.refuse(&refusal);
        }
    };
    let code = match plan.of {
        Of::One(_) => 213,
        _ => 212,
    };
    let form = session.form(Style::Long, &plan.path);
    let library = session.guest.library;
    session
        .line
        .control
        .send(&reply::begin(code, "What is there:"))?;
    let mut sending = Sending::new(&mut session.line.control, None);
    let result = sending.all(library, &form, plan);
    let listed = sending.summary();
    session.log_list(&asked, &logged(&result, &listed));
    match result {
        Ok(()) => session.line.control.say(code, "End"),
        Err(Stop::Over(end)) => Err(end),
        // A reply ends with the code that it began with.
        Err(stop) => {
            let why = data::refusal_of(&stop).message;
            session.line.control.say(code, format!("Not all: {why}"))
        }
    }
}

/// What is to be listed.
#[derive(Debug)]
struct Plan {
    path: RelPath,
    of: Of,
    /// What stands before each name that programs are to use: the folder as it was asked for. The name itself, of one thing; the
    /// first heading, of a tree.
    prefix: Vec<u8>,
}

#[derive(Debug)]
enum Of {
    /// This one thing.
    One(Facts),
    /// What is in the folder.
    Folder(Facts, Walk),
    /// The names in the folder that this describes.
    Matching(Vec<u8>, Walk),
    /// What is in the folder and below it, each folder under its own heading.
    Tree(Walk),
}

/// What went to the client.
#[derive(Debug, Clone, Copy)]
struct Summary {
    entries: u64,
    bytes: u64,
    unreadable: u64,
}

fn asked(argument: &[u8]) -> List<'_> {
    let mut asked = list_argument(argument);
    // What is left of flags and blanks by clients that send them always.
    if asked.path.iter().all(|&b| b == b' ') {
        asked.path = b"";
    }
    asked
}

fn logged(result: &Result<(), Stop>, listed: &Summary) -> Result<u64, Refusal> {
    match result {
        Ok(()) => Ok(listed.bytes),
        Err(stop) => Err(data::refusal_of(stop)),
    }
}

impl Session<'_> {
    fn form(&self, style: Style, at: &RelPath) -> Form {
        Form::new(style, self.facts, &self.guest.grant.policy, at)
    }

    fn log_list(&self, asked: &List<'_>, result: &Result<u64, Refusal>) {
        let path = resolve(&self.folder, asked.path);
        let shown = name::encode(path.as_ref().map_or(asked.path, RelPath::as_bytes));
        self.guest.log_list(&shown, result);
    }

    /// Lists over a data connection.
    fn list(&mut self, asked: &List<'_>, style: Style) -> Handled {
        let style = match style {
            Style::Long if asked.one_per_line => Style::Names,
            style => style,
        };
        let plan = match self.plan(asked, style) {
            Ok(plan) => plan,
            Err(refusal) => {
                self.log_list(asked, &Err(refusal.clone()));
                return self.refuse(&refusal);
            }
        };
        let form = self.form(style, &plan.path);
        let library = self.guest.library;
        let (result, listed) = match self
            .line
            .open_data(Direction::ToClient, "Here comes the listing.")
        {
            Ok(connection) => {
                let mut sending = Sending::new(&mut self.line.control, Some(connection));
                let result = sending
                    .all(library, &form, plan)
                    .and_then(|()| sending.finish());
                (result, sending.summary())
            }
            Err(stop) => {
                let none = Summary {
                    entries: 0,
                    bytes: 0,
                    unreadable: 0,
                };
                (Err(stop), none)
            }
        };
        self.log_list(asked, &logged(&result, &listed));
        match result {
            Ok(()) => {
                let mut said = format!("Listed: {}.", listed.entries);
                if listed.unreadable > 0 {
                    said += &format!(" Folders that cannot be read: {}.", listed.unreadable);
                }
                self.line.control.say(226, said)
            }
            Err(stop) => data::tell(&mut self.line, stop),
        }
    }

    /// Opens what is to be listed, if it may be.
    fn plan(&self, asked: &List<'_>, style: Style) -> Result<Plan, Refusal> {
        let library = self.guest.library;
        // Only names that stand alone are asked for as they are (RFC 3659, section 7.2: those of MLSD are of the folder).
        let before_names = |folder| match style {
            Style::Names => prefix(folder),
            _ => Vec::new(),
        };
        let resolved = |path| {
            let path = resolve(&self.folder, path).map_err(Bad::when_reading);
            self.guest.allow(Operation::List, path)
        };
        if style != Style::Facts
            && let Some((folder, pattern)) = glob::is_pattern(asked.path)
        {
            let path = resolved(folder)?;
            let walk = library.walk(&path, false)?;
            return Ok(Plan {
                path,
                of: Of::Matching(pattern.to_vec(), walk),
                prefix: before_names(folder),
            });
        }
        let path = resolved(asked.path)?;
        let facts = library.stat(&path)?;
        let of = match facts.kind {
            Kind::Folder if asked.itself => Of::One(facts),
            Kind::Folder if asked.recursive && style == Style::Long => {
                Of::Tree(library.walk(&path, false)?)
            }
            // Names alone are for programs, which ask for them one by one: whole paths, and no headings.
            Kind::Folder => Of::Folder(facts, library.walk(&path, asked.recursive)?),
            // RFC 3659, section 7.2.1.
            _ if style == Style::Facts => {
                return Err(Refusal::new(Code::Request, Code::NotFolder.text()));
            }
            _ => Of::One(facts),
        };
        let prefix = match (&of, style) {
            (Of::One(_), _) if asked.path.is_empty() => b".".to_vec(),
            (Of::One(_), Style::Names) => asked.path.to_vec(),
            (Of::One(_), _) => match path.split_last() {
                Some((_, name)) => name.to_vec(),
                None => b"/".to_vec(),
            },
            (Of::Tree(_), _) => heading_of(asked.path).to_vec(),
            _ => before_names(asked.path),
        };
        Ok(Plan { path, of, prefix })
    }
}

/// What stands before the names in `folder`, which is as the client wrote it.
fn prefix(folder: &[u8]) -> Vec<u8> {
    match folder {
        b"" | b"." => Vec::new(),
        [.., b'/'] => folder.to_vec(),
        _ => [folder, b"/"].concat(),
    }
}

/// The first heading of a tree; that of the root is empty, as everything in it begins with a slash.
fn heading_of(folder: &[u8]) -> &[u8] {
    match folder {
        b"" => b".",
        [path @ .., b'/'] => path,
        path => path,
    }
}

/// Lines on their way: over the data connection, or within a reply where there is none.
struct Sending<'a> {
    control: &'a mut Control,
    connection: Option<Connection>,
    lines: Vec<u8>,
    seen: u64,
    listed: Summary,
}

impl<'a> Sending<'a> {
    fn new(control: &'a mut Control, connection: Option<Connection>) -> Sending<'a> {
        Sending {
            control,
            connection,
            lines: Vec::with_capacity(LINES + 1024),
            seen: 0,
            listed: Summary {
                entries: 0,
                bytes: 0,
                unreadable: 0,
            },
        }
    }

    fn summary(&self) -> Summary {
        self.listed
    }

    fn all(&mut self, library: &Library, form: &Form, plan: Plan) -> Result<(), Stop> {
        let Plan { path, of, prefix } = plan;
        match of {
            Of::One(facts) => {
                form.write(&mut self.lines, &facts, &prefix);
                self.listed.entries += 1;
            }
            Of::Folder(facts, walk) => {
                form.write_itself(&mut self.lines, &facts);
                self.folder(form, walk, &prefix, |_| true)?;
            }
            Of::Matching(pattern, walk) => {
                self.folder(form, walk, &prefix, |name| glob::matches(&pattern, name))?;
            }
            Of::Tree(walk) => self.tree(library, form, (path, walk), &prefix)?,
        }
        self.flush()
    }

    /// The entries of a folder that are `wanted`.
    fn folder(
        &mut self,
        form: &Form,
        mut walk: Walk,
        prefix: &[u8],
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Stop> {
        let mut name = prefix.to_vec();
        while let Some((entry, facts)) = walk.next_entry()? {
            if wanted(&entry) {
                name.truncate(prefix.len());
                name.extend_from_slice(&entry);
                form.write(&mut self.lines, &facts, &name);
                self.listed.entries += 1;
            }
            self.saw_one()?;
        }
        self.listed.unreadable += walk.unreadable();
        Ok(())
    }

    /// A folder and those below it, as `ls -R` has them: each is read a second time for the folders in it, since nobody holds
    /// the names of as many as there may be.
    fn tree(
        &mut self,
        library: &Library,
        form: &Form,
        (path, walk): (RelPath, Walk),
        top: &[u8],
    ) -> Result<(), Stop> {
        self.heading(top);
        self.folder(form, walk, b"", |_| true)?;
        let again = library.walk(&path, false)?;
        let mut levels = vec![(again, path, top.to_vec())];
        while let Some((walk, path, shown)) = levels.last_mut() {
            let Some((name, facts)) = walk.next_entry()? else {
                levels.pop();
                continue;
            };
            self.saw_one()?;
            if facts.kind != Kind::Folder {
                continue;
            }
            // What has too long a path cannot be asked for; others have gone since, or are not to be read.
            let below = resolve(path, &name).map_err(Bad::when_reading);
            // It shows, and that is all there is of it.
            if below.as_ref().is_ok_and(|below| library.is_closed(below)) {
                continue;
            }
            let opened = below.and_then(|below| {
                let walks = (library.walk(&below, false)?, library.walk(&below, false)?);
                Ok((below, walks))
            });
            let Ok((below, (inside, again))) = opened else {
                self.listed.unreadable += 1;
                continue;
            };
            let shown = [&shown[..], b"/", &name].concat();
            if levels.len() >= DEEPEST {
                return Err(Refusal::from(Code::Depth).into());
            }
            self.lines.extend_from_slice(b"\r\n");
            self.heading(&shown);
            self.folder(form, inside, b"", |_| true)?;
            levels.push((again, below, shown));
        }
        Ok(())
    }

    fn heading(&mut self, folder: &[u8]) {
        listing::write_name(&mut self.lines, &[folder, b":"].concat());
    }

    /// Sends what has come together, if it is enough, and looks from time to time at what the client says.
    fn saw_one(&mut self) -> Result<(), Stop> {
        self.seen += 1;
        if self.lines.len() >= LINES {
            return self.flush();
        }
        if self.seen.is_multiple_of(OFTEN) {
            self.control.slot().moved(1);
            // Within a reply there is no place for another.
            if self.connection.is_some() {
                data::attend(self.control)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stop> {
        match &mut self.connection {
            Some(connection) => connection.send(self.control, &self.lines)?,
            None => self.control.send(&within_reply(&self.lines))?,
        }
        self.listed.bytes += self.lines.len() as u64;
        self.lines.clear();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Stop> {
        match self.connection.take() {
            Some(connection) => connection.finish(self.control),
            None => Ok(()),
        }
    }
}

/// Whole lines as they stand in a reply of several.
fn within_reply(lines: &[u8]) -> Vec<u8> {
    let mut said = Vec::with_capacity(lines.len() + 64);
    for line in lines.split_inclusive(|&b| b == b'\n') {
        reply::between(&mut said, line.strip_suffix(b"\r\n").unwrap_or(line));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_folder_that_was_asked_for_before_them() {
        for (folder, expected) in [
            ("", ""),
            (".", ""),
            ("./", "./"),
            ("a", "a/"),
            ("a/", "a/"),
            ("/", "/"),
            ("..", "../"),
        ] {
            assert_eq!(prefix(folder.as_bytes()), expected.as_bytes(), "{folder}");
        }
    }

    #[test]
    fn blanks_alone_are_no_path() {
        for (argument, path) in [("  ", ""), ("-la  ", ""), (" a ", " a "), ("-- ", "")] {
            assert_eq!(asked(argument.as_bytes()).path, path.as_bytes());
        }
    }

    #[test]
    fn a_line_of_a_listing_cannot_end_a_reply() {
        let said = within_reply(b"-rw a b \r\n213 End\r\n\r\n/x/y:\r\n\xff\r\n");
        assert_eq!(said, b"-rw a b \r\n 213 End\r\n\r\n/x/y:\r\n\xff\xff\r\n");
    }
}
