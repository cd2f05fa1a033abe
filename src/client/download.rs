//! The command `get`: which files, where to, and what becomes of each. Run by the command and the shell. How a file comes to
//! the disk is `local`'s, how it comes over the wire `get`'s.

use super::batch::{self, Queue};
use super::exit::Exit;
use super::get::{GetRequest, Got, Sink};
use super::link::Link;
use super::local::{self, Folder, Incoming};
use super::report::{Moved, Report};
use super::session::Client;
use super::url::join;
use super::{Error, Result, show};
use crate::digest::Kind;
use crate::error::Code;
use crate::sys::Errno;
use crate::sys::file::Stamp;
use crate::wire::drive::{Entry, GetStart, Type};
use crate::wire::path::RelPath;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What to get, and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// Paths in the library.
    pub paths: Vec<RelPath>,
    /// Where to.
    pub output: Output,
    /// Folders, too.
    pub recursive: bool,
    /// What to do with what is there already.
    pub manner: local::Manner,
    /// Digest to check with.
    pub digest: Kind,
    /// Connections to use.
    pub connections: usize,
}

/// Where downloads go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A folder.
    Folder(PathBuf),
    /// A folder if there is one of that name, or if there is more than one file; the file's name otherwise.
    Path(PathBuf),
    /// Standard output.
    Stdout,
}

/// One file to get.
#[derive(Debug, Clone)]
struct Item {
    remote: RelPath,
    /// Folder below the target.
    below: RelPath,
    name: Vec<u8>,
    /// Size and time, where a list told them.
    listed: Option<(u64, i64)>,
}

/// Does it. Failures are in the report.
pub fn run(link: &mut Link, job: &Job, report: &Report) {
    let done = match &job.output {
        Output::Stdout => to_stdout(link, job, report),
        Output::Folder(path) => {
            Folder::open(path).and_then(|target| to_folder(link, job, report, target, None))
        }
        Output::Path(path) if path.is_dir() || job.recursive || job.paths.len() > 1 => {
            made(path).and_then(|target| to_folder(link, job, report, target, None))
        }
        Output::Path(path) => match path.file_name() {
            Some(name) if !path.as_os_str().as_bytes().ends_with(b"/") => {
                let parent = path.parent().unwrap_or(Path::new("."));
                Folder::open(parent).and_then(|target| {
                    to_folder(link, job, report, target, Some(name.as_bytes().to_vec()))
                })
            }
            _ => Folder::open(path).and_then(|target| to_folder(link, job, report, target, None)),
        },
    };
    if let Err(error) = done {
        report.stopped(&error);
    }
}

/// Opens the folder the user named, making it if it is missing.
fn made(path: &Path) -> Result<Folder> {
    match Folder::open(path) {
        Err(Error::Local {
            errno: Some(Errno::ENOENT),
            ..
        }) => {
            std::fs::create_dir(path).map_err(|e| {
                let errno = e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                Error::local(
                    format!("make folder {}", show::clean(path.as_os_str().as_bytes())),
                    errno,
                )
            })?;
            Folder::open(path)
        }
        other => other,
    }
}

