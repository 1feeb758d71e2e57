//! The tool `files`: reads, writes, lists, searches, edits and compares the files of its sandbox.
//!
//! What a call returns is bounded, and says when there is more.

mod edit;
mod read;
mod save;
mod search;
mod walk;

/// Reads, writes, lists, searches, edits and compares files. Paths are relative to `/`.
#[palisade_guest::tool]
mod files {
    use similar::TextDiff;

    use crate::{cut, edit as edits, read as reads, save, search as searches, walk};

    /// Lines of a file.
    #[derive(Debug, PartialEq)]
    pub struct Lines {
        pub text: String,
        /// The number of the first, from 1.
        pub first: u32,
        /// How many there are.
        pub count: u32,
        /// Whether the file goes on.
        pub more: bool,
    }

    /// What is written over.
    #[derive(Clone, Copy, PartialEq)]
    pub enum Mode {
        /// Nothing: the file must not exist.
        Create,
        /// The whole file.
        Replace,
        /// Nothing: the text is added at the end.
        Append,
    }

    /// What is found by a pattern.
    pub struct Listing {
        /// In the order of their paths.
        pub entries: Vec<Entry>,
        /// Whether the limit left some out.
        pub more: bool,
    }

    pub struct Entry {
        pub path: String,
        pub kind: Kind,
        /// The size of a file, 0 for others.
        pub bytes: u64,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Kind {
        File,
        Folder,
        /// It is not followed.
        Link,
        Other,
    }

    /// What is found in files.
    pub struct Matches {
        /// In the order of paths and lines.
        pub hits: Vec<Hit>,
        /// Whether the limit left some out.
        pub more: bool,
        /// Files which were left out: with other bytes than text, larger than 16 MiB, or not to be read.
        pub skipped: Vec<String>,
    }

    /// A line which matches.
    #[derive(Debug, PartialEq)]
    pub struct Hit {
        pub path: String,
        /// Its number, from 1.
        pub line: u32,
        /// At most 500 bytes of it.
        pub text: String,
    }

    /// Reads lines of a text: at most 2,000 and 256 KiB.
    pub fn read(
        path: String,
        /// the number of the first line, 1 when absent
        first: Option<u32>,
        /// how many lines
        count: Option<u32>,
    ) -> Result<Lines, String> {
        reads::lines(&path, first.unwrap_or(1), count.unwrap_or(u32::MAX))
    }

    /// Reads bytes of any file: at most 256 KiB.
    pub fn read_bytes(
        path: String,
        /// the number of the first byte, from 0
        offset: u64,
        length: u32,
    ) -> Result<Vec<u8>, String> {
        reads::bytes(&path, offset, length)
    }

    /// Writes a text, and makes the folders it lies in.
    pub fn write(
        path: String,
        text: String,
        /// what happens to a file which is there, replaced when absent
        mode: Option<Mode>,
    ) -> Result<(), String> {
        save::write(&path, &text, mode.unwrap_or(Mode::Replace))
    }

    /// Lists what a glob matches, as `*.rs` or `src/**/*.{c,h}`. Folders called `.git` are left out.
    pub fn list(
        /// a glob without a slash matches names at any depth, another whole paths below the folder; all when absent
        glob: Option<String>,
        /// where to look, `/` when absent
        folder: Option<String>,
        /// the most entries, 1,000 when absent and 10,000 at most
        limit: Option<u32>,
    ) -> Result<Listing, String> {
        let limit = limit.unwrap_or(1_000).min(10_000) as usize;
        walk::list(&folder.unwrap_or_default(), glob.as_deref(), limit)
    }

    /// Searches the lines of files for a regular expression, as of the Rust crate `regex`.
    pub fn search(
        pattern: String,
        /// the files, as of `list`; all when absent
        glob: Option<String>,
        /// where to look, `/` when absent
        folder: Option<String>,
        ignore_case: Option<bool>,
        /// the most hits, 100 when absent and 1,000 at most
        limit: Option<u32>,
    ) -> Result<Matches, String> {
        let regex = searches::compile(&pattern, ignore_case == Some(true))?;
        let limit = limit.unwrap_or(100).min(1_000) as usize;
        searches::search(&regex, &folder.unwrap_or_default(), glob.as_deref(), limit)
    }

    /// Replaces a text in a file, and returns how often. Nothing is changed when it occurs more or less often than
    /// expected.
    pub fn edit(
        path: String,
        /// what is replaced: exactly, white space too
        old: String,
        new: String,
        /// how often it must occur, once when absent
        count: Option<u32>,
    ) -> Result<u32, String> {
        edits::edit(&path, &old, &new, count.unwrap_or(1))
    }

    /// Compares two text files, as a unified diff. It is empty when they are the same. After 256 KiB a last line
    /// says that it goes on.
    pub fn diff(
        before: String,
        after: String,
        /// lines around each change, 3 when absent
        context: Option<u32>,
    ) -> Result<String, String> {
        let (old, new) = (reads::text(&before)?, reads::text(&after)?);
        Ok(unified(&old, &new, &before, &after, context))
    }

    /// Compares two texts, as a unified diff. It is empty when they are the same. After 256 KiB a last line
    /// says that it goes on.
    pub fn diff_texts(
        before: String,
        after: String,
        /// lines around each change, 3 when absent
        context: Option<u32>,
    ) -> String {
        unified(&before, &after, "before", "after", context)
    }

    fn unified(old: &str, new: &str, old_name: &str, new_name: &str, context: Option<u32>) -> String {
        let diff = TextDiff::from_lines(old, new);
        let mut unified = diff.unified_diff();
        unified
            .context_radius(context.unwrap_or(3) as usize)
            .header(old_name, new_name);
        cut(unified.to_string())
    }
}

/// The most bytes of a diff.
const MAX_DIFF_BYTES: usize = 256 << 10;

/// Cuts a diff which is too long. Its last line is then one which a patch ignores.
fn cut(mut diff: String) -> String {
    if diff.len() > MAX_DIFF_BYTES {
        let end = diff.floor_char_boundary(MAX_DIFF_BYTES);
        diff.truncate(diff[..end].rfind('\n').map_or(0, |line_end| line_end + 1));
        diff.push_str("\\ The diff goes on: it has more than 256 KiB\n");
    }
    diff
}

/// What failed on which path.
fn failed<E: std::fmt::Display>(verb: &str, path: &str) -> impl Fn(E) -> String {
    move |error| format!("cannot {verb} {path}: {error}")
}

#[cfg(test)]
mod tests;
