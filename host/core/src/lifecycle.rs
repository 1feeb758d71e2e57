//! The states of a sandbox, and every way from one to another. No I/O here.
//!
//! ```text
//! Creating -> Ready <-> Running       Stop, in every live state -> Stopping -> Stopped -> Destroyed
//!               \         /           Fail, in every live state -> Failed --------------> Destroyed
//!               Suspended
//!
//! Ready, Running, Suspended -> RollingBack -> Ready
//! ```

/// What a sandbox is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is being set up.
    Creating,
    /// It has no processes, and takes some.
    Ready,
    /// It has at least one process.
    Running,
    /// Its processes stand still, and it takes no others. A restart of the host ends a suspension.
    Suspended,
    /// Its processes are being ended, and its files made what they were. It takes no processes.
    RollingBack,
    /// Its processes are being ended.
    Stopping,
    /// It has no processes and takes none; its files are still there.
    Stopped,
    /// Something which is not the guest's doing went wrong; only `destroy` is left.
    Failed,
    /// Its files are gone.
    Destroyed,
}

/// What happens to a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Created,
    /// A process starts.
    Start,
    /// The last process has ended.
    Idle,
    Suspend,
    Resume(Load),
    RollBack,
    /// Its files are what they were to be, or were not touched.
    RolledBack,
    Stop,
    Fail,
    Destroy,
}

/// Whether a sandbox has processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Idle,
    Busy,
}

/// What to do about an [`Input`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Enter(State),
    /// A harmless repeat.
    Ignore,
    Refuse(&'static str),
}

use Input::{Created, Destroy, Fail, Idle, Resume, RollBack, RolledBack, Start, Stop, Suspend};
use State::{Creating, Destroyed, Failed, Ready, RollingBack, Running, Stopped, Stopping, Suspended};
use Step::{Enter, Ignore, Refuse};

const CREATING: &str = "it is still being created";
const ROLLING_BACK: &str = "its files are being rolled back";
const ENDED: &str = "it has ended";

impl State {
    pub(crate) fn on(self, input: Input) -> Step {
        match (self, input) {
            (Creating, Created) => Enter(Ready),
            (Ready | Running | Suspended | RollingBack | Stopping | Stopped | Failed | Destroyed, Created) => {
                Refuse("it has been created already")
            }

            (Ready | Running, Start) => Enter(Running),
            (Creating, Start) => Refuse(CREATING),
            (Suspended, Start) => Refuse("it is suspended"),
            (RollingBack, Start) => Refuse(ROLLING_BACK),
            (Stopping | Stopped | Failed | Destroyed, Start) => Refuse(ENDED),

            (Running, Idle) => Enter(Ready),
            (Stopping, Idle) => Enter(Stopped),
            (Creating | Ready | Suspended | RollingBack | Stopped | Failed | Destroyed, Idle) => Ignore,

            (Ready | Running, Suspend) => Enter(Suspended),
            (Suspended, Suspend) => Ignore,
            (Creating, Suspend) => Refuse(CREATING),
            (RollingBack, Suspend) => Refuse(ROLLING_BACK),
            (Stopping | Stopped | Failed | Destroyed, Suspend) => Refuse(ENDED),

            (Suspended, Resume(Load::Idle)) => Enter(Ready),
            (Suspended, Resume(Load::Busy)) => Enter(Running),
            (Ready | Running, Resume(_)) => Ignore,
            (Creating, Resume(_)) => Refuse(CREATING),
            (RollingBack, Resume(_)) => Refuse(ROLLING_BACK),
            (Stopping | Stopped | Failed | Destroyed, Resume(_)) => Refuse(ENDED),

            (Ready | Running | Suspended, RollBack) => Enter(RollingBack),
            (Creating, RollBack) => Refuse(CREATING),
            (RollingBack, RollBack) => Refuse(ROLLING_BACK),
            (Stopping | Stopped | Failed | Destroyed, RollBack) => Refuse(ENDED),

            (RollingBack, RolledBack) => Enter(Ready),
            // It was stopped, or has failed, meanwhile.
            (Creating | Ready | Running | Suspended | Stopping | Stopped | Failed | Destroyed, RolledBack) => Ignore,

            (Creating | Ready | Running | Suspended | RollingBack, Stop) => Enter(Stopping),
            (Stopping | Stopped | Failed | Destroyed, Stop) => Ignore,

            (Creating | Ready | Running | Suspended | RollingBack | Stopping, Fail) => Enter(Failed),
            (Stopped | Failed | Destroyed, Fail) => Ignore,

            (Stopped | Failed, Destroy) => Enter(Destroyed),
            (Destroyed, Destroy) => Ignore,
            (Creating | Ready | Running | Suspended | RollingBack | Stopping, Destroy) => {
                Refuse("it must be stopped first")
            }
        }
    }

    /// Whether the sandbox has ended, and takes no more processes.
    pub fn has_ended(self) -> bool {
        match self {
            Stopping | Stopped | Failed | Destroyed => true,
            Creating | Ready | Running | Suspended | RollingBack => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 9] = [
        Creating,
        Ready,
        Running,
        Suspended,
        RollingBack,
        Stopping,
        Stopped,
        Failed,
        Destroyed,
    ];

    #[test]
    fn stop_and_fail_are_refused_in_no_state() {
        for state in STATES {
            assert!(!matches!(state.on(Stop), Refuse(_)), "{state:?}");
            assert!(!matches!(state.on(Fail), Refuse(_)), "{state:?}");
        }
    }

    #[test]
    fn nothing_leads_out_of_an_ended_state_but_its_end() {
        let inputs = [
            Created,
            Start,
            Idle,
            Suspend,
            Resume(Load::Idle),
            Resume(Load::Busy),
            RollBack,
            RolledBack,
            Stop,
            Fail,
            Destroy,
        ];
        for state in STATES.into_iter().filter(|state| state.has_ended()) {
            for input in inputs {
                if let Enter(next) = state.on(input) {
                    assert!(next.has_ended(), "{state:?} on {input:?} enters {next:?}");
                }
            }
        }
    }

    #[test]
    fn every_state_can_be_reached() {
        let inputs = [
            Created,
            Start,
            Idle,
            Suspend,
            Resume(Load::Idle),
            RollBack,
            Stop,
            Fail,
            Destroy,
        ];
        let mut reached = vec![Creating];
        let mut next = 0;
        while next < reached.len() {
            for input in inputs {
                if let Enter(state) = reached[next].on(input)
                    && !reached.contains(&state)
                {
                    reached.push(state);
                }
            }
            next += 1;
        }
        assert_eq!(reached.len(), STATES.len());
    }
}
