//! Who may do what by FTP: the people, the paths and the model of `crate::rights`, to which the drive protocol is held as well. Each
//! verb is held to what the model says of the drive's request that it stands for. What FTP cannot help doing otherwise is in `Verb::stands_for`
//! and `expected`, with the reason.

use super::client::{Ftp, Reply};
use crate::rights::Answer::{Content, Done, Names, Refused};
use crate::rights::{
    Answer, Model, NEW, Node, PATHS, PEOPLE, PUT, SET, Somebody, Tree, Try, fixture, look, make,
    serve,
};
use crate::server::{PATIENCE, Server};
use std::collections::BTreeSet;
use std::time::{Instant, SystemTime};

/// One thing to try by FTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Nlst,
    NlstDeep,
    List,
    Mlsd,
    StatPath,
    Retr,
    Mlst,
    Size,
    Mdtm,
    Stor,
    Appe,
    Mkd,
    Rename(&'static str),
    Dele,
    Rmd,
    Mfmt,
    Utime,
    Chmod,
    Cwd,
}

const VERBS: [Verb; 24] = [
    Verb::Nlst,
    Verb::NlstDeep,
    Verb::List,
    Verb::Mlsd,
    Verb::StatPath,
    Verb::Retr,
    Verb::Mlst,
    Verb::Size,
    Verb::Mdtm,
    Verb::Stor,
    Verb::Appe,
    Verb::Mkd,
    Verb::Rename("renamed"),
    Verb::Rename("file"),
    Verb::Rename("../bob/taken"),
    Verb::Rename("link/taken"),
    Verb::Rename(".forkftp/taken"),
    Verb::Rename("in/box/taken"),
    Verb::Dele,
    Verb::Rmd,
    Verb::Mfmt,
    Verb::Utime,
    Verb::Chmod,
    Verb::Cwd,
];

impl Verb {
    /// The drive's request.
    fn stands_for(self, who: &Model<'_>, path: &str) -> Try {
        // FTP has no word for it: a file is replaced by whoever may.
        let overwrite = match self {
            Verb::Rename(_) => who.may("overwrite"),
            _ => who.replaces(path),
        };
        match self {
            Verb::Nlst | Verb::List | Verb::Mlsd | Verb::StatPath => Try::List { recursive: false },
            Verb::NlstDeep => Try::List { recursive: true },
            Verb::Retr => Try::Get,
            Verb::Mlst | Verb::Size | Verb::Mdtm | Verb::Cwd => Try::Stat,
            Verb::Stor | Verb::Appe => Try::Put {
                overwrite,
                parents: false,
            },
            Verb::Mkd => Try::Mkdir { parents: false },
            Verb::Rename(to) => Try::Rename {
                to: resolved(to),
                overwrite,
            },
            Verb::Dele | Verb::Rmd => Try::Remove,
            // The drive sets no permission bits: whoever may set times may set them.
            Verb::Mfmt | Verb::Utime | Verb::Chmod => Try::SetTime,
        }
    }
}

/// A path as FTP takes it: `..` is one up in the text, and at the root nowhere (CDUP has to mean something). It never leaves the root.
fn resolved(path: &str) -> &str {
    path.strip_prefix("../").unwrap_or(path)
}

/// What the model says, and what FTP cannot help.
fn expected(verb: Verb, model: &mut Model<'_>, path: &str) -> Answer {
    let what = verb.stands_for(model, path);
    let before = model.tree.clone();
    let there = model.node(&model.whole(path)).cloned();
    let is_folder = there == Some(Node::Folder);
    let refuse = |model: &mut Model<'_>, code| {
        model.tree = before.clone();
        Refused(code)
    };
    if verb == Verb::Cwd {
        // Whoever may do anything has to get to where it is done.
        let any = !model.who.rights.is_empty();
        let seen = Model {
            who: &Somebody {
                rights: &["list"],
                reads_box: true,
                ..*model.who
            },
            tree: before,
        }
        .carry_out(what, path);
        return match seen {
            Done if any && is_folder => Done,
            _ => Refused("not-found"),
        };
    }
    let answer = model.carry_out(what, path);
    match (verb, &answer) {
        // The drive lists a file as one entry; MLSD is of folders (RFC 3659, section 7.2.1).
        (Verb::Mlsd, Names(_)) if !is_folder => refuse(model, "not-folder"),
        // One is for files, the other for folders (RFC 959, section 4.1.3).
        (Verb::Dele, Done) if is_folder => refuse(model, "is-folder"),
        (Verb::Rmd, Done | Refused("not-empty")) if !is_folder => refuse(model, "not-folder"),
        // Of a folder neither means anything (RFC 3659, sections 3 and 4).
        (Verb::Size | Verb::Mdtm, Done) if is_folder => Refused("is-folder"),
        (Verb::Appe, Done) if !model.is_blind(path) => {
            // What is appended to stays.
            let at = model.whole(path);
            if let Some(Node::File(old, _)) = before.get(&at) {
                let whole = [&old[..], NEW].concat();
                model.tree.insert(at, Node::File(whole, PUT));
            }
            Done
        }
        // The operator's.
        (Verb::Chmod, Refused("is-folder")) if model.is_box(path) => Refused("denied"),
        (Verb::Chmod, Refused("is-folder")) => {
            // Times are of files; permission bits are of folders, too.
            Done
        }
        (Verb::Chmod, Done) => {
            model.tree = before;
            Done
        }
        _ => answer,
    }
}

