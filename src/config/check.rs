//! From what was written to what holds: flags over file over defaults, and every contradiction and unsafe setting
//! refused with its place and the remedy.

use super::drop_box::drop_boxes;
use super::file::{File, Placed, place};
use super::listen::listeners;
use super::private::{ledger, private, shares, tls};
use super::program::commands;
use super::{Account, Command, Config, Files, Flags, Listen, Login};
use crate::log::{self, Format};
use crate::rights::Rights;
use crate::sys::privs::{self, Identity};
use std::path::{Path, PathBuf};

/// Something the operator has to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: String,
    what: String,
}

impl Problem {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>) -> Problem {
        Problem {
            place: place.into(),
            what: what.into(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A value, and where the operator wrote it; nowhere for a default.
pub(super) struct Set<T> {
    pub(super) value: T,
    pub(super) place: Option<String>,
}

pub(super) struct Checker<'a> {
    path: Option<&'a Path>,
    text: &'a str,
    pub(super) problems: Vec<Problem>,
}

impl Checker<'_> {
    pub(super) fn place(&self, offset: usize) -> String {
        place(self.path, self.text, offset)
    }

    pub(super) fn wrong(&mut self, place: Option<&str>, what: impl Into<String>) {
        let place = place.map_or_else(
            || {
                self.path
                    .map_or_else(|| "configuration".into(), |p| p.display().to_string())
            },
            str::to_owned,
        );
        self.problems.push(Problem::new(place, what));
    }

    fn pick<T>(&self, flag: Option<T>, name: &str, file: Placed<T>, default: T) -> Set<T> {
        match (flag, file) {
            (Some(value), _) => Set {
                value,
                place: Some(format!("--{name}")),
            },
            (None, Some(file)) => {
                let place = Some(self.place(file.span().start));
                Set {
                    value: file.into_inner(),
                    place,
                }
            }
            (None, None) => Set {
                value: default,
                place: None,
            },
        }
    }

    /// A limit that has to be at least one: 0 never means without limit.
    fn count(
        &mut self,
        flag: Option<u32>,
        name: &str,
        file: Placed<u32>,
        default: u32,
    ) -> Set<u32> {
        let set = self.pick(flag, name, file, default);
        if set.value == 0 {
            self.wrong(
                set.place.as_deref(),
                format!(
                    "{} = 0: it has to be at least 1; there is no value for without limit",
                    name.replace('-', "_")
                ),
            );
        }
        set
    }

    /// The folder of the file.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.path.and_then(Path::parent)
    }

    /// A path of the file is relative to the file's folder, one of the command line to the current folder.
    pub(super) fn path(
        &self,
        flag: Option<PathBuf>,
        name: &str,
        file: Placed<PathBuf>,
    ) -> Option<Set<PathBuf>> {
        let from_file = flag.is_none();
        let given = flag.is_some() || file.is_some();
        let mut set = self.pick(flag, name, file, PathBuf::new());
        if from_file && let Some(folder) = self.folder() {
            set.value = folder.join(&set.value);
        }
        given.then_some(set)
    }
}

