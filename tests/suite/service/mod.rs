//! The server under a service manager: what it tells it, and the sockets it is given. The manager is played by the tests.

mod faces;
mod handover;
pub mod manager;
mod notify;
mod passed;
mod restart;
