//! What each command of the shell does. Run by the shell; the work is in `listing`, `download`,
//! `upload` and `removal`.

use super::menu::{self, Line, Takes};
use super::{Shell, complete, print, words};
use crate::client::exit::Exit;
use crate::client::report::{self, Report, say};
use crate::client::url::target;
use crate::client::{
    Client, Error, Result, command, download, listing, local, moment, removal, show, stating,
    upload,
};
use crate::digest::Kind;
use crate::error::Code;
use crate::sys::file::Stamp;
use crate::wire::drive::Type;
use crate::wire::path::RelPath;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

impl Shell {
    /// Runs one command; returns its word for messages.
    pub(super) fn run_command(&self, line: Line) -> (&'static str, Result<Exit>) {
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
            Line::Mkdir { path, parents } => ("mkdir", self.make_folder(&path, parents)),
            Line::Mv {
                from,
                to,
                overwrite,
            } => ("mv", self.rename(&from, &to, overwrite)),
            Line::Rm {
                names,
                recursive,
                force,
            } => ("rm", self.remove(&names, recursive, force)),
            Line::Stat { name } => ("stat", self.stat(&name)),
            Line::Touch { name, time } => ("touch", self.touch(&name, time)),
            Line::Lcd { path } => ("lcd", lcd(path)),
            Line::Lls { path } => ("lls", lls(path.as_deref().unwrap_or(Path::new(".")))),
            Line::Run { name, raw } => ("run", self.run_there(name.as_deref(), raw)),
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
            names = self.ask("file to get: ", Takes::Remote { folders: false })?;
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
                .ask("file to put: ", Takes::Local { folders: false })?
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
        remote.forget();
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
            && download::is_file(remote.link.client()?, &path)?
        {
            return Err(Error::Refused(Code::NotFolder.into()));
        }
        remote.remember(&path, entries);
        remote.here = path;
        Ok(Exit::Done)
    }

    fn make_folder(&self, path: &OsStr, parents: bool) -> Result<Exit> {
        let path = self.path(path.as_bytes())?;
        self.change(|client| client.make_folder(&path, parents))
    }

    fn rename(&self, from: &OsStr, to: &OsStr, overwrite: bool) -> Result<Exit> {
        let from = self.path(from.as_bytes())?;
        let mut to_path = self.path(to.as_bytes())?;
        if to.as_bytes().ends_with(b"/") {
            to_path = target(&to_path, &from, b"/").map_err(Error::here)?;
        }
        self.change(|client| client.rename(&from, &to_path, overwrite))
    }

    fn remove(&self, names: &[OsString], recursive: bool, force: bool) -> Result<Exit> {
        let paths = names.iter().map(|name| self.path(name.as_bytes()));
        let job = removal::Job {
            paths: paths.collect::<Result<_>>()?,
            recursive,
            force,
        };
        let report = removal::report();
        let mut remote = self.remote.borrow_mut();
        remote.forget();
        removal::run(&mut remote.link, &job, &report);
        Ok(report.finish())
    }

    fn stat(&self, name: &OsStr) -> Result<Exit> {
        let path = self.path(name.as_bytes())?;
        stating::run(&mut self.remote.borrow_mut().link, &path, false)?;
        Ok(Exit::Done)
    }

    fn touch(&self, name: &OsStr, time: Option<Stamp>) -> Result<Exit> {
        let path = self.path(name.as_bytes())?;
        let time = time.unwrap_or_else(moment::now);
        self.change(|client| client.set_time(&path, time))
    }

    /// One request that changes something on the server.
    fn change(&self, ask: impl FnOnce(&mut Client) -> Result<()>) -> Result<Exit> {
        let mut remote = self.remote.borrow_mut();
        remote.forget();
        ask(remote.link.client()?)?;
        Ok(Exit::Done)
    }

    fn run_there(&self, name: Option<&str>, raw: bool) -> Result<Exit> {
        let link = &mut self.remote.borrow_mut().link;
        let Some(name) = name else {
            return command::list(link).map(|()| Exit::Done);
        };
        let end = command::run(link, name, raw)?;
        let Some(why) = command::reason(end) else {
            return Ok(Exit::Done);
        };
        say(&format!("run {}: {why}", show::clean(name.as_bytes())));
        Ok(Exit::Refused)
    }

    fn ping(&self) -> Result<Exit> {
        let took = self.remote.borrow_mut().link.client()?.ping()?;
        print(&format!("{:.3} ms\n", took.as_secs_f64() * 1e3));
        Ok(Exit::Done)
    }

    /// Words for a command that came without.
    fn ask(&self, question: &str, about: Takes) -> Result<Vec<OsString>> {
        let nothing = || Error::here("no name given");
        if !self.asks {
            return Err(nothing());
        }
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .build();
        let mut editor: Editor<complete::Names, FileHistory> =
            Editor::with_config(config).map_err(|e| Error::here(e.to_string()))?;
        editor.set_helper(Some(complete::Names {
            remote: self.remote.clone(),
            only: Some(about),
        }));
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
    let no_such = || {
        Error::here(format!(
            "{}: no such command",
            show::clean(command.unwrap_or_default().as_bytes())
        ))
    };
    print(&menu::help(command).ok_or_else(no_such)?);
    Ok(Exit::Done)
}
