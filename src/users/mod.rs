//! The users file: who may log in, with what password, and what they may do then. Read by the broker, whole or not at all:
//! a damaged part means no service. Read and changed by `forkftpd user`.
//!
//! ```toml
//! [users.alice]
//! password = "SCRAM-SHA-256$65536:..."   # a verifier: forkftpd user passwd alice; or a hash that forkftpd import brought
//! disabled = true                        # when she may not come in for now
//! rights = ["list", "get"]               # and the other keys of [anonymous] in the configuration
//! ```

mod edit;
mod imported;
mod stored;

pub use edit::Editor;
pub use imported::Imported;
pub use stored::Stored;

use crate::config::{Account, Config, FileAccount, place};
use crate::proof::read_private;
use crate::rights::Rights;
use crate::scram::{Verifier, user_name};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Largest users file, bytes: some 60,000 users.
const MAX_FILE: usize = 16 << 20;

/// Somebody who may log in.
#[derive(Debug, Clone)]
pub struct User {
    /// What is kept of the password.
    pub stored: Stored,
    /// Not for now: refused as if the password were wrong.
    pub disabled: bool,
    /// What they may do.
    pub account: Account,
}

/// All of them, by name.
#[derive(Debug, Clone, Default)]
pub struct Users(BTreeMap<String, User>);

impl Users {
    /// Reads the file. It has to be private, and sound in every part; an empty one has no users.
    ///
    /// # Errors
    /// Everything that is wrong: `FILE:LINE: what: remedy`.
    pub fn load(path: &Path) -> Result<Users, Vec<String>> {
        Users::parse(path, &read(path).map_err(|problem| vec![problem])?, None)
    }

    /// The same for a server: commands that the configuration does not have are wrong, too.
    ///
    /// # Errors
    /// As `load`.
    pub fn load_for(path: &Path, config: &Config) -> Result<Users, Vec<String>> {
        let known = |name: &str| config.command(name).is_some();
        let text = read(path).map_err(|problem| vec![problem])?;
        Users::parse(path, &text, Some(&known))
    }

    /// The user of that name, in the one form of names (`scram::user_name`).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&User> {
        self.0.get(name)
    }

    /// Puts another verifier in the place of an imported hash, if that is still what is kept of the password.
    pub fn replace(&mut self, name: &str, imported: &Imported, verifier: Verifier) {
        let user = self.0.get_mut(name);
        if let Some(user) = user.filter(|user| user.stored.imported() == Some(imported)) {
            user.stored = Stored::Own(verifier);
        }
    }

    /// The imported hash of those who may log in that costs most to check, if there is any.
    #[must_use]
    pub fn dearest(&self) -> Option<&Imported> {
        let active = self.0.values().filter(|user| !user.disabled);
        let imported = active.filter_map(|user| user.stored.imported());
        imported.max_by_key(|imported| imported.cost())
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &User)> {
        self.0.iter().map(|(name, user)| (name.as_str(), user))
    }

    /// The users of `text`, which stands at `path` or will.
    fn parse(path: &Path, text: &str, known: Known<'_>) -> Result<Users, Vec<String>> {
        let mut checker = Checker {
            path,
            text,
            known,
            problems: Vec::new(),
        };
        let users = checker.file();
        if checker.problems.is_empty() {
            Ok(Users(users))
        } else {
            Err(checker.problems)
        }
    }
}

/// The text of a users file.
fn read(path: &Path) -> Result<zeroize::Zeroizing<String>, String> {
    let missing = "make it with: forkftpd user add NAME";
    let mut content = read_private(path, "users", MAX_FILE, missing)?;
    match String::from_utf8(std::mem::take(&mut *content)) {
        Ok(text) => Ok(text.into()),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..at]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            drop(zeroize::Zeroizing::new(error.into_bytes()));
            Err(format!(
                "{}:{line}: not UTF-8: write it as text, or take it back from a copy",
                path.display()
            ))
        }
    }
}

/// Tells the names of commands that there are, where somebody knows.
type Known<'a> = Option<&'a dyn Fn(&str) -> bool>;

struct Checker<'a> {
    path: &'a Path,
    text: &'a str,
    known: Known<'a>,
    problems: Vec<String>,
}

type Place = std::ops::Range<usize>;

