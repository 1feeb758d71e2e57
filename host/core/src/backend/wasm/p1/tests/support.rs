//! A guest whose every import can be called from a test.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Engine, ExternType, Instance, Linker, Memory, Module, Store, Val, ValType};

use super::super::rights::Rights;
use super::super::{MODULE, State, add_to_linker};
use crate::Program;
use crate::backend::wasm::ProcessState;
use crate::backend::wasm::clocks::{Clocks, LazyClocks};
use crate::backend::{Job, Meter, Stop, Work};
use crate::events::Reports;
use crate::limits::Counter;
use crate::record::Record;
use crate::stdio::{Device, GuestInput, Output, Stdin};
use crate::workspace::{Budgets, Mount, Source, Workspace};

pub(super) const SUCCESS: u64 = 0;
pub(super) const BADF: u64 = 8;
pub(super) const EFAULT: u64 = 21;
pub(super) const INVAL: u64 = 28;
pub(super) const NOT_CAPABLE: u64 = 76;

/// Everything that can be done with a file.
pub(super) const ALL_OF_A_FILE: u64 = Rights::FILE.bits();

/// What the guest's clock of the day says.
pub(super) const WALL: Duration = Duration::from_secs(1_700_000_000);

/// Where a test keeps lists and paths, out of the way of results at low addresses.
const LISTS: u64 = 1 << 20;
const CONTENT: u64 = 2 << 20;

pub(super) const MEMORY: u64 = 16 << 20;

struct FixedClocks;

impl Clocks for FixedClocks {
    fn wall(&self) -> Duration {
        WALL
    }

    fn monotonic(&self) -> u64 {
        5_000_000_000
    }

    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }
}

pub(super) struct Guest {
    store: Store<State>,
    instance: Instance,
    memory: Option<Memory>,
    directory: tempfile::TempDir,
    handles: Arc<Counter>,
    record: Arc<Record>,
}

pub(super) struct Placed {
    pub(super) at: u64,
    pub(super) length: u64,
}

pub(super) struct List {
    pub(super) at: u64,
    pub(super) count: u64,
}

pub(super) struct Listed {
    pub(super) entries: Vec<Entry>,
    pub(super) used: u64,
}

pub(super) struct Entry {
    pub(super) name: String,
    pub(super) next: u64,
}

pub(super) struct Event {
    pub(super) userdata: u64,
    pub(super) error: u16,
    pub(super) bytes: u64,
}

impl Guest {
    pub(super) fn new() -> Self {
        Self::with_input(b"")
    }

    pub(super) fn with_input(input: &[u8]) -> Self {
        Self::launch(input, "(export \"memory\")")
    }

    pub(super) fn without_memory() -> Self {
        Self::launch(b"", "")
    }

