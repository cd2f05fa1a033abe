//! Who may do what: every kind of user tries every operation on every kind of path. What is expected is worked out by a small model
//! of a library, which knows the protocol and nothing of the server; after each try the disk has to be as the model says.

use super::peer::{Peer, put, request};
use super::server::{Server, User};
use super::walls::give_to_server;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Times, in seconds: of what is there, of what is put, and what `T` sets.
pub const THERE: u64 = 1_600_000_000;
pub const PUT: u64 = 1_500_000_000;
pub const SET: u64 = 1_400_000_000;
pub const NEW: &[u8] = b"new content";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    File(Vec<u8>, u64),
    Folder,
    /// A symbolic link to this.
    Link(String),
}

/// What is in a library, by path. Without the server's own folder.
pub type Tree = BTreeMap<String, Node>;

pub fn fixture() -> Tree {
    let mut tree = Tree::new();
    for folder in [
        "folder",
        "folder/deep",
        "empty",
        "ann",
        "ann/folder",
        "bob",
        "in",
        "in/box",
        "in/box/sub",
    ] {
        tree.insert(folder.into(), Node::Folder);
    }
    for file in [
        "file",
        "other",
        ".hidden",
        "folder/inside",
        "folder/deep/bottom",
        "ann/mine",
        "ann/file",
        "ann/folder/inside",
        "bob/his",
        "in/box/secret",
        "in/box/sub/deep",
    ] {
        let content = format!("this is {file}").into_bytes();
        tree.insert(file.into(), Node::File(content, THERE));
    }
    for (link, target) in [
        ("link", "folder"),
        ("out", "../outside"),
        ("ann/door", "../bob"),
    ] {
        tree.insert(link.into(), Node::Link(target.into()));
    }
    tree
}

/// Makes `tree` of what is in `library`. What is right already stays: somebody may have a folder of it open.
pub fn make(library: &Path, tree: &Tree) {
    let now = look(library);
    // What is in a folder goes before it, and comes after it.
    for (path, node) in now.iter().rev() {
        if tree.get(path) == Some(node) {
            continue;
        }
        let path = library.join(path);
        if *node == Node::Folder {
            std::fs::remove_dir(path).expect("remove");
        } else {
            std::fs::remove_file(path).expect("remove");
        }
    }
    for (path, node) in tree {
        if now.get(path) == Some(node) {
            continue;
        }
        let path = library.join(path);
        match node {
            Node::Folder => std::fs::create_dir(&path).expect("folder"),
            Node::Link(target) => {
                std::os::unix::fs::symlink(target, &path).expect("link");
                continue;
            }
            Node::File(content, time) => {
                std::fs::write(&path, content).expect("file");
                let file = std::fs::File::options().write(true).open(&path);
                let time = UNIX_EPOCH + Duration::from_secs(*time);
                file.expect("file").set_modified(time).expect("time");
            }
        }
        give_to_server(&path);
    }
}

/// What is in `library`.
pub fn look(library: &Path) -> Tree {
    let mut tree = Tree::new();
    look_into(library, "", &mut tree);
    tree
}

fn look_into(library: &Path, above: &str, tree: &mut Tree) {
    for entry in std::fs::read_dir(library.join(above)).expect("folder") {
        let entry = entry.expect("entry");
        let name = entry.file_name().into_string().expect("text");
        if (above, name.as_str()) == ("", ".forkftp") {
            continue;
        }
        let path = if above.is_empty() {
            name
        } else {
            format!("{above}/{name}")
        };
        let facts = entry.metadata().expect("facts");
        let node = if facts.is_dir() {
            look_into(library, &path, tree);
            Node::Folder
        } else if facts.is_symlink() {
            let target = std::fs::read_link(entry.path()).expect("link");
            Node::Link(target.to_str().expect("text").into())
        } else {
            let time = facts.modified().expect("time");
            let time = time.duration_since(UNIX_EPOCH).expect("time").as_secs();
            Node::File(std::fs::read(entry.path()).expect("file"), time)
        };
        tree.insert(path, node);
    }
}

/// What is tried on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    List { recursive: bool },
    Get,
    Stat,
    Put { overwrite: bool, parents: bool },
    Mkdir { parents: bool },
    Rename { to: &'static str, overwrite: bool },
    Remove,
    SetTime,
}

