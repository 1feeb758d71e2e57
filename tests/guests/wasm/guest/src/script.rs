//! `guest fs OP…`: a script of file operations, each answered by one line: `ok`, `ok RESULT` or the name of an errno.
//!
//! ```text
//! $ guest fs 'mkdir /d' 'write /d/a "two words"' 'stat /d/a' 'read /d/b'
//! ok
//! ok
//! ok file size=9 links=1
//! ENOENT
//! ```
//!
//! Nothing stops the script but a wrong operation. Handles opened by `open NAME …` stay open until `close NAME`, so that
//! a file can be used after it was renamed, removed or replaced.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use crate::sys::{Links, Status};
use crate::{Arguments, Outcome, errno, sys, words};

/// Runs the operations given as arguments, or else the lines of standard input.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut script = Script::default();
    if !arguments.0.is_empty() {
        return arguments.0.iter().try_for_each(|line| script.line(line));
    }
    io::stdin()
        .lines()
        .try_for_each(|line| script.line(&line.map_err(|error| errno::name(&error))?))
}

#[derive(Default)]
struct Script {
    handles: BTreeMap<String, File>,
}

impl Script {
    fn line(&mut self, line: &str) -> Outcome {
        let words = words::split(line)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some((operation, operands)) = words.split_first() else {
            return Ok(());
        };
        match self
            .operation(operation, operands)
            .ok_or_else(|| format!("no such operation: {line}"))?
        {
            Ok(result) if result.is_empty() => println!("ok"),
            Ok(result) => println!("ok {result}"),
            Err(error) => println!("{}", errno::name(&error)),
        }
        Ok(())
    }

    /// `None` when there is no such operation, or it takes other operands.
    fn operation(&mut self, operation: &str, operands: &[&str]) -> Option<io::Result<String>> {
        let done = |result: io::Result<()>| Some(result.map(|()| String::new()));
        match (operation, operands) {
            ("write", [path, text]) => done(fs::write(path, text)),
            ("append", [path, text]) => done(open(path, "ac").and_then(|mut file| file.write_all(text.as_bytes()))),
            ("pwrite", [path, offset, text]) => {
                done(open(path, "w").and_then(|file| write_at(&file, number(offset)?, text)))
            }
            ("read", [path]) => Some(fs::read(path).map(|bytes| escape(&bytes))),
            ("pread", [path, offset, length]) => {
                Some(open(path, "r").and_then(|file| read_at(&file, number(offset)?, number(length)?)))
            }
            ("create", [path]) => done(open(path, "wx").map(drop)),
            ("truncate", [path, length]) => done(open(path, "w").and_then(|file| file.set_len(number(length)?))),
            ("copy", [from, to]) => Some(fs::copy(from, to).map(|length| length.to_string())),
            ("rename", [from, to]) => done(fs::rename(from, to)),
            ("link", [from, to]) => done(sys::hard_link(from, to)),
            ("symlink", [target, path]) => done(sys::symlink(target, path)),
            ("readlink", [path]) => Some(fs::read_link(path).map(|target| target.display().to_string())),
            ("rm", [path]) => done(fs::remove_file(path)),
            ("mkdir", [path]) => done(fs::create_dir(path)),
            ("rmdir", [path]) => done(fs::remove_dir(path)),
            ("rmtree", [path]) => done(fs::remove_dir_all(path)),
            ("ls", [path]) => Some(list(path)),
            ("stat", [path]) => Some(sys::status(path, Links::Follow).map(|status| describe(&status))),
            ("lstat", [path]) => Some(sys::status(path, Links::Keep).map(|status| describe(&status))),
            ("same", [one, other]) => Some(same(one, other)),
            ("numbers", [path]) => Some(numbers(path)),
            ("times", [path]) => Some(sys::status(path, Links::Follow).map(|status| describe_times(&status))),
            ("settimes", [path, access, modification]) => done(set_times(path, access, modification)),
            ("touch", [path]) => done(sys::touch(path)),
            ("cd", [path]) => done(std::env::set_current_dir(path)),
            ("pwd", []) => Some(std::env::current_dir().map(|path| path.display().to_string())),
            _ => self.handle_operation(operation, operands),
        }
    }

    fn handle_operation(&mut self, operation: &str, operands: &[&str]) -> Option<io::Result<String>> {
        if let ("open", [name, path, mode]) = (operation, operands) {
            let opened = open(path, mode).map(|file| self.handles.insert((*name).to_owned(), file));
            return Some(opened.map(|_| String::new()));
        }
        let (name, operands) = operands.split_first()?;
        if operation == "close" {
            return self.handles.remove(*name).map(|_| Ok(String::new()));
        }
        let mut file = self.handles.get(*name)?;
        let done = |result: io::Result<()>| Some(result.map(|()| String::new()));
        match (operation, operands) {
            ("hread", [length]) => Some(number(length).and_then(|length| read(&mut file.take(length)))),
            ("hwrite", [text]) => done(file.write_all(text.as_bytes())),
            ("hseek", [offset]) => Some(
                number(offset)
                    .and_then(|offset| file.seek(SeekFrom::Start(offset)))
                    .map(|at| at.to_string()),
            ),
            ("htruncate", [length]) => done(number(length).and_then(|length| file.set_len(length))),
            ("htouch", []) => done(sys::touch_open(file)),
            ("hsync", []) => done(file.sync_all()),
            ("hsize", []) => Some(file.metadata().map(|metadata| metadata.len().to_string())),
            _ => None,
        }
    }
}

/// Opens by the letters of `mode`: `r`ead, `w`rite, `a`ppend, `c`reate, e`x`clusively create, `t`runcate.
fn open(path: &str, mode: &str) -> io::Result<File> {
    let has = |letter| mode.contains(letter);
    let mut options = OpenOptions::new();
    options
        .read(has('r'))
        .write(has('w'))
        .append(has('a'))
        .create(has('c'))
        .create_new(has('x'))
        .truncate(has('t'));
    options.open(path)
}

fn read_at(mut file: &File, offset: u64, length: u64) -> io::Result<String> {
    file.seek(SeekFrom::Start(offset))?;
    read(&mut file.take(length))
}

fn write_at(mut file: &File, offset: u64, text: &str) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(text.as_bytes())
}

fn read(from: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(escape(&bytes))
}

fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let mark = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{mark}", entry.file_name().display()));
    }
    names.sort();
    Ok(names.join(" "))
}

fn describe(status: &Status) -> String {
    format!("{} size={} links={}", status.kind, status.size, status.links)
}

fn describe_times(status: &Status) -> String {
    let seconds = |time: Duration| format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
    format!(
        "accessed={} modified={}",
        seconds(status.accessed),
        seconds(status.modified)
    )
}

fn same(one: &str, other: &str) -> io::Result<String> {
    let (one, other) = (sys::status(one, Links::Follow)?, sys::status(other, Links::Follow)?);
    Ok((one.identity == other.identity).to_string())
}

/// The device, the inode, and the inode as the directory lists it.
fn numbers(path: &str) -> io::Result<String> {
    let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
    let directory = if directory.is_empty() { "/" } else { directory };
    let (device, inode) = sys::status(path, Links::Keep)?.identity;
    let listed = sys::listed_inode(directory, name)?;
    Ok(format!("{device} {inode} {listed}"))
}

fn set_times(path: &str, access: &str, modification: &str) -> io::Result<()> {
    let time = |text: &str| number(text).map(Duration::from_secs);
    sys::set_times(path, time(access)?, time(modification)?)
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn escape(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_default().to_string()
}
