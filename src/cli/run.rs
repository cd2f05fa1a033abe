//! `forkftp run`. A part of the table in `forkftp`.

use super::forkftp::{Ready, warn_unproved};
use crate::client::command::{self, code};
use crate::client::exit::Exit;
use crate::client::report::say;
use crate::client::{Error, Link, Url, show};
use crate::sys::Errno;
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The server, and who logs in there; without a path.
    #[arg(value_hint = clap::ValueHint::Url)]
    pub(super) url: Url,
    /// The command; without one those are listed that may be run.
    name: Option<String>,
    /// On a terminal too, let output through as it comes, with the control characters that it may have.
    #[arg(long)]
    raw: bool,
}

/// The exit code for a reader that has gone, as a shell has it: 128 and SIGPIPE.
const READER_GONE: u8 = code::SIGNAL + 13;

pub(super) fn run(run: &Run, (options, _): Ready) -> ExitCode {
    if !run.url.path.is_root() {
        say("run: a command belongs to the server, not to a folder: leave the path out");
        return Exit::Usage.into();
    }
    let mut link = Link::new(run.url.clone(), options);
    let ended = match &run.name {
        None => command::list(&mut link).map(|()| None),
        Some(name) => command::run(&mut link, name, run.raw).map(Some),
    };
    warn_unproved(&link);
    link.leave();
    let (end, error) = match ended {
        Ok(None) => return Exit::Done.into(),
        Ok(Some(end)) => (end, None),
        Err(error) => (Default::default(), Some(error)),
    };
    let (code, why) = match &error {
        None => (command::exit_code(end), command::reason(end)),
        Some(Error::Local {
            errno: Some(Errno::EPIPE),
            ..
        }) => (READER_GONE, None),
        Some(Error::Interrupted) => (Exit::Interrupted as u8, Some("interrupted".into())),
        Some(error) => (code::FAILED, Some(error.to_string())),
    };
    if let Some(why) = why {
        let what = run.name.as_deref().unwrap_or("list of commands");
        say(&format!("run {}: {why}", show::clean(what.as_bytes())));
    }
    // What has no code of a command is told as everywhere.
    match (&run.name, error) {
        (None, Some(error)) => Exit::of(&error).into(),
        _ => code.into(),
    }
}
