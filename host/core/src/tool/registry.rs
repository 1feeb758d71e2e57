//! The tools of a host, kept in its state directory and shared by all hosts that use it.
//!
//! ```text
//! STATE/tools/tools.toml          names, and the digest of the component which each stands for
//! STATE/tools/DIGEST.wasm         the components
//! STATE/tools/DIGEST.script       the scripts
//! STATE/tools/DIGEST.json         what they offer, so that they need not be loaded to be listed; of a script, by the
//!                                 interpreter: DIGEST-DIGEST.json
//! STATE/tools/lock                held while one of them is changed
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use cap_std::fs::Dir;
use palisade_policy::{CallGrant, CallLimits, FileAccess};
use rustix::time::{ClockId, clock_gettime};

use super::index::{self, Digest, Entry, Index, Lock, Version};
use super::script::{self, Script};
use super::{Description, Tool, instead_of};
use crate::backend::Backend;
use crate::text::shown;
use crate::{Error, Format, Kind, Program, Result, Sandbox};

/// Tools that a registry takes.
pub(super) const MAX_TOOLS: usize = 10_000;

/// What the descriptions of the tools that are kept in memory may have as text, in bytes. There they take several times
/// that.
const MAX_DESCRIBED: usize = 64 << 20;

/// The time of the latest tick of the machine's clock. Until the next one, for at most 10 ms, a name is taken to stand
/// for what it did: looking costs as much as a fifth of a small call.
fn tick() -> (i64, i64) {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    (now.tv_sec, now.tv_nsec)
}

/// The longest name of a tool.
const MAX_NAME: usize = 64;

/// The registry of a host's tools. Cheap to clone.
///
/// A name stands for the component or script which was added last under it; `name@digest`, with any number of the digest's first
/// digits that tell it from others, stands for an earlier one. What is added, removed or disabled here is so at
/// once, and for all other hosts on the same state directory after 10 ms at most; calls which have begun go on.
#[derive(Clone)]
pub struct Tools {
    folder: Arc<Dir>,
    backend: Arc<dyn Backend>,
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    version: Version,
    /// When it was looked at last; `None`: this process has changed it since.
    looked: Option<(i64, i64)>,
    index: Index,
    /// Those which were of use.
    tools: HashMap<Entry, Tool>,
    /// What the descriptions of those have as text, in bytes.
    described: usize,
    /// What names alone stand for now, and can be called.
    current: BTreeMap<String, Tool>,
}

/// A tool as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolEntry {
    /// Its name.
    pub name: String,
    /// The blake3 digest of its component or script.
    pub digest: blake3::Hash,
    /// Whether the name alone stands for it.
    pub current: bool,
    /// Whether it can be called.
    pub enabled: bool,
}

impl Tools {
    pub(crate) fn new(folder: Arc<Dir>, backend: Arc<dyn Backend>) -> Self {
        Self {
            folder,
            backend,
            known: Arc::default(),
        }
    }

