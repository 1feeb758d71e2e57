//! `palisade serve`: the library over HTTP, until a signal.

use std::net::SocketAddr;
use std::path::Path;

use palisade::{Host, Kind};
use palisade_server::{Keys, Policies, Server, Settings, Traces};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::args::Serve;
use crate::config::Config;
use crate::exit;
use crate::failure::Failure;
use crate::report::{self, Format, visible};
use crate::served::Served;
use crate::signals::Signals;
use crate::{log, policy};

/// Serves until a signal comes, and returns the exit code for that. A second one ends what goes on.
pub(crate) async fn serve(asked: &Serve, config: &Config, format: Format) -> Result<u8, Failure> {
    let collector = asked.otlp.as_ref().or(config.otlp.value.as_ref());
    let traces = collector.map(|url| Traces::start(url, Handle::current())).transpose()?;
    log::start("warn,palisade_server=info", format, traces.as_ref());
    let served = until_signal(asked, config, format).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    served
}

async fn until_signal(asked: &Serve, config: &Config, format: Format) -> Result<u8, Failure> {
    let policies = policies(&asked.policies, config)?;
    let hosts = match asked.hosts.as_slice() {
        [] => config.hosts.value.clone(),
        named => named.to_vec(),
    };
    let address = asked.listen.unwrap_or(config.listen.value);
    let host = Host::open(config.to_host()?)?;
    let served = Served::at(host.state_dir());
    let keys = Keys::open(host.state_dir())?;
    check_reach(address, &keys)?;
    let local = keys.local()?;
    let settings = Settings {
        policies,
        hosts,
        ..Settings::default()
    };
    let server = Server::new(host, keys, settings)?;
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| taken(address, &error))?;
    let url = url_of(&listener)?;
    served
        .say(&url)
        .map_err(|error| Failure::new(Kind::Unavailable, format!("cannot say where it listens: {error}")))?;
    tell(&url, &local, format);

    let (stop, stopped) = oneshot::channel();
    let until = async { drop(stopped.await) };
    let mut serving = std::pin::pin!(server.serve(listener, until));
    let number = tokio::select! {
        ended = &mut serving => return Err(ended_early(ended)),
        number = signals.next() => number,
    };
    served.end(&url);
    // The other end is in the future which is polled next.
    let _ = stop.send(());
    tokio::select! {
        _ = serving => {}
        _ = signals.next() => {}
    }
    Ok(exit::of_signal(number))
}

/// The policies that were named, or else that of the configuration; each under the limits of this host.
fn policies(named: &[String], config: &Config) -> Result<Policies, Failure> {
    let load = |given: &String| {
        let policy = config.host_limits.apply(policy::load(given)?)?;
        Ok::<_, Failure>((name_of(given)?, policy))
    };
    let (first, others) = match named.split_first() {
        Some((first, others)) => (first, others),
        None => (&config.policy.value, [].as_slice()),
    };
    let (name, policy) = load(first)?;
    let mut policies = Policies::new(name, policy);
    for given in others {
        let (name, policy) = load(given)?;
        if policies.get(&name).is_some() {
            return Err(Failure::invalid(format!("two policies are named {name:?}")));
        }
        policies = policies.with(name, policy);
    }
    Ok(policies)
}

/// That of a shipped policy, or of its file without the ending.
fn name_of(given: &str) -> Result<String, Failure> {
    let stem = Path::new(given).file_stem().and_then(|stem| stem.to_str());
    let stem = stem.ok_or_else(|| Failure::invalid(format!("{given:?} gives no name to the policy")))?;
    Ok(stem.to_owned())
}

/// Beyond this machine, somebody must have decided who may come in.
fn check_reach(address: SocketAddr, keys: &Keys) -> Result<(), Failure> {
    if address.ip().to_canonical().is_loopback() || keys.any_made()? {
        return Ok(());
    }
    let message = format!(
        "{address} can be reached by others, and there is no key for them: make one with `palisade key create --role ROLE`"
    );
    Err(Failure::invalid(message))
}

fn taken(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Unavailable, format!("cannot listen on {address}: {error}"))
}

fn ended_early(ended: std::io::Result<()>) -> Failure {
    match ended {
        Ok(()) => Failure::internal("the server ended without a signal"),
        Err(error) => Failure::internal(format!("the server ended: {error}")),
    }
}

fn url_of(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr();
    let address = address.map_err(|error| Failure::internal(format!("the listener has no address: {error}")))?;
    Ok(format!("http://{address}"))
}

/// Says where it listens, in a line of its own.
fn tell(url: &str, local: &Path, format: Format) {
    match format {
        Format::Json => report::print_json(&json!({ "url": url, "local_key": local })),
        Format::Text => {
            let local = visible(&local.to_string_lossy());
            report::print(format!("serving on {url}; the key of this machine is in {local}\n").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_named_as_its_file_or_as_it_was_shipped() {
        for (given, name) in [
            ("strict", "strict"),
            ("./nightly.toml", "nightly"),
            ("/etc/p/a.b.toml", "a.b"),
        ] {
            assert_eq!(name_of(given).unwrap(), name);
        }
        assert!(name_of("..").is_err());
    }

    #[test]
    fn another_machine_is_let_in_only_where_a_key_was_made() {
        let state = tempfile::tempdir().unwrap();
        let keys = Keys::open(state.path()).unwrap();
        keys.local().unwrap();
        let check = |address: &str| check_reach(address.parse().unwrap(), &keys).is_ok();
        assert!(check("127.0.0.1:0") && check("127.9.9.9:0") && check("[::1]:0"));
        assert!(!check("0.0.0.0:0") && !check("[::]:0") && !check("192.0.2.1:0"));
        keys.create(palisade_server::Role::Reader).unwrap();
        assert!(check("0.0.0.0:0"));
    }
}
