//! The verb `receipt` of the client: what a server has, and whether that is what was put there. A part of the table in `forkftp`.

use super::forkftp::{Ready, warn_unproved};
use super::receipts::replay::{Receipt as Known, Replay};
use crate::client::exit::Exit;
use crate::client::report::say;
use crate::client::{Error, Link, Result, Url, show};
use crate::digest::Kind;
use crate::error::Code;
use crate::ledger::{Entry, files, read};
use crate::wire::name;
use crate::wire::path::RelPath;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use std::io::Write as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Receipt {
    /// The file; with --check, the server, and the folder that is looked at.
    #[arg(value_hint = clap::ValueHint::Url)]
    pub(super) url: Url,
    /// Which digest is asked for; with --check it is that of the receipt.
    #[arg(long, default_value = "sha256", value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|name| name.parse::<Kind>()))]
    digest: Kind,
    /// Compare with these receipts, which put --receipts wrote: of each path, its last upload.
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = clap::ValueHint::FilePath)]
    check: Vec<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(receipt: &Receipt, (options, _): Ready) -> Exit {
    let known = match known(&receipt.check) {
        Ok(known) => known,
        Err(why) => {
            say(&format!("receipt: {why}"));
            return Exit::Local;
        }
    };
    let mut link = Link::new(receipt.url.clone(), options);
    let exit = if receipt.check.is_empty() {
        receipt.ask(&mut link)
    } else {
        receipt.compare(&mut link, &known)
    };
    warn_unproved(&link);
    link.leave();
    exit
}

/// What the receipts say was put, and not changed by its user since.
fn known(paths: &[PathBuf]) -> std::result::Result<Replay, String> {
    let mut replay = Replay::default();
    read::all(&files::in_order(paths.to_vec()), |path, read| {
        match read.entry {
            Some(Entry::Deed(line)) => replay.take(&line),
            Some(_) => {}
            None => {
                let at = show::clean(path.as_os_str().as_encoded_bytes());
                say(&format!("receipt {at}:{}: damaged", read.number));
            }
        }
        Ok(())
    })?;
    Ok(replay)
}

impl Receipt {
    /// Shows what the server has.
    fn ask(&self, link: &mut Link) -> Exit {
        let path = &self.url.path;
        let stored = link
            .client()
            .and_then(|client| client.stored(path, self.digest));
        let (start, digest) = match stored {
            Ok(stored) => stored,
            Err(error) => return failed(path.as_bytes(), &error),
        };
        let (kind, hex) = (digest.kind().as_str(), digest.to_hex());
        let told = if self.json {
            json!({"name": name::encode(path.as_bytes()), "size": start.size, "mtime": start.mtime, kind: hex})
                .to_string()
        } else {
            let shown = show::clean(path.as_bytes());
            let size = show::count(start.size, "byte", "bytes");
            let time = show::time(start.mtime);
            format!("name     /{shown}\nsize     {size}\nchanged  {time}\n{kind:<8} {hex}")
        };
        line(&told);
        Exit::Done
    }

    /// Compares what the server has with what is known.
    fn compare(&self, link: &mut Link, known: &Replay) -> Exit {
        let (mut sound, mut missing, mut altered) = (0, 0, 0);
        let below = self.url.path.as_bytes();
        for (path, receipt) in known.receipts() {
            let inside = below.is_empty()
                || path
                    .strip_prefix(below)
                    .is_some_and(|rest| matches!(rest, [] | [b'/', ..]));
            if !inside {
                continue;
            }
            let wrong = match look(link, path, receipt) {
                Ok(None) => {
                    sound += 1;
                    continue;
                }
                Ok(Some(wrong)) => {
                    altered += 1;
                    wrong
                }
                Err(Error::Refused(refusal)) if refusal.code == Code::NotFound => {
                    missing += 1;
                    "missing".to_owned()
                }
                Err(error) => return failed(path, &error),
            };
            let id = format!("{:016x}", receipt.id);
            line(&if self.json {
                json!({"name": name::encode(path), "problem": wrong, "id": id}).to_string()
            } else {
                format!("/{}: {wrong} (id {id})", show::clean(path))
            });
        }
        if !self.json {
            let files = show::count(sound, "file", "files");
            line(&format!(
                "{files} as stored, {missing} missing, {altered} altered"
            ));
        }
        match (altered, missing) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::Refused,
            _ => Exit::Digest,
        }
    }
}

/// What is wrong with what the server has.
fn look(link: &mut Link, path: &[u8], receipt: &Known) -> Result<Option<String>> {
    let path = RelPath::parse(path).map_err(|_| Error::here("that is no path"))?;
    let kind = receipt.digest.map_or(Kind::default(), |d| d.kind());
    let (start, digest) = link.client()?.stored(&path, kind)?;
    Ok(match receipt.digest {
        _ if start.size != receipt.size => Some(format!(
            "altered: {} bytes instead of {}",
            start.size, receipt.size
        )),
        Some(known) if known != digest => Some(format!("altered: another {}", kind.as_str())),
        _ => None,
    })
}

fn failed(path: &[u8], error: &Error) -> Exit {
    say(&format!("receipt {}: {error}", show::clean(path)));
    Exit::of(error)
}

/// A line of output; a reader that has gone has seen enough.
fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
