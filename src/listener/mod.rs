//! The listener: the parent of all. It accepts connections, or lets warm children accept them; forks; counts; ends
//! children that outlive a deadline; drains and reloads. It has one thread, and never reads a byte from a client.

mod admission;
mod arrivals;
mod books;
mod brokering;
mod children;
mod control;
mod deadlines;
mod dialing;
mod drainer;
mod events;
mod handover;
mod inherited;
mod leftovers;
mod notify;
mod pool;
mod reload;
mod renewal;
mod run;
mod running;
mod shutdown;
mod signals;
mod sockets;
mod trial;
mod weather;

pub use reload::NO_LANDLOCK;
pub use run::{descriptors_for, run};