pub(super) fn check(
    file: File,
    path: Option<&Path>,
    text: &str,
    flags: &Flags,
) -> Result<Config, Vec<Problem>> {
    let mut checker = Checker {
        path,
        text,
        problems: Vec::new(),
    };
    let c = &mut checker;
    let flags = flags.clone();

    let library = c
        .path(flags.library, "library", file.library)
        .map_or_else(|| super::DEFAULT_LIBRARY.into(), |set| set.value);
    let users_file = c.path(flags.users_file, "users-file", file.users_file);
    let listen = listeners(
        c,
        &flags.listen,
        file.listen,
        flags.no_secret,
        users_file.is_some(),
        flags.congestion.as_deref(),
        file.anonymous.is_some(),
    );
    let asks = listen.iter().any(|listener| listener.proof);
    let secret_file = if flags.no_secret || !asks {
        None
    } else {
        c.path_or_credential(flags.secret_file, "secret-file", file.secret_file)
    };
    let secret_file = private(
        c,
        asks,
        secret_file,
        &library,
        "clients are to prove a shared secret, and there is none: make one with forkftpd secret new FILE, and name it with secret_file or --secret-file",
    );
    let users_file = private(
        c,
        listen.iter().any(|listener| listener.login != Login::None),
        users_file,
        &library,
        "clients are to log in, and there are no users: name their file with users_file or --users-file, and make them with forkftpd user add",
    );
    let shares_file = shares(c, &listen, file.shares_file, &library);
    let commands = commands(c, file.command, &library);
    let anonymous = anonymous(c, file.anonymous, &listen, &commands);
    let drop_boxes = drop_boxes(c, file.drop_box);
    let tls = tls(c, &listen, file.tls_certificate, file.tls_key, &library);
    let control = c
        .path(flags.control, "control", file.control)
        .map(|set| set.value);
    let xferlog = c.path(None, "xferlog", file.xferlog).map(|set| set.value);
    let vsftpd_log = c
        .path(None, "vsftpd_log", file.vsftpd_log)
        .map(|set| set.value);
    let others = [
        secret_file.as_deref(),
        users_file.as_deref(),
        shares_file.as_deref(),
        xferlog.as_deref(),
        vsftpd_log.as_deref(),
    ];
    let ledger_file = ledger(c, file.ledger_file, &library, &others);

    let identity = identity(c, flags.user, file.user);

    let max_clients = c.count(flags.max_clients, "max-clients", file.max_clients, 1000);
    // The default bends to a smaller max_clients; what was written does not.
    let max_per_address = c.count(
        flags.max_per_address,
        "max-per-address",
        file.max_per_address,
        100.min(max_clients.value),
    );
    if max_per_address.value > max_clients.value {
        c.wrong(max_per_address.place.as_deref(), format!("max_per_address = {} is more than max_clients = {}: lower the one or raise the other", max_per_address.value, max_clients.value));
    }
    let prefork = c.pick(flags.prefork, "prefork", file.prefork, 0);
    if prefork.value > max_clients.value {
        c.wrong(
            prefork.place.as_deref(),
            format!(
                "prefork = {} is more than max_clients = {}: some would never serve anybody",
                prefork.value, max_clients.value
            ),
        );
    }
    let handshake_seconds = c
        .count(
            flags.handshake_seconds,
            "handshake-seconds",
            file.handshake_seconds,
            10,
        )
        .value;
    let login_seconds = c.count(None, "login-seconds", file.login_seconds, 60).value;
    let idle_seconds = c
        .count(flags.idle_seconds, "idle-seconds", file.idle_seconds, 300)
        .value;
    let stall_seconds = c
        .count(flags.stall_seconds, "stall-seconds", file.stall_seconds, 60)
        .value;
    let partial_hours = c.count(None, "partial-hours", file.partial_hours, 72).value;
    let largest_file = file.largest_file.map(|size| {
        if size.get_ref().0 == 0 {
            let place = c.place(size.span().start);
            c.wrong(
                Some(&place),
                "largest_file = 0 refuses every upload; leave the key out for no limit",
            );
        }
        size.into_inner().0
    });
    let files = Files {
        durability: flags.durability.or(file.durability).unwrap_or_default(),
        keep_free: file.keep_free.map_or(64 << 20, |size| size.into_inner().0),
        largest_file,
        partial_hours,
        one_filesystem: file.one_filesystem.unwrap_or(false),
        umask: super::account::umask(file.umask, |at, what| {
            let place = c.place(at);
            c.wrong(Some(&place), what);
        })
        .unwrap_or(0o022),
        named: false,
    };
    let config = Config {
        library,
        files,
        identity,
        sandbox: flags.sandbox.or(file.sandbox).unwrap_or_default(),
        secret_file,
        users_file,
        shares_file,
        ledger_file,
        anonymous,
        drop_boxes,
        tls,
        control,
        listen,
        commands,
        most_commands: c.count(None, "most-commands", file.most_commands, 8).value,
        prefork: prefork.value,
        max_clients: max_clients.value,
        max_per_address: max_per_address.value,
        drain_seconds: c
            .pick(flags.drain_seconds, "drain-seconds", file.drain_seconds, 30)
            .value,
        handover_seconds: c
            .pick(None, "handover-seconds", file.handover_seconds, 3600)
            .value,
        handshake_seconds,
        login_seconds,
        idle_seconds,
        stall_seconds,
        max_failures: c.count(None, "max-failures", file.max_failures, 20).value,
        ban_seconds: c.count(None, "ban-seconds", file.ban_seconds, 600).value,
        min_rate: file.min_rate.map_or(0, |size| size.into_inner().0),
        receipt: file.receipt.unwrap_or_default(),
        xferlog,
        vsftpd_log,
        log_format: flags.log_format.or(file.log_format).unwrap_or(Format::Text),
        log_level: flags
            .log_level
            .or(file.log_level)
            .unwrap_or(log::Level::Info),
    };
    if checker.problems.is_empty() {
        Ok(config)
    } else {
        Err(checker.problems)
    }
}

