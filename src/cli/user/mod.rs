//! `forkftpd user`: who may log in. Changes the users file; a running server is told by SIGHUP. A password is typed without echo, comes by
//! standard input, or is made here: it is never an argument, where everybody on the machine could read it.

pub(super) mod list;

use super::password;
use crate::config::{self, DEFAULT_FILE};
use crate::rights::{Right, Rights};
use crate::scram::{self, ITERATIONS, Verifier};
use crate::users::{Editor, User, Users};
use clap::{Args, Subcommand, ValueEnum};
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use toml_edit::{Array, Value};
use zeroize::Zeroizing;

/// The command line below `user`.
#[derive(Debug, Args)]
pub(super) struct UserArgs {
    /// The users' file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "The users' file [default: users_file of the configuration]"
    )]
    users_file: Option<PathBuf>,
    /// Configuration file.
    #[arg(short, long, global = true, value_name = "FILE", help = format!("Configuration file [default: {DEFAULT_FILE} if it is there]"))]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a user, and the users' file if it is not there.
    Add {
        /// The user's name.
        #[arg(value_parser = scram::user_name)]
        name: String,
        /// What they may do: of list, get, put, overwrite, delete, rename, mkdir, with commas; or all, or none.
        #[arg(long, default_value = "list,get", value_parser = rights)]
        rights: Rights,
        #[command(flatten)]
        limits: Limits,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Give a user another password.
    Passwd {
        /// The user's name.
        name: String,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Say anew what a user may do.
    Rights {
        /// The user's name.
        name: String,
        /// Of list, get, put, overwrite, delete, rename, mkdir, with commas; or all, or none.
        #[arg(value_parser = rights)]
        rights: Rights,
    },
    /// Change the limits of a user; those that are not named stay.
    Set {
        /// The user's name.
        name: String,
        #[command(flatten)]
        limits: Limits,
        /// Limits to take away, with commas.
        #[arg(long, value_name = "LIMIT", value_delimiter = ',')]
        clear: Vec<Limit>,
    },
    /// Let a user in no more, for now.
    Disable {
        /// The user's name.
        name: String,
    },
    /// Let a disabled user in again.
    Enable {
        /// The user's name.
        name: String,
    },
    /// Remove a user. Their files stay.
    Remove {
        /// The user's name.
        name: String,
    },
    /// Show the users and what they may do.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Say whether a password is that of a user; the exit status is 1 when it is not.
    Check {
        /// The user's name.
        name: String,
        /// Read the password from standard input, one line.
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Debug, Args)]
struct NewPassword {
    /// Read the password from standard input, one line.
    #[arg(long)]
    password_stdin: bool,
    /// Make a random password and print it, once.
    #[arg(long, conflicts_with = "password_stdin")]
    generate: bool,
    /// Hashes that a guess costs, and each first login of a client too.
    #[arg(long, value_name = "N", default_value_t = ITERATIONS, value_parser = clap::value_parser!(u32).range(i64::from(scram::MIN_ITERATIONS)..=i64::from(scram::MAX_ITERATIONS)))]
    iterations: u32,
}

#[derive(Debug, Args)]
struct Limits {
    /// A folder below the library that is all they see.
    #[arg(long, value_name = "DIR")]
    home: Option<String>,
    /// Most bytes in that folder: 500 MiB, 10 GiB.
    #[arg(long, value_name = "SIZE")]
    quota: Option<String>,
    /// Most files in that folder.
    #[arg(long, value_name = "N")]
    quota_files: Option<u32>,
    /// Most bytes of one upload.
    #[arg(long, value_name = "SIZE")]
    largest_file: Option<String>,
    /// Bytes a second, for each session.
    #[arg(long, value_name = "SIZE")]
    upload_rate: Option<String>,
    /// Bytes a second, for each session.
    #[arg(long, value_name = "SIZE")]
    download_rate: Option<String>,
    /// Most sessions at once.
    #[arg(long, value_name = "N")]
    sessions: Option<u32>,
    /// Bytes of the disk that uploads leave free: "1 GiB".
    #[arg(long, value_name = "SIZE")]
    keep_free: Option<String>,
    /// Where they may come from: 192.0.2.0/24 or an address; may be given several times.
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    /// What becomes of a new file whose name is taken: "refuse" or "rename".
    #[arg(long, value_name = "WHAT")]
    on_taken: Option<String>,
    /// What becomes of an upload by FTP whose client hangs up at its end: "keep" out of sight, or "publish".
    #[arg(long, value_name = "WHAT")]
    on_hangup: Option<String>,
    /// Whether they log in without TLS where that may be: "optional" or "required".
    #[arg(long, value_name = "WHAT")]
    tls: Option<String>,
    /// Permission bits that new files and folders do not get: 0027.
    #[arg(long, value_name = "BITS")]
    umask: Option<String>,
    /// Who owns new files: a user of this machine. For servers that are started as root.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Which group new files belong to.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Commands of the configuration that they may have run, with commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    commands: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Limit {
    Home,
    Quota,
    QuotaFiles,
    LargestFile,
    KeepFree,
    UploadRate,
    DownloadRate,
    Sessions,
    Networks,
    OnTaken,
    OnHangup,
    Tls,
    Umask,
    Owner,
    Group,
    Commands,
}

impl Limit {
    fn key(self) -> &'static str {
        match self {
            Limit::Home => "home",
            Limit::Quota => "quota",
            Limit::QuotaFiles => "quota_files",
            Limit::LargestFile => "largest_file",
            Limit::KeepFree => "keep_free",
            Limit::UploadRate => "upload_rate",
            Limit::DownloadRate => "download_rate",
            Limit::Sessions => "sessions",
            Limit::Networks => "networks",
            Limit::OnTaken => "on_taken",
            Limit::OnHangup => "on_hangup",
            Limit::Tls => "tls",
            Limit::Umask => "umask",
            Limit::Owner => "owner",
            Limit::Group => "group",
            Limit::Commands => "commands",
        }
    }
}

