use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::archive::*;
use super::budget::Budget;
use super::{pack as packing, read, unpack as unpacking};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn at(&self, path: &str) -> String {
        self.0.path().join(path).to_str().unwrap().to_owned()
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    /// Why the archive is refused, by both functions, and that nothing of it was written.
    fn refusal(&self, archive: impl AsRef<[u8]>) -> String {
        self.write("archive", archive);
        let refusal = unpack(self.at("archive"), self.at("out")).unwrap_err();
        assert_eq!(list(self.at("archive")).unwrap_err(), refusal);
        assert!(!fs::exists(self.at("out")).unwrap(), "something was written: {refusal}");
        assert!(
            !fs::exists(self.at("evil")).unwrap(),
            "something was written: {refusal}"
        );
        refusal
    }
}

/// An archive with names which a careful writer would not write.
fn tar(entries: &[(&str, tar::EntryType)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, kind) in entries {
        let mut header = tar::Header::new_gnu();
        let gnu = header.as_gnu_mut().unwrap();
        gnu.name[..name.len()].copy_from_slice(name.as_bytes());
        gnu.realsize = *b"00000000000\0";
        header.set_entry_type(*kind);
        header.set_size(0);
        header.set_mode(0o644);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        archive.append(&header, io::empty()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

const FILE: tar::EntryType = tar::EntryType::Regular;

#[test]
fn what_is_packed_is_unpacked() {
    for name in ["a.tar", "a.tar.gz", "a.zip"] {
        let folder = Folder::new();
        folder.write("in/b/c.txt", "ü");
        folder.write("in/a", [0, 255]);
        symlink("a", folder.at("in/link")).unwrap();
        fs::create_dir(folder.at("in/empty")).unwrap();
        let packed = pack(folder.at(name), vec![folder.at("in")], None).unwrap();
        assert_eq!(
            packed,
            Packed {
                entries: 5,
                left_out: vec![folder.at("in/link")]
            },
            "{name}"
        );
        assert_eq!(unpack(folder.at(name), folder.at("out")).unwrap(), 2);
        let below = folder.at("in");
        let out = format!("out{below}");
        assert_eq!(folder.text(&format!("{out}/b/c.txt")), "ü");
        assert!(fs::metadata(folder.at(&format!("{out}/empty"))).unwrap().is_dir());
        let files = list(folder.at(name))
            .unwrap()
            .into_iter()
            .filter(|entry| entry.kind == Kind::File);
        let sizes: Vec<u64> = files.map(|entry| entry.bytes).collect();
        assert_eq!(sizes, [2, 2], "{name}");
    }
}

#[test]
fn packing_is_reproducible_and_leaves_itself_out() {
    let folder = Folder::new();
    folder.write("in/a", "a");
    for name in ["in/a.tar.gz", "in/a.zip"] {
        pack(folder.at(name), vec![folder.at("in/a")], None).unwrap();
        let first = fs::read(folder.at(name)).unwrap();
        pack(folder.at(name), vec![folder.at("in/a")], None).unwrap();
        assert_eq!(fs::read(folder.at(name)).unwrap(), first);
        assert_eq!(pack(folder.at(name), vec![folder.at("in")], None).unwrap().entries, 2);
        fs::remove_file(folder.at(name)).unwrap();
    }
    assert!(pack(folder.at("a.rar"), vec![folder.at("in")], None).is_err());
    assert!(
        pack(folder.at("a.tar"), vec!["../a".to_owned()], None)
            .unwrap_err()
            .contains("leads out")
    );
}

#[test]
fn names_which_lead_out_are_refused() {
    for (name, why) in [
        ("../evil", "leads out"),
        ("a/../../evil", "leads out"),
        ("/tmp/evil", "is absolute"),
        ("..\\evil", "backslash"),
        ("a\nb", "control character"),
    ] {
        let folder = Folder::new();
        let refusal = folder.refusal(tar(&[("good", FILE), (name, FILE)]));
        assert!(refusal.contains(why), "{name}: {refusal}");
        let refusal = folder.refusal(zip(&[("good", b""), (name, b"")]));
        assert!(refusal.contains(why), "{name}: {refusal}");
    }
}

#[test]
fn links_and_devices_are_refused() {
    let folder = Folder::new();
    for (kind, why) in [
        (tar::EntryType::Symlink, "is a link"),
        (tar::EntryType::Link, "is a link"),
        (tar::EntryType::Char, "neither a file"),
        (tar::EntryType::Fifo, "neither a file"),
        (tar::EntryType::GNUSparse, "neither a file"),
    ] {
        let refusal = folder.refusal(tar(&[("good", FILE), ("evil", kind)]));
        assert!(refusal.contains(why), "{kind:?}: {refusal}");
    }
    let mut archive = ZipWriter::new(io::Cursor::new(Vec::new()));
    archive
        .add_symlink("evil", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let refusal = folder.refusal(archive.finish().unwrap().into_inner());
    assert!(refusal.contains("is a link"), "{refusal}");
    for kind in [0o020_000_u32, 0o060_000, 0o010_000, 0o140_000] {
        let mut archive = zip(&[("evil", b"")]);
        let entry = archive.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        // Made by Unix, with that mode.
        archive[entry + 5] = 3;
        archive[entry + 38..entry + 42].copy_from_slice(&((kind | 0o644) << 16).to_le_bytes());
        let refusal = folder.refusal(archive);
        assert!(refusal.contains("neither a file"), "{kind:o}: {refusal}");
    }
}

#[test]
fn entries_in_each_others_way_are_refused() {
    let folder = Folder::new();
    assert!(folder.refusal(tar(&[("a", FILE), ("./a", FILE)])).contains("twice"));
    assert!(folder.refusal(tar(&[("a", FILE), ("a/b", FILE)])).contains("both"));
    assert!(folder.refusal(tar(&[("a/b", FILE), ("a", FILE)])).contains("twice"));
    let mut archive = zip(&[("one", b"1"), ("two", b"2")]);
    for at in 0..archive.len() - 3 {
        if &archive[at..at + 3] == b"two" {
            archive[at..at + 3].copy_from_slice(b"one");
        }
    }
    assert!(folder.refusal(archive).contains("twice"));
}

#[test]
fn bombs_are_refused_by_their_ratio() {
    let folder = Folder::new();
    let zeros = vec![0; 8 << 20];
    assert!(folder.refusal(zip(&[("zeros", &zeros)])).contains("too large"));
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let mut header = tar::Header::new_gnu();
    header.set_size(zeros.len() as u64);
    archive.append_data(&mut header, "zeros", zeros.as_slice()).unwrap();
    let bomb = archive.into_inner().unwrap().finish().unwrap();
    assert!(bomb.len() < 20_000);
    assert!(folder.refusal(bomb).contains("too large"));
    folder.write("small", zip(&[("zeros", &zeros[..1 << 19])]));
    assert_eq!(unpack(folder.at("small"), folder.at("out")).unwrap(), 1);
}

#[test]
fn archives_of_too_much_are_refused() {
    let folder = Folder::new();
    let names: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), FILE)).collect();
    assert!(folder.refusal(tar(&entries)).contains("more than 10000 entries"));
    // It costs nothing on the disk.
    File::create(folder.at("archive"))
        .unwrap()
        .set_len((256 << 20) + 1)
        .unwrap();
    assert!(list(folder.at("archive")).unwrap_err().contains("the most is"));
}

#[test]
fn a_file_whose_size_is_a_lie_is_refused() {
    let folder = Folder::new();
    let mut archive = zip(&[("a", &[b'x'; 1_000])]);
    // The CRC, which its header and the directory have.
    let crc = archive[14..18].to_owned();
    for at in 0..archive.len() - 4 {
        if archive[at..at + 4] == crc {
            archive[at] ^= 1;
        }
    }
    folder.refusal(archive);
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1_000);
    archive.append_data(&mut header, "a", [b'x'; 1_000].as_slice()).unwrap();
    let cut = archive.into_inner().unwrap();
    for length in [300, 600, 1_024] {
        folder.refusal(&cut[..length]);
    }
}

