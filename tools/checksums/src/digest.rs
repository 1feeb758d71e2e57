//! Digests of files, read a block at a time.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::Digest;

const BLOCK_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Algorithm {
    Blake3,
    Sha256,
}

/// The digest of the file at `path`, in lower-case hexadecimal.
pub fn of_file(algorithm: Algorithm, path: &Path) -> Result<String, String> {
    let cannot_read = |error| format!("cannot read {}: {error}", path.display());
    let mut file = File::open(path).map_err(cannot_read)?;
    let mut hasher = Hasher::new(algorithm);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match file.read(&mut block).map_err(cannot_read)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&block[..length]),
        }
    }
}

enum Hasher {
    Blake3(Box<blake3::Hasher>),
    Sha256(sha2::Sha256),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Blake3 => Hasher::Blake3(Box::default()),
            Algorithm::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Blake3(hasher) => {
                hasher.update(bytes);
            }
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Hasher::Blake3(hasher) => hasher.finalize().to_hex().to_string(),
            Hasher::Sha256(hasher) => hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}
