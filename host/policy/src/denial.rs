use serde::{Deserialize, Serialize};

/// Why something was refused: the rule, what was asked, and the least that would have to be granted.
///
/// Nothing in it spans lines, and the values of environment variables are never part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[error("{rule}: {asked} is not granted; the smallest grant that would do: {smallest_grant}")]
pub struct Denial {
    /// The key path of the rule, `ceilings.memory`, or the grant which is missing, `mounts`.
    pub rule: String,
    /// What was asked, `memory = "4 GiB"`.
    pub asked: String,
    /// The least which would allow it, as the operator would write it in a policy file:
    /// `ceilings.memory = "4 GiB"`. It is TOML; what is in a list is added to the list of the policy; only an entry of
    /// `tools` takes the place of the one of the same name, where there is one.
    pub smallest_grant: String,
}
