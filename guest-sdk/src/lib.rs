//! What the author of a palisade tool imports.
//!
//! A tool is a WebAssembly component whose functions the host calls by name, with JSON. This is one:
//!
//! ```
//! /// Greets people.
//! #[palisade_guest::tool]
//! mod greeter {
//!     /// Says hello.
//!     pub fn greet(
//!         /// whom to greet
//!         name: String,
//!         /// how often, once when absent
//!         times: Option<u32>,
//!     ) -> Result<String, String> {
//!         match times {
//!             Some(0) => Err("cannot greet no times".to_owned()),
//!             times => Ok(format!("hello {name}\n").repeat(times.unwrap_or(1) as usize)),
//!         }
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! See [`tool`] for what a function may take and return, [`log`] and [`progress`] for telling the host how it goes, and
//! [`without_wasi`] for tools which compute only and start ten times as fast. The README says how a tool is compiled.
//!
//! The feature `allocator`, which is on by default, is a global allocator that makes the first allocations cheap.

#[cfg(all(target_family = "wasm", feature = "allocator"))]
mod allocator;
mod bindings;
pub mod log;
mod progress;
mod without_wasi;

pub use crate::progress::progress;

/// Makes a module a tool: its public functions are exported at the root of the component.
///
/// - Names become kebab-case: `say_hello` is called as `say-hello`, and so are parameters, fields and types.
/// - The docs of the module, its functions, types and fields go into the component, where the host finds them. Docs of
///   a parameter are written before it, and are added to those of the function as a list.
/// - Values are `bool`, `char`, integers of 8 to 64 bits, `f32`, `f64`, `String`, `Vec<T>`, `Option<T>`,
///   `Result<T, E>`, tuples, and the public structs and enums of the module. All are taken and returned by value.
/// - A public struct has named public fields. The variants of a public enum have one value or none.
///   The bindings define these types in place of the module: they have `Clone`, `Debug` and `PartialEq`, enums without
///   values also `Copy` and `Eq`, and no other attributes. `impl` blocks are the module's own.
/// - An error is returned as `Result<T, E>`. A panic ends the call, and its message is for the guest's standard error.
///
/// A crate has at most one tool, and is a `cdylib`. Compiled for anything but WebAssembly, as in tests, the functions
/// are ordinary ones, and nothing is exported.
pub use palisade_guest_macros::tool;

/// What the code of the macros needs.
#[doc(hidden)]
pub mod __private {
    pub use wit_bindgen::{generate, rt};
}
