//! Tests of what is done to names, times and permissions.

use super::*;
use crate::config::Files;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

struct Scratch {
    folder: tempfile::TempDir,
    library: Library,
}

impl Scratch {
    fn new() -> Scratch {
        let folder = tempfile::tempdir().expect("tempdir");
        let files = Files {
            durability: Durability::Full,
            ..Files::of_tests()
        };
        let library = Library::open(folder.path(), files, None).expect("library");
        Scratch { folder, library }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        std::fs::write(self.at(path), content).expect("write");
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).expect("read")
    }

    fn exists(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    fn mkdir(&self, path: &str) {
        std::fs::create_dir(self.at(path)).expect("mkdir");
    }

    fn rename(&self, from: &str, to: &str, overwrite: bool) -> Result<Option<Removed>> {
        self.library.rename(&path(from), &path(to), overwrite)
    }

    /// Links, and things that only open(2) would wait for.
    fn strange(&self) -> Vec<&'static str> {
        self.write("target", "t");
        symlink("target", self.at("link")).expect("symlink");
        symlink("nowhere", self.at("dangling")).expect("symlink");
        symlink("/", self.at("slash")).expect("symlink");
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        nix::unistd::mkfifo(&self.at("fifo"), mode).expect("mkfifo");
        let _socket = std::os::unix::net::UnixListener::bind(self.at("socket")).expect("bind");
        let mut strange = vec!["link", "dangling", "slash", "fifo", "socket"];
        let device = nix::sys::stat::makedev(1, 3);
        let kind = nix::sys::stat::SFlag::S_IFCHR;
        // Only root may make one, and not in every container.
        if nix::sys::stat::mknod(&self.at("device"), kind, mode, device).is_ok() {
            strange.push("device");
        }
        strange
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("path")
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
    result.expect_err("a refusal").code
}

fn inode(path: &Path) -> u64 {
    path.symlink_metadata().expect("facts").ino()
}

#[test]
fn folders_are_made_one_by_one_or_with_all_above() {
    let s = Scratch::new();
    let make = |name: &str, parents| s.library.make_folder(&path(name), parents);
    assert_eq!(make("a", false), Ok(true));
    assert_eq!(code(make("a", false)), Code::Exists);
    assert_eq!(make("a", true), Ok(false));
    assert_eq!(code(make("b/c", false)), Code::NotFound);
    assert_eq!(make("b/c/d", true), Ok(true));
    assert!(s.at("b/c/d").is_dir());
    s.write("file", "x");
    assert_eq!(code(make("file", true)), Code::Exists);
    assert_eq!(code(make("file/x", true)), Code::NotFolder);
    assert_eq!(code(make("", false)), Code::Exists);
    assert_eq!(make("", true), Ok(false));
    for name in s.strange() {
        assert_eq!(code(make(name, true)), Code::Exists, "{name}");
    }
    assert_eq!(code(make("slash/tmp", true)), Code::NotFound);
}

#[test]
fn a_file_is_renamed_and_replaces_only_when_asked() {
    let s = Scratch::new();
    s.write("a", "one");
    s.write("b", "other");
    s.mkdir("d");
    assert_eq!(code(s.rename("a", "b", false)), Code::Exists);
    assert_eq!((s.read("a"), s.read("b")), ("one".into(), "other".into()));
    assert_eq!(s.rename("a", "d/a", false), Ok(None));
    assert_eq!(s.rename("d/a", "c", true), Ok(None), "nothing was there");
    let gone = Removed {
        size: 5,
        kind: Kind::File,
    };
    assert_eq!(s.rename("c", "b", true), Ok(Some(gone)));
    assert_eq!(s.read("b"), "one");
    assert!(!s.exists("c"));
    assert_eq!(code(s.rename("b", "d", false)), Code::Exists);
    assert_eq!(code(s.rename("b", "d", true)), Code::IsFolder);
    assert_eq!(code(s.rename("b", "b", false)), Code::Exists);
    assert_eq!(code(s.rename("b", "b", true)), Code::Exists);
    std::fs::hard_link(s.at("b"), s.at("twin")).expect("link");
    assert_eq!(code(s.rename("b", "twin", true)), Code::Exists);
    assert_eq!(code(s.rename("b", "no/b", false)), Code::NotFound);
    assert_eq!(code(s.rename("b", "twin/b", false)), Code::NotFolder);
    assert_eq!(code(s.rename("absent", "x", true)), Code::NotFound);
    assert_eq!(s.read("b"), "one", "after all that");
}

