//! The runner: the process that executes what the operator's configuration names, for clients who may have it run. Started by the
//! listener by exec of the same program, when there is something to execute. It holds no secret, no library, no listening socket and no
//! client's channel; it is told names by the broker, and what they mean it reads in the configuration itself.
//!
//! For each execution there is a *supervisor*, a process of its own that keeps its limits, and with which all ends that came of it.

mod execute;
mod kin;
mod program;
mod pump;
mod run;
mod start;
mod supervise;

pub use run::run;
pub use start::Control;

/// How executions are kept together here, for people.
///
/// # Errors
/// When they cannot be: nothing is executed then.
pub fn fence() -> crate::sys::Result<&'static str> {
    execute::Fence::best().map(execute::Fence::as_str)
}
