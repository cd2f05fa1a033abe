//! vsftpd.conf(5) as ours. An option that is absent has vsftpd's own default, not ours. Run by `forkftpd import vsftpd`.

mod conf;
mod options;
mod people;

use super::draft::{self, Draft, Key, can_serve, number, path, umask};
use super::report::{Fate, Report};
use crate::rights::Rights;
use conf::Conf;
use std::path::Path;
use toml_edit::Value;

/// Reads the file over the options of the command line, and those files that it names.
///
/// # Errors
/// It cannot be read, or is none that vsftpd would start with.
pub(super) fn import(
    file: &Path,
    options: &[String],
    passwords: Option<&Path>,
    report: &mut Report,
) -> Result<Draft, String> {
    let conf = Conf::read(file, options)?;
    conf.note_all(report);
    let mut draft = Draft {
        origin: format!("vsftpd ({})", file.display()),
        ..Draft::default()
    };
    let (anonymous, local) = (conf.yes("anonymous_enable"), conf.yes("local_enable"));
    let entries = if local {
        people::entries(&conf, passwords, report)?
    } else {
        Vec::new()
    };
    let roots = people::Roots::of(&conf, &entries);
    draft.set("library", path(&roots.library));
    serve_as(&conf, &mut draft, report);
    limits(&conf, &mut draft, report);
    logs(&conf, &mut draft, report);
    let tls = encryption(&conf, &mut draft, report);
    let login = match (anonymous, local) {
        (true, true) => "optional",
        (true, false) => "none",
        (false, _) => "required",
    };
    if !anonymous && !local {
        let says = "nobody could log in there (anonymous_enable and local_enable are off): nobody can here";
        report.missing(&conf.place("local_enable"), "local_enable=NO", says);
    }
    draft.listen.push(listen(&conf, login, tls.word, report));
    if anonymous {
        let (rights, keys) = people::anonymous(&conf, &roots, tls.anonymous, report);
        draft.anonymous = Some((rights, keys));
    }
    if login != "none" {
        draft.people = Some(people::local(&conf, &roots, tls.local, entries, report)?);
    }
    Ok(draft)
}

/// Who serves. The other server becomes each user it lets in; ours is one.
fn serve_as(conf: &Conf, draft: &mut Draft, report: &mut Report) {
    let option = if conf.yes("guest_enable") {
        "guest_username"
    } else if conf.yes("anonymous_enable") && !conf.yes("local_enable") {
        "ftp_username"
    } else {
        "nopriv_user"
    };
    let name = conf.text(option);
    let place = conf.place(option);
    if can_serve(name) {
        draft.set("user", name);
        if option == "nopriv_user" {
            let says = format!(
                "user = \"{name}\", who serves all: give them the library (chown -R), or name another who has it; owner of each user gives them their new files"
            );
            report.missing(&place, &conf.shown("local_enable"), says);
        }
    } else {
        let says = "no user of this machine who could serve: name one with user = \"NAME\"";
        report.missing(&place, &conf.shown(option), says);
    }
}

fn limits(conf: &Conf, draft: &mut Draft, report: &mut Report) {
    let clients = conf.number("max_clients");
    match clients {
        0 => report.nothing(
            &conf.place("max_clients"),
            "max_clients=0",
            "no limit there; 1000 here, where nothing is said",
        ),
        most => draft.set("max_clients", number(most)),
    }
    match conf.number("max_per_ip") {
        0 => report.nothing(
            &conf.place("max_per_ip"),
            "max_per_ip=0",
            "no limit there; 100 here, where nothing is said",
        ),
        most if clients > 0 => draft.set("max_per_address", number(most.min(clients))),
        most => draft.set("max_per_address", number(most.min(1000))),
    }
    for (option, key) in [
        ("idle_session_timeout", "idle_seconds"),
        ("data_connection_timeout", "stall_seconds"),
    ] {
        match conf.number(option) {
            0 => report.missing(
                &conf.place(option),
                &conf.shown(option),
                format!("no end there; here there is one: {key}"),
            ),
            seconds => draft.set(key, number(seconds.min(u64::from(u32::MAX)))),
        }
    }
    let bits = conf.umask("local_umask", report);
    draft.set("umask", umask(bits));
}

fn logs(conf: &Conf, draft: &mut Draft, report: &mut Report) {
    let (any, both) = (conf.yes("xferlog_enable"), conf.yes("dual_log_enable"));
    let standard = conf.yes("xferlog_std_format");
    let mut log = |key: &'static str, option: &str| match conf.text(option) {
        // What is no file to a container is another program's to us.
        device if device.starts_with("/dev/") || device.starts_with("/proc/") => {
            let says = format!(
                "what a container prints: events go to standard error here; {key} = FILE has them in these lines, too"
            );
            note(conf, Fate::Missing, option, &says, report);
        }
        file => draft.set(key, file),
    };
    if both || (any && standard) {
        log("xferlog", "xferlog_file");
    }
    if (both || (any && !standard)) && !conf.yes("syslog_enable") {
        log("vsftpd_log", "vsftpd_log_file");
    }
}

