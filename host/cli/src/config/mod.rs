//! The configuration of this host: built-in values < file < environment < flags.

mod file;
mod show;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use palisade::HostConfig;
use palisade::policy::{ByteSize, Policy};
use palisade_server::{CollectorUrl, HostName};
use serde::Serialize;

use self::file::ConfigFile;
use crate::args::Globals;
use crate::failure::Failure;
use crate::host_limits::HostLimits;
use crate::text_file;

pub(crate) use show::show;

/// What holds for this command.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// `None` where nobody names one and there is no home.
    state_dir: Option<Setting<PathBuf>>,
    /// The name of a shipped policy, or a file. Default: `default`.
    pub policy: Setting<String>,
    /// Where the server listens. Default: 127.0.0.1:7010.
    pub listen: Setting<SocketAddr>,
    /// The names of the server beside those of this machine. None by default.
    pub hosts: Setting<Vec<HostName>>,
    /// Where the server sends spans. Nowhere by default.
    pub otlp: Setting<Option<CollectorUrl>>,
    /// The most that compiled programs may take on disk. Default: 4 GiB.
    pub artefact_cache: Setting<ByteSize>,
    /// Empty by default.
    pub host_limits: HostLimits,
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Setting<T> {
    pub value: T,
    pub origin: Origin,
}

/// Where a value comes from, the strongest last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Environment(&'static str),
    Flag(&'static str),
}

/// Looks up a variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The variables of this process; an empty one counts as not set.
pub(crate) fn process_environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

impl Config {
    /// Reads the file, if there is one, and lays the rest over it.
    pub(crate) fn load(globals: &Globals, environment: Environment<'_>) -> Result<Self, Failure> {
        let (path, file) = read_file(globals, environment)?;
        let origin = path.clone().map_or(Origin::Default, Origin::File);
        let from_file = |value| Setting {
            value,
            origin: origin.clone(),
        };
        let default_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 7010));

        let state_dir = globals
            .state_dir
            .clone()
            .map(|value| Setting {
                value,
                origin: Origin::Flag("--state-dir"),
            })
            .or_else(|| variable(environment, "PALISADE_STATE_DIR").map(|found| found.map(PathBuf::from)))
            .or_else(|| file.state_dir.map(from_file))
            .or_else(|| default_state_dir(environment));
        Ok(Self {
            file: path,
            state_dir,
            policy: text(environment, "PALISADE_POLICY")?
                .or(file.policy.map(|value| Setting {
                    value,
                    origin: origin.clone(),
                }))
                .unwrap_or_else(|| Setting::default("default".into())),
            listen: parsed(environment, "PALISADE_LISTEN")?
                .or(file.listen.map(|value| Setting {
                    value,
                    origin: origin.clone(),
                }))
                .unwrap_or(Setting::default(default_listen)),
            hosts: match file.hosts {
                Some(value) => Setting {
                    value,
                    origin: origin.clone(),
                },
                None => Setting::default(Vec::new()),
            },
            otlp: match file.otlp {
                Some(value) => Setting {
                    value: Some(value),
                    origin: origin.clone(),
                },
                None => Setting::default(None),
            },
            artefact_cache: parsed(environment, "PALISADE_ARTEFACT_CACHE")?
                .or(file.artefact_cache.map(|value| Setting {
                    value,
                    origin: origin.clone(),
                }))
                .unwrap_or(Setting::default(ByteSize::from_gib(4))),
            host_limits: file.host_limits,
        })
    }

    /// The state directory.
    pub(crate) fn state_dir(&self) -> Result<&Setting<PathBuf>, Failure> {
        let missing = || Failure::invalid("there is no home directory to keep state in: give --state-dir");
        self.state_dir.as_ref().ok_or_else(missing)
    }

    /// Says where a ceiling is which is not that of `policy`.
    pub(crate) fn named_rules(&self, error: palisade::Error, policy: &Policy) -> Failure {
        let Some(file) = &self.file else {
            return error.into();
        };
        let named = |rule: &str| {
            let of_host = self.host_limits.lowers(rule, policy);
            of_host.then(|| format!("{rule} of {}", file.display()))
        };
        Failure::from(error).rename_rules(named)
    }

    /// What the library needs to know.
    pub(crate) fn to_host(&self) -> Result<HostConfig, Failure> {
        let artefact_cache = self.artefact_cache.value;
        Ok(HostConfig {
            artefact_cache,
            compiler: Some(PathBuf::from("/proc/self/exe")),
            ..HostConfig::new(&self.state_dir()?.value)
        })
    }
}