/// Who children become. As root there has to be somebody; as anybody else nobody can be.
fn identity(c: &mut Checker<'_>, flag: Option<String>, file: Placed<String>) -> Option<Identity> {
    let given = flag.is_some() || file.is_some();
    let Set { value: name, place } = c.pick(flag, "user", file, String::new());
    if !privs::is_root() {
        // Already an ordinary user: that is who serves.
        return None;
    }
    if !given {
        c.wrong(None, "started as root, and clients are never served by root: say who serves with user = \"NAME\" or --user NAME");
        return None;
    }
    let found = Identity::of_user(&name);
    match found {
        None => c.wrong(
            place.as_deref(),
            format!("there is no user {name:?} on this machine"),
        ),
        Some(identity) if identity.uid == 0 || identity.gid == 0 => {
            c.wrong(
                place.as_deref(),
                format!("user {name:?} is root or in its group: clients are never served by root"),
            );
        }
        Some(_) => {}
    }
    found
}

fn anonymous(
    c: &mut Checker<'_>,
    table: Option<toml::Spanned<super::FileAccount>>,
    listen: &[Listen],
    commands: &[Command],
) -> Account {
    match table {
        Some(table) => {
            let mut wrong = Vec::new();
            let known = |name: &str| commands.iter().any(|command| command.name == name);
            let account = table
                .into_inner()
                .check(Rights::NONE, Some(&known), |at, what| {
                    wrong.push((at, what))
                });
            for (at, what) in wrong {
                let place = c.place(at);
                c.wrong(Some(&place), what);
            }
            account
        }
        None => {
            if listen
                .iter()
                .any(|listener| listener.login == Login::Optional)
            {
                c.wrong(None, "login = \"optional\" lets clients in without a name: say what they may do in a table [anonymous]");
            }
            Account {
                rights: Rights::ALL,
                ..Account::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn load(text: &str, flags: &Flags) -> Result<Config, String> {
        let path = Path::new("/nowhere/f.toml");
        let parsed = file::parse(Some(path), text).map_err(|p| p[0].to_string())?;
        check(parsed, Some(path), text, flags).map_err(|p| {
            p.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        })
    }

    #[test]
    fn contradictions_and_unsafe_settings_are_refused() {
        let open = Flags {
            user: Some("nobody".into()),
            no_secret: true,
            ..Flags::default()
        };
        for (text, place, word) in [
            (
                "max_clients = 10\nprefork = 11",
                "/nowhere/f.toml:2: ",
                "prefork",
            ),
            (
                "max_clients = 10\n\nmax_per_address = 11",
                "/nowhere/f.toml:3: ",
                "max_per_address",
            ),
            ("idle_seconds = 0", "/nowhere/f.toml:1: ", "at least 1"),
            ("largest_file = 0", "/nowhere/f.toml:1: ", "largest_file"),
            (
                "[[listen]]\naddress = \"0.0.0.0:1\"",
                "/nowhere/f.toml:2: ",
                "without proof",
            ),
            (
                "[[listen]]\naddress = \"localhost:1\"",
                "/nowhere/f.toml:2: ",
                "not looked up",
            ),
            (
                "[[listen]]\naddress = \"unix:s\"",
                "/nowhere/f.toml:2: ",
                "begin with /",
            ),
            (
                "[[listen]]\naddress = \"127.0.0.1:1\"\n[[listen]]\naddress = \"127.0.0.1:1\"",
                "/nowhere/f.toml:4: ",
                "twice",
            ),
            (
                "[[listen]]\naddress = \"unix:/s\"\nmode = \"9\"",
                "/nowhere/f.toml:3: ",
                "octal",
            ),
            (
                "[[listen]]\naddress = \"127.0.0.1:1\"\nprotocol = \"http\"\nsite = true\nlogin = \"required\"\n[anonymous]\nrights = [\"get\"]",
                "/nowhere/f.toml:2: ",
                "for everybody",
            ),
        ] {
            let said = load(text, &open).expect_err(text);
            assert!(
                said.contains(place) && said.contains(word),
                "{text}: {said}"
            );
        }
        let said = load("", &Flags::default()).expect_err("no secret");
        assert!(said.contains("forkftpd secret new"), "{said}");
        let said = load(
            "",
            &Flags {
                prefork: Some(9),
                max_clients: Some(5),
                ..open
            },
        )
        .expect_err("flags");
        assert!(said.starts_with("--prefork: "), "{said}");
    }

    #[test]
    fn flags_lie_over_the_file_and_paths_are_where_they_were_written() {
        let flags = Flags {
            user: Some("nobody".into()),
            no_secret: true,
            max_clients: Some(7),
            ..Flags::default()
        };
        let config = load("library = \"files\"\nmax_clients = 5", &flags).expect("config");
        assert_eq!(config.library, Path::new("/nowhere/files"));
        assert_eq!((config.max_clients, config.max_per_address), (7, 7));
        assert_eq!(config.listen[0].address.to_string(), "127.0.0.1:8888");
        let flags = Flags {
            listen: vec!["[::1]:0".into(), "unix:/run/s".into()],
            ..flags
        };
        let config = load("[[listen]]\naddress = \"127.0.0.1:9\"", &flags).expect("config");
        assert_eq!(config.listen.len(), 2);
    }
}
