//! Our configuration and users file in the making, whatever server they come from, and on the disk. Run by `forkftpd import`.

use crate::rights::{Right, Rights};
use crate::sys::privs;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, Table, Value};

/// The files in the folder of `--to`.
pub(super) const CONFIG: &str = "forkftpd.toml";
pub(super) const USERS: &str = "users.toml";

/// What is said where TLS is optional, and data had to be encrypted all the same.
pub(super) const CLEAR_DATA: &str = "with tls = \"optional\" clients may ask for data in the clear (PROT C); with tls = \"required\" they may not";

/// What is said where permissions could not be changed by SITE CHMOD.
pub(super) const CHMOD: &str =
    "the right overwrite has permissions with it: take that right away from those who may not";

/// A key of ours, and its value.
pub(super) type Key = (&'static str, Value);

/// Somebody who may log in.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) name: String,
    /// What the other server keeps of the password, in a form that is verified here; none when it is not to be had.
    pub(super) hash: Option<String>,
    pub(super) rights: Rights,
    /// The other keys of the users file.
    pub(super) keys: Vec<Key>,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Which server it comes from, and which file.
    pub(super) origin: String,
    /// Keys that stand at the top, in order.
    pub(super) top: Vec<Key>,
    pub(super) listen: Vec<Vec<Key>>,
    pub(super) anonymous: Option<(Rights, Vec<Key>)>,
    /// None where nobody logs in.
    pub(super) people: Option<Vec<Person>>,
}

/// `rights` as the files have them.
fn rights_value(rights: Rights) -> Value {
    Value::Array(rights.iter().map(Right::as_str).collect())
}

