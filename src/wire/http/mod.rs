//! HTTP/1.1 on the wire (RFC 9110, RFC 9112): what stands in a request, and what is said in answer. Pure; used by children.

pub mod basic;
pub mod chunked;
pub mod conditions;
pub mod content_range;
pub mod cookie;
pub mod digest;
pub mod disposition;
pub mod form;
pub mod head;
pub mod location;
pub mod media;
pub mod multipart;
pub mod range;
pub mod status;
pub mod target;
pub mod zip;

#[cfg(test)]
mod fuzz;

pub use head::{Broken, Framing, Head, Method, Target};
