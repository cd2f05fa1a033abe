//! What the dialer may still do. It alone makes sockets on behalf of clients, so it can do nothing else: it opens no file, and
//! reads and writes no data connection. Run by the dialer.

use crate::config::Level;
use crate::log;
use crate::sys::privs::{self, Identity};
use crate::sys::seccomp::{Filter, Only, Rule, only, row, sparing};
use crate::sys::{Errno, process};
use std::os::fd::AsFd;

/// Shuts this process in. What is named in the error is the step that failed.
///
/// # Errors
/// Any step's: the process must not serve.
pub(super) fn enter(
    identity: Option<Identity>,
    level: Level,
    descriptors: u64,
) -> std::result::Result<(), (&'static str, Errno)> {
    let step = |name: &'static str| move |errno: Errno| (name, errno);
    if let Some(identity) = identity {
        let empty = privs::empty_folder().map_err(step("empty folder"))?;
        privs::enter_root(empty.as_fd()).map_err(step("chroot"))?;
        drop(empty);
        privs::drop_bounding_set().map_err(step("capabilities"))?;
        privs::become_user(identity).map_err(step("setresuid"))?;
    } else {
        privs::drop_capabilities().map_err(step("capabilities"))?;
    }
    process::hide_memory().map_err(step("dumpable"))?;
    privs::no_new_privs().map_err(step("no_new_privs"))?;
    privs::limit(descriptors, false).map_err(step("setrlimit"))?;
    if level == Level::Off {
        return Ok(());
    }
    // The journal's socket is for write(2) alone.
    let calls = [libc::SYS_sendmsg, libc::SYS_connect, libc::SYS_bind];
    let rules = sparing(&POLICY, &calls, log::journal());
    Filter::new(&rules).install().map_err(step("seccomp"))
}

/// The calls of the dialer. None here reads or writes a stream but the log's, opens a file, or makes a process.
#[rustfmt::skip]
const POLICY: [Rule; 37] = [
    // Children and the listener.
    row(libc::SYS_epoll_wait, "waiting"),
    row(libc::SYS_epoll_pwait, "the same, where epoll_wait is made of it"),
    row(libc::SYS_epoll_ctl, "who is waited for"),
    row(libc::SYS_recvmsg, "questions, and newcomers"),
    // With MSG_FASTOPEN a message would connect, past the table's connect.
    only(libc::SYS_sendmsg, Only::Without(2, libc::MSG_FASTOPEN as u32), "answers, with sockets"),
    row(libc::SYS_close, "what was handed over"),
    row(libc::SYS_write, "the log"),
    // Sockets.
    only(libc::SYS_socket, Only::Is(0, libc::AF_INET as u32), "IPv4"),
    only(libc::SYS_socket, Only::Is(0, libc::AF_INET6 as u32), "IPv6"),
    row(libc::SYS_bind, "the server's own address"),
    row(libc::SYS_listen, "passive"),
    row(libc::SYS_connect, "active"),
    only(libc::SYS_setsockopt, Only::Is(2, libc::TCP_NODELAY as u32), "what a data connection inherits"),
    only(libc::SYS_setsockopt, Only::Is(2, libc::SO_SNDTIMEO as u32), "how long a send of its child may take"),
    only(libc::SYS_setsockopt, Only::Is(2, libc::SO_REUSEADDR as u32), "a port whose last connection fades"),
    only(libc::SYS_setsockopt, Only::Is(2, libc::IPV6_V6ONLY as u32), "one family a socket"),
    only(libc::SYS_setsockopt, Only::Is(2, libc::TCP_CONGESTION as u32), "what the operator says"),
    only(libc::SYS_setsockopt, Only::Is(2, libc::IP_BIND_ADDRESS_NO_PORT as u32), "a port for each connection, not each client"),
    only(libc::SYS_getsockopt, Only::Is(2, libc::SO_ERROR as u32), "what came of connecting"),
    row(libc::SYS_getsockname, "the port that the system chose"),
    // The process itself.
    only(libc::SYS_fcntl, Only::Is(1, libc::F_GETFD as u32), "closing a descriptor, in builds that check themselves"),
    row(libc::SYS_getrandom, "which port of the range"),
    row(libc::SYS_clock_gettime, "where the kernel gives no clock to read without a call"),
    row(libc::SYS_brk, "memory"),
    only(libc::SYS_mmap, Only::Without(2, libc::PROT_EXEC as u32), "memory"),
    only(libc::SYS_mprotect, Only::Without(2, libc::PROT_EXEC as u32), "memory"),
    row(libc::SYS_munmap, "memory"),
    row(libc::SYS_mremap, "memory"),
    row(libc::SYS_madvise, "memory"),
    row(libc::SYS_futex, "locks of the standard library"),
    row(libc::SYS_rt_sigprocmask, "the C library"),
    row(libc::SYS_rt_sigreturn, "the C library"),
    row(libc::SYS_restart_syscall, "a wait that was stopped and goes on"),
    row(libc::SYS_getpid, "the log"),
    row(libc::SYS_gettid, "the C library"),
    row(libc::SYS_exit, "the end"),
    row(libc::SYS_exit_group, "the end"),
];