impl Limits {
    /// Keys and values as they stand in the file; whether they can be is for the file's own check.
    fn keys(self) -> Vec<(&'static str, Value)> {
        // A plain number stands as one.
        let size = |text: String| match text.parse::<i64>() {
            Ok(number) if number >= 0 => Value::from(number),
            _ => Value::from(text),
        };
        let count = |number: u32| Value::from(i64::from(number));
        let networks = (!self.networks.is_empty())
            .then(|| Value::Array(self.networks.into_iter().collect::<Array>()));
        let commands = (!self.commands.is_empty())
            .then(|| Value::Array(self.commands.into_iter().collect::<Array>()));
        [
            (Limit::Home, self.home.map(Value::from)),
            (Limit::Quota, self.quota.map(size)),
            (Limit::QuotaFiles, self.quota_files.map(count)),
            (Limit::LargestFile, self.largest_file.map(size)),
            (Limit::KeepFree, self.keep_free.map(size)),
            (Limit::UploadRate, self.upload_rate.map(size)),
            (Limit::DownloadRate, self.download_rate.map(size)),
            (Limit::Sessions, self.sessions.map(count)),
            (Limit::Networks, networks),
            (Limit::OnTaken, self.on_taken.map(Value::from)),
            (Limit::OnHangup, self.on_hangup.map(Value::from)),
            (Limit::Tls, self.tls.map(Value::from)),
            (Limit::Umask, self.umask.map(Value::from)),
            (Limit::Owner, self.owner.map(Value::from)),
            (Limit::Group, self.group.map(Value::from)),
            (Limit::Commands, commands),
        ]
        .into_iter()
        .filter_map(|(limit, value)| Some((limit.key(), value?)))
        .collect()
    }
}