#[test]
fn a_folder_is_renamed_and_replaces_nothing() {
    let s = Scratch::new();
    s.mkdir("d");
    s.write("d/file", "x");
    s.mkdir("empty");
    s.write("f", "f");
    for overwrite in [false, true] {
        assert_eq!(code(s.rename("d", "empty", overwrite)), Code::Exists);
        assert_eq!(code(s.rename("d", "f", overwrite)), Code::Exists);
        assert_eq!(code(s.rename("d", "d", overwrite)), Code::Exists);
        assert_eq!(code(s.rename("d", "d/e", overwrite)), Code::Name);
        assert_eq!(code(s.rename("d", "d/e/f", overwrite)), Code::Name);
        assert_eq!(code(s.rename("d", "", overwrite)), Code::Exists);
        assert_eq!(code(s.rename("", "x", overwrite)), Code::Denied);
    }
    assert_eq!(s.rename("d", "empty/d", true), Ok(None));
    assert_eq!(s.read("empty/d/file"), "x");
    assert_eq!(
        s.rename("empty", "dd", false),
        Ok(None),
        "no part of a name"
    );
    assert_eq!(s.rename("dd", "d", false), Ok(None));
    assert!(s.exists("d/d/file"));
}

#[test]
fn what_is_not_served_stays_as_it_is() {
    let s = Scratch::new();
    s.write("file", "x");
    s.mkdir("folder");
    let mut names = s.strange();
    s.mkdir("there");
    let before: Vec<_> = names.iter().map(|name| inode(&s.at(name))).collect();
    for name in &names {
        assert_eq!(code(s.library.stat(&path(name))), Code::NotFound, "{name}");
        let removed = s.library.remove(&path(name));
        assert_eq!(code(removed), Code::NotFound, "{name}");
        assert_eq!(code(s.rename(name, "there/x", true)), Code::NotFound);
        for overwrite in [false, true] {
            let over = code(s.rename("file", name, overwrite));
            assert_eq!(over, Code::Exists, "{name}");
            assert_eq!(code(s.rename("folder", name, overwrite)), Code::Exists);
        }
        let bits = s.library.set_mode(&path(name), 0o777);
        assert_eq!(code(bits), Code::NotFound, "{name}");
        let time = s.library.set_time(&path(name), Stamp::default());
        // Nobody listens at the socket, which is refused in the same way as a device without a driver.
        assert_eq!(code(time), Code::NotFound, "{name}");
    }
    let after: Vec<_> = names.iter().map(|name| inode(&s.at(name))).collect();
    assert_eq!(before, after);
    assert_eq!(s.read("target"), "t");
    names.retain(|name| *name == "slash");
    let through = format!("{}/tmp", names[0]);
    assert_eq!(code(s.library.remove(&path(&through))), Code::NotFound);
    assert_eq!(code(s.rename("file", &through, true)), Code::NotFound);
}

#[test]
fn names_are_freed_and_say_what_went() {
    let s = Scratch::new();
    s.write("file", "12345");
    s.mkdir("d");
    s.write("d/.hidden", "x");
    let remove = |name: &str| s.library.remove(&path(name));
    let gone = |size, kind| Ok(Removed { size, kind });
    assert_eq!(remove("file"), gone(5, Kind::File));
    assert_eq!(code(remove("file")), Code::NotFound);
    assert_eq!(code(remove("d")), Code::NotEmpty);
    std::fs::remove_file(s.at("d/.hidden")).expect("remove");
    assert_eq!(remove("d"), gone(0, Kind::Folder));
    assert_eq!(code(remove("")), Code::Denied);
    s.write("f", "");
    assert_eq!(code(remove("f/x")), Code::NotFolder);
    assert!(s.exists(".forkftp/stage"));
}

#[test]
fn times_are_set_on_files_and_seen() {
    let s = Scratch::new();
    s.write("file", "123");
    s.mkdir("d");
    for (seconds, nanos) in [(1_600_000_000, 5), (0, 0), (-1, 999_999_999)] {
        let stamp = Stamp { seconds, nanos };
        s.library.set_time(&path("file"), stamp).expect("set");
        let facts = s.library.stat(&path("file")).expect("stat");
        assert_eq!((facts.modified, facts.size), (stamp, 3));
    }
    let folder = s.library.set_time(&path("d"), Stamp::default());
    assert_eq!(code(folder), Code::IsFolder);
    assert_eq!(s.library.stat(&path("d")).expect("d").kind, Kind::Folder);
    assert_eq!(s.library.stat(&path("")).expect("root").kind, Kind::Folder);
    // Whoever may not read a file sees that it is there, as in a listing.
    use std::os::unix::fs::PermissionsExt;
    let closed = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(s.at("file"), closed).expect("chmod");
    assert_eq!(s.library.stat(&path("file")).expect("stat").size, 3);
}

