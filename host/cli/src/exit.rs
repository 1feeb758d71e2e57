//! Exit codes: one table, which `palisade run --help` tells too.

use palisade_client::Kind;
use palisade_client::wire::{self, Ending, Limit};

/// palisade itself failed: a wrong flag, a bad file, a program which is not WebAssembly.
pub(crate) const FAILURE: u8 = 125;
/// A policy does not grant what was asked.
pub(crate) const DENIED: u8 = 126;
/// There is no such program file.
pub(crate) const NO_PROGRAM: u8 = 127;
/// What was checked has problems: `policy check`, `doctor`, `snapshot verify` and `scrub`.
pub(crate) const PROBLEMS: u8 = 1;

/// A tool returned an error.
const FAILED: u8 = 1;
const TIMED_OUT: u8 = 124;
/// 128 + SIGABRT, as a native program that aborts.
pub(crate) const TRAPPED: u8 = 134;
/// 128 + SIGKILL, as a native program that is killed.
const KILLED: u8 = 137;

/// The code for the end of a guest.
pub(crate) fn of_ending(ending: &Ending) -> u8 {
    match ending {
        Ending::Exited(code) => *code,
        Ending::Returned => 0,
        Ending::Failed => FAILED,
        Ending::Trapped(_) => TRAPPED,
        Ending::LimitReached(Limit::Time) => TIMED_OUT,
        Ending::LimitReached(_) | Ending::Killed => KILLED,
        // A host which is newer than this command tells of it.
        _ => FAILURE,
    }
}

/// The code for an error of palisade, of its user, or of the way to a host.
pub(crate) fn of_kind(kind: Kind) -> u8 {
    match kind {
        Kind::Answered(wire::Kind::Denied) => DENIED,
        Kind::Answered(_) | Kind::Unsendable | Kind::Unreachable | Kind::Silent | Kind::Garbled => FAILURE,
    }
}

/// The code after a signal, as a shell gives it.
pub(crate) fn of_signal(number: u8) -> u8 {
    128 + number
}

/// The table for people.
pub(crate) const TABLE: &str = "\
Exit codes:
  0..=255  what the program exits with
  124      the program was stopped by the limit of time
  125      palisade or its host failed: a wrong flag or file, or a program which is not WebAssembly
  126      the policy does not grant what was asked
  127      there is no such program file
  134      the program trapped
  137      the program was stopped by another limit, or killed
  129, 130, 143  palisade was told to stop by SIGHUP, SIGINT or SIGTERM
  141      nobody takes what a program on another host prints";

/// What differs for a call of a tool.
pub(crate) const CALL_TABLE: &str = "\
Exit codes:
  0        the function returned; what, is on standard output
  1        the function returned an error, which is on standard output
  124, 137 the call was stopped by a limit
  125      palisade failed, or the arguments are not those of the function
  126      the policy does not grant what was asked
  127      there is no such tool or function
  134      the tool trapped, or exited instead of returning";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_have_the_codes_that_the_help_tells() {
        for (ending, code) in [
            (Ending::Exited(0), 0),
            (Ending::Exited(255), 255),
            (Ending::Returned, 0),
            (Ending::Failed, 1),
            (Ending::Trapped(String::new()), 134),
            (Ending::LimitReached(Limit::Time), 124),
            (Ending::LimitReached(Limit::Memory), 137),
            (Ending::LimitReached(Limit::Fuel), 137),
            (Ending::LimitReached(Limit::Output), 137),
            (Ending::Killed, 137),
        ] {
            assert_eq!(of_ending(&ending), code, "{ending:?}");
        }
        for code in [TIMED_OUT, FAILURE, DENIED, NO_PROGRAM, TRAPPED, KILLED] {
            assert!(TABLE.contains(&format!("\n  {code} ")), "{code}");
        }
    }

    #[test]
    fn only_a_denial_differs_from_other_errors() {
        assert_eq!(of_kind(Kind::Answered(wire::Kind::Denied)), 126);
        assert_eq!(of_kind(Kind::Answered(wire::Kind::NotFound)), 125);
        assert_eq!(of_kind(Kind::Answered(wire::Kind::Forbidden)), 125);
        assert_eq!(of_kind(Kind::Unreachable), 125);
        assert_eq!((of_signal(2), of_signal(15)), (130, 143));
    }
}