/// A number as the files have it.
pub(super) fn number(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// A path as the files have it.
pub(super) fn path(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

/// Permission bits as the files have them. The owner, who is the server, keeps all rights.
pub(super) fn umask(bits: u32) -> Value {
    format!("{:04o}", bits & 0o077).into()
}

/// Whether `name` can be the user who serves: one of this machine, and not root.
pub(super) fn can_serve(name: &str) -> bool {
    privs::user_id(name).is_some_and(|uid| uid != 0)
}

/// The rights that are left of `rights` to those who `may` use a command of FTP.
pub(super) fn allowed_by(rights: Rights, may: impl Fn(&str) -> bool) -> Rights {
    let stays = |right: &Right| match right {
        Right::List => may("LIST") || may("NLST"),
        Right::Get => may("RETR"),
        Right::Put | Right::Overwrite => may("STOR"),
        Right::Delete => may("DELE"),
        Right::Rename => may("RNFR") && may("RNTO"),
        Right::Mkdir => may("MKD"),
    };
    rights.iter().filter(stays).collect()
}

/// Bytes a second, in both directions; nothing for no limit.
pub(super) fn rates(rate: u64) -> Vec<Key> {
    match rate {
        0 => Vec::new(),
        rate => vec![
            ("upload_rate", number(rate)),
            ("download_rate", number(rate)),
        ],
    }
}

/// `text` as a path without a slash or a dot at its end.
pub(super) fn folder(text: &str) -> PathBuf {
    Path::new(text).components().collect()
}

/// What is above both.
pub(super) fn above(one: &Path, other: &Path) -> PathBuf {
    let same = one.components().zip(other.components());
    same.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

/// The folder in which these homes stand side by side; none when there are no homes.
pub(super) fn above_homes(homes: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let parents = homes.map(|home| home.parent().map_or_else(|| home.clone(), Path::to_owned));
    parents.reduce(|one, other| above(&one, &other))
}

/// `path` below `library`, as a home; none when it is not below it, or hidden.
pub(super) fn below(library: &Path, path: &Path) -> Option<String> {
    let rest = path.strip_prefix(library).ok()?.to_str()?;
    let good = |part: &str| part != ".." && !part.starts_with('.');
    rest.split('/')
        .all(|part| part.is_empty() || good(part))
        .then(|| rest.to_owned())
}

/// A field of the line of this machine's /etc/passwd whose field `key` is `value`.
fn passwd(key: usize, value: &str, wanted: usize) -> Option<String> {
    let text = super::passwords::text_of(Path::new("/etc/passwd")).ok()?;
    let line = text
        .lines()
        .find(|line| line.split(':').nth(key) == Some(value))?;
    line.split(':').nth(wanted).map(str::to_owned)
}

/// The home of a user of this machine.
pub(super) fn home_of(name: &str) -> Option<PathBuf> {
    passwd(0, name, 5).map(|home| folder(&home))
}

/// The name of a user of this machine.
pub(super) fn name_of(uid: &str) -> Option<String> {
    passwd(2, uid, 0)
}

fn table(keys: impl IntoIterator<Item = Key>) -> Table {
    let mut table = Table::new();
    for (key, value) in keys {
        table.insert(key, value.into());
    }
    table
}

impl Draft {
    /// Notes a key of the top.
    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.top.push((key, value.into()));
    }

    /// The text of the configuration.
    pub(super) fn config(&self) -> String {
        let mut document = DocumentMut::new();
        for (key, value) in &self.top {
            document.insert(key, value.clone().into());
        }
        if self.people.is_some() {
            document.insert("users_file", Value::from(USERS).into());
        }
        let listen = self.listen.iter().map(|keys| table(keys.iter().cloned()));
        document.insert("listen", Item::ArrayOfTables(listen.collect()));
        if let Some((rights, keys)) = &self.anonymous {
            let rights = ("rights", rights_value(*rights));
            let table = table(std::iter::once(rights).chain(keys.iter().cloned()));
            document.insert("anonymous", Item::Table(table));
        }
        format!(
            "# Made by forkftpd import of {}.\n# Every key there is, with its default: forkftpd config\n\n{document}",
            self.origin
        )
    }

    /// The text of the users file.
    pub(super) fn users(&self) -> String {
        let mut users = Table::new();
        users.set_implicit(true);
        for person in self.people.iter().flatten() {
            let Some(hash) = &person.hash else { continue };
            let first = [
                ("password", Value::from(hash.as_str())),
                ("rights", rights_value(person.rights)),
            ];
            let table = table(first.into_iter().chain(person.keys.iter().cloned()));
            users.insert(&person.name, Item::Table(table));
        }
        let mut document = DocumentMut::new();
        document.insert("users", Item::Table(users));
        format!(
            "# Users of forkftpd, made by forkftpd import of {}.\n# A password that was hashed there is replaced at its first good login. Changed with forkftpd user and with any editor.\n\n{document}",
            self.origin
        )
    }

    /// The command lines that add those whose password is not to be had.
    pub(super) fn commands(&self, users: &Path) -> Vec<String> {
        let without = self.people.iter().flatten();
        let without = without.filter(|person| person.hash.is_none());
        without
            .map(|person| {
                let mut line = format!("forkftpd user add {}", word(&person.name));
                let rights: Vec<_> = person.rights.iter().map(Right::as_str).collect();
                let rights = match rights.is_empty() {
                    true => "none".to_owned(),
                    false => rights.join(","),
                };
                line.push_str(&format!(" --rights {rights}"));
                for (key, value) in &person.keys {
                    let values = match value {
                        Value::Array(many) => many.iter().map(plain).collect(),
                        one => vec![plain(one)],
                    };
                    for value in values {
                        let flag = key.replace('_', "-");
                        let flag = flag
                            .strip_suffix("networks")
                            .map_or(flag.as_str(), |_| "network");
                        line.push_str(&format!(" --{flag} {}", word(&value)));
                    }
                }
                format!("{line} --users-file {}", word(&users.to_string_lossy()))
            })
            .collect()
    }

    /// Writes both files; never over another.
    ///
    /// # Errors
    /// One is there, or cannot be written: nothing of it is.
    pub(super) fn write(&self, to: &Path) -> Result<Vec<PathBuf>, String> {
        let say = |path: &Path, error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!(
                    "{} is there, and is left alone: name another folder with --to, or move it away",
                    path.display()
                )
            }
            _ => format!("{}: {error}", path.display()),
        };
        let mut folder = DirBuilder::new();
        let made = folder.recursive(true).mode(0o755).create(to);
        made.map_err(|error| say(to, error))?;
        let mut files = vec![(to.join(CONFIG), self.config(), 0o644)];
        if self.people.is_some() {
            files.push((to.join(USERS), self.users(), 0o600));
        }
        let mut written = Vec::new();
        for (path, text, mode) in files {
            let put = || -> std::io::Result<()> {
                let mut how = OpenOptions::new();
                let mut file = how.write(true).create_new(true).mode(mode).open(&path)?;
                written.push(path.clone());
                file.write_all(text.as_bytes())?;
                file.sync_all()
            };
            let mut put = put;
            if let Err(error) = put() {
                for path in written {
                    let _ = std::fs::remove_file(path);
                }
                return Err(say(&path, error));
            }
        }
        let synced = File::open(to).and_then(|folder| folder.sync_all());
        synced.map_err(|error| say(to, error))?;
        Ok(written)
    }
}

/// A value as a command line has it.
fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string().trim().to_owned(),
    }
}

/// A word of a shell's command line.
fn word(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./,:@%+=".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        return text.to_owned();
    }
    let shown: String = text
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    format!("'{}'", shown.replace('\'', "'\\''"))
}
