//! Who may do what by HTTP: the people, the paths and the model of `crate::rights`, to which the drive protocol is held as well. Each
//! verb is held to what the model says of the drive's request that it stands for. What HTTP says otherwise is in `expected`, with the reason.

use super::LISTEN;
use super::client::{Answer as Reply, Http, target};
use crate::rights::Answer::{Content, Done, Names, Refused};
use crate::rights::{
    Answer, Model, NEW, Node, PATHS, PEOPLE, PUT, Somebody, Tree, Try, fixture, look, make, serve,
};
use std::collections::BTreeSet;
use std::time::SystemTime;

/// One thing to try by HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Head,
    List,
    Page,
    Zip,
    Put,
    PutNew,
    PutParents,
    Post,
    Mkcol,
    Move(&'static str, bool),
    Delete,
    DeleteAll,
    Kept,
    Drop,
}

const VERBS: [Verb; 21] = [
    Verb::Get,
    Verb::Head,
    Verb::List,
    Verb::Page,
    Verb::Zip,
    Verb::Put,
    Verb::PutNew,
    Verb::PutParents,
    Verb::Post,
    Verb::Mkcol,
    Verb::Move("renamed", false),
    Verb::Move("file", false),
    Verb::Move("file", true),
    Verb::Move("../bob/taken", true),
    Verb::Move("link/taken", false),
    Verb::Move(".forkftp/taken", false),
    Verb::Move("in/box/taken", false),
    Verb::Delete,
    Verb::DeleteAll,
    Verb::Kept,
    Verb::Drop,
];

/// Where a verb leads that puts something into the folder which it names.
fn place(verb: Verb, path: &str) -> String {
    match (verb, path) {
        (Verb::Post, "") => "posted".into(),
        (Verb::Post, path) => format!("{path}/posted"),
        _ => path.into(),
    }
}

impl Verb {
    /// The drive's request.
    fn stands_for(self, who: &Model<'_>, path: &str) -> Try {
        let overwrite = who.replaces(&place(self, path));
        let put = |overwrite, parents| Try::Put { overwrite, parents };
        match self {
            Verb::Get | Verb::Head => Try::Get,
            Verb::List | Verb::Page => Try::List { recursive: false },
            Verb::Zip => Try::List { recursive: true },
            // PUT replaces (RFC 9110, section 9.3.4), where that is allowed.
            Verb::Put | Verb::Post => put(overwrite, false),
            Verb::PutNew => put(false, false),
            Verb::PutParents => put(overwrite, true),
            Verb::Mkcol => Try::Mkdir { parents: false },
            Verb::Move(to, overwrite) => Try::Rename { to, overwrite },
            Verb::Delete | Verb::DeleteAll => Try::Remove,
            Verb::Kept | Verb::Drop => Try::Stat,
        }
    }
}

/// What the model says, and what HTTP says otherwise.
fn expected(verb: Verb, model: &mut Model<'_>, path: &str) -> Answer {
    match (verb, path) {
        // The root is at its name with a slash, and has no other.
        (Verb::Get, "") => expected_below(Verb::Page, model, path),
        (Verb::Head, "") => match expected_below(Verb::Page, model, path) {
            Names(_) => Done,
            refused => refused,
        },
        _ => expected_below(verb, model, path),
    }
}

fn expected_below(verb: Verb, model: &mut Model<'_>, path: &str) -> Answer {
    let what = verb.stands_for(model, path);
    let path = place(verb, path);
    let before = model.tree.clone();
    let at = model.whole(&path);
    let there = model.node(&at).cloned();
    let is_folder = there == Some(Node::Folder);
    let is_spelled = !misspelled(&path);
    if matches!(verb, Verb::Kept | Verb::Drop) {
        // Nothing is kept of anything here. That is said to whoever may put, whatever is there.
        return match (model.may("put"), is_spelled) {
            (true, true) => Done,
            (true, false) => Refused("name"),
            (false, _) => Refused("denied"),
        };
    }
    let answer = model.carry_out(what, &path);
    match (verb, answer) {
        (Verb::Head, Content(_)) => Done,
        // What is in the files comes with the names.
        (Verb::Zip, _) if !model.may("get") => Refused("denied"),
        // With a slash at its end a file is none.
        (Verb::List | Verb::Page | Verb::Zip, Names(_)) if !is_folder => Refused("not-folder"),
        // Who may put something into it has to get to where that is done, and sees no name there.
        (Verb::Page, Refused("denied")) if model.may("put") && is_spelled => Names(BTreeSet::new()),
        // Who sees the names of folders is sent on to them.
        (Verb::Get | Verb::Head, Refused("denied"))
            if model.may("list") && is_folder && !model.is_closed(&path) =>
        {
            Refused("is-folder")
        }
        (Verb::DeleteAll, Refused("not-empty")) => {
            let below = format!("{at}/");
            let stays = |path: &String| path.starts_with(&below) && hidden(path, &at);
            if before.keys().any(stays) {
                return Refused("not-empty");
            }
            model.tree = before;
            model
                .tree
                .retain(|path, _| *path != at && !path.starts_with(&below));
            Done
        }
        (_, answer) => answer,
    }
}

