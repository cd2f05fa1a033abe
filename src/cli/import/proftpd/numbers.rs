//! Arguments that are numbers: permission bits and rates. Run by `forkftpd import proftpd`.

use super::super::draft::{Key, number};
use super::conf::Node;

/// The bits of files and folders together.
pub(super) fn mask(node: &Node) -> Option<u32> {
    let bits = |text: &str| u32::from_str_radix(text, 8).ok();
    let files = bits(node.argument(0))?;
    Some(files & 0o066 | bits(node.argument(1)).unwrap_or(files) & 0o077)
}

/// TransferRate COMMANDS KILOBYTES[:FREE].
pub(super) fn rate(node: &Node) -> Option<Vec<Key>> {
    let rate: f64 = node.argument(1).split(':').next()?.parse().ok()?;
    let bytes = number((rate.clamp(1.0, 1e9) * 1024.0) as u64);
    let verbs = node.argument(0).to_ascii_uppercase();
    let mut keys: Vec<Key> = Vec::new();
    if verbs.contains("STOR") || verbs.contains("APPE") {
        keys.push(("upload_rate", bytes.clone()));
    }
    if verbs.contains("RETR") {
        keys.push(("download_rate", bytes));
    }
    (node.arguments.len() == 2 && !keys.is_empty()).then_some(keys)
}
