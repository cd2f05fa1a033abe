//! The shell: the short numbered menu of the classic socket tutorials, with line editing. Run by `forkftp shell`. Lines come
//! from a person or from a file; each becomes a typed command (`menu`), which `commands` carries out.

mod commands;
mod complete;
mod menu;
mod remote;
mod words;

use super::exit::Exit;
use super::link::Link;
use super::local::Stream;
use super::put::Source;
use super::report::say;
use super::{Interrupt, Result, show};
use menu::Line;
use remote::Remote;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    let remote = Rc::new(RefCell::new(Remote::new(link)));
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
            let user = match &info.user {
                Some(user) => format!(", logged in as {}", show::clean(user.as_bytes())),
                None => String::new(),
            };
            print(&format!(
                "{}: {proof}{user}.\n\n{}\n",
                show::clean(remote.link.url.place.to_string().as_bytes()),
                menu::greeting()
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
            only: None,
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
                Ok(line) => {
                    if let Some(file) = &history {
                        // Not worth a word: nothing is lost but convenience. (The file is made with mode 0600.)
                        let _ = editor.append_history(file);
                    }
                    if self.run_line(&line) == Ok(false) {
                        break;
                    }
                }
                Err(ReadlineError::Interrupted) => print("quit or Ctrl-D leaves\n"),
                Err(ReadlineError::Eof) => break,
                Err(error) => {
                    say(&format!("reading the line: {error}"));
                    return Exit::Local;
                }
            }
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
        let line = match Line::of(split.words) {
            Ok(line) => line,
            Err(error) => {
                let help = !error.use_stderr();
                let text = menu::show_lines(&error.render().to_string());
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
