//! Values of limits, as far as all of them are alike.

use std::time::Duration;

use crate::spelling::quoted;
use crate::time::HumanDuration;
use crate::{ByteSize, CpuShare, FuelLimit};

/// The largest integer that TOML can hold.
pub(super) const MAX_INTEGER: u64 = i64::MAX as u64;

/// A value that a limit may have.
pub(super) trait Amount: Copy + Ord {
    fn is_zero(self) -> bool;

    /// The value as a policy file has it.
    fn to_toml(self) -> String;

    /// Whether TOML has no way to write it.
    fn is_unwritable(self) -> bool {
        false
    }
}

impl Amount for ByteSize {
    fn is_zero(self) -> bool {
        self.as_bytes() == 0
    }

    fn to_toml(self) -> String {
        quoted(&self.to_string())
    }
}

impl Amount for FuelLimit {
    fn is_zero(self) -> bool {
        self == Self::AtMost(0)
    }

    fn to_toml(self) -> String {
        match self {
            Self::AtMost(fuel) if fuel <= MAX_INTEGER => fuel.to_string(),
            Self::AtMost(_) | Self::Unlimited => quoted(&self.to_string()),
        }
    }
}

impl Amount for Duration {
    fn is_zero(self) -> bool {
        Self::is_zero(&self)
    }

    fn to_toml(self) -> String {
        quoted(&HumanDuration(self).to_string())
    }
}

impl Amount for CpuShare {
    fn is_zero(self) -> bool {
        self.as_millicores() == 0
    }

    fn to_toml(self) -> String {
        self.to_string()
    }
}

impl Amount for u64 {
    fn is_zero(self) -> bool {
        self == 0
    }

    fn to_toml(self) -> String {
        self.to_string()
    }

    fn is_unwritable(self) -> bool {
        self > MAX_INTEGER
    }
}

impl Amount for u32 {
    fn is_zero(self) -> bool {
        self == 0
    }

    fn to_toml(self) -> String {
        self.to_string()
    }
}
