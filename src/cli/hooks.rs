//! `forkftpd hooks`: what hooks are still to be run for and what was given up, and an end to either. Looks at the spool itself, which a
//! running server sees within seconds.

use crate::config::{self, DEFAULT_FILE};
use crate::log::quoted;
use crate::runner::{Job, Spooled};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;

/// The command line below `hooks`.
#[derive(Debug, Args)]
pub(super) struct HooksArgs {
    /// The spool.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        help = "The spool [default: spool_folder of the configuration]"
    )]
    spool_folder: Option<PathBuf>,
    /// Configuration file.
    #[arg(short, long, global = true, value_name = "FILE", help = format!("Configuration file [default: {DEFAULT_FILE} if it is there]"))]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<HooksCommand>,
}

#[derive(Debug, Subcommand)]
enum HooksCommand {
    /// Show what waits, and what was given up and why (the same as without a word).
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Have a hook run again, now, and as often as the configuration says: for what was given up, or waits for its next try.
    Retry {
        /// Which, as list shows them.
        job: String,
    },
    /// Have a hook not run for that file.
    Drop {
        /// Which, as list shows them.
        job: String,
    },
}

/// # Errors
/// Lines for the operator.
pub(super) fn run(arguments: HooksArgs) -> Result<String, Vec<String>> {
    let one = |problem: String| vec![problem];
    let folder = match arguments.spool_folder {
        Some(folder) => folder,
        None => {
            let named = config::spool_folder(arguments.config.as_deref());
            let named =
                named.map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())?;
            named.ok_or_else(|| one("there is no spool_folder in the configuration: name the folder with --spool-folder".into()))?
        }
    };
    let spool = Spooled::open(&folder).map_err(one)?;
    match arguments.command {
        None => Ok(list(&spool.jobs().map_err(one)?, false)),
        Some(HooksCommand::List { json }) => Ok(list(&spool.jobs().map_err(one)?, json)),
        Some(HooksCommand::Retry { job }) => {
            spool.retry(&job).map_err(one)?;
            Ok(format!("runs again: {job}\n"))
        }
        Some(HooksCommand::Drop { job }) => {
            spool.drop(&job).map_err(one)?;
            Ok(format!("dropped: {job}\n"))
        }
    }
}

fn list(jobs: &[Job], json: bool) -> String {
    jobs.iter().map(|job| line(job, json)).collect()
}

fn line(job: &Job, json: bool) -> String {
    let Job {
        name,
        hook,
        path,
        tries,
        outcome,
        output,
        ..
    } = job;
    let state = if job.failed { "failed" } else { "waits" };
    if json {
        let line = serde_json::json!({
            "job": name,
            "state": state,
            "hook": hook,
            "path": path,
            "tries": tries,
            "again": job.again,
            "outcome": outcome,
            "output": output,
        });
        return format!("{line}\n");
    }
    let mut text = format!("{name}\t{state}\t{hook}\t{}\ttries: {tries}", quoted(path));
    if !outcome.is_empty() {
        text += &format!(", last: {}", quoted(outcome));
    }
    let again = i64::try_from(job.again).ok();
    let again = again.and_then(|again| Timestamp::from_second(again).ok());
    if let Some(again) = again.filter(|_| !job.failed && job.again > 0) {
        text += &format!(", next: {again}");
    }
    text.push('\n');
    for said in output.lines() {
        text += &format!("\t{}\n", quoted(said));
    }
    text
}
