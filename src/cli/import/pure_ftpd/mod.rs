//! pure-ftpd(8)'s options as ours, and its virtual users with their passwords. Run by `forkftpd import pure-ftpd`.

mod conf;
mod options;

use super::draft::{self, Draft, Key, Person, can_serve, folder, number, path, umask};
use super::passwords::{self, Entry};
use super::report::Report;
use crate::rights::{Right, Rights};
use conf::Conf;
use std::path::{Path, PathBuf};
use toml_edit::{Array, Value};

/// Reads the options, and the virtual users in `passwords`, or where the database says that their text is.
///
/// # Errors
/// What was named and cannot be read.
pub(super) fn import(
    what: &[String],
    passwords: Option<&Path>,
    report: &mut Report,
) -> Result<Draft, String> {
    let conf = Conf::read(what)?;
    conf.note_all(report);
    let shown = match what {
        [path] if !path.starts_with('-') => path.as_str(),
        _ => "flags",
    };
    let mut draft = Draft {
        origin: format!("pure-ftpd ({shown})"),
        ..Draft::default()
    };
    let anonymous = !conf.yes("NoAnonymous");
    let logins = !conf.yes("AnonymousOnly");
    let entries = if logins {
        virtual_users(&conf, passwords, report)?
    } else {
        Vec::new()
    };
    let open = anonymous.then(|| draft::home_of("ftp").unwrap_or_else(|| "/srv/ftp".into()));
    // Above all homes: those of users stand side by side in it.
    let homes = draft::above_homes(entries.iter().map(home_of));
    let library = homes
        .into_iter()
        .chain(open.clone())
        .reduce(|one, other| draft::above(&one, &other));
    let library = library.unwrap_or_else(|| "/home".into());
    if library == Path::new("/") {
        report.less_safe(&conf.place("PureDB"), "homes", "nothing but / is above all of them: move them below one folder, and set library and each home");
    }
    draft.set("library", path(&library));
    serve_as(&entries, &mut draft, report);
    draft.set(
        "max_clients",
        number(conf.number("MaxClientsNumber").unwrap_or(50).max(1)),
    );
    if let Some(most) = conf.number("MaxClientsPerIP").filter(|most| *most > 0) {
        draft.set(
            "max_per_address",
            number(most.min(conf.number("MaxClientsNumber").unwrap_or(50))),
        );
    }
    draft.set(
        "idle_seconds",
        number(conf.number("MaxIdleTime").unwrap_or(15).clamp(1, 10_000) * 60),
    );
    let bits = umasks(&conf, report);
    draft.set("umask", umask(bits));
    for log in conf.all("AltLog") {
        if let Some(file) = log.strip_prefix("xferlog:") {
            draft.set("xferlog", file);
        }
    }
    let tls = encryption(&conf, &mut draft, report);
    let login = match (anonymous, logins) {
        (true, true) => "optional",
        (true, false) => "none",
        (false, _) => "required",
    };
    draft.listen.push(listen(&conf, login, tls, report));
    if let Some(open) = open {
        let may = |right: &Right| match right {
            Right::List | Right::Get => true,
            Right::Put => !conf.yes("AnonymousCantUpload"),
            Right::Mkdir => conf.yes("AnonymousCanCreateDirs"),
            Right::Overwrite | Right::Delete | Right::Rename => false,
        };
        let mut keys: Vec<Key> = Vec::new();
        match draft::below(&library, &open) {
            Some(home) if home.is_empty() => {}
            Some(home) => keys.push(("home", home.into())),
            None => report.less_safe(
                "default",
                "anonymous",
                "the home of ftp is hidden, or not below the library: set [anonymous] home by hand",
            ),
        }
        keys.extend(bandwidth(&conf, &["AnonymousBandwidth", "UserBandwidth"]));
        if let (_, Some(most)) = conf.two("PerUserLimits") {
            keys.extend((most > 0).then(|| ("sessions", number(most))));
        }
        keys.extend(
            conf.yes("AutoRename")
                .then(|| ("on_taken", Value::from("rename"))),
        );
        draft.anonymous = Some((Right::ALL.into_iter().filter(may).collect(), keys));
    }
    if logins {
        let people = entries
            .iter()
            .map(|entry| person(&conf, &library, entry, report));
        draft.people = Some(people.collect());
    }
    Ok(draft)
}

