//! The files of a new tool: the same small one in each language, which builds and can be called as it is written.
//!
//! ```
//! use palisade_scaffold::{Language, Name, Project};
//!
//! let project = Project::new(&Name::parse("greeter")?, Language::Rust);
//! assert!(project.files().iter().any(|file| file.path == "src/lib.rs"));
//! assert_eq!(project.component(), "target/wasm32-wasip2/release/greeter.wasm");
//! # Ok::<(), String>(())
//! ```
//!
//! The command writes them, `cargo xtask guests` builds them as well. The files are those of `templates/`, in which
//! `{{name}}` stands for the name of the tool. The library for tools in Rust comes from `guest-sdk` itself, since no
//! registry has it.

mod language;
mod name;
mod project;
mod templates;

pub use crate::language::Language;
pub use crate::name::Name;
pub use crate::project::{File, Project};
