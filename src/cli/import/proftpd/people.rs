//! Who logs in to a ProFTPD, where their files are, and what they may do: those of its AuthUserFile, and of this machine. Run by
//! `forkftpd import proftpd`.

use super::super::draft::{self, Key, Person, folder, number};
use super::super::passwords::{self, Entry};
use super::super::report::Report;
use super::Server;
use crate::rights::Rights;
use std::path::{Path, PathBuf};

/// The users in a file of this machine's own, with their homes as an AuthUserFile has them.
fn of_machine(file: &Path, report: &mut Report) -> Result<Vec<Entry>, String> {
    let mut entries = passwords::read(file, report)?;
    for entry in &mut entries {
        let home = draft::home_of(&entry.name);
        let home = home.unwrap_or_else(|| Path::new("/home").join(&entry.name));
        let home = home.to_string_lossy().into_owned();
        entry.fields = vec![String::new(), String::new(), String::new(), home];
    }
    Ok(entries)
}

impl Server {
    /// Those who log in; `from` is the file that says so.
    pub(super) fn entries(
        &self,
        from: &str,
        machine: Option<&Path>,
        report: &mut Report,
    ) -> Result<Vec<Entry>, String> {
        let mut entries = match &self.users {
            Some(users) => passwords::read(users, report).unwrap_or_else(|why| {
                report.missing(from, "authuserfile", format!("cannot be read ({why})"));
                Vec::new()
            }),
            None if machine.is_none() => {
                let says = "which users of this machine log in is not known here: forkftpd user add NAME --home NAME, for each; or import with --passwords /etc/shadow";
                report.missing(from, "no AuthUserFile", says);
                Vec::new()
            }
            None => Vec::new(),
        };
        if let Some(machine) = machine {
            let more = of_machine(machine, report)?;
            let known = |entry: &Entry| entries.iter().any(|known| known.name == entry.name);
            let more: Vec<_> = more.into_iter().filter(|entry| !known(entry)).collect();
            entries.extend(more);
            let says = "all are served as one user: give them the library (chown -R); owner of each user gives them their new files";
            report.missing(from, "users of this machine", says);
        }
        if self.root.is_none() {
            let says = "who logged in could leave their home there; here everybody sees theirs and no more";
            report.missing(from, "no DefaultRoot", says);
        }
        Ok(passwords::without_barred(entries, report))
    }

    /// The root of each: their home, or what DefaultRoot says.
    fn home(&self, entry: &Entry) -> PathBuf {
        // NAME:HASH:UID:GID:GECOS:HOME:SHELL.
        let home = entry.fields.get(3).map_or("", String::as_str);
        match self.root.as_deref() {
            Some(root) if root.starts_with('/') => folder(&root.replace("%u", &entry.name)),
            Some(root) => folder(home).join(root.trim_start_matches('~').trim_start_matches('/')),
            None => folder(home),
        }
    }

    pub(super) fn library(&self, entries: &[Entry]) -> PathBuf {
        if let Some(root) = self
            .root
            .as_deref()
            .filter(|root| root.starts_with('/') && !root.contains('%'))
        {
            let root = folder(root);
            return self
                .anonymous
                .iter()
                .fold(root, |above, open| draft::above(&above, &open.root));
        }
        let homes = draft::above_homes(entries.iter().map(|entry| self.home(entry)));
        let open = self.anonymous.iter().map(|open| open.root.clone());
        let above = homes
            .into_iter()
            .chain(open)
            .reduce(|one, other| draft::above(&one, &other));
        above.unwrap_or_else(|| "/home".into())
    }

    pub(super) fn person(&self, entry: &Entry, library: &Path, report: &mut Report) -> Person {
        let mut rights = self.limits.rights(self.overwrite);
        let mut keys: Vec<Key> = Vec::new();
        match draft::below(library, &self.home(entry)) {
            Some(home) if home.is_empty() => {}
            Some(home) => keys.push(("home", home.into())),
            None => {
                report.less_safe(&entry.place, &entry.name, "the home is hidden, or not below the library: they may do nothing until they have one");
                rights = Rights::NONE;
            }
        }
        keys.extend(self.rates.iter().cloned());
        keys.extend(self.per_user.map(|most| ("sessions", number(most))));
        keys.extend(self.limits.networks());
        Person {
            name: entry.name.clone(),
            hash: entry.hash.clone(),
            rights,
            keys,
        }
    }
}
