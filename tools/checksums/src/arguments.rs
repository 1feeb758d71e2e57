//! The command line.

use crate::digest::Algorithm;

pub const USAGE: &str = "\
Prints the digests of every file under the paths (`.` when none is given), sorted by name.

usage: checksums [--sha256] [PATH…]
       checksums [--sha256] --check FILE

  --sha256      SHA-256 instead of BLAKE3
  --check FILE  compare with an earlier output instead, and print what differs
  --            what follows is a path";

/// A command line, understood.
#[derive(Debug, PartialEq)]
pub struct Arguments {
    pub algorithm: Algorithm,
    pub task: Task,
}

#[derive(Debug, PartialEq)]
pub enum Task {
    Help,
    Print(Vec<String>),
    Check(String),
}

impl Arguments {
    /// Understands the arguments after the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut algorithm, mut list, mut paths) = (Algorithm::Blake3, None, Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => {
                    return Ok(Arguments {
                        algorithm,
                        task: Task::Help,
                    });
                }
                "--sha256" => algorithm = Algorithm::Sha256,
                "--check" | "-c" => list = Some(arguments.next().ok_or("--check needs a file")?),
                "--" => paths.extend(arguments.by_ref()),
                option if option.starts_with('-') => {
                    return Err(format!("no option {option:?}; see --help"));
                }
                _ => paths.push(argument),
            }
        }
        let task = match list {
            Some(_) if !paths.is_empty() => return Err("--check takes no paths".into()),
            Some(list) => Task::Check(list),
            None if paths.is_empty() => Task::Print(vec![".".into()]),
            None => Task::Print(paths),
        };
        Ok(Arguments { algorithm, task })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_arguments_the_current_folder_is_meant() {
        let task = Task::Print(vec![".".into()]);
        assert_eq!(
            parse(""),
            Ok(Arguments {
                algorithm: Algorithm::Blake3,
                task
            })
        );
    }

    #[test]
    fn options_end_at_two_dashes() {
        let task = Task::Print(vec!["--check".into()]);
        assert_eq!(
            parse("--sha256 -- --check"),
            Ok(Arguments {
                algorithm: Algorithm::Sha256,
                task
            })
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["--md5", "--check", "--check list path"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
