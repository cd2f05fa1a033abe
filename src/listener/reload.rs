//! SIGHUP: the configuration is read again, for new clients. What is broken changes nothing, and is said.

use super::sockets::{self, Socket};
use crate::config::{Config, Flags};
use crate::library::Library;
use crate::log::{self, Level};

/// A configuration in force, with what was opened for it.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) config: Config,
    pub(super) library: Library,
    pub(super) sockets: Vec<Socket>,
}

/// Reads and opens everything anew.
///
/// # Errors
/// Lines for the operator.
pub(super) fn open(flags: &Flags) -> Result<Service, Vec<String>> {
    let config = Config::load(flags)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    log::set(config.log_format, config.log_level);
    let library = open_library(&config).map_err(|problem| vec![problem])?;
    let sockets = sockets::open(&config.listen).map_err(|problem| vec![problem])?;
    Ok(Service {
        config,
        library,
        sockets,
    })
}

fn open_library(config: &Config) -> Result<Library, String> {
    let library = Library::open(&config.library, config.files)?;
    match library.sweep() {
        Ok(0) => {}
        Ok(swept) => log::event(Level::Info, "staging area swept", &[("removed", &swept)]),
        Err(errno) => log::event(
            Level::Warn,
            "the staging area cannot be swept",
            &[("error", &errno.desc())],
        ),
    }
    Ok(library)
}

/// Puts what the flags and the file say now in the place of `service`. Sockets that stay as they were are kept, so that no
/// client is turned away.
///
/// # Errors
/// Lines for the operator; `service` is as it was.
pub(super) fn renew(
    service: &mut Service,
    flags: &Flags,
    most_clients: u32,
) -> Result<(), Vec<String>> {
    let config = Config::load(flags)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    if config.max_clients + config.prefork > most_clients {
        return Err(vec![format!(
            "max_clients and prefork together are more than the {most_clients} the server was started for: restart it"
        )]);
    }
    let library = open_library(&config).map_err(|problem| vec![problem])?;
    let added: Vec<Socket> = config
        .listen
        .iter()
        .filter(|wanted| {
            !service
                .sockets
                .iter()
                .any(|socket| socket.listen == **wanted)
        })
        .map(sockets::open_one)
        .collect::<Result<_, _>>()
        .map_err(|problem| vec![problem])?;
    let (kept, gone): (Vec<Socket>, Vec<Socket>) = std::mem::take(&mut service.sockets)
        .into_iter()
        .partition(|socket| config.listen.contains(&socket.listen));
    service.sockets = kept;
    service.sockets.extend(added);
    gone.into_iter().for_each(sockets::close);
    log::set(config.log_format, config.log_level);
    service.config = config;
    service.library = library;
    Ok(())
}
