//! Tests of uploads from their last byte to their name, and what the tests of their beginnings use, too.

use super::*;
use crate::config::Durability;
use crate::digest::{Checksum, Kind as DigestKind};
use std::path::PathBuf;

/// What is kept when it is cut, and somewhat more.
pub(super) const LARGE: usize = 1024 * 1024 + 4321;

pub(super) struct Served {
    folder: tempfile::TempDir,
    pub(super) library: Library,
}

pub(super) type Answer<T> = std::result::Result<T, Refusal>;

impl Served {
    pub(super) fn with(change: impl FnOnce(&mut Files)) -> Served {
        let folder = tempfile::tempdir().expect("tempdir");
        let mut files = Files::of_tests();
        change(&mut files);
        let library = Library::open(folder.path(), files, None).expect("library");
        Served { folder, library }
    }

    pub(super) fn new() -> Served {
        Served::with(|_| ())
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(super) fn write(&self, path: &str, content: &[u8]) {
        std::fs::write(self.at(path), content).expect("write");
    }

    pub(super) fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.at(path)).expect("read")
    }

    /// Names that clients could see.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("list");
        let names = entries.map(|entry| entry.expect("entry").file_name());
        let names = names.map(|name| name.into_string().expect("UTF-8"));
        let mut names: Vec<_> = names.filter(|name| name != ".forkftp").collect();
        names.sort();
        names
    }

    /// Files in the stage and among the partials.
    pub(super) fn staged(&self) -> (usize, usize) {
        let count = |path: &str| std::fs::read_dir(self.at(path)).expect("list").count();
        (count(".forkftp/stage"), count(".forkftp/partial"))
    }

    pub(super) fn begin(&self, path: &str, streamed: Streamed) -> Answer<Upload> {
        self.library.begin_streamed(&rel(path), streamed)
    }

    pub(super) fn publish(&self, upload: Upload) -> Answer<Published> {
        self.publish_if(upload, &|_, _| Ok(()))
    }

    pub(super) fn publish_if(&self, upload: Upload, give: Give<'_>) -> Answer<Published> {
        let mut outcomes = self.library.publish(vec![upload.finish_streamed()], give);
        outcomes.pop().expect("an outcome")
    }

    /// A whole upload.
    pub(super) fn put(&self, path: &str, streamed: Streamed, bytes: &[u8]) -> Answer<Published> {
        let mut upload = self.begin(path, streamed)?;
        upload.take_over(|_| ())?;
        upload.write(bytes)?;
        self.publish(upload)
    }

    /// One that is cut after `bytes`.
    pub(super) fn cut(&self, path: &str, streamed: Streamed, bytes: &[u8]) {
        let mut upload = self.begin(path, streamed).expect("begin");
        upload.take_over(|_| ()).expect("take over");
        upload.write(bytes).expect("write");
        upload.abandon(&self.library);
    }

    pub(super) fn kept(&self, path: &str) -> Option<u64> {
        self.library
            .resumable(&rel(path), false)
            .map(|facts| facts.size)
    }

    /// Until the clock that filesystems stamp with has gone on.
    pub(super) fn wait_for_a_tick(&self) {
        let began = file::now();
        while file::now() <= began {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

pub(super) fn rel(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("path")
}

pub(super) fn code<T: std::fmt::Debug>(result: Answer<T>) -> Code {
    result.expect_err("a refusal").code
}

pub(super) fn from(from: From) -> Streamed {
    Streamed {
        from,
        ..Streamed::default()
    }
}

pub(super) fn over(from: From) -> Streamed {
    Streamed {
        overwrite: true,
        ..self::from(from)
    }
}

pub(super) fn beside(from: From) -> Streamed {
    Streamed {
        rename_taken: true,
        ..self::from(from)
    }
}

/// Bytes of which no two stretches are alike, and none of two seeds.
pub(super) fn bytes(seed: u8, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    let mut reader = blake3::Hasher::new().update(&[seed]).finalize_xof();
    reader.fill(&mut out);
    out
}

#[test]
fn a_stream_is_stored_and_nothing_is_left_beside_it() {
    let s = Served::with(|files| files.durability = Durability::Full);
    for size in [0, 5, LARGE] {
        let name = format!("f{size}");
        let content = bytes(1, size);
        let stored = s.put(&name, from(From::Start), &content).expect("put");
        let expected = Published {
            name: name.clone().into_bytes(),
            size: size as u64,
            digest: None,
            replaced: None,
        };
        assert_eq!(stored, expected);
        assert_eq!(s.read(&name), content);
        assert_eq!(s.staged(), (0, 0));
        let file = s.library.open_file(&rel(&name)).expect("open");
        for kind in DigestKind::ALL {
            assert_eq!(file.kept_digest(kind), None, "none was computed");
        }
        assert_eq!(code(s.begin(&name, from(From::Start))), Code::Exists);
        let stored = s.put(&name, over(From::Start), b"new").expect("put");
        assert_eq!(stored.replaced, Some(size as u64));
        assert_eq!(s.read(&name), b"new");
    }
    assert_eq!(code(s.begin("", from(From::Start))), Code::IsFolder);
    assert_eq!(code(s.begin("no/f", from(From::Start))), Code::NotFound);
}

#[test]
fn a_taken_name_is_left_to_its_file() {
    let s = Served::new();
    s.write("report.tar.gz", b"theirs");
    std::fs::create_dir(s.at("report.tar-1.gz")).expect("mkdir");
    std::os::unix::fs::symlink("nowhere", s.at("report.tar-2.gz")).expect("symlink");
    for (number, at) in [(3, From::Start), (4, From::End)] {
        let streamed = Streamed {
            overwrite: true,
            ..beside(at)
        };
        let stored = s.put("report.tar.gz", streamed, b"mine").expect("put");
        let name = format!("report.tar-{number}.gz");
        assert_eq!(stored.name, name.as_bytes());
        assert_eq!((stored.replaced, s.read(&name)), (None, b"mine".to_vec()));
    }
    assert_eq!(s.read("report.tar.gz"), b"theirs");
    // Two at once: each is stored, and only the first can be resumed.
    let mut first = s.begin("new", beside(From::Start)).expect("first");
    let mut second = s.begin("new", beside(From::Start)).expect("second");
    first.write(b"first").expect("write");
    second.write(b"second").expect("write");
    assert_eq!(s.publish(second).expect("second").name, b"new");
    assert_eq!(s.publish(first).expect("first").name, b"new-1");
    assert_eq!(
        (s.read("new"), s.read("new-1")),
        (b"second".to_vec(), b"first".to_vec())
    );
    // What was cut is gone on with, and not what is published.
    s.cut("new", beside(From::Start), &bytes(1, LARGE));
    let on = beside(From::Offset(10));
    assert_eq!(s.put("new", on, b"!").expect("put").name, b"new-2");
    assert_eq!(s.read("new-2"), [&bytes(1, 10)[..], b"!"].concat());
    assert_eq!(s.staged(), (0, 0));
}

#[test]
fn a_refusal_before_showing_keeps_the_old_file_and_what_can_be_resumed() {
    for durability in [Durability::None, Durability::Full] {
        let s = Served::with(|files| files.durability = durability);
        let gone = |_: usize, _: BorrowedFd<'_>| Err(Refusal::from(Code::Cancelled));
        s.write("f", b"old");
        for (at, size, kept) in [
            (From::Start, 5, 0),
            (From::End, LARGE, 0),
            (From::Start, LARGE, 1),
        ] {
            let mut upload = s.begin("f", over(at)).expect("begin");
            upload.write(&bytes(1, size)).expect("write");
            assert_eq!(code(s.publish_if(upload, &gone)), Code::Cancelled);
            assert_eq!((s.read("f"), s.staged()), (b"old".to_vec(), (0, kept)));
        }
        let mut upload = s
            .begin("f", over(From::Offset(LARGE as u64)))
            .expect("begin");
        upload.write(b"!").expect("write");
        // It is whole when the question comes, and the file before is still there.
        let look = |_: usize, file: BorrowedFd<'_>| {
            assert_eq!(file::facts(file)?.size, LARGE as u64 + 1);
            assert_eq!(s.read("f"), b"old");
            Ok(())
        };
        s.publish_if(upload, &look).expect("publish");
        assert_eq!(s.read("f"), [&bytes(1, LARGE)[..], b"!"].concat());
    }
}

#[test]
fn room_is_looked_for_before_the_first_byte() {
    let s = Served::with(|files| files.largest_file = Some(100));
    s.write("f", &bytes(1, 60));
    let of = |size, at| Streamed {
        size: Some(size),
        ..over(at)
    };
    assert_eq!(code(s.begin("g", of(101, From::Start))), Code::TooLarge);
    for at in [From::Offset(60), From::End] {
        assert_eq!(code(s.begin("f", of(41, at))), Code::TooLarge);
        assert_eq!(code(s.begin("f", of(u64::MAX, at))), Code::TooLarge);
        let mut upload = s.begin("f", of(40, at)).expect("fits");
        upload
            .write(&[0; 30])
            .expect("fewer than announced, so far");
        assert_eq!(code(upload.write(&[0; 11])), Code::TooLarge);
        upload.discard(&s.library);
    }
    assert!(s.library.room().expect("room") > 0);
    assert_eq!(s.staged(), (0, 0));
    let s = Served::with(|files| files.keep_free = u64::MAX);
    assert_eq!(s.library.room(), Ok(0));
    s.write("f", b"old");
    for at in [From::Start, From::Offset(1), From::End] {
        assert_eq!(code(s.begin("f", over(at))), Code::NoSpace);
        assert_eq!((s.read("f"), s.staged()), (b"old".to_vec(), (0, 0)));
    }
}

#[test]
fn sums_of_stretches_are_those_of_their_bytes() {
    let s = Served::new();
    let content = bytes(1, 200_000);
    s.write("f", &content);
    let file = s.library.open_file(&rel("f")).expect("open");
    for (from, to) in [(0, 200_000), (1, 70_000), (5, 5), (199_999, 200_000)] {
        for sum in [Checksum::crc32(), Checksum::digest(DigestKind::Md5)] {
            let mut direct = sum.clone();
            direct.update(&content[from..to]);
            let mut read = sum;
            let (from, to) = (from as u64, to as u64);
            let mut moved = 0;
            file.checksum(
                &mut read,
                &mut crate::library::Scratch::new(),
                from,
                to,
                |n| moved += n,
            )
            .expect("sum");
            assert_eq!((read.finish(), moved), (direct.finish(), to - from));
        }
    }
    let mut sum = Checksum::crc32();
    let beyond = file.checksum(&mut sum, &mut super::Scratch::new(), 0, 200_001, |_| ());
    assert_eq!(code(beyond), Code::Changed);
}