/// Has the server do it.
fn carry_out(ftp: &mut Ftp, verb: Verb, path: &str) -> Result<Answer, Reply> {
    let shown = if path.is_empty() { "/" } else { path };
    let told = |ftp: &mut Ftp, command: String, wanted: u16| {
        let reply = ftp.ask(&command);
        if reply.code == wanted {
            Ok(reply)
        } else {
            Err(reply)
        }
    };
    let lines = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).expect("text");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    match verb {
        Verb::Nlst | Verb::NlstDeep => {
            let flag = if verb == Verb::Nlst { "" } else { "-R " };
            let lines = lines(ftp.fetch(&format!("NLST {flag}{shown}"))?);
            let prefix = format!("{}/", shown.trim_end_matches('/'));
            let below = |line: &String| match line.strip_prefix(&prefix) {
                Some(below) => below.to_owned(),
                None => {
                    assert_eq!(line, shown, "neither it nor below it");
                    line.rsplit('/').next().expect("a name").to_owned()
                }
            };
            Ok(Names(lines.iter().map(below).collect()))
        }
        Verb::List => Ok(Names(long(&lines(ftp.fetch(&format!("LIST {shown}"))?)))),
        Verb::StatPath => {
            ftp.say(&format!("STAT {shown}"));
            let reply = ftp.hear();
            let [_, lines @ .., _] = &reply.lines[..] else {
                return Err(reply);
            };
            Ok(Names(long(lines)))
        }
        Verb::Mlsd => {
            let lines = lines(ftp.fetch(&format!("MLSD {shown}"))?);
            let inside = |line: &&String| !line.contains("type=cdir;");
            let name = |line: &String| line.split_once(' ').expect("facts").1.to_owned();
            Ok(Names(lines.iter().filter(inside).map(name).collect()))
        }
        Verb::Retr => ftp.fetch(&format!("RETR {shown}")).map(Content),
        Verb::Mlst => told(ftp, format!("MLST {shown}"), 250).map(|_| Done),
        Verb::Size => told(ftp, format!("SIZE {shown}"), 213).map(|_| Done),
        Verb::Mdtm => told(ftp, format!("MDTM {shown}"), 213).map(|_| Done),
        Verb::Stor | Verb::Appe => {
            let verb = if verb == Verb::Stor { "STOR" } else { "APPE" };
            let reply = ftp.store(&format!("{verb} {shown}"), NEW);
            if reply.code == 226 {
                Ok(Done)
            } else {
                Err(reply)
            }
        }
        Verb::Mkd => told(ftp, format!("MKD {shown}"), 257).map(|_| Done),
        Verb::Rename(to) => {
            told(ftp, format!("RNFR {shown}"), 350)?;
            told(ftp, format!("RNTO {to}"), 250).map(|_| Done)
        }
        Verb::Dele => told(ftp, format!("DELE {shown}"), 250).map(|_| Done),
        Verb::Rmd => told(ftp, format!("RMD {shown}"), 250).map(|_| Done),
        Verb::Mfmt => told(ftp, format!("MFMT 20140513165320 {shown}"), 213).map(|_| Done),
        Verb::Utime => told(ftp, format!("SITE UTIME 20140513165320 {shown}"), 200).map(|_| Done),
        Verb::Chmod => told(ftp, format!("SITE CHMOD 750 {shown}"), 200).map(|_| Done),
        Verb::Cwd => {
            told(ftp, format!("CWD {shown}"), 250)?;
            told(ftp, "CWD /".into(), 250).map(|_| Done)
        }
    }
}

/// The names in the lines of `ls -l`, which here have no blanks.
fn long(lines: &[String]) -> BTreeSet<String> {
    let name = |line: &String| line.rsplit(' ').next().expect("a name").to_owned();
    lines.iter().map(name).collect()
}

/// Where the time is not what was tried, it is that of the try: FTP announces none with an upload.
fn with_times_of_uploads(mut expected: Tree, now: &Tree, began: SystemTime) -> Tree {
    let began = began
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("time")
        .as_secs();
    for (path, node) in &mut expected {
        let Node::File(_, time) = node else { continue };
        if let (PUT, Some(Node::File(_, is))) = (*time, now.get(path)) {
            assert!((began..began + 60).contains(is), "{path}: {is}");
            *time = *is;
        }
    }
    expected
}

