//! FTP keeps every promise that the drive protocol keeps: the same rights, walls, limits and deadlines, and the same files whole.

mod accidents;
mod both;
pub mod client;
mod limits;
mod memory;
mod race;
mod rights;
mod tls;
#[cfg(target_arch = "x86_64")]
mod walls;

use crate::server::Server;
use std::path::{Path, PathBuf};

/// The configuration of a server that speaks FTP in the clear, with these further keys: of the server, and of the listening socket.
fn config(keys: &str, listen: &str) -> String {
    format!(
        "durability = \"none\"\n{keys}\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\n{listen}\n"
    )
}

/// A server with this configuration, for the user `all`, who may do everything and has these further keys.
fn serve(keys: &str, listen: &str, user: &str, prepare: impl FnOnce(&Path)) -> Server {
    let rights =
        "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]";
    let user = format!("{rights}\n{user}");
    Server::configured(&config(keys, listen), &[("all", "pencil", &user)], prepare)
}

/// Files of uploads that are under way or were cut: in the stage, and among what is kept for everybody and for each user.
pub fn on_the_way(server: &Server) -> Vec<PathBuf> {
    let rooms = ["stage", "partial"].map(|room| server.staged(room));
    let (folders, mut files): (Vec<_>, Vec<_>) =
        rooms.concat().into_iter().partition(|p| p.is_dir());
    for folder in folders {
        let entries = std::fs::read_dir(folder).expect("staging area");
        files.extend(entries.map(|entry| entry.expect("entry").path()));
    }
    files
}
