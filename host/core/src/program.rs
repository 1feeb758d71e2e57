//! A program before it runs.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};

use crate::{Error, HostFile, Kind, Result, Workspace};

/// The largest program taken, in bytes.
const MAX_BYTES: u64 = 512 << 20;
/// What is read of a file of a sandbox at one time, in bytes.
const PIECE: usize = 256 << 10;
/// The bytes by which a module is told from a component.
const HEADER: usize = 8;
const TOO_LARGE: &str = "is over 512 MiB";

/// A WebAssembly program: a preview-1 core module or a preview-2 command component, in binary form. Cheap to clone.
///
/// It is compiled when it first runs; what cannot be compiled or linked is an error then.
#[derive(Clone)]
pub struct Program(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    digest: blake3::Hash,
    format: Format,
    bytes: Bytes,
}

enum Bytes {
    Here(Vec<u8>),
    /// In a file of ours, and needed only where the program has to be compiled.
    Stored {
        folder: Arc<Dir>,
        file: String,
        size: u64,
    },
    /// In a file of a sandbox, which may have changed since; needed only there too. It is held open, so that it may
    /// be removed or replaced.
    InWorkspace {
        file: HostFile,
        path: String,
        size: u64,
    },
}

/// The two forms of WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A core module.
    Module,
    /// A component.
    Component,
}

impl Program {
    /// Takes the bytes of a wasm file; `name` is for messages and events, and what the program sees as its own.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] where the bytes do not start as WebAssembly does, or are over 512 MiB.
    pub fn from_bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let (name, bytes) = (Arc::<str>::from(name.into()), bytes.into());
        let format = detect(&bytes).map_err(|what| Error::new(Kind::InvalidInput, format!("{name:?} {what}")))?;
        Ok(Self(Arc::new(Inner {
            name,
            digest: blake3::hash(&bytes),
            format,
            bytes: Bytes::Here(bytes),
        })))
    }

    /// A component which was stored as `file`.
    pub(crate) fn stored(name: &str, digest: blake3::Hash, folder: &Arc<Dir>, file: String) -> io::Result<Self> {
        let size = folder.symlink_metadata(&file)?.len();
        Ok(Self(Arc::new(Inner {
            name: name.into(),
            digest,
            format: Format::Component,
            bytes: Bytes::Stored {
                folder: Arc::clone(folder),
                file,
                size,
            },
        })))
    }

    /// Reads a wasm file. Blocks while it does.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is no such file, [`Kind::InvalidInput`] where it is not a regular file or not
    /// WebAssembly.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_regular(path)?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Self::from_bytes(name, bytes)
    }

    /// A wasm file of a sandbox, by its absolute path there. Blocks while it reads the file.
    ///
    /// The bytes are not kept: where the program has to be compiled, they are read again, for which the file is held open
    /// and may be removed meanwhile. The digest tells whether they are the same then.
    ///
    /// # Errors
    /// Those of [`Workspace::read`]; [`Kind::InvalidInput`] where the file is not WebAssembly.
    pub fn in_workspace(workspace: &Workspace, path: &str) -> Result<Self> {
        let file = workspace.open(path)?;
        let (mut hasher, mut head, mut size) = (blake3::Hasher::new(), Vec::new(), 0);
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = match file.read_at(&mut buffer, size)? {
                0 => break,
                read => &buffer[..read],
            };
            head.extend(piece.iter().take(HEADER - head.len()));
            hasher.update(piece);
            size += piece.len() as u64;
            if size > MAX_BYTES {
                return Err(Error::new(Kind::Exhausted, format!("{path:?} {TOO_LARGE}")));
            }
        }
        let format = detect(&head).map_err(|what| Error::new(Kind::InvalidInput, format!("{path:?} {what}")))?;
        Ok(Self(Arc::new(Inner {
            name: path.rsplit('/').next().unwrap_or(path).into(),
            digest: hasher.finalize(),
            format,
            bytes: Bytes::InWorkspace {
                file,
                path: path.to_owned(),
                size,
            },
        })))
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    /// The name it was given, or that of its file.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The blake3 digest of its bytes.
    pub fn digest(&self) -> blake3::Hash {
        self.0.digest
    }

    /// Which of the two forms it has.
    pub fn format(&self) -> Format {
        self.0.format
    }

    /// How many bytes it has.
    pub(crate) fn size(&self) -> u64 {
        match &self.0.bytes {
            Bytes::Here(bytes) => bytes.len() as u64,
            Bytes::Stored { size, .. } | Bytes::InWorkspace { size, .. } => *size,
        }
    }

    /// Its bytes. Blocks where they are in a file.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where the file is not what was stored, [`Kind::Conflict`] where a sandbox has changed its own.
    pub(crate) fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match &self.0.bytes {
            Bytes::Here(bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::Stored { folder, file, .. } => self.stored_bytes(folder, file).map(Cow::Owned),
            Bytes::InWorkspace { file, path, size } => {
                let bytes = first_bytes(file, *size)?;
                match blake3::hash(&bytes) == self.digest() {
                    true => Ok(Cow::Owned(bytes)),
                    false => Err(Error::new(
                        Kind::Conflict,
                        format!("{path:?} changed while it was started"),
                    )),
                }
            }
        }
    }

    fn stored_bytes(&self, folder: &Dir, file: &str) -> Result<Vec<u8>> {
        let corrupt = |why: &str| {
            let name = self.name();
            Error::new(
                Kind::Corrupt,
                format!("the stored program {name:?} {why}: add it again"),
            )
        };
        let bytes = folder.read(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(
                Kind::NotFound,
                format!("the stored program {:?} was removed", self.name()),
            ),
            _ => corrupt("cannot be read").with_source(error),
        })?;
        match blake3::hash(&bytes) == self.digest() {
            true => Ok(bytes),
            false => Err(corrupt("is damaged")),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("name", &self.0.name)
            .field("digest", &self.0.digest)
            .finish_non_exhaustive()
    }
}

