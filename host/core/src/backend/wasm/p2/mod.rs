//! WASI preview 2 for components.
//!
//! Files, clocks, randomness, arguments and standard streams are palisade's own, straight over [`ProcessState`], so
//! that starting a call builds nothing. Streams, their polling and the rest of the sockets are wasmtime-wasi's.

#[expect(unreachable_pub, reason = "generated code names what is in it")]
mod bindings;
mod cli;
mod clocks;
#[expect(unreachable_pub, reason = "generated code names what is in it")]
mod descriptor;
#[expect(unreachable_pub, reason = "generated code names what is in it")]
mod error;
mod file_streams;
mod filesystem;
mod io;
mod random;
mod reports;
mod sockets;
mod stdio;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable, ResourceTableError};
use wasmtime_wasi::p2::bindings as wasi;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsCtx, WasiSocketsCtxView};
use wasmtime_wasi_io::bindings::wasi::io as wasi_io;

use super::ProcessState;
use crate::limits::Limit;

/// Resources of all kinds that one component holds at a time: descriptors, streams, pollables, errors.
///
/// It bounds what the host keeps for them, some hundred bytes each; files have the sandbox's limit of handles besides.
const MAX_RESOURCES: usize = 10_000;

/// Bytes that one call moves at most, and that the host holds for it.
const CHUNK: usize = 64 << 10;

/// One component's side of WASI: its process, and what it holds open.
pub(crate) struct State {
    pub process: ProcessState,
    pub table: ResourceTable,
    /// For interfaces which take sockets; made only if one is called, and it allows nothing.
    sockets: Option<WasiSocketsCtx>,
}

impl State {
    pub(crate) fn new(process: ProcessState) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            process,
            table,
            sockets: None,
        }
    }

    /// Keeps `resource` for the guest, or notes that it holds too many.
    fn push<R: Send + 'static>(&mut self, resource: R) -> Result<Resource<R>, ResourceTableError> {
        let pushed = self.table.push(resource);
        if matches!(pushed, Err(ResourceTableError::Full)) {
            self.process.refusals().hit(Limit::Handles);
        }
        pushed
    }

    /// Notes the limit if `error` is that the guest holds too many resources.
    fn note_full(&self, error: &wasmtime::Error) {
        if let Some(limit) = limit_of(error) {
            self.process.refusals().hit(limit);
        }
    }
}

/// The limit which ended a component with `error`, where wasmtime-wasi found it reached.
pub(crate) fn limit_of(error: &wasmtime::Error) -> Option<Limit> {
    match error.downcast_ref()? {
        ResourceTableError::Full => Some(Limit::Handles),
        _ => None,
    }
}

/// What a store holds for components, however much else it holds.
pub(crate) trait HasState: Send + 'static {
    /// Its state, for one host call, which this counts.
    fn p2(&mut self) -> &mut State;
}

impl HasState for State {
    fn p2(&mut self) -> &mut State {
        self.process.meter().count_call();
        self
    }
}

/// Adds all of `wasi:cli/imports`, in every 0.2 version, and what tools report by.
pub(crate) fn add_to_linker<T: HasState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    add_io(linker)?;
    add_process(linker)?;
    add_sockets(linker)?;
    reports::add_to_linker(linker)?;
    bindings::types::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    bindings::preopens::add_to_linker::<T, HasSelf<State>>(linker, T::p2)
}

fn add_io<T: HasState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wasi_io::error::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi_io::poll::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi_io::streams::add_to_linker::<T, HasSelf<ResourceTable>>(linker, |data| &mut data.p2().table)
}

fn add_process<T: HasState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wasi::clocks::wall_clock::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::clocks::monotonic_clock::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::random::random::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::random::insecure::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::random::insecure_seed::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::exit::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::environment::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::stdin::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::stdout::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::stderr::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::terminal_input::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::terminal_output::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::terminal_stdin::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::terminal_stdout::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::cli::terminal_stderr::add_to_linker::<T, HasSelf<State>>(linker, T::p2)
}

fn add_sockets<T: HasState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wasi::sockets::tcp_create_socket::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::sockets::udp_create_socket::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    wasi::sockets::ip_name_lookup::add_to_linker::<T, HasSelf<State>>(linker, T::p2)?;
    let options = wasi::sockets::network::LinkOptions::default();
    wasi::sockets::network::add_to_linker::<T, HasSelf<State>>(linker, &options, T::p2)?;
    wasi::sockets::instance_network::add_to_linker::<T, WasiSockets>(linker, no_sockets)?;
    wasi::sockets::tcp::add_to_linker::<T, WasiSockets>(linker, no_sockets)?;
    wasi::sockets::udp::add_to_linker::<T, WasiSockets>(linker, no_sockets)
}

fn no_sockets<T: HasState>(data: &mut T) -> WasiSocketsCtxView<'_> {
    let state = data.p2();
    WasiSocketsCtxView {
        ctx: state.sockets.get_or_insert_default(),
        table: &mut state.table,
    }
}
