//! The sandbox that was asked for, resolved: paths, variables, the policy.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use palisade::SandboxSpec;
use palisade::policy::{Access, GuestPath, LimitsRequest, Policy};

use crate::args::{LimitArguments, SandboxArguments};
use crate::config::Config;
use crate::failure::Failure;
use crate::policy;

/// A sandbox to be made.
#[derive(Debug)]
pub(crate) struct Request {
    pub spec: SandboxSpec,
    /// The policy before the limits of this host.
    pub base: Policy,
}

/// Whether the usage of a run which succeeds is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    Quiet,
    Told,
}

impl Usage {
    pub(crate) fn asked(sandbox: &SandboxArguments) -> Self {
        if sandbox.usage { Self::Told } else { Self::Quiet }
    }
}

impl Request {
    pub(crate) fn new(sandbox: SandboxArguments, config: &Config) -> Result<Self, Failure> {
        let SandboxArguments {
            dirs,
            envs,
            limits,
            policy,
            usage: _,
        } = sandbox;
        let named = policy.as_deref().unwrap_or(&config.policy.value);
        let base = policy::load(named)?;
        let policy = config.host_limits.apply(base.clone())?;
        let mut spec = SandboxSpec::new(Arc::new(policy)).limits(limits.into());
        for DirArgument { host, guest, access } in dirs {
            spec = spec.mount(host, guest, access);
        }
        for variable in envs {
            let (name, value) = variable.resolve(|name| std::env::var_os(name))?;
            spec = spec.env(name, value);
        }
        Ok(Self { spec, base })
    }
}

/// The file, and the arguments without the `--` that may stand between.
pub(crate) fn split(command: Vec<OsString>) -> Result<(PathBuf, Vec<String>), Failure> {
    let mut words = command.into_iter();
    let file = words.next().ok_or_else(|| Failure::invalid("no program was named"))?;
    let mut words = words.peekable();
    words.next_if(|word| word == "--");
    let text = |word: OsString| {
        let unclear = |word| Failure::invalid(format!("the argument {word:?} is not UTF-8"));
        word.into_string().map_err(unclear)
    };
    Ok((file.into(), words.map(text).collect::<Result<_, _>>()?))
}

impl From<LimitArguments> for LimitsRequest {
    fn from(limits: LimitArguments) -> Self {
        let LimitArguments {
            fuel,
            memory,
            timeout,
            cpu,
            disk,
            files,
            handles,
            output,
        } = limits;
        Self {
            memory,
            fuel,
            time: timeout,
            cpu,
            disk,
            files,
            processes: None,
            handles,
            output,
        }
    }
}

/// `HOST`, `HOST::GUEST` or `HOST::GUEST:ro`. The guest sees the spelling that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirArgument {
    pub host: PathBuf,
    pub guest: GuestPath,
    pub access: Access,
}

impl FromStr for DirArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, guest) = match text.split_once("::") {
            Some((host, guest)) => (host, Some(guest)),
            None => (text, None),
        };
        // Without a place in the guest, a colon may be part of the directory's name.
        let (guest, access) = match guest.map(|guest| (guest, guest.rsplit_once(':'))) {
            None => (host, Access::ReadWrite),
            Some((_, Some((guest, "ro")))) => (guest, Access::ReadOnly),
            Some((_, Some((guest, "rw")))) => (guest, Access::ReadWrite),
            Some((_, Some((_, other)))) => {
                return Err(format!("{other:?} is neither `ro` nor `rw`"));
            }
            Some((guest, None)) => (guest, Access::ReadWrite),
        };
        if host.is_empty() {
            return Err("there is no directory of the host in it".into());
        }
        let guest = guest.parse().map_err(|error| match text.contains("::") {
            true => format!("{error}"),
            false => format!("{error}; say where the guest is to see it: {host}::/place"),
        })?;
        Ok(Self {
            host: Path::new(host).to_owned(),
            guest,
            access,
        })
    }
}

/// `NAME=VALUE`, or `NAME` for the value it has here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvArgument {
    name: String,
    value: Option<String>,
}

impl FromStr for EnvArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            return Err("a variable has a name: NAME=VALUE, or NAME alone".into());
        }
        Ok(Self {
            name: name.to_owned(),
            value,
        })
    }
}

impl EnvArgument {
    /// The variable with its value, which is never part of a message.
    pub(crate) fn resolve(self, environment: impl Fn(&str) -> Option<OsString>) -> Result<(String, String), Failure> {
        let Self { name, value } = self;
        let value = match value {
            Some(value) => value,
            None => match environment(&name).map(OsString::into_string) {
                Some(Ok(value)) => value,
                Some(Err(_)) => {
                    return Err(Failure::invalid(format!("the value of {name} is not UTF-8")));
                }
                None => {
                    return Err(Failure::invalid(format!(
                        "the variable {name} is not set here: write --env {name}=VALUE"
                    )));
                }
            },
        };
        Ok((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_with_its_place_and_access() {
        use Access::{ReadOnly, ReadWrite};
        for (text, host, guest, access) in [
            ("data", "data", "data", ReadWrite),
            (".", ".", ".", ReadWrite),
            ("/srv/a::/data", "/srv/a", "/data", ReadWrite),
            ("/srv/a::data:ro", "/srv/a", "data", ReadOnly),
            ("/srv/a::./x/:rw", "/srv/a", "./x/", ReadWrite),
            ("a:b", "a:b", "a:b", ReadWrite),
            ("..::/up", "..", "/up", ReadWrite),
        ] {
            let parsed: DirArgument = text.parse().unwrap();
            assert_eq!(parsed.host, Path::new(host), "{text}");
            assert_eq!(parsed.guest.spelled(), guest, "{text}");
            assert_eq!(parsed.access, access, "{text}");
        }
    }

    #[test]
    fn what_names_no_directory_is_refused() {
        for text in ["", "::", "a::", "::/a", "a::/b:rx", "a::/b/../c", "a::ro:"] {
            assert!(text.parse::<DirArgument>().is_err(), "{text}");
        }
        let error = "../up".parse::<DirArgument>().unwrap_err();
        assert!(error.contains("../up::/place"), "{error}");
    }

    #[test]
    fn a_variable_without_a_value_is_inherited() {
        let here = |name: &str| (name == "HOME").then(|| OsString::from("/home/me"));
        let resolve = |text: &str| text.parse::<EnvArgument>().unwrap().resolve(here);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(resolve("HOME").unwrap(), pair("HOME", "/home/me"));
        assert_eq!(resolve("HOME=").unwrap(), pair("HOME", ""));
        assert_eq!(resolve("A=b=c").unwrap(), pair("A", "b=c"));
        assert!(resolve("NOWHERE").unwrap_err().message().contains("NOWHERE"));
        assert!("=x".parse::<EnvArgument>().is_err() && "".parse::<EnvArgument>().is_err());
    }

    #[test]
    fn only_a_dash_pair_right_after_the_file_is_ours() {
        let split = |words: &[&str]| split(words.iter().map(OsString::from).collect()).unwrap().1;
        assert_eq!(split(&["f", "--", "a"]), ["a"]);
        assert_eq!(split(&["f", "--", "--"]), ["--"]);
        assert_eq!(split(&["f", "a", "--", "b"]), ["a", "--", "b"]);
    }
}
