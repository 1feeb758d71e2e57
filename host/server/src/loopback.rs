//! What keeps web pages out: a browser on this machine reaches a loopback listener, by names that anyone can have point
//! to it, and tells in `Host` and `Origin` by whom it was sent. Elsewhere that is asked where the settings name hosts.

use axum::http::{HeaderMap, Request};

use crate::HostName;
use crate::api::Api;
use crate::error::{Cause, Failure};
use crate::headers::only;

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Loopback,
    Network,
}

/// Refuses what names another host than this server, where it is known which names it has.
pub(crate) fn check<B>(api: &Api, request: &Request<B>) -> Result<(), Failure> {
    let hosts = &api.settings.hosts;
    if api.reach == Reach::Network && hosts.is_empty() {
        return Ok(());
    }
    let named = request
        .uri()
        .authority()
        .is_none_or(|authority| schemes(authority.as_str(), hosts).is_some());
    match named && allowed(request.headers(), hosts) {
        true => Ok(()),
        false => {
            let message = "the headers `host` and `origin` name another host than this server";
            Err(Failure::new(Cause::Forbidden, message))
        }
    }
}

fn allowed(headers: &HeaderMap, hosts: &[HostName]) -> bool {
    let (Ok(Some(host)), Ok(origin)) = (only(headers, "host"), only(headers, "origin")) else {
        return false;
    };
    let Some(schemes) = schemes(host, hosts) else {
        return false;
    };
    let same = |origin: &str| {
        let mut hosts = schemes.iter().filter_map(|scheme| origin.strip_prefix(scheme));
        hosts.any(|other| other.eq_ignore_ascii_case(host))
    };
    origin.is_none_or(same)
}

/// By which schemes this server is reached where `host`, with a port or without, is a name of it: by one of the machine
/// it speaks HTTP itself, by another there may be a proxy.
fn schemes(host: &str, hosts: &[HostName]) -> Option<&'static [&'static str]> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]" {
        return Some(&["http://"]);
    }
    let named = hosts.iter().any(|host| name.eq_ignore_ascii_case(host.as_str()));
    named.then_some(&["http://", "https://"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &str)]) -> bool {
        with_hosts(&[], pairs)
    }

    fn with_hosts(hosts: &[HostName], pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        allowed(&headers, hosts)
    }

    #[test]
    fn this_machine_is_let_in_by_its_own_names() {
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1",
            "127.0.0.1:7010",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(with(&[("host", host)]), "{host}");
            assert!(with(&[("host", host), ("origin", &format!("http://{host}"))]), "{host}");
        }
    }

    #[test]
    fn others_are_not() {
        for host in [
            "evil.test",
            "localhost.evil.test",
            "127.0.0.1.evil.test:80",
            "",
            ":80",
            "0.0.0.0",
            "user@localhost",
            "localhost:",
            "localhost:x",
            "[::1",
            "::1",
        ] {
            assert!(!with(&[("host", host)]), "{host}");
        }
        assert!(!with(&[]));
        assert!(!with(&[("host", "localhost"), ("host", "localhost")]));
        for origin in [
            "http://evil.test",
            "https://localhost",
            "null",
            "http://localhost:81",
            "",
        ] {
            assert!(!with(&[("host", "localhost:80"), ("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn a_host_which_is_named_is_let_in_by_its_name_over_a_proxy_or_not() {
        let hosts: Vec<HostName> = ["tools.test", "[2001:db8::1]"].map(|name| name.parse().unwrap()).into();
        let with = |pairs: &[(&'static str, &str)]| with_hosts(&hosts, pairs);
        for host in ["tools.test", "Tools.test:8443", "[2001:db8::1]:1", "localhost:7010"] {
            assert!(with(&[("host", host)]), "{host}");
            assert!(with(&[("host", host), ("origin", &format!("http://{host}"))]), "{host}");
        }
        assert!(with(&[("host", "tools.test"), ("origin", "https://tools.test")]));
        for (host, origin) in [
            ("tools.test", "https://evil.test"),
            ("tools.test", "https://tools.test:81"),
            ("tools.test", "ftp://tools.test"),
            ("tools.test", "null"),
            ("localhost", "https://localhost"),
            ("localhost", "https://tools.test"),
        ] {
            assert!(!with(&[("host", host), ("origin", origin)]), "{host} {origin}");
        }
        assert!(!with(&[("host", "evil.test")]) && !with(&[("host", "x.tools.test")]));
    }
}