    /// Whether a tool may have this name: 1 to 64 characters of `a`-`z`, `0`-`9`, `-` and `_`.
    pub fn is_name(name: &str) -> bool {
        let is_taken = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_taken)
    }

    /// Adds a component under a name of up to 64 characters of `a`-`z`, `0`-`9`, `-` and `_`, and has the name stand
    /// for it from now on. What it stood for stays, by its digest. One which is there and disabled stays so.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] where the name is no such name, or the component cannot be run or offers nothing that can
    /// be called; [`Kind::Exhausted`] where there are 10,000 tools.
    pub async fn add(&self, name: &str, component: Program) -> Result<Tool> {
        check_name(name)?;
        if component.format() != Format::Component {
            return Err(Error::new(
                Kind::InvalidInput,
                format!("{:?} is a module; a tool is a component", component.name()),
            ));
        }
        let description = self.backend.describe(component.clone()).await?;
        let tool = Tool::new(name, component, None, description)?;
        let registry = self.clone();
        blocking(move || registry.store(&tool)).await
    }

    /// Adds a script under a name, as [`add`](Self::add) does a component: the functions which `interpreter` finds in it
    /// can be called, each call in an instance of the interpreter of its own. The script stays with this version of the
    /// interpreter, and needs the name of that no more.
    ///
    /// To be looked at, the script is run: as a call in `sandbox`, without files and variables.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] where the name is no name, `interpreter` exports no `palisade:script/interpreter`, or the
    /// script cannot be run, offers nothing that can be called, or has more than 1 MiB; [`Kind::Exhausted`] where there
    /// are 10,000 tools; otherwise as [`Sandbox::call`].
    pub async fn add_script(&self, name: &str, source: String, interpreter: &Tool, sandbox: &Sandbox) -> Result<Tool> {
        check_name(name)?;
        let call = script::describe(interpreter, &source)?;
        let nothing = CallGrant {
            files: FileAccess::None,
            env: Arc::default(),
            limits: CallLimits::default(),
        };
        let outcome = sandbox.ask(interpreter, nothing, call)?.await?;
        let description = script::described(name, interpreter, &outcome)?;
        let script = Script::new(source, &description.functions);
        let script = script.map_err(|why| Error::new(Kind::InvalidInput, format!("the script {name:?}: {why}")))?;
        let tool = Tool::new(name, interpreter.program().clone(), Some(script), description)?;
        let registry = self.clone();
        blocking(move || registry.store(&tool)).await
    }

    fn store(&self, tool: &Tool) -> Result<Tool> {
        let is_same = |entry: &Entry| (entry.name.as_str(), entry.digest.0) == (tool.name(), tool.digest());
        let lock = Lock::take(&self.folder).map_err(failed)?;
        let mut index = Index::read(&self.folder)?;
        self.sweep(&index).map_err(failed)?;
        let before = index.tools.iter().find(|entry| is_same(entry));
        let entry = Entry {
            name: tool.name().to_owned(),
            digest: Digest(tool.digest()),
            interpreter: tool.interpreter().map(Digest),
            enabled: before.is_none_or(|entry| entry.enabled),
        };
        index.tools.retain(|entry| !is_same(entry));
        if index.tools.len() >= MAX_TOOLS {
            return Err(Error::new(
                Kind::Exhausted,
                format!("there are {MAX_TOOLS} tools, as many as there may be"),
            ));
        }
        let description = serde_json::to_vec(tool.description()).map_err(|error| failed(error.into()))?;
        let put = |file: &str, bytes: &[u8]| index::put(&self.folder, file, bytes).map_err(failed);
        // An interpreter is mostly there already, and large.
        if entry.interpreter.is_none() || !self.folder.is_file(entry.program_file()) {
            put(&entry.program_file(), &tool.program().bytes()?)?;
        }
        put(&entry.description_file(), &description)?;
        if let (Some(file), Some(source)) = (entry.script_file(), tool.source()) {
            put(&file, source.as_bytes())?;
        }
        index.tools.push(entry.clone());
        index.write(&self.folder).map_err(failed)?;
        self.lock().looked = None;
        drop(lock);
        self.load(&entry)
    }

    /// Removes what another process left behind that did not come to its end. The caller has the lock.
    fn sweep(&self, index: &Index) -> io::Result<()> {
        let kept: HashSet<String> = index.tools.iter().flat_map(Entry::files).collect();
        for entry in self.folder.entries()? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let is_content = [".wasm", ".json", ".script"]
                .iter()
                .any(|ending| name.ends_with(ending));
            if name.starts_with(".new-") || is_content && !kept.contains(&*name) {
                self.folder.remove_file(&*name)?;
            }
        }
        Ok(())
    }

    /// Every tool, in the order in which they were added.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where the list is damaged.
    pub fn list(&self) -> Result<Vec<ToolEntry>> {
        let known = self.known()?;
        let tools = &known.index.tools;
        let mut named = HashSet::new();
        let entry = |entry: &Entry| ToolEntry {
            name: entry.name.clone(),
            digest: entry.digest.0,
            current: named.insert(entry.name.clone()),
            enabled: entry.enabled,
        };
        let mut entries: Vec<ToolEntry> = tools.iter().rev().map(entry).collect();
        entries.reverse();
        Ok(entries)
    }

    /// The tool which `reference` stands for: `name`, or `name@digest`.
    ///
    /// # Errors
    /// [`Kind::NotFound`], with the nearest name; [`Kind::Conflict`] where it is disabled; [`Kind::Corrupt`] where what
    /// was stored is damaged.
    pub async fn get(&self, reference: &str) -> Result<Tool> {
        let entry = {
            if let Some(tool) = self.recent(reference) {
                return Ok(tool);
            }
            let mut known = self.known()?;
            if let Some(tool) = known.current.get(reference) {
                return Ok(tool.clone());
            }
            let entry = known.index.find(reference)?.clone();
            if !entry.enabled {
                return Err(Error::new(Kind::Conflict, format!("tool {reference:?} is disabled")));
            }
            if known.index.has_disabled_interpreter(&entry) {
                let message = format!("the interpreter of tool {reference:?} is disabled");
                return Err(Error::new(Kind::Conflict, message));
            }
            if let Some(tool) = known.tools.get(&entry).cloned() {
                if entry.name == reference {
                    known.current.insert(entry.name, tool.clone());
                }
                return Ok(tool);
            }
            entry
        };
        let registry = self.clone();
        blocking(move || registry.load(&entry)).await
    }

    fn load(&self, entry: &Entry) -> Result<Tool> {
        let name = &entry.name;
        let unread = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(Kind::NotFound, format!("the tool {name:?} was removed")),
            _ => damaged(name, &error.to_string()),
        };
        let digest = entry.interpreter.unwrap_or(entry.digest);
        let program = Program::stored(name, digest.0, &self.folder, entry.program_file()).map_err(unread)?;
        let description = self.folder.read(entry.description_file()).map_err(unread)?;
        let described = description.len();
        let description: Description =
            serde_json::from_slice(&description).map_err(|error| damaged(name, &error.to_string()))?;
        let script = entry.script_file().map(|file| {
            let source = self.folder.read_to_string(file).map_err(unread)?;
            let script = Script::new(source, &description.functions).map_err(|why| damaged(name, &why))?;
            match script.digest() == entry.digest.0 {
                true => Ok(script),
                false => Err(damaged(name, "the script is not what was added")),
            }
        });
        let tool = Tool::new(name, program, script.transpose()?, description)?;
        self.lock().keep(entry.clone(), tool.clone(), described);
        Ok(tool)
    }

    /// Removes what `reference` stands for: a name with all its versions, or one version. Calls which have begun go on.
    ///
    /// # Errors
    /// [`Kind::NotFound`], with the nearest name.
    pub async fn remove(&self, reference: &str) -> Result<()> {
        self.change(reference, |index, chosen| {
            index.tools.retain(|entry| !chosen.contains(entry));
        })
        .await
    }

    /// Has a tool take calls, or none, all versions of a name or one. Scripts take none either while their interpreter
    /// is disabled under each name that it has.
    ///
    /// # Errors
    /// [`Kind::NotFound`], with the nearest name.
    pub async fn set_enabled(&self, reference: &str, enabled: bool) -> Result<()> {
        self.change(reference, move |index, chosen| {
            let entries = index.tools.iter_mut().filter(|entry| chosen.contains(entry));
            entries.for_each(|entry| entry.enabled = enabled);
        })
        .await
    }

    async fn change(&self, reference: &str, change: impl FnOnce(&mut Index, &[Entry]) + Send + 'static) -> Result<()> {
        let (registry, reference) = (self.clone(), reference.to_owned());
        blocking(move || {
            let _lock = Lock::take(&registry.folder).map_err(failed)?;
            let mut index = Index::read(&registry.folder)?;
            let found = index.find(&reference)?.clone();
            let chosen: Vec<Entry> = match reference.contains('@') {
                true => vec![found],
                false => index
                    .tools
                    .iter()
                    .filter(|entry| entry.name == found.name)
                    .cloned()
                    .collect(),
            };
            change(&mut index, &chosen);
            index.write(&registry.folder).map_err(failed)?;
            registry.lock().looked = None;
            let kept: HashSet<String> = index.tools.iter().flat_map(Entry::files).collect();
            for file in chosen.iter().flat_map(Entry::files).filter(|file| !kept.contains(file)) {
                // It can be left behind without harm: nothing leads to it any more.
                let _ = registry.folder.remove_file(file);
            }
            Ok(())
        })
        .await
    }

    /// What `name` stood for a moment ago.
    fn recent(&self, name: &str) -> Option<Tool> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.looked.filter(|looked| *looked == tick())?;
        known.current.get(name).cloned()
    }

    /// What is known, read again if it has changed.
    fn known(&self) -> Result<RwLockWriteGuard<'_, Known>> {
        let now = tick();
        let mut known = self.lock();
        let version = Version::of(&self.folder).map_err(failed)?;
        if known.version != version {
            let index = Index::read(&self.folder)?;
            known.current.clear();
            let entries: HashSet<&Entry> = index.tools.iter().collect();
            known.tools.retain(|entry, _| entries.contains(entry));
            (known.version, known.index) = (version, index);
        }
        known.looked = Some(now);
        Ok(known)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Keeps a tool, and forgets all others where that would be too much: they are read again when they are of use.
    fn keep(&mut self, entry: Entry, tool: Tool, described: usize) {
        if self.described + described > MAX_DESCRIBED {
            self.tools.clear();
            self.current.clear();
            self.described = 0;
        }
        self.described += described;
        self.tools.insert(entry, tool);
    }
}

