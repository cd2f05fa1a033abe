//! What the shell understands: the numbered menu, and each line as a typed command. Pure.

use crate::client::{moment, show};
use crate::sys::file::Stamp;
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What a command's words are, for completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Remote { folders: bool },
    Local { folders: bool },
}

/// One row of the menu.
pub(super) struct Row {
    /// The word, then its aliases.
    pub(super) names: &'static [&'static str],
    usage: &'static str,
    help: &'static str,
    pub(super) takes: Takes,
}

/// Everything the shell understands; the first five are the menu. A test holds this and `Line` together.
pub(super) const COMMANDS: [Row; 16] = [
    Row {
        names: &["list", "1", "ls", "dir"],
        usage: "[PATH] [-l] [-r]",
        help: "what is in the folder on the server",
        takes: Takes::Remote { folders: false },
    },
    Row {
        names: &["get", "2"],
        usage: "NAME... [-r] [-o PATH] [--resume] [--overwrite]",
        help: "get files",
        takes: Takes::Remote { folders: false },
    },
    Row {
        names: &["put", "3"],
        usage: "FILE... [-r] [-o NAME] [--resume] [--overwrite]",
        help: "put files",
        takes: Takes::Local { folders: false },
    },
    Row {
        names: &["help", "4", "?"],
        usage: "[COMMAND]",
        help: "all commands, or one of them",
        takes: Takes::Nothing,
    },
    Row {
        names: &["quit", "5", "exit", "bye"],
        usage: "",
        help: "leave (Ctrl-D too)",
        takes: Takes::Nothing,
    },
    Row {
        names: &["cd"],
        usage: "[PATH]",
        help: "go to another folder on the server",
        takes: Takes::Remote { folders: true },
    },
    Row {
        names: &["pwd"],
        usage: "",
        help: "the folder on the server",
        takes: Takes::Nothing,
    },
    Row {
        names: &["mkdir"],
        usage: "PATH [-p]",
        help: "make a folder on the server",
        takes: Takes::Remote { folders: true },
    },
    Row {
        names: &["mv", "rename"],
        usage: "FROM TO [--overwrite]",
        help: "give a file or folder another name",
        takes: Takes::Remote { folders: false },
    },
    Row {
        names: &["rm", "del"],
        usage: "NAME... [-r] [-f]",
        help: "remove files and folders",
        takes: Takes::Remote { folders: false },
    },
    Row {
        names: &["stat"],
        usage: "NAME",
        help: "what is under a name",
        takes: Takes::Remote { folders: false },
    },
    Row {
        names: &["touch"],
        usage: "NAME [--time TIME]",
        help: "set the time of a file",
        takes: Takes::Remote { folders: false },
    },
    Row {
        names: &["lcd"],
        usage: "[PATH]",
        help: "go to another folder here",
        takes: Takes::Local { folders: true },
    },
    Row {
        names: &["lls"],
        usage: "[PATH]",
        help: "what is in the folder here",
        takes: Takes::Local { folders: true },
    },
    Row {
        names: &["run"],
        usage: "[COMMAND] [--raw]",
        help: "have a command of the server's run",
        takes: Takes::Nothing,
    },
    Row {
        names: &["ping"],
        usage: "",
        help: "how long an echo takes",
        takes: Takes::Nothing,
    },
];

