//! The command `put`: which files, under which names, and what becomes of each. Run by the command and the shell. How a file
//! is read is `local`'s, how it goes over the wire `put`'s.

use super::batch::{self, Queue};
use super::exit::Exit;
use super::link::Link;
use super::local::{Folder, Outgoing, Stream};
use super::put::{PutRequest, Source};
use super::report::{Moved, Report};
use super::session::Client;
use super::url::join;
use super::{Error, Interrupt, Result, show};
use crate::digest::{Hasher, Kind};
use crate::sys::file;
use crate::wire::drive::{PutDone, letter};
use crate::wire::path::{Bad, RelPath};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Smaller files are sent again rather than asked about: servers keep the beginning of large ones only.
const WORTH_RESUMING: u64 = 1 << 20;

/// What to put, and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// Local files and folders; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Where to in the library.
    pub to: RelPath,
    /// `to` is a folder, in which each file keeps its name; otherwise it is the name of the only file.
    pub into_folder: bool,
    /// Folders, too.
    pub recursive: bool,
    /// Replace files of the same names.
    pub overwrite: bool,
    /// Make the folders on the way.
    pub parents: bool,
    /// Go on with uploads that were cut.
    pub resume: bool,
    /// Digest to check with.
    pub digest: Kind,
    /// Connections to use.
    pub connections: usize,
}

/// Where the bytes of an upload are.
#[derive(Debug, Clone)]
enum From {
    Stdin,
    /// As the user named it: links are followed.
    Named(PathBuf),
    /// Found in a folder: links are not.
    Beneath(Arc<Folder>, RelPath),
}

/// One file to put.
#[derive(Debug, Clone)]
struct Item {
    from: From,
    remote: RelPath,
    size: Option<u64>,
}

/// Everything there is to send.
#[derive(Debug, Default)]
struct Plan {
    items: Vec<Item>,
    /// Folders with nothing in them that is sent: they come into being with no file.
    folders: Vec<RelPath>,
}

/// Does it. Failures are in the report.
pub fn run(link: &mut Link, job: &Job, report: &Report) {
    let Plan { items, folders } = plan(job, report);
    let bytes = items.iter().map(|item| item.size).sum();
    let connections = job.connections.clamp(1, items.len().max(1));
    report.watch(connections, items.len() as u64, bytes);
    let queue = Queue::new(items, connections);
    batch::run(
        link,
        &queue,
        report,
        |client, worker| send(client, worker, job, report, &queue),
        |item| item.remote.as_bytes().to_vec(),
    );
    if !folders.is_empty()
        && let Err(error) = make_folders(link, &folders, report)
    {
        report.stopped(&error);
    }
}

/// Makes the folders that no file brought along.
fn make_folders(link: &mut Link, folders: &[RelPath], report: &Report) -> Result<()> {
    link.options.interrupt.check()?;
    let client = link.client()?;
    if client.check_letter(letter::MAKE).is_err() {
        let count = folders.len() as u64;
        report.notice(&format!(
            "{} not made: this server makes folders only for the files in them",
            show::count(count, "empty folder was", "empty folders were")
        ));
        return Ok(());
    }
    client.make_folders(folders, |folder, made| {
        if let Err(error) = made {
            report.failed(folder.as_bytes(), &error);
        }
    })
}

fn plan(job: &Job, report: &Report) -> Plan {
    let mut plan = Plan::default();
    for file in &job.files {
        if let Err(error) = plan_one(job, report, file, &mut plan) {
            report.failed(file.as_os_str().as_bytes(), &error);
        }
    }
    plan
}

