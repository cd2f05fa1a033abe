//! The command `rm`: names freed, with -r with everything below. Run by the command and the shell. The server removes one
//! file or empty folder at a time; that a folder goes with all that is in it, the deepest first, is this file's doing.

use super::link::Link;
use super::report::{Manner, Report};
use super::url::join;
use super::{Error, Result};
use crate::error::{Code, Refusal};
use crate::wire::path::RelPath;

/// What to remove, and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// Files and folders in the library.
    pub paths: Vec<RelPath>,
    /// Folders with all that is in them; otherwise empty ones only.
    pub recursive: bool,
    /// What is not there is no failure.
    pub force: bool,
}

/// The account of a removal, which is silent about what went well.
#[must_use]
pub fn report() -> Report {
    let quiet = true;
    Report::new("rm", Manner { quiet, json: false })
}

/// Does it. Failures are in the report.
pub fn run(link: &mut Link, job: &Job, report: &Report) {
    for (number, path) in job.paths.iter().enumerate() {
        if let Err(error) = one(link, path, job, report) {
            report.failed(path.as_bytes(), &error);
            if error.ends_connection() {
                let rest = &job.paths[number + 1..];
                return report.left(rest.iter().map(|path| path.as_bytes().to_vec()), &error);
            }
        }
    }
}

/// Removes `path`; the error returned is about itself, others are in the report.
fn one(link: &mut Link, path: &RelPath, job: &Job, report: &Report) -> Result<()> {
    // What it is shows in the answer: a file goes, and so does a folder that is empty.
    match link.client()?.remove(path) {
        Err(Error::Refused(refusal)) if job.force && refusal.code == Code::NotFound => Ok(()),
        Err(Error::Refused(refusal)) if refusal.code == Code::NotEmpty && job.recursive => {
            empty(link, path, job, report)?;
            link.client()?.remove(path)
        }
        Err(Error::Refused(refusal)) if refusal.code == Code::NotEmpty => {
            let message = format!("{refusal}; -r removes it with all that is in it");
            Err(Error::Refused(Refusal { message, ..refusal }))
        }
        removed => removed,
    }
}

/// Removes what is below the folder `path`.
fn empty(link: &mut Link, path: &RelPath, job: &Job, report: &Report) -> Result<()> {
    // Folders that could not be read are said when their own removal fails.
    let (entries, _) = link.client()?.list_all(path, true)?;
    let mut below = Vec::with_capacity(entries.len());
    // A list has each folder before what is in it.
    for entry in entries.iter().rev() {
        match join(path, &entry.name.0) {
            Ok(path) => below.push(path),
            Err(bad) => report.failed(&entry.name.0, &Error::from(bad.when_writing())),
        }
    }
    let mut answered = 0;
    let outcome = link.client()?.remove_many(&below, |path, removed| {
        answered += 1;
        match removed {
            Ok(()) => {}
            // Somebody else was faster.
            Err(Error::Refused(refusal)) if job.force && refusal.code == Code::NotFound => {}
            Err(error) => report.failed(path.as_bytes(), &error),
        }
    });
    outcome.inspect_err(|error| {
        let rest = below[answered..].iter();
        report.left(rest.map(|path| path.as_bytes().to_vec()), error);
    })
}
