//! `forkftpd share`: the links that users of HTTP gave to others, and their end. Changes the shares' file, which a running server reads again
//! at once. What stands in a link is never shown here: who has it gets the file.

use crate::broker::{self, Share};
use crate::config::{self, DEFAULT_FILE};
use crate::log::quoted;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;

/// The command line below `share`.
#[derive(Debug, Args)]
pub(super) struct ShareArgs {
    /// The shares' file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "The shares' file [default: shares_file of the configuration]"
    )]
    shares_file: Option<PathBuf>,
    /// Configuration file.
    #[arg(short, long, global = true, value_name = "FILE", help = format!("Configuration file [default: {DEFAULT_FILE} if it is there]"))]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: ShareCommand,
}

#[derive(Debug, Subcommand)]
enum ShareCommand {
    /// Show the links that hold.
    List {
        /// Of this user alone.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// End links: one, or all of a user.
    Revoke {
        /// Which, as list shows them.
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        id: Option<String>,
        /// All of this user.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

/// # Errors
/// Lines for the operator.
pub(super) fn run(arguments: ShareArgs) -> Result<String, Vec<String>> {
    let one = |problem: String| vec![problem];
    let path = match arguments.shares_file {
        Some(path) => path,
        None => {
            let named = config::shares_file(arguments.config.as_deref());
            let named =
                named.map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())?;
            named.ok_or_else(|| one("there is no shares_file in the configuration: name the file with --shares-file".into()))?
        }
    };
    match arguments.command {
        ShareCommand::List { user, json } => {
            let now = Timestamp::now().as_second().unsigned_abs();
            let shares = broker::list_shares(&path).map_err(one)?;
            let shown = shares.iter().filter(|share| {
                now < share.expires && user.as_ref().is_none_or(|user| *user == share.user)
            });
            Ok(shown.map(|share| line(share, json)).collect())
        }
        ShareCommand::Revoke { id, user } => {
            let meant = |share: &Share| match (&id, &user) {
                (Some(id), _) => share.id == *id,
                (None, Some(user)) => share.user == *user,
                (None, None) => false,
            };
            let ended = broker::revoke_shares(&path, meant).map_err(one)?;
            if ended.is_empty() {
                let what = match (&id, &user) {
                    (Some(id), _) => format!(
                        "there is no share link {}: forkftpd share list shows them",
                        quoted(id)
                    ),
                    (None, user) => format!(
                        "{} has no share links",
                        quoted(user.as_deref().unwrap_or_default())
                    ),
                };
                return Err(one(what));
            }
            Ok(ended
                .iter()
                .map(|share| format!("ended: {}", line(share, false)))
                .collect())
        }
    }
}

fn line(share: &Share, json: bool) -> String {
    let moment = |seconds: u64| {
        let at = i64::try_from(seconds)
            .ok()
            .and_then(|at| Timestamp::from_second(at).ok());
        at.map_or_else(|| "never".to_owned(), |at| at.to_string())
    };
    let Share {
        id,
        user,
        path,
        made,
        expires,
        left,
    } = share;
    if json {
        let line = serde_json::json!({
            "id": id,
            "user": user,
            "path": path,
            "made": made,
            "expires": expires,
            "count": left,
        });
        return format!("{line}\n");
    }
    let left = left.map_or_else(
        || "any number of times".to_owned(),
        |left| format!("{left} times more"),
    );
    format!(
        "{id}\t{user}\t{}\tuntil {}, {left}\n",
        quoted(path),
        moment(*expires)
    )
}
