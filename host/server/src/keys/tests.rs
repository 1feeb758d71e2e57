use std::os::unix::fs::PermissionsExt;

use super::*;

fn keys() -> (tempfile::TempDir, Keys) {
    let state = tempfile::tempdir().unwrap();
    let keys = Keys::open(state.path()).unwrap();
    (state, keys)
}

#[tokio::test]
async fn a_key_is_known_by_its_whole_text() {
    let (_state, keys) = keys();
    let (id, text) = keys.create(Role::Operator).unwrap();
    assert_eq!(keys.check(&text).await, Some((id, Role::Operator)));
    let (other, _) = keys.create(Role::Admin).unwrap();
    let secret = text.rsplit_once('_').unwrap().1;
    let mut wrong = text.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    for bad in [
        "",
        "palisade_",
        secret,
        &wrong,
        &text[..text.len() - 1],
        &format!("{text}0"),
        &text.to_uppercase(),
        &format!("palisade_{other}_{secret}"),
        &format!("palisade_{id}_"),
    ] {
        assert_eq!(keys.check(bad).await, None, "{bad}");
    }
}

#[test]
fn the_secret_is_not_kept_and_files_are_closed_to_others() {
    let (state, keys) = keys();
    let (id, text) = keys.create(Role::Reader).unwrap();
    let path = state.path().join(format!("keys/{id}.toml"));
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(!kept.contains(text.rsplit_once('_').unwrap().1), "{kept}");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&state.path().join("keys")), 0o700);
    assert_eq!(mode(&keys.local().unwrap()), 0o600);
}

#[tokio::test]
async fn what_another_process_removes_stops_within_two_seconds() {
    let (state, keys) = keys();
    let (id, text) = keys.create(Role::Admin).unwrap();
    Keys::open(state.path()).unwrap().remove(id).unwrap();
    let started = Instant::now();
    while keys.check(&text).await.is_some() {
        assert!(started.elapsed() < Duration::from_secs(2), "it goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(keys.remove(id).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn damaged_files_are_no_keys() {
    let (state, keys) = keys();
    let (id, _) = keys.create(Role::Admin).unwrap();
    let path = |name: &str| state.path().join("keys").join(name);
    let whole = std::fs::read_to_string(path(&format!("{id}.toml"))).unwrap();
    std::fs::write(path("0000000000000001.toml"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(path("0000000000000002.toml"), whole.clone() + "more = 1\n").unwrap();
    std::fs::write(path("name.toml"), &whole).unwrap();
    std::os::unix::fs::symlink(path(&format!("{id}.toml")), path("0000000000000003.toml")).unwrap();
    std::fs::create_dir(path("0000000000000004.toml")).unwrap();
    let pipe = path("0000000000000005.toml");
    rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let listed = keys.list().unwrap();
    assert_eq!(listed.iter().map(|key| key.id).collect::<Vec<_>>(), [id]);
}

#[test]
fn the_local_key_is_made_once_and_is_not_made_by_hand() {
    let (state, keys) = keys();
    let path = keys.local().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(Keys::open(state.path()).unwrap().local().unwrap(), path);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert!(!keys.any_made().unwrap());
    let (made, _) = keys.create(Role::Reader).unwrap();
    assert!(keys.any_made().unwrap());
    for key in keys.list().unwrap().iter().filter(|key| key.id != made) {
        keys.remove(key.id).unwrap();
    }
    keys.local().unwrap();
    assert_ne!(std::fs::read_to_string(&path).unwrap(), text);
}

fn locals(keys: &Keys) -> Vec<KeyId> {
    let listed = keys.list().unwrap();
    listed.iter().filter(|key| key.local).map(|key| key.id).collect()
}

#[tokio::test]
async fn many_first_starts_at_one_time_make_one_local_key_which_works() {
    for _ in 0..20 {
        let state = tempfile::tempdir().unwrap();
        let together = std::sync::Barrier::new(6);
        let start = || {
            together.wait();
            Keys::open(state.path()).unwrap().local().unwrap()
        };
        let paths: Vec<PathBuf> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..6).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let keys = Keys::open(state.path()).unwrap();
        let text = std::fs::read_to_string(&paths[0]).unwrap();
        let (id, role) = keys.check(text.trim()).await.unwrap();
        assert_eq!((role, locals(&keys)), (Role::Admin, vec![id]));
        assert!(!keys.any_made().unwrap());
    }
}

#[test]
fn a_new_local_key_replaces_those_before_it() {
    let (_state, keys) = keys();
    let path = keys.local().unwrap();
    let first = locals(&keys);
    let (made, text) = keys.create(Role::Admin).unwrap();
    // A key which somebody made does not become the local one.
    for other in ["", "nonsense", &text] {
        std::fs::write(&path, other).unwrap();
        keys.local().unwrap();
        assert_eq!(locals(&keys).len(), 1, "{other}");
        assert_ne!(locals(&keys), first);
        assert_ne!(std::fs::read_to_string(&path).unwrap(), other);
    }
    assert!(keys.list().unwrap().iter().any(|key| key.id == made));
}

#[tokio::test]
async fn what_has_not_the_form_of_a_key_is_refused_without_reading() {
    let (_state, keys) = keys();
    let (id, text) = keys.create(Role::Reader).unwrap();
    let old = Instant::now().checked_sub(FRESH).unwrap();
    keys.inner.change_known().at = old;
    for bad in ["", "x", &text[1..], &text[..text.len() - 1]] {
        assert_eq!(keys.check(bad).await, None, "{bad}");
        assert_eq!(keys.inner.known().at, old, "{bad}");
    }
    assert_eq!(keys.check(&text).await, Some((id, Role::Reader)));
    assert_ne!(keys.inner.known().at, old);
}

#[tokio::test]
async fn where_keys_cannot_be_read_nobody_is_let_in() {
    let (state, keys) = keys();
    let (_, text) = keys.create(Role::Reader).unwrap();
    let path = state.path().join("keys");
    std::fs::rename(&path, state.path().join("other")).unwrap();
    std::fs::remove_dir_all(state.path().join("other")).unwrap();
    keys.inner.change_known().at = Instant::now().checked_sub(FRESH).unwrap();
    assert_eq!(keys.check(&text).await, None);
}

#[test]
fn keys_made_at_one_time_keep_to_their_number() {
    let state = tempfile::tempdir().unwrap();
    let keys = Keys::open(state.path()).unwrap();
    let text = |id: usize| {
        let file = KeyFile {
            role: Role::Reader,
            created: now(),
            local: false,
            digest: Secret::random().digest(),
        };
        let path = state.path().join(format!("keys/{id:016x}.toml"));
        std::fs::write(path, toml::to_string(&file).unwrap()).unwrap();
    };
    (2..MAX_KEYS).for_each(text);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| Keys::open(state.path()).unwrap().create(Role::Reader));
        }
    });
    assert_eq!(keys.list().unwrap().len(), MAX_KEYS);
    assert_eq!(keys.create(Role::Reader).unwrap_err().kind(), Kind::Exhausted);
}
