//! The browser which the tests of the pages drive: the machine's own, else Debian's.

use super::debian;
use crate::progress;

/// Comes with the browser.
const PACKAGE: &str = "chromium-driver";

/// Makes sure that there is one where that is possible. Tests without it say that they are skipped, or fail in CI.
pub(crate) fn ensure() {
    if debian::has("chromedriver") {
        return;
    }
    if let Err(error) = debian::install_package(PACKAGE) {
        progress::note("note", &format!("no browser for the tests of the pages: {error:#}"));
    }
}
