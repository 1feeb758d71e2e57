//! The walk against a plain model of POSIX paths over a tree in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;
use super::support::{DIRECTORY, World};

type Number = usize;

#[derive(Clone, Debug)]
enum Node {
    File,
    Directory {
        above: Number,
        entries: BTreeMap<String, Number>,
    },
    Link(String),
}

/// A tree in memory; number 0 is the root.
#[derive(Debug)]
struct Model {
    nodes: Vec<Node>,
}

impl Model {
    fn new() -> Self {
        Self {
            nodes: vec![Node::Directory {
                above: 0,
                entries: BTreeMap::new(),
            }],
        }
    }

    fn child(&self, directory: Number, name: &str) -> Option<Number> {
        match &self.nodes[directory] {
            Node::Directory { entries, .. } => entries.get(name).copied(),
            Node::File | Node::Link(_) => None,
        }
    }

    fn add(&mut self, directory: Number, name: &str, node: Node) -> Number {
        self.nodes.push(node);
        let number = self.nodes.len() - 1;
        if let Node::Directory { entries, .. } = &mut self.nodes[directory] {
            entries.insert(name.to_owned(), number);
        }
        number
    }

    /// Follows POSIX: every `/` needs a directory before it, and a link is replaced by its target.
    fn resolve(&self, base: Number, path: &str, follow: Follow) -> FsResult<Number> {
        if path.starts_with('/') {
            return Err(Errno::PERM);
        }
        let mut todo: Vec<(String, bool)> = components(path, true);
        let (mut here, mut links, mut left) = (base, 0, false);
        while let Some((name, literal)) = todo.pop() {
            let Node::Directory { above, .. } = &self.nodes[here] else {
                return Err(Errno::NOTDIR);
            };
            match name.as_str() {
                "." => continue,
                ".." if here == base && literal && !left => return Err(Errno::PERM),
                ".." => {
                    // At the guest's root, `..` stays where it is and leaves nothing.
                    left |= here == base && base != 0;
                    here = *above;
                    continue;
                }
                _ => {}
            }
            let next = self.child(here, &name).ok_or(Errno::NOENT)?;
            match &self.nodes[next] {
                Node::Link(target) if !todo.is_empty() || follow == Follow::Yes => {
                    links += 1;
                    if links > 40 {
                        return Err(Errno::LOOP);
                    }
                    if target.starts_with('/') {
                        here = 0;
                        left = true;
                    }
                    todo.extend(components(target, false));
                }
                _ => here = next,
            }
        }
        Ok(here)
    }
}

/// The last component first; a slash at the end asks for a directory, as `.` does.
fn components(path: &str, literal: bool) -> Vec<(String, bool)> {
    let mut names: Vec<_> = path
        .split('/')
        .filter(|name| !name.is_empty())
        .map(|name| (name.to_owned(), literal))
        .collect();
    if path.ends_with('/') {
        names.push((".".to_owned(), literal));
    }
    names.reverse();
    names
}

#[derive(Clone, Debug)]
enum Planted {
    File,
    Directory,
    Link(String),
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")]
}

fn spelled() -> impl Strategy<Value = String> {
    let component = prop_oneof![6 => name(), 2 => Just(".."), 1 => Just("."), 1 => Just("")];
    (
        prop::collection::vec(component, 1..7),
        prop_oneof![3 => Just(""), 1 => Just("/")],
    )
        .prop_map(|(components, slash)| format!("{}{slash}", components.join("/")))
        .prop_filter("an empty path is tested elsewhere", |path| !path.is_empty())
}

fn planted() -> impl Strategy<Value = (Vec<usize>, &'static str, Planted)> {
    let target = (prop_oneof![3 => Just(""), 1 => Just("/")], spelled()).prop_map(|(top, path)| format!("{top}{path}"));
    let what =
        prop_oneof![1 => Just(Planted::File), 3 => Just(Planted::Directory), 2 => target.prop_map(Planted::Link)];
    (prop::collection::vec(0..8_usize, 0..4), name(), what)
}

/// Makes the same tree in both; a name that is taken is left as it is.
fn plant(world: &World, trees: &[(Vec<usize>, &str, Planted)]) -> (Model, Vec<(Number, String)>) {
    let mut model = Model::new();
    let mut directories = vec![(0, ".".to_owned())];
    for (way, name, what) in trees {
        let pick = way.iter().sum::<usize>() % directories.len();
        let (parent, path) = directories[pick].clone();
        if model.child(parent, name).is_some() {
            continue;
        }
        let path = format!("{path}/{name}");
        match what {
            Planted::File => {
                world.root.put(&path, b"");
                model.add(parent, name, Node::File);
            }
            Planted::Directory => {
                world.root.create_dir(&path).unwrap();
                let number = model.add(
                    parent,
                    name,
                    Node::Directory {
                        above: parent,
                        entries: BTreeMap::new(),
                    },
                );
                directories.push((number, path));
            }
            Planted::Link(target) => {
                world.root.symlink(target, &path).unwrap();
                model.add(parent, name, Node::Link(target.clone()));
            }
        }
    }
    (model, directories)
}

fn inodes(world: &World, model: &Model, number: Number, path: &str, found: &mut BTreeMap<Number, u64>) {
    found.insert(number, world.root.inode(path));
    if let Node::Directory { entries, .. } = &model.nodes[number] {
        for (name, child) in entries {
            inodes(world, model, *child, &format!("{path}/{name}"), found);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn paths_lead_where_posix_says(
        trees in prop::collection::vec(planted(), 1..24),
        paths in prop::collection::vec((any::<prop::sample::Index>(), spelled(), any::<bool>()), 1..40),
    ) {
        let world = World::new();
        let (model, directories) = plant(&world, &trees);
        let mut numbers = BTreeMap::new();
        inodes(&world, &model, 0, ".", &mut numbers);
        for (from, path, follow) in &paths {
            if path.starts_with('/') {
                continue;
            }
            let (base, base_path) = from.get(&directories);
            let handle = world.root.dir(base_path).unwrap();
            let follow = if *follow { Follow::Yes } else { Follow::No };
            let expected = model.resolve(*base, path, follow).map(|number| numbers[&number]);
            let got = handle.stat(path, follow).map(|stat| stat.inode);
            prop_assert_eq!(&got, &expected, "{} from {} {:?}: {:?}", path, base_path, follow, model);
            let is_directory = model.resolve(*base, path, Follow::Yes)
                .is_ok_and(|number| matches!(model.nodes[number], Node::Directory { .. }));
            prop_assert_eq!(handle.open(path, DIRECTORY).is_ok(), is_directory, "{} from {}", path, base_path);
        }
    }
}
