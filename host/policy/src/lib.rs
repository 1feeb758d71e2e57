//! Decides what a sandbox may reach and use: reads policy files, and answers requests from them.
//!
//! ```
//! use palisade_policy::{ByteSize, Policy, Refusal, Request};
//!
//! let policy = Policy::from_toml(r#"
//!     [env]
//!     allow = ["LANG", "APP_*"]
//!
//!     [limits]
//!     memory = "256 MiB"
//!
//!     [ceilings]
//!     memory = "1 GiB"
//! "#).expect("the policy has no problems");
//!
//! let mut request = Request::default();
//! request.env.insert("APP_MODE".into(), "test".into());
//! let decision = policy.decide(&request).expect("everything asked for is allowed");
//! assert_eq!(decision.limits.memory, ByteSize::from_mib(256));
//!
//! request.limits.memory = Some(ByteSize::from_gib(4));
//! let Err(Refusal::Denied(denials)) = policy.decide(&request) else { panic!("4 GiB is too much") };
//! assert_eq!(denials[0].rule, "ceilings.memory");
//! assert_eq!(denials[0].smallest_grant, r#"ceilings.memory = "4 GiB""#);
//! ```
//!
//! # The types to know
//!
//! - [`Policy`] holds rules which have been checked; [`PolicyFile`] is what somebody wrote. A file has every
//!   [`Problem`] reported at once, with its key and its line.
//! - [`Request`] is what a caller asks, and [`Policy::decide`] the one place where it is allowed or refused.
//! - [`Decision`] is all that was asked: [`Grants`], what a sandbox may reach, and [`Limits`], what it may use.
//! - [`Refusal`] is every reason why not; a [`Denial`] names the rule and the smallest grant that would do.
//! - [`ToolGrants`] are the part of the grants for tools: [`ToolGrants::judge`] says whether a call is allowed, its
//!   [`CallGrant`] what of the sandbox it has, which a [`CallRequest`] can only narrow.
//! - [`ByteSize`], [`CpuShare`], [`FuelLimit`], [`WallTime`] and [`GuestPath`] are values with their units and checks.
//!
//! # A policy file
//!
//! Every key may be left out. What is absent is denied, and limits have the defaults told at [`Limits`]. The files in
//! `policies/` are complete examples; [`Policy::shipped`] has them built in.
//!
//! ```toml
//! description = "for the nightly jobs"
//! metering = "fuel"              # or "time": no instruction is counted, guests run faster
//! canonical-nans = false
//!
//! [[mounts]]
//! host = "/srv/data"             # directories at or below this one
//! access = "read-only"           # or "read-write"; the most that is granted
//! guest = "/data"                # only at or below this place in the guest
//!
//! [env]
//! allow = ["LANG", "APP_*"]      # what a request may set
//! set = { TZ = "UTC" }           # what every guest has
//!
//! [[tools]]                      # of those whose name matches, only the most exact one counts
//! name = "files"                 # or a prefix "data-*", or every tool "*"
//! functions = ["read", "li*"]    # which may be called; all where this is absent, for the name grants them
//! files = "read-only"            # or "none", the default, or "read-write": the most of the sandbox's files
//! env = ["LANG"]                 # which of the sandbox's variables it sees; none where this is absent
//! limits = { fuel = 1_000_000_000, time = "5s", memory = "64 MiB", output = "1 MiB" } # of one call, at most
//!
//! [limits]                       # what a request gets which names none
//! memory = "256 MiB"
//! fuel = 5_000_000_000           # or "unlimited"
//! time = "30s"
//!
//! [ceilings]                     # the most that a request may name; the default where there is none
//! memory = "1 GiB"
//!
//! [clocks]
//! mode = "fixed"                 # or "real"
//! start = "2026-01-01T00:00:00Z"
//!
//! [random]
//! mode = "seeded"                # or "real"
//! seed = 42
//!
//! [network]
//! mode = "off"                   # the only one that can be enforced
//! ```
//!
//! # What it does not do
//!
//! It enforces nothing and touches nothing: no files, no clocks, no network. It does not resolve symbolic links, so
//! that the paths in a request must be canonical before they come here. It does not know who asks.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access;
mod call;
mod cpu;
mod denial;
mod file;
mod fuel;
mod grants;
mod guest_path;
mod limits;
mod policy;
mod problem;
mod request;
mod shipped;
mod size;
mod spelling;
mod time;

pub use access::Access;
pub use call::{CallGrant, CallLimits, CallRequest, FileAccess};
pub use cpu::{CpuShare, InvalidCpuShare};
pub use denial::Denial;
pub use file::{
    ClockMode, ClocksFile, EnvFile, LimitsFile, MountRuleFile, NetworkFile, NetworkMode, PolicyFile, RandomFile,
    RandomMode, ToolRuleFile,
};
pub use fuel::{FuelLimit, InvalidFuelLimit};
pub use grants::{Clocks, Decision, Grants, Metering, Nans, Random};
pub use guest_path::{GuestPath, InvalidGuestPath};
pub use limits::{Limits, LimitsRequest};
pub use policy::{EnvPattern, InvalidEnvPattern, InvalidNamePattern, NamePattern, Policy, ToolGrants};
pub use problem::{Position, Problem};
pub use request::{MountRequest, Refusal, Request};
pub use size::{ByteSize, InvalidByteSize};
pub use time::{InvalidWallTime, WallTime};
