//! The words of FTP: bytes to types and back, for RFC 959, 1123, 2228, 2389, 2428, 3659 and 4217. Run by children that
//! serve FTP; opens nothing, and knows no socket.

pub mod address;
pub mod argument;
pub mod ascii;
pub mod command;
mod digits;
pub mod facts;
pub mod glob;
pub mod line;
pub mod listing;
pub mod moment;
pub mod path;
pub mod reply;
pub mod time;

#[cfg(test)]
mod fuzz;
