//! Who logs in to a vsftpd, where their files are, and what they may do. Run by `forkftpd import vsftpd`.

use super::super::draft::{self, Key, Person, below, can_serve, folder, home_of, rates, umask};
use super::super::passwords::{self, Entry};
use super::super::report::{Fate, Report};
use super::conf::Conf;
use super::{by_commands, note, under_tls};
use crate::rights::{Right, Rights};
use crate::scram::user_name;
use crate::sys::privs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the files are.
pub(super) struct Roots {
    /// Our library: what is above all of them.
    pub(super) library: PathBuf,
    anonymous: Option<PathBuf>,
    /// Of those who log in, with the token in it.
    local: String,
}

impl Roots {
    pub(super) fn of(conf: &Conf, entries: &[Entry]) -> Roots {
        let anonymous = conf
            .yes("anonymous_enable")
            .then(|| match conf.text("anon_root") {
                "" => home_of(conf.text("ftp_username")).unwrap_or_else(|| "/srv/ftp".into()),
                root => folder(root),
            });
        let local = match (conf.text("local_root"), conf.yes("guest_enable")) {
            ("", true) => home_of(conf.text("guest_username")).map_or_else(
                || "/srv/ftp".into(),
                |home| home.to_string_lossy().into_owned(),
            ),
            ("", false) => {
                let home = |entry: &Entry| {
                    home_of(&entry.name).unwrap_or_else(|| Path::new("/home").join(&entry.name))
                };
                // Who is elsewhere than all others is said to be, one by one.
                draft::above_homes(entries.iter().map(home))
                    .filter(|above| above != Path::new("/"))
                    .unwrap_or_else(|| "/home".into())
                    .join("$NAME")
                    .to_string_lossy()
                    .into_owned()
            }
            (root, _) => root.to_owned(),
        };
        // As far as it is the same for all.
        let fixed: PathBuf = folder(&local)
            .components()
            .take_while(|part| {
                let part = part.as_os_str().to_string_lossy();
                !token(conf).iter().any(|token| part.contains(token))
            })
            .collect();
        let library = match (&anonymous, conf.yes("local_enable")) {
            (Some(root), true) => draft::above(root, &fixed),
            (Some(root), false) => root.clone(),
            (None, _) => fixed,
        };
        Roots {
            library,
            anonymous,
            local,
        }
    }

    /// The home of `name`, by `conf` that holds for them.
    fn home(&self, conf: &Conf, name: &str, root: &str) -> Option<String> {
        let mut path = root.to_owned();
        for token in token(conf) {
            path = path.replace(token, name);
        }
        below(&self.library, &folder(&path))
    }
}

/// What stands for the name in a path.
fn token(conf: &Conf) -> Vec<&str> {
    let own = conf.text("user_sub_token");
    [own, "$NAME"]
        .into_iter()
        .filter(|token| !token.is_empty())
        .collect()
}

/// What those may do who have no name.
pub(super) fn anonymous(
    conf: &Conf,
    roots: &Roots,
    needs_tls: bool,
    report: &mut Report,
) -> (Rights, Vec<Key>) {
    let rights = restricted(conf);
    let mut keys = Vec::new();
    let home = roots
        .anonymous
        .as_deref()
        .map(|root| below(&roots.library, root));
    match home {
        Some(Some(home)) if !home.is_empty() => keys.push(("home", home.into())),
        Some(None) => note(
            conf,
            Fate::Unsafe,
            "anon_root",
            "hidden, or not below the library: set library and [anonymous] home by hand",
            report,
        ),
        _ => {}
    }
    keys.push(("umask", umask(conf.umask("anon_umask", report))));
    keys.extend(rates(conf.number("anon_max_rate")));
    keys.extend(under_tls(needs_tls));
    if conf.yes("chown_uploads") {
        let owner = conf.text("chown_username");
        if can_serve(owner) && privs::is_root() {
            keys.push(("owner", owner.into()));
        } else {
            note(
                conf,
                Fate::Missing,
                "chown_uploads",
                "files are given to nobody: owner in [anonymous], of a server that is started as root, and never root's",
                report,
            );
        }
    }
    (rights, keys)
}

