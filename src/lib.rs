//! forkftp: a forking Unix file server, and its client.
//!
//! # Processes
//! `forkftpd serve` is a *listener*: it accepts connections, forks a *child* for each, counts them, and ends those that
//! outlive a deadline. It has one thread and never reads a byte from a client. Before it listens it starts the *broker* by exec,
//! which alone holds secrets, users and the library's root, and answers children one question at a time. A child shuts itself in,
//! speaks one protocol to its one client over what the broker lends it, and leaves. Where that is FTP, the *dialer* makes the sockets of
//! its data connections: a child makes none. Where the configuration has commands, the *runner*, also started by exec, executes
//! them, and holds nothing of the others. When a new program takes over, sessions of before end under a *drainer*, a fork of the
//! listener. `forkftp` is the client.
//!
//! # Layers
//! Imports go down only; `scripts/check-tree` holds the tree to it.
//!
//! | layer | rooms |
//! |---|---|
//! | programs | `cli`, `src/bin/` |
//! | parent | [`listener`] |
//! | processes | [`broker`], [`child`], [`dialer`], [`runner`], [`client`]: never each other |
//! | shared state | [`library`], [`scoreboard`], [`users`] |
//! | words between processes | [`ipc`], [`control`] |
//! | words | [`config`], [`rights`], [`proof`], [`scram`], [`digest`], [`tls`], [`log`], [`ledger`], [`wire`] |
//! | ground | [`error`], [`sys`] |
//!
//! One download, one way: `listener::run` accepts, `listener::children` forks, `child::sandbox` shuts the process in, `child::ask` has
//! the broker look at who it is and gets the library, `child::drive` takes the request that `wire` made of bytes, `library` opens
//! the file and sends it, the exit code tells `listener::children` how it ended.
//!
//! The same client that the command uses is [`client::Client`].

pub mod error;
pub mod sys;

pub mod digest;
pub mod proof;
pub mod rights;
pub mod scram;
pub mod tls;
pub mod wire;

pub mod config;
pub mod control;
pub mod ledger;
pub mod log;
pub mod scoreboard;

pub mod ipc;
pub mod library;
pub mod users;

pub mod broker;
pub mod child;
pub mod client;
pub mod dialer;
pub mod listener;
pub mod runner;

pub mod cli;
