//! The tool `archive`: lists, unpacks and packs tar, tar.gz and zip.
//!
//! An archive is of whoever made it. It is read to its end before anything of it is written, so what is refused leaves
//! nothing behind:
//!
//! | what | where |
//! | --- | --- |
//! | names which are absolute, climb by `..` or hold a backslash or a control character | `names.rs` |
//! | entries twice, or below a file | `tree.rs` |
//! | links, devices, sparse and encrypted files, names twice in a zip | `read.rs` |
//! | more than 10,000 entries, 256 MiB, or 200 times the archive's size | `budget.rs` |
//! | what would replace a file, or go through a link which is there | `unpack.rs` |
//!
//! It is read a second time to be written. Should it change meanwhile, or a link be made, then what was written stays,
//! and nothing more is.

mod budget;
mod names;
mod pack;
mod read;
mod tree;
mod unpack;

/// Lists, unpacks and packs archives: tar, tar.gz and zip.
#[palisade_guest::tool]
mod archive {
    use crate::{pack as packing, read, unpack as unpacking};

    /// How an archive is written.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Format {
        Tar,
        TarGz,
        Zip,
    }

    #[derive(Clone, Debug, PartialEq)]
    pub struct Entry {
        /// Relative, without `.` and `..`.
        pub path: String,
        pub kind: Kind,
        /// The size of a file, 0 of a folder.
        pub bytes: u64,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Kind {
        File,
        Folder,
    }

    /// What was written to an archive.
    #[derive(Debug, PartialEq)]
    pub struct Packed {
        /// Files and folders.
        pub entries: u32,
        /// Links, names with a backslash or a control character, what a call that did not end has left of this archive,
        /// and what else cannot be packed.
        pub left_out: Vec<String>,
    }

    /// The entries of an archive. One which `unpack` would refuse is refused.
    pub fn list(path: String) -> Result<Vec<Entry>, String> {
        read::entries(&path)
    }

    /// Unpacks an archive and returns how many files were written. Nothing is replaced. An archive with links, with names
    /// which lead out of the folder, or which is larger than it seems, is refused whole.
    pub fn unpack(
        path: String,
        /// where to, made when it does not exist
        folder: String,
    ) -> Result<u32, String> {
        unpacking::unpack(&path, &folder)
    }

    /// Packs files, and folders with all in them. The same files give the same bytes. An archive which is there is
    /// replaced.
    pub fn pack(
        /// the archive
        path: String,
        /// what is packed, under its path
        files: Vec<String>,
        /// by the end of the archive's name when absent
        format: Option<Format>,
    ) -> Result<Packed, String> {
        packing::pack(&path, &files, format)
    }
}

/// What failed on which path.
fn failed<E: std::fmt::Display>(verb: &str, path: &str) -> impl Fn(E) -> String {
    move |error| format!("cannot {verb} {path}: {error}")
}

#[cfg(test)]
mod tests;
