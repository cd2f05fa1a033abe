//! The listener's life, from top to bottom.

use super::admission::Admission;
use super::books::Books;
use super::children::Children;
use super::control::{Desk, Hall};
use super::dialing::Dialing;
use super::drainer::Draining;
use super::events::{Event, Events, Place};
use super::handover::{Elders, Program};
use super::inherited::Inherited;
use super::leftovers::Leftovers;
use super::notify::Notifier;
use super::reload::{self, Service};
use super::renewal::{self, Renewal};
use super::running::{Ground, Running};
use super::signals::Signals;
use super::trial::Trial;
use super::weather::{PAUSE, Weather};
use super::{deadlines, pool, shutdown, sockets};
use crate::broker::{Control, Heard};
use crate::config::{Config, Flags};
use crate::digest;
use crate::log::{self, Level};
use crate::sys::process::{self, monotonic_millis};
use crate::sys::{Errno, signal};
use std::ffi::OsString;
use std::os::fd::OwnedFd;

/// How often deadlines are looked at while there are children, in milliseconds.
const TICK: u16 = 1000;

/// Serves until it is told to end. Returns the exit code.
///
/// # Errors
/// Lines for the operator, when the service cannot begin.
pub fn run(flags: &Flags, arguments: &[OsString]) -> Result<i32, Vec<String>> {
    let said = |what: &'static str| move |errno: Errno| vec![format!("{what}: {}", errno.desc())];
    signal::start_clean().map_err(said("signals"))?;
    let program = Program::find();
    let mut inherited = Inherited::take()?;
    let notify = Notifier::take().map_err(|problem| vec![problem])?;
    // Whatever the starting program left open besides: a pipe of its that a server keeps never ends.
    let mut keep = inherited.descriptors();
    keep.extend(notify.descriptor());
    process::close_all_but(&keep).map_err(said("inherited descriptors"))?;
    signal::ignore_sigchld().map_err(said("SIGCHLD"))?;
    let descriptors = process::raise_descriptor_limit().map_err(said("descriptor limit"))?;
    let signals = Signals::new().map_err(|error| vec![format!("signals: {error}")])?;
    signal::let_in().map_err(said("signals"))?;
    process::set_name(c"forkftpd:listen");
    // First of all: what is wrong with the secret or the library is known before anything listens.
    let (control, setup) = Control::start(arguments)?;
    if let Some(logins) = inherited.logins() {
        control.take_logins(&logins);
    }
    let service = reload::open(flags, setup, &mut inherited)?;
    let most_clients = service.config.max_clients + service.config.prefork.max(16);
    if descriptors_for(&service.config) > descriptors {
        return Err(vec![format!(
            "max_clients = {} needs more descriptors than the limit of {descriptors}: lower it, or raise LimitNOFILE (ulimit -n)",
            service.config.max_clients
        )]);
    }
    let before = (program, inherited.elders(), inherited.before());
    let mut listener = Listener::new(service, control, most_clients, signals, notify, before)
        .map_err(said("starting"))?;
    digest::warm_up();
    process::trim_heap();
    if !process::one_thread() {
        return Err(vec![
            "the listener has more than one thread, and cannot fork safely".into(),
        ]);
    }
    process::fill_heap();
    Ok(listener.serve(flags, arguments))
}

/// Descriptors that the listener needs for as many clients as may come: a child costs one, and a warm one its channels besides.
#[must_use]
pub fn descriptors_for(config: &Config) -> u64 {
    let prefork = u64::from(config.prefork);
    u64::from(config.max_clients) + prefork.max(16) + 2 * prefork + 64
}

/// How the server was started: its flags, and the arguments that say the same to other processes.
pub(super) type Started<'a> = (&'a Flags, &'a [OsString]);

