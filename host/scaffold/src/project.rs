//! A tool, ready to be written.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::templates;
use crate::{Language, Name};

/// A file of a new tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it lies in the tool's folder, with `/` between names.
    pub path: String,
    /// What is in it.
    pub text: Cow<'static, str>,
}

impl File {
    /// Writes it below `folder`, where it may not be yet.
    ///
    /// # Errors
    /// When it is, or cannot be.
    pub fn write_in(&self, folder: &Path) -> io::Result<()> {
        let path = folder.join(&self.path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let mode = if self.is_program() { 0o777 } else { 0o666 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(self.text.as_bytes())
    }

    fn is_program(&self) -> bool {
        self.text.starts_with("#!")
    }
}

/// The files of a new tool, and how it is built.
#[derive(Debug, Clone)]
pub struct Project {
    name: Name,
    language: Language,
    files: Vec<File>,
}

impl Project {
    /// The tool called `name`, in `language`.
    pub fn new(name: &Name, language: Language) -> Self {
        let fill = |text: &str| {
            text.replace("{{name}}", name.as_str())
                .replace("{{identifier}}", &name.identifier())
                .replace("{{version}}", env!("CARGO_PKG_VERSION"))
        };
        let own = templates::own(language).iter().map(|(path, text)| File {
            path: fill(path),
            text: fill(text).into(),
        });
        let library = templates::library(language).map(|(path, text)| File {
            path: (*path).to_owned(),
            text: (*text).into(),
        });
        let mut files: Vec<File> = own.chain(library).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self {
            name: name.clone(),
            language,
            files,
        }
    }

    /// What it is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Every file, by path.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// What makes [`component`](Self::component), a shell's line each, called in the tool's folder.
    pub fn build_commands(&self) -> &'static [&'static str] {
        match self.language {
            Language::Rust => &[
                "rustup target add wasm32-wasip2",
                "cargo build --release --target wasm32-wasip2",
            ],
            Language::C => &["./build.sh"],
            Language::JavaScript => &["npm install", "npm run build"],
            Language::Python => &[],
        }
    }

    /// What adds the tool, and calls it.
    pub fn use_commands(&self) -> Vec<String> {
        let (name, component) = (&self.name, self.component());
        let is_named_so = component.split_once('.').is_some_and(|(stem, _)| stem == name.as_str());
        let flag = if is_named_so {
            String::new()
        } else {
            format!("--name {name} ")
        };
        vec![
            format!("palisade tool add {flag}{component}"),
            format!("palisade tool call {name} greet name=Ada times=2"),
        ]
    }

    /// Where in the tool's folder lies what is added as a tool.
    pub fn component(&self) -> String {
        match self.language {
            Language::Rust => format!("target/wasm32-wasip2/release/{}.wasm", self.name.identifier()),
            Language::C | Language::JavaScript => format!("{}.wasm", self.name),
            Language::Python => format!("{}.py", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn projects() -> impl Iterator<Item = Project> {
        let name = Name::parse("my-tool").unwrap();
        Language::ALL
            .into_iter()
            .map(move |language| Project::new(&name, language))
    }

    #[test]
    fn every_file_is_filled_in_and_of_no_machine() {
        for File { path, text } in projects().flat_map(|project| project.files) {
            // The library is not filled in, and formats with braces.
            let is_filled = path.starts_with("palisade-guest/") || !text.contains("{{");
            assert!(is_filled && !path.contains("{{"), "{path}");
            assert!(!path.starts_with('/') && !path.contains(".."), "{path}");
            for folder in ["/home/", "/root/", "/tmp/", "/usr/", env!("CARGO_MANIFEST_DIR")] {
                assert!(!text.contains(folder), "{path}: {folder}");
            }
            assert!(text.ends_with('\n'), "{path}");
        }
    }

    #[test]
    fn every_tool_has_the_same_surroundings() {
        for project in projects() {
            for path in [".gitignore", "README.md"] {
                let found = project.files().iter().filter(|file| file.path == path);
                assert_eq!(found.count(), 1, "{path} of {:?}", project.language);
            }
        }
    }

    #[test]
    fn the_readme_has_the_commands_which_are_told() {
        for project in projects() {
            let readme = project.files().iter().find(|file| file.path == "README.md").unwrap();
            let told = project.build_commands().iter().map(|&line| line.to_owned());
            for line in told.chain(project.use_commands()) {
                assert!(readme.text.contains(&format!("\n{line}")), "{line}: {}", readme.text);
            }
        }
    }

    #[test]
    fn only_the_build_script_is_a_program() {
        let files = projects().flat_map(|project| project.files);
        let programs: Vec<String> = files.filter(File::is_program).map(|file| file.path).collect();
        assert_eq!(programs, ["build.sh"]);
    }
}
