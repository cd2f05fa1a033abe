//! Hooks: uploads are noted in the spool before they show, and the operator's programs are run for them afterwards, those for one file one
//! after the other. Run by the runner, within its loop.

use super::execute::{self, Ended, Excess, Fence, Supervised, Task};
use super::spool::{Entry, Intent, JobName, Spool, wait_after};
use crate::config::{Config, Durability, Hook};
use crate::error::Refusal;
use crate::ipc::{self, Noted, Outcome, Shown, Uploaded};
use crate::log::{self, Level};
use crate::sys::file;
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, Result, sealed};
use crate::wire::name;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// How often the spool is looked through, in milliseconds: for what another runner left, and for what `forkftpd hooks` put back.
const LOOK_EVERY: u64 = 2000;
/// Most jobs that are known at once; the others wait on the disk.
const MOST_KNOWN: usize = 10_000;
/// Bytes of what a hook wrote last that are kept of it.
const TAIL: u64 = 2048;

/// The hooks, and all that they are still to be run for.
#[derive(Debug)]
pub(super) struct Hooks {
    all: Vec<Hook>,
    most: usize,
    spool: Spool,
    library: OwnedFd,
    root: PathBuf,
    /// While this runner is the one that does jobs.
    lock: Option<OwnedFd>,
    /// It was told that another takes over: it does what is begun, and nothing more.
    retired: bool,
    /// When the spool is looked through next, on the monotonic clock.
    look_at: u64,
    jobs: BTreeMap<JobName, Entry>,
    /// Those that are being done.
    busy: BTreeSet<JobName>,
    /// Children that were told that theirs is noted, by the number of their channel.
    waiting: BTreeMap<u64, Waiting>,
    /// Noted in this round, and not on the disk yet.
    fresh: Vec<(u64, Waiting)>,
}

#[derive(Debug)]
struct Waiting {
    channel: OwnedFd,
    intent: Intent,
}

/// A hook that runs.
#[derive(Debug)]
pub(super) struct Doing {
    job: JobName,
    output: OwnedFd,
}