pub const TRIES: [Try; 17] = [
    Try::List { recursive: false },
    Try::List { recursive: true },
    Try::Get,
    Try::Stat,
    Try::Put {
        overwrite: false,
        parents: false,
    },
    Try::Put {
        overwrite: true,
        parents: false,
    },
    Try::Put {
        overwrite: false,
        parents: true,
    },
    Try::Mkdir { parents: false },
    Try::Mkdir { parents: true },
    Try::Rename {
        to: "renamed",
        overwrite: false,
    },
    Try::Rename {
        to: "file",
        overwrite: false,
    },
    Try::Rename {
        to: "file",
        overwrite: true,
    },
    Try::Rename {
        to: "../bob/taken",
        overwrite: true,
    },
    Try::Rename {
        to: "link/taken",
        overwrite: false,
    },
    Try::Rename {
        to: "in/box/taken",
        overwrite: false,
    },
    Try::Remove,
    Try::SetTime,
];

pub const PATHS: [&str; 26] = [
    "",
    "file",
    "folder",
    "empty",
    "folder/inside",
    "folder/deep",
    ".hidden",
    ".forkftp/stage",
    "missing",
    "missing/below",
    "file/below",
    "../x",
    "../bob/his",
    "link",
    "link/inside",
    "out/file",
    "ann/mine",
    "bob/his",
    "door/his",
    "in",
    "in/box",
    "in/box/secret",
    "in/box/new",
    "in/box/sub",
    "in/box/missing/new",
    // Of who is at home in it.
    "secret",
];

/// The drop box.
const BOX: &str = "in/box";

/// Somebody, as the model knows them.
pub struct Somebody {
    /// Empty for who does not log in.
    pub name: &'static str,
    pub rights: &'static [&'static str],
    pub home: &'static str,
    /// One of the readers of the drop box.
    pub reads_box: bool,
}

const EVERYTHING: [&str; 7] = [
    "list",
    "get",
    "put",
    "overwrite",
    "delete",
    "rename",
    "mkdir",
];

pub const PEOPLE: [Somebody; 16] = [
    somebody("", &["get"]),
    somebody("reader", &["list", "get"]),
    somebody("dropper", &["put"]),
    somebody("writer", &["list", "get", "put", "mkdir"]),
    somebody(
        "editor",
        &["list", "get", "put", "overwrite", "rename", "mkdir"],
    ),
    somebody("lister", &["list"]),
    somebody("replacer", &["overwrite"]),
    somebody("cleaner", &["delete"]),
    somebody("renamer", &["rename"]),
    somebody("maker", &["mkdir"]),
    somebody("all", &EVERYTHING),
    somebody("nothing", &[]),
    Somebody {
        name: "ann",
        home: "ann",
        ..somebody("", &EVERYTHING)
    },
    Somebody {
        name: "fetcher",
        reads_box: true,
        ..somebody("", &EVERYTHING)
    },
    Somebody {
        name: "scanner",
        home: BOX,
        ..somebody("", &["put"])
    },
    Somebody {
        name: "boxed",
        home: BOX,
        ..somebody("", &EVERYTHING)
    },
];

const fn somebody(name: &'static str, rights: &'static [&'static str]) -> Somebody {
    Somebody {
        name,
        rights,
        home: "",
        reads_box: false,
    }
}

/// What is expected: a code, or what a reader is shown; and what becomes of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Refused(&'static str),
    Done,
    Names(BTreeSet<String>),
    Content(Vec<u8>),
}
use Answer::{Content, Done, Names, Refused};

/// Whether a path can be one, for somebody who wants to write there or to read.
fn spelled(path: &str, writes: bool) -> Result<(), &'static str> {
    for part in path.split('/') {
        match part {
            "." | ".." => return Err("name"),
            part if part.starts_with('.') && writes => return Err("name"),
            part if part.starts_with('.') => return Err("not-found"),
            _ => {}
        }
    }
    Ok(())
}

/// The model: a library as one person sees it.
pub struct Model<'a> {
    pub who: &'a Somebody,
    pub tree: Tree,
}

