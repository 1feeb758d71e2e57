//! Tests of the file layer, through its own interface.

mod changes;
mod escapes;
mod host;
mod mounts;
mod quota;
mod read_only;
mod reference;
mod special;
mod suite;
mod support;
mod trees;
