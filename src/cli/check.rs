//! `forkftpd check`: whether the server would start, and what it would be: who is let in and may do what, and which walls stand. Reads
//! what the broker reads, as the same user, and serves nobody. What is allowed and unsafe is said; what is wrong is refused.

use super::certificate;
use super::user::list::{limits_of, size};
use crate::config::{Account, Config, Encryption, Flags, Http, Level, Listen, Login, Protocol};
use crate::ledger::append::Appender;
use crate::library::Library;
use crate::proof::Secret;
use crate::rights::Rights;
use crate::sys::privs;
use crate::users::Users;
use crate::{broker, listener, log, runner};

/// What there is to say of a sound configuration.
///
/// # Errors
/// What is wrong, line by line.
pub(super) fn check(flags: &Flags) -> Result<String, Vec<String>> {
    let one = |problem: String| vec![problem];
    let config = super::forkftpd::load(flags)?;
    let secret = config.secret_file.as_deref().map(Secret::from_file);
    secret.transpose().map_err(one)?;
    let users = config.users_file.as_deref();
    let users = users.map(|path| Users::load_for(path, &config));
    let users = users.transpose()?;
    let shares = config.shares_file.as_deref().map(broker::list_shares);
    let shares = shares.transpose().map_err(one)?;
    if let Some(path) = &config.ledger_file {
        // Root looks at a service that has a user of its own, too.
        let server = config.identity.map_or_else(privs::own_uid, |user| user.uid);
        Appender::look(path, server).map_err(|why| one(format!("ledger_file {why}")))?;
    }
    let certificate = config.tls.as_ref().map(certificate::describe).transpose();
    let certificate = certificate.map_err(one)?.unwrap_or_default();
    let library = Library::open(&config.library, config.files, config.identity).map_err(one)?;
    let landlock = broker::ruleset(&library).is_some();
    if !landlock && config.sandbox == Level::Full {
        return Err(one(listener::NO_LANDLOCK.to_owned()));
    }

    let mut text = of_the_library(&config, &library);
    text += &of_the_walls(&config, &library, landlock);
    for listen in &config.listen {
        text += &of_a_listener(listen);
    }
    text += &of_commands(&config)?;
    text += &certificate;
    if config.listen.iter().any(serves_anonymous) {
        let account = &config.anonymous;
        text += &format!(
            "without a login: {}; {}\n",
            account.rights,
            limits_of(account)
        );
    }
    if let Some(users) = &users {
        let disabled = users.iter().filter(|(_, user)| user.disabled).count();
        text += &format!("users: {} ({disabled} disabled)\n", users.iter().count());
        let imported = users.iter();
        let imported = imported.filter(|(_, user)| user.stored.imported().is_some());
        match imported.count() {
            0 => {}
            some => {
                text += &format!(
                    "  with a password as another server hashed it, until they log in by FTP or HTTP: {some}\n"
                );
            }
        }
    }
    if let Some(path) = &config.ledger_file {
        text += &format!("ledger {}\n", path.display());
    }
    if let Some(shares) = shares {
        text += &format!("share links: {}\n", shares.len());
    }
    let mode = if config.prefork == 0 {
        "one child forked for each client".to_owned()
    } else {
        format!("{} warm children", config.prefork)
    };
    text += &format!(
        "at most {} clients, {} from one address; {mode}\n",
        config.max_clients, config.max_per_address
    );
    for warning in warnings(&config, &library, users.as_ref()) {
        text += &format!("WARNING: {warning}\n");
    }
    Ok(text + "configuration ok\n")
}