impl Model<'_> {
    pub fn may(&self, right: &str) -> bool {
        self.who.rights.contains(&right)
    }

    /// The path from the root of the library.
    pub fn whole(&self, path: &str) -> String {
        match (self.who.home, path) {
            ("", path) => path.into(),
            (home, "") => home.into(),
            (home, path) => format!("{home}/{path}"),
        }
    }

    /// True in the drop box, for whoever may only put files there.
    pub fn is_blind(&self, path: &str) -> bool {
        let inside = self
            .whole(path)
            .strip_prefix(BOX)
            .is_some_and(|rest| rest.starts_with('/'));
        inside && !self.who.reads_box
    }

    /// The same, also of the box itself.
    pub fn is_closed(&self, path: &str) -> bool {
        self.is_blind(path) || self.is_box(path) && !self.who.reads_box
    }

    pub fn is_box(&self, path: &str) -> bool {
        self.whole(path) == BOX
    }

    /// Whether what is put at `path` may take the place of a file.
    pub fn replaces(&self, path: &str) -> bool {
        self.may("overwrite") && !self.is_blind(path)
    }

    /// What the drop box keeps from everybody, and from those who are not its readers.
    fn is_kept_by_box(&self, what: Try, path: &str) -> bool {
        let whole = self.whole(path);
        let holds_box = whole.is_empty() || BOX == whole || BOX.starts_with(&format!("{whole}/"));
        match what {
            Try::Remove | Try::Rename { .. } if holds_box => true,
            Try::List { .. } if self.is_closed(path) => true,
            Try::Put { overwrite, .. } => overwrite && self.is_blind(path),
            _ => self.is_blind(path),
        }
    }

    pub fn node(&self, path: &str) -> Option<&Node> {
        if path.is_empty() {
            return Some(&Node::Folder);
        }
        self.tree.get(path)
    }

    /// The whole path, once what is above it is a folder. With `parents`, what is missing there is made.
    fn place(&mut self, path: &str, parents: bool) -> Result<String, &'static str> {
        let whole = self.whole(path);
        let mut missing = Vec::new();
        for (at, _) in whole.match_indices('/') {
            match self.node(&whole[..at]) {
                Some(Node::Folder) => {}
                Some(Node::File(..)) => return Err("not-folder"),
                None if parents => missing.push(whole[..at].to_owned()),
                Some(Node::Link(_)) | None => return Err("not-found"),
            }
        }
        for folder in missing {
            self.tree.insert(folder, Node::Folder);
        }
        Ok(whole)
    }

    fn below(&self, folder: &str) -> Vec<String> {
        let prefix = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let below = self
            .tree
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix));
        below.map(str::to_owned).collect()
    }

    pub fn carry_out(&mut self, what: Try, path: &str) -> Answer {
        self.try_out(what, path).unwrap_or_else(Refused)
    }

    fn try_out(&mut self, what: Try, path: &str) -> Result<Answer, &'static str> {
        let allowed = match what {
            Try::List { .. } => self.may("list"),
            Try::Get => self.may("get"),
            Try::Stat => self.may("list") || self.may("get"),
            Try::Put { overwrite, .. } => self.may("put") && (!overwrite || self.may("overwrite")),
            Try::Mkdir { .. } => self.may("mkdir"),
            Try::Rename { overwrite, .. } => {
                self.may("rename") && (!overwrite || self.may("overwrite"))
            }
            Try::Remove => self.may("delete"),
            Try::SetTime => self.may("overwrite"),
        };
        if !allowed {
            return Err("denied");
        }
        let writes = matches!(what, Try::Put { .. } | Try::Mkdir { .. });
        let parents = match what {
            Try::Put { parents, .. } => parents && self.may("mkdir") && !self.is_blind(path),
            Try::Mkdir { parents } => parents,
            _ => false,
        };
        // What they are called comes before what is there.
        spelled(path, writes)?;
        if self.is_kept_by_box(what, path) {
            return Err("denied");
        }
        if let Try::Rename { to, .. } = what {
            spelled(to, true)?;
            if self.is_kept_by_box(what, to) {
                return Err("denied");
            }
        }
        let at = self.place(path, parents).map_err(|code| match what {
            // Whoever asks for folders that they may not make is told so.
            Try::Put { parents: true, .. } if !parents && code == "not-found" => "denied",
            _ => code,
        })?;
        let there = self.node(&at).cloned();
        match what {
            Try::List { recursive } => match there {
                None | Some(Node::Link(_)) => Err("not-found"),
                Some(Node::File(..)) => {
                    let name = at.rsplit('/').next().expect("a name");
                    Ok(Names([name.to_owned()].into()))
                }
                Some(Node::Folder) => {
                    let shown = |path: &String| {
                        let whole = if at.is_empty() {
                            path.clone()
                        } else {
                            format!("{at}/{path}")
                        };
                        !path.split('/').any(|part| part.starts_with('.'))
                            && !matches!(self.tree[&whole], Node::Link(_))
                            && (recursive || !path.contains('/'))
                            && (self.who.reads_box || !whole.starts_with(&format!("{BOX}/")))
                    };
                    Ok(Names(self.below(&at).into_iter().filter(shown).collect()))
                }
            },
            Try::Get => match there {
                None | Some(Node::Link(_)) => Err("not-found"),
                Some(Node::Folder) => Err("is-folder"),
                Some(Node::File(content, _)) => Ok(Content(content)),
            },
            Try::Stat => match there {
                None | Some(Node::Link(_)) => Err("not-found"),
                Some(_) => Ok(Done),
            },
            Try::Put { .. } if self.is_blind(path) => {
                let taken = there.is_some();
                let at = if taken { format!("{at}-1") } else { at };
                self.tree.insert(at, Node::File(NEW.to_vec(), PUT));
                Ok(Done)
            }
            Try::Put { overwrite, .. } => match there {
                Some(Node::Folder) => Err("is-folder"),
                Some(Node::Link(_)) => Err("exists"),
                Some(Node::File(..)) if !overwrite => Err("exists"),
                _ => {
                    self.tree.insert(at, Node::File(NEW.to_vec(), PUT));
                    Ok(Done)
                }
            },
            Try::Mkdir { parents } => match there {
                Some(Node::Folder) if parents => Ok(Done),
                Some(_) => Err("exists"),
                None => {
                    self.tree.insert(at, Node::Folder);
                    Ok(Done)
                }
            },
            Try::Rename { to, overwrite } => {
                if path.is_empty() {
                    return Err("denied");
                }
                let moved = match there {
                    None | Some(Node::Link(_)) => return Err("not-found"),
                    Some(moved) => moved,
                };
                let to = self.place(to, false)?;
                match self.node(&to) {
                    None => {}
                    // The one that is there is a file: it gives way to another file alone.
                    Some(_) if overwrite && moved != Node::Folder && to != at => {}
                    Some(_) => return Err("exists"),
                }
                for below in self.below(&at) {
                    let node = self.tree.remove(&format!("{at}/{below}"));
                    self.tree
                        .insert(format!("{to}/{below}"), node.expect("a node"));
                }
                self.tree.remove(&at);
                self.tree.insert(to, moved);
                Ok(Done)
            }
            Try::Remove => {
                if path.is_empty() {
                    return Err("denied");
                }
                match there {
                    None | Some(Node::Link(_)) => return Err("not-found"),
                    Some(Node::Folder) if !self.below(&at).is_empty() => return Err("not-empty"),
                    Some(_) => self.tree.remove(&at),
                };
                Ok(Done)
            }
            Try::SetTime => match there {
                None | Some(Node::Link(_)) => Err("not-found"),
                Some(Node::Folder) => Err("is-folder"),
                Some(Node::File(content, _)) => {
                    self.tree.insert(at, Node::File(content, SET));
                    Ok(Done)
                }
            },
        }
    }
}

