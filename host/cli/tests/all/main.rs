//! The command as its user meets it: exit codes, streams, and what is said on standard error.

mod new;
mod palisade;
mod remote;
mod run;
mod serve;
mod server;
mod snapshot;
mod tool;