/// The text that the database was made of.
fn virtual_users(
    conf: &Conf,
    named: Option<&Path>,
    report: &mut Report,
) -> Result<Vec<Entry>, String> {
    if let Some(file) = named {
        return passwords::read(file, report);
    }
    let by_flag = conf
        .all("login")
        .filter_map(|login| login.strip_prefix("puredb:"));
    let database = conf.text("PureDB").or(by_flag.last());
    let place = conf.place(if conf.text("PureDB").is_some() {
        "PureDB"
    } else {
        "login"
    });
    let Some(database) = database else {
        let says = "which users of this machine log in is not known here: forkftpd user add NAME --home NAME, for each";
        report.missing(&place, "users", says);
        return Ok(Vec::new());
    };
    let file = Path::new(database).with_extension("passwd");
    match passwords::read(&file, report) {
        Ok(entries) => Ok(entries),
        Err(why) => {
            let says = format!(
                "the text that it was made of cannot be read ({why}): name it with --passwords"
            );
            report.missing(&place, database, says);
            Ok(Vec::new())
        }
    }
}

/// The fields behind the hash, from 0: uid, gid, gecos, home, and so on.
fn field(entry: &Entry, at: usize) -> &str {
    entry.fields.get(at).map_or("", |field| field.as_str())
}

fn home_of(entry: &Entry) -> PathBuf {
    let home = field(entry, 3);
    folder(home.split("/./").next().unwrap_or(home))
}

/// All are served as one user: the one who they all are, if they are one.
fn serve_as(entries: &[Entry], draft: &mut Draft, report: &mut Report) {
    let mut uids: Vec<&str> = entries.iter().map(|entry| field(entry, 0)).collect();
    uids.dedup();
    let name = match uids[..] {
        [one] => draft::name_of(one),
        _ => None,
    };
    match name.filter(|name| can_serve(name)) {
        Some(name) => draft.set("user", name),
        None => report.missing("default", "users' uid", "all are served as one user here: name them with user = \"NAME\", and give them the library (chown -R)"),
    }
}

fn umasks(conf: &Conf, report: &mut Report) -> u32 {
    let text = conf.text("Umask").unwrap_or("133:022");
    let (files, folders) = text.split_once([':', ' ']).unwrap_or((text, "022"));
    let bits = |text: &str| u32::from_str_radix(text.trim(), 8).ok();
    let (Some(files), Some(folders)) = (bits(files), bits(folders)) else {
        report.less_safe(
            &conf.place("Umask"),
            text,
            "no octal bits: umask = \"0077\" until you say another",
        );
        return 0o077;
    };
    if files & 0o066 != folders & 0o066 {
        report.missing(
            &conf.place("Umask"),
            text,
            "files and folders have one umask here: the bits of both",
        );
    }
    (files & 0o066) | (folders & 0o077)
}

fn encryption(conf: &Conf, draft: &mut Draft, report: &mut Report) -> &'static str {
    let word = match conf.number("TLS").unwrap_or(0) {
        0 => {
            let says = "tls = \"off\": passwords and files are in the clear, as they are there; forkftpd cert new, and tls = \"optional\", change that";
            report.ours(&conf.place("TLS"), "TLS 0", says);
            return "off";
        }
        1 => "optional",
        2 => "required",
        _ => {
            report.nothing(
                &conf.place("TLS"),
                "TLS 3",
                "tls = \"required\" takes no data in the clear",
            );
            "required"
        }
    };
    let both = conf.text("CertFileAndKey").or(conf.text("CertFile"));
    let both = both.unwrap_or("/etc/ssl/private/pure-ftpd.pem");
    let mut files = both.split([',', ' ', '"']).filter(|file| !file.is_empty());
    let certificate = files.next().unwrap_or(both);
    draft.set("tls_certificate", certificate);
    draft.set("tls_key", files.next().unwrap_or(certificate));
    word
}

fn listen(conf: &Conf, login: &str, tls: &str, report: &mut Report) -> Vec<Key> {
    let bind = conf.text("Bind").unwrap_or("");
    let (host, port) = bind.split_once(',').unwrap_or((bind, "21"));
    let port = match port.trim() {
        "ftp" | "" => "21",
        port => port,
    };
    let host = match (host.trim(), conf.yes("IPV4Only")) {
        ("", true) => "0.0.0.0".to_owned(),
        ("", false) => "[::]".to_owned(),
        (host, _) if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        (host, _) => host.to_owned(),
    };
    let mut keys: Vec<Key> = vec![
        ("address", format!("{host}:{port}").into()),
        ("protocol", "ftp".into()),
        ("login", login.into()),
        ("tls", tls.into()),
    ];
    match conf.two("PassivePortRange") {
        (Some(first), Some(last)) if 1024 <= first && first <= last && last <= 65535 => {
            keys.push(("passive_ports", format!("{first}-{last}").into()));
        }
        _ if conf.text("PassivePortRange").is_some() => {
            report.less_safe(
                &conf.place("PassivePortRange"),
                "PassivePortRange",
                "no range of ports from 1024 on: any is used; name one with passive_ports",
            );
        }
        _ => {}
    }
    if let Some(address) = conf.text("ForcePassiveIP") {
        keys.push(("passive_address", address.into()));
    }
    keys.push(("active", true.into()));
    if tls != "off" {
        keys.push(("data_tls_reuse", "prefer".into()));
    }
    keys
}

