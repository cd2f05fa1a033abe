//! `forkftpd stats`: what went on, added up from the ledger: by day, or by hour, user or protocol; as a table with bars, as JSON, or as a picture.

mod chart;
mod svg;

use super::receipts::{Moment, Source};
use crate::ledger::read;
use crate::ledger::{Entry, Line, Outcome, Verb};
use crate::wire::Protocol;
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Days that are shown when nothing is said.
const DAYS: i64 = 30;
/// Most rows: what is beyond is added up in one.
const MOST: usize = 2000;

#[derive(Debug, Args)]
pub(super) struct Stats {
    /// What is added up together: days and hours as this machine's clock has them.
    #[arg(long, value_name = "WHAT", default_value = "day")]
    by: By,
    /// Not before this moment: 2026-05-01, 2026-05-01T13:45, or so long ago: 15m, 12h, 7d, 4w [default: 30 days, of hours 2].
    #[arg(long, value_name = "MOMENT")]
    since: Option<Moment>,
    /// Before this moment.
    #[arg(long, value_name = "MOMENT")]
    until: Option<Moment>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    /// Write a picture into this file instead.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Day,
    Hour,
    User,
    Face,
}

impl By {
    fn as_str(self) -> &'static str {
        match self {
            By::Day => "day",
            By::Hour => "hour",
            By::User => "user",
            By::Face => "face",
        }
    }

    /// True where rows follow each other in time, and none is left out.
    fn is_time(self) -> bool {
        matches!(self, By::Day | By::Hour)
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    uploads: u64,
    uploaded: u64,
    downloads: u64,
    downloaded: u64,
    deletes: u64,
    renames: u64,
    /// Of all of them: what was refused, or cut. Bytes of what was cut are not counted.
    failed: u64,
}

impl Sum {
    fn add(&mut self, line: &Line) {
        if line.outcome != Outcome::Ok {
            self.failed += 1;
            return;
        }
        let size = line.size.unwrap_or(0);
        match line.deed {
            Verb::Upload => {
                self.uploads += 1;
                self.uploaded = self.uploaded.saturating_add(size);
            }
            Verb::Download => {
                self.downloads += 1;
                self.downloaded = self.downloaded.saturating_add(size);
            }
            Verb::Delete => self.deletes += 1,
            Verb::Rename => self.renames += 1,
        }
    }

    fn bytes(&self) -> u64 {
        self.uploaded.saturating_add(self.downloaded)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "uploads": self.uploads, "uploaded": self.uploaded, "downloads": self.downloads,
            "downloaded": self.downloaded, "deletes": self.deletes, "renames": self.renames,
            "failed": self.failed,
        })
    }
}

/// Everything that was added up.
#[derive(Debug)]
struct Report {
    by: By,
    /// From when to when, as this machine's clock has it.
    span: String,
    rows: Vec<(String, Sum)>,
    total: Sum,
    damaged: u64,
    lost: u64,
}

impl Stats {
    /// # Errors
    /// Lines for the operator.
    pub(super) fn run(&self) -> Result<ExitCode, Vec<String>> {
        let report = self.report()?;
        if let Some(path) = &self.svg {
            let say = |error: std::io::Error| vec![format!("{}: {error}", path.display())];
            std::fs::write(path, svg::picture(&report)).map_err(say)?;
            return Ok(ExitCode::SUCCESS);
        }
        let text = if self.json {
            report.json() + "\n"
        } else {
            chart::table(&report, chart::width())
        };
        use std::io::Write as _;
        // Whoever does not read on has seen enough.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        Ok(ExitCode::SUCCESS)
    }

    fn report(&self) -> Result<Report, Vec<String>> {
        let zone = TimeZone::system();
        let now = Timestamp::now();
        let until = self.until.map_or(now, |until| until.0);
        let since = match self.since {
            Some(since) => since.0,
            None => begin(until, self.by, &zone),
        };
        let files = self.source.files()?;
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        if self.by.is_time() {
            fill(&mut sums, since, until, self.by, &zone);
        }
        let (mut damaged, mut lost) = (0, 0);
        let mut total = Sum::default();
        let is_meant = |time| time >= since && (time < until || self.until.is_none());
        let read = read::all(&files, |_, read| {
            match read.entry {
                None => damaged += 1,
                Some(Entry::Lost(line)) if is_meant(line.time) => lost += line.count,
                Some(Entry::Deed(line)) if is_meant(line.time) => {
                    let label = label(&line, self.by, &zone);
                    let row = match sums.len() < MOST || sums.contains_key(&label) {
                        true => label,
                        false => "others".to_owned(),
                    };
                    sums.entry(row).or_default().add(&line);
                    total.add(&line);
                }
                Some(_) => {}
            }
            Ok(())
        });
        read.map_err(|problem| vec![problem])?;
        let mut rows: Vec<_> = sums.into_iter().collect();
        if !self.by.is_time() {
            rows.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.bytes()));
        }
        let day = |time: Timestamp| {
            time.to_zoned(zone.clone())
                .strftime("%Y-%m-%d %H:%M")
                .to_string()
        };
        Ok(Report {
            by: self.by,
            span: format!("{} to {}", day(since), day(until)),
            rows,
            total,
            damaged,
            lost,
        })
    }
}

