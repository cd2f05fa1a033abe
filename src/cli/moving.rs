//! The verbs of the client that move files: get and put. A part of the table in `forkftp`.

use super::forkftp::{Ready, usage, warn_unproved};
use crate::client::exit::Exit;
use crate::client::rate::Rate;
use crate::client::receipt::Receipts;
use crate::client::report::{self, Report};
use crate::client::{Link, Url, download, local, show, upload};
use crate::digest::Kind;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Moving {
    /// Folders, with everything below.
    #[arg(short, long)]
    recursive: bool,
    /// Go on with what was cut earlier.
    #[arg(long)]
    resume: bool,
    /// Replace files that are there already; otherwise they are refused.
    #[arg(long)]
    overwrite: bool,
    /// One JSON object a file on standard output: name, size, kind, digest, seconds, of uploads id; or name, error, message.
    #[arg(long)]
    json: bool,
    /// Say nothing but what went wrong.
    #[arg(short, long)]
    quiet: bool,
    /// Move at most this many bytes a second, over all connections: 500K, 2M (K is 1024).
    #[arg(long, value_name = "RATE", value_parser = Rate::parse)]
    pub(super) limit_rate: Option<u64>,
    /// Connections to use at once.
    #[arg(short = 'j', long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=64))]
    connections: u8,
    /// Digest that proves the bytes. blake3 costs least.
    #[arg(long, default_value = "blake3", value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|name| name.parse::<Kind>()))]
    digest: Kind,
}

#[derive(Debug, Args)]
pub(super) struct Get {
    /// The file; or, if NAMEs follow or -r is given, the folder.
    #[arg(value_hint = clap::ValueHint::Url)]
    pub(super) url: Url,
    /// Files in the folder that URL names (paths below it are allowed; each is stored under its last part).
    #[arg(value_name = "NAME")]
    names: Vec<OsString>,
    /// Where to: a folder; for one file also its new name; - for standard output.
    ///
    /// Without it files go to the current folder. With -r the target is always a folder (made if missing), in which a folder
    /// that is got keeps its name; only what is in the root comes without one. On standard output the bytes come before their digest is known: they are
    /// worth nothing unless the exit code is 0.
    #[arg(short, long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) moving: Moving,
}

#[derive(Debug, Args)]
pub(super) struct Put {
    /// Where to: a folder if it ends with a slash, has no path or several FILEs follow; otherwise the file's new name.
    #[arg(value_hint = clap::ValueHint::Url)]
    pub(super) url: Url,
    /// Local files; - is standard input.
    #[arg(value_name = "FILE", required = true, value_hint = clap::ValueHint::AnyPath)]
    files: Vec<PathBuf>,
    /// Make the folders on the way (-r does so by itself).
    #[arg(short, long)]
    parents: bool,
    /// Add a line to this file for each upload that the server has stored: what its receipt is known by, path, size and digest. forkftp receipt
    /// --check compares them with the server later.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    receipts: Option<PathBuf>,
    #[command(flatten)]
    pub(super) moving: Moving,
}

impl Moving {
    fn report(&self, verb: &'static str) -> Report {
        Report::new(
            verb,
            report::Manner {
                json: self.json,
                quiet: self.quiet,
            },
        )
    }
}

pub(super) fn run_get(get: &Get, (options, _): Ready) -> Exit {
    let mut paths = Vec::new();
    for name in &get.names {
        let name = name.as_bytes();
        // A slash at the end comes from the completion of folders.
        match get.url.join(name.strip_suffix(b"/").unwrap_or(name)) {
            Ok(path) => paths.push(path),
            Err(why) => return usage(&format!("get {}: {why}", show::clean(name))),
        }
    }
    if paths.is_empty() {
        if get.url.folder && !get.moving.recursive {
            return usage("get: that is a folder; name files in it, or get all of it with -r");
        }
        paths.push(get.url.path.clone());
    }
    let output = match &get.output {
        None => download::Output::Folder(".".into()),
        Some(path) if path.as_os_str() == "-" => download::Output::Stdout,
        Some(path) => download::Output::Path(path.clone()),
    };
    if output == download::Output::Stdout
        && (get.moving.recursive || get.moving.resume || get.moving.json)
    {
        return usage("get: -o - goes with none of -r, --resume and --json");
    }
    let moving = &get.moving;
    let job = download::Job {
        paths,
        output,
        recursive: moving.recursive,
        manner: local::Manner {
            overwrite: moving.overwrite,
            resume: moving.resume,
        },
        digest: moving.digest,
        connections: moving.connections.into(),
    };
    let report = moving.report("get");
    let mut link = Link::new(get.url.clone(), options);
    download::run(&mut link, &job, &report);
    let exit = report.finish();
    warn_unproved(&link);
    link.leave();
    exit
}

pub(super) fn run_put(put: &Put, (options, _): Ready) -> Exit {
    let moving = &put.moving;
    let job = upload::Job {
        files: put.files.clone(),
        to: put.url.path.clone(),
        into_folder: put.url.folder || put.files.len() > 1,
        recursive: moving.recursive,
        overwrite: moving.overwrite,
        parents: put.parents,
        resume: moving.resume,
        digest: moving.digest,
        connections: moving.connections.into(),
    };
    if put
        .files
        .iter()
        .filter(|file| file.as_os_str() == "-")
        .count()
        > 0
        && job.into_folder
    {
        return usage(
            "put: standard input needs a name: end the URL with one, and give no other FILE",
        );
    }
    let user = put.url.user.as_deref();
    let open = |path: &PathBuf| Receipts::open(path, user);
    let receipts = match put.receipts.as_ref().map(open).transpose() {
        Ok(receipts) => receipts,
        Err(why) => {
            report::say(&format!("put: {why}"));
            return Exit::Local;
        }
    };
    let report = moving.report("put").keeping(receipts);
    let mut link = Link::new(put.url.clone(), options);
    upload::run(&mut link, &job, &report);
    let exit = report.finish();
    warn_unproved(&link);
    link.leave();
    exit
}