/// It leads nowhere by its spelling alone.
fn misspelled(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

/// What nobody is shown below `at` nobody removes.
fn hidden(path: &str, at: &str) -> bool {
    path[at.len()..].contains("/.")
}

/// Has the server do it.
fn carry_out(http: &mut Http, verb: Verb, path: &str) -> Result<Answer, Reply> {
    let file = target(path);
    let folder = match path {
        "" => file.clone(),
        _ => format!("{file}/"),
    };
    let time = format!("X-OC-Mtime: {PUT}\r\n");
    let (answer, wanted) = match verb {
        Verb::Get => (http.get(&file), &[200][..]),
        Verb::Head => (http.ask("HEAD", &file, ""), &[200][..]),
        Verb::List => (http.json(&folder), &[200][..]),
        Verb::Page => {
            let page = http.ask("GET", &folder, "Accept: text/html\r\n");
            (page, &[200][..])
        }
        Verb::Zip => (http.get(&format!("{folder}?zip")), &[200][..]),
        Verb::Put => (http.pass("PUT", &file, &time, NEW), &[200, 201][..]),
        Verb::PutNew => {
            let lines = format!("{time}If-None-Match: *\r\n");
            (http.pass("PUT", &file, &lines, NEW), &[201][..])
        }
        Verb::PutParents => {
            let target = format!("{file}?parents");
            (http.pass("PUT", &target, &time, NEW), &[200, 201][..])
        }
        Verb::Post => {
            let lines = "Content-Type: multipart/form-data; boundary=b\r\n";
            let disposition = "Content-Disposition: form-data; name=\"f\"; filename=\"posted\"";
            let new = std::str::from_utf8(NEW).expect("text");
            let body = format!("--b\r\n{disposition}\r\n\r\n{new}\r\n--b--\r\n");
            let answer = http.pass("POST", &folder, lines, body.as_bytes());
            (answer, &[200, 201][..])
        }
        Verb::Mkcol => (http.ask("MKCOL", &folder, ""), &[201][..]),
        Verb::Move(to, overwrite) => {
            let overwrite = if overwrite { "T" } else { "F" };
            let lines = format!("Destination: {}\r\nOverwrite: {overwrite}\r\n", target(to));
            (http.ask("MOVE", &file, &lines), &[201, 204][..])
        }
        Verb::Delete => (http.ask("DELETE", &file, ""), &[204][..]),
        Verb::DeleteAll => {
            let target = format!("{file}?recursive");
            (http.ask("DELETE", &target, ""), &[204][..])
        }
        // To the root itself nothing is put.
        Verb::Kept | Verb::Drop if path.is_empty() => {
            let target = "/upload?upload";
            (http.ask("HEAD", target, ""), &[204][..])
        }
        Verb::Kept => (http.ask("HEAD", &format!("{file}?upload"), ""), &[204][..]),
        Verb::Drop => (
            http.ask("DELETE", &format!("{file}?upload"), ""),
            &[204][..],
        ),
    };
    if !wanted.contains(&answer.code) {
        return Err(answer);
    }
    Ok(match verb {
        Verb::Get if !path.is_empty() => Content(answer.body),
        Verb::List => {
            let entries = answer.json()["entries"].take();
            let entries = entries.as_array().expect("entries").clone();
            let name = |entry: &serde_json::Value| entry["name"].as_str().expect("name").to_owned();
            Names(entries.iter().map(name).collect())
        }
        Verb::Zip => Names(zipped(&answer.body)),
        Verb::Kept => {
            assert_eq!(answer.field("upload-offset"), Some("0"), "{answer:?}");
            Done
        }
        Verb::Page => Names(shown(answer.text())),
        Verb::Get => Names(shown(answer.text())),
        _ => Done,
    })
}

/// The names that a page has a link to.
fn shown(page: &str) -> BTreeSet<String> {
    let links = page.split("href=\"").skip(1);
    let links = links.filter_map(|rest| rest.split('"').next());
    let names = links.filter(|link| !link.starts_with(['/', '?', '#', '.']) && !link.contains(':'));
    let names = names.map(|name| name.split(['?', '/']).next().unwrap_or(name).to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// The names in the table at the end of a zip (APPNOTE.TXT, 4.3.12), below the folder that they are all in, if there is one.
fn zipped(zip: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = zip;
    while let Some(at) = rest.windows(4).position(|four| four == b"PK\x01\x02") {
        let entry = &rest[at..];
        let length = usize::from(u16::from_le_bytes([entry[28], entry[29]]));
        let name = String::from_utf8(entry[46..46 + length].to_vec()).expect("text");
        names.insert(name.trim_end_matches('/').to_owned());
        rest = &entry[46 + length..];
    }
    names
}

/// The statuses that say it.
fn statuses(verb: Verb, refused: &str, who: &Somebody, path: &str) -> &'static [u16] {
    let reads = matches!(
        verb,
        Verb::Get | Verb::Head | Verb::List | Verb::Page | Verb::Zip | Verb::Kept
    );
    // By its spelling alone, whatever may be done where.
    let to = match verb {
        Verb::Move(to, _) => to,
        _ => "",
    };
    let is_spelled = !misspelled(path) && !misspelled(to);
    match refused {
        "denied" | "not-found" if !is_spelled => &[400, 403, 404],
        // Who has no name yet may be asked for one.
        "denied" if who.name.is_empty() => &[401, 403],
        "denied" => &[403],
        "not-found" if reads => &[404],
        // Also of the way there.
        "not-found" => &[404, 409],
        "name" => &[400, 404],
        // A folder is at its name with a slash, for who may see names.
        "is-folder" if reads && !who.rights.contains(&"list") => &[403, 308],
        "is-folder" if reads => &[308, 409],
        "not-folder" if reads => &[404, 409],
        "exists" if verb == Verb::Mkcol => &[405],
        "exists" => &[409, 412],
        "is-folder" | "not-folder" | "not-empty" => &[405, 409, 412],
        other => panic!("{other} of {verb:?}"),
    }
}

/// Where the time is not what was tried, it is that of the try: a form says none.
fn with_times_of_uploads(mut expected: Tree, now: &Tree, began: SystemTime) -> Tree {
    let since = |time: SystemTime| {
        let past = time.duration_since(SystemTime::UNIX_EPOCH);
        past.expect("time").as_secs()
    };
    for (path, node) in &mut expected {
        let Node::File(_, time) = node else { continue };
        if let (PUT, Some(Node::File(_, is))) = (*time, now.get(path))
            && path.ends_with("posted")
        {
            assert!((since(began)..since(began) + 60).contains(is), "{path}");
            *time = *is;
        }
    }
    expected
}

#[test]
fn everybody_may_do_by_http_what_the_drive_lets_them_do_and_nothing_else() {
    let server = serve(LISTEN);
    let library = server.library();
    let outside = crate::walls::outside(&server);
    crate::walls::open_to_all(&outside);
    std::fs::write(outside.join("file"), "outside").expect("write");
    let untouched = fixture();
    let began = SystemTime::now();
    let (mut done, mut refused, mut wrong) = (0, 0, Vec::new());
    for who in &PEOPLE {
        make(&library, &untouched);
        let mut http = Http::of(&server.address, who.name);
        for verb in VERBS {
            for path in PATHS {
                let tree = untouched.clone();
                let mut model = Model { who, tree };
                let expected = expected(verb, &mut model, path);
                let about = format!("{:?}: {verb:?} of {path:?}", who.name);
                match (&expected, carry_out(&mut http, verb, path)) {
                    (Refused(code), Err(answer)) => {
                        if !statuses(verb, code, who, path).contains(&answer.code) {
                            wrong.push(format!("{about}: {} for {code}", answer.code));
                        }
                        refused += 1;
                    }
                    (_, Ok(answer)) => {
                        if answer != expected {
                            wrong.push(format!("{about}: {answer:?} for {expected:?}"));
                        }
                        done += 1;
                    }
                    (_, Err(answer)) => wrong.push(format!(
                        "{about}: {} {:?} for {expected:?}",
                        answer.code,
                        answer.body.escape_ascii().to_string()
                    )),
                }
                let now = look(&library);
                if matches!(expected, Refused(_)) {
                    assert_eq!(now, untouched, "{about}: refused, and something changed");
                } else {
                    let expected = with_times_of_uploads(model.tree, &now, began);
                    if now != expected {
                        wrong.push(format!("{about}: {now:?}"));
                    }
                }
                if now != untouched {
                    make(&library, &untouched);
                }
            }
        }
        assert_eq!(http.get("/-/health").code, 200, "one connection for all");
    }
    let count = wrong.len();
    wrong.truncate(60);
    assert!(wrong.is_empty(), "{count}: {wrong:#?}");
    assert_eq!(done + refused, PEOPLE.len() * VERBS.len() * PATHS.len());
    assert!(done > 400, "hardly anything was allowed: {done}");
    let kept = crate::parity::on_the_way(&server);
    assert!(kept.is_empty(), "nothing was cut: {kept:?}");
    let left: Vec<_> = std::fs::read_dir(&outside).expect("outside").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
