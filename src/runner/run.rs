//! The runner's life: set up, then one order after the other, each carried out beside the others, until nobody orders any more. Run by
//! the runner.

use super::execute::{self, Ended, Excess, Fence, Supervised, Task};
use super::hooks::{Doing, Hooks};
use crate::config::{Config, Flags};
use crate::error::Code;
use crate::ipc::{self, Hear, Order, Outcome, Uploaded};
use crate::log::{self, Level, Role};
use crate::sys::{Errno, Result, privs, process, signal};
use crate::wire::SessionId;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

/// The listener's channel among the events, and the broker's; executions have numbers from 2.
const CONTROL: u64 = 0;
const BROKER: u64 = 1;
const AT_ONCE: usize = 64;

struct Runner {
    config: Config,
    fence: Fence,
    epoll: Epoll,
    /// None once the listener is gone, or has another runner.
    control: Option<OwnedFd>,
    /// The server ends, and what runs ends with the listener.
    leaving: bool,
    /// None while there is none.
    broker: Option<OwnedFd>,
    next: u64,
    running: BTreeMap<u64, Running>,
    hooks: Option<Hooks>,
}

/// An execution, and what it is about.
struct Running {
    supervised: Supervised,
    about: About,
}

enum About {
    Command(Ordered),
    Hook(Doing),
}

/// A client's command.
struct Ordered {
    name: String,
    session: SessionId,
    user: Option<String>,
    peer: String,
    /// Where its outcome is told.
    tell: OwnedFd,
}

/// Serves the listener at the other end of `control`, and the broker that it names. Returns the exit code.
#[must_use]
pub fn run(flags: &Flags, control: OwnedFd) -> i32 {
    log::become_role(Role::Runner);
    process::set_name(c"forkftpd:runner");
    let config = match Config::load(flags) {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems {
                log::event(
                    Level::Error,
                    "the runner cannot begin",
                    &[("problem", &problem)],
                );
            }
            return 1;
        }
    };
    match log::Output::open(config.log_format) {
        Ok(output) => output.install(config.log_level),
        Err(problem) => {
            log::event(
                Level::Error,
                "the runner cannot begin",
                &[("problem", &problem)],
            );
            return 1;
        }
    }
    let ended = Runner::new(config, control).and_then(|mut runner| runner.serve());
    match ended {
        Ok(()) => 0,
        Err(errno) => {
            let why = errno.desc();
            log::event(Level::Error, "the runner cannot go on", &[("error", &why)]);
            1
        }
    }
}

/// What holds for all that it executes. Its own channel is no standard input for anybody.
fn set_up(control: &OwnedFd, capabilities: &[u32]) -> Result<Fence> {
    log::close_all_but(&[control.as_fd()])?;
    // What it executes may have its user, and is not to change its mind, nor a supervisor's.
    process::hide_memory()?;
    let nothing = nix::fcntl::open(
        "/dev/null",
        nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )?;
    nix::unistd::dup2_stdin(&nothing)?;
    signal::child_defaults()?;
    signal::ignore_sigterm()?;
    crate::sys::execute::heed_children()?;
    crate::sys::execute::adopt_orphans()?;
    if privs::is_root() {
        privs::keep_capabilities(capabilities)?;
    } else {
        privs::drop_capabilities()?;
    }
    privs::no_new_privs()?;
    Fence::best()
}