/// What becomes of TLS.
struct Tls {
    word: &'static str,
    /// Whether the tables of users, and of those without a name, ask for it besides.
    local: bool,
    anonymous: bool,
}

fn encryption(conf: &Conf, draft: &mut Draft, report: &mut Report) -> Tls {
    let off = Tls {
        word: "off",
        local: false,
        anonymous: false,
    };
    if !conf.yes("ssl_enable") {
        let says = "tls = \"off\": passwords and files are in the clear, as they are there; forkftpd cert new, and tls = \"optional\", change that";
        report.ours(&conf.place("ssl_enable"), "ssl_enable=NO", says);
        return off;
    }
    let certificate = conf.text("rsa_cert_file");
    let key = match conf.text("rsa_private_key_file") {
        "" => certificate,
        key => key,
    };
    draft.set("tls_certificate", certificate);
    draft.set("tls_key", key);
    let (local, anonymous) = (
        conf.yes("force_local_logins_ssl"),
        conf.yes("force_anon_logins_ssl"),
    );
    let (has_local, has_anonymous) = (conf.yes("local_enable"), conf.yes("anonymous_enable"));
    let all = (local || !has_local) && (anonymous || !has_anonymous);
    let has_data = conf.yes("force_local_data_ssl") && has_local;
    if !all && !conf.yes("implicit_ssl") && has_data {
        let option = "force_local_data_ssl";
        note(conf, Fate::Unsafe, option, draft::CLEAR_DATA, report);
    }
    Tls {
        word: match (conf.yes("implicit_ssl"), all) {
            (true, _) => "implicit",
            (false, true) => "required",
            (false, false) => "optional",
        },
        local: local && !all,
        anonymous: anonymous && !all,
    }
}

fn listen(conf: &Conf, login: &str, tls: &str, report: &mut Report) -> Vec<Key> {
    let port = conf.number("listen_port");
    let any = |text: &str, any: &str| match text {
        "" => any.to_owned(),
        text => text.to_owned(),
    };
    let address = if conf.yes("listen_ipv6") {
        format!("[{}]:{port}", any(conf.text("listen_address6"), "::"))
    } else {
        format!("{}:{port}", any(conf.text("listen_address"), "0.0.0.0"))
    };
    if !conf.yes("listen") && !conf.yes("listen_ipv6") {
        let says =
            format!("inetd listened for it; here the server does, on {address}: end that first");
        report.missing(&conf.place("listen"), "listen=NO", says);
    }
    let mut keys: Vec<Key> = vec![
        ("address", address.into()),
        ("protocol", "ftp".into()),
        ("login", login.into()),
        ("tls", tls.into()),
    ];
    let (first, last) = (conf.number("pasv_min_port"), conf.number("pasv_max_port"));
    if first > 0 || last > 0 {
        let (low, high) = (first.max(1024), if last == 0 { 65535 } else { last });
        if low <= high && high <= 65535 {
            keys.push(("passive_ports", format!("{low}-{high}").into()));
        } else {
            let says = "no range of ports: any is used; name one with passive_ports";
            report.less_safe(
                &conf.place("pasv_min_port"),
                &conf.shown("pasv_min_port"),
                says,
            );
        }
    }
    match conf.text("pasv_address") {
        "" => {}
        address => keys.push(("passive_address", address.into())),
    }
    keys.push(("active", conf.yes("port_enable").into()));
    let wait = conf
        .number("accept_timeout")
        .max(conf.number("connect_timeout"));
    keys.push(("data_seconds", number(wait.clamp(1, 3600))));
    if tls != "off" {
        let reuse = if conf.yes("require_ssl_reuse") {
            "require"
        } else {
            "prefer"
        };
        keys.push(("data_tls_reuse", reuse.into()));
    }
    keys
}

/// The rights that cmds_allowed and cmds_denied leave of `rights`.
fn by_commands(rights: Rights, conf: &Conf) -> Rights {
    let words = |option: &str| -> Vec<String> {
        let text = conf.text(option).to_ascii_uppercase();
        let words = text.split(',').map(|word| word.trim().to_owned());
        words.filter(|word| !word.is_empty()).collect()
    };
    let (allowed, denied) = (words("cmds_allowed"), words("cmds_denied"));
    let may = |verb: &str| {
        let verb = verb.to_owned();
        (allowed.is_empty() || allowed.contains(&verb)) && !denied.contains(&verb)
    };
    draft::allowed_by(rights, may)
}

/// The key that has somebody log in under TLS alone.
fn under_tls(wanted: bool) -> Option<Key> {
    wanted.then(|| ("tls", Value::from("required")))
}

/// The line of an option whose fate is only known here.
fn note(conf: &Conf, fate: Fate, option: &str, says: &str, report: &mut Report) {
    report.note(fate, &conf.place(option), &conf.shown(option), says);
}

#[cfg(test)]
mod tests;
