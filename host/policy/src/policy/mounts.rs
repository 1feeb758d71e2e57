use std::path::{Component, Path};

use crate::file::MountRuleFile;
use crate::problem::Problems;
use crate::spelling::{element, quoted};
use crate::{Access, Denial, GuestPath, MountRequest};

/// Which directories of the host may be mounted, how, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MountRule {
    host: String,
    access: Access,
    guest: Option<GuestPath>,
}

impl MountRule {
    pub(super) fn check(path: &str, file: MountRuleFile, problems: &mut Problems) -> Option<Self> {
        let Some(host) = file.host else {
            problems.report(format!("{path}.host"), "missing; write `/` to allow any directory");
            return None;
        };
        if let Some(flaw) = host_flaw(Path::new(&host)) {
            problems.report(format!("{path}.host"), flaw);
        }
        Some(Self {
            host,
            access: file.access.unwrap_or_default(),
            guest: file.guest,
        })
    }

    pub(super) fn to_file(&self) -> MountRuleFile {
        MountRuleFile {
            host: Some(self.host.clone()),
            access: Some(self.access),
            guest: self.guest.clone(),
        }
    }

    /// Whether it allows all of `asked`. Paths are compared name by name: `/srv/data2` is not below `/srv/data`.
    fn allows(&self, asked: &MountRequest) -> bool {
        asked.host.starts_with(&self.host)
            && asked.access <= self.access
            && self.guest.as_ref().is_none_or(|guest| asked.guest.is_within(guest))
    }
}

/// Denies each mount that no rule allows.
pub(super) fn decide(rules: &[MountRule], asked: &[MountRequest], denials: &mut Vec<Denial>) {
    let refused = asked
        .iter()
        .filter(|mount| !rules.iter().any(|rule| rule.allows(mount)));
    denials.extend(refused.map(denial));
}

fn denial(mount: &MountRequest) -> Denial {
    let MountRequest { host, guest, access } = mount;
    let (host_text, guest_text) = (quoted(writable(host)), quoted(&guest.to_string()));
    let rule = format!("host = {host_text}, access = \"{access}\", guest = {guest_text}");
    Denial {
        rule: "mounts".into(),
        asked: format!("{access} mount of {host:?} at {guest}"),
        smallest_grant: format!("mounts = [{{ {rule} }}]"),
    }
}

/// The path, or the nearest directory above it that a policy can spell: TOML is Unicode and paths need not be.
fn writable(host: &Path) -> &str {
    host.ancestors().find_map(Path::to_str).unwrap_or("/")
}

/// Reports mounts that no rule could allow.
pub(super) fn report_flaws(mounts: &[MountRequest], problems: &mut Problems) {
    let mut places = std::collections::HashSet::new();
    for (index, mount) in mounts.iter().enumerate() {
        let path = element("mounts", index);
        if let Some(flaw) = host_flaw(&mount.host) {
            problems.report(format!("{path}.host"), flaw);
        }
        if !places.insert(mount.guest.components()) {
            let message = format!("something else is mounted at {} already", mount.guest);
            problems.report(format!("{path}.guest"), message);
        }
    }
}

fn host_flaw(host: &Path) -> Option<&'static str> {
    if !host.is_absolute() {
        Some("must be an absolute path")
    } else if host.components().any(|component| component == Component::ParentDir) {
        Some("must have no `..`")
    } else if host.as_os_str().as_encoded_bytes().contains(&0) {
        Some("must have no NUL character")
    } else {
        None
    }
}