impl Runner {
    fn new(config: Config, control: OwnedFd) -> Result<Runner> {
        let capabilities = match config.hooks.all.is_empty() {
            true => &privs::RUNNER[..],
            false => &privs::RUNNER_OF_HOOKS[..],
        };
        let fence = set_up(&control, capabilities)?;
        let hooks = Hooks::open(&config).map_err(|problem| {
            let what = "the runner cannot begin";
            log::event(Level::Error, what, &[("problem", &problem)]);
            Errno::EIO
        })?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&control, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL))?;
        let (commands, keeps) = (config.commands.len(), fence.as_str());
        let fields: [(&str, &dyn Display); 2] = [("commands", &commands), ("kept_by", &keeps)];
        log::event(Level::Info, "runner", &fields);
        Ok(Runner {
            config,
            fence,
            epoll,
            control: Some(control),
            leaving: false,
            broker: None,
            next: BROKER,
            running: BTreeMap::new(),
            hooks,
        })
    }

    fn serve(&mut self) -> Result<()> {
        let mut events = [EpollEvent::empty(); AT_ONCE];
        while !self.is_over() {
            self.run_hooks();
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Err(Errno::EINTR) => 0,
                result => result?,
            };
            for event in &events[..count] {
                match event.data() {
                    CONTROL => self.hear_listener()?,
                    BROKER => self.hear_broker()?,
                    number if self.running.contains_key(&number) => self.ended(number),
                    number => self.hear_child(number),
                }
            }
            if let Some(hooks) = &mut self.hooks {
                hooks.settle();
            }
        }
        Ok(())
    }

    /// True when nobody orders any more, or is to be served any more; what still runs is ended by its supervisor then.
    fn is_over(&self) -> bool {
        let waiting = self.hooks.as_ref().is_some_and(Hooks::is_waiting);
        let idle = self.running.is_empty() && !waiting;
        match (self.leaving, self.control.is_none()) {
            (true, gone) => gone || idle,
            (false, gone) => gone && idle && self.broker.is_none(),
        }
    }

    /// Until a hook is to be run.
    fn timeout(&self) -> EpollTimeout {
        let Some(due) = self.hooks.as_ref().and_then(Hooks::due) else {
            return EpollTimeout::NONE;
        };
        let left = due.saturating_sub(process::monotonic_millis());
        EpollTimeout::try_from(left.min(60_000) as i32).unwrap_or(EpollTimeout::ZERO)
    }

    /// Begins what hooks are to be run for, as many as may be at once.
    fn run_hooks(&mut self) {
        if (self.leaving || self.control.is_none())
            && let Some(hooks) = &mut self.hooks
        {
            hooks.retire();
        }
        if let Some(hooks) = &mut self.hooks {
            hooks.look();
        }
        while let Some((doing, supervised)) = self
            .hooks
            .as_mut()
            .and_then(|hooks| hooks.begin(self.fence))
        {
            match self.attend(supervised) {
                Ok((number, supervised)) => {
                    let about = About::Hook(doing);
                    self.running.insert(number, Running { supervised, about });
                }
                Err(errno) => {
                    let message = format!("it could not be begun: {}", errno.desc());
                    let outcome = Outcome::broken(message);
                    let ended = Ended {
                        outcome,
                        bytes: 0,
                        millis: 0,
                        haunted: false,
                    };
                    if let Some(hooks) = &mut self.hooks {
                        hooks.ended(doing, &ended);
                    }
                }
            }
        }
    }

    /// A child that waits for its upload to be noted has said something, or is gone.
    fn hear_child(&mut self, number: u64) {
        if let Some(hooks) = &mut self.hooks {
            // Closed, its channel leaves the events by itself.
            hooks.heard(number);
        }
    }

    /// Notes an upload, and waits from now on for what comes of it.
    fn announce(&mut self, upload: Uploaded, channel: OwnedFd) {
        let Some(hooks) = &mut self.hooks else {
            return;
        };
        self.next += 1;
        let heard = EpollEvent::new(EpollFlags::EPOLLIN, self.next);
        match self.epoll.add(&channel, heard) {
            Ok(()) => hooks.announce(self.next, upload, channel),
            Err(errno) => {
                let why = errno.desc();
                log::event(Level::Error, "a child cannot be heard", &[("error", &why)]);
            }
        }
    }

    fn hear_listener(&mut self) -> Result<()> {
        while let Some(control) = &self.control {
            match ipc::receive::<Hear>(control.as_fd(), false) {
                Ok(Some((Hear::Broker, brought))) => {
                    self.forget_broker();
                    self.broker = brought.into_iter().next();
                    if let Some(broker) = &self.broker {
                        let heard = EpollEvent::new(EpollFlags::EPOLLIN, BROKER);
                        self.epoll.add(broker, heard)?;
                    }
                }
                Ok(Some((Hear::Leave, _))) => self.leaving = true,
                Ok(None) => {
                    let _ = self.epoll.delete(control);
                    self.control = None;
                }
                Err(Errno::EAGAIN) => break,
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn hear_broker(&mut self) -> Result<()> {
        for _ in 0..AT_ONCE {
            let Some(broker) = &self.broker else { break };
            match ipc::receive::<Order>(broker.as_fd(), false) {
                Ok(Some((order, brought))) => self.carry_out(order, brought),
                Ok(None) | Err(Errno::ECONNRESET) => self.forget_broker(),
                Err(Errno::EAGAIN) => break,
                // There was no descriptor left for what came along, which is closed so: whoever waits hears the end of it.
                Err(Errno::EMSGSIZE) => {
                    let why = Errno::EMFILE.desc();
                    log::event(Level::Error, "an order was lost", &[("error", &why)]);
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn forget_broker(&mut self) {
        if let Some(broker) = self.broker.take() {
            let _ = self.epoll.delete(&broker);
        }
    }

    fn carry_out(&mut self, order: Order, brought: Vec<OwnedFd>) {
        match order {
            Order::Command {
                name,
                session,
                user,
                address,
                peer,
            } => {
                let mut brought = brought.into_iter();
                if let (Some(output), Some(tell)) = (brought.next(), brought.next()) {
                    let ordered = Ordered {
                        name,
                        session,
                        user,
                        peer,
                        tell,
                    };
                    self.begin_command(ordered, address, output);
                }
            }
            Order::Upload(upload) => {
                if let Some(channel) = brought.into_iter().next() {
                    self.announce(upload, channel);
                }
            }
        }
    }

    fn begin_command(&mut self, ordered: Ordered, address: Option<IpAddr>, output: OwnedFd) {
        if let Err((code, message)) = self.may_begin(&ordered) {
            let message = message.to_owned();
            return self.tell(&ordered, &Outcome::Failed { code, message }, &[]);
        }
        let Some(command) = self.config.command(&ordered.name) else {
            // A broker that has another configuration, for the moment of a reload.
            let message = "there is no such command".to_owned();
            let code = Code::Denied;
            return self.tell(&ordered, &Outcome::Failed { code, message }, &[]);
        };
        let mut environment = Vec::new();
        environment.extend(ordered.user.clone().map(|user| ("FORKFTP_USER", user)));
        environment.extend(address.map(|address| ("FORKFTP_PEER", address.to_string())));
        let started = ordered
            .tell
            .try_clone()
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
            .and_then(|watch| {
                let task = Task {
                    program: &command.program,
                    environment,
                    input: None,
                    output,
                    watch: Some(watch),
                    excess: Excess::End,
                };
                execute::start(task, self.fence)
            })
            .and_then(|supervised| self.attend(supervised));
        match started {
            Ok((number, supervised)) => {
                let pid = supervised.process.pid;
                log_command("command begins", &ordered, &[("supervisor", &pid)]);
                let about = About::Command(ordered);
                self.running.insert(number, Running { supervised, about });
            }
            Err(errno) => {
                let outcome = Outcome::broken(format!("it could not be begun: {}", errno.desc()));
                self.tell(&ordered, &outcome, &[]);
            }
        }
    }

    /// Whether there may be one more, for this client too.
    fn may_begin(&self, ordered: &Ordered) -> std::result::Result<(), (Code, &'static str)> {
        let commands = self.running.values();
        let commands = commands.filter_map(|running| match &running.about {
            About::Command(other) => Some(other.session),
            About::Hook(_) => None,
        });
        let (mut count, mut own) = (0, false);
        for session in commands {
            count += 1;
            own |= session == ordered.session;
        }
        if own {
            Err((Code::InUse, "one command of a connection at a time"))
        } else if count >= self.config.most_commands {
            let what = "as many commands run as may at once: try again in a moment";
            Err((Code::InUse, what))
        } else {
            Ok(())
        }
    }

    /// Waits for its end from now on.
    fn attend(&mut self, supervised: Supervised) -> Result<(u64, Supervised)> {
        self.next += 1;
        let heard = EpollEvent::new(EpollFlags::EPOLLIN, self.next);
        // Dropped, it sees that the runner has no ear for it, and ends.
        self.epoll.add(supervised.fd(), heard)?;
        Ok((self.next, supervised))
    }

    fn ended(&mut self, number: u64) {
        let Some(Running { supervised, about }) = self.running.remove(&number) else {
            return;
        };
        let _ = self.epoll.delete(supervised.fd());
        let others: Vec<i32> = self
            .running
            .values()
            .map(|running| running.supervised.process.pid)
            .collect();
        let ended = supervised.finish(&others);
        let seconds = format!("{}.{:03}", ended.millis / 1000, ended.millis % 1000);
        if ended.haunted {
            let what = "something that was executed cannot be killed";
            log::event(Level::Error, what, &[("seconds", &seconds)]);
        }
        match about {
            About::Command(ordered) => {
                let fields: [(&str, &dyn Display); 2] =
                    [("seconds", &seconds), ("bytes", &ended.bytes)];
                self.tell(&ordered, &ended.outcome, &fields);
            }
            About::Hook(doing) => {
                if let Some(hooks) = &mut self.hooks {
                    hooks.ended(doing, &ended);
                }
            }
        }
    }

    /// Says how a command ended, to who waits for it and to the log.
    fn tell(&self, ordered: &Ordered, outcome: &Outcome, more: &[(&str, &dyn Display)]) {
        let mut fields: Vec<(&str, &dyn Display)> = vec![("outcome", outcome)];
        fields.extend_from_slice(more);
        log_command("command ended", ordered, &fields);
        // Whoever does not wait any more need not know.
        let _ = ipc::send(ordered.tell.as_fd(), outcome, &[], false);
    }
}

fn log_command(message: &'static str, ordered: &Ordered, more: &[(&str, &dyn Display)]) {
    let user = ordered.user.as_deref().unwrap_or("anonymous");
    let mut fields: Vec<(&str, &dyn Display)> = vec![
        ("peer", &ordered.peer),
        ("user", &user),
        ("command", &ordered.name),
    ];
    fields.extend_from_slice(more);
    log::about(ordered.session, || {
        log::event(Level::Info, message, &fields);
    });
}
