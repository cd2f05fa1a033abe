//! What a child may still do: the steps that take everything else away, in order, and the table of system calls that are
//! left, with the reason for each. Prepared by the listener, entered by each child before its first client byte; a step that
//! fails ends the child.

use crate::config::{Config, Level};
use crate::ipc::{DESCRIPTORS, shuts_descriptors};
use crate::sys::privs::{self, Identity};
use crate::sys::seccomp::{Filter, Only, Rule, only, row, sparing};
use crate::sys::{Errno, Result, process};
use crate::wire::Protocol;
use std::os::fd::{AsFd, OwnedFd};

/// Everything a child needs to shut itself in, made once and inherited.
#[derive(Debug)]
pub struct Sandbox {
    level: Level,
    /// Who a child becomes; none when the server was not started as root.
    identity: Option<Identity>,
    /// An ordinary user's server that was started with capabilities (ports below 1024), which no child needs.
    capable: bool,
    /// Its root folder; none when it cannot be changed.
    empty: Option<OwnedFd>,
    /// Landlock: the library, and nothing else. Made by the broker, which alone knows where that is.
    ruleset: Option<OwnedFd>,
    /// What the children of drive clients may call: nobody pays for what another protocol needs.
    drive: Filter,
    /// The same of HTTP clients.
    http: Filter,
    /// The same of FTP clients.
    ftp: Filter,
    /// For warm children, who shut themselves in before they have a client: what any of their clients may need.
    warm: Filter,
}

/// What a process is when it shuts itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entering {
    /// It waits for a client, which it will accept.
    Warm,
    /// It has a client, that has to prove something before any file can be opened.
    Shut(Protocol),
    /// It has a client, that is let in as it is.
    Open(Protocol),
}

impl Sandbox {
    /// Prepares the walls that `config` asks for. To the socket of this number, which is the journal's, children may only write.
    ///
    /// # Errors
    /// When the empty folder cannot be made.
    pub fn prepare(
        config: &Config,
        ruleset: Option<OwnedFd>,
        journal: Option<u32>,
    ) -> Result<Sandbox> {
        let identity = config.identity;
        let empty = identity.map(|_| privs::empty_folder()).transpose()?;
        let mut warm = [&POLICY[..], &WARM[..]].concat();
        let speaks = |protocol| config.listen.iter().any(|l| l.protocol == protocol);
        if speaks(Protocol::Http) || speaks(Protocol::Ftp) {
            warm.extend(SWIFT);
        }
        if speaks(Protocol::Ftp) {
            warm.extend(FTP);
            let why = "the address that its client came to, for the dialer";
            warm.push(row(libc::SYS_getsockname, why));
        }
        let filter = |rules: &[Rule]| Filter::new(&sparing(rules, &ELSEWHERE, journal));
        Ok(Sandbox {
            level: config.sandbox,
            identity,
            capable: privs::has_capabilities()?,
            empty,
            ruleset,
            drive: filter(&POLICY),
            http: filter(&[&POLICY[..], &SWIFT[..]].concat()),
            ftp: filter(&[&POLICY[..], &SWIFT[..], &FTP[..]].concat()),
            warm: filter(&warm),
        })
    }

    /// Shuts this process in. What is named in the error is the step that failed.
    ///
    /// # Errors
    /// Any step's: the process must not serve.
    pub fn enter(&self, entering: Entering) -> std::result::Result<(), (&'static str, Errno)> {
        let step = |name: &'static str| move |errno: Errno| (name, errno);
        if let Some(empty) = &self.empty {
            privs::enter_root(empty.as_fd()).map_err(step("chroot"))?;
        }
        if let Some(identity) = self.identity {
            privs::drop_bounding_set().map_err(step("capabilities"))?;
            privs::become_user(identity).map_err(step("setresuid"))?;
        } else if self.capable {
            privs::drop_capabilities().map_err(step("capabilities"))?;
        }
        privs::no_new_privs().map_err(step("no_new_privs"))?;
        let shut = matches!(entering, Entering::Shut(_)) && shuts_descriptors(self.identity);
        privs::limit(DESCRIPTORS, shut).map_err(step("setrlimit"))?;
        if self.level != Level::Off {
            match &self.ruleset {
                Some(ruleset) => {
                    privs::restrict_files(ruleset.as_fd()).map_err(step("landlock"))?
                }
                None if self.level == Level::Full => return Err(("landlock", Errno::ENOSYS)),
                None => {}
            }
        }
        // What the walls were made of is of no use any more, but to somebody who looks for a way around them.
        self.descriptors().for_each(process::give_up);
        if self.level == Level::Off {
            return Ok(());
        }
        let filter = match entering {
            Entering::Warm => &self.warm,
            Entering::Shut(Protocol::Drive) | Entering::Open(Protocol::Drive) => &self.drive,
            Entering::Shut(Protocol::Http) | Entering::Open(Protocol::Http) => &self.http,
            Entering::Shut(Protocol::Ftp) | Entering::Open(Protocol::Ftp) => &self.ftp,
        };
        filter.install().map_err(step("seccomp"))
    }

