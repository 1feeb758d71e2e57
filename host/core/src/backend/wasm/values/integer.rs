//! The eight types of integers.

use std::ops::RangeInclusive;

use wasmtime::component::Val;

/// Up to this a double has every integer, and so has every reader of JSON.
pub(super) const MAX_EXACT: i128 = (1 << 53) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
}

impl Integer {
    pub(super) fn range(self) -> RangeInclusive<i128> {
        match self {
            Self::S8 => i8::MIN.into()..=i8::MAX.into(),
            Self::U8 => u8::MIN.into()..=u8::MAX.into(),
            Self::S16 => i16::MIN.into()..=i16::MAX.into(),
            Self::U16 => u16::MIN.into()..=u16::MAX.into(),
            Self::S32 => i32::MIN.into()..=i32::MAX.into(),
            Self::U32 => u32::MIN.into()..=u32::MAX.into(),
            Self::S64 => i64::MIN.into()..=i64::MAX.into(),
            Self::U64 => u64::MIN.into()..=u64::MAX.into(),
        }
    }

    /// Whether it may be beyond what every reader of JSON has exactly.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Self::S64 | Self::U64)
    }

    /// `None` out of range.
    pub(super) fn to_val(self, value: i128) -> Option<Val> {
        match self {
            Self::S8 => value.try_into().ok().map(Val::S8),
            Self::U8 => value.try_into().ok().map(Val::U8),
            Self::S16 => value.try_into().ok().map(Val::S16),
            Self::U16 => value.try_into().ok().map(Val::U16),
            Self::S32 => value.try_into().ok().map(Val::S32),
            Self::U32 => value.try_into().ok().map(Val::U32),
            Self::S64 => value.try_into().ok().map(Val::S64),
            Self::U64 => value.try_into().ok().map(Val::U64),
        }
    }

    /// `None` for a value of another type.
    pub(super) fn of_val(self, value: &Val) -> Option<i128> {
        match (self, value) {
            (Self::S8, Val::S8(value)) => Some((*value).into()),
            (Self::U8, Val::U8(value)) => Some((*value).into()),
            (Self::S16, Val::S16(value)) => Some((*value).into()),
            (Self::U16, Val::U16(value)) => Some((*value).into()),
            (Self::S32, Val::S32(value)) => Some((*value).into()),
            (Self::U32, Val::U32(value)) => Some((*value).into()),
            (Self::S64, Val::S64(value)) => Some((*value).into()),
            (Self::U64, Val::U64(value)) => Some((*value).into()),
            _ => None,
        }
    }
}