impl<T> Setting<T> {
    fn default(value: T) -> Self {
        Self {
            value,
            origin: Origin::Default,
        }
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> Setting<U> {
        Setting {
            value: change(self.value),
            origin: self.origin,
        }
    }
}

/// The file that was named, or else the first of the usual places which has one. Never one of the current directory,
/// which may be somebody else's.
fn read_file(globals: &Globals, environment: Environment<'_>) -> Result<(Option<PathBuf>, ConfigFile), Failure> {
    let named = globals
        .config
        .clone()
        .or_else(|| environment("PALISADE_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        let text = text_file::read(&path)?;
        return Ok((Some(path.clone()), ConfigFile::parse(&path, &text)?));
    }
    let own = base_directory(environment, "XDG_CONFIG_HOME", ".config");
    for base in own.into_iter().chain([PathBuf::from("/etc")]) {
        let path = base.join("palisade/palisade.toml");
        match text_file::read(&path) {
            Ok(text) => return Ok((Some(path.clone()), ConfigFile::parse(&path, &text)?)),
            Err(failure) if failure.is_not_found() => {}
            // It may hold ceilings: going on without it could allow too much.
            Err(failure) => return Err(failure),
        }
    }
    Ok((None, ConfigFile::default()))
}

fn default_state_dir(environment: Environment<'_>) -> Option<Setting<PathBuf>> {
    let base = base_directory(environment, "XDG_STATE_HOME", ".local/state")?;
    Some(Setting::default(base.join("palisade")))
}

/// A base directory as the XDG specification has it: a relative one does not count.
fn base_directory(environment: Environment<'_>, name: &str, in_home: &str) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let named = environment(name).and_then(absolute);
    named.or_else(|| Some(environment("HOME").and_then(absolute)?.join(in_home)))
}

fn variable(environment: Environment<'_>, name: &'static str) -> Option<Setting<OsString>> {
    environment(name).map(|value| Setting {
        value,
        origin: Origin::Environment(name),
    })
}

fn text(environment: Environment<'_>, name: &'static str) -> Result<Option<Setting<String>>, Failure> {
    let Some(Setting { value, origin }) = variable(environment, name) else {
        return Ok(None);
    };
    let unclear = |_| Failure::invalid(format!("the variable {name} is not UTF-8"));
    Ok(Some(Setting {
        value: value.into_string().map_err(unclear)?,
        origin,
    }))
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(
    environment: Environment<'_>,
    name: &'static str,
) -> Result<Option<Setting<T>>, Failure> {
    let Some(Setting { value, origin }) = text(environment, name)? else {
        return Ok(None);
    };
    let wrong = |error| Failure::invalid(format!("the variable {name} has the value {value:?}: {error}"));
    Ok(Some(Setting {
        value: value.parse().map_err(wrong)?,
        origin,
    }))
}

/// Whether a value of the option `policy` means a file.
fn names_a_file(policy: &str) -> bool {
    !palisade::policy::Policy::SHIPPED.contains(&policy)
}

/// The policy of a configuration file, which may lie beside it.
fn beside(config: &Path, policy: String) -> String {
    match config.parent() {
        Some(folder) if names_a_file(&policy) => folder.join(&policy).to_string_lossy().into_owned(),
        _ => policy,
    }
}

#[cfg(test)]
mod tests;