fn to_stdout(link: &mut Link, job: &Job, report: &Report) -> Result<()> {
    let mut stdout = std::fs::File::from(
        std::io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map_err(|e| Error::here(format!("standard output: {e}")))?,
    );
    for path in &job.paths {
        let begin = Instant::now();
        let request = GetRequest {
            digest: job.digest,
            ..GetRequest::whole(path.clone())
        };
        match link.client()?.get_to(&request, &mut stdout) {
            Ok(got) => {
                report.moved(0, usize::try_from(got.start.length).unwrap_or(usize::MAX));
                finished(report, path, &got, begin);
            }
            // The reader has gone: it has seen enough.
            Err(Error::Local {
                errno: Some(Errno::EPIPE),
                ..
            }) => return Ok(()),
            Err(error) => {
                let fatal = error.ends_connection();
                report.failed(path.as_bytes(), &error);
                if fatal {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

fn to_folder(
    link: &mut Link,
    job: &Job,
    report: &Report,
    target: Folder,
    name: Option<Vec<u8>>,
) -> Result<()> {
    let items = plan(link, job, report, &target, name)?;
    let bytes = items
        .iter()
        .map(|item| item.listed.map(|(size, _)| size))
        .sum();
    let connections = job.connections.clamp(1, items.len().max(1));
    report.watch(connections, items.len() as u64, bytes);
    let target = Arc::new(target);
    let queue = Queue::new(items, connections);
    batch::run(
        link,
        &queue,
        report,
        |client, worker| fetch(client, worker, job, report, &target, &queue),
        |item| item.remote.as_bytes().to_vec(),
    );
    Ok(())
}

/// Which files, and where each of them goes. Makes the folders.
fn plan(
    link: &mut Link,
    job: &Job,
    report: &Report,
    target: &Folder,
    name: Option<Vec<u8>>,
) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for path in &job.paths {
        let single = path.split_last().map(|(_, last)| last.to_vec());
        if !job.recursive {
            match single {
                Some(last) => items.push(Item {
                    remote: path.clone(),
                    below: RelPath::root(),
                    name: name.clone().unwrap_or(last),
                    listed: None,
                }),
                None => report.failed(b"/", &Error::Refused(Code::IsFolder.into())),
            }
            continue;
        }
        let (entries, listed) = match link.client()?.list_all(path, true) {
            Ok(list) => list,
            Err(error) if error.ends_connection() => return Err(error),
            Err(error) => {
                report.failed(path.as_bytes(), &error);
                continue;
            }
        };
        if listed.unreadable > 0 {
            report.count(Exit::Refused);
            report.notice(&format!(
                "{}: the server could not read {}",
                show::clean(path.as_bytes()),
                show::count(listed.unreadable, "folder", "folders")
            ));
        }
        // The root's content goes into the target itself, any other folder keeps its name.
        let base = RelPath::parse(single.as_deref().unwrap_or_default()).unwrap_or_default();
        if let ([entry], Some(last)) = (&entries[..], &single)
            && entry.kind == Type::File
            && entry.name.0 == *last
            && is_file(link.client()?, path)?
        {
            let listed = Some((entry.size, entry.mtime));
            items.push(Item {
                remote: path.clone(),
                below: RelPath::root(),
                name: last.clone(),
                listed,
            });
            continue;
        }
        target.beneath(&base, true)?;
        for entry in &entries {
            if let Err(error) = place(entry, path, &base, target, &mut items) {
                report.failed(&entry.name.0, &error);
            }
        }
    }
    Ok(items)
}

/// The list of a file is one line with its own name, and so is the list of a folder that holds just a file of the folder's name.
pub(super) fn is_file(client: &mut Client, path: &RelPath) -> Result<bool> {
    let nothing = GetRequest {
        length: Some(0),
        ..GetRequest::whole(path.clone())
    };
    match client.get_to(&nothing, &mut std::io::sink()) {
        Ok(_) => Ok(true),
        Err(Error::Refused(refusal)) if refusal.code == Code::IsFolder => Ok(false),
        Err(error) => Err(error),
    }
}

fn place(
    entry: &Entry,
    listed: &RelPath,
    base: &RelPath,
    target: &Folder,
    items: &mut Vec<Item>,
) -> Result<()> {
    let bad = |_| {
        Error::here(format!(
            "{}: the path is too long",
            show::clean(&entry.name.0)
        ))
    };
    let here = join(base, &entry.name.0).map_err(bad)?;
    match (entry.kind, here.split_last()) {
        (Type::Folder, _) => target.beneath(&here, true).map(drop),
        (Type::File, Some((below, name))) => {
            let remote = join(listed, &entry.name.0).map_err(bad)?;
            items.push(Item {
                remote,
                name: name.to_vec(),
                below,
                listed: Some((entry.size, entry.mtime)),
            });
            Ok(())
        }
        (Type::File, None) => Ok(()),
    }
}

/// One download on its way.
struct Coming<'a> {
    item: Item,
    incoming: Incoming,
    began: Instant,
    worker: usize,
    report: &'a Report,
}

impl Sink for Coming<'_> {
    fn start(&mut self, start: &GetStart) -> Result<()> {
        self.began = Instant::now();
        self.report.begin(
            self.worker,
            self.item.remote.as_bytes(),
            Some(start.size),
            start.offset,
        );
        self.incoming.start(start)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.incoming.take(bytes)?;
        self.report.moved(self.worker, bytes.len());
        Ok(())
    }
}

/// The work of one connection.
fn fetch(
    client: &mut Client,
    worker: usize,
    job: &Job,
    report: &Report,
    target: &Arc<Folder>,
    queue: &Queue<Item>,
) -> Result<()> {
    let interrupt = client.interrupt().clone();
    // Neighbours in the list are mostly in one folder.
    let mut last: (RelPath, Arc<Folder>) = (RelPath::root(), target.clone());
    let mut prepare = |item: &Item| -> Result<Option<(GetRequest, Incoming)>> {
        interrupt.check()?;
        if last.0 != item.below {
            last = (
                item.below.clone(),
                Arc::new(target.beneath(&item.below, false)?),
            );
        }
        if job.manner.resume
            && !job.manner.overwrite
            && item
                .listed
                .is_some_and(|(size, mtime)| last.1.holds(&item.name, size, mtime))
        {
            return Ok(None);
        }
        let mut incoming = Incoming::new(last.1.clone(), &item.name, job.manner)?;
        let mut request = GetRequest {
            digest: job.digest,
            ..GetRequest::whole(item.remote.clone())
        };
        if let Some((offset, hasher)) = incoming.resume(job.digest, &interrupt)? {
            (request.offset, request.before) = (offset, Some(hasher));
        }
        Ok(Some((request, incoming)))
    };
    let mut stopped = Ok(());
    let next = |held: usize| {
        while stopped.is_ok() {
            let item = queue.pop(held)?;
            match prepare(&item) {
                Ok(Some((request, incoming))) => {
                    return Some((
                        request,
                        Coming {
                            item,
                            incoming,
                            began: Instant::now(),
                            worker,
                            report,
                        },
                    ));
                }
                Ok(None) => report.notice(&format!(
                    "{}: is here already, whole",
                    show::clean(item.remote.as_bytes())
                )),
                Err(Error::Interrupted) => stopped = Err(Error::Interrupted),
                Err(error) => report.failed(item.remote.as_bytes(), &error),
            }
        }
        None
    };
    let outcome = client.get_many(next, |coming, outcome| settle(coming, outcome, queue));
    stopped.and(outcome)
}

/// What becomes of a download when its answer has ended.
fn settle(mut coming: Coming<'_>, outcome: Result<Got>, queue: &Queue<Item>) {
    let report = coming.report;
    let path = coming.item.remote.as_bytes();
    match outcome {
        Ok(got) => {
            let modified = Stamp {
                seconds: got.start.mtime,
                nanos: got.start.nsec,
            };
            match coming.incoming.finish(modified) {
                Ok(()) => finished(report, &coming.item.remote, &got, coming.began),
                Err(error) => report.failed(path, &error),
            }
        }
        Err(Error::Unanswered) => queue.again(coming.item),
        Err(Error::Refused(refusal))
            if refusal.code == Code::Range && coming.incoming.discard() =>
        {
            report.notice(&format!(
                "{}: the part kept here was longer than the file; beginning again",
                show::clean(path)
            ));
            queue.again(coming.item);
        }
        Err(error) => {
            // What is kept must be the beginning of one version of the file.
            let void = match &error {
                Error::Digest { .. } | Error::Protocol(_) => true,
                Error::Refused(refusal) => refusal.code == Code::Changed,
                _ => false,
            };
            let thrown = void && coming.incoming.discard();
            report.failed(path, &error);
            if thrown {
                report.notice(&format!(
                    "{}: the part kept here was thrown away",
                    show::clean(path)
                ));
            }
        }
    }
}

fn finished(report: &Report, path: &RelPath, got: &Got, began: Instant) {
    report.done(&Moved {
        name: path.as_bytes().into(),
        size: got.start.size,
        kind: got.digest.kind().as_str(),
        digest: &got.digest.to_hex(),
        id: None,
        durability: None,
        seconds: began.elapsed().as_secs_f64(),
    });
}
