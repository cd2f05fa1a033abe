//! `forkftpd who`, `forkftpd metrics` and `forkftpd kick`: one question to the listener's control socket, and its answer for people or for programs.

use super::table::aligned;
use crate::client::show;
use crate::config::{Config, DEFAULT_FILE, Problem};
use crate::control::{Reply, Request, Session, Status, Whom};
use crate::wire::SessionId;
use clap::Args;
use jiff::Timestamp;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the listener may take: longer than it gives us.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the listener is asked, for every command that asks it.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// Configuration file of the server, which names its control socket.
    #[arg(short, long, value_name = "FILE", conflicts_with = "control", help = format!("Configuration file of the server, which names its control socket [default: {DEFAULT_FILE} if it is there]"))]
    config: Option<PathBuf>,
    /// The control socket itself.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Who {
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
#[command(after_help = TEXTFILE)]
pub(super) struct Metrics {
    #[command(flatten)]
    server: Server,
}

const TEXTFILE: &str = "\
For node_exporter's textfile collector, from cron or a timer: forkftpd metrics >FOLDER/forkftp.new && mv FOLDER/forkftp.new FOLDER/forkftp.prom";

#[derive(Debug, Args)]
pub(super) struct Kick {
    #[command(flatten)]
    whom: Chosen,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Chosen {
    /// The session that the child with this process id serves.
    #[arg(long, value_name = "N")]
    pid: Option<i32>,
    /// The session of this name, as in the log and in who.
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// All sessions of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// All sessions from this address.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
}

impl Chosen {
    fn whom(&self) -> Option<Whom> {
        let user = self.user.clone().map(Whom::User);
        let address = self.address.map(Whom::Address);
        let session = self.session.map(Whom::Session);
        self.pid.map(Whom::Pid).or(session).or(user).or(address)
    }
}

/// The answer to `who`, as text.
///
/// # Errors
/// Lines for people: why there is none.
pub(super) fn who(asked: &Who) -> Result<String, Vec<String>> {
    match ask(&asked.server, &Request::Who {})? {
        Reply::Who(status) if asked.json => {
            let text = serde_json::to_string(&status).map_err(|error| vec![error.to_string()])?;
            Ok(text + "\n")
        }
        Reply::Who(status) => Ok(table(&status, Timestamp::now())),
        other => Err(vec![unasked(&other)]),
    }
}

/// The answer to `metrics`, which is text.
///
/// # Errors
/// Lines for people: why there is none.
pub(super) fn metrics(asked: &Metrics) -> Result<String, Vec<String>> {
    match ask(&asked.server, &Request::Metrics {})? {
        Reply::Metrics { text } => Ok(text),
        other => Err(vec![unasked(&other)]),
    }
}

/// The answer to `kick`, as text.
///
/// # Errors
/// Lines for people: why nobody was ended.
pub(super) fn kick(asked: &Kick) -> Result<String, Vec<String>> {
    let whom = asked.whom.whom();
    let whom =
        whom.ok_or_else(|| vec!["say whom: --session, --pid, --user or --address".to_owned()])?;
    match ask(&asked.server, &Request::Kick(whom))? {
        Reply::Kicked { sessions } => {
            let number = show::count(u64::from(sessions), "session", "sessions");
            Ok(format!("{number} ended\n"))
        }
        other => Err(vec![unasked(&other)]),
    }
}

pub(super) fn unasked(reply: &Reply) -> String {
    match reply {
        Reply::Refused { message } => show::clean(message.as_bytes()),
        _ => "the server answered another question".to_owned(),
    }
}

pub(super) fn ask(server: &Server, request: &Request) -> Result<Reply, Vec<String>> {
    let path = socket(server)?;
    exchange(&path, request).map_err(|error| {
        let at = path.display();
        vec![match error.kind() {
            ErrorKind::NotFound => format!("control socket {at}: it is not there; the server is not running, was started without control, or with another"),
            ErrorKind::ConnectionRefused => format!("control socket {at}: no server answers there; it is not running"),
            ErrorKind::PermissionDenied => format!("control socket {at}: permission denied; only root and the server's own user may ask"),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("control socket {at}: no answer within {} seconds", PATIENCE.as_secs()),
            _ => format!("control socket {at}: {error}"),
        }]
    })
}

fn socket(server: &Server) -> Result<PathBuf, Vec<String>> {
    if let Some(path) = &server.control {
        return Ok(path.clone());
    }
    let named = server.config.as_deref();
    let control = Config::control_of(named)
        .map_err(|problems| problems.iter().map(Problem::to_string).collect::<Vec<_>>())?;
    control.ok_or_else(|| {
        let file = named.unwrap_or(Path::new(DEFAULT_FILE)).display();
        vec![format!(
            "{file} names no control socket: set control = \"/run/forkftpd.control\" there and start the server again, or name the socket with --control"
        )]
    })
}

/// One question to the server at this socket, and its answer.
///
/// # Errors
/// As connect(2), and what is no answer.
pub(super) fn exchange(path: &Path, request: &Request) -> std::io::Result<Reply> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    match (&stream).write_all(line.as_bytes()) {
        // Turned away before it was asked: the answer says why.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written?,
    }
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if !answer.ends_with('\n') {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&answer)?)
}

