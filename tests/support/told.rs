//! What a guest's outcome says, and what a test says of it when it is not what was promised.

use palisade::{Ending, Limit, Outcome};

/// Checks on an [`Outcome`] which fail with all that the guest printed.
pub trait Told {
    /// Standard output as text.
    fn out(&self) -> String;

    /// Its lines.
    fn lines(&self) -> Vec<String>;

    /// Everything about it, for a failed test's message.
    fn told(&self) -> String;

    /// It ended by itself with `code`.
    #[track_caller]
    fn exits(&self, code: u8) -> &Self;

    /// It was ended by `limit`.
    #[track_caller]
    fn reaches(&self, limit: Limit) -> &Self;

    /// It trapped, of its own making.
    #[track_caller]
    fn traps(&self) -> &Self;
}

impl Told for Outcome {
    fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    fn lines(&self) -> Vec<String> {
        self.out().lines().map(str::to_owned).collect()
    }

    fn told(&self) -> String {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        format!(
            "it ended with {:?}, limits {:?}, denials {:?}\nstdout: {}\nstderr: {}",
            self.ending,
            self.limits_hit,
            self.denials,
            shown(&self.stdout),
            shown(&self.stderr),
        )
    }

    fn exits(&self, code: u8) -> &Self {
        assert_eq!(self.ending, Ending::Exited(code), "{}", self.told());
        self
    }

    fn reaches(&self, limit: Limit) -> &Self {
        assert_eq!(self.ending, Ending::LimitReached(limit), "{}", self.told());
        assert_eq!(self.limits_hit.last(), Some(&limit), "{}", self.told());
        self
    }

    fn traps(&self) -> &Self {
        assert!(matches!(self.ending, Ending::Trapped(_)), "{}", self.told());
        self
    }
}
