//! What is lent to a child of somebody who may read and no more, or who has a home: how far it reaches, tried with the child's own
//! hands. The kernel has to hold what the child, taken over, would not.

use super::peer::{Peer, first_message};
use super::probe::{Arg, HERE, Held, Outcome, fields, hold, text};
use super::server::Server;
use super::walls::{is_root, skip};
use Arg::{At, N, Root};
use forkftp::ipc::DESCRIPTORS;
use nix::errno::Errno;
use std::path::Path;

const EVERYTHING: &str =
    "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]\n";

fn server(above: &str) -> Server {
    let config = format!(
        "{above}\nhandshake_seconds = 600\n[[listen]]\naddress = \"127.0.0.1:0\"\nproof = \"none\"\n"
    );
    let ann = format!("{EVERYTHING}home = \"ann\"");
    let users = [
        ("reader", "pencil", "rights = [\"list\", \"get\"]"),
        ("ann", "pencil", &*ann),
        (
            "bob",
            "pencil",
            "rights = [\"list\", \"get\"]\nhome = \"bob\"",
        ),
    ];
    Server::configured(&config, &users, |library| {
        for folder in ["ann", "ann/empty", "bob", "bob/empty", "empty"] {
            std::fs::create_dir(library.join(folder)).expect("folder");
        }
        for file in ["inside", "ann/inside", "bob/inside"] {
            std::fs::write(library.join(file), "inside").expect("file");
        }
        for (link, target) in [
            ("ann/door", "../bob"),
            ("bob/door", "../ann"),
            ("door", "ann"),
        ] {
            std::os::unix::fs::symlink(target, library.join(link)).expect("link");
        }
    })
}

/// The child of `user`, who has logged in, held; and what keeps its session open.
fn child(server: &Server, user: &str, home: &str) -> Result<(Peer, Held), String> {
    let mut peer = Peer::connect(server);
    assert_eq!(peer.log_in(user, "pencil").letter, 'K');
    let held = hold(server, &peer, &server.library().join(home))?;
    assert!(held.root.is_some(), "nothing was lent to {user}");
    Ok((peer, held))
}

/// Names and contents of all that is in the library.
fn all(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        let name = path.to_str().expect("text").to_owned();
        if path.symlink_metadata().expect("facts").is_dir() {
            found.push((name, Vec::new()));
            found.extend(all(&path));
        } else {
            found.push((name, std::fs::read(&path).unwrap_or_default()));
        }
    }
    found.sort();
    found
}

/// A system call.
type Call = (i64, Vec<Arg>);

const READ: i32 = libc::O_RDONLY;
const NEW: i32 = libc::O_WRONLY | libc::O_CREAT;

fn opening(path: &str, flags: i32) -> Call {
    (
        libc::SYS_openat,
        vec![Root, text(path), N(flags.into()), N(0o666)],
    )
}

fn opening_by_how(path: &str, flags: i32) -> Call {
    let mode = if flags & libc::O_CREAT == 0 { 0 } else { 0o666 };
    let how = fields(&[flags as u64, mode, 0]);
    (libc::SYS_openat2, vec![Root, text(path), how, N(24)])
}

fn two(call: libc::c_long, from: &str, to: &str, flags: i64) -> Call {
    (call, vec![Root, text(from), Root, text(to), N(flags)])
}

fn one(call: libc::c_long, path: &str, last: i64) -> Call {
    (call, vec![Root, text(path), N(last)])
}

/// Everything that would change something below `at`, a folder with a file `inside` and a folder `empty`.
fn changes(at: &str) -> Vec<Call> {
    use libc::*;
    let path = |name: &str| format!("{at}{name}");
    let (inside, empty, new) = (path("inside"), path("empty"), path("new"));
    let here = if at.is_empty() { "." } else { at };
    vec![
        opening(&new, NEW),
        opening(&new, NEW | O_EXCL),
        opening_by_how(&new, NEW),
        opening(&inside, O_WRONLY),
        opening(&inside, O_RDWR),
        opening(&inside, O_WRONLY | O_APPEND),
        opening(&inside, O_WRONLY | O_TRUNC),
        opening(&inside, READ | O_TRUNC),
        opening_by_how(&inside, O_RDWR),
        opening(here, O_WRONLY | O_TMPFILE),
        one(SYS_unlinkat, &inside, 0),
        one(SYS_unlinkat, &empty, AT_REMOVEDIR.into()),
        one(SYS_mkdirat, &new, 0o777),
        two(SYS_renameat, &inside, &new, 0),
        two(SYS_renameat, &empty, &new, 0),
        two(SYS_renameat2, &inside, &new, RENAME_NOREPLACE.into()),
        two(SYS_renameat2, &inside, &empty, RENAME_EXCHANGE.into()),
        two(SYS_linkat, &inside, &new, 0),
    ]
}

fn is_refused(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Refused(
            Errno::EACCES | Errno::EXDEV | Errno::EPERM | Errno::ENOENT | Errno::ELOOP
        )
    )
}

