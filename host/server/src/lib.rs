//! The library `palisade` over HTTP: sandboxes, tools and calls as JSON, files as they are, for those who have a key.
//!
//! ```no_run
//! use palisade::{Host, HostConfig};
//! use palisade_server::{Keys, Server, Settings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::open(HostConfig::new("/var/lib/my-service"))?;
//! let keys = Keys::open(host.state_dir())?;
//! println!("there is a key in {}", keys.local()?.display());
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7010").await?;
//! let until = async { drop(tokio::signal::ctrl_c().await) };
//! Server::new(host, keys, Settings::default())?.serve(listener, until).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The types to know
//!
//! | type | is |
//! | --- | --- |
//! | [`Server`] | the routes over one host, and the loop which takes connections |
//! | [`Settings`], [`Policies`], [`HostName`] | its bounds; the policies which a client can name; its names |
//! | [`Keys`], [`Key`], [`KeyId`] | who may come in, in the state directory |
//! | [`Role`] | what a key is good for |
//! | [`Traces`], [`CollectorUrl`] | spans of requests and of what runs in them, for a collector of OTLP |
//! | [`told`] | the types of the wire, made of the library's |
//!
//! What each route takes and gives is in the document which it serves at `/v1/openapi.json`, made from the code.
//!
//! # What it does not do
//!
//! It speaks HTTP/1.1 without TLS: where others can listen, put a proxy in front of it. Every key sees every sandbox.
//! It decides nothing about guests; that is the policy's.
//!
//! # Its connections
//!
//! A client which closes its connection, or only its own direction of it, is gone: what it asked for ends, a call of a
//! tool too, and its answer is not sent. One whose machine vanished is gone after about a minute. One which does not
//! read its answer is left after [`Settings::write_time`]. A request without a good key is the last on its connection,
//! so those who have none hold one no longer than these times.
//!
//! Of what still comes of a request which was refused, at most 16 MiB are read, for 5 seconds or until a second passes
//! without any, so that its client hears the answer.
//!
//! What is no HTTP/1.1 is answered with a bare 400, and a head above 64 KiB or with more than 64 headers with a bare 431.
//! These answers have no body and no id, the log has no line for them, and they are the last on their connection. A head
//! which does not come in time gets no answer.

#![forbid(unsafe_code)]

mod access;
mod answer;
mod api;
mod askers;
mod attend;
mod body;
mod error;
mod head_timer;
mod headers;
mod history;
mod keys;
mod labels;
mod linger;
mod lives;
mod loopback;
mod output;
mod page;
mod patience;
mod places;
mod processes;
mod requests;
mod router;
mod script;
mod seldom;
mod server;
mod settings;
mod shares;
mod socket;
mod tally;
mod tidy;
pub mod told;
mod traces;

pub use keys::{Key, KeyId, Keys};
pub use palisade_wire::Role;
pub use script::add_script;
pub use server::Server;
pub use settings::{HostName, Policies, Settings};
pub use traces::{CollectorUrl, Traces};