#[test]
fn permissions_are_set_within_what_serving_needs() {
    use std::os::unix::fs::PermissionsExt;
    let s = Scratch::new();
    s.write("file", "123");
    s.mkdir("d");
    let mode = |name: &str| s.library.stat(&path(name)).expect("stat").mode;
    let set = |name: &str, bits| s.library.set_mode(&path(name), bits);
    assert_eq!(set("file", 0o600), Ok(()));
    assert_eq!(mode("file"), 0o600);
    assert_eq!(set("file", 0o755), Ok(()));
    assert_eq!(set("d", 0o700), Ok(()));
    for (name, bits) in [
        ("file", 0o400),
        ("file", 0o077),
        ("file", 0o4755),
        ("file", 0o1644),
        ("file", 0o100_644),
        ("d", 0o600),
        ("d", 0o2755),
    ] {
        assert_eq!(code(set(name, bits)), Code::Request, "{name} {bits:o}");
    }
    assert_eq!((mode("file"), mode("d")), (0o755, 0o700), "after all that");
    assert_eq!(code(set("absent", 0o644)), Code::NotFound);
    assert_eq!(set("", 0o755), Ok(()), "the root");
    for (bits, left) in [(0o1777, Ok(())), (0o2755, Err(Code::Denied))] {
        let permissions = std::fs::Permissions::from_mode(bits);
        std::fs::set_permissions(s.at("d"), permissions).expect("chmod");
        let result = set("d", 0o775).map_err(|refusal| refusal.code);
        assert_eq!(result, left, "{bits:o}");
    }
    assert_eq!(mode("d"), 0o2755);
}

#[test]
fn the_long_ways_round_replace_nothing_either() {
    let s = Scratch::new();
    s.write("a", "a");
    s.write("b", "b");
    s.mkdir("d");
    s.write("d/file", "x");
    s.mkdir("full");
    s.write("full/file", "y");
    let place = |name: &str| {
        let folder = s.library.open_folder(&RelPath::root()).expect("root");
        s.library.place(folder, name.as_bytes())
    };
    let link = |from: &str, to: &str| place(from).rename_by_link(&place(to));
    assert_eq!(link("a", "b"), Err(Errno::EEXIST));
    assert_eq!(link("a", "c"), Ok(()));
    assert_eq!((s.read("c"), s.exists("a")), ("a".into(), false));
    let folder = |from: &str, to: &str| place(from).rename_folder(&place(to));
    assert_eq!(folder("d", "full"), Err(Errno::EEXIST));
    assert_eq!(folder("d", "b"), Err(Errno::EEXIST));
    assert_eq!(folder("absent", "x"), Err(Errno::ENOENT));
    assert!(!s.exists("x"), "nothing is left of the attempt");
    assert_eq!(folder("d", "e"), Ok(()));
    assert_eq!((s.read("e/file"), s.exists("d")), ("x".into(), false));
    let mode = s.at("e").metadata().expect("facts").mode();
    assert_ne!(mode & 0o077, 0, "it kept its own permissions");
}

#[test]
fn a_folder_goes_with_all_that_is_served_in_it() {
    let s = Scratch::new();
    for folder in ["d", "d/e", "d/e/f", "d/empty"] {
        s.mkdir(folder);
    }
    for number in 0..300 {
        s.write(&format!("d/e/{number}"), "12345");
    }
    s.write("d/e/f/g", "1");
    s.write("beside", "x");
    let (mut files, mut bytes, mut folders) = (0, 0, 0);
    let mut remove = |name: &str| {
        s.library.remove_all(&path(name), |gone| match gone.kind {
            Kind::Folder => folders += 1,
            _ => (files, bytes) = (files + 1, bytes + gone.size),
        })
    };
    assert_eq!(remove("d").expect("removed").kind, Kind::Folder);
    assert_eq!(remove("beside").expect("removed").size, 1);
    assert_eq!(code(remove("d")), Code::NotFound);
    assert_eq!(code(remove("")), Code::Denied);
    assert_eq!((files, bytes, folders), (302, 1502, 4));
    assert!(!s.exists("d") && s.exists(".forkftp/stage"));
    // What clients cannot see stays, and the way to it.
    for folder in ["d", "d/e", "d/e/.git", "out"] {
        s.mkdir(folder);
    }
    s.write("out/kept", "x");
    s.write("d/e/.git/config", "x");
    symlink("../out", s.at("d/link")).expect("symlink");
    let remove = |name: &str| s.library.remove_all(&path(name), |_| ());
    assert_eq!(code(remove("d")), Code::NotEmpty);
    assert!(s.exists("d/e/.git/config") && s.exists("d/link") && s.exists("out/kept"));
    let deep = vec!["n"; 130].join("/");
    s.library.make_folder(&path(&deep), true).expect("mkdir");
    assert_eq!(code(remove("n")), Code::Depth);
}
