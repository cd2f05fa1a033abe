//! HTTP keeps every promise that the drive protocol and FTP keep: the same rights, walls, limits and deadlines, and the same files whole.

mod accidents;
mod changes;
pub mod client;
mod folder;
mod limits;
mod links;
mod rights;
mod service;
mod shares;
mod visitors;
#[cfg(target_arch = "x86_64")]
mod walls;

use crate::server::Server;
use std::path::Path;

/// A listening socket that speaks HTTP in the clear, with these further keys.
const LISTEN: &str = "address = \"127.0.0.1:0\"\nprotocol = \"http\"\ntls = \"off\"";

/// The configuration of a server that speaks HTTP in the clear, with these further keys: of the server, and of the listening socket.
fn config(keys: &str, listen: &str) -> String {
    format!("durability = \"none\"\n{keys}\n[[listen]]\n{LISTEN}\n{listen}\n")
}

/// A server with this configuration, for the user `all`, who may do everything and has these further keys.
fn serve(keys: &str, listen: &str, user: &str, prepare: impl FnOnce(&Path)) -> Server {
    let user = format!("{EVERYTHING}\n{user}");
    Server::configured(&config(keys, listen), &[("all", "pencil", &user)], prepare)
}

const EVERYTHING: &str =
    "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]";
