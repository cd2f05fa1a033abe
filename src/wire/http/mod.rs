//! HTTP/1.1 on the wire (RFC 9110, RFC 9112): what stands in a request, and what is said in answer. Pure; used by children.

pub mod chunked;
pub mod head;
pub mod status;

#[cfg(test)]
mod fuzz;

pub use head::{Broken, Framing, Head, Method, Target};