pub(super) struct Listener {
    pub(super) service: Service,
    pub(super) broker: Control,
    /// When the broker was started last, and how many before it died young, one after the other.
    pub(super) broker_since: u64,
    pub(super) broker_deaths: u32,
    /// While there is none: when to start it again, and since when it is missed.
    pub(super) broker_missing: Option<(u64, u64)>,
    pub(super) dialing: Dialing,
    pub(super) running: Running,
    pub(super) events: Events,
    pub(super) children: Children,
    pub(super) admission: Admission,
    pub(super) books: Books,
    /// When the service began, on the monotonic clock, in milliseconds.
    pub(super) began: u64,
    pub(super) signals: Signals,
    /// Every child holds the read end; dropping the write end wakes them all.
    pub(super) drain: (&'static OwnedFd, Option<OwnedFd>),
    pub(super) most_clients: u32,
    /// The service manager.
    pub(super) notify: Notifier,
    /// The certificate's files.
    pub(super) renewal: Renewal,
    pub(super) weather: Weather,
    /// Administrators.
    pub(super) desk: Desk,
    /// When deadlines are looked at next.
    look_again: u64,
    /// When all has to be over, once it ends.
    pub(super) ending_by: Option<u64>,
    /// What it becomes at a hand-over, and who is being asked about that.
    pub(super) program: Program,
    pub(super) trial: Option<Trial>,
    /// Drainers.
    pub(super) elders: Elders,
    /// Set in a drainer.
    pub(super) draining: Option<Draining>,
    /// Whom earlier listeners left, once it ends.
    pub(super) leftovers: Leftovers,
}

impl Listener {
    fn new(
        service: Service,
        broker: Control,
        most_clients: u32,
        signals: Signals,
        notify: Notifier,
        (program, elders, before): (Program, Vec<OwnedFd>, u32),
    ) -> Result<Listener, Errno> {
        let events = Events::new()?;
        let elders = Elders::watch(elders, &events)?;
        events.watch(broker.fd(), Event::Broker)?;
        for pipe in signals.all() {
            events.watch(pipe, Event::Signal)?;
        }
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let children = Children::new(most_clients, before)?;
        let mut renewal = Renewal::default();
        renewal.begin(service.config.tls.as_ref());
        let drain: (&'static OwnedFd, _) = (Box::leak(Box::new(read)), Some(write));
        Ok(Listener {
            service,
            broker,
            broker_since: monotonic_millis(),
            broker_deaths: 0,
            broker_missing: None,
            dialing: Dialing::default(),
            running: Running::default(),
            events,
            children,
            admission: Admission::default(),
            books: Books::default(),
            began: monotonic_millis(),
            signals,
            drain,
            most_clients,
            notify,
            renewal,
            weather: Weather::new()?,
            desk: Desk::new(),
            look_again: 0,
            ending_by: None,
            program,
            trial: None,
            elders,
            draining: None,
            leftovers: Leftovers::default(),
        })
    }

    fn serve(&mut self, flags: &Flags, arguments: &[OsString]) -> i32 {
        self.keep_dialer(Dialing::renew);
        self.keep_runner(arguments, Running::renew);
        self.open_doors();
        self.notify.ready();
        self.go_on((flags, arguments))
    }

    /// The rest of a listener's life, or of a drainer's.
    pub(super) fn go_on(&mut self, started: Started<'_>) -> i32 {
        let (_, arguments) = started;
        let mut happened = Vec::new();
        loop {
            self.keep_warm();
            self.tell_manager();
            if let Err(errno) = self.events.wait(self.timeout(), &mut happened) {
                log::event(Level::Error, "waiting failed", &[("error", &errno.desc())]);
                shutdown::kill_all(&mut self.children, "the listener cannot go on");
                return 1;
            }
            for event in happened.drain(..) {
                match event {
                    Event::Ended(place) => self.ended(place),
                    Event::Asks(place) => self.asked(place),
                    Event::Signal => {
                        if let Some(code) = self.signalled(started) {
                            return code;
                        }
                    }
                    Event::Trial => self.hear_trial(started),
                    Event::Elder => self.elders.look(&self.events),
                    Event::Heir => self.hear_heir(),
                    Event::Broker => {
                        if self.broker.hear() == Heard::Gone
                            && let Err(problems) = self.broker_died(arguments)
                        {
                            return self.give_up(&problems);
                        }
                    }
                    Event::DialerGone => self.keep_dialer(Dialing::died),
                    Event::RunnerGone => self.keep_runner(arguments, Running::died),
                    Event::Guest(place) => self.attend(place),
                    Event::Control => self.welcome(),
                    Event::Connects(socket) => self.accept(socket),
                }
            }
            if let Some((at, since)) = self.broker_missing
                && monotonic_millis() >= at
                && let Err(problems) = self.start_broker(arguments, since)
            {
                return self.give_up(&problems);
            }
            self.keep_dialer(Dialing::look);
            self.hear_trial(started);
            self.keep_runner(arguments, Running::look);
            // Once a tick, not at every event: it looks at every child.
            if monotonic_millis() >= self.look_again {
                deadlines::enforce(&mut self.children, &self.service.config);
                self.desk.hurry(&self.events, &mut self.weather);
                self.look_again = monotonic_millis() + u64::from(TICK);
            }
            self.books.publish(&mut self.children, &self.service.config);
            if self.ending_by.is_none() {
                let now = monotonic_millis();
                if self.renewal.look(&mut self.service, &self.broker, now) {
                    pool::retire(&mut self.children);
                    process::trim_heap();
                }
            }
            self.unpause();
            if let Some(by) = self.ending_by {
                if monotonic_millis() >= by {
                    self.kill_all("their time is over");
                    self.ending_by = Some(u64::MAX);
                }
                // Those of before a hand-over have as much time.
                let alone = self.elders.count() == 0 || self.ending_by == Some(u64::MAX);
                if self.children.living() == 0 && alone && self.leftovers.living() == 0 {
                    // A hook that runs has what is left of the time; the runner of before a hand-over goes on with its own.
                    if self.draining.is_some() || !self.running.leave() {
                        return self.close();
                    }
                }
            }
        }
    }

    /// Watches the sockets, or has warm children watch them; and the administrators' door.
    pub(super) fn open_doors(&mut self) {
        let door = self.service.door.as_ref();
        let mut watched = door.map_or(Ok(()), |door| {
            // It stays open in bad weather, unless it was itself the trouble.
            door.unwatch(&self.events);
            door.watch(&self.events)
        });
        if self.service.config.prefork == 0 {
            watched = watched.and_then(|()| sockets::watch(&self.events, &self.service.sockets));
        }
        if let Err(errno) = watched {
            self.pause("the sockets cannot be watched", errno.desc());
        }
    }

    /// How long to wait for events: until the next thing that time alone brings.
    fn timeout(&self) -> Option<u16> {
        let told = self.notify.due().map(|due| {
            let left = due.saturating_sub(monotonic_millis());
            u16::try_from(left).unwrap_or(u16::MAX)
        });
        let own = self.own_timeout();
        own.into_iter().chain(told).min()
    }

    fn own_timeout(&self) -> Option<u16> {
        if self.weather.is_paused() {
            return Some(PAUSE as u16);
        }
        if let Some(by) = self.ending_by {
            return Some(by.saturating_sub(monotonic_millis()).min(u64::from(TICK)) as u16);
        }
        let ticks = self.children.living() > self.children.warm()
            || self.desk.is_busy()
            || self.broker_missing.is_some()
            || self.trial.is_some()
            || self.dialing.is_missing()
            || self.running.is_missing();
        if ticks {
            return Some(TICK);
        }
        self.renewal.is_on().then_some(renewal::INTERVAL)
    }

    /// Makes as many warm children as there should be.
    fn keep_warm(&mut self) {
        if self.ending_by.is_some() || self.weather.is_paused() || self.service.config.prefork == 0
        {
            return;
        }
        for _ in self.children.warm()..self.service.config.prefork {
            let world = self.service.world(self.drain.0, self.began);
            if let Err(errno) = pool::spawn_warm(
                &mut self.children,
                &self.events,
                world,
                &self.broker,
                &self.dialing,
                &self.service.sockets,
            ) {
                if self.children.warm() == 0 {
                    self.turn_away_waiting();
                }
                return self.pause("no warm child can be made", errno.desc());
            }
        }
    }

    pub(super) fn ended(&mut self, place: Place) {
        let Some(child) = self.children.bury(&self.events, place) else {
            return;
        };
        if child.client.is_none() && !child.retired && self.ending_by.is_none() {
            // Another at once might end as soon, and so on.
            self.pause("a warm child ended", "it had no client yet");
        }
        if let Some(protocol) = child.protocol {
            self.books
                .ended(protocol, self.children.slot(place).tally());
        }
        if let Some(source) = child.counted {
            self.admission.leave(source);
            log::event(
                Level::Debug,
                "clients",
                &[("living", &self.admission.total())],
            );
        }
    }

    /// Has `what` see after the dialer. Warm children that were born with another one make room for new ones.
    pub(super) fn keep_dialer(
        &mut self,
        what: fn(&mut Dialing, &Config, &Events, &Children) -> bool,
    ) {
        if self.ending_by.is_none()
            && what(
                &mut self.dialing,
                &self.service.config,
                &self.events,
                &self.children,
            )
        {
            pool::retire(&mut self.children);
        }
    }

    /// The same for the runner. Also while the server ends: what runs has until then.
    pub(super) fn keep_runner(
        &mut self,
        arguments: &[OsString],
        what: fn(&mut Running, &Ground<'_>),
    ) {
        let ground = Ground {
            config: &self.service.config,
            arguments,
            events: &self.events,
            broker: &self.broker,
        };
        what(&mut self.running, &ground);
    }

    /// Without a broker nobody can be let in.
    fn give_up(&mut self, problems: &[String]) -> i32 {
        for problem in problems {
            log::event(
                Level::Error,
                "the listener cannot go on",
                &[("problem", problem)],
            );
        }
        self.service.sockets.drain(..).for_each(sockets::close);
        shutdown::kill_all(&mut self.children, "there is no broker");
        1
    }

    /// Stops accepting for a moment: trying again at once would spin.
    pub(super) fn pause(&mut self, what: &'static str, why: &str) {
        sockets::unwatch(&self.events, &self.service.sockets);
        self.weather.pause(what, why, self.children.living());
    }

    fn unpause(&mut self) {
        if self.weather.clears_up() && self.ending_by.is_none() {
            self.open_doors();
        }
    }

    /// Lets administrators in.
    fn welcome(&mut self) {
        if let Some(door) = &self.service.door {
            let welcomed = self.desk.welcome(door, &self.events, &mut self.weather);
            if let Err(errno) = welcomed {
                door.unwatch(&self.events);
                self.pause("no administrator can be heard", errno.desc());
            }
        }
    }

    /// Answers an administrator.
    fn attend(&mut self, place: Place) {
        let mut hall = Hall {
            children: &mut self.children,
            books: &self.books,
            config: &self.service.config,
            clients: self.admission.total(),
        };
        self.desk
            .attend(place, &self.events, &mut self.weather, &mut hall);
    }

    /// Nobody has any more time.
    pub(super) fn kill_all(&mut self, why: &str) {
        shutdown::kill_all(&mut self.children, why);
        self.leftovers.kill();
        if self.draining.is_none() {
            self.running.end(&self.events);
        }
    }

    fn close(&self) -> i32 {
        self.broker.sweep();
        log::event(Level::Info, "ended", &[]);
        0
    }
}