/// The rights of those whom vsftpd trusts least: who has no name, and guests.
fn restricted(conf: &Conf) -> Rights {
    let write = conf.yes("write_enable");
    let may = |right: &Right| match right {
        Right::List => conf.yes("dirlist_enable"),
        Right::Get => conf.yes("download_enable"),
        Right::Put => write && conf.yes("anon_upload_enable"),
        Right::Mkdir => write && conf.yes("anon_mkdir_write_enable"),
        Right::Overwrite | Right::Delete | Right::Rename => {
            write && conf.yes("anon_other_write_enable")
        }
    };
    by_commands(Right::ALL.into_iter().filter(may).collect(), conf)
}

/// The rights of those who log in.
fn rights(conf: &Conf) -> Rights {
    if conf.yes("guest_enable") && !conf.yes("virtual_use_local_privs") {
        return restricted(conf);
    }
    let may = |right: &Right| match right {
        Right::List => conf.yes("dirlist_enable"),
        Right::Get => conf.yes("download_enable"),
        _ => conf.yes("write_enable"),
    };
    by_commands(Right::ALL.into_iter().filter(may).collect(), conf)
}

/// The names of those who log in, with what is known of their passwords.
///
/// # Errors
/// A file that was named on the command line cannot be read.
pub(super) fn entries(
    conf: &Conf,
    named: Option<&Path>,
    report: &mut Report,
) -> Result<Vec<Entry>, String> {
    let mut entries = match named {
        Some(file) => passwords::read(file, report)?,
        None => match pwdfile(conf, report) {
            Some(file) => passwords::read(&file, report).unwrap_or_else(|why| {
                note(conf, Fate::Missing, "pam_service_name", &why, report);
                Vec::new()
            }),
            None => Vec::new(),
        },
    };
    entries = passwords::without_barred(entries, report);
    let mut names: BTreeSet<String> = names_in(own_files(conf), conf, report);
    if conf.yes("userlist_enable") {
        let listed = userlist(conf, report);
        if conf.yes("userlist_deny") {
            entries.retain(|entry| !listed.contains(&entry.name));
            names.retain(|name| !listed.contains(name));
        } else {
            entries.retain(|entry| listed.contains(&entry.name));
            names = listed;
        }
    }
    for name in names {
        if !entries.iter().any(|entry| entry.name == name) {
            let (place, hash, fields) = (String::new(), None, Vec::new());
            entries.push(Entry {
                place,
                name,
                hash,
                fields,
            });
        }
    }
    if entries.is_empty() {
        note(
            conf,
            Fate::Missing,
            "local_enable",
            "which users of this machine log in is not known here: forkftpd user add NAME --home NAME, for each; or import with --passwords /etc/shadow",
            report,
        );
    }
    Ok(entries)
}

/// The folder in which users have files of their own.
fn own_files(conf: &Conf) -> Option<&Path> {
    let folder = conf.text("user_config_dir");
    (!folder.is_empty()).then(|| Path::new(folder))
}

/// Those who log in.
///
/// # Errors
/// A user's own file is none that vsftpd would take.
pub(super) fn local(
    conf: &Conf,
    roots: &Roots,
    needs_tls: bool,
    entries: Vec<Entry>,
    report: &mut Report,
) -> Result<Vec<Person>, String> {
    let people = entries.into_iter();
    people
        .map(|entry| person(conf, roots, needs_tls, entry, report))
        .collect()
}

fn person(
    all: &Conf,
    roots: &Roots,
    needs_tls: bool,
    entry: Entry,
    report: &mut Report,
) -> Result<Person, String> {
    let own = own_files(all)
        .map(|folder| folder.join(&entry.name))
        .filter(|file| file.is_file());
    let laid = own.as_deref().map(|file| all.with(file)).transpose()?;
    let conf = laid.as_ref().unwrap_or(all);
    let mut keys: Vec<Key> = Vec::new();
    // Where a file of their own says nothing, it is the root of all; and where nothing says any, what this machine has as their home.
    let own_home = home_of(&entry.name).map(|home| home.to_string_lossy().into_owned());
    let root = match (conf.text("local_root"), own_home.as_deref()) {
        ("", Some(home)) if !conf.yes("guest_enable") => home,
        ("", _) => roots.local.as_str(),
        (root, _) => root,
    };
    match roots.home(conf, &entry.name, root) {
        Some(home) if home.is_empty() => {}
        Some(home) => keys.push(("home", home.into())),
        None => {
            let says = format!(
                "not below {}: {} may do nothing until they have a home below it",
                roots.library.display(),
                entry.name
            );
            report.less_safe(&conf.place("local_root"), &conf.shown("local_root"), says);
            return Ok(Person {
                name: entry.name,
                hash: entry.hash,
                rights: Rights::NONE,
                keys,
            });
        }
    }
    keys.extend(rates(conf.number("local_max_rate")));
    keys.extend(under_tls(needs_tls));
    let option = if conf.yes("guest_enable") && !conf.yes("virtual_use_local_privs") {
        "anon_umask"
    } else {
        "local_umask"
    };
    let bits = conf.umask(option, report) & 0o077;
    if bits != (all.number("local_umask") & 0o077) as u32 {
        keys.push(("umask", umask(bits)));
    }
    if laid.is_some() {
        note_own(all, conf, &entry.name, report);
    }
    Ok(Person {
        name: entry.name,
        hash: entry.hash,
        rights: rights(conf),
        keys,
    })
}

