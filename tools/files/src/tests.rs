use std::fs;

use tempfile::TempDir;

use super::files::*;

struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (path, text) in files {
            write(folder.at(path), (*text).to_owned(), None).unwrap();
        }
        folder
    }

    fn at(&self, path: &str) -> String {
        self.0.path().join(path).to_str().unwrap().to_owned()
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    /// The paths below it which `list` finds.
    fn list(&self, glob: &str) -> Vec<String> {
        let listing = list(Some(glob.to_owned()), Some(self.at("")), None).unwrap();
        let root = self.at("");
        listing
            .entries
            .iter()
            .map(|entry| entry.path.strip_prefix(&root).unwrap().to_owned())
            .collect()
    }
}

#[test]
fn lines_are_read_from_any_on() {
    let folder = Folder::with(&[("a", "1\n2\n3\n4")]);
    let read = |first, count| read(folder.at("a"), first, count).unwrap();
    let lines = read(Some(2), Some(2));
    assert_eq!(
        lines,
        Lines {
            text: "2\n3\n".to_owned(),
            first: 2,
            count: 2,
            more: true
        }
    );
    assert_eq!(read(Some(4), None).text, "4");
    assert_eq!(read(Some(9), None).count, 0);
    assert!(!read(None, None).more);
}

#[test]
fn long_files_are_cut_between_characters() {
    let folder = Folder::with(&[("long", &"ü".repeat(200_000)), ("many", &"x\n".repeat(5_000))]);
    let long = read(folder.at("long"), None, None).unwrap();
    assert!(long.more && long.text.chars().all(|character| character == 'ü'));
    let many = read(folder.at("many"), None, None).unwrap();
    assert!(many.more && many.count == 2_000);
    assert_eq!(read_bytes(folder.at("long"), 1, 2).unwrap(), [0xbc, 0xc3]);
}

#[test]
fn bytes_which_are_no_text_are_named() {
    let folder = Folder::with(&[]);
    fs::write(folder.at("binary"), [0xff, 0]).unwrap();
    assert!(
        read(folder.at("binary"), None, None)
            .unwrap_err()
            .contains("read-bytes")
    );
    assert!(read(folder.at("absent"), None, None).unwrap_err().contains("absent"));
}

#[test]
fn each_mode_of_writing_does_what_it_says() {
    let folder = Folder::with(&[("b/c", "1")]);
    write(folder.at("b/c"), "2".to_owned(), Some(Mode::Append)).unwrap();
    assert_eq!(folder.text("b/c"), "12");
    write(folder.at("b/c"), "3".to_owned(), Some(Mode::Create)).unwrap_err();
    write(folder.at("b/c"), "3".to_owned(), None).unwrap();
    assert_eq!(folder.text("b/c"), "3");
    assert_eq!(folder.list("**"), ["b", "b/c"], "nothing is left over");
}

#[test]
fn a_part_which_is_there_stays() {
    let folder = Folder::with(&[("a", "1"), ("precious", "old"), (".a.1.part", "old")]);
    std::os::unix::fs::symlink(folder.at("precious"), folder.at(".a.0.part")).unwrap();
    write(folder.at("a"), "2".to_owned(), None).unwrap();
    assert_eq!(
        (folder.text("a"), folder.text("precious")),
        ("2".to_owned(), "old".to_owned())
    );
    assert_eq!(folder.list("*"), [".a.0.part", ".a.1.part", "a", "precious"]);
}

#[test]
fn globs_match_names_or_paths() {
    let folder = Folder::with(&[
        ("a.rs", ""),
        ("src/b.rs", ""),
        ("src/deep/c.rs", ""),
        ("src/d.c", ""),
        (".git/e.rs", ""),
        ("src/.git/f.rs", ""),
    ]);
    assert_eq!(folder.list("*.rs"), ["a.rs", "src/b.rs", "src/deep/c.rs"]);
    assert_eq!(folder.list("src/*.{rs,c}"), ["src/b.rs", "src/d.c"]);
    assert_eq!(folder.list("src/**/*.rs"), ["src/b.rs", "src/deep/c.rs"]);
    assert_eq!(folder.list(".git"), [""; 0]);
    let listing = list(None, Some(folder.at("")), Some(2)).unwrap();
    assert!(listing.more && listing.entries.len() == 2);
}

#[test]
fn searching_is_bounded_and_says_what_it_left_out() {
    let folder = Folder::with(&[("a", "one\ntwo\r\nONE"), ("b/c", &format!("one{}", "é".repeat(400)))]);
    fs::write(folder.at("d"), b"one\0").unwrap();
    let search = |pattern: &str, limit| search(pattern.to_owned(), None, Some(folder.at("")), Some(true), limit);
    let found = search("^one", None).unwrap();
    let lines: Vec<u32> = found.hits.iter().map(|hit| hit.line).collect();
    assert_eq!(lines, [1, 3, 1]);
    assert!(found.hits[2].text.len() <= 500 && found.hits[2].text.ends_with('é'));
    assert_eq!(found.skipped, [folder.at("d")]);
    assert_eq!(search("two$", None).unwrap().hits[0].text, "two");
    assert!(search("^$", None).unwrap().hits.is_empty(), "there is no empty line");
    let first = search("one", Some(1)).unwrap();
    assert!(first.more && first.hits.len() == 1);
    assert!(search("(", None).is_err());
    assert!(search(r"\w{1000}{1000}", None).is_err(), "too large to compile");
}

#[test]
fn an_edit_which_is_not_clear_changes_nothing() {
    let folder = Folder::with(&[("a", "x y x")]);
    let edit = |old: &str, count| edit(folder.at("a"), old.to_owned(), "z".to_owned(), count);
    assert!(edit("x", None).unwrap_err().contains("2 times"));
    assert!(edit("q", None).unwrap_err().contains("0 times"));
    assert!(edit("", None).is_err());
    assert_eq!(folder.text("a"), "x y x");
    assert_eq!(edit("x", Some(2)).unwrap(), 2);
    assert_eq!(folder.text("a"), "z y z");
}

#[test]
fn differences_are_unified() {
    let folder = Folder::with(&[("a", "1\n2\n3\n"), ("b", "1\nB\n3\n")]);
    let text = diff(folder.at("a"), folder.at("b"), Some(0)).unwrap();
    assert!(text.ends_with("@@ -2 +2 @@\n-2\n+B\n"), "{text}");
    assert_eq!(diff_texts("a".to_owned(), "a".to_owned(), None), "");
}

#[test]
fn a_long_diff_is_cut() {
    for line in ["ü\n".to_owned(), "ü".repeat(1_000) + "\n", "ü".repeat(400_000)] {
        let text = diff_texts(String::new(), line.repeat(400_000 / line.len() + 1), None);
        assert!(text.len() < (256 << 10) + 100);
        assert!(text.starts_with("--- before\n+++ after\n@@"));
        assert!(text.ends_with("\n\\ The diff goes on: it has more than 256 KiB\n"));
    }
}
