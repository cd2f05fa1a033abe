//! What the runner executes: programs that the operator names, each with the user it runs as and its limits. Read by the runner; the
//! broker and the commands look at names alone.

use super::check::Checker;
use super::file::{Placed, Size};
use crate::sys::privs::{self, Identity};
use std::collections::HashSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Most commands: what there is fits into one frame.
const MOST_COMMANDS: usize = 100;
/// Most words of a command line.
const MOST_WORDS: usize = 100;
/// Most bytes of all of them together.
const LONGEST_LINE: usize = 16 * 1024;
/// Longest name of a command, bytes.
pub const LONGEST_NAME: usize = 32;
/// Longest description, bytes.
const LONGEST_DESCRIPTION: usize = 200;
/// Longest time that may be asked for, in seconds: a day.
const LONGEST_TIME: u32 = 86_400;

/// How far a program may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Seconds, until all of it is ended.
    pub seconds: u32,
    /// Bytes of output, standard error with it.
    pub most_output: u64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Bytes of memory that each process writes to.
    pub memory: u64,
    /// Bytes of each file that is written.
    pub largest_file: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            seconds: 60,
            most_output: 1 << 20,
            processes: 32,
            memory: 1 << 30,
            largest_file: 1 << 30,
        }
    }
}

/// A program, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program's absolute path, and its arguments.
    pub run: Vec<String>,
    /// Who it runs as; none for the user of the server, which was not started as root.
    pub identity: Option<Identity>,
    /// How far it may go.
    pub limits: Limits,
}

/// A program that clients may have run, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Letters, digits and `-`.
    pub name: String,
    /// For people.
    pub description: String,
    /// What is run.
    pub program: Program,
}

/// `[[command]]` as it stands in the file.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileCommand {
    name: Spanned<String>,
    run: Spanned<Vec<String>>,
    description: Placed<String>,
    user: Placed<String>,
    seconds: Placed<u32>,
    most_output: Placed<Size>,
    processes: Placed<u32>,
    memory: Placed<Size>,
    largest_file: Placed<Size>,
}

/// The keys that say what is run; whoever has others takes these out of them.
#[derive(Debug)]
pub(super) struct FileProgram {
    pub(super) run: Spanned<Vec<String>>,
    pub(super) user: Placed<String>,
    pub(super) seconds: Placed<u32>,
    pub(super) most_output: Placed<Size>,
    pub(super) processes: Placed<u32>,
    pub(super) memory: Placed<Size>,
    pub(super) largest_file: Placed<Size>,
}

/// True for what a command can be called.
#[must_use]
fn is_name(name: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.as_bytes().iter().all(letter)
        && !name.starts_with('-')
}

/// All commands of the file.
pub(super) fn commands(
    c: &mut Checker<'_>,
    tables: Vec<Spanned<FileCommand>>,
    library: &Path,
) -> Vec<Command> {
    let mut names = HashSet::new();
    let mut commands = Vec::new();
    if let Some(table) = tables.get(MOST_COMMANDS) {
        let place = c.place(table.span().start);
        c.wrong(
            Some(&place),
            format!("more than {MOST_COMMANDS} commands: clients could not be told of them"),
        );
    }
    for table in tables {
        let table = table.into_inner();
        let at = c.place(table.name.span().start);
        let name = table.name.into_inner();
        if !is_name(&name) {
            let what = format!(
                "name = {name:?}: a command is called by letters, digits and -, {LONGEST_NAME} at most"
            );
            c.wrong(Some(&at), what);
        }
        if !names.insert(name.clone()) {
            c.wrong(Some(&at), format!("there are two commands {name:?}"));
        }
        let description = table.description.map_or_else(String::new, |text| {
            let place = c.place(text.span().start);
            let text = text.into_inner();
            if text.len() > LONGEST_DESCRIPTION || text.chars().any(char::is_control) {
                let what = format!("description: one line of {LONGEST_DESCRIPTION} bytes at most");
                c.wrong(Some(&place), what);
            }
            text
        });
        let keys = FileProgram {
            run: table.run,
            user: table.user,
            seconds: table.seconds,
            most_output: table.most_output,
            processes: table.processes,
            memory: table.memory,
            largest_file: table.largest_file,
        };
        if let Some(program) = program(c, keys, library) {
            commands.push(Command {
                name,
                description,
                program,
            });
        }
    }
    commands
}