fn rights(text: &str) -> Result<Rights, String> {
    match text {
        "all" => return Ok(Rights::ALL),
        "none" => return Ok(Rights::NONE),
        _ => {}
    }
    let one = |word: &str| {
        let found = Right::ALL.into_iter().find(|right| right.as_str() == word);
        found.ok_or_else(|| {
            let all = Right::ALL.map(Right::as_str).join(", ");
            format!("{word:?} is no right: {all}, with commas; or all, or none")
        })
    };
    text.split(',').map(|word| one(word.trim())).collect()
}

fn rights_value(rights: Rights) -> Value {
    Value::Array(rights.iter().map(Right::as_str).collect())
}

/// Runs it. What it has to say goes to standard output.
///
/// # Errors
/// Lines for the operator; nothing was changed.
pub(super) fn run(arguments: UserArgs) -> Result<(), Vec<String>> {
    let path = match arguments.users_file {
        Some(path) => path,
        None => named_by(arguments.config.as_deref())?,
    };
    let one = |problem: String| vec![problem];
    // The name as it stands in the file, and the file open; a command line that names nobody there is refused at once.
    let begin = |name: &str| -> Result<(String, Editor), Vec<String>> {
        let name = scram::user_name(name).map_err(one)?;
        Ok((name, Editor::open(&path, false)?))
    };
    let said = match arguments.command {
        UserCommand::Add {
            name,
            rights,
            limits,
            password,
        } => {
            // Before anybody types a password. The lock is not held meanwhile: that may take long.
            if path.exists() && Users::load(&path)?.get(&name).is_some() {
                return Err(one(format!(
                    "there is a user {name} already; to change them: forkftpd user set, rights or passwd"
                )));
            }
            let (verifier, made) = password.verifier(&name)?;
            let mut editor = Editor::open(&path, true)?;
            let keys = [
                ("password", verifier.to_string().into()),
                ("rights", rights_value(rights)),
            ];
            editor
                .add(&name, keys.into_iter().chain(limits.keys()))
                .map_err(one)?;
            editor.save()?;
            format!("{made}{name} added; may do: {rights}")
        }
        UserCommand::Passwd { name, password } => {
            // Before anybody types; not by way of `known`, since another password is what mends a damaged verifier.
            let (name, editor) = begin(&name)?;
            if !editor.has(&name) {
                return Err(one(nobody(&name)));
            }
            drop(editor);
            let (verifier, made) = password.verifier(&name)?;
            let (name, mut editor) = begin(&name)?;
            editor
                .set(&name, "password", Some(verifier.to_string().into()))
                .map_err(one)?;
            editor.save()?;
            format!("{made}{name} has another password")
        }
        UserCommand::Rights { name, rights } => {
            let (name, mut editor) = begin(&name)?;
            editor
                .set(&name, "rights", Some(rights_value(rights)))
                .map_err(one)?;
            editor.save()?;
            format!("{name} may do: {rights}")
        }
        UserCommand::Set {
            name,
            limits,
            clear,
        } => {
            let (name, mut editor) = begin(&name)?;
            let given = limits.keys();
            if given.is_empty() && clear.is_empty() {
                return Err(one(format!(
                    "nothing to change for {name}: name a limit, or --clear one"
                )));
            }
            let both = clear.iter().map(|limit| limit.key());
            if let Some(key) = both
                .into_iter()
                .find(|key| given.iter().any(|(k, _)| k == key))
            {
                return Err(one(format!("{key} is given and cleared: say one of them")));
            }
            let cleared = clear.iter().map(|limit| (limit.key(), None));
            for (key, value) in given.into_iter().map(|(k, v)| (k, Some(v))).chain(cleared) {
                editor.set(&name, key, value).map_err(one)?;
            }
            let users = editor.save()?;
            users.get(&name).map_or_else(String::new, |user| {
                format!("{name}: {}", list::limits_of(&user.account))
            })
        }
        UserCommand::Disable { name } => {
            let (name, mut editor) = begin(&name)?;
            editor
                .set(&name, "disabled", Some(true.into()))
                .map_err(one)?;
            editor.save()?;
            format!("{name} is disabled; sessions that are open go on")
        }
        UserCommand::Enable { name } => {
            let (name, mut editor) = begin(&name)?;
            editor.set(&name, "disabled", None).map_err(one)?;
            editor.save()?;
            format!("{name} is enabled")
        }
        UserCommand::Remove { name } => {
            let (name, mut editor) = begin(&name)?;
            editor.remove(&name).map_err(one)?;
            editor.save()?;
            format!("{name} removed; their files and open sessions stay")
        }
        UserCommand::List { json } => {
            return say(&list::all(&Users::load(&path)?, json)).map_err(one);
        }
        UserCommand::Check {
            name,
            password_stdin,
        } => {
            let (name, user) = known(&path, &name)?;
            let password = if password_stdin {
                password::from_stdin().map_err(one)?
            } else {
                asked(&format!("Password of {name}: ")).map_err(one)?
            };
            if !user.stored.check(&password) {
                return Err(one(format!("that is not the password of {name}")));
            }
            let disabled = if user.disabled {
                "; but they are disabled"
            } else {
                ""
            };
            return say(&format!("that is the password of {name}{disabled}\n")).map_err(one);
        }
    };
    say(&format!(
        "{said}\nA running server reads it after SIGHUP.\n"
    ))
    .map_err(one)
}

