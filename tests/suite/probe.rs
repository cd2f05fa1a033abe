//! What a living child can still do, seen from outside: a debugger's hands make it call the kernel, once, and look at what
//! comes back. Nothing in the child helps, so that this holds for whatever code has taken one over.

use super::peer::{Peer, request};
use super::server::{PATIENCE, Server};
use super::walls::{child_of, is_root, is_same, open_files, skip, tcp_inode};
use forkftp::proof::{Mac, Role};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Room for what pointers point to, below the stack of the child.
const ROOM: usize = 2048;
/// `syscall`, and the old way into the kernel.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
const INT_80: [u8; 2] = [0xcd, 0x80];

/// An argument of a system call.
#[derive(Debug, Clone)]
pub enum Arg {
    /// A number.
    N(i64),
    /// The address of these bytes.
    At(Vec<u8>),
    /// The descriptor of the library's root; only after the proof.
    Root,
    /// The descriptor of the client's connection.
    Client,
    /// Where code of the child's program is.
    Code,
    /// An address that nothing is mapped at yet: none.
    Null,
}
use Arg::{At, Client, Code, N, Null, Root};

pub fn text(text: &str) -> Arg {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    At(bytes)
}

/// Numbers as the kernel reads them in a struct of 64-bit fields.
pub fn fields(numbers: &[u64]) -> Arg {
    At(numbers.iter().flat_map(|n| n.to_le_bytes()).collect())
}

pub const HERE: Arg = N(libc::AT_FDCWD as i64);

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Gave(i64),
    Refused(Errno),
    Killed(Signal),
    /// It waits in the kernel.
    Waits,
}

/// A child in a debugger's hands, stopped where it waited for its client.
pub struct Held {
    pub pid: Pid,
    saved: libc::user_regs_struct,
    memory: File,
    room: Vec<u8>,
    pub root: Option<i64>,
    client: i64,
    gone: bool,
}

impl Held {
    /// Takes hold of `pid`. `Err` says why that cannot be done here.
    fn take(pid: u32, root: Option<i64>, client: i64) -> Result<Held, String> {
        let pid = Pid::from_raw(pid as i32);
        ptrace::seize(pid, ptrace::Options::empty())
            .map_err(|errno| format!("children cannot be traced here: {errno}"))?;
        ptrace::interrupt(pid).expect("interrupt");
        assert!(matches!(
            wait(pid),
            Some(WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..))
        ));
        let saved = ptrace::getregs(pid).expect("registers");
        let memory = File::options()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))
            .expect("memory");
        let mut held = Held {
            pid,
            saved,
            memory,
            room: vec![0; ROOM],
            root,
            client,
            gone: false,
        };
        assert_eq!(
            held.read(saved.rip - 2),
            SYSCALL,
            "it is stopped behind a system call"
        );
        let at = held.room_at();
        let mut room = vec![0; ROOM];
        held.memory.read_exact_at(&mut room, at).expect("stack");
        held.room = room;
        Ok(held)
    }

    /// Far enough below the stack pointer that no frame is there.
    fn room_at(&self) -> u64 {
        (self.saved.rsp - 256 - ROOM as u64) & !15
    }

    fn read(&self, at: u64) -> [u8; 2] {
        let mut bytes = [0; 2];
        self.memory.read_exact_at(&mut bytes, at).expect("code");
        bytes
    }

    /// Has the child make the call, and looks at what comes back.
    pub fn call(&mut self, number: i64, arguments: &[Arg]) -> Outcome {
        let mut next = self.room_at();
        let end = next + ROOM as u64;
        let mut values = [0; 6];
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = match argument {
                N(number) => *number as u64,
                Root => self.root.expect("a library") as u64,
                Client => self.client as u64,
                Code => self.saved.rip & !0xfff,
                Null => 0,
                At(bytes) => {
                    let at = next;
                    self.memory.write_all_at(bytes, at).expect("stack");
                    next += (bytes.len() as u64 + 15) & !15;
                    assert!(next <= end, "the arguments are too long");
                    at
                }
            };
        }
        let [rdi, rsi, rdx, r10, r8, r9] = values;
        self.run(libc::user_regs_struct {
            rax: number as u64,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..self.saved
        })
    }

    /// A call by the old way, which has numbers and an architecture of its own. None when its code cannot be written here.
    fn call_by_int_80(&mut self, number: u64) -> Option<Outcome> {
        let at = self.saved.rip - 2;
        self.memory.write_all_at(&INT_80, at).ok()?;
        let outcome = self.run(libc::user_regs_struct {
            rax: number,
            ..self.saved
        });
        if !self.gone {
            self.memory.write_all_at(&SYSCALL, at).expect("code");
        }
        Some(outcome)
    }

    fn run(&mut self, mut registers: libc::user_regs_struct) -> Outcome {
        registers.rip = self.saved.rip - 2;
        // Not within a call any more: nothing is to be begun again.
        registers.orig_rax = u64::MAX;
        ptrace::setregs(self.pid, registers).expect("registers");
        let mut pass = None;
        loop {
            ptrace::step(self.pid, pass).expect("step");
            match wait(self.pid) {
                Some(WaitStatus::Stopped(_, Signal::SIGTRAP)) => {
                    let gave = ptrace::getregs(self.pid).expect("registers").rax as i64;
                    return if (-4095..0).contains(&gave) {
                        Outcome::Refused(Errno::from_raw(-gave as i32))
                    } else {
                        Outcome::Gave(gave)
                    };
                }
                // The kernel stopped it on its way to death.
                Some(WaitStatus::Stopped(_, signal)) => pass = Some(signal),
                Some(WaitStatus::Signaled(_, signal, _)) => {
                    self.gone = true;
                    return Outcome::Killed(signal);
                }
                Some(other) => panic!("{other:?}"),
                None => {
                    self.gone = true;
                    let _ = kill(self.pid, Signal::SIGKILL);
                    let _ = wait(self.pid);
                    return Outcome::Waits;
                }
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        // It goes on where it was, and knows of nothing.
        let _ = self.memory.write_all_at(&self.room, self.room_at());
        let _ = ptrace::setregs(self.pid, self.saved);
        let _ = ptrace::detach(self.pid, None);
    }
}

/// What the traced process did next; None when it did nothing.
fn wait(pid: Pid) -> Option<WaitStatus> {
    let until = Instant::now() + Duration::from_secs(5);
    let flags = WaitPidFlag::WNOHANG | WaitPidFlag::__WALL;
    while Instant::now() < until {
        match waitpid(pid, Some(flags)).expect("waitpid") {
            WaitStatus::StillAlive => std::thread::sleep(Duration::from_micros(200)),
            status => return Some(status),
        }
    }
    None
}

/// When a child is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Its client has heard the hello, and proved nothing.
    Before,
    /// Its client has proved the secret.
    After,
}