/// What the keys mean; none when something is wrong with them, which has been said.
pub(super) fn program(c: &mut Checker<'_>, keys: FileProgram, library: &Path) -> Option<Program> {
    let place = c.place(keys.run.span().start);
    let run = keys.run.into_inner();
    if let Err(what) = judge(&run, library) {
        c.wrong(Some(&place), format!("run: {what}"));
    }
    let default = Limits::default();
    let size = |c: &mut Checker<'_>, key: &str, given: Placed<Size>, default: u64| {
        let Some(given) = given else { return default };
        if given.get_ref().0 == 0 {
            let place = c.place(given.span().start);
            c.wrong(Some(&place), format!("{key} = 0 allows nothing"));
        }
        given.into_inner().0
    };
    let limits = Limits {
        seconds: keys.seconds.map_or(default.seconds, |seconds| {
            if !(1..=LONGEST_TIME).contains(seconds.get_ref()) {
                let place = c.place(seconds.span().start);
                let what = format!("seconds: 1 to {LONGEST_TIME}; nothing runs without end");
                c.wrong(Some(&place), what);
            }
            seconds.into_inner()
        }),
        most_output: size(c, "most_output", keys.most_output, default.most_output),
        processes: keys.processes.map_or(default.processes, |processes| {
            if !(1..=10_000).contains(processes.get_ref()) {
                let place = c.place(processes.span().start);
                c.wrong(Some(&place), "processes: 1 to 10000");
            }
            processes.into_inner()
        }),
        memory: size(c, "memory", keys.memory, default.memory),
        largest_file: size(c, "largest_file", keys.largest_file, default.largest_file),
    };
    let identity = match user(keys.user.as_ref().map(Spanned::get_ref)) {
        Ok(identity) => identity,
        Err(what) => {
            let at = keys.user.map(|user| c.place(user.span().start));
            c.wrong(Some(at.as_deref().unwrap_or(&place)), what);
            return None;
        }
    };
    Some(Program {
        run,
        identity,
        limits,
    })
}

/// Who the user of that name is, as whom something is to run.
fn user(name: Option<&String>) -> Result<Option<Identity>, String> {
    match (name, privs::is_root()) {
        (None, true) => Err(
            "the server is started as root, and nothing is run as root: say who with user = \"NAME\""
                .into(),
        ),
        (None, false) => Ok(None),
        (Some(name), root) => {
            let found = Identity::of_user(name)
                .ok_or_else(|| format!("user = {name:?}: there is no such user on this machine"))?;
            if found.uid == 0 || found.gid == 0 {
                return Err(format!(
                    "user = {name:?} is root or in its group: nothing is run as root"
                ));
            }
            match root {
                true => Ok(Some(found)),
                false if found.uid == privs::own_uid() => Ok(None),
                false => Err(format!(
                    "user = {name:?}: only a server that is started as root can run things as somebody else; leave the key out"
                )),
            }
        }
    }
}

