//! Changing the users file: comments and order are kept, and whoever reads it meanwhile sees the old file or the new one, whole. Run
//! by `forkftpd user`.
//!
//! The lock is on the file itself, so that only those can hold it who may read it. The file is replaced, not written over:
//! who gets the lock looks whether it is still the one that has the name.

use super::{Users, read};
use crate::sys::{file, random};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use toml_edit::{DocumentMut, Item, Table, Value};
use zeroize::Zeroizing;

/// How long another editor is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What stands at the top of a new file.
const HEADER: &str = "\
# Users of forkftpd, changed with forkftpd user and with any editor. A running server reads it after SIGHUP.
# [users.NAME] with password (a verifier), rights, and the other keys of [anonymous] in: forkftpd config

";

/// The file, locked, and its text while it is changed. Nothing is changed on the disk until `save`.
pub struct Editor {
    path: PathBuf,
    /// Locked as long as it is open.
    held: File,
    /// The file was made for this; taken away again unless it is saved.
    made: bool,
    before: Zeroizing<String>,
    document: DocumentMut,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text has verifiers.
        f.debug_struct("Editor")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Editor {
    /// Locks and reads the file; makes it when it is not there and `make` is set.
    ///
    /// # Errors
    /// It cannot be read or locked, is not private, or is no TOML: lines for the operator.
    pub fn open(path: &Path, make: bool) -> Result<Editor, Vec<String>> {
        let one = |problem| vec![problem];
        let (path, held, made) = lock(path, make).map_err(one)?;
        let mut editor = Editor {
            path,
            held,
            made,
            before: Zeroizing::default(),
            document: DocumentMut::new(),
        };
        editor.before = read(&editor.path).map_err(one)?;
        let text = if made { HEADER } else { &editor.before };
        // In the words of `Users::load`, which has them all; this only needs the syntax.
        editor.document = match text.parse() {
            Ok(document) => document,
            Err(_) => {
                let problems = Users::parse(&editor.path, text, None).err();
                return Err(problems.unwrap_or_else(|| vec!["not to be edited as TOML".into()]));
            }
        };
        Ok(editor)
    }

    /// True when there is such a user.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let users = self.document.get("users").and_then(Item::as_table_like);
        users.is_some_and(|users| users.contains_key(name))
    }

