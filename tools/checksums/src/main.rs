//! `checksums [--sha256] [--check FILE] [PATH…]`: digests of every file under the paths, sorted by name.
//!
//! ```text
//! $ checksums src
//! 9f86d081…  src/lib.rs
//! $ checksums src > before; …; checksums --check before
//! src/lib.rs: changed
//! ```
//!
//! The lines are those of `b3sum` and `sha256sum`. Links are listed as what they point to, never followed into a folder,
//! so a cycle ends. The exit code is 1 when a check finds a difference, 2 when something cannot be read.

mod arguments;
mod digest;
mod list;
mod walk;

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use arguments::{Arguments, Task};

fn main() -> ExitCode {
    let outcome = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| {
        let mut out = BufWriter::new(io::stdout().lock());
        let all_match = run(&arguments, &mut out)?;
        out.flush().map_err(|error| format!("cannot print: {error}"))?;
        Ok(all_match)
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("checksums: {message}");
            ExitCode::from(2)
        }
    }
}

/// Does what was asked; `false` when a check found a difference.
fn run(arguments: &Arguments, out: &mut impl Write) -> Result<bool, String> {
    match &arguments.task {
        Task::Help => writeln!(out, "{}", arguments::USAGE)
            .map(|()| true)
            .map_err(|error| format!("cannot print: {error}")),
        Task::Print(paths) => print(arguments, paths, out).map(|()| true),
        Task::Check(file) => check(arguments, file, out),
    }
}

fn print(arguments: &Arguments, paths: &[String], out: &mut impl Write) -> Result<(), String> {
    for path in walk::files(paths)? {
        let digest = digest::of_file(arguments.algorithm, Path::new(&path))?;
        writeln!(out, "{}", list::Line { digest, path }).map_err(|error| format!("cannot print: {error}"))?;
    }
    Ok(())
}

fn check(arguments: &Arguments, file: &str, out: &mut impl Write) -> Result<bool, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let mut all_match = true;
    for line in list::parse(&text)? {
        let complaint = match digest::of_file(arguments.algorithm, Path::new(&line.path)) {
            Ok(digest) if digest == line.digest => continue,
            Ok(_) => "changed",
            Err(_) => "cannot be read",
        };
        all_match = false;
        writeln!(out, "{}: {complaint}", line.path).map_err(|error| format!("cannot print: {error}"))?;
    }
    Ok(all_match)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn checksums(arguments: &[&str]) -> Result<(bool, String), String> {
        let arguments = Arguments::parse(arguments.iter().map(ToString::to_string))?;
        let mut out = Vec::new();
        let all_match = run(&arguments, &mut out)?;
        Ok((all_match, String::from_utf8(out).unwrap()))
    }

    #[test]
    fn the_known_digests_are_printed_sorted_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/empty"), "").unwrap();
        fs::write(folder.path().join("a"), "abc").unwrap();
        let (_, blake3) = checksums(&[root]).unwrap();
        assert_eq!(
            blake3,
            format!(
                "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85  {root}/a\n\
                 af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262  {root}/b/empty\n"
            )
        );
        let (_, sha256) = checksums(&["--sha256", &format!("{root}/a")]).unwrap();
        assert_eq!(
            sha256,
            format!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  {root}/a\n")
        );
    }

    #[test]
    fn a_check_names_what_changed_and_what_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["same", "changed", "gone"] {
            fs::write(at(name), name).unwrap();
        }
        let (_, before) = checksums(&[&at("same"), &at("changed"), &at("gone")]).unwrap();
        fs::write(at("list"), before).unwrap();
        assert_eq!(checksums(&["--check", &at("list")]).unwrap(), (true, String::new()));
        fs::write(at("changed"), "!").unwrap();
        fs::remove_file(at("gone")).unwrap();
        let complaints = format!("{}: changed\n{}: cannot be read\n", at("changed"), at("gone"));
        assert_eq!(checksums(&["--check", &at("list")]).unwrap(), (false, complaints));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(checksums(&["/no/such/path"]).unwrap_err().contains("/no/such/path"));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_its_own_folder_ends() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let (_, printed) = checksums(&[folder.path().to_str().unwrap()]).unwrap();
        assert_eq!(printed.lines().count(), 1, "{printed}");
    }
}