/// Whether the command line can be one, and its program is one that nobody can change who should not.
fn judge(run: &[String], library: &Path) -> Result<(), String> {
    let first = run
        .first()
        .ok_or("nothing to run: [\"/path/of/program\", \"argument\", ...]")?;
    if run.len() > MOST_WORDS || run.iter().map(String::len).sum::<usize>() > LONGEST_LINE {
        return Err(format!(
            "at most {MOST_WORDS} words, and {LONGEST_LINE} bytes: put it into a script"
        ));
    }
    if run.iter().any(|word| word.contains('\0')) {
        return Err("a zero byte can stand in no argument".into());
    }
    let path = Path::new(first);
    if !path.is_absolute() {
        return Err(format!(
            "{first:?}: an absolute path, as /usr/bin/df; nothing is looked up, and no shell is there to"
        ));
    }
    let real = path
        .canonicalize()
        .map_err(|error| format!("{first}: {error}"))?;
    let facts = real
        .metadata()
        .map_err(|error| format!("{first}: {error}"))?;
    if !facts.is_file() || facts.permissions().mode() & 0o111 == 0 {
        return Err(format!("{first} is no program: chmod +x, if it is to be"));
    }
    if library
        .canonicalize()
        .is_ok_and(|library| real.starts_with(library))
    {
        return Err(format!(
            "{first} lies in the library, where clients could put another in its place: move it"
        ));
    }
    if facts.permissions().mode() & 0o022 != 0 {
        return Err(format!(
            "others can write to {}: chmod go-w",
            real.display()
        ));
    }
    if facts.uid() != 0 && facts.uid() != privs::own_uid() {
        return Err(format!(
            "{} belongs to somebody who is neither root nor the user who starts the server: chown",
            real.display()
        ));
    }
    match replaceable(&real) {
        Some(folder) => Err(format!(
            "everybody can write to {}, and put another program in the place of this one: move it, or chmod o-w",
            folder.display()
        )),
        None => Ok(()),
    }
}

