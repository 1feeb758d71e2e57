//! What an archive's entries are together.

use std::collections::{BTreeSet, HashSet};

use crate::archive::Kind;

/// The paths so far.
#[derive(Default)]
pub struct Tree {
    files: HashSet<String>,
    /// Those which files lie in, too.
    folders: BTreeSet<String>,
}

impl Tree {
    /// Adds an entry, unless there is another in its way. A folder may be there more than once.
    pub fn add(&mut self, path: &str, kind: Kind) -> Result<(), String> {
        for (end, _) in path.match_indices('/') {
            self.add_folder(&path[..end])?;
        }
        match kind {
            Kind::Folder => self.add_folder(path),
            Kind::File if !self.folders.contains(path) && self.files.insert(path.to_owned()) => Ok(()),
            Kind::File => Err(format!("refused: {path} is there twice")),
        }
    }

    fn add_folder(&mut self, path: &str) -> Result<(), String> {
        if self.files.contains(path) {
            return Err(format!("refused: {path} is both a file and a folder"));
        }
        if !self.folders.contains(path) {
            self.folders.insert(path.to_owned());
        }
        Ok(())
    }
}
