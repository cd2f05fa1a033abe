//! Tests of downloads on their way to the disk.

use super::*;
use std::path::Path;

fn start(size: u64) -> GetStart {
    GetStart {
        size,
        offset: 0,
        length: size,
        mtime: 1_700_000_000,
        nsec: 5,
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .expect("list")
        .map(|e| e.expect("entry").file_name().into_string().expect("name"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_download_has_its_name_only_when_finished() {
    let dir = tempfile::tempdir().expect("tempdir");
    let folder = Arc::new(Folder::open(dir.path()).expect("folder"));
    let mut incoming = Incoming::new(folder.clone(), b"a", Manner::default()).expect("free");
    incoming.start(&start(5)).expect("start");
    incoming.take(b"whole").expect("take");
    assert!(names(dir.path()).is_empty());
    incoming
        .finish(Stamp {
            seconds: 1_700_000_000,
            nanos: 5,
        })
        .expect("finish");
    assert_eq!(std::fs::read(dir.path().join("a")).expect("read"), b"whole");
    let modified = std::fs::metadata(dir.path().join("a"))
        .expect("facts")
        .modified()
        .expect("time");
    assert_eq!(
        modified
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after")
            .as_secs(),
        1_700_000_000
    );

    let refused = Incoming::new(folder.clone(), b"a", Manner::default());
    assert!(matches!(
        refused,
        Err(Error::Local {
            errno: Some(Errno::EEXIST),
            ..
        })
    ));
    let mut second = Incoming::new(
        folder,
        b"a",
        Manner {
            overwrite: true,
            resume: false,
        },
    )
    .expect("may replace");
    second.start(&start(3)).expect("start");
    second.take(b"new").expect("take");
    second.finish(Stamp::default()).expect("finish");
    assert_eq!(std::fs::read(dir.path().join("a")).expect("read"), b"new");
    assert_eq!(names(dir.path()), ["a"]);
}

#[test]
fn a_name_taken_meanwhile_is_not_clobbered() {
    let dir = tempfile::tempdir().expect("tempdir");
    let folder = Arc::new(Folder::open(dir.path()).expect("folder"));
    for resume in [false, true] {
        let mut incoming = Incoming::new(
            folder.clone(),
            b"b",
            Manner {
                overwrite: false,
                resume,
            },
        )
        .expect("free");
        incoming
            .resume(Kind::Md5, &Interrupt::default())
            .expect("part");
        incoming.start(&start(1)).expect("start");
        incoming.take(b"x").expect("take");
        std::fs::write(dir.path().join("b"), "theirs").expect("write");
        assert!(matches!(
            incoming.finish(Stamp::default()),
            Err(Error::Local {
                errno: Some(Errno::EEXIST),
                ..
            })
        ));
        assert_eq!(
            std::fs::read(dir.path().join("b")).expect("read"),
            b"theirs"
        );
        std::fs::remove_file(dir.path().join("b")).expect("remove");
    }
}

#[test]
fn a_part_is_kept_continued_and_thrown_away() {
    let dir = tempfile::tempdir().expect("tempdir");
    let folder = Arc::new(Folder::open(dir.path()).expect("folder"));
    let manner = Manner {
        overwrite: false,
        resume: true,
    };
    let begin = || {
        let mut incoming = Incoming::new(folder.clone(), b"a", manner).expect("free");
        let (at, hasher) = incoming
            .resume(Kind::Md5, &Interrupt::default())
            .expect("part")
            .expect("resume");
        (incoming, at, hasher)
    };
    let (mut incoming, at, _) = begin();
    assert_eq!(at, 0);
    let mut rival = Incoming::new(folder.clone(), b"a", manner).expect("free");
    assert!(
        rival.resume(Kind::Md5, &Interrupt::default()).is_err(),
        "the part is locked"
    );
    incoming.start(&start(6)).expect("start");
    incoming.take(b"abc").expect("take");
    drop(incoming);
    assert_eq!(names(dir.path()), [".a.forkftp-part"]);

    let (mut incoming, at, hasher) = begin();
    assert_eq!(
        (at, hasher.finish().to_hex().as_str()),
        (3, "900150983cd24fb0d6963f7d28e17f72")
    );
    assert!(
        incoming.start(&start(6)).is_err(),
        "another offset than the part has"
    );
    incoming.take(b"def").expect("take");
    incoming.finish(Stamp::default()).expect("finish");
    assert_eq!(
        std::fs::read(dir.path().join("a")).expect("read"),
        b"abcdef"
    );
    assert_eq!(names(dir.path()), ["a"]);

    std::fs::remove_file(dir.path().join("a")).expect("remove");
    let (mut incoming, _, _) = begin();
    incoming.take(b"bad").expect("take");
    incoming.discard();
    drop(incoming);
    let (incoming, ..) = begin();
    drop(incoming);
    assert!(names(dir.path()).is_empty(), "an empty part is not kept");
}

#[test]
fn a_part_that_is_a_link_is_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    let folder = Arc::new(Folder::open(dir.path()).expect("folder"));
    std::fs::write(dir.path().join("victim"), "mine").expect("write");
    let part = dir.path().join(".a.forkftp-part");
    let try_it = || {
        let mut incoming = Incoming::new(
            folder.clone(),
            b"a",
            Manner {
                overwrite: true,
                resume: true,
            },
        )
        .expect("free");
        incoming.resume(Kind::Md5, &Interrupt::default()).map(drop)
    };
    std::os::unix::fs::symlink("victim", &part).expect("symlink");
    assert!(try_it().is_err());
    std::fs::remove_file(&part).expect("remove");
    std::fs::hard_link(dir.path().join("victim"), &part).expect("link");
    assert!(try_it().is_err());
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    for bad in [&b"../x"[..], b"/x", b"..", b"", b"a\0b"] {
        assert!(
            Incoming::new(
                Arc::new(Folder::open(dir.path()).expect("folder")),
                bad,
                Manner::default()
            )
            .is_err()
        );
    }
}

#[test]
fn part_names_fit() {
    assert_eq!(part_name(b"a.txt"), b".a.txt.forkftp-part");
    assert!(part_name(&[b'x'; 255]).len() <= MAX_NAME);
    assert_ne!(part_name(&[b'x'; 255]), part_name(&[b'y'; 255]));
}
