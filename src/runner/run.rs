//! The runner's life: set up, then one order after the other, each carried out beside the others, until nobody orders any more. Run by
//! the runner.

use super::execute::{self, Excess, Fence, Supervised, Task};
use crate::config::{Config, Flags};
use crate::error::Code;
use crate::ipc::{self, Hear, Order, Outcome};
use crate::log::{self, Level, Role};
use crate::sys::{Errno, Result, privs, process, signal};
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
    /// None while there is none.
    broker: Option<OwnedFd>,
    next: u64,
    running: BTreeMap<u64, Running>,
}

/// An execution, and what it is about.
struct Running {
    supervised: Supervised,
    about: About,
}

enum About {
    Command(Ordered),
}

/// A client's command.
struct Ordered {
    name: String,
    child: u64,
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
fn set_up(control: &OwnedFd) -> Result<Fence> {
    log::close_all_but(&[control.as_fd()])?;
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
        privs::keep_capabilities(&privs::RUNNER)?;
    } else {
        privs::drop_capabilities()?;
    }
    privs::no_new_privs()?;
    Fence::best()
}

impl Runner {
    fn new(config: Config, control: OwnedFd) -> Result<Runner> {
        let fence = set_up(&control)?;
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
            broker: None,
            next: BROKER,
            running: BTreeMap::new(),
        })
    }

    fn serve(&mut self) -> Result<()> {
        let mut events = [EpollEvent::empty(); AT_ONCE];
        while self.control.is_some() || self.broker.is_some() || !self.running.is_empty() {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => 0,
                result => result?,
            };
            for event in &events[..count] {
                match event.data() {
                    CONTROL => self.hear_listener()?,
                    BROKER => self.hear_broker()?,
                    number => self.ended(number),
                }
            }
        }
        Ok(())
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
                child,
                user,
                address,
                peer,
            } => {
                let mut brought = brought.into_iter();
                if let (Some(output), Some(tell)) = (brought.next(), brought.next()) {
                    let ordered = Ordered {
                        name,
                        child,
                        user,
                        peer,
                        tell,
                    };
                    self.begin_command(ordered, address, output);
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
        let commands = self.running.values().map(|running| match &running.about {
            About::Command(other) => other.child,
        });
        let (mut count, mut own) = (0, false);
        for child in commands {
            count += 1;
            own |= child == ordered.child;
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
    log::event(Level::Info, message, &fields);
}
