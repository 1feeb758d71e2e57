use std::fs;
use std::path::Path;

use super::*;

/// What tests put under a name.
fn said(key: &str, value: &str) -> Change {
    Change {
        fact: Fact {
            space: Space::Name,
            key: key.into(),
            value: Some(value.into()),
        },
        expected: Expected::Any,
    }
}

fn removed(key: &str) -> Change {
    let mut change = said(key, "");
    change.fact.value = None;
    change
}

fn open(folder: &Path) -> (Log, Recovery) {
    Log::open_with(folder, 16 << 10).unwrap()
}

fn newest(log: &Log, key: &str) -> Option<String> {
    let newest = log.newest(Space::Name, key.as_bytes()).unwrap();
    newest.map(|(_, value)| String::from_utf8(value).unwrap())
}

/// Content which does not get smaller, different for each number.
fn noise(number: u64, length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    let mut reader = blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof();
    reader.fill(&mut noise);
    noise
}

/// The files as a process leaves them which is killed now.
fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for part in ["catalogue", "packs"] {
        copy_tree(&folder.join(part), &copy.path().join(part));
    }
    copy
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_tree(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn packs(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder.join("packs")).unwrap();
    let mut packs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    packs.sort();
    packs
}

#[test]
fn what_was_said_is_there_and_after_opening_again_too() {
    let folder = tempfile::tempdir().unwrap();
    let (log, recovery) = open(folder.path());
    assert!(recovery.rebuilt && recovery.lost.is_empty());
    let digest = log.put(b"some content").unwrap();
    assert_eq!(
        log.get(&digest).unwrap(),
        b"some content",
        "before anything was flushed"
    );
    log.commit(vec![said("a", "1"), said("b", "2")], Durability::Synced)
        .unwrap();
    log.commit(vec![said("a", "3"), removed("b")], Durability::Soon)
        .unwrap();
    let check = |log: &Log| {
        assert_eq!(log.get(&digest).unwrap(), b"some content");
        assert_eq!((newest(log, "a"), newest(log, "b")), (Some("3".to_owned()), None));
        assert_eq!(log.scan(Space::Name, b"").unwrap().len(), 1);
        assert_eq!(log.history(Space::Name, b"b").unwrap().len(), 2);
    };
    check(&log);
    drop(log);
    let (log, recovery) = open(folder.path());
    assert_eq!(recovery, Recovery::default());
    check(&log);
}

#[test]
fn a_second_opening_is_refused_while_there_is_a_first() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    assert_eq!(Log::open(folder.path()).map(drop).unwrap_err().kind(), Kind::Conflict);
    drop(log);
    Log::open(folder.path()).unwrap();
}

#[test]
fn a_change_is_refused_where_another_came_first() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let expecting = |expected| Change {
        expected,
        ..said("a", "x")
    };
    let first = log.commit(vec![expecting(Expected::Absent)], Durability::Soon).unwrap();
    let refused = |expected| {
        log.commit(vec![said("other", "x"), expecting(expected)], Durability::Soon)
            .unwrap_err()
    };
    assert_eq!(refused(Expected::Absent).kind(), Kind::Conflict);
    let second = log
        .commit(vec![expecting(Expected::Exactly(first))], Durability::Soon)
        .unwrap();
    assert_eq!(refused(Expected::Exactly(first)).kind(), Kind::Conflict);
    assert_eq!(newest(&log, "other"), None, "all of a commit is refused");
    log.commit(vec![removed("a")], Durability::Soon).unwrap();
    assert_eq!(refused(Expected::Exactly(second)).kind(), Kind::Conflict);
    log.commit(vec![expecting(Expected::Absent)], Durability::Soon).unwrap();
}

/// Keys with zeros, and keys which begin as others do.
#[test]
fn keys_are_kept_apart_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let keys = ["", "\0", "\0\u{1}", "a", "a\0", "a\0b", "a\u{1}", "ab"];
    for key in keys {
        log.commit(vec![said(key, key)], Durability::Soon).unwrap();
    }
    let scanned = |prefix: &str| -> Vec<String> {
        let found = log.scan(Space::Name, prefix.as_bytes()).unwrap();
        found
            .into_iter()
            .map(|(key, _, _)| String::from_utf8(key).unwrap())
            .collect()
    };
    let mut sorted = keys.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(scanned(""), sorted);
    assert_eq!(scanned("a\0"), ["a\0", "a\0b"]);
    for key in keys {
        assert_eq!(newest(&log, key).as_deref(), Some(key));
        assert_eq!(log.history(Space::Name, key.as_bytes()).unwrap().len(), 1);
    }
}