/// What a user's own file says.
fn note_own(all: &Conf, own: &Conf, name: &str, report: &mut Report) {
    for option in super::options::OPTIONS {
        let place = own.place(option.name);
        if place == all.place(option.name) {
            continue;
        }
        let (fate, says) = match option.name {
            "local_root" | "write_enable" | "anon_upload_enable" | "anon_mkdir_write_enable" | "anon_other_write_enable" | "virtual_use_local_privs"
            | "local_max_rate" | "local_umask" | "anon_umask" | "dirlist_enable" | "download_enable" | "cmds_allowed" | "cmds_denied" => {
                (Fate::Ours, format!("of the user {name} alone"))
            }
            "guest_enable" | "guest_username" => (Fate::Missing, "all are served as one user; owner in the users file says whose their new files are".to_owned()),
            _ => match option.becomes.fate(false) {
                (Fate::Ours, _) => (Fate::Missing, "holds for all or for nobody here".to_owned()),
                (fate, says) => (fate, says.to_owned()),
            },
        };
        report.note(fate, &place, &own.shown(option.name), says);
    }
}

/// The names of the files in `folder`.
fn names_in(folder: Option<&Path>, conf: &Conf, report: &mut Report) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let Some(folder) = folder else { return names };
    match std::fs::read_dir(folder) {
        Err(error) => {
            let says = format!("cannot be read: {error}");
            note(conf, Fate::Unsafe, "user_config_dir", &says, report);
        }
        Ok(entries) => {
            let found = entries.flatten().filter(|entry| entry.path().is_file());
            let found = found.filter_map(|entry| user_name(entry.file_name().to_str()?).ok());
            names.extend(found);
        }
    }
    names
}

fn userlist(conf: &Conf, report: &mut Report) -> BTreeSet<String> {
    match passwords::text_of(Path::new(conf.text("userlist_file"))) {
        Ok(text) => {
            let lines = text.lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.filter_map(|line| user_name(line).ok()).collect()
        }
        Err(why) => {
            note(conf, Fate::Unsafe, "userlist_file", &why, report);
            BTreeSet::new()
        }
    }
}

/// The file of pam_pwdfile that the PAM service names.
fn pwdfile(conf: &Conf, report: &mut Report) -> Option<PathBuf> {
    let service = Path::new("/etc/pam.d").join(conf.text("pam_service_name"));
    let text = passwords::text_of(&service).ok()?;
    for (at, line) in text.lines().enumerate() {
        let place = format!("{}:{}", service.display(), at + 1);
        let words: Vec<_> = line.split_whitespace().collect();
        if words.first() != Some(&"auth") {
            continue;
        }
        if words.iter().any(|word| word.ends_with("pam_pwdfile.so")) {
            let at = words.iter().position(|word| *word == "pwdfile");
            let file = words.iter().find_map(|word| word.strip_prefix("pwdfile="));
            return file
                .or_else(|| words.get(at? + 1).copied())
                .map(PathBuf::from);
        }
        if words.iter().any(|word| word.ends_with("pam_userdb.so")) {
            let says = "a Berkeley database, which is not read: forkftpd user add NAME --home NAME, for each; or, from the text that it was made of, NAME:HASH lines for --passwords (openssl passwd -6 -stdin hashes what is there as it is typed)";
            report.missing(&place, "pam_userdb", says);
            return None;
        }
    }
    None
}