#[test]
fn what_is_there_stays() {
    let folder = Folder::new();
    folder.write("archive", zip(&[("a", b"new"), ("b/c", b"new")]));
    folder.write("out/a", "old");
    assert!(
        unpack(folder.at("archive"), folder.at("out"))
            .unwrap_err()
            .contains("exists")
    );
    assert_eq!(folder.text("out/a"), "old");
    assert!(!fs::exists(folder.at("out/b")).unwrap());
    fs::create_dir_all(folder.at("elsewhere")).unwrap();
    fs::create_dir_all(folder.at("linked")).unwrap();
    symlink(folder.at("elsewhere"), folder.at("linked/b")).unwrap();
    assert!(
        unpack(folder.at("archive"), folder.at("linked"))
            .unwrap_err()
            .contains("is no folder")
    );
    assert!(!fs::exists(folder.at("elsewhere/c")).unwrap());
}

#[test]
fn damaged_archives_are_errors() {
    let folder = Folder::new();
    let good = zip(&[("a", b"aaaaaaaaaaaaaaaaaaaaaaaaaaa")]);
    for end in 0..good.len() {
        folder.write("cut", &good[..end]);
        let _ = list(folder.at("cut"));
    }
    let mut random = Vec::new();
    File::open("/dev/urandom")
        .unwrap()
        .take(4_096)
        .read_to_end(&mut random)
        .unwrap();
    folder.write("random", random);
    assert!(list(folder.at("random")).is_err());
}

#[test]
fn an_archive_which_is_not_whole_is_an_error() {
    for format in [Format::Tar, Format::TarGz, Format::Zip] {
        let mut small = [0; 10];
        let written = packing::write(io::Cursor::new(small.as_mut_slice()), format, &[]);
        assert!(written.is_err(), "{format:?}");
    }
    let folder = Folder::new();
    folder.write("a.tar", "old");
    pack(folder.at("a.tar"), vec![folder.at("absent")], None).unwrap_err();
    assert_eq!(folder.text("a.tar"), "old");
    fs::create_dir(folder.at("b.tar")).unwrap();
    pack(folder.at("b.tar"), vec![folder.at("a.tar")], None).unwrap_err();
    assert_eq!(
        fs::read_dir(folder.0.path()).unwrap().count(),
        2,
        "nothing is left over"
    );
}

