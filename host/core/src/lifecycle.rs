//! The states of a sandbox, and every way from one to another. No I/O here.
//!
//! ```text
//! Creating -> Ready <-> Running       Stop, in every live state -> Stopping -> Stopped -> Destroyed
//!               \         /           Fail, in every live state -> Failed --------------> Destroyed
//!               Suspended
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

use Input::{Created, Destroy, Fail, Idle, Resume, Start, Stop, Suspend};
use State::{Creating, Destroyed, Failed, Ready, Running, Stopped, Stopping, Suspended};
use Step::{Enter, Ignore, Refuse};

impl State {
    pub(crate) fn on(self, input: Input) -> Step {
        match (self, input) {
            (Creating, Created) => Enter(Ready),
            (Ready | Running | Suspended | Stopping | Stopped | Failed | Destroyed, Created) => {
                Refuse("it has been created already")
            }

            (Ready | Running, Start) => Enter(Running),
            (Creating, Start) => Refuse("it is still being created"),
            (Suspended, Start) => Refuse("it is suspended"),
            (Stopping | Stopped | Failed | Destroyed, Start) => Refuse("it has ended"),

            (Running, Idle) => Enter(Ready),
            (Stopping, Idle) => Enter(Stopped),
            (Creating | Ready | Suspended | Stopped | Failed | Destroyed, Idle) => Ignore,

            (Ready | Running, Suspend) => Enter(Suspended),
            (Suspended, Suspend) => Ignore,
            (Creating, Suspend) => Refuse("it is still being created"),
            (Stopping | Stopped | Failed | Destroyed, Suspend) => Refuse("it has ended"),

            (Suspended, Resume(Load::Idle)) => Enter(Ready),
            (Suspended, Resume(Load::Busy)) => Enter(Running),
            (Ready | Running, Resume(_)) => Ignore,
            (Creating, Resume(_)) => Refuse("it is still being created"),
            (Stopping | Stopped | Failed | Destroyed, Resume(_)) => Refuse("it has ended"),

            (Creating | Ready | Running | Suspended, Stop) => Enter(Stopping),
            (Stopping | Stopped | Failed | Destroyed, Stop) => Ignore,

            (Creating | Ready | Running | Suspended | Stopping, Fail) => Enter(Failed),
            (Stopped | Failed | Destroyed, Fail) => Ignore,

            (Stopped | Failed, Destroy) => Enter(Destroyed),
            (Destroyed, Destroy) => Ignore,
            (Creating | Ready | Running | Suspended | Stopping, Destroy) => Refuse("it must be stopped first"),
        }
    }

    /// Whether the sandbox has ended, and takes no more processes.
    pub fn has_ended(self) -> bool {
        match self {
            Stopping | Stopped | Failed | Destroyed => true,
            Creating | Ready | Running | Suspended => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 8] = [
        Creating, Ready, Running, Suspended, Stopping, Stopped, Failed, Destroyed,
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
        let inputs = [Created, Start, Idle, Suspend, Resume(Load::Idle), Stop, Fail, Destroy];
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
