//! The spool, with files that show and files that do not.

use super::*;
use crate::config::{Limits, Program};
use crate::wire::path::RelPath;

/// A library and a spool beside it.
struct Scratch {
    folder: tempfile::TempDir,
    library: OwnedFd,
    hooks: Vec<Hook>,
}

impl Scratch {
    fn new() -> Scratch {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir_all(folder.path().join("library/in")).expect("library");
        let library = file::open_folder(&folder.path().join("library")).expect("open");
        let hook = |name: &str, below: &str| Hook {
            name: name.into(),
            folders: vec![RelPath::parse(below.as_bytes()).expect("path")],
            program: Program {
                run: vec!["/bin/true".into()],
                identity: None,
                limits: Limits::default(),
            },
            tries: 3,
            retry_seconds: 1,
        };
        let hooks = vec![hook("a", "in"), hook("b", ""), hook("c", "out")];
        Scratch {
            folder,
            library,
            hooks,
        }
    }

    fn spool(&self) -> Spool {
        Spool::open(&self.folder.path().join("spool"), true).expect("spool")
    }

    /// Entries of this folder of the spool.
    fn count(&self, what: &str) -> usize {
        let folder = self.folder.path().join("spool").join(what);
        std::fs::read_dir(folder).expect("list").count()
    }

    /// A file in the library, and what is said of it.
    fn stored(&self, path: &str) -> Uploaded {
        let at = self.folder.path().join("library").join(path);
        std::fs::write(&at, path).expect("write");
        let open = std::fs::File::open(at).expect("open");
        let facts = file::facts(open.as_fd()).expect("facts");
        let born = file::born(open.as_fd()).expect("born");
        Uploaded {
            id: "0123".into(),
            path: path.into(),
            size: facts.size,
            digest: None,
            user: None,
            face: "drive".into(),
            address: None,
            time: 0,
            shows: Shows {
                device: facts.device,
                inode: facts.inode,
                born: born.map(|stamp| (stamp.seconds, stamp.nanos)),
            },
        }
    }

    fn recover(&self, spool: &mut Spool) -> Vec<String> {
        let found = spool.recover(self.library.as_fd(), &self.hooks, |path, errno| {
            panic!("{path}: {errno}")
        });
        let about = |(job, entry): (JobName, Entry)| format!("{} {}", job.hook, entry.upload.path);
        found.expect("recover").into_iter().map(about).collect()
    }
}

#[test]
fn a_job_is_made_for_each_hook_that_heeds_it_once_it_shows() {
    let s = Scratch::new();
    let mut spool = s.spool();
    let intent = spool.intend(s.stored("in/file")).expect("intend");
    spool.settle_intents().expect("settle");
    assert_eq!((s.count("intents"), s.count("jobs")), (1, 0));
    let made = spool.confirm(intent, b"file-1", &s.hooks).expect("confirm");
    let hooks: Vec<_> = made.iter().map(|(job, _)| job.hook.as_str()).collect();
    assert_eq!(hooks, ["a", "b"]);
    assert_eq!((s.count("intents"), s.count("jobs")), (0, 2));
    let mut again = s.spool();
    let jobs = again.jobs().expect("jobs");
    assert_eq!(jobs.len(), 2);
    for job in &jobs {
        assert_eq!(again.job(job).expect("entry").upload.path, "in/file-1");
    }
    // Numbers go on from where they were.
    let intent = again.intend(s.stored("in/next")).expect("intend");
    let later = again.confirm(intent, b"next", &s.hooks).expect("confirm");
    assert!(later.iter().all(|(job, _)| job > &jobs[1]));
}

#[test]
fn what_nobody_confirmed_is_compared_with_what_stands_there() {
    let s = Scratch::new();
    let shows = s.stored("in/shows");
    let mut renamed = s.stored("in/elsewhere");
    renamed.path = "in/asked".into();
    let gone = s.stored("in/gone");
    std::fs::remove_file(s.folder.path().join("library/in/gone")).expect("remove");
    let mut other = s.stored("in/other");
    other.shows.born = Some((1, 1));
    let nowhere = Uploaded {
        path: "nowhere/file".into(),
        ..shows.clone()
    };
    let spool = s.spool();
    for upload in [shows, renamed, gone, other, nowhere] {
        // Its process dies, and its lock with it.
        drop(spool.intend(upload).expect("intend"));
    }
    std::fs::write(s.folder.path().join("spool/intents/half"), "{\"upl").expect("write");
    assert_eq!(s.count("intents"), 6);
    drop(spool);
    let mut found = s.recover(&mut s.spool());
    found.sort();
    assert_eq!(
        found,
        [
            "a in/elsewhere",
            "a in/shows",
            "b in/elsewhere",
            "b in/shows"
        ]
    );
    assert_eq!((s.count("intents"), s.count("jobs")), (0, 4));
}

#[test]
fn what_another_runner_waits_for_is_its_own_and_one_alone_does_jobs() {
    let s = Scratch::new();
    let (one, mut other) = (s.spool(), s.spool());
    let lock = one.lock().expect("lock").expect("free");
    assert!(other.lock().expect("lock").is_none());
    drop(lock);
    assert!(other.lock().expect("lock").is_some());
    let intent = one.intend(s.stored("in/file")).expect("intend");
    assert!(s.recover(&mut other).is_empty());
    assert_eq!(s.count("intents"), 1);
    drop(intent);
    assert_eq!(s.recover(&mut other).len(), 2);
}

#[test]
fn a_job_is_noted_given_up_and_taken_up_again() {
    let s = Scratch::new();
    let mut spool = s.spool();
    let intent = spool.intend(s.stored("out")).expect("intend");
    let made = spool.confirm(intent, b"out", &s.hooks).expect("confirm");
    let [(job, entry)] = &made[..] else {
        panic!("{made:?}")
    };
    let tried = Entry {
        tries: 3,
        again: 99,
        outcome: "exit 1".into(),
        ..entry.clone()
    };
    spool.note(job, &tried).expect("note");
    assert_eq!(spool.job(job).as_ref(), Some(&tried));
    spool.give_up(job).expect("give up");
    assert!(spool.jobs().expect("jobs").is_empty());
    assert_eq!(spool.failed().expect("failed"), std::slice::from_ref(job));
    spool.retry(job).expect("retry");
    let again = spool.job(job).expect("there");
    assert_eq!((again.tries, again.again), (0, 0));
    assert_eq!(again.outcome, "exit 1");
    spool.done(job).expect("done");
    assert_eq!((s.count("jobs"), s.count("failed")), (0, 0));
}

#[test]
fn a_spool_that_others_can_look_into_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let s = Scratch::new();
    drop(s.spool());
    let spool = s.folder.path().join("spool");
    std::fs::set_permissions(&spool, PermissionsExt::from_mode(0o750)).expect("chmod");
    let said = Spool::open(&spool, true).expect_err("open to others");
    assert!(said.contains("0700"), "{said}");
}
