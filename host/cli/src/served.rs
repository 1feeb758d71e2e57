//! Where the server of a state directory listens, so that the key of this machine is given to it and to nobody else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file, in the state directory.
const NAME: &str = "serve.url";

/// What the latest server of a state directory said of itself.
#[derive(Debug)]
pub(crate) struct Served(PathBuf);

impl Served {
    pub(crate) fn at(state_dir: &Path) -> Self {
        Self(state_dir.join(NAME))
    }

    /// Says where it listens, until this machine says otherwise.
    pub(crate) fn say(&self, url: &str) -> io::Result<()> {
        let part = self.0.with_extension("part");
        fs::write(&part, url)?;
        fs::rename(part, &self.0)
    }

    /// Says that it does not listen there any more.
    pub(crate) fn end(&self, url: &str) {
        if self.is(url) {
            // What stays behind names a place where nobody listens, until somebody does.
            let _ = fs::remove_file(&self.0);
        }
    }

    /// Where it listens; `None` where there is none.
    pub(crate) fn url(&self) -> Option<String> {
        fs::read_to_string(&self.0).ok()
    }

    /// Whether it listens at `url`.
    pub(crate) fn is(&self, url: &str) -> bool {
        let port = |url: &str| {
            let host = url.strip_prefix("http://").unwrap_or(url).split('/').next();
            host.and_then(|host| host.rsplit_once(':'))
                .map(|(_, port)| port.to_owned())
        };
        // By each of its addresses on this machine, all of which end in the same port.
        fs::read_to_string(&self.0).is_ok_and(|known| port(&known).is_some() && port(&known) == port(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_the_latest_server_is_known_until_it_ends() {
        let state = tempfile::tempdir().unwrap();
        let served = Served::at(state.path());
        assert!(!served.is("http://127.0.0.1:7010"));
        served.say("http://127.0.0.1:7010").unwrap();
        assert!(served.is("http://127.0.0.1:7010/") && served.is("http://localhost:7010"));
        for other in ["http://127.0.0.1:7011", "http://127.0.0.1", "http://[::1]"] {
            assert!(!served.is(other), "{other}");
        }
        served.end("http://127.0.0.1:7011");
        assert!(served.is("http://127.0.0.1:7010"));
        assert_eq!(served.url().as_deref(), Some("http://127.0.0.1:7010"));
        served.end("http://127.0.0.1:7010");
        assert_eq!(served.url(), None);
        assert!(!served.is("http://127.0.0.1:7010"));
    }
}
