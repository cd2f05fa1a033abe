//! The operating system: every `unsafe` block of the project, and every call that needs an integer
//! file descriptor. Used by all processes; knows nothing of protocols, users or the library.
//!
//! Callers pass and receive `OwnedFd`, `BorrowedFd`, `CStr` and enums, so that they have no way to
//! be wrong about a number. Each block holds one call and names what that call requires.
#![allow(unsafe_code)]

pub mod cgroup;
pub mod channel;
pub mod connect;
pub mod copy;
pub mod execute;
pub mod file;
pub mod hangup;
pub mod inherit;
pub mod listening;
pub mod machine;
pub mod mount;
pub mod net;
pub mod privs;
pub mod process;
pub mod random;
pub mod sealed;
pub mod seccomp;
pub mod shared;
pub mod signal;
pub mod terminal;

pub use nix::errno::Errno;
/// What every system call here returns on failure: the kernel's own number.
pub type Result<T> = std::result::Result<T, Errno>;