fn able(able: bool, otherwise: &'static str) -> &'static str {
    if able { "yes" } else { otherwise }
}

fn of_the_library(config: &Config, library: &Library) -> String {
    let (unnamed, digests) = library.abilities();
    format!(
        "library {}: durability {}\n  files without a name (O_TMPFILE): {}\n  extended attributes: {}\n",
        config.library.display(),
        config.files.durability.as_str(),
        able(unnamed, "no: uploads are staged under random names"),
        able(digests, "no: digests are computed at each download"),
    )
}

fn of_the_walls(config: &Config, library: &Library, landlock: bool) -> String {
    let who = config.identity.map_or_else(
        || "this user, since the server was not started as root".to_owned(),
        |identity| format!("uid {}, in an empty root folder", identity.uid),
    );
    let off = config.sandbox == Level::Off;
    let seccomp = if off { "no: sandbox = \"off\"" } else { "yes" };
    let landlock = match config.sandbox {
        Level::Off => "no: sandbox = \"off\"",
        _ => able(landlock, "no: this kernel has none"),
    };
    let mount = able(
        library.is_alone(),
        "no: only root can, and the other walls keep children in",
    );
    format!(
        "children: {who}; sandbox {}\n  Landlock: {landlock}\n  seccomp: {seccomp}\n  library lent from a mount of its own: {mount}\n",
        config.sandbox.as_str(),
    )
}

/// True where clients are let in without a name.
fn serves_anonymous(listen: &Listen) -> bool {
    listen.login != Login::Required && listen.http.redirect.is_none()
}

fn of_a_listener(listen: &Listen) -> String {
    let (scheme, tls) = match listen.tls {
        Encryption::Off => (listen.protocol.as_str(), ""),
        Encryption::Optional => (listen.protocol.as_str(), "TLS for those who ask, "),
        Encryption::Required => (listen.protocol.as_str(), "TLS before the login, "),
        Encryption::Implicit => (listen.protocol.secure_scheme(), "TLS, "),
    };
    let proof = match listen.protocol {
        Protocol::Drive if listen.proof => "clients prove the secret, ",
        Protocol::Drive => "NO PROOF is asked, ",
        Protocol::Ftp | Protocol::Http => "",
    };
    let login = match listen.login {
        Login::None => "nobody logs in",
        Login::Optional => "login optional",
        Login::Required => "login required",
    };
    let does = match &listen.http.redirect {
        Some(origin) => format!("sends all on to {origin}"),
        None => format!("{proof}{login}"),
    };
    let at = &listen.address;
    let later = match at.is_known() {
        true => "",
        false => {
            "  where that is shows when the service manager passes it: what depends on that is checked as the server starts\n"
        }
    };
    format!("listen {scheme}://{at}: {tls}{does}\n{later}") + &of_http(&listen.http)
}

/// What HTTP has besides, a line each.
fn of_http(http: &Http) -> String {
    let mut text = String::new();
    if http.site {
        text += "  a static site: files by their names, and nothing else\n";
    }
    if http.hsts_seconds > 0 {
        let seconds = http.hsts_seconds;
        text += &format!("  browsers come by TLS alone for {seconds} seconds after each visit\n");
    }
    let networks = http.trusted_proxies.networks.iter();
    let mut proxies: Vec<_> = networks.map(ToString::to_string).collect();
    if http.trusted_proxies.local {
        proxies.push("whoever comes by the Unix socket".into());
    }
    if !proxies.is_empty() {
        let proxies = proxies.join(", ");
        text += &format!("  who the client is, say these proxies: {proxies}\n");
    }
    if !http.metrics_networks.is_empty() {
        let networks: Vec<_> = http
            .metrics_networks
            .iter()
            .map(ToString::to_string)
            .collect();
        text += &format!("  /-/metrics for {}\n", networks.join(", "));
    }
    text
}

/// What clients may have run, a line each.
fn of_commands(config: &Config) -> Result<String, Vec<String>> {
    if !config.needs_runner() {
        return Ok(String::new());
    }
    let fence = runner::fence().map_err(|errno| {
        vec![format!(
            "what commands start cannot be seen, and so not be ended ({}): /proc has to be there, and its children files",
            errno.desc()
        )]
    })?;
    let most = config.most_commands;
    let mut text = format!("commands: {most} at once; each is kept together by a {fence}\n");
    for command in &config.commands {
        let program = &command.program;
        let who = program.identity.map_or_else(
            || "the user of the server".to_owned(),
            |identity| format!("uid {}", identity.uid),
        );
        let (line, limits) = (program.run.join(" "), program.limits);
        text += &format!(
            "  {}: {}; as {who}, {} s, {} of output, {} processes\n",
            command.name,
            log::quoted(&line),
            limits.seconds,
            size(limits.most_output),
            limits.processes,
        );
    }
    Ok(text)
}

/// What is allowed, and should be meant.
fn warnings(config: &Config, library: &Library, users: Option<&Users>) -> Vec<String> {
    let mut said = Vec::new();
    if config.sandbox != Level::Full {
        said.push(format!(
            "sandbox = \"{}\": a child that is taken over reaches more than its library",
            config.sandbox.as_str()
        ));
    }
    for listen in &config.listen {
        let at = &listen.address;
        if !listen.tls.is_certain()
            && !at.is_local()
            && at.is_known()
            && listen.http.redirect.is_none()
        {
            let login = match (listen.login, listen.protocol) {
                (Login::None, _) => "",
                (_, Protocol::Drive) => ", and can try passwords against a login it has seen",
                (_, Protocol::Ftp | Protocol::Http) => ", passwords too",
            };
            let (state, remedy) = match (listen.tls, listen.protocol) {
                (Encryption::Off, Protocol::Drive | Protocol::Http) => ("has no TLS", "true"),
                (Encryption::Off, Protocol::Ftp) => ("has no TLS", "\"required\""),
                _ => ("leaves TLS to its clients", "\"required\""),
            };
            said.push(format!("{at} is not local and {state}: whoever is on the way reads and changes what is sent{login}; set tls = {remedy}"));
        }
        if listen.protocol == Protocol::Drive && !listen.proof && listen.login != Login::Required {
            said.push(format!("{at} asks for no proof: every program that reaches it may do what those may who do not log in"));
        }
    }
    let named = users.into_iter().flat_map(Users::iter);
    let named = named.map(|(name, user)| (name, &user.account));
    let anonymous = config.listen.iter().any(serves_anonymous);
    let anonymous = anonymous.then_some(("anonymous", &config.anonymous));
    for (name, account) in named.chain(anonymous) {
        said.extend(of_an_account(name, account, config, library));
    }
    said
}

fn of_an_account(name: &str, account: &Account, config: &Config, library: &Library) -> Vec<String> {
    let mut said = Vec::new();
    if account.rights == Rights::NONE {
        said.push(format!("{name} may do nothing: give them rights"));
    }
    if library.walk(&account.home, false).is_err() {
        let home = String::from_utf8_lossy(account.home.as_bytes());
        said.push(format!("the home of {name}, {home}, is no folder that can be read: nobody gets in there; make it, for the user who serves"));
    }
    for (key, rate) in [
        ("upload_rate", account.upload_rate),
        ("download_rate", account.download_rate),
    ] {
        if let Some(rate) = rate.filter(|rate| *rate < config.min_rate) {
            let (least, most) = (size(config.min_rate), size(rate));
            said.push(format!("min_rate = {least} is more than {key} = {most} of {name}: a client that is slower than its own limit is ended"));
        }
    }
    said
}