    /// The descriptors that a child needs until it has entered.
    pub fn descriptors(&self) -> impl Iterator<Item = std::os::fd::BorrowedFd<'_>> {
        self.empty.iter().chain(&self.ruleset).map(AsFd::as_fd)
    }
}

/// The calls a child may make from its first client byte on. There is no call here that makes a socket, a process or
/// executable memory, none that opens by an old way (open, creat), sends a signal, or changes an identity; what openat and
/// openat2 may reach is Landlock's to say.
#[rustfmt::skip]
const POLICY: [Rule; 66] = [
    // The client's connection, and the broker's channel.
    row(libc::SYS_read, "requests; a pipe pair's input"),
    row(libc::SYS_write, "the log; a pipe pair's output"),
    row(libc::SYS_recvfrom, "the client"),
    // With MSG_FASTOPEN sending connects a socket that is not, to anywhere: a listening one after shutdown(2) would do.
    only(libc::SYS_sendto, Only::Without(3, libc::MSG_FASTOPEN as u32), "the client"),
    row(libc::SYS_recvmsg, "answers of the broker, with the library's descriptors"),
    only(libc::SYS_sendmsg, Only::Without(2, libc::MSG_FASTOPEN as u32), "questions to the broker; the client under TLS"),
    row(libc::SYS_sendfile, "files to the client"),
    row(libc::SYS_poll, "waiting with a deadline"),
    row(libc::SYS_ppoll, "waiting with a deadline, where poll is made of it"),
    only(libc::SYS_ioctl, Only::Is(1, libc::TIOCOUTQ as u32), "what the client has not acknowledged"),
    row(libc::SYS_shutdown, "the last word before a hang-up"),
    // Files below the library's descriptor.
    row(libc::SYS_openat2, "the one door"),
    row(libc::SYS_openat, "staged files, by descriptor and name"),
    only(libc::SYS_close, Only::AtLeast(0, 3), "everything but the standard three: while they are open, the limit of descriptors shuts every way to a new one until the broker lifts it"),
    row(libc::SYS_fstat, "what an open object is"),
    row(libc::SYS_newfstatat, "entries of a listing; fstat of the C library"),
    row(libc::SYS_statx, "fstat of the standard library; when a file was made"),
    row(libc::SYS_fstatfs, "free space"),
    row(libc::SYS_getdents64, "listings"),
    row(libc::SYS_lseek, "listings, in the C library"),
    only(libc::SYS_fcntl, Only::Is(1, libc::F_DUPFD_CLOEXEC as u32), "a second descriptor of a listed folder"),
    only(libc::SYS_fcntl, Only::Is(1, libc::F_GETFL as u32), "opening a listing, in the C library"),
    only(libc::SYS_fcntl, Only::Is(1, libc::F_GETFD as u32), "closing a descriptor, in builds that check themselves"),
    only(libc::SYS_fcntl, Only::Is(1, libc::F_SETFD as u32), "opening a listing, in the C library"),
    row(libc::SYS_pread64, "small files, digests; files under TLS"),
    row(libc::SYS_pwrite64, "uploads"),
    row(libc::SYS_ftruncate, "an upload that begins anew; room that was taken for one that was cut"),
    row(libc::SYS_fallocate, "room for a large upload, of a file that it writes anyway"),
    row(libc::SYS_fdatasync, "uploads"),
    row(libc::SYS_fsync, "names"),
    row(libc::SYS_syncfs, "many uploads at once"),
    row(libc::SYS_sync_file_range, "large uploads, on their way"),
    row(libc::SYS_flock, "one writer of a partial"),
    row(libc::SYS_fgetxattr, "kept digests"),
    row(libc::SYS_fsetxattr, "kept digests"),
    only(libc::SYS_utimensat, Only::Null(1), "the time of a file: of a descriptor, never of a path, which Landlock would not stop"),
    row(libc::SYS_linkat, "publishing"),
    row(libc::SYS_renameat, "publishing over an old file; a name that replaces another"),
    row(libc::SYS_renameat2, "a new name that replaces nothing; renameat, where it is made of this"),
    row(libc::SYS_unlinkat, "staged names; what clients remove"),
    row(libc::SYS_mkdirat, "folders"),
    row(libc::SYS_umask, "what new files of this user allow others"),
    row(libc::SYS_landlock_restrict_self, "the narrower walls of a user, which only take away"),
    // The process itself.
    row(libc::SYS_getrandom, "staged names; TLS"),
    row(libc::SYS_clock_gettime, "where the kernel gives no clock to read without a call"),
    row(libc::SYS_brk, "memory"),
    // Memory that can be executed is never made.
    only(libc::SYS_mmap, Only::Without(2, libc::PROT_EXEC as u32), "memory"),
    only(libc::SYS_mprotect, Only::Without(2, libc::PROT_EXEC as u32), "memory"),
    row(libc::SYS_munmap, "memory"),
    row(libc::SYS_mremap, "memory"),
    row(libc::SYS_madvise, "memory"),
    // A thread of this process, never a process: the flags of clone3 cannot be seen here, so there is none.
    only(libc::SYS_clone, Only::With(0, libc::CLONE_THREAD as u32), "the digest of a large file, beside the sending"),
    only(libc::SYS_clone3, Only::Unknown, "the same: the C library then takes clone"),
    row(libc::SYS_set_robust_list, "a new thread, in the C library"),
    row(libc::SYS_rseq, "a new thread, in the C library"),
    row(libc::SYS_sigaltstack, "a new thread, in the standard library"),
    row(libc::SYS_sched_getaffinity, "a new thread's stack, in the C library"),
    row(libc::SYS_futex, "locks of the standard library"),
    row(libc::SYS_rt_sigaction, "the first thread, in the C library"),
    row(libc::SYS_rt_sigprocmask, "the C library"),
    row(libc::SYS_rt_sigreturn, "the C library"),
    row(libc::SYS_restart_syscall, "a wait that was stopped and goes on"),
    row(libc::SYS_getpid, "the log"),
    row(libc::SYS_gettid, "the C library"),
    row(libc::SYS_exit, "the end"),
    row(libc::SYS_exit_group, "the end"),
];