/// A session and its child, which waits.
fn session(server: &Server, when: When) -> Result<(Peer, Held), String> {
    let mut peer = Peer::connect(server);
    if when == When::After {
        let proof = peer.proof(Mac::Sha256, Role::Client);
        assert_eq!(peer.ask('A', &proof).letter, 'K');
        peer.list(&serde_json::json!({"path": ""}));
    }
    let held = hold(server, &peer, &server.library())?;
    assert_eq!(held.root.is_some(), when == When::After);
    Ok((peer, held))
}

/// Takes hold of the child of `peer`, which waits, and whose root would be `folder`.
pub fn hold(server: &Server, peer: &Peer, folder: &Path) -> Result<Held, String> {
    let pid = child_of(server, peer).ok_or("the descriptors of children cannot be seen here")?;
    hold_child(pid, folder)
}

/// The same of the child `pid`.
pub fn hold_child(pid: u32, folder: &Path) -> Result<Held, String> {
    // In its poll; a child on its way there is stopped elsewhere.
    let until = Instant::now() + PATIENCE;
    let waits = || {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|s| s.starts_with(" S")))
    };
    while !waits() {
        assert!(Instant::now() < until, "the child never waits");
        std::thread::sleep(Duration::from_millis(1));
    }
    let files = open_files(pid);
    let number = |wanted: &dyn Fn(u32, &str) -> bool| {
        let found = files.iter().find(|(fd, link)| wanted(*fd, link));
        found.map(|(fd, _)| i64::from(*fd))
    };
    let root = number(&|fd, _| is_same(pid, fd, folder));
    let client = number(&|_, link| link.starts_with("socket:") && tcp_inode(link).is_some())
        .expect("a connection");
    Held::take(pid, root, client)
}

/// One try: the call, and whether it takes a library to make it.
struct Try {
    what: &'static str,
    number: i64,
    arguments: Vec<Arg>,
}

fn attempt(what: &'static str, number: libc::c_long, arguments: &[Arg]) -> Try {
    Try {
        what,
        number,
        arguments: arguments.to_vec(),
    }
}

impl Try {
    fn needs_library(&self) -> bool {
        self.arguments.iter().any(|arg| matches!(arg, Root))
    }
}

/// Files outside the library, and a process beside it.
struct Outside {
    folder: String,
    sibling: i64,
    parent: i64,
    own: i64,
}

