//! The suite: the real server, driven over real connections. One module for each topic a user would name.

// A program of its own: what a module shows to its siblings is `pub`.
#![allow(unreachable_pub)]

mod broker;
mod browsers;
mod commands;
mod config;
mod control;
mod dialing;
mod digests;
mod doctor;
mod frames;
mod ftp;
mod http;
mod ledger;
#[cfg(target_arch = "x86_64")]
mod lending;
mod listing;
mod logins;
mod manage;
mod parity;
mod peer;
mod pipelining;
mod prefork;
#[cfg(target_arch = "x86_64")]
mod probe;
mod publishing;
mod quotas;
mod race;
mod rates;
mod resume;
mod rights;
mod seeing;
mod server;
mod service;
mod sharing;
mod tls;
mod transcript;
mod walls;
