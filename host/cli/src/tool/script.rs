//! Scripts as tools: files which an interpreter runs, a tool itself.

use std::path::{Path, PathBuf};

use palisade::Kind;
use palisade_client::wire::ToolBody;

use crate::failure::Failure;
use crate::host::{Host, ProgramFile};
use crate::report;
use crate::text_file;

/// Ends of files, and the tool which interprets such files unless another is named.
const INTERPRETERS: [(&str, &str); 1] = [("py", "python")];

/// Where an interpreter may lie, from the folder of this command: beside it, as it is installed, and as
/// `cargo xtask guests` leaves it.
const FOLDERS: [&str; 3] = [".", "../share/palisade", "../guests"];

/// The interpreter of `file`, where it is a script.
pub(super) fn interpreter(given: Option<String>, file: &Path) -> Option<String> {
    let ending = file.extension().and_then(|ending| ending.to_str());
    let known = INTERPRETERS
        .iter()
        .find(|(known, _)| ending.is_some_and(|ending| ending.eq_ignore_ascii_case(known)));
    given.or_else(|| known.map(|(_, interpreter)| (*interpreter).to_owned()))
}

pub(super) async fn add(host: &dyn Host, name: &str, file: &Path, interpreter: &str) -> Result<ToolBody, Failure> {
    let source = text_file::read(file)?;
    // Editors of some systems put a mark there.
    let source = source.strip_prefix('\u{feff}').unwrap_or(&source).to_owned();
    if interpreter.split('@').next() != Some(name) {
        find(host, interpreter).await?;
    }
    host.add_script(name, source, interpreter).await
}

/// Sees to it that there is a tool of this name: one which comes with this command is added at its first use.
async fn find(host: &dyn Host, name: &str) -> Result<(), Failure> {
    match host.tool(name).await {
        Err(failure) if failure.is_not_found() && INTERPRETERS.iter().any(|(_, known)| *known == name) => {}
        found => return found.map(drop),
    }
    let file = format!("{name}.wasm");
    let mut beside = FOLDERS
        .iter()
        .filter_map(|folder| Some(here()?.join(folder).join(&file)));
    let Some(found) = beside.find(|path| path.is_file()) else {
        let message = format!(
            "no tool {name:?} to interpret it with, and no {file} beside this command: `palisade tool add {file}`, \
             which `cargo xtask guests` makes"
        );
        return Err(Failure::program(palisade::Error::new(Kind::NotFound, message)));
    };
    report::say(&format!("adding the tool {name}, {}", found.display()));
    host.add_tool(name, ProgramFile::open(&found)?).await.map(drop)
}

/// The folder of this command.
fn here() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.to_owned())
}