/// Fills several packs, and gives what is in them.
fn fill(log: &Log, commits: std::ops::Range<u64>) -> Vec<(Digest, Vec<u8>)> {
    let mut contents = Vec::new();
    for number in commits {
        for part in 0..3 {
            let content = noise(number * 10 + part, 700);
            contents.push((log.put(&content).unwrap(), content));
        }
        log.commit(
            vec![said(&format!("key {number}"), &number.to_string())],
            Durability::Synced,
        )
        .unwrap();
    }
    contents
}

fn check_filled(log: &Log, commits: std::ops::Range<u64>, contents: &[(Digest, Vec<u8>)]) {
    for number in commits {
        assert_eq!(newest(log, &format!("key {number}")), Some(number.to_string()));
    }
    for (digest, content) in contents {
        assert_eq!(&log.get(digest).unwrap(), content);
    }
}

#[test]
fn the_catalogue_is_made_anew_when_it_is_gone_stale_or_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let mut contents = fill(&log, 0..20);
    drop(log);
    let old = tempfile::tempdir().unwrap();
    copy_tree(&folder.path().join("catalogue"), &old.path().join("catalogue"));
    let (log, _) = open(folder.path());
    contents.extend(fill(&log, 20..40));
    drop(log);
    assert!(packs(folder.path()).len() > 4);

    let catalogue = folder.path().join("catalogue");
    fs::remove_dir_all(&catalogue).unwrap();
    let (log, recovery) = open(folder.path());
    assert!(
        recovery.rebuilt && recovery.damaged.is_empty() && recovery.cut == 0,
        "{recovery:?}"
    );
    check_filled(&log, 0..40, &contents);
    drop(log);

    fs::remove_dir_all(&catalogue).unwrap();
    copy_tree(&old.path().join("catalogue"), &catalogue);
    let (log, recovery) = open(folder.path());
    assert!(!recovery.rebuilt && recovery.replayed > 0, "{recovery:?}");
    check_filled(&log, 0..40, &contents);
    drop(log);

    let database = catalogue.join("db");
    let good = fs::read(&database).unwrap();
    for part in 0..8 {
        let mut bad = good.clone();
        let at = bad.len() / 8 * part;
        bad[at..]
            .iter_mut()
            .step_by(7)
            .take(2000)
            .for_each(|byte| *byte ^= 0x55);
        fs::write(&database, bad).unwrap();
        let (log, _) = open(folder.path());
        check_filled(&log, 0..40, &contents);
    }
}

/// With the catalogue of an earlier time, and without one.
#[test]
fn a_torn_end_is_cut_off_wherever_it_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = Log::open_with(folder.path(), 1 << 20).unwrap();
    let contents = fill(&log, 0..3);
    drop(log);
    let pack = packs(folder.path()).pop().unwrap();
    let whole = fs::metadata(&pack).unwrap().len() as usize;
    let (log, _) = Log::open_with(folder.path(), 1 << 20).unwrap();
    let before = killed(folder.path());
    fill(&log, 3..4);
    log.sync().unwrap();
    let torn = fs::read(&pack).unwrap();
    drop(log);
    for length in (whole..torn.len()).step_by(37) {
        let copy = killed(before.path());
        if length % 2 == 0 {
            fs::remove_dir_all(copy.path().join("catalogue")).unwrap();
        }
        let there = copy.path().join("packs").join(pack.file_name().unwrap());
        fs::write(&there, &torn[..length]).unwrap();
        let (log, recovery) = open(copy.path());
        assert!(recovery.damaged.is_empty(), "{recovery:?}");
        check_filled(&log, 0..3, &contents);
        assert_eq!(newest(&log, "key 3"), None);
        let again = fill(&log, 3..4);
        drop(log);
        let (log, recovery) = open(copy.path());
        assert_eq!(recovery, Recovery::default());
        check_filled(&log, 3..4, &again);
    }
}

