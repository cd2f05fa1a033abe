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
    pub(super) fn read(path: &Path) -> Result<Conf, String> {
        let mut conf = Conf {
            path: path.to_owned(),
            given: BTreeMap::new(),
            strange: Vec::new(),
        };
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
            let place = format!("{}:{}", path.display(), at + 1);
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let Some(option) = find(name) else {
                self.strange.push((place, line.to_owned()));
                continue;
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
            self.given
                .insert(name.to_owned(), (value.to_owned(), place));
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

    /// A line for each option that stands in the file.
    pub(super) fn note_all(&self, report: &mut Report) {
        for option in OPTIONS {
            let Some((_, place)) = self.given.get(option.name) else {
                continue;
            };
            let is_default = !self.differs(option.name, option.default);
            let (fate, says) = option.becomes.fate(is_default);
            report.note(fate, place, &self.shown(option.name), says);
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