/// The bytes of a regular file; of one which is too large, at most one more than are taken.
fn read_regular(path: &Path) -> Result<Vec<u8>> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Kind::NotFound,
            _ => Kind::InvalidInput,
        };
        Error::new(kind, format!("cannot read {path:?}: {error}")).with_source(error)
    };
    let refuse = |why: &str| Err(Error::new(Kind::InvalidInput, format!("{path:?} {why}")));
    // Opening a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return refuse("is not a regular file");
    }
    if metadata.len() > MAX_BYTES {
        return refuse(TOO_LARGE);
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// So many bytes of a file, or all where it has fewer.
fn first_bytes(file: &HostFile, size: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; size as usize];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

/// Tells a module from a component by the bytes that each starts with.
fn detect(bytes: &[u8]) -> Result<Format, &'static str> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(TOO_LARGE);
    }
    match bytes.get(..HEADER) {
        Some(b"\0asm\x01\0\0\0") => Ok(Format::Module),
        Some(b"\0asm\x0d\0\x01\0") => Ok(Format::Component),
        Some([0, b'a', b's', b'm', ..]) => Err("is WebAssembly of an unknown version"),
        Some([0x7f, b'E', b'L', b'F', ..]) => Err("is a native binary, not a WebAssembly program"),
        Some(_) => Err("is not a WebAssembly program: it does not start with `\\0asm`"),
        None if bytes.is_empty() => Err("is empty"),
        None => Err("is not a WebAssembly program: it is shorter than a header"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use palisade_policy::Policy;
    use rustix::fs::{CWD, FileType, RenameFlags, mknodat, renameat_with};

    use super::*;
    use crate::SandboxSpec;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn pipe(path: &Path) {
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        pipe(&folder.path().join("pipe"));
        for path in [&folder.path().join("pipe"), folder.path(), Path::new("/dev/zero")] {
            let error = Program::from_file(path).unwrap_err();
            assert!(error.to_string().contains("is not a regular file"), "{error}");
            assert_eq!(error.kind(), Kind::InvalidInput);
        }
    }

    #[test]
    fn a_file_larger_than_any_program_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        let error = Program::from_file(path).unwrap_err();
        assert!(error.to_string().contains("is over 512 MiB"), "{error}");
    }

    #[test]
    fn a_file_of_a_sandbox_is_read_again_and_must_be_the_same() {
        let state = tempfile::tempdir().unwrap();
        let host = crate::testing::host(state.path()).unwrap();
        let sandbox = host.create(SandboxSpec::new(Policy::standard())).unwrap();
        let files = sandbox.workspace();
        let bytes = [MODULE, &vec![7; 600 << 10]].concat();
        files.create_dir_all("/bin").unwrap();
        files.write("/bin/x.wasm", &bytes).unwrap();
        let program = Program::in_workspace(files, "/bin/x.wasm").unwrap();
        assert_eq!((program.name(), program.format()), ("x.wasm", Format::Module));
        let same = Program::from_bytes("x.wasm", bytes.as_slice()).unwrap();
        assert_eq!((program.digest(), program.size()), (same.digest(), same.size()));
        assert_eq!(program.bytes().unwrap(), bytes);
        files.write("/bin/x.wasm", MODULE).unwrap();
        assert_eq!(program.bytes().unwrap_err().kind(), Kind::Conflict);
        files.write("/bin/x.wasm", &bytes).unwrap();
        files.remove("/bin/x.wasm").unwrap();
        assert_eq!(program.bytes().unwrap(), bytes);
        files.write("/bin/x.wasm", b"\0as").unwrap();
        let error = Program::in_workspace(files, "/bin/x.wasm").unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput);
    }

    #[test]
    fn a_pipe_which_takes_the_place_of_a_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("file"), folder.path().join("other"));
        std::fs::write(&file, MODULE).unwrap();
        pipe(&other);

        let (done, all_read) = mpsc::channel();
        let read = file.clone();
        std::thread::spawn(move || {
            let refused = |error: Error| assert!(error.to_string().contains("is not a regular file"), "{error}");
            (0..5000).for_each(|_| Program::from_file(&read).map_or_else(refused, drop));
            done.send(()).unwrap();
        });
        let started = Instant::now();
        while let Err(reason) = all_read.try_recv() {
            assert_eq!(reason, mpsc::TryRecvError::Empty, "a reading failed");
            assert!(started.elapsed() < Duration::from_secs(20), "a reading waits");
            renameat_with(CWD, &file, CWD, &other, RenameFlags::EXCHANGE).unwrap();
        }
    }
}