fn plan_one(job: &Job, report: &Report, file: &Path, plan: &mut Plan) -> Result<()> {
    let bytes = file.as_os_str().as_bytes();
    if bytes == b"-" {
        if job.into_folder {
            return Err(Error::here(
                "standard input needs a name: end the address with one",
            ));
        }
        plan.items.push(Item {
            from: From::Stdin,
            remote: job.to.clone(),
            size: None,
        });
        return Ok(());
    }
    let facts = std::fs::metadata(file).map_err(|e| match e.raw_os_error() {
        Some(number) => Error::local("cannot read", crate::sys::Errno::from_raw(number)),
        None => Error::here(e.to_string()),
    })?;
    let remote = match file.file_name() {
        _ if !job.into_folder => job.to.clone(),
        Some(name) => join(&job.to, name.as_bytes()).map_err(unstorable)?,
        // `.` and `..` have no name of their own: what is in them goes into the folder itself.
        None => job.to.clone(),
    };
    if facts.is_dir() {
        if !job.recursive {
            return Err(Error::here("a folder (-r sends folders)"));
        }
        let root = Arc::new(Folder::open(file)?);
        return walk(&root, &RelPath::root(), &remote, report, plan);
    }
    plan.items.push(Item {
        from: From::Named(file.to_owned()),
        remote,
        size: Some(facts.len()),
    });
    Ok(())
}

fn unstorable(bad: Bad) -> Error {
    Error::here(bad.when_writing().message)
}

/// Gathers what is in the folder `below` of `root`. What cannot be sent is passed over with a notice.
fn walk(
    root: &Arc<Folder>,
    below: &RelPath,
    remote: &RelPath,
    report: &Report,
    plan: &mut Plan,
) -> Result<()> {
    let mut waiting = vec![below.clone()];
    while let Some(folder) = waiting.pop() {
        let mut entries = match root.entries(&folder) {
            Ok(entries) => entries,
            Err(error) if folder == *below => return Err(error),
            Err(error) => {
                report.failed(folder.as_bytes(), &error);
                continue;
            }
        };
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut sent = false;
        for (name, facts) in entries {
            let skip = |why: &str| {
                let slash: &[u8] = if folder.is_root() { b"" } else { b"/" };
                report.notice(&format!(
                    "{}: {why}, not sent",
                    root.show(&[folder.as_bytes(), slash, &name].concat())
                ));
            };
            if name.starts_with(b".") {
                skip("hidden");
                continue;
            }
            let (here, there) = match join(&folder, &name)
                .and_then(|here| Ok((here.clone(), join(remote, here.as_bytes())?)))
            {
                Ok(paths) => paths,
                Err(bad) => {
                    report.count(Exit::Local);
                    skip(&bad.when_writing().message);
                    continue;
                }
            };
            match facts.kind {
                file::Kind::File => plan.items.push(Item {
                    from: From::Beneath(root.clone(), here),
                    remote: there,
                    size: Some(facts.size),
                }),
                file::Kind::Folder => waiting.push(here),
                file::Kind::Special => {
                    skip("a link, device, pipe or socket");
                    continue;
                }
            }
            sent = true;
        }
        if !sent {
            // Its path was found to be one when it was met; the root of the library is always there.
            match join(remote, folder.as_bytes()) {
                Ok(path) if !path.is_root() => plan.folders.push(path),
                _ => {}
            }
        }
    }
    Ok(())
}

/// One upload on its way.
struct Going<'a> {
    item: Item,
    source: Bytes,
    began: Instant,
    worker: usize,
    report: &'a Report,
}

enum Bytes {
    File(Outgoing),
    Stream(Stream),
}

impl Source for Going<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let got = match &mut self.source {
            Bytes::File(file) => file.read(into),
            Bytes::Stream(stream) => stream.read(into),
        }?;
        self.report.moved(self.worker, got);
        Ok(got)
    }

    fn check(&mut self) -> Result<()> {
        match &mut self.source {
            Bytes::File(file) => file.check(),
            Bytes::Stream(stream) => stream.check(),
        }
    }

    fn skip(&mut self, offset: u64, hasher: &mut Hasher) -> Result<bool> {
        let there = match &mut self.source {
            Bytes::File(file) => file.skip(offset, hasher),
            Bytes::Stream(stream) => stream.skip(offset, hasher),
        }?;
        if there {
            self.report.begin(
                self.worker,
                self.item.remote.as_bytes(),
                self.item.size,
                offset,
            );
        }
        Ok(there)
    }

    fn rewind(&mut self) -> Result<()> {
        self.report
            .begin(self.worker, self.item.remote.as_bytes(), self.item.size, 0);
        match &mut self.source {
            Bytes::File(file) => file.rewind(),
            Bytes::Stream(stream) => stream.rewind(),
        }
    }
}