/// From when on is shown when nothing is said: whole days, or hours.
fn begin(until: Timestamp, by: By, zone: &TimeZone) -> Timestamp {
    let until = until.to_zoned(zone.clone());
    let begin = match by {
        By::Hour => until.checked_sub(47.hours()).and_then(|at| {
            let hour = at
                .datetime()
                .with()
                .minute(0)
                .second(0)
                .subsec_nanosecond(0);
            hour.build()?.to_zoned(zone.clone())
        }),
        _ => until
            .checked_sub((DAYS - 1).days())
            .and_then(|at| at.start_of_day()),
    };
    begin.map_or(Timestamp::MIN, |at| at.timestamp())
}

/// An empty row for each day, or hour, so that what was quiet shows.
fn fill(
    sums: &mut BTreeMap<String, Sum>,
    since: Timestamp,
    until: Timestamp,
    by: By,
    zone: &TimeZone,
) {
    let mut at = since.to_zoned(zone.clone());
    let until = until.to_zoned(zone.clone());
    while at < until && sums.len() < MOST {
        sums.insert(of_time(&at, by), Sum::default());
        let next = match by {
            By::Hour => at.checked_add(1.hours()),
            _ => at.checked_add(1.days()).and_then(|at| at.start_of_day()),
        };
        match next {
            Ok(next) => at = next,
            Err(_) => return,
        }
    }
}

fn of_time(at: &jiff::Zoned, by: By) -> String {
    let form = if by == By::Hour {
        "%Y-%m-%d %H"
    } else {
        "%Y-%m-%d"
    };
    at.strftime(form).to_string()
}

/// The row that a line belongs to.
fn label(line: &Line, by: By, zone: &TimeZone) -> String {
    match by {
        By::Day | By::Hour => of_time(&line.time.to_zoned(zone.clone()), by),
        By::User => line.user.clone().unwrap_or_else(|| "-".to_owned()),
        By::Face => line.face.map_or("-", Protocol::as_str).to_owned(),
    }
}

impl Report {
    fn json(&self) -> String {
        let rows = self.rows.iter().map(|(label, sum)| {
            let mut row = sum.json();
            row[self.by.as_str()] = label.as_str().into();
            row
        });
        json!({
            "by": self.by.as_str(), "rows": rows.collect::<Vec<_>>(), "total": self.total.json(),
            "damaged_lines": self.damaged, "lost_lines": self.lost,
        })
        .to_string()
    }

    /// What the numbers do not tell.
    fn remarks(&self) -> String {
        let mut text = String::new();
        if self.damaged > 0 {
            let lines = crate::client::show::count(self.damaged, "line", "lines");
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{lines} of the ledger damaged, and not counted");
        }
        if self.lost > 0 {
            let lines = crate::client::show::count(self.lost, "line", "lines");
            let _ = writeln!(
                text,
                "{lines} could not be written when they were due, and not counted"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    #[test]
    fn quiet_days_have_their_rows() {
        let zone = TimeZone::UTC;
        let until = time("2026-03-02T10:30:00Z");
        let since = begin(until, By::Day, &zone);
        assert_eq!(since, time("2026-02-01T00:00:00Z"));
        let mut sums = BTreeMap::new();
        fill(&mut sums, since, until, By::Day, &zone);
        assert_eq!(sums.len(), 30);
        assert_eq!(
            sums.keys().next_back().map(String::as_str),
            Some("2026-03-02")
        );
        let since = begin(until, By::Hour, &zone);
        assert_eq!(since, time("2026-02-28T11:00:00Z"));
        let mut sums = BTreeMap::new();
        fill(&mut sums, since, until, By::Hour, &zone);
        assert_eq!(sums.len(), 48);
    }

    #[test]
    fn what_failed_is_counted_and_its_bytes_are_not() {
        let mut sum = Sum::default();
        for (deed, outcome, size) in [
            ("upload", "ok", 5),
            ("upload", "cut", 100),
            ("download", "ok", 7),
            ("delete", "denied", 1),
            ("rename", "ok", 0),
        ] {
            let line = json!({"time": "2026-01-01T00:00:00Z", "deed": deed, "outcome": outcome,
                "face": "ftp", "path": "a", "to": "b", "size": size});
            match Entry::parse(line.to_string().as_bytes()) {
                Some(Entry::Deed(line)) => sum.add(&line),
                other => panic!("{other:?}"),
            }
        }
        let Sum {
            uploads,
            uploaded,
            downloads,
            downloaded,
            deletes,
            renames,
            failed,
        } = sum;
        assert_eq!((uploads, uploaded, downloads, downloaded), (1, 5, 1, 7));
        assert_eq!((deletes, renames, failed), (0, 1, 2));
        assert_eq!(sum.bytes(), 12);
    }
}
