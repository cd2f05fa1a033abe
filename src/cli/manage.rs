//! The verbs of the client that manage what is there: mkdir, mv, rm, stat, touch. A part of the table in `forkftp`.

use super::forkftp::{Ready, usage, warn_unproved};
use crate::client::exit::Exit;
use crate::client::report::say;
use crate::client::url::target;
use crate::client::{Link, Url, moment, removal, show, stating};
use crate::sys::file::Stamp;
use crate::wire::path::RelPath;
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

#[derive(Debug, Args)]
pub(super) struct Mkdir {
    /// The folder.
    #[arg(value_hint = clap::ValueHint::Url)]
    pub(super) url: Url,
    /// Make the folders on the way, and do not mind if it is there.
    #[arg(short, long)]
    parents: bool,
}

#[derive(Debug, Args)]
pub(super) struct Mv {
    /// The folder that FROM and TO are in.
    #[arg(value_hint = clap::ValueHint::Url)]
    pub(super) url: Url,
    /// The file or folder, as a path below that folder.
    from: OsString,
    /// Its new name, as a path below that folder; or, with a slash at the end, the folder to go to under its own name.
    to: OsString,
    /// Replace a file of that name.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rm {
    /// The folder that the NAMEs are in.
    #[arg(value_hint = clap::ValueHint::Url)]
    pub(super) url: Url,
    /// Files and empty folders, as paths below that folder.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<OsString>,
    /// Folders with all that is in them.
    #[arg(short, long)]
    recursive: bool,
    /// Do not mind what is not there.
    #[arg(short, long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Stat {
    /// The folder that NAME is in; or what is asked about, without NAME.
    #[arg(value_hint = clap::ValueHint::Url)]
    pub(super) url: Url,
    /// File or folder, as a path below that folder.
    name: Option<OsString>,
    /// One JSON object: name (from the root), type, size, mtime, nsec.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Touch {
    /// The folder that NAME is in.
    #[arg(value_hint = clap::ValueHint::Url)]
    pub(super) url: Url,
    /// The file, as a path below that folder.
    name: OsString,
    /// The time, as in 2026-05-01T13:45:07Z or 2026-05-01T13:45:07.5+02:00 (RFC 3339); now without it.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    time: Option<Stamp>,
}

pub(super) fn run_mkdir(mkdir: &Mkdir, ready: Ready) -> Exit {
    let path = &mkdir.url.path;
    errand("mkdir", &mkdir.url, path, ready, |link| {
        link.client()?.make_folder(path, mkdir.parents)
    })
}

pub(super) fn run_mv(mv: &Mv, ready: Ready) -> Exit {
    let from = match below(&mv.url, &mv.from) {
        Ok(from) => from,
        Err(why) => return usage(&format!("mv {why}")),
    };
    let to = match target(&mv.url.path, &from, mv.to.as_bytes()) {
        Ok(to) => to,
        Err(why) => return usage(&format!("mv {}: {why}", show::clean(mv.to.as_bytes()))),
    };
    errand("mv", &mv.url, &from, ready, |link| {
        link.client()?.rename(&from, &to, mv.overwrite)
    })
}

pub(super) fn run_rm(rm: &Rm, (options, _): Ready) -> Exit {
    let names = rm.names.iter().map(|name| below(&rm.url, name));
    let paths = match names.collect() {
        Ok(paths) => paths,
        Err(why) => return usage(&format!("rm {why}")),
    };
    let job = removal::Job {
        paths,
        recursive: rm.recursive,
        force: rm.force,
    };
    let report = removal::report();
    let mut link = Link::new(rm.url.clone(), options);
    removal::run(&mut link, &job, &report);
    let exit = report.finish();
    warn_unproved(&link);
    link.leave();
    exit
}

pub(super) fn run_stat(stat: &Stat, ready: Ready) -> Exit {
    let path = match &stat.name {
        Some(name) => below(&stat.url, name),
        None => Ok(stat.url.path.clone()),
    };
    match path {
        Ok(path) => errand("stat", &stat.url, &path, ready, |link| {
            stating::run(link, &path, stat.json)
        }),
        Err(why) => usage(&format!("stat {why}")),
    }
}

pub(super) fn run_touch(touch: &Touch, ready: Ready) -> Exit {
    let time = touch.time.unwrap_or_else(moment::now);
    match below(&touch.url, &touch.name) {
        Ok(path) => errand("touch", &touch.url, &path, ready, |link| {
            link.client()?.set_time(&path, time)
        }),
        Err(why) => usage(&format!("touch {why}")),
    }
}

/// One request about `path`, which `act` makes.
fn errand(
    verb: &str,
    url: &Url,
    path: &RelPath,
    (options, _): Ready,
    act: impl FnOnce(&mut Link) -> crate::client::Result<()>,
) -> Exit {
    let mut link = Link::new(url.clone(), options);
    let done = act(&mut link);
    warn_unproved(&link);
    link.leave();
    match done {
        Ok(()) => Exit::Done,
        Err(error) => {
            let object = if path.is_root() {
                b"/"
            } else {
                path.as_bytes()
            };
            say(&format!("{verb} {}: {error}", show::clean(object)));
            Exit::of(&error)
        }
    }
}

/// The path of `name` below that of `url`. A slash at its end comes from the completion of folders.
fn below(url: &Url, name: &OsStr) -> Result<RelPath, String> {
    let name = name.as_bytes();
    let say = |why| format!("{}: {why}", show::clean(name));
    match name.strip_suffix(b"/").unwrap_or(name) {
        b"" => Err(say("a name is missing".to_owned())),
        name => url.join(name).map_err(say),
    }
}
