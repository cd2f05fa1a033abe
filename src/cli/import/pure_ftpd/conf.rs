//! The options, wherever they stand: a folder with a file for each (Debian's /etc/pure-ftpd/conf), a file of lines (pure-ftpd.conf), or the
//! flags of a command line. Run by `forkftpd import pure-ftpd`.

use super::super::passwords::text_of;
use super::super::report::{Fate, Report};
use super::options::{BACKEND, Known, OPTIONS};
use std::path::Path;

const FORMAT: &str =
    "the transfer log is wu-ftpd's: xferlog = FILE; events are also to be had in JSON";

/// What was set.
#[derive(Debug, Default)]
pub(super) struct Conf {
    /// Place, option, and its value.
    given: Vec<(String, &'static Known, String)>,
    /// What is no option: place and text.
    strange: Vec<(String, String)>,
}

fn named(name: &str) -> Option<&'static Known> {
    // Other names of the same.
    let name = match name.to_ascii_lowercase().as_str() {
        "uploadscript" => "calluploadscript".to_owned(),
        "maxdiskusagepct" => "maxdiskusage".to_owned(),
        name => name.to_owned(),
    };
    OPTIONS
        .iter()
        .find(|known| known.name.to_ascii_lowercase() == name)
}

impl Conf {
    /// # Errors
    /// What cannot be read.
    pub(super) fn read(what: &[String]) -> Result<Conf, String> {
        let mut conf = Conf::default();
        match what {
            [path] if Path::new(path).is_dir() => conf.folder(Path::new(path))?,
            [path] if !path.starts_with('-') => conf.file(Path::new(path))?,
            flags => conf.flags(flags)?,
        }
        Ok(conf)
    }

    fn folder(&mut self, path: &Path) -> Result<(), String> {
        let say = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut files: Vec<_> = std::fs::read_dir(path)
            .map_err(say)?
            .collect::<Result<_, _>>()
            .map_err(say)?;
        files.sort_by_key(std::fs::DirEntry::file_name);
        for file in files {
            let name = file.file_name().to_string_lossy().into_owned();
            // As the wrapper does: backups of editors are no options.
            if !name.starts_with(|c: char| c.is_ascii_alphabetic())
                || !name.chars().all(|c| c.is_ascii_alphanumeric())
            {
                continue;
            }
            let text = text_of(&file.path())?;
            let lines = text.lines().map(str::trim).enumerate();
            let line = lines
                .into_iter()
                .find(|(_, line)| !line.is_empty() && !line.starts_with('#'));
            if let Some((at, value)) = line {
                let place = format!("{}:{}", file.path().display(), at + 1);
                self.put(place, named(&name), &name, value);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), String> {
        for (at, line) in text_of(path)?.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = format!("{}:{}", path.display(), at + 1);
            let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            self.put(place, named(name), name, value.trim());
        }
        Ok(())
    }

    /// As getopt_long reads them.
    fn flags(&mut self, flags: &[String]) -> Result<(), String> {
        let mut words = flags.iter();
        while let Some(word) = words.next() {
            let mut next = || {
                words
                    .next()
                    .cloned()
                    .ok_or_else(|| format!("{word}: its value is missing"))
            };
            if let Some(long) = word.strip_prefix("--") {
                let (name, value) = long
                    .split_once('=')
                    .map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
                let known = named(name);
                let value = match (value, known) {
                    (Some(value), _) => value,
                    (None, Some(known)) if known.takes => next()?,
                    _ => "yes".to_owned(),
                };
                self.put("flags".into(), known, word, &value);
                continue;
            }
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                // The program's own name.
                if !word.ends_with("pure-ftpd") {
                    self.strange.push(("flags".into(), word.clone()));
                }
                continue;
            };
            let mut rest = letters.chars();
            while let Some(letter) = rest.next() {
                let known = OPTIONS.iter().find(|known| known.letter == letter);
                let takes = known.is_some_and(|known| known.takes);
                let value = match (takes, rest.as_str()) {
                    (false, _) => "yes".to_owned(),
                    (true, "") => next()?,
                    (true, value) => value.to_owned(),
                };
                self.put("flags".into(), known, &format!("-{letter}"), &value);
                if takes {
                    break;
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, place: String, known: Option<&'static Known>, name: &str, value: &str) {
        match known {
            Some(known) => self
                .given
                .push((place, known, value.trim_matches('"').to_owned())),
            None => self.strange.push((place, format!("{name} {value}"))),
        }
    }

    fn last(&self, name: &str) -> Option<&(String, &'static Known, String)> {
        self.given
            .iter()
            .rev()
            .find(|(_, known, _)| known.name == name)
    }

    /// The value.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.last(name).map(|(.., value)| value.as_str())
    }

    /// All values of an option that may be there more than once.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let fits = self
            .given
            .iter()
            .filter(move |(_, known, _)| known.name == name);
        fits.map(|(.., value)| value.as_str())
    }

    pub(super) fn yes(&self, name: &str) -> bool {
        let value = self.text(name).unwrap_or("no").to_ascii_lowercase();
        matches!(value.as_str(), "yes" | "1" | "on" | "true")
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Two numbers, with a blank or a colon between; one of them may be missing.
    pub(super) fn two(&self, name: &str) -> (Option<u64>, Option<u64>) {
        let text = self.text(name).unwrap_or("");
        let (one, other) = text.split_once([':', ' ', '\t']).unwrap_or((text, ""));
        (one.trim().parse().ok(), other.trim().parse().ok())
    }

    pub(super) fn place(&self, name: &str) -> String {
        self.last(name)
            .map_or_else(|| "default".into(), |(place, ..)| place.clone())
    }

    /// A line for each that is set.
    pub(super) fn note_all(&self, report: &mut Report) {
        let closed = self.yes("NoAnonymous");
        for (place, known, value) in &self.given {
            let of_anonymous = known.name == "AntiWarez"
                || (known.name.contains("Anonymous")
                    && !matches!(known.name, "NoAnonymous" | "AnonymousOnly"));
            let off = matches!(
                value.to_ascii_lowercase().as_str(),
                "no" | "off" | "0" | "false"
            );
            let (fate, says) = match known.fate {
                Fate::Missing | Fate::Unsafe if off => (Fate::Nothing, "not in use there"),
                _ if of_anonymous && closed => {
                    (Fate::Nothing, "not in use there: nobody is anonymous")
                }
                _ if known.name == "login" && !value.starts_with("puredb:") => {
                    (Fate::Missing, BACKEND)
                }
                _ if known.name == "AltLog" && !value.starts_with("xferlog:") => {
                    (Fate::Missing, FORMAT)
                }
                fate => (fate, known.says),
            };
            let key = match known.letter {
                '\0' => format!("{} {value}", known.name),
                letter => format!("{} (-{letter}) {value}", known.name),
            };
            report.note(fate, place, &key, says);
        }
        for (place, text) in &self.strange {
            report.less_safe(
                place,
                text,
                "no option of pure-ftpd's that is known here: look what it was for",
            );
        }
    }
}
