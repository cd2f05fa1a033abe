//! `forkftpd receipts list`: the lines of the ledger, as a table or as they are.

use super::Source;
use super::find::Find;
use crate::client::show;
use crate::ledger::read::{self, Read};
use crate::ledger::{Entry, Line, Lost};
use crate::wire::Protocol;
use clap::Args;
use std::collections::VecDeque;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    find: Find,
    /// Only the last so many.
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    /// One JSON object a line, as the ledger has them.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// Lines on their way out.
struct Out<W> {
    to: W,
    json: bool,
    /// Those that may be the last, where not all are wanted.
    held: VecDeque<Vec<u8>>,
    last: Option<usize>,
    damaged: u64,
    /// Nobody reads on.
    is_over: bool,
}

const HEAD: &str = "TIME                 DEED      OUTCOME    BY                FACE   SIZE        ID                PATH\n";

impl List {
    /// # Errors
    /// Lines for the operator.
    pub(super) fn run(&self) -> Result<ExitCode, Vec<String>> {
        let files = self.source.files()?;
        let mut out = Out {
            to: BufWriter::new(std::io::stdout().lock()),
            json: self.json,
            held: VecDeque::new(),
            last: self.last,
            damaged: 0,
            is_over: false,
        };
        if !self.json {
            out.write(HEAD.as_bytes());
        }
        let read = read::all(&files, |path, read| {
            self.take(&mut out, path, &read);
            // The error says nothing: there is nobody to hear it.
            if out.is_over {
                Err(String::new())
            } else {
                Ok(())
            }
        });
        for line in std::mem::take(&mut out.held) {
            out.write(&line);
        }
        out.flush();
        match read {
            Err(_) if out.is_over => {}
            Err(problem) => return Err(vec![problem]),
            Ok(_) => {}
        }
        if out.damaged > 0 {
            let lines = show::count(out.damaged, "line", "lines");
            let mut to = std::io::stderr().lock();
            let _ = writeln!(
                to,
                "forkftpd: {lines} of the ledger cannot be read: forkftpd receipts verify says which"
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    fn take<W: Write>(&self, out: &mut Out<W>, _: &Path, read: &Read<'_>) {
        match &read.entry {
            None => out.damaged += 1,
            Some(Entry::Deed(line)) if self.find.finds(line) => {
                out.put(read.bytes, || row(line));
            }
            Some(Entry::Lost(lost)) if self.find.takes_all() && self.find.is_in_time(lost.time) => {
                out.put(read.bytes, || lost_row(lost));
            }
            Some(_) => {}
        }
    }
}

impl<W: Write> Out<W> {
    fn put(&mut self, raw: &[u8], row: impl FnOnce() -> String) {
        let line = if self.json {
            [raw, b"\n"].concat()
        } else {
            row().into_bytes()
        };
        match self.last {
            None => self.write(&line),
            Some(last) => {
                self.held.push_back(line);
                if self.held.len() > last {
                    self.held.pop_front();
                }
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        let written = self.to.write_all(line);
        self.is_over |= written.is_err();
    }

    fn flush(&mut self) {
        match self.to.flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.is_over = true,
            Err(_) => self.is_over = true,
            Ok(()) => {}
        }
    }
}

/// Letters of a path as people read them.
pub(super) fn path(letters: &str) -> String {
    let bytes = crate::wire::name::decode(letters);
    show::clean(bytes.as_deref().unwrap_or(letters.as_bytes()))
}

fn row(line: &Line) -> String {
    let clean = |text: Option<&str>| show::clean(text.unwrap_or("-").as_bytes());
    let from = line
        .address
        .map(|address| address.to_canonical().to_string());
    let by = match (&line.user, from) {
        (Some(user), _) => clean(Some(user)),
        (None, from) => clean(from.as_deref()),
    };
    let size = line.size.map_or_else(|| "-".to_owned(), show::size);
    let mut what = path(&line.path);
    if let Some(to) = &line.to {
        what += " -> ";
        what += &path(to);
    }
    if what.is_empty() {
        what.push('/');
    }
    format!(
        "{:<20} {:<9} {:<10} {by:<17} {:<6} {size:>10}  {:<17} {what}\n",
        show::time(line.time.as_second()),
        line.deed.as_str(),
        line.outcome.as_str(),
        line.face.map_or("-", Protocol::as_str),
        clean(line.id.as_deref()),
    )
}

fn lost_row(lost: &Lost) -> String {
    let lines = show::count(lost.count, "line", "lines");
    format!(
        "{:<20} {:<9} {lines} could not be written since {}\n",
        show::time(lost.time.as_second()),
        "lost",
        show::time(lost.since.as_second()),
    )
}