impl Checker<'_> {
    fn wrong(&mut self, at: usize, what: impl std::fmt::Display) {
        let place = place(Some(self.path), self.text, at);
        self.problems.push(format!("{place}: {what}"));
    }

    /// What the parser says. Its sentence never holds a value, which might be a verifier.
    fn broken(&mut self, at: usize, error: &toml::de::Error) {
        let at = error.span().map_or(at, |span| span.start);
        self.wrong(at, error.message().trim_end());
    }

    fn file(&mut self) -> BTreeMap<String, User> {
        let mut users = BTreeMap::new();
        let file = match DeTable::parse(self.text) {
            Ok(file) => file.into_inner(),
            Err(error) => {
                self.broken(0, &error);
                return users;
            }
        };
        for (key, value) in file {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.into_inner()) {
                ("users", DeValue::Table(tables)) => {
                    for (name, table) in tables {
                        let at = name.span().start;
                        let name = name.into_inner();
                        if let Some(user) = self.user(&name, at, table) {
                            users.insert(name.into_owned(), user);
                        }
                    }
                }
                ("users", _) => self.wrong(at, "users are tables: [users.NAME]"),
                (other, _) => self.wrong(
                    at,
                    format!("unknown key {other:?}: there are only tables [users.NAME]"),
                ),
            }
        }
        users
    }

    fn user(&mut self, name: &str, at: usize, value: Spanned<DeValue<'_>>) -> Option<User> {
        match user_name(name) {
            Ok(form) if form == name => {}
            Ok(form) => self.wrong(at, format!("write {name:?} as {form:?}: clients do")),
            Err(why) => self.wrong(at, why),
        }
        let span = value.span();
        let DeValue::Table(mut table) = value.into_inner() else {
            self.wrong(at, format!("a user is a table: [users.{name}]"));
            return None;
        };
        let stored = self.stored(name, at, table.remove("password"));
        let disabled = match table.remove("disabled") {
            None => false,
            Some(value) => value.get_ref().as_bool().unwrap_or_else(|| {
                self.wrong(value.span().start, "disabled is true or false");
                true
            }),
        };
        if !table.contains_key("rights") {
            self.wrong(at, format!("user {name} has no rights: say what they may do, as rights = [\"list\", \"get\"]"));
        }
        let account = self.account(table, span)?;
        Some(User {
            stored: stored?,
            disabled,
            account,
        })
    }

    fn stored(
        &mut self,
        name: &str,
        at: usize,
        value: Option<Spanned<DeValue<'_>>>,
    ) -> Option<Stored> {
        let Some(value) = value else {
            self.wrong(
                at,
                format!("user {name} has no password: give one with forkftpd user passwd {name}"),
            );
            return None;
        };
        let read = match value.get_ref().as_str() {
            Some(text) => text.parse(),
            None => Err("not text".to_owned()),
        };
        read.map_err(|why| {
            let remedy = format!("give a new one with forkftpd user passwd {name}");
            self.wrong(
                value.span().start,
                format!("the password is no verifier ({why}): {remedy}"),
            );
        })
        .ok()
    }

    /// The keys that users share with `[anonymous]`.
    fn account(&mut self, table: DeTable<'_>, span: Place) -> Option<Account> {
        let at = span.start;
        let table = Spanned::new(span, DeValue::Table(table));
        match FileAccount::deserialize(ValueDeserializer::from(table)) {
            Ok(keys) => {
                let known = self.known;
                Some(keys.check(Rights::NONE, known, |at, what| self.wrong(at, what)))
            }
            Err(error) => {
                self.broken(at, &error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Right;

    pub(super) const VERIFIER: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn parse(text: &str) -> Result<Users, Vec<String>> {
        let known = |name: &str| name == "disk";
        let text = text.replace("GOOD", VERIFIER);
        Users::parse(Path::new("u.toml"), &text, Some(&known))
    }

    #[test]
    fn users_and_what_they_may_do() {
        let users = parse(
            "# people\n[users.alice]\npassword = \"GOOD\"\nrights = [\"list\", \"get\"]\nhome = \"a/b\"\nquota = \"1 GiB\"\nnetworks = [\"10.0.0.0/8\"]\n\n[users.\"bob x\"]\npassword = \"GOOD\"\nrights = []\ndisabled = true\n",
        )
        .expect("users");
        let alice = users.get("alice").expect("alice");
        assert!(alice.stored.check("pencil") && !alice.disabled);
        assert_eq!(
            alice.account.rights,
            Rights::NONE.with(Right::List).with(Right::Get)
        );
        assert_eq!(alice.account.home.as_bytes(), b"a/b");
        assert_eq!(alice.account.quota, Some(1 << 30));
        assert!(!alice.account.admits(Some([192, 0, 2, 1].into())));
        assert!(users.get("bob x").is_some_and(|bob| bob.disabled));
        let names: Vec<_> = users.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["alice", "bob x"]);
        assert!(users.get("Alice").is_none());
        for empty in ["", "# nobody yet\n", "[users]\n"] {
            assert_eq!(parse(empty).expect(empty).iter().count(), 0);
        }
    }

    #[test]
    fn everything_wrong_is_refused_with_its_line_and_a_remedy() {
        let good = "[users.a]\npassword = \"GOOD\"\nrights = [\"get\"]\n";
        for (text, line, word) in [
            ("[users.a]\nrights = []", 1, "forkftpd user passwd a"),
            ("[users.a]\npassword = \"GOOD\"", 1, "rights = ["),
            (
                "[users.a]\npassword = \"pencil\"\nrights = []",
                2,
                "passwd a",
            ),
            ("[users.a]\npassword = 5\nrights = []", 2, "not text"),
            (
                "[users.a]\n\npassword = \"SCRAM-SHA-256$4096:AAAA$AAAA:AAAA\"\nrights = []",
                3,
                "salt",
            ),
            (
                "[users.a]\npassword = \"GOOD\"\nrights = [\"fly\"]",
                3,
                "fly",
            ),
            (
                "[users.a]\npassword = \"GOOD\"\nrights = \"get\"",
                3,
                "sequence",
            ),
            (&format!("{good}pasword = 1"), 4, "pasword"),
            (&format!("{good}disabled = 1"), 4, "true or false"),
            (&format!("{good}quota = 0"), 4, "quota"),
            (&format!("{good}quota = \"5 apples\""), 4, "KiB"),
            (&format!("{good}networks = [\n\"x\"]"), 5, "no network"),
            (&format!("{good}home = \"../b\""), 4, "home"),
            (&format!("{good}umask = \"0777\""), 4, "umask"),
            (
                &format!("{good}commands = [\"disk\",\n\"fly\"]"),
                5,
                "[[command]]",
            ),
            (&format!("{good}[users.a]\nrights = []"), 4, "duplicate"),
            (&format!("{good}rights = []"), 4, "duplicate"),
            (&format!("{good}[admins.b]"), 4, "[users.NAME]"),
            ("users = 3", 1, "[users.NAME]"),
            ("users.a = 3", 1, "[users.a]"),
            (
                "[users.\"a\\u0007\"]\npassword = \"GOOD\"\nrights = []",
                1,
                "no name",
            ),
            (
                "[users.\"\u{aa}\"]\npassword = \"GOOD\"\nrights = []",
                1,
                "as \"a\"",
            ),
            (
                "[users.\"\"]\npassword = \"GOOD\"\nrights = []",
                1,
                "no name",
            ),
            ("[users.a", 1, ""),
        ] {
            let problems = parse(text).expect_err(text);
            let said = &problems[0];
            assert!(
                said.starts_with(&format!("u.toml:{line}: ")) && said.contains(word),
                "{text}: {problems:?}"
            );
        }
        let all = parse("[users.a]\n[users.b]\nrights = 1\n").expect_err("all");
        assert!(all.len() >= 3, "each is said: {all:?}");
    }

    #[test]
    fn the_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("users.toml");
        let why = Users::load(&path).expect_err("missing");
        assert!(why[0].contains("forkftpd user add"), "{why:?}");
        std::fs::write(&path, b"").expect("write");
        let mode = |bits| std::fs::set_permissions(&path, PermissionsExt::from_mode(bits));
        mode(0o640).expect("chmod");
        let why = Users::load(&path).expect_err("readable by the group");
        assert!(why[0].contains("chmod 600"), "{why:?}");
        mode(0o600).expect("chmod");
        assert!(Users::load(&path).is_ok());
        std::fs::write(&path, b"\n\n\xff").expect("write");
        let why = Users::load(&path).expect_err("bytes");
        assert!(why[0].contains("users.toml:3: not UTF-8"), "{why:?}");
        assert!(Users::load(folder.path()).is_err(), "a folder");
    }
}
