//! What the files are made from.

use crate::Language;

/// The path of a file, and its text.
pub(crate) type Template = (&'static str, &'static str);

/// Files of `templates/`: the path that they get, and that which they have there. What ignores files is not called so
/// there, or it would be obeyed.
macro_rules! templates {
    ($($path:literal from $template:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../templates/", $template)))),*]
    };
}

/// Files of `guest-sdk`, put into a folder of their own.
macro_rules! sdk {
    ($($path:literal),* $(,)?) => {
        [$((concat!("palisade-guest/", $path), include_str!(concat!("../../../guest-sdk/", $path)))),*]
    };
}

/// Those in which placeholders are filled in.
pub(crate) fn own(language: Language) -> &'static [Template] {
    match language {
        Language::Rust => &RUST,
        Language::C => &C,
        Language::JavaScript => &JAVASCRIPT,
        Language::Python => &PYTHON,
    }
}

/// Those which are taken as they are.
pub(crate) fn library(language: Language) -> impl Iterator<Item = &'static Template> {
    let files: &[&[Template]] = match language {
        Language::Rust => &[&SDK_FILES, &SDK_OTHERS],
        Language::C | Language::JavaScript | Language::Python => &[],
    };
    files.iter().copied().flatten()
}

const RUST: [Template; 4] = templates![
    ".gitignore" from "rust/gitignore",
    "Cargo.toml" from "rust/Cargo.toml",
    "README.md" from "rust/README.md",
    "src/lib.rs" from "rust/src/lib.rs",
];

const C: [Template; 8] = templates![
    ".gitignore" from "c/gitignore",
    "README.md" from "c/README.md",
    "bindings/tool.c" from "c/bindings/tool.c",
    "bindings/tool.h" from "c/bindings/tool.h",
    "bindings/tool_component_type.c" from "c/bindings/tool_component_type.c",
    "build.sh" from "c/build.sh",
    "tool.c" from "c/tool.c",
    "tool.wit" from "tool.wit",
];

const JAVASCRIPT: [Template; 6] = templates![
    ".gitignore" from "js/gitignore",
    "README.md" from "js/README.md",
    "build.mjs" from "js/build.mjs",
    "package.json" from "js/package.json",
    "tool.js" from "js/tool.js",
    "tool.wit" from "tool.wit",
];

const PYTHON: [Template; 3] = templates![
    ".gitignore" from "python/gitignore",
    "README.md" from "python/README.md",
    "{{name}}.py" from "python/name.py",
];

const SDK_FILES: [Template; 16] = sdk![
    "README.md",
    "macros/src/docs.rs",
    "macros/src/expand.rs",
    "macros/src/lib.rs",
    "macros/src/model.rs",
    "macros/src/names.rs",
    "macros/src/types.rs",
    "macros/src/wit.rs",
    "src/allocator.rs",
    "src/bindings.rs",
    "src/lib.rs",
    "src/log.rs",
    "src/progress.rs",
    "src/without_wasi.rs",
    "wit/deps/logging.wit",
    "wit/reports.wit",
];

/// Its manifests are those of packages in a workspace, so it has others here.
const SDK_OTHERS: [Template; 3] = [
    (
        "palisade-guest/Cargo.toml",
        include_str!("../templates/rust/palisade-guest/Cargo.toml"),
    ),
    ("palisade-guest/LICENSE", include_str!("../../../LICENSE")),
    (
        "palisade-guest/macros/Cargo.toml",
        include_str!("../templates/rust/palisade-guest/macros/Cargo.toml"),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use toml::Table;
    use walkdir::WalkDir;

    use super::*;

    fn workspace() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn manifest(path: &Path) -> Table {
        fs::read_to_string(path).unwrap().parse().unwrap()
    }

    #[test]
    fn the_whole_library_is_there() {
        let folder = workspace().join("guest-sdk");
        let files = WalkDir::new(&folder).into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.file_type().is_file());
        let paths = files.map(|entry| entry.path().strip_prefix(&folder).unwrap().to_str().unwrap().to_owned());
        let expected: BTreeSet<String> = paths.map(|path| format!("palisade-guest/{path}")).collect();
        let mut found: BTreeSet<String> = library(Language::Rust).map(|(path, _)| (*path).to_owned()).collect();
        assert!(found.remove("palisade-guest/LICENSE"));
        assert_eq!(found, expected);
    }

    /// The workspace's where the package takes it from there.
    fn inherited(value: &toml::Value, of_workspace: Option<&toml::Value>) -> toml::Value {
        match value.get("workspace") {
            Some(_) => of_workspace.expect("the workspace has what is taken from it").clone(),
            None => value.clone(),
        }
    }

    #[test]
    fn its_manifests_say_the_same_without_a_workspace() {
        for (folder, workspace_manifest) in [("", "tools/Cargo.toml"), ("macros", "Cargo.toml")] {
            let ours = manifest(&workspace().join("guest-sdk").join(folder).join("Cargo.toml"));
            let around = manifest(&workspace().join(workspace_manifest));
            let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/rust/palisade-guest");
            let theirs = manifest(&templates.join(folder).join("Cargo.toml"));
            let mut expected = ours.clone();
            expected.remove("lints");
            for (table, of) in [("package", "package"), ("dependencies", "dependencies")] {
                let table = expected[table].as_table_mut().unwrap();
                table.remove("workspace");
                for (key, value) in table.iter_mut() {
                    *value = inherited(value, around["workspace"].get(of).and_then(|of| of.get(key)));
                }
            }
            assert_eq!(theirs, expected, "{folder}");
        }
    }
}