/// Kilobytes a second, up and down.
fn bandwidth(conf: &Conf, options: &[&str]) -> Vec<Key> {
    let Some(option) = options.iter().find(|option| conf.text(option).is_some()) else {
        return Vec::new();
    };
    let text = conf.text(option).unwrap_or("");
    let (up, down) = match text.contains([':', ' ']) {
        true => conf.two(option),
        // One number is for both.
        false => (conf.number(option), conf.number(option)),
    };
    let rate = |key: &'static str, rate: Option<u64>| {
        let rate = rate.filter(|rate| *rate > 0)?;
        Some((key, number(rate.saturating_mul(1024))))
    };
    [rate("upload_rate", up), rate("download_rate", down)]
        .into_iter()
        .flatten()
        .collect()
}

fn person(conf: &Conf, library: &Path, entry: &Entry, report: &mut Report) -> Person {
    let may = |right: &Right| match right {
        Right::Delete | Right::Overwrite => !conf.yes("KeepAllFiles"),
        Right::Rename => !conf.yes("NoRename"),
        _ => true,
    };
    let mut rights: Rights = Right::ALL.into_iter().filter(may).collect();
    let mut keys: Vec<Key> = Vec::new();
    match draft::below(library, &home_of(entry)) {
        Some(home) if home.is_empty() => {}
        Some(home) => keys.push(("home", home.into())),
        None => {
            report.less_safe(&entry.place, &entry.name, "the home is hidden, or not below the library: they may do nothing until they have one");
            rights = Rights::NONE;
        }
    }
    let count = |at: usize| {
        field(entry, at)
            .parse::<u64>()
            .ok()
            .filter(|number| *number > 0)
    };
    let own: Vec<Key> = [
        ("upload_rate", 4),
        ("download_rate", 5),
        ("sessions", 8),
        ("quota_files", 9),
        ("quota", 10),
    ]
    .into_iter()
    .filter_map(|(key, at)| Some((key, number(count(at)?))))
    .collect();
    let (files, megabytes) = conf.two("Quota");
    let sessions = conf.two("PerUserLimits").0;
    let mut general = bandwidth(conf, &["UserBandwidth"]);
    general.extend(
        files
            .filter(|files| *files > 0)
            .map(|files| ("quota_files", number(files))),
    );
    general.extend(
        megabytes
            .filter(|size| *size > 0)
            .map(|size| ("quota", number(size.saturating_mul(1 << 20)))),
    );
    general.extend(
        sessions
            .filter(|most| *most > 0)
            .map(|most| ("sessions", number(most))),
    );
    // What is said of them alone goes before what is said of all.
    general.retain(|(key, _)| own.iter().all(|(mine, _)| mine != key));
    keys.extend(own.into_iter().chain(general));
    let networks: Array = field(entry, 13)
        .split(',')
        .filter(|network| !network.is_empty())
        .collect();
    if !networks.is_empty() {
        keys.push(("networks", Value::Array(networks)));
    }
    for (at, what) in [
        (11, "local addresses that they may come to"),
        (12, "local addresses that they may not come to"),
        (
            14,
            "client addresses that are refused: say with networks which are not",
        ),
        (15, "hours of the day"),
    ] {
        if !field(entry, at).is_empty() {
            report.less_safe(&entry.place, &entry.name, format!("not to be had: {what}"));
        }
    }
    if count(6).is_some() || count(7).is_some() {
        report.missing(&entry.place, &entry.name, "there are no ratios");
    }
    keys.extend(
        conf.yes("AutoRename")
            .then(|| ("on_taken", Value::from("rename"))),
    );
    Person {
        name: entry.name.clone(),
        hash: entry.hash.clone(),
        rights,
        keys,
    }
}

#[cfg(test)]
mod tests;
