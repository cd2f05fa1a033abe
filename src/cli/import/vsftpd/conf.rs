//! The file itself: OPTION=VALUE lines, the last of a name counts, and what is absent has its default. Run by `forkftpd import vsftpd`.

use super::super::passwords::text_of;
use super::super::report::Report;
use super::options::{OPTIONS, find};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A vsftpd.conf, or the file of one user laid over it.
#[derive(Debug, Clone)]
pub(super) struct Conf {
    path: PathBuf,
    /// The value, and FILE:LINE.
    given: BTreeMap<String, (String, String)>,
    /// Lines that are no option of vsftpd's: place and text.
    strange: Vec<(String, String)>,
    /// What is said again later: place, text, and where it is said again.
    again: Vec<(String, String, String)>,
}

fn is_true(value: &str) -> Option<bool> {
    match value.to_ascii_uppercase().as_str() {
        "YES" | "TRUE" | "1" => Some(true),
        "NO" | "FALSE" | "0" => Some(false),
        _ => None,
    }
}

/// A number, octal when it begins with 0.
fn number(value: &str) -> Option<u64> {
    match value.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => value.parse().ok(),
    }
}

impl Conf {
    /// # Errors
    /// It cannot be read, or has a value that vsftpd would not start with.
    pub(super) fn read(path: &Path, options: &[String]) -> Result<Conf, String> {
        let mut conf = Conf {
            path: path.to_owned(),
            given: BTreeMap::new(),
            strange: Vec::new(),
            again: Vec::new(),
        };
        for option in options {
            conf.take(option.trim(), "-o".to_owned())?;
        }
        conf.lay(path)?;
        Ok(conf)
    }

    /// The same with the file of one user over it.
    pub(super) fn with(&self, path: &Path) -> Result<Conf, String> {
        let mut conf = self.clone();
        conf.lay(path)?;
        Ok(conf)
    }

    fn lay(&mut self, path: &Path) -> Result<(), String> {
        for (at, line) in text_of(path)?.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            self.take(line, format!("{}:{}", path.display(), at + 1))?;
        }
        Ok(())
    }

    fn take(&mut self, line: &str, place: String) -> Result<(), String> {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let Some(option) = find(name) else {
            self.strange.push((place, line.to_owned()));
            return Ok(());
        };
        let fits = match option.default {
            "YES" | "NO" => is_true(value).is_some(),
            default if number(default).is_some() => number(value).is_some(),
            _ => true,
        };
        if !fits {
            return Err(format!(
                "{place}: {name} has a value that vsftpd does not take: mend it, or take the line out"
            ));
        }
        let given = (value.to_owned(), place.clone());
        if let Some((value, first)) = self.given.insert(name.to_owned(), given) {
            self.again.push((first, format!("{name}={value}"), place));
        }
        Ok(())
    }

    /// The value, or vsftpd's default.
    pub(super) fn text(&self, name: &str) -> &str {
        match self.given.get(name) {
            Some((value, _)) => value,
            None => find(name).map_or("", |option| option.default),
        }
    }

    pub(super) fn yes(&self, name: &str) -> bool {
        is_true(self.text(name)).unwrap_or(false)
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        number(self.text(name)).unwrap_or(0)
    }

    /// Permission bits. What they keep from the owner cannot be kept from the server.
    pub(super) fn umask(&self, name: &str, report: &mut Report) -> u32 {
        let bits = (self.number(name) & 0o777) as u32;
        if bits & 0o700 != 0 {
            let says = "the server, who owns new files, keeps all rights; the bits of group and others are taken over";
            report.missing(&self.place(name), &self.shown(name), says);
        }
        bits
    }

    /// FILE:LINE, or that it is the default.
    pub(super) fn place(&self, name: &str) -> String {
        match self.given.get(name) {
            Some((_, place)) => place.clone(),
            None => format!("{} (default)", self.path.display()),
        }
    }

    /// OPTION=VALUE.
    pub(super) fn shown(&self, name: &str) -> String {
        format!("{name}={}", self.text(name))
    }

    /// True when it says something else than the default.
    fn differs(&self, name: &str, default: &str) -> bool {
        let value = self.text(name);
        match is_true(default) {
            Some(default) if !matches!(value, "0" | "1") || is_true(value) != Some(default) => {
                is_true(value) != Some(default)
            }
            Some(_) => false,
            None => value != default,
        }
    }

    /// The option that is off, without which this one is not in use.
    fn lacks(&self, name: &str) -> Option<&'static str> {
        let needs = match name {
            _ if name.starts_with("force_") && name.ends_with("_ssl") => "ssl_enable",
            "rsa_cert_file"
            | "rsa_private_key_file"
            | "require_ssl_reuse"
            | "implicit_ssl"
            | "strict_ssl_read_eof"
            | "require_cert"
            | "validate_cert" => "ssl_enable",
            "userlist_deny" | "userlist_file" => "userlist_enable",
            "guest_username" | "virtual_use_local_privs" => "guest_enable",
            "chown_username" => "chown_uploads",
            "anon_root" | "anon_max_rate" | "ftp_username" => "anonymous_enable",
            "local_root" | "local_umask" | "local_max_rate" => "local_enable",
            "xferlog_std_format" => "xferlog_enable",
            "xferlog_file" if !self.yes("dual_log_enable") => "xferlog_std_format",
            _ => return None,
        };
        (!self.yes(needs)).then_some(needs)
    }

    /// A line for each option that stands in the file.
    pub(super) fn note_all(&self, report: &mut Report) {
        for option in OPTIONS {
            let Some((_, place)) = self.given.get(option.name) else {
                continue;
            };
            if let Some(off) = self.lacks(option.name) {
                let says = format!("not in use there: {off} is off");
                report.nothing(place, &self.shown(option.name), says);
                continue;
            }
            let is_default = !self.differs(option.name, option.default);
            let (fate, says) = option.becomes.fate(is_default);
            report.note(fate, place, &self.shown(option.name), says);
        }
        for (place, line, later) in &self.again {
            report.nothing(place, line, format!("said again: {later} counts"));
        }
        for (place, line) in &self.strange {
            report.less_safe(
                place,
                line,
                "no option of vsftpd's that is known here: look what it was for",
            );
        }
    }
}