#[test]
fn everybody_may_do_by_ftp_what_the_drive_lets_them_do_and_nothing_else() {
    let server = serve("address = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"");
    let library = server.library();
    let outside = crate::walls::outside(&server);
    crate::walls::open_to_all(&outside);
    std::fs::write(outside.join("file"), "outside").expect("write");
    let untouched = fixture();
    // 2014-05-13 16:53:20, which is SET.
    assert_eq!(SET, 1_400_000_000);
    let began = SystemTime::now();
    let (mut done, mut refused) = (0, 0);
    for who in &PEOPLE {
        make(&library, &untouched);
        let name = if who.name.is_empty() { "ftp" } else { who.name };
        let mut ftp = Ftp::enter(&server.address, name);
        for verb in VERBS {
            for path in PATHS {
                let tree = untouched.clone();
                let mut model = Model { who, tree };
                let expected = expected(verb, &mut model, resolved(path));
                let about = format!("{:?}: {verb:?} of {path:?}", who.name);
                match (&expected, carry_out(&mut ftp, verb, path)) {
                    (Refused(_), Err(reply)) => {
                        // For good; 501 where it is no folder to MLSD.
                        let wanted = match (verb, &expected) {
                            (_, Refused("denied")) => &[550][..],
                            (Verb::Mlsd, Refused("not-folder")) => &[501, 550],
                            _ => &[550, 553],
                        };
                        assert!(wanted.contains(&reply.code), "{about}: {reply:?}");
                        refused += 1;
                    }
                    (_, Ok(answer)) => {
                        assert_eq!(answer, expected, "{about}");
                        done += 1;
                    }
                    (_, Err(reply)) => panic!("{about}: {reply:?} for {expected:?}"),
                }
                let now = look(&library);
                if matches!(expected, Refused(_)) {
                    assert_eq!(now, untouched, "{about}: refused, and something changed");
                } else {
                    let expected = with_times_of_uploads(model.tree, &now, began);
                    assert_eq!(now, expected, "{about}");
                }
                if now != untouched {
                    make(&library, &untouched);
                }
            }
        }
        assert_eq!(ftp.ask("NOOP").code, 200);
    }
    assert_eq!(done + refused, PEOPLE.len() * VERBS.len() * PATHS.len());
    assert!(done > 400, "hardly anything was allowed: {done}");
    let kept = super::on_the_way(&server);
    assert!(kept.is_empty(), "nothing was cut: {kept:?}");
    let left: Vec<_> = std::fs::read_dir(&outside).expect("outside").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// What is no file and no folder is not there, keeps nobody waiting, and stays as it is.
#[test]
fn what_is_no_file_is_absent_by_ftp() {
    use nix::sys::stat::Mode;
    let rights =
        "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]";
    let config = "stall_seconds = 5\ndurability = \"none\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\n";
    let server = Server::configured(config, &[("all", "pencil", rights)], |library| {
        let mode = Mode::from_bits_truncate(0o666);
        nix::unistd::mkfifo(&library.join("fifo"), mode).expect("fifo");
        std::os::unix::net::UnixListener::bind(library.join("socket")).expect("socket");
        std::os::unix::fs::symlink("file", library.join("link")).expect("link");
        std::fs::write(library.join("file"), "content").expect("file");
    });
    let mut ftp = Ftp::enter(&server.address, "all");
    let began = Instant::now();
    for kind in ["fifo", "socket", "link"] {
        for command in ["RETR", "LIST", "NLST", "MLSD"] {
            let refused = ftp.fetch(&format!("{command} {kind}"));
            assert_eq!(refused.expect_err(kind).code, 550, "{command} {kind}");
        }
        for command in ["STOR", "APPE"] {
            let refused = ftp.store(&format!("{command} {kind}"), b"new");
            assert_eq!(refused.code, 550, "{command} {kind}");
        }
        let below = ftp.store(&format!("STOR {kind}/x"), b"new");
        assert_eq!(below.code, 550, "{kind}");
        for command in [
            "MLST",
            "SIZE",
            "MDTM",
            "DELE",
            "RMD",
            "MKD",
            "CWD",
            "RNFR",
            "STAT",
            "XCRC",
            "HASH",
            "SITE CHMOD 644",
            "MFMT 20140513165320",
        ] {
            let refused = ftp.ask(&format!("{command} {kind}"));
            assert_eq!(refused.code, 550, "{command} {kind}: {refused:?}");
        }
        ftp.expect("RNFR file", 350);
        ftp.expect(&format!("RNTO {kind}"), 553);
    }
    assert!(began.elapsed() < PATIENCE, "somebody waited");
    assert_eq!(ftp.fetch("NLST"), Ok(b"file\r\n".to_vec()));
    for kind in ["fifo", "socket", "link"] {
        let left = server
            .library()
            .join(kind)
            .symlink_metadata()
            .expect("it is there");
        assert!(!left.is_file(), "{kind}");
    }
}