/// A power cut may keep the end of what was written last, and lose its beginning.
#[test]
fn a_commit_whose_blobs_did_not_reach_the_disk_was_never_made() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = Log::open_with(folder.path(), 1 << 20).unwrap();
    let contents = fill(&log, 0..3);
    let pack = packs(folder.path()).pop().unwrap();
    let whole = fs::metadata(&pack).unwrap().len() as usize;
    fill(&log, 3..4);
    let copy = killed(folder.path());
    let there = copy.path().join("packs").join(pack.file_name().unwrap());
    let mut bytes = fs::read(&there).unwrap();
    bytes[whole..whole + 500].fill(0);
    fs::write(&there, bytes).unwrap();
    fs::remove_dir_all(copy.path().join("catalogue")).unwrap();
    let (log, recovery) = open(copy.path());
    assert!(recovery.cut > 0 && recovery.damaged.is_empty(), "{recovery:?}");
    check_filled(&log, 0..3, &contents);
    assert_eq!(newest(&log, "key 3"), None);
}

/// Whatever bit it is: what is read is what was written, or an error, or it is told when the log is opened.
#[test]
fn a_flipped_bit_is_never_served() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = Log::open_with(folder.path(), 4 << 10).unwrap();
    let contents = fill(&log, 0..4);
    drop(log);
    for pack in packs(folder.path()) {
        let length = fs::metadata(&pack).unwrap().len() as usize;
        for at in (0..length).step_by(61) {
            let copy = killed(folder.path());
            if at % 2 == 0 {
                fs::remove_dir_all(copy.path().join("catalogue")).unwrap();
            }
            let there = copy.path().join("packs").join(pack.file_name().unwrap());
            let mut bytes = fs::read(&there).unwrap();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&there, bytes).unwrap();
            let (log, recovery) = Log::open_with(copy.path(), 4 << 10).unwrap();
            let told = recovery.cut > 0 || !recovery.damaged.is_empty() || !recovery.lost.is_empty();
            for (digest, content) in &contents {
                match log.get(digest) {
                    Ok(read) => assert_eq!(&read, content),
                    Err(error) => assert_eq!(error.kind(), Kind::Corrupt),
                }
            }
            for number in 0..4_u64 {
                match log.newest(Space::Name, format!("key {number}").as_bytes()) {
                    Ok(Some((_, value))) => assert_eq!(value, number.to_string().as_bytes()),
                    Ok(None) => assert!(told, "byte {at} of {there:?}"),
                    Err(error) => assert_eq!(error.kind(), Kind::Corrupt),
                }
            }
        }
    }
}

#[test]
fn a_pack_which_is_gone_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    fill(&log, 0..30);
    drop(log);
    for (index, pack) in packs(folder.path()).into_iter().enumerate() {
        for with_catalogue in [true, false] {
            let copy = killed(folder.path());
            let name = pack.file_name().unwrap();
            fs::remove_file(copy.path().join("packs").join(name)).unwrap();
            if !with_catalogue {
                fs::remove_dir_all(copy.path().join("catalogue")).unwrap();
            }
            let (_, recovery) = open(copy.path());
            let is_last = index + 1 == packs(folder.path()).len();
            let lost = if is_last && !with_catalogue {
                vec![]
            } else {
                vec![index as u64 + 1]
            };
            assert_eq!(recovery.lost, lost);
        }
    }
}

/// Everything but what was removed, and the latest of what was said again.
#[test]
fn a_collection_gives_room_back_and_keeps_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let contents = fill(&log, 0..60);
    for number in 0..60 {
        let change = match number % 3 {
            0 => removed(&format!("key {number}")),
            _ => said(&format!("key {number}"), "again"),
        };
        log.commit(vec![change], Durability::Soon).unwrap();
    }
    let needed = || Ok(contents.iter().step_by(5).map(|(digest, _)| *digest).collect());
    let done = log.collect(needed, |_, _, _| false).unwrap();
    assert!(done.freed > 60_000 && done.damaged == 0, "{done:?}");
    let check = |log: &Log| {
        for (digest, content) in contents.iter().step_by(5) {
            assert_eq!(&log.get(digest).unwrap(), content);
        }
        for number in 0..60 {
            let wanted = (number % 3 != 0).then(|| "again".to_owned());
            assert_eq!(newest(log, &format!("key {number}")), wanted, "key {number}");
        }
    };
    check(&log);
    let again = log.collect(needed, |_, _, _| false).unwrap();
    assert!(again.freed < 5_000, "{again:?}");
    check(&log);
    let copy = killed(folder.path());
    drop(log);
    for rebuilt in [false, true] {
        if rebuilt {
            fs::remove_dir_all(copy.path().join("catalogue")).unwrap();
        }
        let (log, recovery) = open(copy.path());
        assert!(recovery.lost.is_empty() && recovery.damaged.is_empty(), "{recovery:?}");
        check(&log);
    }
    let size: u64 = packs(copy.path())
        .iter()
        .map(|pack| fs::metadata(pack).unwrap().len())
        .sum();
    assert!(size < 50_000, "{size}");
}