#[rustfmt::skip]
fn tries(outside: &Outside) -> Vec<Try> {
    use libc::*;
    let read = N(O_RDONLY.into());
    let write = N((O_WRONLY | O_CREAT).into());
    let mode = N(0o666);
    let file = || text(&format!("{}/file", outside.folder));
    let new = || text(&format!("{}/new", outside.folder));
    let up = || text("../outside/file");
    let up_new = || text("../outside/new");
    let how = |flags: i32, mode: u64, resolve: u64| fields(&[flags as u64, mode, resolve]);
    let how_size = N(24);
    let address = || At([2u16.to_ne_bytes(), 9u16.to_be_bytes(), [127, 0], [0, 1]].concat().into_iter().chain([0; 8]).collect());
    let null = || Null;
    // CLONE_VM and a stack would be needed to run there; a copy needs nothing.
    let clone_arguments = || fields(&[0, 0, 0, 0, SIGCHLD as u64, 0, 0, 0]);
    let (sibling, parent, own) = (N(outside.sibling), N(outside.parent), N(outside.own));
    let (page, anywhere) = (N(4096), N((MAP_PRIVATE | MAP_ANONYMOUS).into()));
    vec![
        // Files outside the library.
        attempt("open /etc/passwd", SYS_open, &[text("/etc/passwd"), read.clone(), N(0)]),
        attempt("openat /etc/passwd", SYS_openat, &[HERE, text("/etc/passwd"), read.clone(), N(0)]),
        attempt("openat /", SYS_openat, &[HERE, text("/"), N((O_RDONLY | O_DIRECTORY).into()), N(0)]),
        attempt("openat /proc/self/mem", SYS_openat, &[HERE, text("/proc/self/mem"), N(O_RDWR.into()), N(0)]),
        attempt("openat /proc/self/environ", SYS_openat, &[HERE, text("/proc/self/environ"), read.clone(), N(0)]),
        attempt("openat outside", SYS_openat, &[HERE, file(), read.clone(), N(0)]),
        attempt("openat new outside", SYS_openat, &[HERE, new(), write.clone(), mode.clone()]),
        attempt("openat new in .", SYS_openat, &[HERE, text("new"), write.clone(), mode.clone()]),
        attempt("openat unnamed outside", SYS_openat, &[HERE, text(&outside.folder), N((O_WRONLY | O_TMPFILE).into()), mode.clone()]),
        attempt("openat2 /etc/passwd", SYS_openat2, &[HERE, text("/etc/passwd"), how(O_RDONLY, 0, 0), how_size.clone()]),
        attempt("openat2 outside", SYS_openat2, &[HERE, file(), how(O_RDONLY, 0, 0), how_size.clone()]),
        attempt("openat ../ of the library", SYS_openat, &[Root, up(), read.clone(), N(0)]),
        attempt("openat .. of the library", SYS_openat, &[Root, text(".."), N((O_RDONLY | O_DIRECTORY).into()), N(0)]),
        attempt("openat new ../ of the library", SYS_openat, &[Root, up_new(), write.clone(), mode.clone()]),
        attempt("openat2 ../ of the library", SYS_openat2, &[Root, up(), how(O_RDONLY, 0, 0), how_size.clone()]),
        attempt("openat2 ../ of the library, writing", SYS_openat2, &[Root, up(), how(O_RDWR, 0, 0), how_size.clone()]),
        attempt("openat a link out of the library", SYS_openat, &[Root, text("link"), read.clone(), N(0)]),
        attempt("openat2 a link out of the library, writing", SYS_openat2, &[Root, text("link"), how(O_RDWR, 0, 0), how_size.clone()]),
        attempt("linkat out of the library", SYS_linkat, &[Root, text("inside"), Root, up_new(), N(0)]),
        attempt("linkat into the library", SYS_linkat, &[Root, up(), Root, text("stolen"), N(0)]),
        attempt("linkat into the library by path", SYS_linkat, &[HERE, file(), Root, text("stolen"), N(0)]),
        attempt("linkat outside", SYS_linkat, &[HERE, file(), HERE, new(), N(0)]),
        attempt("renameat out of the library", SYS_renameat, &[Root, text("inside"), Root, up_new()]),
        attempt("renameat into the library", SYS_renameat, &[Root, up(), Root, text("stolen")]),
        attempt("renameat2 exchange with outside", SYS_renameat2, &[Root, text("inside"), Root, up(), N(RENAME_EXCHANGE.into())]),
        attempt("renameat outside", SYS_renameat, &[HERE, file(), HERE, new()]),
        attempt("unlinkat outside", SYS_unlinkat, &[HERE, file(), N(0)]),
        attempt("unlinkat ../ of the library", SYS_unlinkat, &[Root, up(), N(0)]),
        attempt("rmdir ../ of the library", SYS_unlinkat, &[Root, text("../outside/empty"), N(AT_REMOVEDIR.into())]),
        attempt("renameat of a folder into the library", SYS_renameat, &[Root, text("../outside/empty"), Root, text("stolen")]),
        attempt("mkdirat outside", SYS_mkdirat, &[HERE, new(), N(0o777)]),
        attempt("mkdirat ../ of the library", SYS_mkdirat, &[Root, up_new(), N(0o777)]),
        attempt("chmod", SYS_chmod, &[file(), N(0o777)]),
        attempt("fchmodat", SYS_fchmodat, &[HERE, file(), N(0o777)]),
        attempt("fchmodat of the library", SYS_fchmodat, &[Root, text("inside"), N(0o4777)]),
        attempt("fchmod to set-user-id", SYS_fchmod, &[Root, N(0o4777)]),
        attempt("fchmod to set-group-id", SYS_fchmod, &[Root, N(0o2777)]),
        attempt("fchownat", SYS_fchownat, &[HERE, file(), N(0), N(0), N(0)]),
        attempt("symlinkat", SYS_symlinkat, &[text("/etc"), HERE, new()]),
        attempt("symlinkat in the library", SYS_symlinkat, &[text("/etc"), Root, text("etc")]),
        attempt("mknodat in the library", SYS_mknodat, &[Root, text("pipe"), N((S_IFIFO | 0o666).into()), N(0)]),
        attempt("mknodat", SYS_mknodat, &[HERE, new(), N((S_IFIFO | 0o666).into()), N(0)]),
        attempt("truncate", SYS_truncate, &[file(), N(0)]),
        attempt("chdir", SYS_chdir, &[text("/")]),
        attempt("fchdir", SYS_fchdir, &[Root]),
        attempt("readlink", SYS_readlinkat, &[HERE, text("/proc/self/exe"), At(vec![0; 64]), N(64)]),
        attempt("setxattr", SYS_setxattr, &[file(), text("user.x"), text("y"), N(1), N(0)]),
        attempt("utimensat outside", SYS_utimensat, &[HERE, file(), fields(&[1, 0, 1, 0]), N(0)]),
        attempt("utimensat ../ of the library", SYS_utimensat, &[Root, up(), fields(&[1, 0, 1, 0]), N(0)]),
        attempt("inotify_init1", SYS_inotify_init1, &[N(0)]),
        attempt("fanotify_init", SYS_fanotify_init, &[N(0), N(0)]),
        attempt("name_to_handle_at", SYS_name_to_handle_at, &[HERE, file(), At(vec![0; 160]), At(vec![0; 8]), N(0)]),
        attempt("open_by_handle_at", SYS_open_by_handle_at, &[HERE, At(vec![0; 160]), N(0)]),
        // Programs and processes.
        attempt("execve", SYS_execve, &[text("/bin/true"), null(), null()]),
        attempt("execveat", SYS_execveat, &[HERE, text("/bin/true"), null(), null(), N(0)]),
        attempt("fork", SYS_fork, &[]),
        attempt("vfork", SYS_vfork, &[]),
        attempt("clone", SYS_clone, &[N(SIGCHLD.into()), null(), null(), null(), null()]),
        attempt("clone3", SYS_clone3, &[clone_arguments(), N(64)]),
        // Signal 0 is sent to nobody, and asks all the same whether one could be: a failed test harms none.
        attempt("kill a sibling", SYS_kill, &[sibling.clone(), N(0)]),
        attempt("kill the parent", SYS_kill, &[parent.clone(), N(0)]),
        attempt("kill everybody", SYS_kill, &[N(-1), N(0)]),
        attempt("tgkill a sibling", SYS_tgkill, &[sibling.clone(), sibling.clone(), N(0)]),
        attempt("tkill", SYS_tkill, &[own.clone(), N(0)]),
        attempt("rt_sigqueueinfo", SYS_rt_sigqueueinfo, &[sibling.clone(), N(SIGCONT.into()), At(vec![0; 128])]),
        attempt("pidfd_open", SYS_pidfd_open, &[sibling.clone(), N(0)]),
        attempt("pidfd_send_signal", SYS_pidfd_send_signal, &[Client, N(0), null(), N(0)]),
        attempt("ptrace a sibling", SYS_ptrace, &[N(PTRACE_SEIZE.into()), sibling.clone(), null(), null()]),
        attempt("process_vm_readv", SYS_process_vm_readv, &[sibling.clone(), At(vec![0; 16]), N(1), At(vec![0; 16]), N(1), N(0)]),
        attempt("process_vm_writev", SYS_process_vm_writev, &[sibling.clone(), At(vec![0; 16]), N(1), At(vec![0; 16]), N(1), N(0)]),
        attempt("prlimit64", SYS_prlimit64, &[sibling.clone(), N(RLIMIT_NOFILE as i64), null(), At(vec![0; 16])]),
        attempt("setpriority", SYS_setpriority, &[N(0), N(0), N(10)]),
        attempt("setsid", SYS_setsid, &[]),
        // Connections.
        attempt("socket", SYS_socket, &[N(AF_INET.into()), N(SOCK_STREAM.into()), N(0)]),
        attempt("socket of packets", SYS_socket, &[N(AF_INET.into()), N(SOCK_DGRAM.into()), N(0)]),
        attempt("socketpair", SYS_socketpair, &[N(AF_UNIX.into()), N(SOCK_STREAM.into()), N(0), At(vec![0; 8])]),
        attempt("connect", SYS_connect, &[Client, address(), N(16)]),
        attempt("bind", SYS_bind, &[Client, address(), N(16)]),
        attempt("listen", SYS_listen, &[Client, N(1)]),
        attempt("accept4", SYS_accept4, &[Client, null(), null(), N(0)]),
        attempt("setsockopt", SYS_setsockopt, &[Client, N(SOL_SOCKET.into()), N(SO_KEEPALIVE.into()), At(vec![1, 0, 0, 0]), N(4)]),
        attempt("io_uring_setup", SYS_io_uring_setup, &[N(4), At(vec![0; 120])]),
        attempt("sendto elsewhere", SYS_sendto, &[Client, text("x"), N(1), N((MSG_FASTOPEN | MSG_NOSIGNAL).into()), address(), N(16)]),
        attempt("pidfd_getfd", SYS_pidfd_getfd, &[Client, N(3), N(0)]),
        // What a process is.
        attempt("setuid", SYS_setuid, &[N(0)]),
        attempt("setgid", SYS_setgid, &[N(0)]),
        attempt("setresuid", SYS_setresuid, &[N(0), N(0), N(0)]),
        attempt("setgroups", SYS_setgroups, &[N(0), null()]),
        attempt("capset", SYS_capset, &[fields(&[0x2008_0522]), fields(&[u64::MAX, u64::MAX, u64::MAX])]),
        attempt("chroot", SYS_chroot, &[text("/")]),
        attempt("pivot_root", SYS_pivot_root, &[text("/"), text("/")]),
        attempt("mount", SYS_mount, &[text("none"), text("/"), text("tmpfs"), N(0), null()]),
        attempt("unshare", SYS_unshare, &[N(CLONE_NEWUSER.into())]),
        attempt("setns", SYS_setns, &[Client, N(0)]),
        attempt("prctl dumpable", SYS_prctl, &[N(PR_SET_DUMPABLE.into()), N(1), N(0), N(0), N(0)]),
        attempt("seccomp", SYS_seccomp, &[N(SECCOMP_GET_ACTION_AVAIL.into()), N(0), At(vec![0; 4])]),
        attempt("landlock_create_ruleset", SYS_landlock_create_ruleset, &[null(), N(0), N(1)]),
        attempt("landlock_add_rule", SYS_landlock_add_rule, &[Client, N(1), At(vec![0; 16]), N(0)]),
        attempt("personality", SYS_personality, &[N(0x0400_0000)]),
        attempt("arch_prctl", SYS_arch_prctl, &[N(0x1002), N(0)]),
        attempt("modify_ldt", SYS_modify_ldt, &[N(0), At(vec![0; 16]), N(16)]),
        // Memory.
        attempt("mmap to execute", SYS_mmap, &[null(), page.clone(), N((PROT_READ | PROT_EXEC).into()), anywhere.clone(), N(-1), N(0)]),
        attempt("mmap to execute, high bits set", SYS_mmap, &[null(), page.clone(), N(0x1_0000_0000 | i64::from(PROT_READ | PROT_EXEC)), anywhere, N(-1), N(0)]),
        attempt("mprotect to execute", SYS_mprotect, &[Code, page.clone(), N((PROT_READ | PROT_WRITE | PROT_EXEC).into())]),
        attempt("pkey_mprotect", SYS_pkey_mprotect, &[Code, page, N((PROT_READ | PROT_EXEC).into()), N(-1)]),
        attempt("memfd_create", SYS_memfd_create, &[text("x"), N(0)]),
        attempt("memfd_secret", SYS_memfd_secret, &[N(0)]),
        attempt("shmget", SYS_shmget, &[N(0), N(4096), N((IPC_CREAT | 0o600).into())]),
        attempt("userfaultfd", SYS_userfaultfd, &[N(0)]),
        // The kernel's large doors.
        attempt("bpf", SYS_bpf, &[N(0), At(vec![0; 128]), N(128)]),
        attempt("perf_event_open", SYS_perf_event_open, &[At(vec![0; 128]), N(0), N(-1), N(-1), N(0)]),
        attempt("keyctl", SYS_keyctl, &[N(0), N(-4), N(1)]),
        attempt("add_key", SYS_add_key, &[text("user"), text("x"), text("y"), N(1), N(-4)]),
        attempt("eventfd2", SYS_eventfd2, &[N(0), N(0)]),
        attempt("epoll_create1", SYS_epoll_create1, &[N(0)]),
        attempt("timerfd_create", SYS_timerfd_create, &[N(0), N(0)]),
        attempt("ioctl on the connection", SYS_ioctl, &[Client, N(FIONREAD as i64), At(vec![0; 8])]),
        attempt("ioctl to type for a terminal", SYS_ioctl, &[N(2), N(TIOCSTI as i64), text("x")]),
        attempt("fcntl for signals", SYS_fcntl, &[Client, N(F_SETOWN.into()), parent]),
        attempt("getpid as x32", SYS_getpid | 0x4000_0000, &[]),
        attempt("openat as x32", SYS_openat | 0x4000_0000, &[HERE, text("/etc/passwd"), read, N(0)]),
        attempt("a number that no call has", 2000, &[]),
    ]
}

