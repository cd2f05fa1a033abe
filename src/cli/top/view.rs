//! What `top` shows, and what its keys mean. Pure: text out, keys in.

use super::rates::{Rate, Sample};
use crate::cli::table::aligned;
use crate::cli::who::{ago, duration};
use crate::client::show;
use crate::control::{Session, Status};
use crate::wire::SessionId;
use jiff::Timestamp;

/// The key that quits.
pub(super) const QUIT: u8 = b'q';
/// Ctrl-C, which is a key like others here, and Escape.
const CTRL_C: u8 = 3;
const ESCAPE: u8 = 0x1b;
/// Longest number that is typed.
const DIGITS: usize = 6;

/// What the one at the keys wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Quit,
    /// This session is to end.
    End(SessionId),
}

/// What comes first in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Order {
    #[default]
    Rate,
    User,
    Age,
}

impl Order {
    fn next(self) -> Order {
        match self {
            Order::Rate => Order::User,
            Order::User => Order::Age,
            Order::Age => Order::Rate,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Order::Rate => "rate",
            Order::User => "user",
            Order::Age => "age",
        }
    }
}

/// What is asked of the one at the keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Question {
    #[default]
    None,
    /// Which session is to end; so far this was typed.
    Which(String),
    /// Whether this one is.
    Sure(SessionId, String),
}

#[derive(Debug, Clone)]
struct Row {
    session: Session,
    /// None before there are two looks to compare.
    rate: Option<Rate>,
}

#[derive(Debug, Default)]
pub(super) struct View {
    status: Option<Status>,
    /// The oldest first.
    rows: Vec<Row>,
    order: Order,
    is_paused: bool,
    question: Question,
    /// What came of the last wish, until the next key.
    message: String,
}

impl View {
    /// Shows what is there `now`, and how much moved since `before`.
    pub(super) fn see(&mut self, before: Option<&Sample>, now: &Sample) {
        let rates = before.map(|before| now.since(before));
        let sessions = now.status.sessions.iter().enumerate();
        self.rows = sessions
            .map(|(at, session)| Row {
                session: session.clone(),
                rate: rates.as_ref().and_then(|rates| rates.get(at).copied()),
            })
            .collect();
        self.status = Some(Status {
            sessions: Vec::new(),
            ..now.status.clone()
        });
        self.sort();
    }

    fn sort(&mut self) {
        // Ties as they came: the oldest first.
        self.rows
            .sort_by_key(|row| (row.session.since.clone(), row.session.session.number()));
        match self.order {
            Order::Age => {}
            Order::User => self.rows.sort_by(|one, other| {
                // Who has no name comes last.
                let key = |row: &Row| (row.session.user.is_none(), row.session.user.clone());
                key(one).cmp(&key(other))
            }),
            Order::Rate => self
                .rows
                .sort_by_key(|row| std::cmp::Reverse(row.rate.unwrap_or_default().sum())),
        }
    }

    /// True while what is shown should stay: its numbers are being looked at, or it is paused.
    pub(super) fn is_held(&self) -> bool {
        self.is_paused || self.question != Question::None
    }

    /// Shows a line about what was done or went wrong.
    pub(super) fn say(&mut self, message: String) {
        self.message = message;
    }

    /// A key was pressed.
    pub(super) fn press(&mut self, key: u8) -> Wish {
        self.message.clear();
        let question = std::mem::take(&mut self.question);
        match (question, key) {
            (_, CTRL_C) => return Wish::Quit,
            (Question::None, key) => return self.command(key),
            (Question::Which(_), ESCAPE) => {}
            (Question::Which(typed), b'\r' | b'\n') => self.choose(&typed),
            (Question::Which(mut typed), key) => {
                match key {
                    b'0'..=b'9' if typed.len() < DIGITS => typed.push(char::from(key)),
                    // Backspace, as terminals send it.
                    8 | 0x7f => drop(typed.pop()),
                    _ => {}
                }
                self.question = Question::Which(typed);
            }
            (Question::Sure(session, _), b'y' | b'Y') => return Wish::End(session),
            (Question::Sure(..), _) => self.message = "nobody was ended".into(),
        }
        Wish::Nothing
    }

    fn command(&mut self, key: u8) -> Wish {
        match key {
            QUIT => return Wish::Quit,
            b's' => {
                self.order = self.order.next();
                self.sort();
            }
            b'p' => self.is_paused = !self.is_paused,
            b'k' if self.rows.is_empty() => self.message = "there is no session".into(),
            b'k' => self.question = Question::Which(String::new()),
            _ => {}
        }
        Wish::Nothing
    }

