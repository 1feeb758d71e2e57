//! From a path to the directory that holds its last component.
//!
//! The kernel sees one name at a time, relative to a directory that is held open, and never follows a link: links are
//! read and followed here. A directory swapped for a link in the middle of a walk therefore ends it, or not, but
//! cannot lead it out.

use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use palisade_policy::Denial;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::path::{Component, Origin, PATH_MAX, Pending, join};
use super::place::{Body, Place, Step, read_link, stat_at};
use super::stat::{Kind, Stat};
use super::{Errno, FsResult, Shared};
use crate::limits::Refusals;

/// Links followed for one path.
const MAX_LINKS: u32 = 40;
/// Components walked for one path, those of links included: as many as a path without links can have.
const MAX_STEPS: usize = PATH_MAX / 2;
/// Directories held open at once by one walk; those above are opened again if `..` leads back to them.
const MAX_HELD: usize = 32;

/// What becomes of a link under the last component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtEnd {
    Follow,
    /// Stay on the link, except that a trailing slash asks for what it leads to.
    Stay,
    /// The name itself is meant, to make, move or remove it; a trailing slash asks for a directory.
    Name,
}

/// What a path leads to.
pub(super) enum Found<'p> {
    /// A directory named by `.`, by `..`, or by nothing at all.
    Here(Place),
    /// A mount point, or a directory above one.
    Covered(Place),
    Entry {
        parent: Place,
        name: Cow<'p, str>,
        stat: Stat,
    },
    Missing {
        parent: Place,
        name: Cow<'p, str>,
    },
}

pub(super) struct Walk<'w, 'p> {
    shared: &'w Shared,
    refusals: &'w Refusals,
    /// Where the walk started, or started again.
    base: Place,
    base_path: Option<Arc<str>>,
    /// Whether a link has led out of the directory that the path is relative to.
    left: bool,
    below: Vec<Level<'p>>,
    pending: Pending<'p>,
    path: &'p str,
    links: u32,
    steps: usize,
    missing_from_root: Option<String>,
}

struct Level<'p> {
    name: Cow<'p, str>,
    held: Option<Place>,
}

impl<'w, 'p> Walk<'w, 'p> {
    /// A walk of `path` from a directory with the guest path `base_path`, where that is known.
    pub(super) fn new(
        shared: &'w Shared,
        refusals: &'w Refusals,
        base: Place,
        base_path: Option<Arc<str>>,
        path: &'p str,
    ) -> FsResult<Self> {
        let pending = Pending::new(path)?;
        let walk = Self {
            shared,
            refusals,
            base,
            base_path,
            left: false,
            below: Vec::new(),
            pending,
            path,
            links: 0,
            steps: 0,
            missing_from_root: None,
        };
        if path.starts_with('/') {
            return Err(walk.escape());
        }
        Ok(walk)
    }

    /// Whether the path asks for a directory by a slash at its end.
    pub(super) fn has_trailing_slash(&self) -> bool {
        self.path.ends_with('/')
    }

    /// The directory which the walk needed in the guest's root and did not find, and the path from there on.
    pub(super) fn missing_from_root(&self) -> Option<(&str, String)> {
        let directory = self.missing_from_root.as_deref()?;
        Some((directory, format!("{directory}{}", self.pending.rest())))
    }