/// The host ended after it had said that a pack was collected, or the removal did not reach the disk.
#[test]
fn a_collected_pack_which_is_there_again_is_removed_and_brings_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    fill(&log, 0..20);
    let before = killed(folder.path());
    for number in 0..20 {
        log.commit(vec![removed(&format!("key {number}"))], Durability::Synced)
            .unwrap();
    }
    for _ in 0..3 {
        log.collect(|| Ok(HashSet::new()), |_, _, _| false).unwrap();
        fill(&log, 100..104);
    }
    drop(log);
    for pack in packs(before.path()) {
        let there = folder.path().join("packs").join(pack.file_name().unwrap());
        assert!(!there.exists(), "{there:?}");
        fs::copy(&pack, there).unwrap();
    }
    let copy = killed(folder.path());
    fs::remove_dir_all(copy.path().join("catalogue")).unwrap();
    for folder in [folder.path(), copy.path()] {
        let (log, recovery) = open(folder);
        assert!(recovery.lost.is_empty(), "{recovery:?}");
        for number in 0..20 {
            assert_eq!(newest(&log, &format!("key {number}")), None);
        }
        for pack in packs(before.path()) {
            assert!(!folder.join("packs").join(pack.file_name().unwrap()).exists());
        }
    }
}

#[test]
fn what_is_put_while_a_collection_runs_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let contents = fill(&log, 0..40);
    let (digest, content) = &contents[7];
    let (fresh, mut new) = (noise(1_000_000, 100), None);
    let done = log.collect(
        || {
            assert_eq!(log.put(content).unwrap(), *digest);
            new = Some(log.put(&fresh).unwrap());
            log.commit(vec![said("new", "1")], Durability::Synced).unwrap();
            let second = log.collect(|| Ok(HashSet::new()), |_, _, _| false);
            assert_eq!(second.unwrap_err().kind(), Kind::Conflict);
            Ok(HashSet::new())
        },
        |_, _, _| false,
    );
    assert!(done.unwrap().packs > 3);
    assert_eq!(
        log.get(&new.unwrap()).unwrap(),
        fresh,
        "what was not there before stays too"
    );
    assert_eq!(&log.get(digest).unwrap(), content);
    assert_eq!(log.get(&contents[8].0).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(log.put(&contents[8].1).unwrap(), contents[8].0);
    assert_eq!(log.get(&contents[8].0).unwrap(), contents[8].1);
}

#[test]
fn older_versions_are_kept_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    for number in 0..10 {
        log.commit(vec![said("a", &number.to_string())], Durability::Soon)
            .unwrap();
        fill(&log, number..number + 1);
    }
    log.collect(|| Ok(HashSet::new()), |_, _, newer| newer < 3).unwrap();
    let history = log.history(Space::Name, b"a").unwrap();
    let values: Vec<_> = history.into_iter().filter_map(|(_, value)| value).collect();
    assert_eq!(values, [b"7", b"8", b"9"]);
}