/// A server with one file in its library and one outside, which its user could read and change were it not shut in.
fn server(arguments: &[&str]) -> (Server, String) {
    let server = Server::prepared(arguments, furnish);
    let outside = surround(&server);
    (server, outside)
}

/// Puts into a library what the tries are about.
pub fn furnish(library: &Path) {
    std::fs::write(library.join("inside"), b"inside").expect("a file");
    std::os::unix::fs::symlink("../outside/file", library.join("link")).expect("a link");
}

/// The same for what is outside: the folder.
pub fn surround(server: &Server) -> String {
    let outside = super::walls::outside(server);
    std::fs::write(outside.join("file"), b"outside").expect("a file");
    super::walls::open_to_all(&outside);
    std::fs::create_dir(outside.join("empty")).expect("a folder");
    super::walls::open_to_all(&outside.join("empty"));
    super::walls::give_to_server(&outside.join("empty"));
    super::walls::open_to_all(&outside.join("file"));
    super::walls::give_to_server(&outside.join("file"));
    outside.to_str().expect("text").to_owned()
}

pub fn refused(what: &str, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Killed(signal) => {
            // An int 0x80 in a kernel without 32-bit calls is a fault.
            signal == Signal::SIGSYS || (what.contains("int 0x80") && signal == Signal::SIGSEGV)
        }
        // Answered as unknown, so that the C library takes clone, whose flags can be seen.
        Outcome::Refused(Errno::ENOSYS) => what == "clone3",
        // What a warm child accepts with, and nothing listens any more.
        Outcome::Refused(Errno::EINVAL) => what == "accept4",
        Outcome::Refused(Errno::EISCONN | Errno::EOPNOTSUPP) => what == "sendto elsewhere",
        Outcome::Refused(errno) => matches!(
            errno,
            Errno::EACCES
                | Errno::EPERM
                | Errno::ENOENT
                | Errno::EXDEV
                | Errno::ELOOP
                // No new descriptor, whatever it is of.
                | Errno::EMFILE
        ),
        Outcome::Gave(_) | Outcome::Waits => false,
    }
}