impl Index {
    /// Whether it is a script whose interpreter is there and disabled.
    fn has_disabled_interpreter(&self, script: &Entry) -> bool {
        let interpreters = || {
            self.tools
                .iter()
                .filter(|entry| Some(entry.digest) == script.interpreter)
        };
        interpreters().next().is_some() && interpreters().all(|entry| !entry.enabled)
    }

    fn find(&self, reference: &str) -> Result<&Entry> {
        let unclear = || {
            let message = format!("{:?} is no tool: give NAME or NAME@DIGEST", shown(reference, 200));
            Error::new(Kind::InvalidInput, message)
        };
        let (name, digest) = match reference.split_once('@') {
            Some((_, "")) => return Err(unclear()),
            _ if reference.len() > MAX_NAME + 1 + 64 => return Err(unclear()),
            Some((name, digest)) => (name, digest),
            None => (reference, ""),
        };
        let mut found = self.tools.iter().rev().filter(|entry| entry.name == name);
        let missing = || {
            let near = instead_of(name, self.tools.iter().map(|entry| entry.name.as_str()));
            Error::new(Kind::NotFound, format!("no tool {reference:?}{near}"))
        };
        if digest.is_empty() {
            return found.next().ok_or_else(missing);
        }
        let mut matching = found.filter(|entry| entry.digest.0.to_hex().starts_with(digest));
        let first = matching.next().ok_or_else(missing)?;
        match matching.next() {
            None => Ok(first),
            Some(_) => Err(Error::new(
                Kind::InvalidInput,
                format!("{reference:?} is the beginning of several digests: give more of it"),
            )),
        }
    }
}

pub(super) fn check_name(name: &str) -> Result<()> {
    if Tools::is_name(name) {
        return Ok(());
    }
    let name = shown(name, MAX_NAME);
    Err(Error::new(
        Kind::InvalidInput,
        format!("{name:?} is not a name for a tool: it has 1 to {MAX_NAME} characters of a-z, 0-9, - and _"),
    ))
}

fn failed(error: io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot use the registry of tools: {error}")).with_source(error)
}

fn damaged(name: &str, why: &str) -> Error {
    Error::new(
        Kind::Corrupt,
        format!("the tool {name:?} is damaged, add it again: {why}"),
    )
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(Kind::Internal, "the registry of tools failed").with_source(error))?
}
