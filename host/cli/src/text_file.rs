//! Files that somebody wrote: policies and configurations.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use palisade::Kind;
use palisade::policy::{ByteSize, PolicyFile};
use rustix::fs::{Mode, OFlags};

use crate::failure::Failure;

/// The longest text that is read, in bytes.
const MAX_TEXT: u64 = PolicyFile::MAX_TEXT as u64;

/// The text of a regular file, or of one that links lead to.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let failed = |error: Error| {
        let kind = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Kind::NotFound,
            _ => Kind::InvalidInput,
        };
        Failure::new(kind, format!("cannot read {path:?}: {error}"))
    };
    let refuse = |why: &str| Err(Failure::invalid(format!("{path:?} {why}")));
    // Opening a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let file = File::from(file);
    if !file.metadata().map_err(failed)?.is_file() {
        return refuse("is not a regular file: name one which holds the text itself");
    }
    let mut bytes = Vec::new();
    file.take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_TEXT {
        return refuse(&format!(
            "is over {}, the most that is read",
            ByteSize::from_bytes(MAX_TEXT)
        ));
    }
    String::from_utf8(bytes).or_else(|_| refuse("is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    fn refusal(path: &Path) -> String {
        let failure = read(path).unwrap_err();
        let named = format!("{path:?}");
        assert!(failure.message().contains(&named), "{}", failure.message());
        failure.message().to_owned()
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for path in [&*pipe, folder.path(), Path::new("/dev/zero")] {
            assert!(refusal(path).contains("not a regular file"), "{path:?}");
        }
        assert!(read(&folder.path().join("none")).unwrap_err().is_not_found());

        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "text").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read(&link).unwrap(), "text");
        std::fs::write(&file, b"\xff").unwrap();
        assert!(refusal(&file).contains("not UTF-8"));
    }

    #[test]
    fn a_text_is_read_up_to_the_limit_which_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, " ".repeat(PolicyFile::MAX_TEXT)).unwrap();
        assert_eq!(read(&file).unwrap().len(), PolicyFile::MAX_TEXT);
        std::fs::write(&file, "é".repeat(PolicyFile::MAX_TEXT)).unwrap();
        assert!(refusal(&file).contains("is over 1 MiB"));
    }
}