    fn launch(input: &[u8], memory: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let handles = Counter::new(64);
        let workspace = workspace(&directory, &handles);
        let (record, _) = Record::new(
            (Output::Capture, Device::Stream),
            (Output::Capture, Device::Stream),
            1 << 20,
        );
        let mut process = ProcessState::new(Box::new(Job {
            program: Program::from_bytes("test", &b"\0asm\x01\0\0\0"[..]).unwrap(),
            work: Work::Run,
            name: "test".into(),
            args: Vec::new(),
            env: Vec::new(),
            workspace,
            stdin: GuestInput::new(Stdin::Bytes(input.to_vec()), Device::Stream),
            clocks: Default::default(),
            random: Default::default(),
            metering: Default::default(),
            nans: Default::default(),
            fuel: None,
            max_memory: u64::MAX,
            max_answer: u64::MAX,
            record: Arc::clone(&record),
            reports: Reports::to_nobody(),
        }));
        process.clocks = LazyClocks::from(Box::new(FixedClocks) as Box<dyn Clocks>);
        let state = State::new(process).unwrap();
        let engine = Engine::default();
        let mut store = Store::new(&engine, state);
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, |state| state).unwrap();
        let module = Module::new(&engine, caller_of_everything(&linker, &mut store, memory)).unwrap();
        let instance = futures_now(linker.instantiate_async(&mut store, &module)).unwrap();
        let memory = instance.get_memory(&mut store, "memory");
        Self {
            store,
            instance,
            memory,
            directory,
            handles,
            record,
        }
    }

    pub(super) fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.record.meter
    }

    pub(super) fn handles_open(&self) -> u64 {
        self.handles.used()
    }

    pub(super) fn host_path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn output(&self) -> (Vec<u8>, Vec<u8>) {
        self.record.outputs.take_captured()
    }

    /// Calls an import with numbers which fit its parameters; the errno it gives.
    pub(super) async fn try_call(&mut self, name: &str, arguments: &[u64]) -> Result<u64, Stop> {
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let ty = function.ty(&self.store);
        assert_eq!(ty.params().len(), arguments.len(), "arguments of {name}");
        let arguments: Vec<Val> = ty
            .params()
            .zip(arguments)
            .map(|(ty, value)| match ty {
                ValType::I32 => Val::I32(u32::try_from(*value).unwrap() as i32),
                _ => Val::I64(*value as i64),
            })
            .collect();
        let mut results = vec![Val::I32(0); ty.results().len()];
        function
            .call_async(&mut self.store, &arguments, &mut results)
            .await
            .map_err(|trap| trap.downcast::<Stop>().expect("only a stop ends a guest"))?;
        Ok(results.first().map_or(0, |errno| errno.unwrap_i32() as u64))
    }

    pub(super) async fn call(&mut self, name: &str, arguments: &[u64]) -> u64 {
        self.try_call(name, arguments).await.unwrap()
    }

    pub(super) async fn ok(&mut self, name: &str, arguments: &[u64]) {
        assert_eq!(self.call(name, arguments).await, SUCCESS, "{name} {arguments:?}");
    }

    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) {
        self.memory.unwrap().write(&mut self.store, at as usize, bytes).unwrap();
    }

    pub(super) fn bytes(&self, at: u64, length: u64) -> Vec<u8> {
        self.memory.unwrap().data(&self.store)[at as usize..][..length as usize].to_vec()
    }

    pub(super) fn u32(&self, at: u64) -> u64 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().unwrap()).into()
    }

    pub(super) fn u64(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().unwrap())
    }

    pub(super) fn put_path(&mut self, path: &str) -> Placed {
        self.put(LISTS, path.as_bytes());
        Placed {
            at: LISTS,
            length: path.len() as u64,
        }
    }

    /// A list of buffers of these lengths, one behind the other.
    pub(super) fn scatter(&mut self, lengths: &[u64]) -> List {
        let mut content = CONTENT;
        let mut list = Vec::new();
        for length in lengths {
            list.extend((content as u32).to_le_bytes());
            list.extend((*length as u32).to_le_bytes());
            content += length;
        }
        self.put(LISTS, &list);
        List {
            at: LISTS,
            count: lengths.len() as u64,
        }
    }

    /// A list of buffers with this content.
    pub(super) fn gather(&mut self, parts: &[&[u8]]) -> List {
        self.put(CONTENT, &parts.concat());
        self.scatter(&parts.iter().map(|part| part.len() as u64).collect::<Vec<_>>())
    }

    pub(super) async fn write(&mut self, fd: u64, parts: &[&[u8]]) -> u64 {
        let list = self.gather(parts);
        self.ok("fd_write", &[fd, list.at, list.count, 0]).await;
        self.u32(0)
    }

    /// What arrived in buffers of these lengths; the last one is cut off where nothing more came.
    pub(super) async fn read(&mut self, fd: u64, lengths: &[u64]) -> Vec<Vec<u8>> {
        let list = self.scatter(lengths);
        self.ok("fd_read", &[fd, list.at, list.count, 0]).await;
        let mut left = self.u32(0);
        let mut at = CONTENT;
        let part = |length: &u64| {
            let part = self.bytes(at, left.min(*length));
            at += length;
            left -= part.len() as u64;
            part
        };
        lengths.iter().map(part).collect()
    }

    pub(super) async fn try_open(&mut self, path: &str, flags: u64, rights: u64) -> Result<u64, u64> {
        let path = self.put_path(path);
        match self
            .call("path_open", &[3, 0, path.at, path.length, flags, rights, 0, 0, 0])
            .await
        {
            SUCCESS => Ok(self.u32(0)),
            errno => Err(errno),
        }
    }

    pub(super) async fn open(&mut self, path: &str, flags: u64, rights: u64) -> u64 {
        self.try_open(path, flags, rights).await.unwrap()
    }

    /// The whole entries of one `fd_readdir`.
    pub(super) async fn list(&mut self, fd: u64, room: u64, cookie: u64) -> Listed {
        self.ok("fd_readdir", &[fd, CONTENT, room, cookie, 0]).await;
        let used = self.u32(0);
        let mut at = CONTENT;
        let mut entries = Vec::new();
        while at + 24 <= CONTENT + used && at + 24 + self.u32(at + 16) <= CONTENT + used {
            let length = self.u32(at + 16);
            let name = String::from_utf8(self.bytes(at + 24, length)).unwrap();
            entries.push(Entry {
                name,
                next: self.u64(at),
            });
            at += 24 + length;
        }
        Listed { entries, used }
    }

    pub(super) async fn poll(&mut self, subscriptions: &[[u8; 48]]) -> Vec<Event> {
        self.put(LISTS, &subscriptions.concat());
        self.ok("poll_oneoff", &[LISTS, CONTENT, subscriptions.len() as u64, 0])
            .await;
        let event = |index: u64| {
            let at = CONTENT + index * 32;
            let error = u16::try_from(self.u32(at + 8) & 0xffff).unwrap();
            Event {
                userdata: self.u64(at),
                error,
                bytes: self.u64(at + 16),
            }
        };
        (0..self.u32(0)).map(event).collect()
    }
}