    /// The row of this number is to go, if there is one.
    fn choose(&mut self, typed: &str) {
        let number = typed.parse::<usize>().ok();
        let row = number.and_then(|number| self.rows.get(number.checked_sub(1)?));
        match row {
            Some(Row { session, .. }) => {
                let who = session.user.as_deref().unwrap_or("anonymous");
                let who = show::clean(format!("{who} at {}", session.address).as_bytes());
                self.question = Question::Sure(session.session, who);
            }
            None => self.message = format!("there is no number {typed}"),
        }
    }

    /// A line about the server, and the table under it.
    pub(super) fn table(&self, now: Timestamp) -> Vec<String> {
        const HEAD: [&str; 9] = [
            "#", "IN/s", "OUT/s", "PROTOCOL", "STATE", "USER", "ADDRESS", "AGE", "SESSION",
        ];
        let mut lines: Vec<String> = self.head(now).into_iter().collect();
        if self.rows.is_empty() {
            return lines;
        }
        let mut cells = vec![HEAD.map(str::to_owned)];
        let rows = self.rows.iter().enumerate();
        cells.extend(rows.map(|(at, row)| row.cells(at + 1, now)));
        let right = [true, true, true, false, false, false, false, true, false];
        lines.extend(aligned(&cells, right));
        lines
    }

    fn head(&self, now: Timestamp) -> Option<String> {
        let status = self.status.as_ref()?;
        let warm = match status.warm {
            0 => String::new(),
            warm => format!(", {warm} warm"),
        };
        let rates = self.rows.iter().map(|row| row.rate);
        let sum: Option<Vec<Rate>> = rates.collect();
        let sum = sum.map_or_else(String::new, |rates| {
            let sum = rates.into_iter().fold(Rate::default(), Rate::plus);
            let (received, sent) = (show::size(sum.received), show::size(sum.sent));
            format!("; in {received}/s, out {sent}/s")
        });
        Some(format!(
            "forkftpd {} up {}; {} of {} clients{warm}{sum}",
            show::clean(status.version.as_bytes()),
            ago(&status.started, now),
            status.clients,
            status.max_clients,
        ))
    }

    /// All of a screen with so many lines: what draws it over what was there.
    pub(super) fn screen(&self, lines: u16, now: Timestamp) -> String {
        let mut table = self.table(now).into_iter();
        let mut text = String::from("\x1b[H");
        let mut left = usize::from(lines.max(4));
        let mut line = |what: &str| {
            text += what;
            // What the line had before is gone; the last line of a screen has no end, or all would move up.
            text += "\x1b[K";
            left -= 1;
            if left > 0 {
                text += "\r\n";
            }
            left
        };
        line(&table.next().unwrap_or_default());
        let mut room = line(&self.prompt());
        let rows: Vec<String> = table.collect();
        for (at, row) in rows.iter().enumerate() {
            let behind = rows.len() - at;
            if room == 1 && behind > 1 {
                line(&format!("... and {behind} more"));
                break;
            }
            room = match at {
                0 => line(&format!("\x1b[7m{row}\x1b[0m")),
                _ => line(row),
            };
        }
        text + "\x1b[J"
    }

    fn prompt(&self) -> String {
        match &self.question {
            Question::Which(typed) => {
                format!("End the session of which number? {typed}_  (Enter; Escape: none)")
            }
            Question::Sure(session, who) => format!("End session {session} of {who}? (y/n)"),
            Question::None if !self.message.is_empty() => show::clean(self.message.as_bytes()),
            Question::None => {
                let paused = if self.is_paused { "  PAUSED" } else { "" };
                let order = self.order.as_str();
                format!("s sort (by {order})  k kick  p pause  q quit{paused}")
            }
        }
    }
}

