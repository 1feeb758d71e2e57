//! What a refusal says, beside the errno that the guest gets.

use palisade_policy::{Denial, GuestPath};

use super::Errno;
use crate::limits::Refusals;

/// Notes that `path` may not be written to, being in a read-only mount, or in none.
pub(super) fn deny_write(refusals: &Refusals, path: &str, mount: Option<&GuestPath>) -> Errno {
    let smallest_grant = match mount {
        Some(at) => format!("mount {at} read-write"),
        None => format!("mount a directory at {} read-write", parent_of(path)),
    };
    refusals.deny(Denial {
        rule: "mounts".to_owned(),
        asked: format!("write {path}"),
        smallest_grant,
    });
    Errno::ROFS
}

/// Notes that a tool may not write to `path`, whatever its sandbox may.
pub(super) fn deny_tool_write(refusals: &Refusals, path: &str) -> Errno {
    refusals.deny(Denial {
        rule: "tools".to_owned(),
        asked: format!("write {path}"),
        smallest_grant: "files = \"read-write\" for the tool, and for the call".to_owned(),
    });
    Errno::ROFS
}

/// Notes that a tool may open nothing, whatever its sandbox has.
pub(super) fn deny_tool_files(refusals: &Refusals) {
    refusals.deny(Denial {
        rule: "tools".to_owned(),
        asked: "the directories that it may open".to_owned(),
        smallest_grant: "files = \"read-only\" for the tool, and for the call".to_owned(),
    });
}

/// Notes that `path` is below a `directory` which neither the root nor a mount holds.
pub(super) fn deny_missing(refusals: &Refusals, path: &str, directory: &str) {
    refusals.deny(Denial {
        rule: "mounts".to_owned(),
        asked: format!("read {path}"),
        smallest_grant: format!("mount a host directory at {directory} read-only"),
    });
}

fn parent_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((parent, _)) if !parent.is_empty() => parent,
        _ => "/",
    }
}
