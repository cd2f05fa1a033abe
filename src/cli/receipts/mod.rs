//! `forkftpd receipts`: what the ledger says was done, and whether the library still has what was uploaded. Reads the ledger as it is,
//! while a server adds to it.

mod chosen;
mod find;
mod list;
mod moment;
pub(super) mod replay;
mod verify;

pub(super) use chosen::Source;
pub(super) use moment::Moment;

use clap::{Args, Subcommand};
use std::process::ExitCode;

/// The command line below `receipts`.
#[derive(Debug, Args)]
pub(super) struct ReceiptsArgs {
    #[command(subcommand)]
    command: ReceiptsCommand,
}

#[derive(Debug, Subcommand)]
enum ReceiptsCommand {
    /// Show what was done, the newest last.
    List(list::List),
    /// Read the library again, and report what is not as it was uploaded.
    ///
    /// Looked at is the last upload of every path that was not deleted, renamed away or replaced since, as the ledger has it: its file has
    /// to be there, with the size and the digest of then. Exit status 1 when something is missing, altered or cannot be read, or when the
    /// ledger is damaged.
    Verify(verify::Verify),
}

/// # Errors
/// Lines for the operator.
pub(super) fn run(arguments: ReceiptsArgs) -> Result<ExitCode, Vec<String>> {
    match arguments.command {
        ReceiptsCommand::List(list) => list.run(),
        ReceiptsCommand::Verify(verify) => verify.run(),
    }
}
