//! Which host is meant, and the key for it.

use std::net::IpAddr;
use std::path::Path;

use palisade_client::Client;

use super::Result;
use crate::args::Globals;
use crate::config::{Config, Environment, process_environment};
use crate::failure::Failure;
use crate::served::Served;
use crate::text_file;

const HOST: &str = "PALISADE_HOST";
const KEY: &str = "PALISADE_KEY";

/// A host which is elsewhere, or behind a server of this machine.
pub(crate) struct Address {
    pub url: String,
    pub key: String,
}

/// Refuses a host for what is about this machine alone. A variable is no wish for this verb, and does not count.
pub(crate) fn only_here(globals: &Globals, verb: &str) -> Result<()> {
    match (&globals.host, &globals.key_file) {
        (None, None) => Ok(()),
        (Some(_), _) => Err(Failure::invalid(format!(
            "`palisade {verb}` is about this machine alone: it takes no --host"
        ))),
        (None, Some(_)) => Err(idle_key()),
    }
}

fn idle_key() -> Failure {
    Failure::invalid("--key-file is for a host: give --host too")
}

impl Address {
    /// What the flags and the environment name; `None`: this machine.
    pub(super) fn of(globals: &Globals) -> Result<Option<Self>> {
        Self::resolve(globals, &process_environment)
    }

    /// The server of this machine, where none is named; for what only a server has.
    pub(super) fn of_server(globals: &Globals) -> Result<Self> {
        if let Some(address) = Self::of(globals)? {
            return Ok(address);
        }
        let state = Config::load(globals, &process_environment)?;
        let Some(url) = Served::at(&state.state_dir()?.value).url() else {
            let message = "no server runs with this state directory: start `palisade serve`, or name one with --host";
            return Err(Failure::new(palisade::Kind::Unavailable, message));
        };
        let key = key(globals, &process_environment, &url)?;
        Ok(Self { url, key })
    }

    fn resolve(globals: &Globals, environment: Environment<'_>) -> Result<Option<Self>> {
        let url = match &globals.host {
            Some(url) => Some(url.clone()),
            None => text(environment, HOST)?,
        };
        let Some(url) = url else {
            return match globals.key_file {
                Some(_) => Err(idle_key()),
                None => Ok(None),
            };
        };
        // A bad address is told before a missing key.
        Client::new(&url, "")?;
        let key = key(globals, environment, &url)?;
        Ok(Some(Self { url, key }))
    }
}

fn text(environment: Environment<'_>, name: &str) -> Result<Option<String>> {
    let unclear = |_| Failure::invalid(format!("the variable {name} is not UTF-8"));
    environment(name)
        .map(|value| value.into_string().map_err(unclear))
        .transpose()
}

/// The key: that of the file, of the variable, or for this machine its own.
fn key(globals: &Globals, environment: Environment<'_>, url: &str) -> Result<String> {
    let in_file = |file: &Path| Ok(text_file::read(file)?.trim().to_owned());
    if let Some(file) = &globals.key_file {
        return in_file(file);
    }
    if let Some(key) = text(environment, KEY)? {
        return Ok(key.trim().to_owned());
    }
    let missing = || Failure::invalid(format!("there is no key for {url}: give --key-file FILE, or {KEY}"));
    if !is_loopback(url) {
        return Err(missing());
    }
    let config = Config::load(globals, environment)?;
    let state = config.state_dir()?.value.clone();
    // Who else listens on this machine, or is at the other end of a tunnel, must not get it.
    if !Served::at(&state).is(url) {
        let message = format!("{url} is no server with this state directory: give --key-file FILE, or {KEY}");
        return Err(Failure::invalid(message));
    }
    in_file(&state.join("keys/local"))
}

/// Whether a server there is one of this machine.
fn is_loopback(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or(url);
    let host = host.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(host) => host.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address: Option<IpAddr> = host.parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn globals(host: Option<&str>) -> Globals {
        Globals {
            host: host.map(str::to_owned),
            ..Globals::default()
        }
    }

    #[test]
    fn only_servers_of_this_machine_get_its_key_unasked() {
        for url in [
            "http://127.0.0.1:7010",
            "http://127.9.9.9/x",
            "http://[::1]:80/",
            "http://LocalHost:1",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://localhost.example.org",
            "http://192.0.2.1",
            "http://[2001:db8::1]:80",
            "http://127.0.0.1.nip",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
        let nothing = |_: &str| None;
        let error = Address::resolve(&globals(Some("http://192.0.2.1")), &nothing)
            .map(|_| ())
            .unwrap_err();
        assert!(error.message().contains("--key-file"), "{}", error.message());
    }

    #[test]
    fn a_flag_counts_before_a_variable_and_neither_means_here() {
        let set = |name: &str| match name {
            HOST => Some(OsString::from("http://192.0.2.1")),
            KEY => Some(OsString::from("palisade_x\n")),
            _ => None,
        };
        let url = |host| {
            Address::resolve(&globals(host), &set)
                .unwrap()
                .map(|address| (address.url, address.key))
        };
        assert_eq!(url(None), Some(("http://192.0.2.1".into(), "palisade_x".into())));
        assert_eq!(url(Some("http://192.0.2.2")).unwrap().0, "http://192.0.2.2");
        assert!(Address::resolve(&globals(None), &|_| None).unwrap().is_none());
        assert!(Address::resolve(&globals(Some("https://a")), &set).is_err());
        assert!(only_here(&globals(Some("http://a")), "serve").is_err() && only_here(&globals(None), "serve").is_ok());
    }
}