    /// Walks to what the path leads to.
    pub(super) fn find(&mut self, at_end: AtEnd) -> FsResult<Found<'p>> {
        let mut slash = self.has_trailing_slash();
        self.leap();
        loop {
            let Some(name) = self.walk_to_last()? else {
                return self.here().map(Found::Here);
            };
            let parent = self.here()?;
            if parent.covered(self.shared, &name).is_some() {
                self.enter(name)?;
                return self.here().map(Found::Covered);
            }
            let stat = match parent.fd(self.shared).map(|fd| stat_at(fd, &name)) {
                None | Some(Err(Errno::NOENT)) => return Ok(Found::Missing { parent, name }),
                Some(stat) => stat?,
            };
            let follow = at_end == AtEnd::Follow || (at_end == AtEnd::Stay && slash);
            if stat.kind == Kind::Symlink && follow {
                let fd = parent.fd(self.shared).ok_or(Errno::NOENT)?;
                let target = read_link(fd, &name)?;
                slash |= target.ends_with('/');
                self.follow(target)?;
                continue;
            }
            if slash && stat.kind != Kind::Directory {
                return Err(Errno::NOTDIR);
            }
            return Ok(Found::Entry { parent, name, stat });
        }
    }

    /// Walks until one name is left, and returns it; `None` if the path ends in a directory without naming it.
    fn walk_to_last(&mut self) -> FsResult<Option<Cow<'p, str>>> {
        while let Some(component) = self.pending.next()? {
            self.count_steps(1)?;
            match component {
                Component::Name(name) if !self.pending.has_more() => return Ok(Some(name)),
                Component::Name(name) => self.enter(name)?,
                Component::Here => {}
                Component::Up(origin) => self.up(origin)?,
            }
        }
        Ok(None)
    }

    /// Goes through all directories of a plain path in one call of the kernel, which refuses at the first link.
    ///
    /// This only saves time: whatever goes wrong, the walk by single steps decides.
    fn leap(&mut self) {
        let Some(path) = self.pending.untouched_plain() else {
            return;
        };
        let Some((directories, _)) = path.trim_end_matches('/').rsplit_once('/') else {
            return;
        };
        let names = || directories.split('/').filter(|name| !name.is_empty());
        let first = names().next().unwrap_or_default();
        let crosses = self.base.covered(self.shared, first).is_some();
        let count = names().count();
        if crosses || count < 2 {
            return;
        }
        let (Some(fd), Some(mount)) = (self.base.fd(self.shared), self.base.mount()) else {
            return;
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        self.refusals.charge_names(count);
        let Ok(last) = openat2(fd, directories, flags, Mode::empty(), resolve) else {
            return;
        };
        self.below.extend(names().map(|name| Level {
            name: Cow::Borrowed(name),
            held: None,
        }));
        self.hold_last(last, mount);
        self.pending.skip(directories.len());
    }

    fn hold_last(&mut self, fd: OwnedFd, mount: super::mounts::MountId) {
        if let Some(level) = self.below.last_mut() {
            level.held = Some(Place {
                node: None,
                body: Body::Below(mount, Arc::new(fd)),
            });
        }
    }

    /// Has the guest pay for steps, and refuses too many.
    fn count_steps(&mut self, steps: usize) -> FsResult<()> {
        self.refusals.charge_names(steps);
        self.steps += steps;
        if self.steps > MAX_STEPS {
            return Err(Errno::LOOP);
        }
        Ok(())
    }

    fn enter(&mut self, name: Cow<'p, str>) -> FsResult<()> {
        let here = self.here()?;
        match here.step(self.shared, &name) {
            Ok(Step::Into(place)) => {
                self.push(name, place);
                Ok(())
            }
            Ok(Step::Link(target)) => self.follow(target),
            Err(errno) => {
                if errno == Errno::NOENT && here.is_guest_root() {
                    self.missing_from_root = Some(format!("/{name}"));
                }
                Err(errno)
            }
        }
    }

    fn push(&mut self, name: Cow<'p, str>, place: Place) {
        self.below.push(Level {
            name,
            held: Some(place),
        });
        if let Some(old) = self.below.len().checked_sub(MAX_HELD + 1) {
            self.below[old].held = None;
        }
    }

    fn follow(&mut self, target: String) -> FsResult<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        if target.starts_with('/') {
            self.restart();
        }
        self.pending.push(target)
    }

    fn restart(&mut self) {
        self.below.clear();
        self.base = Place::root(self.shared);
        self.base_path = Some(Arc::from("/"));
        self.left = true;
    }

    /// `..`: to the directory above as the walk came, never as the file system has it now.
    fn up(&mut self, origin: Origin) -> FsResult<()> {
        if self.below.pop().is_some() {
            return Ok(());
        }
        if origin == Origin::Guest && !self.left {
            return Err(self.escape());
        }
        if self.base.is_guest_root() {
            return Ok(());
        }
        let path = self.base_path.clone().ok_or(Errno::NAMETOOLONG)?;
        let (above, _) = path.rsplit_once('/').ok_or(Errno::NOENT)?;
        self.restart();
        // The dot keeps the directory above from being taken for the path's last name.
        self.pending.push(format!("{above}/."))
    }

    /// The directory that the walk has come to.
    fn here(&mut self) -> FsResult<Place> {
        match self.below.last() {
            None => Ok(self.base.clone()),
            Some(Level { held: Some(place), .. }) => Ok(place.clone()),
            Some(Level { held: None, .. }) => self.again(),
        }
    }

    /// Opens the directories below the base again, after `..` led back to one that is no longer held.
    fn again(&mut self) -> FsResult<Place> {
        self.count_steps(self.below.len())?;
        let mut place = self.base.clone();
        let first_held = self.below.len().saturating_sub(MAX_HELD);
        for (index, level) in self.below.iter_mut().enumerate() {
            let Step::Into(next) = place.step(self.shared, &level.name)? else {
                return Err(Errno::NOENT);
            };
            level.held = (index >= first_held).then(|| next.clone());
            place = next;
        }
        Ok(place)
    }

    /// The guest path of the directory that the walk has come to, unless it is too long to be kept.
    pub(super) fn path(&self) -> Option<Arc<str>> {
        let base = self.base_path.as_ref()?;
        if self.below.is_empty() {
            return Some(Arc::clone(base));
        }
        let length = base.len() + self.below.iter().map(|level| level.name.len() + 1).sum::<usize>();
        let joined = || {
            let mut path = String::with_capacity(length);
            path.push_str(base.trim_end_matches('/'));
            self.below.iter().for_each(|level| path.extend(["/", &level.name]));
            path
        };
        (length <= PATH_MAX).then(|| Arc::from(joined()))
    }

    /// The guest path of `name` in the directory that the walk has come to.
    pub(super) fn child_path(&self, name: &str) -> Option<Arc<str>> {
        let path = join(&self.path()?, name);
        (path.len() <= PATH_MAX).then(|| Arc::from(path))
    }

    /// Refuses a path which leads out of the directory that it is relative to.
    fn escape(&self) -> Errno {
        let from = self.base_path.as_deref().unwrap_or("its directory");
        self.refusals.deny(Denial {
            rule: "paths".to_owned(),
            asked: format!("reach {:?} from {from}", self.path),
            smallest_grant: "open it from the directory `/`, or mount the directory that is meant".to_owned(),
        });
        Errno::PERM
    }
}