/// The removal did not reach the disk, but the catalogue knows nothing of the pack any more.
#[test]
fn a_collected_pack_which_is_there_again_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let contents = fill(&log, 0..20);
    let head = Change {
        fact: Fact {
            space: Space::Head,
            ..said("box", "stands here").fact
        },
        expected: Expected::Any,
    };
    log.commit(vec![head], Durability::Synced).unwrap();
    let before = killed(folder.path());
    let needed = || Ok(contents.iter().step_by(5).map(|(digest, _)| *digest).collect());
    let done = log.collect(needed, |_, _, _| false).unwrap();
    assert!(done.packs > 2, "{done:?}");
    drop(log);
    for pack in packs(before.path()) {
        let there = folder.path().join("packs").join(pack.file_name().unwrap());
        if !there.exists() {
            fs::copy(&pack, there).unwrap();
        }
    }
    for _ in 0..2 {
        let (log, recovery) = open(folder.path());
        assert!(recovery.lost.is_empty() && recovery.damaged.is_empty(), "{recovery:?}");
        for number in 0..20 {
            assert_eq!(newest(&log, &format!("key {number}")), Some(number.to_string()));
        }
        assert!(log.newest(Space::Head, b"box").unwrap().is_some());
        for (digest, content) in contents.iter().step_by(5) {
            assert_eq!(&log.get(digest).unwrap(), content);
        }
    }
}

/// A collection which ends between moving the facts of a pack and saying that it was collected would leave two of each,
/// and one that is removed later could come back with the other.
#[test]
fn facts_are_moved_and_their_pack_is_collected_in_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    fill(&log, 0..20);
    let before = packs(folder.path()).len();
    let done = log.collect(|| Ok(HashSet::new()), |_, _, _| false).unwrap();
    assert!(done.packs as usize >= before - 1, "{done:?}");
    let in_batch = |number: u64, with: &Fact| {
        let (_, at) = log.shared.catalogue.newest(with.space, &with.key).unwrap().unwrap();
        let (_, fact) = log.shared.packs.fact(at).unwrap();
        assert_eq!(fact.key, with.key, "{number}");
        at.location
    };
    let collected = collected::Collected::default().fact().unwrap();
    let last = in_batch(0, &collected);
    let moved: Vec<_> = (0..20)
        .map(|number| in_batch(number, &said(&format!("key {number}"), "").fact))
        .collect();
    assert!(moved.contains(&last), "{last:?} is none of {moved:?}");
}

/// What others put at the same time finds no room, or here no place that a file can have.
#[test]
fn a_commit_which_is_written_does_not_fail_with_what_came_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let far = i64::MAX.cast_unsigned() - 10;
    {
        let mut writer = log.shared.writer();
        let (pack, next) = (Arc::clone(&writer.pack), writer.next);
        *writer = Writer::new(pack, far, next);
        writer.synced = 0;
        let content = noise(0, 100);
        let record = Record::new(RecordKind::Blob, Digest::of(&content), &content).unwrap();
        writer.append(&record).unwrap();
    }
    log.shared.sync_to((PackId(1), far)).unwrap();
    log.sync().unwrap_err();
}

/// A collection may have moved it there which then found no room.
#[test]
fn what_cannot_be_written_can_be_read_for_as_long_as_it_is_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    {
        let mut writer = log.shared.writer();
        let (pack, next) = (Arc::clone(&writer.pack), writer.next);
        *writer = Writer::new(pack, i64::MAX.cast_unsigned() - 10, next);
    }
    let content = noise(0, 100);
    let location = {
        let record = Record::new(RecordKind::Blob, Digest::of(&content), &content).unwrap();
        log.shared.writer().append(&record).unwrap()
    };
    log.shared.catalogue.add_blob(&Digest::of(&content), location);
    log.shared.writer().flush().unwrap_err();
    assert_eq!(log.get(&Digest::of(&content)).unwrap(), content);
}

/// In memory, in sled, and in both; with the newest removed by a collection.
#[test]
fn the_newest_version_is_the_last_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    for number in 0..300 {
        log.commit(vec![said("a", &number.to_string())], Durability::Soon)
            .unwrap();
        let history = log.history(Space::Name, b"a").unwrap();
        let newest = log.newest(Space::Name, b"a").unwrap().unwrap();
        assert_eq!(history.last(), Some(&(newest.0, Some(newest.1))));
        match number % 7 {
            0 => log.shared.catch_up().unwrap(),
            5 => {
                let (version, _) = log.shared.catalogue.newest(Space::Name, b"a").unwrap().unwrap();
                log.shared.catalogue.remove_fact(Space::Name, b"a", version);
                let newest = log.newest(Space::Name, b"a").unwrap().unwrap();
                assert_eq!(newest.1, (number - 1).to_string().as_bytes());
            }
            _ => {}
        }
    }
}