/// Has the server do it: what it answers, with codes as they come.
fn carry_out(peer: &mut Peer, what: Try, path: &str) -> Result<Answer, String> {
    let bytes = match what {
        Try::List { recursive } => request('L', &json!({"path": path, "recursive": recursive})),
        Try::Get => request('G', &json!({"path": path})),
        Try::Stat => request('S', &json!({"path": path})),
        Try::Put { overwrite, parents } => put(
            json!({"path": path, "size": NEW.len(), "mtime": PUT, "overwrite": overwrite, "parents": parents}),
            NEW,
        ),
        Try::Mkdir { parents } => request('M', &json!({"path": path, "parents": parents})),
        Try::Rename { to, overwrite } => request(
            'R',
            &json!({"path": path, "to": to, "overwrite": overwrite}),
        ),
        Try::Remove => request('F', &json!({"path": path})),
        Try::SetTime => request('T', &json!({"path": path, "mtime": SET})),
    };
    peer.send(&bytes);
    let (mut names, mut content) = (BTreeSet::new(), Vec::new());
    loop {
        let frame = peer.next().expect("an answer");
        match (what, frame.letter) {
            (_, 'E') => return Err(frame.code()),
            (Try::List { .. }, 'D') => {
                for line in frame
                    .payload
                    .split(|&b| b == b'\n')
                    .filter(|l| !l.is_empty())
                {
                    let entry: serde_json::Value = serde_json::from_slice(line).expect("entry");
                    names.insert(entry["name"].as_str().expect("name").to_owned());
                }
            }
            (Try::List { .. }, 'Z') => return Ok(Names(names)),
            (Try::Get, 'K') => {}
            (Try::Get, 'D') => content.extend(frame.payload),
            (Try::Get, 'Z') => return Ok(Content(content)),
            (_, 'K') => return Ok(Done),
            (_, other) => panic!("{other} in answer to {what:?}"),
        }
    }
}