/// Everything for people: a table, and a line about the server.
fn table(status: &Status, now: Timestamp) -> String {
    const HEAD: [&str; 9] = [
        "PID",
        "PROTOCOL",
        "ADDRESS",
        "USER",
        "STATE",
        "RECEIVED",
        "SENT",
        "CONNECTED",
        "SESSION",
    ];
    // Numbers stand at the right.
    const RIGHT: [bool; 9] = [true, false, false, false, false, true, true, true, false];
    let mut text = String::new();
    if !status.sessions.is_empty() {
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(status.sessions.iter().map(|session| row(session, now)));
        for line in aligned(&rows, RIGHT) {
            text += &line;
            text.push('\n');
        }
    }
    let sessions = show::count(status.sessions.len() as u64, "session", "sessions");
    let warm = match status.warm {
        0 => String::new(),
        warm => format!(", {warm} warm"),
    };
    text + &format!(
        "{sessions}{warm}; at most {} clients, {} from one address; forkftpd {} runs for {} with pid {}\n",
        status.max_clients,
        status.max_per_address,
        show::clean(status.version.as_bytes()),
        ago(&status.started, now),
        status.pid,
    )
}

fn row(session: &Session, now: Timestamp) -> [String; 9] {
    let clean = |text: &str| show::clean(text.as_bytes());
    let named = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), clean);
    [
        session.pid.to_string(),
        named(&session.protocol),
        clean(&session.address),
        named(&session.user),
        format!(
            "{} {}",
            session.state.as_str(),
            duration(session.state_seconds)
        ),
        show::size(session.received),
        show::size(session.sent),
        ago(&session.since, now),
        session.session.to_string(),
    ]
}

/// How long ago a moment was.
pub(super) fn ago(moment: &str, now: Timestamp) -> String {
    moment.parse::<Timestamp>().map_or_else(
        |_| "-".to_owned(),
        |moment| duration(now.duration_since(moment).as_secs().max(0).unsigned_abs()),
    )
}

/// Seconds for people: `7s`, `12m05s`, `3h07m`, `9d04h`.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::State;

    #[test]
    fn durations() {
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3599, "59m59s"),
            (3600, "1h00m"),
            (86_399, "23h59m"),
            (86_400, "1d00h"),
            (u64::MAX, "213503982334601d07h"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
    }

    #[test]
    fn the_table_is_aligned_and_harmless() {
        let session = |pid, user: Option<&str>, sent| Session {
            session: SessionId::new(0x6920_6f41, 7),
            pid,
            protocol: Some("drive".into()),
            address: "127.0.0.1:50000".into(),
            user: user.map(str::to_owned),
            state: State::Busy,
            state_seconds: 75,
            received: 10,
            sent,
            since: "2026-05-01T10:00:00.500Z".into(),
        };
        let mut status = Status {
            version: "1.2.3".into(),
            pid: 900,
            started: "2026-04-30T10:00:01Z".into(),
            clients: 2,
            warm: 3,
            max_clients: 10,
            max_per_address: 5,
            sessions: vec![
                session(7, None, 1 << 20),
                session(4711, Some("a\x1b[31m\u{202e}ü"), 5),
            ],
        };
        let now = "2026-05-01T10:02:01Z".parse().expect("time");
        assert_eq!(
            table(&status, now),
            "\x20PID  PROTOCOL  ADDRESS          USER                STATE       RECEIVED     SENT  CONNECTED  SESSION
   7  drive     127.0.0.1:50000  -                   busy 1m15s      10 B  1.0 MiB      2m00s  69206f41-7
4711  drive     127.0.0.1:50000  a\\x1b[31m\\u{202e}ü  busy 1m15s      10 B      5 B      2m00s  69206f41-7
2 sessions, 3 warm; at most 10 clients, 5 from one address; forkftpd 1.2.3 runs for 1d00h with pid 900
"
        );
        status.sessions.clear();
        status.warm = 0;
        assert_eq!(
            table(&status, now),
            "0 sessions; at most 10 clients, 5 from one address; forkftpd 1.2.3 runs for 1d00h with pid 900\n"
        );
    }
}