impl Hooks {
    /// None where there are none.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn open(config: &Config) -> std::result::Result<Option<Hooks>, String> {
        let Some(folder) = &config.hooks.spool_folder else {
            return Ok(None);
        };
        let spool = Spool::open(folder, config.files.durability != Durability::None)?;
        let library = file::open_folder(&config.library)
            .map_err(|errno| format!("library {}: {}", config.library.display(), errno.desc()))?;
        let root = config.library.canonicalize();
        Ok(Some(Hooks {
            all: config.hooks.all.clone(),
            most: config.hooks.most as usize,
            spool,
            library,
            root: root.unwrap_or_else(|_| config.library.clone()),
            lock: None,
            retired: false,
            look_at: 0,
            jobs: BTreeMap::new(),
            busy: BTreeSet::new(),
            waiting: BTreeMap::new(),
            fresh: Vec::new(),
        }))
    }

    /// True while a child may still say what came of its upload, or something is to be written.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.fresh.is_empty()
    }

    /// Another runner does the jobs from now on; what is noted here it finds in the spool.
    pub(super) fn retire(&mut self) {
        self.retired = true;
    }

    /// Notes an upload; its child, at the other end of `channel`, hears after `settle` that it may show. `number` is the channel's.
    pub(super) fn announce(&mut self, number: u64, upload: Uploaded, channel: OwnedFd) {
        match self.spool.intend(upload) {
            Ok(intent) => self.fresh.push((number, Waiting { channel, intent })),
            Err(errno) => refuse(&channel, errno),
        }
    }

    /// Puts all that was noted in this round on the disk, and says so to those that wait for it. Returns the numbers of the channels that
    /// nothing more will come from.
    pub(super) fn settle(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let settled = self.spool.settle_intents();
        for (number, waiting) in std::mem::take(&mut self.fresh) {
            let said =
                settled.and_then(|()| ipc::send(waiting.channel.as_fd(), &Noted::Safe, &[], false));
            match said {
                Ok(()) => {
                    self.waiting.insert(number, waiting);
                }
                Err(errno) => {
                    refuse(&waiting.channel, errno);
                    self.judge(waiting.intent);
                }
            }
        }
    }

    /// A child says what came of its upload, or is gone.
    pub(super) fn heard(&mut self, number: u64) {
        let Some(waiting) = self.waiting.remove(&number) else {
            return;
        };
        let said = ipc::receive::<Shown>(waiting.channel.as_fd(), false);
        let name = match &said {
            Err(Errno::EAGAIN) => {
                self.waiting.insert(number, waiting);
                return;
            }
            Ok(Some((Shown::As { name }, _))) => name::decode(name),
            Ok(None) | Err(_) => None,
        };
        match name {
            Some(name) => {
                let path = waiting.intent.path().to_owned();
                let made = self.spool.confirm(waiting.intent, &name, &self.all);
                self.add(&path, made);
            }
            None => self.judge(waiting.intent),
        }
    }

    fn judge(&mut self, intent: Intent) {
        let path = intent.path().to_owned();
        let made = self.spool.judge(intent, self.library.as_fd(), &self.all);
        self.add(&path, made);
    }

    /// Jobs were made of the upload to `path`, or could not be.
    fn add(&mut self, path: &str, made: Result<Vec<(JobName, Entry)>>) {
        match made {
            // Otherwise they are found when the spool is looked through.
            Ok(jobs) => {
                if self.lock.is_some() && self.jobs.len() < MOST_KNOWN {
                    self.jobs.extend(jobs);
                }
            }
            Err(errno) => cannot("an upload is not told to its hooks yet", path, errno),
        }
    }

    /// When there is something to do next, on the monotonic clock.
    pub(super) fn due(&self) -> Option<u64> {
        let now = monotonic_millis();
        if self.retired {
            return None;
        }
        let mut due = self.look_at;
        if self.busy.len() < self.most {
            let wall = file::now().seconds.unsigned_abs();
            let free = self.free().map(|(_, entry)| {
                let seconds = entry.again.saturating_sub(wall);
                now.saturating_add(seconds.saturating_mul(1000))
            });
            due = due.min(free.min().unwrap_or(u64::MAX));
        }
        Some(due)
    }

    /// The jobs that wait for nothing but their time: of those of one hook for one file the first.
    fn free(&self) -> impl Iterator<Item = (&JobName, &Entry)> {
        let mut seen = BTreeSet::new();
        self.jobs
            .iter()
            .filter(move |(job, entry)| {
                seen.insert((job.hook.as_str(), entry.upload.path.as_str()))
            })
            .filter(|(job, _)| !self.busy.contains(*job))
    }

    /// Looks through the spool, if it is time.
    pub(super) fn look(&mut self) {
        let now = monotonic_millis();
        if self.retired {
            if self.busy.is_empty() {
                self.lock = None;
            }
            return;
        }
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK_EVERY;
        if self.lock.is_none() {
            match self.spool.lock() {
                Ok(lock) => self.lock = lock,
                Err(errno) => cannot("the spool cannot be locked", "", errno),
            }
        }
        if self.lock.is_none() {
            return;
        }
        let failed =
            |path: &str, errno| cannot("an upload is not told to its hooks yet", path, errno);
        let looked = self
            .spool
            .recover(self.library.as_fd(), &self.all, failed)
            .and_then(|_| self.spool.jobs());
        let names = match looked {
            Ok(names) => names,
            Err(errno) => return cannot("the spool cannot be read", "", errno),
        };
        let there: BTreeSet<&JobName> = names.iter().collect();
        let busy = &self.busy;
        self.jobs
            .retain(|job, _| there.contains(job) || busy.contains(job));
        // Others are another server's, which is about to take over, or wait until the operator drops them or names the hook again.
        let ours = |job: &&JobName| self.all.iter().any(|hook| hook.name == job.hook);
        for job in names.iter().filter(ours) {
            let known = self.jobs.get(job);
            // What was tried may wait no longer, if the operator says so.
            let is_stale = known.is_none_or(|entry| entry.tries > 0 && !self.busy.contains(job));
            if known.is_none() && self.jobs.len() >= MOST_KNOWN {
                break;
            }
            if is_stale && let Some(entry) = self.spool.job(job) {
                self.jobs.insert(job.clone(), entry);
            }
        }
    }

    /// Begins the next job whose time has come, if there may be one more at once.
    pub(super) fn begin(&mut self, fence: Fence) -> Option<(Doing, Supervised)> {
        if self.retired || self.lock.is_none() {
            return None;
        }
        while self.busy.len() < self.most {
            let now = file::now().seconds.unsigned_abs();
            let next = self.free().find(|(_, entry)| entry.again <= now);
            let (job, entry) = next.map(|(job, entry)| (job.clone(), entry.clone()))?;
            // Only those are known whose hook is.
            let hook = self.all.iter().find(|hook| hook.name == job.hook)?;
            match self.start(hook, &entry, fence) {
                Ok((output, supervised)) => {
                    self.busy.insert(job.clone());
                    return Some((Doing { job, output }, supervised));
                }
                Err(errno) => {
                    let outcome =
                        Outcome::broken(format!("it could not be begun: {}", errno.desc()));
                    self.tried(&job, &outcome, String::new(), 0);
                }
            }
        }
        None
    }

    fn start(&self, hook: &Hook, entry: &Entry, fence: Fence) -> Result<(OwnedFd, Supervised)> {
        let record = self.record(&hook.name, entry);
        let input = sealed::make(&record)?;
        nix::unistd::lseek(&input, 0, nix::unistd::Whence::SeekSet)?;
        let output = sealed::scratch()?;
        let theirs = output.try_clone().map_err(|_| Errno::EMFILE)?;
        let task = Task {
            program: &hook.program,
            environment: Vec::new(),
            input: Some(input),
            output: theirs,
            watch: None,
            excess: Excess::Discard,
        };
        Ok((output, execute::start(task, fence)?))
    }

    /// What the hook reads.
    fn record(&self, hook: &str, entry: &Entry) -> Vec<u8> {
        let upload = &entry.upload;
        let mut told = serde_json::Map::new();
        let mut say = |key: &str, value: serde_json::Value| told.insert(key.into(), value);
        say("hook", hook.into());
        say("id", upload.id.as_str().into());
        say("path", upload.path.as_str().into());
        let below = entry.path().map(|path| path.as_bytes().to_vec());
        let below = below.and_then(|below| String::from_utf8(below).ok());
        if let Some(file) = below.as_deref().map(|below| self.root.join(below))
            && let Some(file) = file.to_str()
        {
            say("file", file.into());
        }
        say("size", upload.size.into());
        if let Some((kind, hex)) = &upload.digest {
            say(kind, hex.as_str().into());
        }
        if let Some(user) = &upload.user {
            say("user", user.as_str().into());
        }
        say("face", upload.face.as_str().into());
        if let Some(address) = upload.address {
            say("address", address.to_string().into());
        }
        let millis = i64::try_from(upload.time).unwrap_or_default();
        let time = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
        say("time", format!("{time:.3}").into());
        let mut text = serde_json::Value::Object(told).to_string().into_bytes();
        text.push(b'\n');
        text
    }

    /// A hook has ended.
    pub(super) fn ended(&mut self, doing: Doing, ended: &Ended) {
        self.busy.remove(&doing.job);
        let output = tail(doing.output.as_fd());
        self.tried(&doing.job, &ended.outcome, output, ended.millis);
        if self.retired && self.busy.is_empty() {
            self.lock = None;
        }
    }

    fn tried(&mut self, job: &JobName, outcome: &Outcome, output: String, millis: u64) {
        let Some(entry) = self.jobs.get_mut(job) else {
            return;
        };
        entry.tries += 1;
        entry.outcome = outcome.to_string();
        entry.output = output;
        let seconds = format!("{}.{:03}", millis / 1000, millis % 1000);
        let fields: [(&str, &dyn Display); 6] = [
            ("hook", &job.hook),
            ("path", &entry.upload.path),
            ("id", &entry.upload.id),
            ("outcome", outcome),
            ("seconds", &seconds),
            ("tries", &entry.tries),
        ];
        let is_done = *outcome == Outcome::Exit(0);
        let level = if is_done { Level::Info } else { Level::Warn };
        log::event(level, "hook ended", &fields);
        if is_done {
            self.jobs.remove(job);
            if let Err(errno) = self.spool.done(job)
                && errno != Errno::ENOENT
            {
                cannot(
                    "a job stays in the spool and is done again",
                    &job.to_string(),
                    errno,
                );
            }
            return;
        }
        let hook = self.all.iter().find(|hook| hook.name == job.hook);
        let (most, first) = hook.map_or((1, 1), |hook| (hook.tries, hook.retry_seconds));
        entry.again = file::now().seconds.unsigned_abs() + wait_after(entry.tries, first);
        let is_over = entry.tries >= most;
        let entry = entry.clone();
        if self.spool.job(job).is_none() {
            // The operator does not want it done any more.
            self.jobs.remove(job);
            return;
        }
        if let Err(errno) = self.spool.note(job, &entry) {
            cannot("what came of a hook is not noted", &job.to_string(), errno);
        }
        if is_over {
            self.give_up(job, "a hook is given up: forkftpd hooks shows it");
        }
    }

    fn give_up(&mut self, job: &JobName, what: &'static str) {
        let entry = self.jobs.remove(job);
        let path = entry.as_ref().map_or("", |entry| &entry.upload.path);
        let output = entry.as_ref().map_or("", |entry| &entry.output);
        let fields: [(&str, &dyn Display); 4] = [
            ("hook", &job.hook),
            ("path", &path),
            ("job", job),
            ("output", &output),
        ];
        log::event(Level::Error, what, &fields);
        if let Err(errno) = self.spool.give_up(job) {
            cannot(
                "a job cannot be moved to the failed ones",
                &job.to_string(),
                errno,
            );
        }
    }
}

fn cannot(what: &'static str, about: &str, errno: Errno) {
    let why = errno.desc();
    log::event(Level::Error, what, &[("about", &about), ("error", &why)]);
}

/// Tells a child that its upload is not to show.
fn refuse(channel: &OwnedFd, errno: Errno) {
    let refusal = Refusal::from(errno);
    let what = format!(
        "the server cannot note that its hook is to run: {}",
        refusal.message
    );
    cannot(
        "an upload is refused, which its hook could not be told of",
        "",
        errno,
    );
    let code = refusal.code;
    let failed = Noted::Failed {
        code,
        message: what,
    };
    // Gone, it need not know.
    let _ = ipc::send(channel.as_fd(), &failed, &[], false);
}

/// The end of what was written to `output`.
fn tail(output: BorrowedFd<'_>) -> String {
    let size = file::facts(output).map_or(0, |facts| facts.size);
    let mut bytes = vec![0; TAIL as usize];
    let from = size.saturating_sub(TAIL);
    let got = file::read_at(output, &mut bytes, from).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..got]).into_owned()
}
