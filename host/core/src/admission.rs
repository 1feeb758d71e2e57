//! Where a request is allowed or refused: the only one who asks a `Policy`.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palisade_policy::{Decision, Grants, Limits, LimitsRequest, MountRequest, Policy, Refusal, Request};
use rustix::fs::{Mode, OFlags};

use crate::{Error, Kind, MountSpec, Result, SandboxSpec};

/// A request which was granted, its directories open. Cheap to clone; any number of sandboxes can be made from it.
#[derive(Clone)]
pub struct Admission(pub(crate) Arc<Admitted>);

pub(crate) struct Admitted {
    /// What decided, and decides about other limits.
    policy: Arc<Policy>,
    pub grants: Grants,
    pub limits: Limits,
    /// What guests see as their environment.
    pub env: Vec<(String, String)>,
    /// One for each of the grants' mounts, in order.
    pub directories: Vec<Arc<OwnedFd>>,
}

impl Admission {
    /// What was granted.
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// The limits that were granted.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission")
            .field("grants", &self.0.grants)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

/// Decides on `spec`. The directory that is judged is the one that is opened: it is opened first, and judged by where
/// the opened directory is.
pub(crate) fn admit(spec: &SandboxSpec, state_dir: &Path) -> Result<Admission> {
    let opened = spec
        .mounts
        .iter()
        .map(|mount| open(mount, state_dir))
        .collect::<Result<Vec<_>>>()?;
    let mut mounts = Vec::with_capacity(opened.len());
    let mut directories = Vec::with_capacity(opened.len());
    for (mount, (host, directory)) in spec.mounts.iter().zip(opened) {
        mounts.push(MountRequest {
            host,
            guest: mount.guest.clone(),
            access: mount.access,
        });
        directories.push(directory);
    }
    let request = Request {
        mounts,
        env: spec.env.clone(),
        limits: spec.limits.clone(),
    };
    match spec.policy.decide(&request) {
        Ok(Decision { grants, limits }) => {
            check_env(&grants)?;
            let env = grants
                .env
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            Ok(Admission(Arc::new(Admitted {
                policy: Arc::clone(&spec.policy),
                grants,
                limits,
                env,
                directories,
            })))
        }
        Err(refusal) => Err(refused(refusal)),
    }
}

impl Admitted {
    /// Decides what `limits` become with those of `asked` in their place.
    pub(crate) fn change(&self, limits: &Limits, asked: &LimitsRequest) -> Result<Limits> {
        self.policy.decide_limits(limits, asked).map_err(refused)
    }
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Denied(denials) => denials.into(),
        Refusal::Invalid(problems) => {
            let all = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            Error::new(Kind::InvalidInput, all)
        }
    }
}

/// The most that an environment may have, as the arguments of a program.
const MAX_ENV: usize = 128 << 10;

/// As `NAME=VALUE` with a NUL, which is what guests get.
fn check_env(grants: &Grants) -> Result<()> {
    let bytes: usize = grants
        .env
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    if bytes <= MAX_ENV {
        return Ok(());
    }
    let message = format!("the environment has {bytes} bytes; at most {MAX_ENV} are taken");
    Err(Error::new(Kind::InvalidInput, message))
}

/// Opens a host directory and finds where it really is.
fn open(mount: &MountSpec, state_dir: &Path) -> Result<(PathBuf, Arc<OwnedFd>)> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::InvalidInput,
        };
        Error::new(
            kind,
            format!("cannot mount {:?} at {}: {error}", mount.host, mount.guest),
        )
        .with_source(error)
    };
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let opened = rustix::fs::open(&mount.host, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let real = real_path(&opened).map_err(failed)?;
    if real.starts_with(state_dir) || state_dir.starts_with(&real) {
        return Err(Error::new(
            Kind::InvalidInput,
            format!(
                "cannot mount {:?} at {}: it holds palisade's state directory {state_dir:?}, or lies in it",
                mount.host, mount.guest
            ),
        ));
    }
    Ok((real, Arc::new(opened)))
}

/// The absolute path of an open directory.
fn real_path(directory: &impl std::os::fd::AsRawFd) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use palisade_policy::Policy;

    use super::*;

    #[test]
    fn an_environment_has_a_bound_in_number_and_in_size() {
        let admit = |count: usize, value: &str| {
            let mut spec = SandboxSpec::new(Policy::standard());
            spec.env = (0..count)
                .map(|number| (format!("A{number:05}"), value.to_owned()))
                .collect();
            admit(&spec, Path::new("/state")).map(drop)
        };
        assert!(admit(MAX_ENV / 8, "").is_ok());
        assert!(admit(1, &"x".repeat(MAX_ENV - 8)).is_ok());
        for error in [admit(MAX_ENV / 8 + 1, ""), admit(1, &"x".repeat(MAX_ENV - 7))] {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput);
            assert!(error.to_string().contains("at most 131072"), "{error}");
        }
    }
}