/// What is not for the journal's socket, a datagram socket that is connected: the calls by which one sends to another address all the same,
/// and those that would give it another number.
const ELSEWHERE: [libc::c_long; 3] = [libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_fcntl];

/// What the child of a client may do besides who takes or sends files without a digest, as fast as they come. All of it moves bytes between
/// descriptors that it has anyway.
#[rustfmt::skip]
const SWIFT: [Rule; 4] = [
    row(libc::SYS_pipe2, "files to a fast client, and from one"),
    row(libc::SYS_splice, "files to a fast client, and from one"),
    only(libc::SYS_fcntl, Only::Is(1, libc::F_SETPIPE_SZ as u32), "how much that pipe holds"),
    only(libc::SYS_setsockopt, Only::Is(2, libc::TCP_CORK as u32), "files to a fast client, in whole packets"),
];

/// What the child of an FTP client may do besides. Its data connections come from the dialer: none of these makes, binds or connects
/// a socket.
#[rustfmt::skip]
const FTP: [Rule; 4] = [
    only(libc::SYS_getsockopt, Only::Is(2, libc::TCP_INFO as u32), "how long a round trip takes, at the end of an upload"),
    row(libc::SYS_accept4, "the data connection, of a listening socket that the dialer made"),
    only(libc::SYS_fchmod, Only::Without(1, 0o7000), "SITE CHMOD, of an open file; never whose a program is when it runs"),
    row(libc::SYS_copy_file_range, "the part of a file that an upload goes on after"),
];

/// What a warm child may do besides, to come to its client. It holds listening sockets until then, and none after.
#[rustfmt::skip]
const WARM: [Rule; 8] = [
    row(libc::SYS_epoll_wait, "waiting for a client, or for the word to leave"),
    row(libc::SYS_epoll_pwait, "the same, where epoll_wait is made of it"),
    row(libc::SYS_accept4, "its client"),
    row(libc::SYS_getpeername, "who it is"),
    row(libc::SYS_getsockopt, "who it is, on a Unix socket"),
    only(libc::SYS_setsockopt, Only::Is(2, libc::SO_SNDTIMEO as u32), "how long sending to it may take"),
    row(libc::SYS_clock_nanosleep, "a pause while the machine is out of something"),
    only(libc::SYS_close_range, Only::AtLeast(0, 3), "the listening sockets, once there is a client"),
];