/// With FORKFTP_PROBE_SHOW every outcome is said, not only what should not be.
fn show(line: &str) {
    if std::env::var_os("FORKFTP_PROBE_SHOW").is_some() {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn probe_all(when: When, mode: &[&str]) {
    let mut arguments = vec!["--proof", "--handshake-seconds", "600"];
    arguments.extend(mode);
    let (server, folder) = server(&arguments);
    let mut bystander = Peer::connect(&server);
    let sibling = match child_of(&server, &bystander) {
        Some(pid) => pid,
        None => return skip("the descriptors of children cannot be seen here"),
    };
    let lent = when == When::After;
    probe_each(&server, &folder, sibling, lent, &mut || {
        let (peer, held) = session(&server, when)?;
        Ok((Box::new(peer), held))
    });
    // A process beside the probed ones serves its client as if nothing had been.
    assert!(server.children().contains(&sibling));
    let proof = bystander.proof(Mac::Sha256, Role::Client);
    assert_eq!(bystander.ask('A', &proof).letter, 'K');
    assert_eq!(bystander.get("inside"), b"inside");
}

/// A client, and its child.
pub type Session = (Box<dyn std::any::Any>, Held);

/// Has the children of many sessions, one after the other, make one call each, with the library or without it.
pub fn probe_each(
    server: &Server,
    folder: &str,
    sibling: u32,
    lent: bool,
    session: &mut dyn FnMut() -> Result<Session, String>,
) {
    let numbers = |own: i32| Outside {
        folder: folder.to_owned(),
        sibling: i64::from(sibling),
        parent: i64::from(server.pid()),
        own: i64::from(own),
    };
    let mut wrong = Vec::new();
    let count = tries(&numbers(0)).len();
    for index in 0..=count {
        let (client, mut held) = match session() {
            Ok(session) => session,
            Err(reason) => return skip(&reason),
        };
        let pid = held.pid.as_raw();
        // So that nothing below is refused because it was never made.
        assert_eq!(
            held.call(libc::SYS_getpid, &[]),
            Outcome::Gave(i64::from(pid))
        );
        let (what, outcome) = if index == count {
            match held.call_by_int_80(20) {
                Some(outcome) => ("getpid by int 0x80", outcome),
                None => {
                    skip("int 0x80: code cannot be written into a child here");
                    continue;
                }
            }
        } else {
            let attempt = tries(&numbers(pid)).swap_remove(index);
            if attempt.needs_library() && !lent {
                continue;
            }
            (attempt.what, held.call(attempt.number, &attempt.arguments))
        };
        show(&format!("lent: {lent}: {what}: {outcome:?}"));
        // Above a library that is a mount of its own there is the library.
        let stayed = |fd: i64| is_same(pid as u32, fd as u32, &server.library());
        let nowhere = matches!(outcome, Outcome::Gave(fd) if what.contains("..") && stayed(fd));
        if !refused(what, outcome) && !nowhere {
            wrong.push(format!("{what}: {outcome:?}"));
        }
        if let (Outcome::Gave(made @ 1..), true) = (
            outcome,
            ["fork", "vfork", "clone", "clone3"].contains(&what),
        ) {
            let _ = kill(Pid::from_raw(made as i32), Signal::SIGKILL);
        }
        drop(held);
        drop(client);
    }
    assert!(wrong.is_empty(), "lent: {lent}: {wrong:#?}");
    // What was outside is as it was.
    let left: Vec<_> = std::fs::read_dir(folder).expect("outside").collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(
        std::fs::read(format!("{folder}/file")).expect("outside"),
        b"outside"
    );
}

#[test]
fn nothing_is_left_to_a_child_before_the_proof() {
    probe_all(When::Before, &[]);
}

#[test]
fn nothing_but_the_library_is_left_to_a_child_after_it() {
    probe_all(When::After, &[]);
}

#[test]
fn a_warm_child_is_shut_in_as_well() {
    probe_all(When::Before, &["--prefork", "2"]);
}

/// What a child does for its living works in the same hands: the probe is not refused for its own sake.
#[test]
fn a_probed_child_can_do_its_work() {
    let (server, _) = server(&["--proof"]);
    let (mut peer, mut held) = match session(&server, When::After) {
        Ok(session) => session,
        Err(reason) => return skip(&reason),
    };
    let beneath = fields(&[libc::O_RDONLY as u64, 0, libc::RESOLVE_BENEATH]);
    let opened = held.call(
        libc::SYS_openat2,
        &[Root, text("inside"), beneath.clone(), N(24)],
    );
    let Outcome::Gave(fd) = opened else {
        panic!("{opened:?}")
    };
    assert_eq!(
        held.call(libc::SYS_pread64, &[N(fd), At(vec![0; 16]), N(16), N(0)]),
        Outcome::Gave(6)
    );
    let now = fields(&[0, libc::UTIME_NOW as u64, 0, libc::UTIME_NOW as u64]);
    assert_eq!(
        held.call(libc::SYS_utimensat, &[N(fd), Null, now, N(0)]),
        Outcome::Gave(0)
    );
    assert_eq!(held.call(libc::SYS_close, &[N(fd)]), Outcome::Gave(0));
    assert_eq!(
        held.call(
            libc::SYS_openat2,
            &[Root, text("../outside/file"), beneath, N(24)]
        ),
        Outcome::Refused(Errno::EXDEV)
    );
    drop(held);
    // It was given back as it was taken.
    peer.send(&request('G', &serde_json::json!({"path": "inside"})));
    assert_eq!(peer.receive(), b"inside");
}

/// True when the root of a held child belongs to a mount of its own: then it has no name there but `/`.
pub fn leads_nowhere(held: &Held) -> bool {
    let root = held.root.expect("a library");
    let link = std::fs::read_link(format!("/proc/{}/fd/{root}", held.pid));
    link.is_ok_and(|link| link == Path::new("/"))
}

/// Without the walls the same calls work: it is the walls that refuse them.
#[test]
fn without_the_walls_the_probe_gets_through() {
    let (server, folder) = server(&["--proof", "--sandbox", "off"]);
    let (_peer, mut held) = match session(&server, When::After) {
        Ok(session) => session,
        Err(reason) => return skip(&reason),
    };
    let gave = |outcome| assert!(matches!(outcome, Outcome::Gave(_)), "{outcome:?}");
    // Where the root belongs to a mount of its own, `..` ends there even so.
    let alone = leads_nowhere(&held);
    let gave_up = |outcome| {
        if alone {
            assert_eq!(outcome, Outcome::Refused(Errno::ENOENT));
        } else {
            gave(outcome);
        }
    };
    let read = N(libc::O_RDONLY.into());
    let passwd = held.call(
        libc::SYS_openat,
        &[HERE, text("/etc/passwd"), read.clone(), N(0)],
    );
    if is_root() {
        // The empty root folder, which its user may not even search, stands at every level.
        assert_eq!(passwd, Outcome::Refused(Errno::EACCES));
    } else {
        gave(passwd);
    }
    let up = text("../outside/file");
    gave_up(held.call(libc::SYS_openat, &[Root, up.clone(), read, N(0)]));
    gave_up(held.call(
        libc::SYS_linkat,
        &[Root, text("inside"), Root, text("../outside/new"), N(0)],
    ));
    gave_up(held.call(libc::SYS_unlinkat, &[Root, text("../outside/new"), N(0)]));
    gave_up(held.call(
        libc::SYS_unlinkat,
        &[Root, text("../outside/empty"), N(libc::AT_REMOVEDIR.into())],
    ));
    gave_up(held.call(
        libc::SYS_symlinkat,
        &[text("/etc"), Root, text("../outside/etc")],
    ));
    gave(held.call(
        libc::SYS_socket,
        &[N(libc::AF_INET.into()), N(libc::SOCK_STREAM.into()), N(0)],
    ));
    gave(held.call(libc::SYS_memfd_create, &[text("x"), N(0)]));
    let exec = N((libc::PROT_READ | libc::PROT_EXEC).into());
    let anywhere = N((libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).into());
    gave(held.call(
        libc::SYS_mmap,
        &[Null, N(4096), exec, anywhere, N(-1), N(0)],
    ));
    gave(held.call(libc::SYS_kill, &[N(held.pid.as_raw().into()), N(0)]));
    let _ = std::fs::remove_file(format!("{folder}/etc"));
}

/// What an ordinary user's server cannot take away, and what Landlock does not cover: kept in sight, so that a change shows.
#[test]
fn what_the_walls_do_not_cover_is_known() {
    let (server, folder) = server(&["--proof", "--handshake-seconds", "600"]);
    let library = server.library();
    let inside = library.join("inside");
    let mut seen = Vec::new();
    for when in [When::Before, When::After] {
        let (_peer, mut held) = match session(&server, when) {
            Ok(session) => session,
            Err(reason) => return skip(&reason),
        };
        let read = N(libc::O_RDONLY.into());
        let by_path = held.call(
            libc::SYS_openat,
            &[HERE, text(inside.to_str().expect("text")), read, N(0)],
        );
        seen.push(format!("{when:?} open library by path: {by_path:?}"));
        if is_root() {
            assert_eq!(by_path, Outcome::Refused(Errno::EACCES));
        }
        let room = || At(vec![0; 256]);
        let file = || text(&format!("{folder}/file"));
        let stat = held.call(libc::SYS_newfstatat, &[HERE, file(), room(), N(0)]);
        seen.push(format!("{when:?} stat outside: {stat:?}"));
        let path = N((libc::O_PATH).into());
        let named = held.call(libc::SYS_openat, &[HERE, text("/etc"), path, N(0)]);
        seen.push(format!("{when:?} O_PATH of /etc: {named:?}"));
        if is_root() {
            for outcome in [stat, named] {
                assert_eq!(outcome, Outcome::Refused(Errno::EACCES));
            }
        } else if when == When::Before {
            for outcome in [by_path, named] {
                assert_eq!(outcome, Outcome::Refused(Errno::EMFILE));
            }
        }
        if when == When::After {
            let up = || text("../outside/file");
            let stat = held.call(libc::SYS_newfstatat, &[Root, up(), room(), N(0)]);
            seen.push(format!("{when:?} stat ../outside of the library: {stat:?}"));
            if leads_nowhere(&held) {
                assert_eq!(stat, Outcome::Refused(Errno::ENOENT));
            }
            let path = N(libc::O_PATH.into());
            let named = held.call(libc::SYS_openat, &[Root, text("../.."), path, N(0)]);
            seen.push(format!("{when:?} O_PATH of ../..: {named:?}"));
        }
    }
    for line in &seen {
        show(line);
    }
    // Facts are the most there is: no content, no right.
    assert_eq!(
        std::fs::read(format!("{folder}/file")).expect("outside"),
        b"outside"
    );
}
