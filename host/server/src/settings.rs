//! What a server is told: its bounds, and the policies which it offers.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use palisade::policy::{ByteSize, Policy};
use palisade::{Error, Kind};

/// Settings of a [`Server`](crate::Server).
#[derive(Debug, Clone)]
pub struct Settings {
    /// The policies that a client can name. By default the shipped `default` alone.
    pub policies: Policies,
    /// The largest body of JSON. 1 MiB by default.
    pub max_json: ByteSize,
    /// The largest component. 128 MiB by default.
    pub max_component: ByteSize,
    /// The names of this server, which a client may give in `Host` beside those of this machine: a proxy in front of it
    /// passes on its own. None by default.
    pub hosts: Vec<HostName>,
    /// The most bytes in an answer to the calls of one request. Each call has an equal part of it, may print a quarter of
    /// its part and return as much, or less where the policy gives less: in JSON, what is printed takes up to twice its
    /// bytes. An answer which is longer all the same is an error. 32 MiB by default.
    pub max_output: ByteSize,
    /// Requests with calls at one time, from the first call to the last byte of the answer; others wait, in order. So
    /// answers have at most `max_calls` times `max_output` bytes together: 2 GiB by default. 64 by default.
    pub max_calls: usize,
    /// How long the head of a request may take, and how long a connection may be idle. 10 seconds by default.
    pub head_time: Duration,
    /// How long a request may take from its head to its answer. 30 seconds by default. A call of a tool and the
    /// compiling of a component have limits of their own: for those it bounds the reading of the body alone. A file
    /// which comes in, and a directory either way, takes as long as it goes on: there it bounds how long the client may
    /// stand still.
    pub request_time: Duration,
    /// How long an answer may wait for its client to read on. 30 seconds by default, in which one that reads 8 KiB a
    /// second goes on.
    pub write_time: Duration,
    /// Connections at one time; the next one waits to be accepted. 1,024 by default.
    /// Of these, the requests of one key may have half.
    pub max_connections: usize,
    /// How long a shutdown waits for requests which have begun, before it drops them. 10 seconds by default.
    pub shutdown_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policies: Policies::new("default", Policy::standard()),
            max_json: ByteSize::from_mib(1),
            max_component: ByteSize::from_mib(128),
            hosts: Vec::new(),
            max_output: ByteSize::from_mib(32),
            max_calls: 64,
            head_time: Duration::from_secs(10),
            request_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            max_connections: 1_024,
            shutdown_time: Duration::from_secs(10),
        }
    }
}

/// A name of a server, as a client writes it in `Host` before the port: `tools.example.org`, `192.0.2.1`, `[2001:db8::1]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let valid = match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
                (1..=253).contains(&text.len()) && text.bytes().all(known)
            }
        };
        match valid {
            true => Ok(Self(text.to_owned())),
            false => {
                let message =
                    format!("{text:?} is not the name of a host: one is like `tools.example.org`, without a port");
                Err(Error::new(Kind::InvalidInput, message))
            }
        }
    }
}

/// Policies by name, one of which is the default.
#[derive(Debug, Clone)]
pub struct Policies {
    named: BTreeMap<String, Arc<Policy>>,
    default: String,
}

impl Policies {
    /// One policy, which is the default.
    pub fn new(name: impl Into<String>, policy: impl Into<Arc<Policy>>) -> Self {
        let default = name.into();
        Self {
            named: BTreeMap::from([(default.clone(), policy.into())]),
            default,
        }
    }

    /// Offers one more; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, policy: impl Into<Arc<Policy>>) -> Self {
        self.named.insert(name.into(), policy.into());
        self
    }

    /// The name of the default one.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// All of them, in the order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Policy)> {
        self.named.iter().map(|(name, policy)| (name.as_str(), policy.as_ref()))
    }

    /// The policy of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Policy>> {
        self.named.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_without_scheme_port_or_path() {
        for name in ["tools.example.org", "A_b-1", "192.0.2.1", "[2001:db8::1]"] {
            assert_eq!(name.parse::<HostName>().unwrap().as_str(), name);
        }
        for bad in [
            "",
            "a:80",
            "http://a",
            "a/",
            "a b",
            "*",
            "[a]",
            "2001:db8::1",
            "[::1]:80",
            "[::1",
        ] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }
}
