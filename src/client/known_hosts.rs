//! The servers that were met before and the keys they had: a text file, one line each, that people may read and edit. Run by the
//! client. Changed only under a lock, and replaced as a whole, so that clients that run at once lose nothing of each other's.

use crate::tls::Fingerprint;
use nix::fcntl::{Flock, FlockArg};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file of known servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHosts {
    path: PathBuf,
}

/// A line: whose key it is, and the key.
type Entry = (String, Fingerprint);

/// A server as the file names it: `host:port`, lower case, an IPv6 address in brackets.
#[must_use]
pub fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

impl KnownHosts {
    /// The file at `path`, which may not be there yet.
    #[must_use]
    pub fn at(path: PathBuf) -> KnownHosts {
        KnownHosts { path }
    }

    /// The user's own: `$XDG_CONFIG_HOME/forkftp/known_hosts`, or `~/.config/forkftp/known_hosts`. None without a home.
    #[must_use]
    pub fn of_user() -> Option<KnownHosts> {
        let set = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            // A relative one is to be ignored (XDG Base Directory Specification).
            value.map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
        Some(KnownHosts::at(folder.join("forkftp/known_hosts")))
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key that `name` is known by.
    ///
    /// # Errors
    /// A sentence, when the file cannot be read or makes no sense: nobody is met for the first time because of that.
    pub fn find(&self, name: &str) -> Result<Option<Fingerprint>, String> {
        let entries = self.entries()?;
        let found = entries.iter().find(|(host, _)| host == name);
        Ok(found.map(|(_, key)| *key))
    }

    /// All lines, in order.
    ///
    /// # Errors
    /// As `find`.
    pub fn entries(&self) -> Result<Vec<Entry>, String> {
        parse(&self.read()?).map_err(|what| self.say(what))
    }

    /// Writes down that `name` has `key`. False when that was known already.
    ///
    /// # Errors
    /// A sentence; also when another client has just written down another key.
    pub fn add(&self, name: &str, key: Fingerprint) -> Result<bool, String> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(folder);
        made.map_err(|error| self.say(error))?;
        let _lock = self.lock()?;
        match self.find(name)? {
            Some(known) if known == key => Ok(false),
            Some(known) => Err(self.say(format!("{name} is known by {known} by now"))),
            None => {
                let mut text = self.read()?;
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text += &format!("{name} {key}\n");
                self.replace(&text).map(|()| true)
            }
        }
    }

