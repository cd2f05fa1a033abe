//! The shell: the short numbered menu of the classic socket tutorials, with line editing. Run by `forkftp shell`. Each line
//! becomes a typed command; what it does is in `listing`, `download` and `upload`.

use super::exit::Exit;
use super::link::Link;
use super::local::{self, Stream};
use super::put::Source;
use super::report::{self, Report, say};
use super::{
    Error, GetRequest, Interrupt, Result, complete, download, listing, show, upload, words,
};
use crate::digest::Kind;
use crate::error::Code;
use crate::wire::drive::Type;
use crate::wire::path::RelPath;
use clap::{CommandFactory, Parser};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
pub(super) const COMMANDS: [Row; 10] = [
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
enum Line {
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
    /// How long an echo takes.
    Ping,
}

/// The server's side of the shell.
#[derive(Debug)]
pub(super) struct Remote {
    link: Link,
    here: RelPath,
    /// Names by folder, and which of them are folders; for completion.
    cache: HashMap<Vec<u8>, Vec<(Vec<u8>, bool)>>,
}

/// Most names that are kept for completion.
const CACHED: usize = 100_000;
/// How long completion waits for the server.
const COMPLETION_WAIT: Duration = Duration::from_secs(2);

impl Remote {
    pub(super) fn resolve(&self, typed: &[u8]) -> std::result::Result<RelPath, String> {
        complete::resolve(&self.here, typed)
    }

    /// Names in `path`, from the cache or from the server if it answers soon.
    pub(super) fn names(&mut self, path: &RelPath) -> &[(Vec<u8>, bool)] {
        if !self.cache.contains_key(path.as_bytes()) {
            let names = self
                .link
                .patiently(COMPLETION_WAIT, |client| client.list_all(path, false).ok())
                .flatten();
            let Some((entries, _)) = names else {
                return &[];
            };
            self.remember(
                path,
                entries
                    .into_iter()
                    .map(|entry| (entry.name.0, entry.kind == Type::Folder))
                    .collect(),
            );
        }
        self.cache.get(path.as_bytes()).map_or(&[], Vec::as_slice)
    }

    fn remember(&mut self, path: &RelPath, names: Vec<(Vec<u8>, bool)>) {
        if self.cache.values().map(Vec::len).sum::<usize>() + names.len() > CACHED {
            self.cache.clear();
        }
        if names.len() <= CACHED {
            self.cache.insert(path.as_bytes().to_vec(), names);
        }
    }
}

struct Shell {
    remote: Rc<RefCell<Remote>>,
    /// A person types, so questions can be asked.
    asks: bool,
}

/// Runs the shell until its user leaves, or standard input ends. `flag` is the interrupt flag of the link's options: Ctrl-C
/// ends what is under way, and the shell goes on.
pub fn run(link: Link, flag: &Arc<AtomicBool>) -> Exit {
    let interrupt = link.options.interrupt.clone();
    let asks = std::io::stdin().is_terminal();
    let here = link.url.path.clone();
    let remote = Rc::new(RefCell::new(Remote {
        link,
        here,
        cache: HashMap::new(),
    }));
    let shell = Shell {
        remote: remote.clone(),
        asks,
    };
    if let Err(error) = shell.greet() {
        say(&error.to_string());
        return Exit::of(&error);
    }
    let exit = if asks {
        shell.converse(flag)
    } else {
        shell.obey(&interrupt)
    };
    remote.borrow_mut().link.leave();
    exit
}

impl Shell {
    fn greet(&self) -> Result<()> {
        let mut remote = self.remote.borrow_mut();
        remote.link.client()?;
        let Some(info) = remote.link.info() else {
            return Ok(());
        };
        if info.secret_unused {
            say("the server did not ask for the secret: it has not proved who it is");
        }
        if self.asks {
            let proof = info
                .proved_by()
                .map_or("no proof asked for".to_owned(), |mac| {
                    format!("both ends proved the secret by {mac}")
                });
            print(&format!(
                "{}: {proof}.\n\n{}\n",
                show::clean(remote.link.url.place.to_string().as_bytes()),
                menu()
            ));
        }
        Ok(())
    }

    /// Lines from a person.
    fn converse(&self, flag: &AtomicBool) -> Exit {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .auto_add_history(true)
            .history_ignore_space(true)
            .build();
        let mut editor: Editor<complete::Names, FileHistory> = match Editor::with_config(config) {
            Ok(editor) => editor,
            Err(error) => {
                say(&format!("this terminal cannot be used: {error}"));
                return Exit::Local;
            }
        };
        editor.set_helper(Some(complete::Names {
            remote: self.remote.clone(),
        }));
        let history = history_file();
        if let Some(file) = &history {
            // There is none the first time.
            let _ = editor.load_history(file);
        }
        loop {
            // What Ctrl-C was for is over.
            flag.store(false, Ordering::Relaxed);
            let prompt = format!(
                "forkftp /{}> ",
                show::clean(self.remote.borrow().here.as_bytes())
            );
            match editor.readline(&prompt) {
                Ok(line) => match self.run_line(&line) {
                    Ok(true) | Err(_) => {}
                    Ok(false) => break,
                },
                Err(ReadlineError::Interrupted) => print("quit or Ctrl-D leaves\n"),
                Err(ReadlineError::Eof) => break,
                Err(error) => {
                    say(&format!("reading the line: {error}"));
                    return Exit::Local;
                }
            }
        }
        if let Some(file) = &history {
            // Not worth a word: nothing is lost but convenience. (The file is made with mode 0600.)
            let _ = editor.append_history(file);
        }
        Exit::Done
    }

    /// Lines from a file or a pipe: the first failure ends it, unless the line begins with a dash.
    fn obey(&self, interrupt: &Interrupt) -> Exit {
        let stdin = match std::io::stdin().as_fd().try_clone_to_owned() {
            Ok(fd) => fd,
            Err(error) => {
                say(&format!("standard input: {error}"));
                return Exit::Local;
            }
        };
        let mut input = Stream::new(stdin, interrupt);
        let (mut buffer, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let end = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => end,
                None if buffer.len() > 64 * 1024 => {
                    say("a line is too long");
                    return Exit::Usage;
                }
                None => match input.read(&mut piece) {
                    Ok(0) if buffer.is_empty() => return Exit::Done,
                    Ok(0) => buffer.len(),
                    Ok(got) => {
                        buffer.extend_from_slice(&piece[..got]);
                        continue;
                    }
                    Err(error) => {
                        say(&error.to_string());
                        return Exit::of(&error);
                    }
                },
            };
            let rest = buffer.split_off((end + 1).min(buffer.len()));
            // Other bytes can be written as \xNN.
            let line = String::from_utf8_lossy(&buffer)
                .trim_end_matches(['\n', '\r'])
                .to_owned();
            buffer = rest;
            let line = line.trim_start();
            if line.starts_with('#') {
                continue;
            }
            let (line, forgiven) = line
                .strip_prefix('-')
                .map_or((line, false), |rest| (rest, true));
            match self.run_line(line) {
                Ok(true) => {}
                Ok(false) => return Exit::Done,
                Err(exit) if forgiven && exit != Exit::Interrupted => {}
                Err(exit) => return exit,
            }
        }
    }

    /// Runs one line. False when it was the last; what went wrong has been said.
    fn run_line(&self, line: &str) -> std::result::Result<bool, Exit> {
        let split = words::split(line);
        if split.unclosed {
            say("a quote is not closed");
            return Err(Exit::Usage);
        }
        if split.words.is_empty() {
            return Ok(true);
        }
        let line = match Line::try_parse_from(split.words.into_iter().map(OsString::from_vec)) {
            Ok(line) => line,
            Err(error) => {
                let help = !error.use_stderr();
                let text = show_lines(&error.render().to_string());
                if help {
                    print(&text);
                    return Ok(true);
                }
                let _ = std::io::stderr().lock().write_all(text.as_bytes());
                return Err(Exit::Usage);
            }
        };
        if matches!(line, Line::Quit) {
            return Ok(false);
        }
        let (verb, outcome) = self.run_command(line);
        match outcome {
            Ok(Exit::Done) => Ok(true),
            Ok(exit) => Err(exit),
            Err(error) => {
                say(&format!("{verb}: {error}"));
                Err(Exit::of(&error))
            }
        }
    }

    fn run_command(&self, line: Line) -> (&'static str, Result<Exit>) {
        match line {
            Line::List {
                path,
                long,
                recursive,
            } => (
                "list",
                self.list(
                    path,
                    listing::Manner {
                        recursive,
                        long,
                        json: false,
                    },
                ),
            ),
            Line::Get {
                names,
                output,
                recursive,
                resume,
                overwrite,
            } => (
                "get",
                self.get(
                    names,
                    output,
                    recursive,
                    local::Manner { overwrite, resume },
                ),
            ),
            Line::Put {
                files,
                output,
                recursive,
                resume,
                overwrite,
            } => ("put", self.put(files, output, recursive, overwrite, resume)),
            Line::Help { command } => ("help", help(command.as_deref())),
            Line::Quit => ("quit", Ok(Exit::Done)),
            Line::Cd { path } => ("cd", self.cd(path)),
            Line::Pwd => {
                print(&format!(
                    "/{}\n",
                    show::clean(self.remote.borrow().here.as_bytes())
                ));
                ("pwd", Ok(Exit::Done))
            }
            Line::Lcd { path } => ("lcd", lcd(path)),
            Line::Lls { path } => ("lls", lls(path.as_deref().unwrap_or(Path::new(".")))),
            Line::Ping => ("ping", self.ping()),
        }
    }

    fn path(&self, typed: &[u8]) -> Result<RelPath> {
        self.remote
            .borrow()
            .resolve(typed)
            .map_err(|why| Error::here(format!("{}: {why}", show::clean(typed))))
    }

    fn list(&self, path: Option<OsString>, manner: listing::Manner) -> Result<Exit> {
        let path = self.path(path.unwrap_or_default().as_bytes())?;
        let unreadable = listing::run(&mut self.remote.borrow_mut().link, &path, manner)?;
        if unreadable > 0 {
            say(&format!(
                "list: the server could not read {}",
                show::count(unreadable, "folder", "folders")
            ));
            return Ok(Exit::Refused);
        }
        Ok(Exit::Done)
    }

    fn get(
        &self,
        mut names: Vec<OsString>,
        output: Option<PathBuf>,
        recursive: bool,
        manner: local::Manner,
    ) -> Result<Exit> {
        if names.is_empty() {
            names = self.ask("file to get: ")?;
        }
        let paths = names
            .iter()
            .map(|name| self.path(name.as_bytes()))
            .collect::<Result<Vec<_>>>()?;
        let output = match output {
            None => download::Output::Folder(".".into()),
            Some(path) if path.as_os_str() == "-" => download::Output::Stdout,
            Some(path) => download::Output::Path(path),
        };
        let job = download::Job {
            paths,
            output,
            recursive,
            manner,
            digest: Kind::default(),
            connections: 1,
        };
        let report = Report::new("get", report::Manner::default());
        download::run(&mut self.remote.borrow_mut().link, &job, &report);
        Ok(report.finish())
    }

    fn put(
        &self,
        mut files: Vec<PathBuf>,
        output: Option<OsString>,
        recursive: bool,
        overwrite: bool,
        resume: bool,
    ) -> Result<Exit> {
        if files.is_empty() {
            files = self
                .ask("file to put: ")?
                .into_iter()
                .map(PathBuf::from)
                .collect();
        }
        if files.iter().any(|file| file.as_os_str() == "-") {
            return Err(Error::here(
                "standard input is where the commands come from",
            ));
        }
        let output = output.unwrap_or_default();
        let to = self.path(output.as_bytes())?;
        let into_folder = output.is_empty()
            || to.is_root()
            || output.as_bytes().ends_with(b"/")
            || files.len() > 1;
        let digest = Kind::default();
        let job = upload::Job {
            files,
            to,
            into_folder,
            recursive,
            overwrite,
            parents: false,
            resume,
            digest,
            connections: 1,
        };
        let report = Report::new("put", report::Manner::default());
        let mut remote = self.remote.borrow_mut();
        remote.cache.clear();
        upload::run(&mut remote.link, &job, &report);
        Ok(report.finish())
    }

    fn cd(&self, path: Option<OsString>) -> Result<Exit> {
        let path = match path {
            Some(path) => self.path(path.as_bytes())?,
            None => RelPath::root(),
        };
        let mut remote = self.remote.borrow_mut();
        // The list is what completion will ask for next.
        let (entries, _) = remote.link.client()?.list_all(&path, false)?;
        let last = path.split_last().map(|(_, last)| last.to_vec());
        if let ([only], Some(last)) = (&entries[..], last)
            && only.kind == Type::File
            && only.name.0 == last
        {
            // Either a file, or a folder with a file of its own name in it.
            let nothing = GetRequest {
                length: Some(0),
                ..GetRequest::whole(path.clone())
            };
            if remote
                .link
                .client()?
                .get_to(&nothing, &mut std::io::sink())
                .is_ok()
            {
                return Err(Error::Refused(Code::NotFolder.into()));
            }
        }
        remote.remember(
            &path,
            entries
                .into_iter()
                .map(|entry| (entry.name.0, entry.kind == Type::Folder))
                .collect(),
        );
        remote.here = path;
        Ok(Exit::Done)
    }

    fn ping(&self) -> Result<Exit> {
        let took = self.remote.borrow_mut().link.client()?.ping()?;
        print(&format!("{:.3} ms\n", took.as_secs_f64() * 1e3));
        Ok(Exit::Done)
    }

    /// Words for a command that came without.
    fn ask(&self, question: &str) -> Result<Vec<OsString>> {
        let nothing = || Error::here("no name given");
        if !self.asks {
            return Err(nothing());
        }
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .build();
        let mut editor: Editor<(), FileHistory> =
            Editor::with_config(config).map_err(|e| Error::here(e.to_string()))?;
        let line = editor.readline(question).map_err(|_| nothing())?;
        let words = words::split(&line).words;
        if words.is_empty() {
            Err(nothing())
        } else {
            Ok(words.into_iter().map(OsString::from_vec).collect())
        }
    }
}

