//! Scripts as tools: files which an interpreter runs, a tool itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use palisade::policy::{ByteSize, LimitsRequest, Policy};
use palisade::{Host, Kind, Program, SandboxSpec, Tool};

use crate::failure::Failure;
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

pub(super) async fn add(host: &Host, name: &str, file: &Path, interpreter: &str) -> Result<Tool, Failure> {
    if interpreter.split('@').next() == Some(name) {
        let message =
            format!("a script called {name:?} would take the place of its interpreter: give it another --name");
        return Err(Failure::invalid(message));
    }
    let source = text_file::read(file)?;
    // Editors of some systems put a mark there.
    let source = source.strip_prefix('\u{feff}').unwrap_or(&source).to_owned();
    let interpreter = find(host, interpreter).await?;
    let limits = LimitsRequest {
        memory: Some(ByteSize::from_mib(256)),
        time: Some(Duration::from_secs(10)),
        ..LimitsRequest::default()
    };
    let sandbox = host.create(SandboxSpec::new(Policy::standard()).limits(limits))?;
    let added = host.tools().add_script(name, source, &interpreter, &sandbox).await;
    sandbox.destroy().await?;
    Ok(added?)
}

/// The tool of this name; one which comes with this command is added at its first use.
async fn find(host: &Host, name: &str) -> Result<Tool, Failure> {
    match host.tools().get(name).await {
        Err(error) if error.kind() == Kind::NotFound && INTERPRETERS.iter().any(|(_, known)| *known == name) => {}
        found => return found.map_err(Failure::program),
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
    let component = Program::from_file(&found).map_err(Failure::program)?;
    Ok(host.tools().add(name, component).await?)
}

/// The folder of this command.
fn here() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.to_owned())
}