/// A subscription to a relative time-out.
pub(super) fn clock(userdata: u64, clock: u32, timeout: u64) -> [u8; 48] {
    let mut subscription = [0; 48];
    subscription[..8].copy_from_slice(&userdata.to_le_bytes());
    subscription[16..20].copy_from_slice(&clock.to_le_bytes());
    subscription[24..32].copy_from_slice(&timeout.to_le_bytes());
    subscription
}

/// A subscription to reading (1) or writing (2).
pub(super) fn stream(userdata: u64, tag: u8, fd: u64) -> [u8; 48] {
    let mut subscription = [0; 48];
    subscription[..8].copy_from_slice(&userdata.to_le_bytes());
    subscription[8] = tag;
    subscription[16..20].copy_from_slice(&(fd as u32).to_le_bytes());
    subscription
}

/// A module which exports a function for each function of the linker, and calls it from within.
fn caller_of_everything(linker: &Linker<State>, store: &mut Store<State>, memory: &str) -> Vec<u8> {
    let imports: Vec<_> = linker
        .iter(&mut *store)
        .map(|(_, name, item)| (name.to_owned(), item))
        .collect();
    let (mut head, mut body) = (String::new(), String::new());
    for (name, item) in imports {
        let ExternType::Func(ty) = item.ty(&*store) else {
            panic!("{name} is no function")
        };
        let parameters: String = ty.params().map(|ty| format!(" {ty}")).collect();
        let results: String = ty.results().map(|ty| format!(" {ty}")).collect();
        let signature = format!("(param{parameters}) (result{results})");
        writeln!(head, "(import \"{MODULE}\" \"{name}\" (func ${name} {signature}))").unwrap();
        let arguments: String = (0..ty.params().len()).map(|at| format!("local.get {at} ")).collect();
        writeln!(body, "(func (export \"{name}\") {signature} {arguments} call ${name})").unwrap();
    }
    let pages = MEMORY >> 16;
    wat::parse_str(format!("(module {head} (memory {memory} {pages}) {body})")).unwrap()
}

/// Runs a future which has no reason to wait.
fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("instantiation waited"),
    }
}

fn workspace(directory: &tempfile::TempDir, handles: &Arc<Counter>) -> Workspace {
    let host = cap_std::fs::Dir::open_ambient_dir(directory.path(), cap_std::ambient_authority()).unwrap();
    let mount = Mount {
        at: "/".parse().unwrap(),
        access: palisade_policy::Access::ReadWrite,
        source: Source::Host(std::sync::Arc::new(host.into())),
    };
    let budgets = Budgets {
        disk: Counter::new(1 << 30),
        files: Counter::new(10_000),
        handles: Arc::clone(handles),
        memory: Counter::new(1 << 30),
    };
    Workspace::new(vec![mount], budgets).unwrap()
}
