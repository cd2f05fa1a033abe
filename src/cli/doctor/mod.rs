//! `forkftpd doctor`: what a running server or a planned one suffers from, or will, and the line that mends it. Run by the operator.
//! It changes nothing: what it makes to try something (a socket, a small file in the stage) is gone when it has ended. Nothing is
//! passed over in silence: what could not be looked at is said.
//!
//! | file | job |
//! |---|---|
//! | `report` | findings, and how they are printed |
//! | `patient` | which server is looked at, and who it is |
//! | `eyes`, `library` | the library as the server's user sees it |
//! | `dial` | who answers at an address |
//! | `proc` | what the kernel says of processes and sockets |
//! | the others | a topic each |

mod address;
mod certificate;
mod clock;
mod container;
mod dial;
mod disk;
mod eyes;
mod filesystem;
mod kernel;
mod library;
mod limits;
mod owners;
mod partials;
mod patient;
mod ports;
mod proc;
mod report;
mod secrets;
mod unit;

use crate::config::Flags;
use clap::Args;
use patient::Patient;
use report::Report;
use std::io::Write as _;
use std::process::ExitCode;

/// How it is said.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Say what is fine, too.
    #[arg(long)]
    all: bool,
    /// One JSON object, for programs; with everything.
    #[arg(long)]
    json: bool,
}

pub(super) const AFTER: &str = "\
Looks at the server that answers at the control socket; where none does, at what the configuration plans. As root it sees the library with the \
eyes of the server's user; what somebody else cannot look at is said in a note.

Nothing is changed. A few sockets are opened for a moment, some on ports of passive_ports, and a small file in the library's stage.

Exit status: 0 nothing worse than notes, 1 errors, 2 the command line is wrong, 3 warnings.";

/// There are warnings, and no errors.
const LOOK: u8 = 3;

/// Looks at everything, and prints what was found.
pub(super) fn run(how: &How, flags: Flags) -> ExitCode {
    let mut report = Report::default();
    if let Some(patient) = Patient::find(flags, &mut report) {
        let seen = eyes::look(&patient);
        kernel::examine(&patient, &mut report);
        unit::examine(&patient, &mut report);
        limits::examine(&patient, &mut report);
        library::examine(&patient, seen.as_ref(), &mut report);
        filesystem::examine(&patient, seen.as_ref().ok(), &mut report);
        disk::examine(&patient, seen.as_ref().ok(), &mut report);
        owners::examine(&patient, seen.as_ref().ok(), &mut report);
        partials::examine(&patient, seen.as_ref().ok(), &mut report);
        secrets::examine(&patient, &mut report);
        certificate::examine(&patient, &mut report);
        clock::examine(seen.as_ref().ok(), &mut report);
        ports::examine(&patient, &mut report);
        address::examine(&patient, &mut report);
        container::examine(&patient, &mut report);
    }
    let text = if how.json {
        report.json()
    } else {
        report.text(how.all)
    };
    let mut out = std::io::stdout().lock();
    if out
        .write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_err()
    {
        return ExitCode::FAILURE;
    }
    match (report.errors(), report.warnings()) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(LOOK),
        _ => ExitCode::FAILURE,
    }
}