/// Has a child try these, one after the other; none may give anything.
fn refuses(held: &mut Held, who: &str, tries: &[Call]) {
    let wrong: Vec<_> = tries
        .iter()
        .filter_map(|(number, arguments)| {
            let outcome = held.call(*number, arguments);
            (!is_refused(outcome)).then(|| format!("{number} {arguments:?}: {outcome:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{who}: {wrong:#?}");
}

fn gives(held: &mut Held, call: &Call) -> i64 {
    match held.call(call.0, &call.1) {
        Outcome::Gave(number) => number,
        other => panic!("{call:?}: {other:?}"),
    }
}

/// Times and attributes of files that it can read are not Landlock's to keep (landlock(7)), and not looked at here.
#[test]
fn a_child_of_one_who_reads_can_change_no_name_and_no_byte() {
    for above in ["", "prefork = 2"] {
        let server = server(above);
        for (user, home) in [("reader", ""), ("bob", "bob")] {
            let before = all(&server.library());
            let (_peer, mut held) = match child(&server, user, home) {
                Ok(held) => held,
                Err(reason) => return skip(&reason),
            };
            let mut tries = changes("");
            if home.is_empty() {
                tries.extend(changes("ann/"));
                tries.extend([
                    opening(".forkftp/stage/new", NEW),
                    opening(".forkftp/partial/new", NEW),
                ]);
                tries.extend([
                    opening(".forkftp/quota/new", NEW),
                    one(libc::SYS_mkdirat, ".forkftp/new", 0o777),
                ]);
            } else {
                tries.extend(changes("../ann/"));
            }
            refuses(&mut held, user, &tries);
            // What it is there for, it can; and what it reads it cannot write to.
            let fd = gives(&mut held, &opening("inside", READ));
            let pread = (libc::SYS_pread64, vec![N(fd), At(vec![0; 16]), N(16), N(0)]);
            assert_eq!(gives(&mut held, &pread), 6);
            let pwrite = held.call(libc::SYS_pwrite64, &[N(fd), text("x"), N(1), N(0)]);
            assert_eq!(pwrite, Outcome::Refused(Errno::EBADF));
            let cut = held.call(libc::SYS_ftruncate, &[N(fd), N(0)]);
            assert_eq!(cut, Outcome::Refused(Errno::EINVAL));
            gives(&mut held, &opening(".", READ | libc::O_DIRECTORY));
            assert_eq!(all(&server.library()), before, "{user}");
        }
    }
}

#[test]
fn a_child_of_a_home_reaches_no_other() {
    let server = server("");
    for (user, home, other) in [("ann", "ann", "bob"), ("bob", "bob", "ann")] {
        let (_peer, mut held) = match child(&server, user, home) {
            Ok(held) => held,
            Err(reason) => return skip(&reason),
        };
        let before = all(&server.library());
        let up = |path: &str| format!("../{path}");
        let library = server.library();
        let whole = library.join(other).join("inside");
        let whole = whole.to_str().expect("text");
        let mut tries = changes(&up(&format!("{other}/")));
        // What is in the library itself, and what is the server's own.
        tries.extend(changes("../"));
        for path in [
            up(&format!("{other}/inside")),
            up("inside"),
            format!("door/../{other}/inside"),
            "door/inside".to_owned(),
            format!("empty/../../{other}/inside"),
            whole.to_owned(),
        ] {
            tries.extend([
                opening(&path, READ),
                opening_by_how(&path, READ),
                opening(&path, libc::O_RDWR),
            ]);
            // Nor does it get there by another name, or come away from there.
            tries.push(two(libc::SYS_linkat, &path, "stolen", 0));
            tries.push(two(libc::SYS_renameat, &path, "stolen", 0));
            tries.push(two(libc::SYS_renameat, "inside", &path, 0));
            tries.push((
                libc::SYS_openat,
                vec![HERE, text(&path), N(READ.into()), N(0)],
            ));
        }
        for folder in [
            up(""),
            up(other),
            up(".forkftp"),
            up(".forkftp/quota"),
            up(".forkftp/partial"),
            "door".into(),
        ] {
            tries.push(opening(&folder, READ | libc::O_DIRECTORY));
            tries.push(opening(&format!("{folder}/new"), NEW));
        }
        tries.push(two(libc::SYS_linkat, "inside", &up("stolen"), 0));
        tries.push(two(
            libc::SYS_linkat,
            "inside",
            &up(&format!("{other}/stolen")),
            0,
        ));
        tries.push(two(libc::SYS_renameat, "inside", &up("stolen"), 0));
        tries.push(two(
            libc::SYS_renameat2,
            "inside",
            &up(&format!("{other}/inside")),
            libc::RENAME_EXCHANGE.into(),
        ));
        refuses(&mut held, user, &tries);
        // A folder may be named from where it is not read, and leads nowhere from there either.
        if let Outcome::Gave(fd) = {
            let (number, arguments) = opening("..", libc::O_PATH);
            held.call(number, &arguments)
        } {
            for path in [
                format!("{other}/inside"),
                "inside".into(),
                other.into(),
                ".".into(),
            ] {
                let read = held.call(
                    libc::SYS_openat,
                    &[N(fd), text(&path), N(READ.into()), N(0)],
                );
                assert!(is_refused(read), "{user}: {path} from above: {read:?}");
            }
        }
        assert_eq!(all(&library), before, "{user}");
        // At home it is at home, to read or to change.
        gives(&mut held, &opening("inside", READ));
        if user == "ann" {
            gives(&mut held, &opening("new", NEW));
            gives(&mut held, &two(libc::SYS_renameat, "new", "empty/moved", 0));
            gives(&mut held, &one(libc::SYS_unlinkat, "empty/moved", 0));
            assert_eq!(all(&library), before);
        }
    }
}

/// It is the walls that refuse: the same calls get through where there are none.
#[test]
fn without_the_walls_they_reach_further() {
    let server = server("sandbox = \"off\"");
    let (_peer, mut held) = match child(&server, "reader", "") {
        Ok(held) => held,
        Err(reason) => return skip(&reason),
    };
    gives(&mut held, &opening("new", NEW));
    gives(&mut held, &one(libc::SYS_unlinkat, "new", 0));
    gives(&mut held, &opening("ann/inside", libc::O_RDWR));
    let (_peer, mut held) = child(&server, "ann", "ann").expect("it worked a moment ago");
    gives(&mut held, &opening("../bob/inside", READ));
    gives(
        &mut held,
        &two(libc::SYS_linkat, "../bob/inside", "stolen", 0),
    );
}

/// True when descriptor `fd` of a child is of a folder with nothing in it.
fn is_empty(held: &Held, fd: i64) -> bool {
    let entries = std::fs::read_dir(format!("/proc/{}/fd/{fd}", held.pid));
    entries.is_ok_and(|mut entries| entries.next().is_none())
}

/// The soft and the hard limit of descriptors.
fn limits(held: &Held) -> (u64, u64) {
    let all = std::fs::read_to_string(format!("/proc/{}/limits", held.pid)).expect("limits");
    let line = all
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let mut numbers = line.expect("a limit").split_whitespace();
    let mut number = || {
        numbers
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number")
    };
    (number(), number())
}

#[test]
fn before_the_login_nothing_can_be_opened() {
    for above in ["", "prefork = 2"] {
        let server = server(above);
        let before: [&dyn Fn(&mut Peer); 4] = [
            &|_| (),
            &|peer| assert_eq!(peer.ask('U', &first_message("ann")).letter, 'K'),
            &|peer| assert_eq!(peer.fail_to_log_in("ann").code(), "login"),
            &|peer| {
                assert_eq!(
                    peer.ask('L', &serde_json::json!({"path": ""})).code(),
                    "login"
                )
            },
        ];
        for (number, begin) in before.iter().enumerate() {
            let mut peer = Peer::connect_from([127, 0, 6, number as u8 + 1], &server.address);
            begin(&mut peer);
            let library = server.library();
            let mut held = match hold(&server, &peer, &library) {
                Ok(held) => held,
                Err(reason) => return skip(&reason),
            };
            assert_eq!(held.root, None, "it has the library already");
            let shut = if is_root() { DESCRIPTORS } else { 3 };
            assert_eq!(limits(&held), (shut, DESCRIPTORS));
            let library = library.to_str().expect("text");
            for path in [
                library,
                "/etc/passwd",
                "/",
                ".",
                "..",
                "/proc/self/mem",
                "/dev/null",
            ] {
                for flags in [READ, libc::O_PATH, READ | libc::O_DIRECTORY, libc::O_RDWR] {
                    let flags = N(flags.into());
                    let opened = held.call(libc::SYS_openat, &[HERE, text(path), flags, N(0)]);
                    let errno = match opened {
                        Outcome::Refused(errno) => errno,
                        // A name for the empty folder, which is no use there.
                        Outcome::Gave(fd) if is_root() && is_empty(&held, fd) => continue,
                        other => panic!("{path}: {other:?}"),
                    };
                    if is_root() {
                        // Its root is an empty folder, which it may not even search.
                        let none = [Errno::EACCES, Errno::ENOENT, Errno::EISDIR].contains(&errno);
                        assert!(none, "{path}: {errno:?}");
                    } else {
                        assert_eq!(errno, Errno::EMFILE, "{path}");
                    }
                }
            }
        }
        // Those who are in can open as many as are needed, and no more.
        let (_peer, mut held) = child(&server, "reader", "").expect("it worked a moment ago");
        assert_eq!(limits(&held), (DESCRIPTORS, DESCRIPTORS));
        let mut opened = 0;
        while let Outcome::Gave(_) = {
            let (number, arguments) = opening("inside", READ);
            held.call(number, &arguments)
        } {
            opened += 1;
            assert!(opened < DESCRIPTORS, "there is no limit");
        }
        assert!(opened > 600, "{opened}");
    }
}
