//! SIGHUP: the configuration is read again, for new clients. What is broken changes nothing, and is said.

use super::children::World;
use super::control::Door;
use super::events::Events;
use super::inherited::{self, Inherited};
use super::sockets::{self, Socket};
use crate::broker::{Control, Setup};
use crate::child::{Sandbox, Tls};
use crate::config::{Config, Flags, Level};
use crate::log::{self, Output, ftp::FtpLogs};
use std::os::fd::OwnedFd;

/// A configuration in force, with what was opened for it.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) config: Config,
    pub(super) sandbox: Sandbox,
    /// None when no client speaks TLS.
    pub(super) tls: Option<Tls>,
    pub(super) sockets: Vec<Socket>,
    /// For administrators; none when none is configured, and once the server ends.
    pub(super) door: Option<Door>,
}

impl Service {
    /// What children are given of it.
    pub(super) fn world(&self, drain: &'static OwnedFd, began: u64) -> World<'_> {
        World {
            config: &self.config,
            sandbox: &self.sandbox,
            tls: self.tls.as_ref(),
            drain,
            began,
        }
    }
}

/// Reads and opens everything anew.
///
/// # Errors
/// Lines for the operator.
pub(super) fn open(
    flags: &Flags,
    setup: Setup,
    inherited: &mut Inherited,
) -> Result<Service, Vec<String>> {
    let mut config = Config::load(flags)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let output = Output::open(config.log_format).map_err(|problem| vec![problem])?;
    let journal = output.journal();
    output.install(config.log_level);
    let sandbox = prepare(&config, setup.ruleset, journal).map_err(|problem| vec![problem])?;
    let tls = secured(setup.chain)?;
    let sockets = sockets::open(&mut config, inherited)?;
    let door = match inherited.door(config.control.as_deref()) {
        Some(door) => Some(door),
        None => open_door(&config).map_err(|problem| vec![problem])?,
    };
    open_logs(&config)
        .map_err(|problem| vec![problem])?
        .install();
    Ok(Service {
        config,
        sandbox,
        tls,
        sockets,
        door,
    })
}

/// Makes the certificate ready for children.
pub(super) fn secured(chain: Option<OwnedFd>) -> Result<Option<Tls>, Vec<String>> {
    let ready = chain.map(Tls::prepare).transpose();
    ready.map_err(|problem| vec![problem])
}

/// Opens the logs anew: whoever rotates them has given the old ones another name.
fn open_logs(config: &Config) -> Result<FtpLogs, String> {
    FtpLogs::open(config.xferlog.as_deref(), config.vsftpd_log.as_deref())
}

fn open_door(config: &Config) -> Result<Option<Door>, String> {
    config.control.as_deref().map(Door::open).transpose()
}

/// Why nobody is served where the walls cannot stand, and what to do.
pub const NO_LANDLOCK: &str = "this kernel has no Landlock (it needs 6.2), and children are not shut in without: lower the level with sandbox = \"no-landlock\"";

/// Makes the children's walls, and says at start which stand.
fn prepare(
    config: &Config,
    ruleset: Option<OwnedFd>,
    journal: Option<u32>,
) -> Result<Sandbox, String> {
    if ruleset.is_none() && config.sandbox == Level::Full {
        return Err(NO_LANDLOCK.into());
    }
    let landlock = if ruleset.is_some() && config.sandbox != Level::Off {
        "yes"
    } else {
        "no"
    };
    let user = config
        .identity
        .map_or_else(|| "own".to_owned(), |identity| identity.uid.to_string());
    let level = if config.sandbox == Level::Full {
        log::Level::Info
    } else {
        log::Level::Warn
    };
    log::event(
        level,
        "sandbox of the children",
        &[
            ("level", &config.sandbox.as_str()),
            ("landlock", &landlock),
            ("uid", &user),
        ],
    );
    Sandbox::prepare(config, ruleset, journal)
        .map_err(|errno| format!("the sandbox cannot be prepared: {}", errno.desc()))
}

/// Puts what the flags and the file say now in the place of `service`. Sockets that stay as they were are kept, so that no
/// client is turned away.
///
/// # Errors
/// Lines for the operator; `service` is as it was.
pub(super) fn renew(
    service: &mut Service,
    events: &Events,
    broker: &Control,
    flags: &Flags,
    most_clients: u32,
) -> Result<(), Vec<String>> {
    let mut config = Config::load(flags)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    // Those that came by name stay as long as the server does.
    let given = service.sockets.iter().filter_map(Socket::found);
    inherited::locate(&mut config.listen, &given.collect::<Vec<_>>())?;
    if config.max_clients + config.prefork > most_clients {
        return Err(vec![format!(
            "max_clients and prefork together are more than the {most_clients} the server was started for: restart it"
        )]);
    }
    let door = if config.control.as_deref() == service.door.as_ref().map(Door::path) {
        None
    } else {
        Some(open_door(&config).map_err(|problem| vec![problem])?)
    };
    let logs = open_logs(&config).map_err(|problem| vec![problem])?;
    let output = Output::open(config.log_format).map_err(|problem| vec![problem])?;
    let added: Vec<Socket> = config
        .listen
        .iter()
        .filter(|wanted| !service.sockets.iter().any(|socket| socket.serves(wanted)))
        .map(sockets::open_one)
        .collect::<Result<_, _>>()
        .map_err(|problem| vec![problem])?;
    for wanted in config.listen.iter().filter(|listen| listen.given.is_some()) {
        let known = service.sockets.iter().find(|socket| socket.serves(wanted));
        known
            .map_or(Ok(()), |socket| sockets::fit(wanted, &socket.fd))
            .map_err(|problem| vec![problem])?;
    }
    let setup = broker.reload()?;
    let sandbox = prepare(&config, setup.ruleset, output.journal());
    let sandbox = sandbox.map_err(|problem| vec![problem])?;
    let tls = secured(setup.chain)?;
    for mut socket in std::mem::take(&mut service.sockets) {
        match config.listen.iter().find(|wanted| socket.serves(wanted)) {
            Some(wanted) => {
                socket.listen = wanted.clone();
                service.sockets.push(socket);
            }
            None => sockets::close(socket),
        }
    }
    service.sockets.extend(added);
    output.install(config.log_level);
    logs.install();
    if let Some(new) = door {
        let old = std::mem::replace(&mut service.door, new);
        if let Some(old) = old {
            old.close(events);
        }
    }
    service.config = config;
    service.sandbox = sandbox;
    service.tls = tls;
    Ok(())
}
