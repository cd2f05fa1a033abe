//! `forkftpd receipts verify`: the library read again, beside what the ledger says of it. Opens beneath the library's root as the server
//! does, and follows no link.

use super::Source;
use super::list;
use super::replay::{Receipt, Replay};
use crate::client::show;
use crate::config::{Durability, Files};
use crate::digest::Hasher;
use crate::error::Code;
use crate::ledger::read::{self, Reader};
use crate::ledger::{Entry, Verb};
use crate::library::{Library, Scratch};
use crate::log::quoted;
use crate::sys::file::{self, Kind, Stamp};
use crate::wire::name;
use crate::wire::path::RelPath;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long a line may take from the moment at which a change shows in the library.
const MOMENT: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The library.
    #[arg(
        long,
        value_name = "DIR",
        help = "The library [default: that of the configuration]"
    )]
    library: Option<PathBuf>,
    /// Report as well what lies in the library and has no receipt; that alone is nothing wrong.
    #[arg(long)]
    all: bool,
    /// Look whether files are there and how large they are, and read none of them.
    #[arg(long)]
    sizes: bool,
    /// One JSON object a line: for each problem, and at the end for the whole.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Missing,
    Size(u64),
    Digest,
    Unreadable(String),
}

/// How many of each there are.
#[derive(Debug, Default)]
struct Count {
    sound: u64,
    missing: u64,
    altered: u64,
    unreadable: u64,
    damaged: u64,
    lost: u64,
    /// Removed with a folder, of which only a part was: nobody knows which.
    in_doubt: u64,
    /// Changed while we looked.
    moved: u64,
    without_digest: u64,
    unknown: u64,
}

impl Verify {
    /// # Errors
    /// Lines for the operator: it could not be verified.
    pub(super) fn run(&self) -> Result<ExitCode, Vec<String>> {
        let one = |problem: String| vec![problem];
        let began = file::now();
        let root = match &self.library {
            Some(path) => path.clone(),
            None => self.source.library()?,
        };
        let mut count = Count::default();
        let mut replay = Replay::default();
        let files = self.source.files()?;
        let last = read::all(&files, |path, read| {
            match read.entry {
                None => {
                    count.damaged += 1;
                    self.tell_damaged(path, read.number);
                }
                Some(Entry::Deed(line)) => replay.take(&line),
                Some(Entry::Lost(lost)) => count.lost += lost.count,
                Some(Entry::Unknown) => {}
            }
            Ok(())
        });
        let last = last.map_err(one)?;
        let library = open(&root).map_err(one)?;
        let suspects = self.look(&library, &replay, began, &mut count);
        let touched = if suspects.is_empty() {
            Vec::new()
        } else {
            std::thread::sleep(MOMENT);
            follow(last)
        };
        for (path, problem) in suspects {
            match replay.receipt(&path) {
                Some(receipt) if !touched.iter().any(|other| is_about(other, &path)) => {
                    self.tell(&path, receipt, &problem, &mut count);
                }
                _ => count.moved += 1,
            }
        }
        if self.all {
            self.look_for_unknown(&library, &replay, &mut count)
                .map_err(one)?;
        }
        self.sum_up(&count);
        let wrong = count.missing + count.altered + count.unreadable + count.damaged;
        Ok(ExitCode::from(u8::from(wrong > 0)))
    }