/// The file that the configuration names.
fn named_by(file: Option<&std::path::Path>) -> Result<PathBuf, Vec<String>> {
    let named = config::users_file(file)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    named.ok_or_else(|| {
        let file = file.unwrap_or(std::path::Path::new(DEFAULT_FILE)).display();
        vec![format!(
            "which users' file? Name it with --users-file FILE, or with users_file in {file}"
        )]
    })
}

/// A user that is there.
fn known(path: &std::path::Path, name: &str) -> Result<(String, User), Vec<String>> {
    let name = scram::user_name(name).map_err(|why| vec![why])?;
    match Users::load(path)?.get(&name) {
        Some(user) => Ok((name, user.clone())),
        None => Err(vec![nobody(&name)]),
    }
}

fn nobody(name: &str) -> String {
    format!("there is no user {name}; forkftpd user list shows who there is")
}

impl NewPassword {
    /// The verifier of the new password, and what has to be said of it.
    fn verifier(&self, name: &str) -> Result<(Verifier, String), Vec<String>> {
        let made =
            |password: &str, said: String| Ok((Verifier::new(password, self.iterations)?, said));
        let password = || -> Result<(Verifier, String), String> {
            if self.generate {
                let password = password::generated()?;
                return made(&password, format!("password: {}\n", *password));
            }
            if self.password_stdin {
                return made(&password::from_stdin()?, String::new());
            }
            let first = asked(&format!("New password of {name}: "))?;
            // Before it is typed again for nothing.
            scram::password(&first)?;
            if *first != *asked("The same again: ")? {
                return Err("those were two different passwords; nothing was changed".into());
            }
            made(&first, String::new())
        };
        password().map_err(|why| vec![why])
    }
}

/// A password typed by somebody who is there.
fn asked(prompt: &str) -> Result<Zeroizing<String>, String> {
    // A script that feeds standard input does not mean to be asked on the terminal it was started from.
    if !std::io::stdin().is_terminal() {
        return Err("no terminal to type a password on: use --password-stdin".into());
    }
    password::typed(prompt).map_err(|error| format!("the password could not be read: {error}"))
}

fn say(text: &str) -> Result<(), String> {
    let mut to = std::io::stdout().lock();
    to.write_all(text.as_bytes())
        .and_then(|()| to.flush())
        .map_err(|error| format!("standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_words() {
        assert_eq!(rights("all"), Ok(Rights::ALL));
        assert_eq!(rights("none"), Ok(Rights::NONE));
        let two = Rights::NONE.with(Right::Put).with(Right::List);
        assert_eq!(rights("put, list"), Ok(two));
        for bad in ["", "get,", "get,all", "Get", "write"] {
            assert!(rights(bad).is_err(), "{bad}");
        }
    }
}
