//! Paths: whatever is done through a workspace, in whatever spelling, nothing beside it is touched.

use std::path::Path;

use palisade::policy::{Access, Policy};
use palisade::testing;
use palisade::{Host, Sandbox, SandboxSpec};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::Attempt;

const NAMES: [&str; 18] = [
    "a", "b", "d", "out", "up", "loop", "deep", "canary", "secret", "..", ".", "", "...", "é", "a b", "\u{0}", "-",
    "mount",
];

const CANARY: &str = "untouched";

struct World {
    directory: TempDir,
    sandbox: Sandbox,
    _host: Host,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let at = |name: &str| directory.path().join(name);
        for name in ["mount", "secret"] {
            std::fs::create_dir(at(name)).expect("it is a new directory");
        }
        std::fs::write(at("secret/canary"), CANARY).expect("it is a new file");
        let host = testing::host(&at("state")).expect("it is a new directory");
        let spec = SandboxSpec::new(Policy::standard());
        let spec = spec.mount(at("mount"), "/mount".parse().expect("it is a path"), Access::ReadWrite);
        let sandbox = host.create(spec).expect("the policy grants it");
        let world = Self {
            directory,
            sandbox,
            _host: host,
        };
        world.plant_links();
        world
    }

    /// Links out of the mount, which only its owner could have made.
    fn plant_links(&self) {
        let mount = self.directory.path().join("mount");
        let secret = self.directory.path().join("secret");
        for (name, target) in [
            ("out", secret.as_path()),
            ("up", Path::new("../secret")),
            ("deep", Path::new("../../../../../../../../etc")),
            ("loop", Path::new("loop")),
            ("canary", Path::new("../secret/canary")),
        ] {
            // It is there already where no guest has removed it.
            let _there = std::os::unix::fs::symlink(target, mount.join(name));
        }
    }

    fn check(&self, after: &str) {
        let secret = self.directory.path().join("secret");
        let canary = std::fs::read_to_string(secret.join("canary")).unwrap_or_default();
        assert_eq!(canary, CANARY, "{after}");
        let names = std::fs::read_dir(&secret).map(Iterator::count).unwrap_or_default();
        assert_eq!(names, 1, "{after}");
    }
}

pub(crate) fn start() -> Attempt {
    let world = World::new();
    Box::new(move |random: &mut ChaCha8Rng| {
        let files = world.sandbox.workspace();
        world.plant_links();
        for _ in 0..8 {
            let (path, other) = (path(random), path(random));
            let operation = random.random_range(0..7);
            match operation {
                0 => drop(files.write(&path, b"written")),
                1 => drop(files.create_dir_all(&path)),
                2 => drop(files.remove(&path)),
                3 => drop(files.rename(&path, &other)),
                4 => drop(files.list(&path)),
                5 => drop(files.stat(&path)),
                _ => {
                    let read = files.read(&path, 1 << 20).unwrap_or_default();
                    assert_ne!(read, CANARY.as_bytes(), "read {path:?}");
                }
            }
            world.check(&format!("operation {operation} on {path:?} and {other:?}"));
        }
    })
}

fn path(random: &mut ChaCha8Rng) -> String {
    let mut path = String::from(["", "/", "/mount/", "//mount/./", "mount/"][random.random_range(0..5)]);
    for _ in 0..random.random_range(0..6) {
        path.push_str(NAMES[random.random_range(0..NAMES.len())]);
        path.push_str(["/", "", "//", "/./"][random.random_range(0..4)]);
    }
    path
}