    /// Forgets `host`: `host:port`, or a host alone for all its ports. Returns how many lines are gone.
    ///
    /// # Errors
    /// As `find`.
    pub fn remove(&self, host: &str) -> Result<usize, String> {
        if !self.path.exists() {
            return Ok(0);
        }
        let host = host.to_ascii_lowercase();
        let _lock = self.lock()?;
        let text = self.read()?;
        // Nothing is changed in a file that makes no sense.
        parse(&text).map_err(|what| self.say(what))?;
        let is_it = |line: &&str| {
            let named = line.split_whitespace().next().unwrap_or_default();
            let alone = named.rsplit_once(':').map_or(named, |(host, _)| host);
            let bare = alone.trim_start_matches('[').trim_end_matches(']');
            [named, alone, bare].contains(&host.as_str())
        };
        let kept: String = text
            .lines()
            .filter(|line| !is_it(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let gone = text.lines().filter(is_it).count();
        if gone > 0 {
            self.replace(&kept)?;
        }
        Ok(gone)
    }

    fn say(&self, what: impl std::fmt::Display) -> String {
        format!("known hosts {}: {what}", self.path.display())
    }

    /// Of the folder: the file itself is replaced.
    fn lock(&self) -> Result<Flock<File>, String> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let folder = File::open(folder).map_err(|error| self.say(error))?;
        Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, errno)| self.say(errno.desc()))
    }

    /// The text; empty when there is no file.
    fn read(&self) -> Result<String, String> {
        let facts = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            facts => facts.map_err(|error| self.say(error))?,
        };
        let mode = facts.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(self.say(format!(
                "mode {mode:04o} lets others write to it; run: chmod 600 {}",
                self.path.display()
            )));
        }
        fs::read_to_string(&self.path).map_err(|error| self.say(error))
    }

    fn replace(&self, text: &str) -> Result<(), String> {
        let mut name = OsString::from(self.path.file_name().unwrap_or_default());
        name.push(".new");
        let new = self.path.with_file_name(name);
        // Under the lock, one that is there is what a client left behind that was killed.
        let _ = fs::remove_file(&new);
        let mut options = File::options();
        let opened = options.write(true).create_new(true).mode(0o600).open(&new);
        opened
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new, &self.path))
            .map_err(|error| self.say(error))
    }
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        match (words.next(), words.next().map(str::parse), words.next()) {
            (Some(host), Some(Ok(key)), None) => entries.push((host.to_ascii_lowercase(), key)),
            _ => {
                return Err(format!(
                    "line {} is not HOST:PORT sha256:DIGITS; mend or remove it",
                    number + 1
                ));
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(of: &str) -> Fingerprint {
        Fingerprint::of(of.as_bytes())
    }

    #[test]
    fn keys_are_kept_and_forgotten() {
        let folder = tempfile::tempdir().expect("folder");
        let hosts = KnownHosts::at(folder.path().join("new/known_hosts"));
        assert_eq!(hosts.find("h:1"), Ok(None));
        assert_eq!(hosts.remove("h"), Ok(0));
        assert_eq!(hosts.add("h:1", key("a")), Ok(true));
        assert_eq!(hosts.add("h:1", key("a")), Ok(false), "known already");
        assert!(hosts.add("h:1", key("b")).is_err(), "never another");
        for name in ["h:2", "[::1]:8888", "hh:1"] {
            assert_eq!(hosts.add(name, key(name)), Ok(true));
        }
        assert_eq!(hosts.find("h:1"), Ok(Some(key("a"))));
        assert_eq!(hosts.find(&name("::1", 8888)), Ok(Some(key("[::1]:8888"))));
        let mode = fs::metadata(hosts.path()).expect("file").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert_eq!(hosts.remove("::1"), Ok(1));
        assert_eq!(hosts.remove("H:2"), Ok(1));
        assert_eq!(hosts.remove("h"), Ok(1));
        assert_eq!(
            hosts.entries().expect("rest"),
            [("hh:1".to_owned(), key("hh:1"))]
        );
    }

    #[test]
    fn what_people_wrote_stays_and_what_makes_no_sense_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let hosts = KnownHosts::at(folder.path().join("known_hosts"));
        let line = format!("# office\n\nFiles:8888   {}", key("f"));
        fs::write(hosts.path(), &line).expect("write");
        assert_eq!(hosts.find("files:8888"), Ok(Some(key("f"))));
        assert_eq!(hosts.add("h:1", key("a")), Ok(true));
        let text = fs::read_to_string(hosts.path()).expect("text");
        assert_eq!(text, format!("{line}\nh:1 {}\n", key("a")));
        for bad in ["h:1", "h:1 sha256:00", &format!("h:1 {} x", key("a"))] {
            fs::write(hosts.path(), bad).expect("write");
            assert!(hosts.find("h:1").expect_err(bad).contains("line 1"));
            assert!(hosts.add("h:2", key("a")).is_err(), "{bad}");
            assert!(hosts.remove("h").is_err(), "{bad}");
        }
        fs::write(hosts.path(), "").expect("write");
        fs::set_permissions(hosts.path(), fs::Permissions::from_mode(0o622)).expect("chmod");
        assert!(
            hosts
                .find("h:1")
                .expect_err("open to all")
                .contains("chmod")
        );
    }

    #[test]
    fn clients_at_once_lose_nothing_and_one_is_the_first() {
        let folder = tempfile::tempdir().expect("folder");
        let hosts = KnownHosts::at(folder.path().join("known_hosts"));
        let added = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|number| {
                    let hosts = &hosts;
                    scope.spawn(move || {
                        hosts.add(&format!("h:{number}"), key("h")).expect("own");
                        hosts.add("all:1", key("all")).expect("shared")
                    })
                })
                .collect();
            let added = threads
                .into_iter()
                .map(|thread| thread.join().expect("thread"));
            added.filter(|added| *added).count()
        });
        assert_eq!(added, 1);
        assert_eq!(hosts.entries().expect("entries").len(), 17);
    }
}