/// A line of the shell.
#[derive(Debug, Parser)]
#[command(
    name = "",
    no_binary_name = true,
    disable_help_subcommand = true,
    disable_version_flag = true
)]
pub(super) enum Line {
    /// What is in a folder on the server.
    #[command(visible_aliases = ["1", "ls", "dir"])]
    List {
        /// The folder; the current one without it.
        path: Option<OsString>,
        /// With size and time.
        #[arg(short)]
        long: bool,
        /// With everything below.
        #[arg(short)]
        recursive: bool,
    },
    /// Get files into the current folder here.
    #[command(visible_alias = "2")]
    Get {
        /// Files on the server.
        names: Vec<OsString>,
        /// Another folder, or another name for a single file.
        #[arg(short, value_name = "PATH")]
        output: Option<PathBuf>,
        /// Folders, with everything below.
        #[arg(short)]
        recursive: bool,
        /// Go on with downloads that were cut.
        #[arg(long)]
        resume: bool,
        /// Replace files that are here already.
        #[arg(long)]
        overwrite: bool,
    },
    /// Put files into the current folder on the server.
    #[command(visible_alias = "3")]
    Put {
        /// Files here.
        files: Vec<PathBuf>,
        /// Another folder on the server (with a slash at its end), or another name for a single file.
        #[arg(short, value_name = "PATH")]
        output: Option<OsString>,
        /// Folders, with everything below.
        #[arg(short)]
        recursive: bool,
        /// Go on with uploads that were cut.
        #[arg(long)]
        resume: bool,
        /// Replace files that are there already.
        #[arg(long)]
        overwrite: bool,
    },
    /// All commands, or one of them.
    #[command(visible_aliases = ["4", "?"])]
    Help {
        /// The command.
        command: Option<String>,
    },
    /// Leave.
    #[command(visible_aliases = ["5", "exit", "bye"])]
    Quit,
    /// Go to another folder on the server.
    Cd {
        /// The folder; the root without it.
        path: Option<OsString>,
    },
    /// The folder on the server.
    Pwd,
    /// Make a folder on the server.
    Mkdir {
        /// The folder.
        path: OsString,
        /// Make the folders on the way, and do not mind if it is there.
        #[arg(short)]
        parents: bool,
    },
    /// Give a file or folder on the server another name.
    #[command(visible_alias = "rename")]
    Mv {
        /// The file or folder.
        from: OsString,
        /// Its new name; with a slash at the end, the folder to go to.
        to: OsString,
        /// Replace a file of that name.
        #[arg(long)]
        overwrite: bool,
    },
    /// Remove files and empty folders on the server.
    #[command(visible_alias = "del")]
    Rm {
        /// Files and folders.
        #[arg(required = true)]
        names: Vec<OsString>,
        /// Folders with all that is in them.
        #[arg(short)]
        recursive: bool,
        /// Do not mind what is not there.
        #[arg(short)]
        force: bool,
    },
    /// What is under a name on the server.
    Stat {
        /// File or folder.
        name: OsString,
    },
    /// Set the time of a file on the server.
    Touch {
        /// The file.
        name: OsString,
        /// The time, as in 2026-05-01T13:45:07Z; now without it.
        #[arg(long, value_parser = moment::parse)]
        time: Option<Stamp>,
    },
    /// Go to another folder here.
    Lcd {
        /// The folder; the home folder without it.
        path: Option<PathBuf>,
    },
    /// What is in a folder here.
    Lls {
        /// The folder; the current one without it.
        path: Option<PathBuf>,
    },
    /// Have a command of the server's operator run.
    Run {
        /// The command; without one those are listed that may be run.
        name: Option<String>,
        /// Let output through as it comes, with the control characters that it may have.
        #[arg(long)]
        raw: bool,
    },
    /// How long an echo takes.
    Ping,
}

impl Line {
    /// The command in these words.
    ///
    /// # Errors
    /// What is wrong with them, or the help that was asked for, as clap has it.
    pub(super) fn of(words: Vec<Vec<u8>>) -> Result<Line, clap::Error> {
        Line::try_parse_from(words.into_iter().map(OsString::from_vec))
    }
}

/// All commands, or the options of one; None when there is none of that name.
pub(super) fn help(command: Option<&str>) -> Option<String> {
    match command {
        None => Some(table(&COMMANDS)),
        Some(name) => Line::command()
            .find_subcommand_mut(name)
            .map(|command| command.render_help().to_string()),
    }
}

/// The menu as it greets.
pub(super) fn greeting() -> String {
    let mut text = String::new();
    for row in &COMMANDS[..5] {
        text += &format!("  {} {:<6}{}\n", row.names[1], row.names[0], row.help);
    }
    text
}

fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let (word, aliases) = (row.names[0], row.names[1..].join(", "));
        text += &format!("  {:<56} {}\n", format!("{word} {}", row.usage), row.help);
        if !aliases.is_empty() {
            text += &format!("  {:>56} also: {aliases}\n", "");
        }
    }
    text + "\nNames with spaces stand in quotes, or take a backslash before each space; \\xNN is any byte. Tab completes names.\n"
}

/// Text of several lines, each made harmless: clap repeats what was typed.
pub(super) fn show_lines(text: &str) -> String {
    text.lines()
        .map(|line| show::clean(line.as_bytes()) + "\n")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    #[test]
    fn the_menu_and_the_parser_know_the_same_words() {
        let parser = Line::command();
        for row in &COMMANDS {
            let command = parser.find_subcommand(row.names[0]).expect("a command");
            let mut known: Vec<_> = std::iter::once(command.get_name())
                .chain(command.get_all_aliases())
                .collect();
            let mut shown = row.names.to_vec();
            known.sort_unstable();
            shown.sort_unstable();
            assert_eq!(known, shown);
        }
        assert_eq!(parser.get_subcommands().count(), COMMANDS.len());
        Line::command().debug_assert();
    }

    #[test]
    fn lines_parse() {
        let parse = |line: &str| {
            Line::try_parse_from(words::split(line).words.into_iter().map(OsString::from_vec))
        };
        assert!(matches!(parse("1"), Ok(Line::List { path: None, .. })));
        assert!(
            matches!(parse("ls -lr 'a b'"), Ok(Line::List { path: Some(path), long: true, recursive: true }) if path == "a b")
        );
        assert!(
            matches!(parse("2 a b --resume"), Ok(Line::Get { names, resume: true, .. }) if names.len() == 2)
        );
        assert!(
            matches!(parse("put -o x/ -- -a"), Ok(Line::Put { files, .. }) if files == [PathBuf::from("-a")])
        );
        assert!(
            matches!(parse("rm -rf a b"), Ok(Line::Rm { names, recursive: true, force: true }) if names.len() == 2)
        );
        for bad in ["rm", "mv a", "touch a --time 5", "mkdir", "stat"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("frobnicate").is_err());
        assert!(parse("quit now").is_err());
    }
}
