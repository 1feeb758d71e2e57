//! The floor: what the file system and the digest alone take.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use wasmtime::Result;

/// Whether something waits for the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    ForDisk,
    ForNothing,
}

/// Reads files and hashes what is in them.
pub(super) fn read(files: &[PathBuf]) -> Result<()> {
    for file in files {
        std::hint::black_box(blake3::hash(&fs::read(file)?));
    }
    Ok(())
}

/// Appends to one file what the others hold, and waits for the disk once.
pub(super) fn append(log: &mut File, contents: &[Vec<u8>]) -> Result<()> {
    log.write_all(&contents.concat())?;
    Ok(log.sync_data()?)
}

/// Writes over what is in files.
pub(super) fn overwrite(files: &[PathBuf], contents: &[Vec<u8>], wait: Wait) -> Result<()> {
    for (path, content) in files.iter().zip(contents) {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.write_all(content)?;
        file.set_len(content.len() as u64)?;
        if wait == Wait::ForDisk {
            file.sync_data()?;
        }
    }
    Ok(())
}

/// Looks at every name in a folder and below, and calls `each` for each file.
pub(super) fn walk(folder: &Path, each: &mut impl FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        std::hint::black_box(entry.metadata()?);
        match entry.file_type()?.is_dir() {
            true => walk(&entry.path(), each)?,
            false => each(&entry.path())?,
        }
    }
    Ok(())
}

/// Bytes which a folder takes on the disk, with all that is in it.
pub(super) fn taken(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut blocks = 0;
    walk(folder, &mut |file| {
        blocks += file.symlink_metadata()?.blocks();
        Ok(())
    })?;
    Ok(blocks * 512)
}