fn lcd(path: Option<PathBuf>) -> Result<Exit> {
    let path = path
        .or_else(|| std::env::var_os("HOME").map(PathBuf::from))
        .ok_or_else(|| Error::here("no home folder is known"))?;
    let say = |e: std::io::Error| match e.raw_os_error() {
        Some(number) => Error::local(
            show::clean(path.as_os_str().as_bytes()),
            crate::sys::Errno::from_raw(number),
        ),
        None => Error::here(e.to_string()),
    };
    std::env::set_current_dir(&path).map_err(say)?;
    let now = std::env::current_dir().map_err(say)?;
    print(&format!("{}\n", show::clean(now.as_os_str().as_bytes())));
    Ok(Exit::Done)
}

fn lls(path: &Path) -> Result<Exit> {
    let folder = local::Folder::open(path)?;
    let mut entries = folder.entries(&RelPath::root())?;
    entries.retain(|(name, _)| !name.starts_with(b"."));
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut text = String::new();
    for (name, facts) in entries {
        text += &show::clean(&name);
        text += if facts.kind == crate::sys::file::Kind::Folder {
            "/\n"
        } else {
            "\n"
        };
    }
    print(&text);
    Ok(Exit::Done)
}

fn help(command: Option<&str>) -> Result<Exit> {
    let Some(name) = command else {
        print(&table(&COMMANDS));
        return Ok(Exit::Done);
    };
    let mut all = Line::command();
    let Some(command) = all.find_subcommand_mut(name) else {
        return Err(Error::here(format!(
            "{}: no such command",
            show::clean(name.as_bytes())
        )));
    };
    print(&command.render_help().to_string());
    Ok(Exit::Done)
}

/// The menu as it greets.
fn menu() -> String {
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
fn show_lines(text: &str) -> String {
    text.lines()
        .map(|line| show::clean(line.as_bytes()) + "\n")
        .collect()
}

fn print(text: &str) {
    let mut to = std::io::stdout().lock();
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

/// Where lines are remembered; None when there is no place for it.
fn history_file() -> Option<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let state = state.or_else(|| {
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"))
    })?;
    let folder = state.join("forkftp");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .ok()?;
    Some(folder.join("history"))
}

#[cfg(test)]
mod tests {
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
        assert!(parse("frobnicate").is_err());
        assert!(parse("quit now").is_err());
    }
}
