//! Lines for the host's log: `log::info!("read {} files", count)`.
//!
//! The context of a line is the path of the module which logs. Compiled for anything but WebAssembly, lines go to
//! standard error.

use std::fmt::Arguments;

use crate::bindings;

#[doc(inline)]
pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For who looks for a mistake.
    Debug,
    /// Worth knowing.
    Info,
    /// Not as it should be.
    Warn,
    /// Failed.
    Error,
}

/// Logs `message`. `context` is what lines are grouped by.
pub fn log(level: Level, context: &str, message: Arguments<'_>) {
    let message = message.to_string();
    if cfg!(target_family = "wasm") {
        bindings::log(level.into(), context, &message);
    } else {
        eprintln!("{level:?} {context}: {message}");
    }
}

impl From<Level> for bindings::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

/// Logs what helps to find a mistake.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($message:tt)+) => {
        $crate::log::log($crate::log::Level::Debug, module_path!(), format_args!($($message)+))
    };
}

/// Logs what is worth knowing.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($message:tt)+) => {
        $crate::log::log($crate::log::Level::Info, module_path!(), format_args!($($message)+))
    };
}

/// Logs what is not as it should be.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($message:tt)+) => {
        $crate::log::log($crate::log::Level::Warn, module_path!(), format_args!($($message)+))
    };
}

/// Logs what failed.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($message:tt)+) => {
        $crate::log::log($crate::log::Level::Error, module_path!(), format_args!($($message)+))
    };
}