    /// Looks at every file. What is wrong for certain is told at once; returned is what may have been changed since `began`.
    fn look(
        &self,
        library: &Library,
        replay: &Replay,
        began: Stamp,
        count: &mut Count,
    ) -> Vec<(Box<[u8]>, Problem)> {
        let (files, bytes) = replay.extent();
        // Drawn on a terminal alone.
        let bar = ProgressBar::new(if self.sizes { files } else { bytes });
        let style = if self.sizes {
            "{bar:30} {pos} of {len} files, {eta} left"
        } else {
            "{bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        let mut suspects = Vec::new();
        let mut scratch = Scratch::new();
        for (path, receipt) in replay.receipts() {
            let found = self.look_at(library, path, receipt, &mut scratch, |n| {
                if !self.sizes {
                    bar.inc(n);
                }
            });
            if self.sizes {
                bar.inc(1);
            }
            match found {
                Ok(_) if receipt.digest.is_none() => {
                    count.without_digest += 1;
                    count.sound += 1;
                }
                Ok(_) => count.sound += 1,
                Err((Problem::Missing, _)) if receipt.in_doubt => count.in_doubt += 1,
                // Nobody changed it since, so it is as it is.
                Err((problem, Some(changed))) if changed < began => {
                    bar.suspend(|| self.tell(path, receipt, &problem, count));
                }
                Err((problem, _)) => suspects.push((path.into(), problem)),
            }
        }
        bar.finish_and_clear();
        suspects
    }

    /// One file; what is wrong with it, and when it was changed last, if it is there.
    fn look_at(
        &self,
        library: &Library,
        path: &[u8],
        receipt: &Receipt,
        scratch: &mut Scratch,
        moved: impl FnMut(u64),
    ) -> Result<(), (Problem, Option<Stamp>)> {
        let unreadable = |refusal: crate::error::Refusal| match refusal.code {
            Code::NotFound | Code::NotFolder | Code::IsFolder | Code::Name => Problem::Missing,
            _ => Problem::Unreadable(refusal.message),
        };
        let path = RelPath::parse(path).map_err(|_| (Problem::Missing, None))?;
        let opened = library.open_file(&path);
        let found = opened.map_err(|refusal| (unreadable(refusal), None))?;
        let facts = found.facts();
        if facts.size != receipt.size {
            return Err((Problem::Size(facts.size), Some(facts.changed)));
        }
        let Some(digest) = receipt.digest.filter(|_| !self.sizes) else {
            return Ok(());
        };
        let mut hasher = Hasher::new(digest.kind());
        let read = found.hash(&mut hasher, scratch, 0, facts.size, moved);
        // It may have been changed while it was read.
        let changed = file::facts(found.fd()).map_or(facts.changed, |now| now.changed);
        match read {
            Ok(()) if hasher.finish() == digest => Ok(()),
            Ok(()) => Err((Problem::Digest, Some(changed))),
            Err(refusal) => Err((Problem::Unreadable(refusal.message), Some(changed))),
        }
    }

    fn look_for_unknown(
        &self,
        library: &Library,
        replay: &Replay,
        count: &mut Count,
    ) -> Result<(), String> {
        let mut walk = library
            .walk(&RelPath::root(), true)
            .map_err(|refusal| refusal.message)?;
        while let Some((path, facts)) = walk.next_entry().map_err(|refusal| refusal.message)? {
            if facts.kind == Kind::File && !replay.knows(&path) {
                count.unknown += 1;
                let size = show::size(facts.size);
                self.say("unknown", &path, &size, json!({"size": facts.size}));
            }
        }
        Ok(())
    }

    fn tell(&self, path: &[u8], receipt: &Receipt, problem: &Problem, count: &mut Count) {
        let (word, why, more) = match problem {
            Problem::Missing => {
                count.missing += 1;
                ("missing", String::new(), json!({}))
            }
            Problem::Size(size) => {
                count.altered += 1;
                let why = format!("{size} bytes instead of {}", receipt.size);
                (
                    "altered",
                    why,
                    json!({"size": size, "stored_size": receipt.size}),
                )
            }
            Problem::Digest => {
                count.altered += 1;
                let kind = receipt.digest.map_or("", |digest| digest.kind().as_str());
                (
                    "altered",
                    format!("another {kind}"),
                    json!({"digest": kind}),
                )
            }
            Problem::Unreadable(why) => {
                count.unreadable += 1;
                ("unreadable", why.clone(), json!({"reason": why}))
            }
        };
        let id = format!("{:016x}", receipt.id);
        let stored = show::time(receipt.stored.div_euclid(1000));
        let why = if why.is_empty() {
            format!("stored {stored}, id {id}")
        } else {
            format!("{why}; stored {stored}, id {id}")
        };
        let mut more = more;
        more["id"] = id.into();
        self.say(word, path, &why, more);
    }

    fn tell_damaged(&self, file: &Path, line: u64) {
        let at = format!("{}:{line}", file.display());
        if self.json {
            let file = file.to_string_lossy();
            self.line(&json!({"problem": "damaged", "file": file, "line": line}).to_string());
        } else {
            self.line(&format!(
                "damaged     {} of the ledger",
                show::clean(at.as_bytes())
            ));
        }
    }

    /// One line about a file of the library.
    fn say(&self, word: &str, path: &[u8], why: &str, more: Value) {
        let letters = name::encode(path);
        if self.json {
            let mut told = Map::new();
            told.insert("problem".into(), word.into());
            told.insert("path".into(), letters.into());
            if let Value::Object(more) = more {
                told.extend(more);
            }
            return self.line(&Value::Object(told).to_string());
        }
        let path = quoted(&list::path(&letters));
        self.line(&format!(
            "{word:<11} {path} ({})",
            show::clean(why.as_bytes())
        ));
    }

    fn line(&self, text: &str) {
        // Whoever does not read on has seen enough.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    fn sum_up(&self, count: &Count) {
        let Count {
            sound,
            missing,
            altered,
            unreadable,
            damaged,
            lost,
            in_doubt,
            moved,
            without_digest,
            unknown,
        } = count;
        if self.json {
            return self.line(
                &json!({
                    "sound": sound, "missing": missing, "altered": altered, "unreadable": unreadable,
                    "damaged_lines": damaged, "lost_lines": lost, "in_doubt": in_doubt,
                    "changed_meanwhile": moved, "without_digest": without_digest, "unknown": unknown,
                })
                .to_string(),
            );
        }
        let files = |n: &u64| show::count(*n, "file", "files");
        let mut text = format!("{} as stored", files(sound));
        for (n, what) in [
            (missing, "missing"),
            (altered, "altered"),
            (unreadable, "unreadable"),
            (in_doubt, "gone with a folder that was removed in part"),
            (moved, "changed meanwhile, and not judged"),
            (unknown, "without a receipt"),
        ] {
            if *n > 0 {
                text += &format!(", {n} {what}");
            }
        }
        if *without_digest > 0 {
            text +=
                &format!("; {without_digest} have no digest, and only their size was looked at");
        }
        if *damaged > 0 {
            let lines = show::count(*damaged, "line", "lines");
            text += &format!("; {lines} of the ledger damaged");
        }
        if *lost > 0 {
            let lines = show::count(*lost, "line", "lines");
            text += &format!(
                "; {lines} could not be written when they were due: what they would say is not known"
            );
        }
        self.line(&text);
    }
}

/// The paths that the lines are about that were written since.
fn follow(last: Option<Reader>) -> Vec<Vec<u8>> {
    let mut touched = Vec::new();
    if let Some(mut reader) = last {
        while let Ok(Some(read)) = reader.next_entry() {
            if let Some(Entry::Deed(line)) = read.entry
                && line.deed != Verb::Download
            {
                let letters = [Some(line.path), line.to];
                touched.extend(letters.iter().flatten().filter_map(|l| name::decode(l)));
            }
        }
    }
    touched
}

/// True when something that is done with `other` is done with `path`, too: it lies below.
fn is_about(other: &[u8], path: &[u8]) -> bool {
    let below = path.strip_prefix(other);
    below.is_some_and(|rest| matches!(rest, [] | [b'/', ..])) || other.is_empty()
}

/// The library, to be read.
fn open(root: &Path) -> Result<Library, String> {
    let say = |what: &str| format!("library {}: {what}", root.display());
    let folder = file::open_folder(root).map_err(|errno| say(errno.desc()))?;
    // Nothing will be written.
    let options = Files {
        durability: Durability::None,
        keep_free: 0,
        largest_file: None,
        partial_hours: 0,
        one_filesystem: false,
        umask: 0o077,
        named: false,
    };
    Library::from_descriptors(vec![folder], options).ok_or_else(|| say("is no library"))
}