impl Row {
    fn cells(&self, number: usize, now: Timestamp) -> [String; 9] {
        let session = &self.session;
        let clean = |text: &str| show::clean(text.as_bytes());
        let named = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), clean);
        let rate = |of: fn(Rate) -> u64| {
            let rate = self.rate.map(of);
            rate.map_or_else(|| "-".to_owned(), show::size)
        };
        let state = session.state.as_str();
        [
            number.to_string(),
            rate(|rate| rate.received),
            rate(|rate| rate.sent),
            named(&session.protocol),
            format!("{state} {}", duration(session.state_seconds)),
            named(&session.user),
            clean(&session.address),
            ago(&session.since, now),
            session.session.to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::rates::tests::{session, status};
    use super::*;
    use std::time::Duration;

    fn now() -> Timestamp {
        "2026-05-01T10:00:10Z".parse().expect("time")
    }

    /// Three sessions, of which the second moves most, and one has a name that does harm.
    fn view() -> View {
        let mut sessions = vec![session(1, 0, 0), session(2, 0, 0), session(3, 0, 0)];
        let before = Sample::of(status(sessions.clone()));
        sessions[1].sent = 10 << 20;
        sessions[2].received = 2048;
        sessions[0].user = Some("a\x1b[2J\n\u{202e}b".into());
        let after = Sample {
            at: before.at + Duration::from_secs(2),
            status: status(sessions),
        };
        let mut view = View::default();
        view.see(Some(&before), &after);
        view
    }

    #[test]
    fn the_table_is_sorted_by_rate_and_harmless() {
        let lines = view().table(now());
        assert_eq!(
            lines[0],
            "forkftpd 1.2.3 up 1h00m; 3 of 10 clients; in 1.0 KiB/s, out 5.0 MiB/s"
        );
        assert_eq!(
            lines[1..],
            [
                "#     IN/s    OUT/s  PROTOCOL  STATE    USER                 ADDRESS         AGE  SESSION",
                "1      0 B  5.0 MiB  ftp       busy 3s  user8                192.0.2.2:5000   8s  69206f41-2",
                "2  1.0 KiB      0 B  ftp       busy 3s  user7                192.0.2.3:5000   7s  69206f41-3",
                "3      0 B      0 B  ftp       busy 3s  a\\x1b[2J\\n\\u{202e}b  192.0.2.1:5000   9s  69206f41-1",
            ]
        );
        let mut fresh = View::default();
        fresh.see(None, &Sample::of(status(vec![session(1, 5, 5)])));
        let lines = fresh.table(now());
        assert!(lines[0].ends_with("1 of 10 clients"), "{}", lines[0]);
        assert!(lines[2].starts_with("1     -      -  ftp"), "{}", lines[2]);
    }

    #[test]
    fn keys_sort_pause_and_end_what_is_meant() {
        let mut view = view();
        let first = |view: &View| view.rows[0].session.session.number();
        assert_eq!(first(&view), 2);
        assert_eq!(view.press(b's'), Wish::Nothing);
        assert_eq!(first(&view), 1, "by user");
        view.press(b's');
        assert_eq!(first(&view), 1, "by age");
        view.press(b's');
        assert_eq!(first(&view), 2, "by rate again");
        view.press(b'p');
        assert!(view.is_held() && view.screen(10, now()).contains("PAUSED"));
        view.press(b'p');
        assert!(!view.is_held());
        // Asked for a number, and once more.
        let press = |view: &mut View, keys: &[u8]| {
            let wishes: Vec<_> = keys.iter().map(|key| view.press(*key)).collect();
            *wishes.last().expect("a key")
        };
        assert_eq!(press(&mut view, b"k92\x7f\x7f3\r"), Wish::Nothing);
        assert!(view.is_held());
        assert!(
            view.prompt()
                .contains("End session 69206f41-1 of a\\x1b[2J\\n\\u{202e}b at 192.0.2.1:5000?")
        );
        assert_eq!(press(&mut view, b"n"), Wish::Nothing);
        assert_eq!(view.prompt(), "nobody was ended");
        let session = SessionId::new(0x6920_6f41, 3);
        assert_eq!(press(&mut view, b"k2\ny"), Wish::End(session));
        assert!(!view.is_held());
        for nobody in [&b"k4\r"[..], b"k0\r", b"k\r"] {
            press(&mut view, nobody);
            assert!(view.prompt().starts_with("there is no number"));
        }
        assert_eq!(press(&mut view, b"k\x1b"), Wish::Nothing);
        assert_eq!(press(&mut view, b"q"), Wish::Quit);
        assert_eq!(press(&mut view, b"k1\r\x03"), Wish::Quit);
    }

    #[test]
    fn a_screen_has_as_many_lines_as_it_has() {
        let view = view();
        for (lines, shown, more) in [(4, 0, true), (5, 1, true), (6, 3, false), (60, 3, false)] {
            let screen = view.screen(lines, now());
            assert!(screen.matches("\r\n").count() < usize::from(lines));
            assert_eq!(screen.matches("  ftp  ").count(), shown, "{lines} lines");
            assert_eq!(screen.contains(" more"), more, "{lines} lines");
            let theirs = screen.matches("\x1b[2J").count();
            assert_eq!(theirs, 0, "nothing of a name reaches the terminal raw");
        }
    }
}
