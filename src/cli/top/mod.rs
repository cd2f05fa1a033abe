//! `forkftpd top`: who is there and how much moves, again and again. On a terminal a view that is drawn anew and hears keys;
//! otherwise one table after the other.

mod rates;
mod view;

use super::who::{self, Server};
use crate::control::{Reply, Request, Whom};
use crate::sys::{signal, terminal};
use clap::Args;
use jiff::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use rates::Sample;
use std::io::{IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};
use view::{View, Wish};

/// The other screen, without a cursor, and without what is too long for a line going on in the next.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub(super) struct Top {
    /// Seconds from one look to the next, also 0.5.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
    /// Print one table, with the rates of one interval, and end.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    server: Server,
}

const KEYS: &str = "\
Keys: s sorts by rate, by user or by age; k asks for a number, asks once more, and ends that session; p pauses; q quits. \
Where standard input or output is no terminal, one table an interval is printed.";

fn interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if !(0.1..=3600.0).contains(&seconds) {
        return Err("from 0.1 to 3600 seconds".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Shows it until somebody has seen enough.
///
/// # Errors
/// Lines for people: why there is nothing to be seen.
pub(super) fn run(top: &Top) -> Result<(), Vec<String>> {
    let first = look(&top.server)?;
    let is_live = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if is_live && !top.once {
        return live(top, first);
    }
    let mut last = first;
    loop {
        std::thread::sleep(top.interval);
        let now = look(&top.server)?;
        let mut view = View::default();
        view.see(Some(&last), &now);
        let mut text = view.table(Timestamp::now()).join("\n");
        text.push('\n');
        if !top.once {
            text.push('\n');
        }
        // A reader that has gone has seen enough.
        if std::io::stdout().lock().write_all(text.as_bytes()).is_err() || top.once {
            return Ok(());
        }
        last = now;
    }
}

fn look(server: &Server) -> Result<Sample, Vec<String>> {
    match who::ask(server, &Request::Who {})? {
        Reply::Who(status) => Ok(Sample::of(status)),
        other => Err(vec![who::unasked(&other)]),
    }
}

/// The terminal while it shows the view.
struct Screen(terminal::Keys);

impl Screen {
    fn enter() -> Result<Screen, Vec<String>> {
        // A panic ends this program without dropping anything.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            hook(panic);
        }));
        let keys = terminal::Keys::listen();
        let keys = keys.map_err(|errno| vec![format!("terminal: {}", errno.desc())])?;
        show(ENTER)?;
        Ok(Screen(keys))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    let _ = show(LEAVE);
    terminal::give_back();
}

fn show(text: &str) -> Result<(), Vec<String>> {
    let mut to = std::io::stdout().lock();
    let shown = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    shown.map_err(|error| vec![format!("terminal: {error}")])
}

fn live(top: &Top, first: Sample) -> Result<(), Vec<String>> {
    let pipe = |signal| signal::as_pipe(signal).map_err(|error| vec![format!("signals: {error}")]);
    let mut resized = pipe(Signal::SIGWINCH)?;
    let mut ends = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .map(pipe)
        .collect::<Result<Vec<_>, _>>()?;
    let _screen = Screen::enter()?;
    let mut view = View::default();
    view.see(None, &first);
    let mut last = first;
    // The first rates are soon there.
    let mut due = Instant::now() + top.interval.min(Duration::from_secs(1));
    loop {
        let (lines, _) = terminal::size(std::io::stdout().as_fd()).unwrap_or((24, 80));
        show(&view.screen(lines, Timestamp::now()))?;
        let left = due.saturating_duration_since(Instant::now());
        match wait(left, &ends, &resized)? {
            None => {}
            Some(keys) => {
                for key in keys {
                    match view.press(key) {
                        Wish::Nothing => {}
                        Wish::Quit => return Ok(()),
                        Wish::End(session) => {
                            let kick = Request::Kick(Whom::Session(session));
                            view.say(match who::ask(&top.server, &kick) {
                                Ok(Reply::Kicked { .. }) => format!("session {session} ended"),
                                Ok(other) => who::unasked(&other),
                                Err(why) => why.join("; "),
                            });
                        }
                    }
                }
            }
        }
        let _ = resized.take();
        if ends.iter_mut().any(signal::Pipe::take) {
            return Ok(());
        }
        if Instant::now() < due {
            continue;
        }
        due = Instant::now() + top.interval;
        if view.is_held() {
            continue;
        }
        match look(&top.server) {
            Ok(now) => {
                view.see(Some(&last), &now);
                last = now;
            }
            // It may be starting again.
            Err(why) => view.say(why.join("; ")),
        }
    }
}

/// Waits for keys, a signal, or until so much time is over. The keys, if any; at the end of the terminal, the one that quits.
fn wait(
    left: Duration,
    ends: &[signal::Pipe],
    resized: &signal::Pipe,
) -> Result<Option<Vec<u8>>, Vec<String>> {
    let stdin = std::io::stdin();
    let mut fds = vec![PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let pipes = ends.iter().chain([resized]);
    fds.extend(pipes.map(|pipe| PollFd::new(pipe.0.as_fd(), PollFlags::POLLIN)));
    // Not a moment too early, or it would be asked in vain.
    let millis = left.as_millis().min(60_000) as i32 + 1;
    match poll(
        &mut fds,
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX),
    ) {
        Ok(_) if fds[0].any() == Some(true) => {
            let mut keys = [0; 64];
            match nix::unistd::read(stdin.as_fd(), &mut keys) {
                Ok(0) | Err(_) => Ok(Some(vec![view::QUIT])),
                Ok(got) => Ok(Some(keys[..got].to_vec())),
            }
        }
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(None),
        Err(errno) => Err(vec![format!("terminal: {}", errno.desc())]),
    }
}