/// A server that all of them may log in to, with a listening socket of these keys.
pub fn serve(listen: &str) -> Server {
    let lists = |rights: &[&str]| format!("rights = {rights:?}");
    let keys: Vec<_> = PEOPLE
        .iter()
        .map(|who| {
            let home = match who.home {
                "" => String::new(),
                home => format!("\nhome = {home:?}"),
            };
            lists(who.rights) + &home
        })
        .collect();
    let users: Vec<User<'_>> = PEOPLE
        .iter()
        .zip(&keys)
        .filter(|(who, _)| !who.name.is_empty())
        .map(|(who, keys)| (who.name, "pencil", keys.as_str()))
        .collect();
    let config = format!(
        "durability = \"none\"\n[[drop_box]]\npath = {BOX:?}\nreaders = [\"fetcher\"]\n[[listen]]\nlogin = \"optional\"\n{listen}\n[anonymous]\n{}\n",
        lists(PEOPLE[0].rights)
    );
    Server::configured(&config, &users, |_| ())
}

#[test]
fn everybody_may_do_what_their_rights_say_and_nothing_else() {
    let server = serve("address = \"127.0.0.1:0\"\nproof = \"none\"");
    let library = server.library();
    let outside = super::walls::outside(&server);
    super::walls::open_to_all(&outside);
    std::fs::write(outside.join("file"), "outside").expect("write");
    let untouched = fixture();
    let (mut done, mut refused) = (0, 0);
    for who in &PEOPLE {
        make(&library, &untouched);
        let mut peer = Peer::connect(&server);
        if !who.name.is_empty() {
            let welcome = peer.log_in(who.name, "pencil");
            assert_eq!(welcome.letter, 'K', "{}", who.name);
            assert_eq!(welcome.json()["rights"], json!(who.rights), "{}", who.name);
        }
        for what in TRIES {
            for path in PATHS {
                let tree = untouched.clone();
                let mut model = Model { who, tree };
                let expected = model.carry_out(what, path);
                let answer = carry_out(&mut peer, what, path);
                let about = format!("{:?}: {what:?} of {path:?}", who.name);
                match (&expected, answer) {
                    (Refused(code), Err(given)) => {
                        assert_eq!(given, *code, "{about}");
                        refused += 1;
                    }
                    (_, Ok(answer)) => {
                        assert_eq!(answer, expected, "{about}");
                        done += 1;
                    }
                    (_, Err(given)) => panic!("{about}: {given} for {expected:?}"),
                }
                let now = look(&library);
                if matches!(expected, Refused(_)) {
                    assert_eq!(now, untouched, "{about}: refused, and something changed");
                } else {
                    assert_eq!(now, model.tree, "{about}");
                }
                if now != untouched {
                    make(&library, &untouched);
                }
            }
        }
        assert_eq!(peer.ask('Q', &json!({})).letter, 'K');
    }
    assert_eq!(done + refused, PEOPLE.len() * TRIES.len() * PATHS.len());
    assert!(done > 200, "hardly anything was allowed: {done}");
    assert!(server.staged("stage").is_empty());
    let left: Vec<_> = std::fs::read_dir(&outside).expect("outside").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