/// The work of one connection.
fn send(
    client: &mut Client,
    worker: usize,
    job: &Job,
    report: &Report,
    queue: &Queue<Item>,
) -> Result<()> {
    let interrupt = client.interrupt().clone();
    let alone = |item: &Item| job.resume && item.size.is_some_and(|size| size >= WORTH_RESUMING);
    loop {
        let next = |held: usize| {
            while !interrupt.is_set() {
                let item = queue.pop_if(held, |item| !alone(item))?;
                match prepare(item, worker, job, report, &interrupt) {
                    Ok(ready) => return Some(ready),
                    Err((item, error)) => report.failed(item.remote.as_bytes(), &error),
                }
            }
            None
        };
        client.put_many(next, |going, outcome| {
            settle(&going, job.digest, outcome.map_err(unconfirmed))
        })?;
        interrupt.check()?;
        // A large file to be gone on with waits for the server's word on where: it cannot be in the pipeline.
        let Some(item) = queue.pop_if(0, alone) else {
            if queue.is_empty() {
                return Ok(());
            }
            continue;
        };
        match prepare(item, worker, job, report, &interrupt) {
            Err((item, error)) => report.failed(item.remote.as_bytes(), &error),
            Ok((request, mut going)) => {
                let outcome = client
                    .put_resumed(&request, &mut going)
                    .map(|(done, _)| done);
                let fatal = outcome
                    .as_ref()
                    .err()
                    .filter(|error| error.ends_connection())
                    .cloned();
                settle(&going, job.digest, outcome);
                if let Some(error) = fatal {
                    return Err(error);
                }
            }
        }
    }
}

/// Nothing is known about a file whose answer did not come.
fn unconfirmed(error: Error) -> Error {
    match error {
        Error::Unanswered => {
            Error::Lost("the connection ended before the server confirmed it".into())
        }
        other => other,
    }
}

#[allow(clippy::result_large_err)]
fn prepare<'a>(
    item: Item,
    worker: usize,
    job: &Job,
    report: &'a Report,
    interrupt: &Interrupt,
) -> std::result::Result<(PutRequest, Going<'a>), (Item, Error)> {
    let opened = match &item.from {
        From::Stdin => std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map(|fd| Bytes::Stream(Stream::new(fd, interrupt)))
            .map_err(|e| Error::here(format!("standard input: {e}"))),
        From::Named(path) => Outgoing::open(path, interrupt).map(Bytes::File),
        From::Beneath(folder, path) => {
            Outgoing::beneath(folder, path.as_bytes(), interrupt).map(Bytes::File)
        }
    };
    let source = match opened {
        Ok(source) => source,
        Err(error) => return Err((item, error)),
    };
    let (size, modified) = match &source {
        Bytes::File(file) => (Some(file.size()), Some(file.modified())),
        Bytes::Stream(_) => (None, None),
    };
    let request = PutRequest {
        path: item.remote.clone(),
        size,
        modified,
        digest: job.digest,
        overwrite: job.overwrite,
        parents: job.parents || job.recursive,
    };
    report.begin(worker, item.remote.as_bytes(), size, 0);
    Ok((
        request,
        Going {
            item,
            source,
            began: Instant::now(),
            worker,
            report,
        },
    ))
}

fn settle(going: &Going<'_>, digest: Kind, outcome: Result<PutDone>) {
    match outcome {
        Ok(done) => {
            let asked = &going.item.remote;
            let renamed = done.name.as_ref().and_then(|name| asked.beside(&name.0));
            let path = renamed.as_ref().unwrap_or(asked).as_bytes();
            let seconds = going.began.elapsed().as_secs_f64();
            going.report.stored(path, digest, &done, seconds);
            let id = Some(&*done.id);
            going.report.done(&Moved {
                name: path.into(),
                size: done.size,
                kind: digest.as_str(),
                digest: &done.digest,
                id: id.filter(|id| crate::ledger::is_id(id)),
                durability: Some(&done.durability),
                seconds,
            });
        }
        Err(error) => going.report.failed(going.item.remote.as_bytes(), &error),
    }
}