/// A folder on the way to `path` in which anybody could give names away.
fn replaceable(path: &Path) -> Option<PathBuf> {
    let open = |folder: &&Path| {
        // In a sticky folder only the owner of a name changes it.
        folder
            .metadata()
            .is_ok_and(|facts| facts.permissions().mode() & 0o1002 == 0o002)
    };
    path.ancestors().skip(1).find(open).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Flags};
    use super::*;

    fn load(folder: &Path, text: &str) -> Result<Config, String> {
        let file = folder.join("f.toml");
        std::fs::create_dir_all(folder.join("library")).expect("library");
        std::fs::write(&file, format!("library = \"library\"\n{text}")).expect("write");
        let flags = Flags {
            file: Some(file),
            no_secret: true,
            user: Some("nobody".into()),
            ..Flags::default()
        };
        Config::load(&flags).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })
    }

    fn user_line() -> &'static str {
        if privs::is_root() {
            "user = \"nobody\"\n"
        } else {
            ""
        }
    }

    fn script(folder: &Path, name: &str, mode: u32) -> String {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(&path, "#!/bin/sh\n").expect("script");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("chmod");
        path.display().to_string()
    }

    #[test]
    fn a_command_has_limits_even_if_nobody_wrote_any() {
        let folder = tempfile::tempdir().expect("folder");
        let text = format!(
            "most_commands = 3\n[[command]]\nname = \"disk\"\nrun = [\"/bin/sh\", \"-c\", \"df\"]\n{}\n[[command]]\nname = \"b-2\"\nrun = [\"/bin/sh\"]\nseconds = 5\nmost_output = \"2 KiB\"\nprocesses = 7\nmemory = \"1 MiB\"\nlargest_file = 9\ndescription = \"B\"\n{}",
            user_line(),
            user_line()
        );
        let config = load(folder.path(), &text).expect("config");
        assert_eq!((config.commands.len(), config.most_commands), (2, 3));
        let [disk, other] = &config.commands[..] else {
            panic!("{config:?}")
        };
        assert_eq!(disk.program.limits, Limits::default());
        assert_eq!(disk.program.run, ["/bin/sh", "-c", "df"]);
        assert_eq!(disk.program.identity.is_some(), privs::is_root());
        let limits = Limits {
            seconds: 5,
            most_output: 2048,
            processes: 7,
            memory: 1 << 20,
            largest_file: 9,
        };
        assert_eq!(
            (other.program.limits, other.description.as_str()),
            (limits, "B")
        );
    }

    #[test]
    fn what_is_unsafe_or_cannot_be_is_refused_with_its_line() {
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        std::fs::set_permissions(at, PermissionsExt::from_mode(0o755)).expect("chmod");
        let open = script(at, "open", 0o757);
        let grouped = script(at, "grouped", 0o775);
        let plain = script(at, "plain", 0o644);
        let inside = script(at, "library/inside", 0o755);
        let replaced = script(at, "anybody/replaced", 0o755);
        std::fs::set_permissions(at.join("anybody"), PermissionsExt::from_mode(0o777))
            .expect("chmod");
        std::os::unix::fs::symlink(&open, at.join("link")).expect("link");
        let link = at.join("link").display().to_string();
        for (run, word) in [
            ("[]", "nothing to run"),
            ("[\"df\"]", "absolute"),
            ("[\"./df\"]", "absolute"),
            ("[\"/nowhere/df\"]", "No such file"),
            ("[\"/bin\"]", "no program"),
            (&format!("[{plain:?}]"), "chmod +x"),
            (&format!("[{open:?}]"), "chmod go-w"),
            (&format!("[{grouped:?}]"), "chmod go-w"),
            (&format!("[{link:?}]"), "chmod go-w"),
            (&format!("[{inside:?}]"), "lies in the library"),
            (&format!("[{replaced:?}]"), "everybody can write"),
            ("[\"/bin/sh\", \"a\\u0000b\"]", "zero byte"),
        ] {
            let text = format!("[[command]]\nname = \"x\"\nrun = {run}\n{}", user_line());
            let said = load(at, &text).expect_err(run);
            assert!(said.contains("f.toml:4: ") && said.contains(word), "{said}");
        }
        for (keys, line, word) in [
            ("name = \"a b\"\nrun = [\"/bin/sh\"]", 3, "letters"),
            ("name = \"\"\nrun = [\"/bin/sh\"]", 3, "letters"),
            ("name = \"-x\"\nrun = [\"/bin/sh\"]", 3, "letters"),
            ("run = [\"/bin/sh\"]", 2, "name"),
            (
                "name = \"x\"\nrun = [\"/bin/sh\"]\nseconds = 0",
                5,
                "seconds",
            ),
            (
                "name = \"x\"\nrun = [\"/bin/sh\"]\nprocesses = 0",
                5,
                "processes",
            ),
            (
                "name = \"x\"\nrun = [\"/bin/sh\"]\nmost_output = 0",
                5,
                "most_output",
            ),
            ("name = \"x\"\nrun = [\"/bin/sh\"]\nmemory = 0", 5, "memory"),
            (
                "name = \"x\"\nrun = [\"/bin/sh\"]\nshell = true",
                5,
                "shell",
            ),
            (
                "name = \"x\"\nrun = [\"/bin/sh\"]\ndescription = \"a\\nb\"",
                5,
                "one line",
            ),
            (
                "name = \"x\"\nrun = [\"/bin/sh\"]\nuser = \"root\"",
                5,
                "root",
            ),
            (
                "name = \"x\"\nrun = [\"/bin/sh\"]\nuser = \"nobody-here\"",
                5,
                "no such user",
            ),
        ] {
            let said = load(at, &format!("[[command]]\n{keys}")).expect_err(keys);
            assert!(
                said.contains(&format!("f.toml:{line}: ")) && said.contains(word),
                "{keys}: {said}"
            );
        }
        let twice = format!(
            "[[command]]\nname = \"x\"\nrun = [\"/bin/sh\"]\n{0}[[command]]\nname = \"x\"\nrun = [\"/bin/sh\"]\n{0}",
            user_line()
        );
        assert!(
            load(at, &twice)
                .expect_err("twice")
                .contains("two commands")
        );
        if privs::is_root() {
            let text = "[[command]]\nname = \"x\"\nrun = [\"/bin/sh\"]\n";
            let said = load(at, text).expect_err("root");
            assert!(
                said.contains("f.toml:4: ") && said.contains("user = "),
                "{said}"
            );
        }
        let unknown = "[anonymous]\ncommands = [\"disk\"]\n";
        let said = load(at, unknown).expect_err("unknown");
        assert!(
            said.contains("f.toml:3: ") && said.contains("[[command]]"),
            "{said}"
        );
    }
}