    /// Adds a user behind all others.
    ///
    /// # Errors
    /// The name is taken, or users do not stand in tables of their own.
    pub fn add(
        &mut self,
        name: &str,
        keys: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<(), String> {
        if self.has(name) {
            return Err(format!("there is a user {name} already"));
        }
        // What stands behind the last table stays before the new one.
        let mut before = self.document.trailing().as_str().unwrap_or("").to_owned();
        if !before.is_empty() && !before.ends_with('\n') {
            before.push('\n');
        }
        let begins = self.document.is_empty() && before.is_empty();
        if !begins && !before.ends_with("\n\n") {
            before.push('\n');
        }
        let mut table = Table::new();
        table.decor_mut().set_prefix(before);
        for (key, value) in keys {
            table.insert(key, value.into());
        }
        let users = self.document.entry("users").or_insert_with(|| {
            let mut users = Table::new();
            users.set_implicit(true);
            users.into()
        });
        let users = users.as_table_mut().ok_or_else(|| {
            format!(
                "{}: users do not stand in tables [users.NAME] there; change it by hand",
                self.path.display()
            )
        })?;
        users.insert(name, Item::Table(table));
        self.document.set_trailing("");
        Ok(())
    }

    /// Gives `key` of a user another value, or takes it away.
    ///
    /// # Errors
    /// There is no such user.
    pub fn set(&mut self, name: &str, key: &str, value: Option<Value>) -> Result<(), String> {
        let users = self.document.get_mut("users");
        let user = users
            .and_then(Item::as_table_like_mut)
            .and_then(|users| users.get_mut(name))
            .and_then(Item::as_table_like_mut)
            .ok_or_else(|| nobody(name))?;
        match (user.get_mut(key), value) {
            (_, None) => drop(user.remove(key)),
            (Some(Item::Value(old)), Some(mut new)) => {
                // With the comment behind it.
                *new.decor_mut() = old.decor().clone();
                *old = new;
            }
            (_, Some(new)) => drop(user.insert(key, new.into())),
        }
        Ok(())
    }

    /// What is kept of a user's password, as it stands there.
    #[must_use]
    pub fn password(&self, name: &str) -> Option<&str> {
        let users = self.document.get("users")?.as_table_like()?;
        users.get(name)?.as_table_like()?.get("password")?.as_str()
    }

    /// Takes a user away, with the comment right above the table; what a blank line parts from it stays.
    ///
    /// # Errors
    /// There is no such user.
    pub fn remove(&mut self, name: &str) -> Result<(), String> {
        let users = self.document.get_mut("users");
        let users = users.and_then(Item::as_table_like_mut);
        let gone = users.and_then(|users| users.remove(name));
        let gone = gone.ok_or_else(|| nobody(name))?;
        if let Item::Table(gone) = gone {
            let prefix = gone.decor().prefix().and_then(|prefix| prefix.as_str());
            let kept = prefix.and_then(|prefix| prefix.rfind("\n\n").map(|at| &prefix[..at + 2]));
            if let Some(kept) = kept.filter(|kept| kept.contains('#')) {
                self.put_after(gone.position(), kept);
            }
        }
        Ok(())
    }

    /// Puts `text` before the table that followed the one at `position`, or at the end.
    fn put_after(&mut self, position: Option<isize>, text: &str) {
        let users = self.document.get_mut("users").and_then(Item::as_table_mut);
        let next = users.and_then(|users| {
            let tables = users.iter_mut().filter_map(|(_, item)| item.as_table_mut());
            tables
                .filter(|table| table.position() > position)
                .min_by_key(|table| table.position())
        });
        match next {
            Some(next) => {
                let old = next.decor().prefix().and_then(|prefix| prefix.as_str());
                let both = format!("{text}{}", old.unwrap_or("").trim_start_matches('\n'));
                next.decor_mut().set_prefix(both);
            }
            None => {
                let old = self.document.trailing().as_str().unwrap_or("");
                let both = format!("{text}{old}");
                self.document.set_trailing(both);
            }
        }
    }

    /// Checks the new text, and puts it in the place of the old: on the disk when this returns.
    ///
    /// # Errors
    /// The new text would be refused by the server, or cannot be written; the old one is there as it was.
    pub fn save(mut self) -> Result<Users, Vec<String>> {
        let text = Zeroizing::new(self.document.to_string());
        let users = Users::parse(&self.path, &text, None)?;
        self.replace(&text)
            .map_err(|why| vec![format!("users {}: {why}", self.path.display())])?;
        self.made = false;
        Ok(users)
    }

    fn replace(&self, text: &str) -> Result<(), String> {
        let say = |error: std::io::Error| error.to_string();
        // Editors that know nothing of the lock.
        if read(&self.path)? != self.before {
            return Err("somebody else has changed it meanwhile: try again".into());
        }
        let folder = folder_of(&self.path);
        let mut aside = [0; 8];
        random::fill(&mut aside).map_err(|errno| format!("no randomness: {}", errno.desc()))?;
        let aside = folder.join(format!(".forkftpd-users.{}", hex::encode(aside)));
        let mut new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)
            .map_err(say)?;
        let written = || -> std::io::Result<()> {
            let (old, mine) = (self.held.metadata()?, new.metadata()?);
            if (old.uid(), old.gid()) != (mine.uid(), mine.gid()) {
                std::os::unix::fs::fchown(&new, Some(old.uid()), Some(old.gid()))?;
            }
            new.write_all(text.as_bytes())?;
            new.sync_all()?;
            std::fs::rename(&aside, &self.path)
        };
        let mut written = written;
        written().map_err(|error| {
            let _ = std::fs::remove_file(&aside);
            say(error)
        })?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| {
                format!("it was replaced, and may be the old one after a power cut: {error}")
            })
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if self.made {
            // Still locked: whoever waits for it sees that the name is gone, and makes it anew.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn nobody(name: &str) -> String {
    format!("there is no user {name}; forkftpd user list shows who there is")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The file behind `path`, past links; the file, locked; and whether it was made.
fn lock(path: &Path, make: bool) -> Result<(PathBuf, File, bool), String> {
    let say = |error: std::io::Error| format!("users {}: {error}", path.display());
    let missing =
        |error: std::io::Error| format!("{}; make it with: forkftpd user add NAME", say(error));
    let end = Instant::now() + PATIENCE;
    loop {
        let mut made = false;
        let found = path.canonicalize();
        let real = found.as_deref().unwrap_or(path).to_owned();
        let mut how = OpenOptions::new();
        how.read(true)
            .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
        let opened = match how.open(&real) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && make => {
                made = true;
                how.write(true).create_new(true).mode(0o600).open(&real)
            }
            other => other,
        };
        let held = match opened {
            Ok(held) => held,
            // Made by another in between.
            Err(error) if made && error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(missing(error));
            }
            Err(error) => return Err(say(error)),
        };
        let locked = file::try_lock(held.as_fd()).map_err(|errno| say(errno.into()))?;
        let same = |held: &File| -> std::io::Result<bool> {
            let (ours, theirs) = (held.metadata()?, std::fs::metadata(&real)?);
            Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
        };
        if locked && same(&held).unwrap_or(false) {
            return Ok((real, held, made));
        }
        if Instant::now() > end {
            return Err(format!(
                "users {}: somebody else has been changing it for {} s: try again, or end them",
                path.display(),
                PATIENCE.as_secs()
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::VERIFIER;
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn keys() -> [(&'static str, Value); 2] {
        [
            ("password", VERIFIER.into()),
            ("rights", Value::Array(["get"].into_iter().collect())),
        ]
    }

    fn add(path: &Path, name: &str) -> Result<Users, Vec<String>> {
        let mut editor = Editor::open(path, true)?;
        editor.add(name, keys()).map_err(|why| vec![why])?;
        editor.save()
    }

    fn with(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("users.toml");
        let text = text.replace("GOOD", VERIFIER);
        std::fs::write(&path, text).expect("write");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).expect("chmod");
        (folder, path)
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path)
            .expect("read")
            .replace(VERIFIER, "GOOD")
    }

    #[test]
    fn a_file_grows_and_shrinks_and_keeps_what_people_wrote() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("users.toml");
        add(&path, "alice").expect("alice");
        add(&path, "bob b").expect("bob");
        let user = "password = \"GOOD\"\nrights = [\"get\"]\n";
        let both = format!("{HEADER}[users.alice]\n{user}\n[users.\"bob b\"]\n{user}");
        assert_eq!(text(&path), both);
        assert!(add(&path, "alice").is_err(), "twice");
        assert_eq!(text(&path), both);
        let mode = std::fs::metadata(&path).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let mut editor = Editor::open(&path, false).expect("open");
        editor.remove("alice").expect("remove");
        assert!(editor.remove("alice").is_err());
        assert_eq!(editor.save().expect("save").iter().count(), 1);
        assert_eq!(text(&path), format!("{HEADER}[users.\"bob b\"]\n{user}"));
        let mut editor = Editor::open(&path, false).expect("open");
        editor.remove("bob b").expect("remove");
        editor.save().expect("save");
        assert_eq!(text(&path), HEADER);
        add(&path, "carol").expect("carol");
        assert_eq!(text(&path), format!("{HEADER}[users.carol]\n{user}"));
        let left: Vec<_> = std::fs::read_dir(folder.path()).expect("list").collect();
        assert_eq!(left.len(), 1, "nothing beside it: {left:?}");
    }

    #[test]
    fn comments_and_order_stay() {
        let (_folder, path) = with(
            "# top\n\n# about zoe\n[users.zoe] # her\n# from the shop\npassword = \"GOOD\" # long\nrights = [\"get\"] # no more\n\n# about al\n[users.al]\nrights = []\npassword = \"GOOD\"\n\n# the end",
        );
        let mut editor = Editor::open(&path, false).expect("open");
        let more = Value::Array(["list", "put"].into_iter().collect());
        editor.set("zoe", "rights", Some(more)).expect("rights");
        editor
            .set("zoe", "quota", Some("1 GiB".into()))
            .expect("quota");
        editor.set("al", "disabled", Some(true.into())).expect("al");
        assert!(editor.set("bo", "quota", None).is_err());
        editor.add("bo", keys()).expect("bo");
        editor.save().expect("save");
        assert_eq!(
            text(&path),
            "# top\n\n# about zoe\n[users.zoe] # her\n# from the shop\npassword = \"GOOD\" # long\nrights = [\"list\", \"put\"] # no more\nquota = \"1 GiB\"\n\n# about al\n[users.al]\nrights = []\npassword = \"GOOD\"\ndisabled = true\n\n# the end\n\n[users.bo]\npassword = \"GOOD\"\nrights = [\"get\"]\n"
        );
        let mut editor = Editor::open(&path, false).expect("open");
        editor.remove("zoe").expect("remove");
        editor.set("al", "disabled", None).expect("al");
        editor.save().expect("save");
        assert_eq!(
            text(&path),
            "# top\n\n# about al\n[users.al]\nrights = []\npassword = \"GOOD\"\n\n# the end\n\n[users.bo]\npassword = \"GOOD\"\nrights = [\"get\"]\n"
        );
    }

    #[test]
    fn what_the_server_would_refuse_is_not_written() {
        let (_folder, path) = with("[users.a]\npassword = \"GOOD\"\nrights = []\n");
        let before = text(&path);
        let mut editor = Editor::open(&path, false).expect("open");
        assert!(!format!("{editor:?}").contains("SCRAM"));
        editor
            .set("a", "quota", Some("5 apples".into()))
            .expect("set");
        assert!(editor.save().expect_err("refused")[0].contains("KiB"));
        let mut editor = Editor::open(&path, false).expect("open");
        editor.set("a", "quota", Some(5.into())).expect("set");
        std::fs::write(
            &path,
            format!("{before}# by hand\n").replace("GOOD", VERIFIER),
        )
        .expect("write");
        assert!(editor.save().expect_err("overtaken")[0].contains("meanwhile"));
        assert_eq!(text(&path), format!("{before}# by hand\n"));
        let (_folder, damaged) = with("[users.a\n");
        assert!(Editor::open(&damaged, true).expect_err("damaged")[0].contains("users.toml:1"));
        let nothing = damaged.with_file_name("none.toml");
        assert!(Editor::open(&nothing, false).is_err());
        drop(Editor::open(&nothing, true).expect("made"));
        assert!(!nothing.exists(), "not saved, not there");
    }

    #[test]
    fn of_many_editors_at_once_none_is_lost() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("users.toml");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..5 {
                        add(path, &format!("u{thread}-{number}")).expect("add");
                    }
                });
            }
        });
        assert_eq!(Users::load(&path).expect("users").iter().count(), 20);
    }

    #[test]
    fn a_link_stays_one() {
        let (folder, path) = with("");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("users.toml", &link).expect("link");
        add(&link, "a").expect("add");
        assert!(link.is_symlink());
        assert_eq!(Users::load(&path).expect("users").iter().count(), 1);
    }
}