#[test]
fn a_file_whose_length_changes_while_it_is_packed_is_an_error() {
    let folder = Folder::new();
    for length in [9_999, 10_001] {
        folder.write("a", vec![0; 10_000]);
        let added = packing::add_file(&folder.at("a"), &Budget::for_packing(), |announced, contents| {
            assert_eq!(announced, 10_000);
            folder.write("a", vec![0; length]);
            io::copy(contents, &mut io::sink()).map(drop)
        });
        assert!(added.unwrap_err().to_string().contains("changed"), "{length}");
    }
}

#[test]
fn what_is_given_twice_is_packed_once() {
    for name in ["a.tar", "a.zip"] {
        let folder = Folder::new();
        folder.write("in/a", "a");
        symlink("a", folder.at("in/link")).unwrap();
        let files = ["in/a", "in", "in/./a", "in/link", "in"].map(|file| folder.at(file));
        let packed = pack(folder.at(name), files.to_vec(), None).unwrap();
        assert_eq!((packed.entries, packed.left_out), (2, vec![folder.at("in/link")]));
        assert_eq!(list(folder.at(name)).unwrap().len(), 2);
    }
}

#[test]
fn names_which_no_archive_may_hold_are_left_out() {
    let folder = Folder::new();
    folder.write("in/a\nb", "");
    folder.write("in/c\\d/e", "");
    folder.write("in/f", "");
    let packed = pack(folder.at("a.tar"), vec![folder.at("in")], None).unwrap();
    assert_eq!(packed.left_out, [folder.at("in/a\nb"), folder.at("in/c\\d")]);
    assert_eq!(list(folder.at("a.tar")).unwrap().len(), 2);
}

#[test]
fn a_part_which_is_there_stays() {
    let folder = Folder::new();
    folder.write("in/a", "a");
    folder.write("precious", "old");
    symlink(folder.at("precious"), folder.at(".a.tar.0.part")).unwrap();
    folder.write(".a.tar.1.part", "old");
    pack(folder.at("a.tar"), vec![folder.at("in")], None).unwrap();
    assert_eq!(list(folder.at("a.tar")).unwrap().len(), 2);
    assert_eq!(
        (folder.text("precious"), folder.text(".a.tar.1.part")),
        ("old".to_owned(), "old".to_owned())
    );
    assert!(!fs::exists(folder.at(".a.tar.2.part")).unwrap());
}

#[test]
fn what_a_crash_left_of_an_archive_is_not_packed() {
    let folder = Folder::new();
    for name in [
        "in/a",
        "in/.a.tar.1.part",
        "in/.a.tar.x.part",
        "in/.b.tar.1.part",
        "in/deep/.a.tar.1.part",
    ] {
        folder.write(name, "x");
    }
    let packed = pack(folder.at("in/a.tar"), vec![folder.at("in")], None).unwrap();
    assert_eq!(packed.left_out, [folder.at("in/.a.tar.1.part")]);
    assert_eq!(packed.entries, 6);
}

#[test]
fn an_archive_which_changes_between_the_readings_is_refused() {
    let folder = Folder::new();
    let first: [(&str, &[u8]); 2] = [("a", b"1"), ("b", b"2")];
    folder.write("archive", zip(&first));
    let entries = read::entries(&folder.at("archive")).unwrap();
    let second: [&[(&str, &[u8])]; 4] = [
        &[("a", b"1")],
        &[("a", b"1"), ("evil", b"2")],
        &[("a", b"1"), ("b", b"longer")],
        &[("a", b"1"), ("b", b"2"), ("c", b"3")],
    ];
    for files in second {
        let out = Folder::new();
        folder.write("archive", zip(files));
        let written = unpacking::write_all(&folder.at("archive"), out.0.path(), &entries);
        assert!(written.unwrap_err().contains("changed"), "{files:?}");
        assert!(!fs::exists(out.at("evil")).unwrap() && !fs::exists(out.at("c")).unwrap());
    }
}

#[test]
fn a_link_which_is_made_between_the_readings_is_not_followed() {
    let folder = Folder::new();
    folder.write("archive", zip(&[("a/b/c", b"new")]));
    let entries = read::entries(&folder.at("archive")).unwrap();
    fs::create_dir(folder.at("elsewhere")).unwrap();
    for link in ["a", "a/b", "a/b/c"] {
        let out = Folder::new();
        let place = out.0.path().join(link);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(folder.at("elsewhere"), place).unwrap();
        assert!(
            unpacking::write_all(&folder.at("archive"), out.0.path(), &entries).is_err(),
            "{link}"
        );
        assert_eq!(fs::read_dir(folder.at("elsewhere")).unwrap().count(), 0, "{link}");
    }
}
