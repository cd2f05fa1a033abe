//! Users as they are shown: `forkftpd user list`, for people and for programs.

use crate::config::{Account, OnHangup, OnTaken};
use crate::users::Users;

/// The limits of somebody in one line.
pub(in crate::cli) fn limits_of(account: &Account) -> String {
    let mut said = Vec::new();
    let mut note = |name: &str, value: Option<String>| {
        said.extend(value.map(|value| format!("{name} {value}")));
    };
    let home = String::from_utf8_lossy(account.home.as_bytes()).into_owned();
    note("home", (!account.home.is_root()).then_some(home));
    note("quota", account.quota.map(size));
    note("quota_files", account.quota_files.map(|n| n.to_string()));
    note("largest_file", account.largest_file.map(size));
    note("keep_free", account.keep_free.map(size));
    note("upload_rate", account.upload_rate.map(size));
    note("download_rate", account.download_rate.map(size));
    note("sessions", account.sessions.map(|n| n.to_string()));
    let networks: Vec<_> = account.networks.iter().map(ToString::to_string).collect();
    note(
        "networks",
        (!networks.is_empty()).then(|| networks.join(",")),
    );
    let renames = account.on_taken == OnTaken::Rename;
    note("on_taken", renames.then(|| "rename".to_owned()));
    let publishes = account.on_hangup == OnHangup::Publish;
    note("on_hangup", publishes.then(|| "publish".to_owned()));
    note("tls", account.needs_tls.then(|| "required".to_owned()));
    note("umask", account.umask.map(|bits| format!("{bits:04o}")));
    note("owner", account.owner.map(|id| id.to_string()));
    note("group", account.group.map(|id| id.to_string()));
    let commands = &account.commands;
    note(
        "commands",
        (!commands.is_empty()).then(|| commands.join(",")),
    );
    if said.is_empty() {
        "no limits of their own".into()
    } else {
        said.join(", ")
    }
}

/// Bytes in the largest unit that needs no fraction.
pub(in crate::cli) fn size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units
        .into_iter()
        .find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    whole.map_or_else(
        || format!("{bytes} B"),
        |(shift, unit)| format!("{} {unit}", bytes >> shift),
    )
}

/// Everybody, a line each. Verifiers are not shown.
pub(super) fn all(users: &Users, json: bool) -> String {
    let mut text = String::new();
    for (name, user) in users.iter() {
        let account = &user.account;
        if json {
            let networks: Vec<_> = account.networks.iter().map(ToString::to_string).collect();
            let line = serde_json::json!({
                "name": name,
                "disabled": user.disabled,
                "rights": account.rights,
                "home": String::from_utf8_lossy(account.home.as_bytes()),
                "quota": account.quota,
                "quota_files": account.quota_files,
                "largest_file": account.largest_file,
                "keep_free": account.keep_free,
                "upload_rate": account.upload_rate,
                "download_rate": account.download_rate,
                "sessions": account.sessions,
                "networks": networks,
                "on_taken": account.on_taken,
                "on_hangup": account.on_hangup,
                "tls": if account.needs_tls { "required" } else { "optional" },
                "umask": account.umask.map(|bits| format!("{bits:04o}")),
                "owner": account.owner,
                "group": account.group,
                "commands": account.commands,
            });
            text += &format!("{line}\n");
        } else {
            let disabled = if user.disabled { " (disabled)" } else { "" };
            let limits = limits_of(account);
            text += &format!("{name}{disabled}\t{}\t{limits}\n", account.rights);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_as_they_are_written() {
        for (bytes, shown) in [
            (10 << 30, "10 GiB"),
            (1536, "1536 B"),
            (3 << 19, "1536 KiB"),
            (5, "5 B"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
