//! A client for the HTTP endpoint of palisade: sandboxes, their files and processes, tools and calls, elsewhere.
//!
//! ```no_run
//! use palisade_client::wire::{ProcessEvent, ProcessRequest, SandboxRequest};
//! use palisade_client::Client;
//!
//! # async fn example(key: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("http://127.0.0.1:7010", key)?;
//! let sandbox = client.create(&SandboxRequest::default()).await?;
//!
//! let program = tokio::fs::File::open("hello.wasm").await?;
//! sandbox.put_file("/hello.wasm", program).await?;
//! let mut process = sandbox.start(&ProcessRequest::new("/hello.wasm")).await?;
//! while let Some(event) = process.next().await? {
//!     match event {
//!         ProcessEvent::Stdout(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
//!         ProcessEvent::Outcome(outcome) => println!("{:?}", outcome.ending),
//!         _ => {}
//!     }
//! }
//!
//! sandbox.destroy().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The types to know
//!
//! | type | is |
//! | --- | --- |
//! | [`Client`], [`Times`] | a server and a key for it, with its pooled connections; how long it waits |
//! | [`Sandbox`], [`Process`], [`Session`] | one of them there, by its name: they hold nothing |
//! | [`Running`], [`Events`], [`Download`] | what a server tells or sends while this is read |
//! | [`Error`], [`Kind`] | why not: the server's word, or the connection's |
//! | [`wire`] | what goes over the wire |
//!
//! # What it does not do
//!
//! It speaks no TLS: between machines, go through a tunnel. It sends nothing twice, but for a request of which a closed
//! connection took not a byte. What streams is read as far as it is taken, and ends when it is dropped; all else has at
//! most 64 MiB, and more is an error.

#![forbid(unsafe_code)]

mod body;
mod client;
mod error;
mod event;
mod file;
mod host;
mod process;
mod sandbox;
mod session;
mod snapshot;
mod tool;

/// What goes over the wire.
pub use palisade_wire as wire;

pub use body::Download;
pub use client::{Client, Times};
pub use error::{Error, Kind, Result};
pub use event::{Events, Received};
pub use process::{Process, Running};
pub use sandbox::Sandbox;
pub use session::Session;
