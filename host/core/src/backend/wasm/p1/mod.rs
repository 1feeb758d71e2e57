//! WASI preview 1 for core modules, over the sandbox's own files, streams and clocks.
//!
//! | module | functions |
//! | --- | --- |
//! | [`process`] | arguments, environment, clocks, randomness, exit |
//! | [`stream`] | reading and writing |
//! | [`descriptor`] | what a descriptor is, its flags, rights, size and times |
//! | [`path`] | everything that takes a path |
//! | [`listing`] | the entries of a directory |
//! | [`poll`] | waiting for clocks, streams and files |
//! | [`socket`] | sockets, of which there are none |
//!
//! A guest is hostile: every pointer and length is checked against its memory by [`Memory`], and a wrong one is an errno.
//! A program must export its memory as `memory`, as the ABI demands; without it every pointer is `EFAULT`.

mod descriptor;
mod error;
mod layout;
mod listing;
mod memory;
mod path;
mod poll;
mod process;
mod rights;
mod socket;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use wasmtime::{Caller, Extern, Linker};

use super::ProcessState;
use crate::backend::Stop;
use crate::workspace::FsResult;

use memory::Memory;
use table::Descriptors;

pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// How many bytes a call moves before it lets other tasks run, so that a deadline holds within a host call too.
const YIELD_AFTER: usize = 1 << 20;

/// What a store of one program holds.
pub(crate) struct State {
    pub process: ProcessState,
    descriptors: Descriptors,
    /// The program's memory once it was looked up, which takes ten times as long as a call that only uses it.
    memory: Option<wasmtime::Memory>,
}

impl State {
    /// Fails where the sandbox has no handles left for the preopened directories.
    pub(crate) fn new(process: ProcessState) -> FsResult<Self> {
        let descriptors = Descriptors::new(&process)?;
        Ok(Self {
            process,
            descriptors,
            memory: None,
        })
    }
}

/// One host call: the memory of its guest, and all that it may reach.
struct Call<'a> {
    memory: Memory<'a>,
    process: &'a mut ProcessState,
    descriptors: &'a mut Descriptors,
}

impl<'a> Call<'a> {
    fn enter<T: 'static>(caller: &'a mut Caller<'_, T>, get: fn(&mut T) -> &mut State) -> Self {
        let (bytes, data) = match find_memory(caller, get) {
            Some(memory) => memory.data_and_store_mut(caller),
            None => (Default::default(), caller.data_mut()),
        };
        let State {
            process, descriptors, ..
        } = get(data);
        process.meter().count_call();
        Self {
            memory: Memory::new(bytes),
            process,
            descriptors,
        }
    }
}

/// A store holds one program, so that the first memory found is the one of every call.
fn find_memory<T: 'static>(caller: &mut Caller<'_, T>, get: fn(&mut T) -> &mut State) -> Option<wasmtime::Memory> {
    let known = get(caller.data_mut()).memory;
    known.or_else(|| {
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
            return None;
        };
        get(caller.data_mut()).memory = Some(memory);
        Some(memory)
    })
}

/// Defines functions which never wait.
macro_rules! at_once {
    ($linker:ident, $get:ident: $($module:ident::$name:ident($($argument:ident: $type:ty),*);)*) => {$(
        $linker.func_wrap(
            MODULE,
            stringify!($name),
            move |mut caller: Caller<'_, T>, $($argument: $type),*| {
                error::finish($module::$name(&mut Call::enter(&mut caller, $get), $($argument),*))
            },
        )?;
    )*};
}

/// Defines functions which may wait, or which let other tasks run in between.
macro_rules! may_wait {
    ($linker:ident, $get:ident: $($module:ident::$name:ident($($argument:ident: $type:ty),*);)*) => {$(
        $linker.func_wrap_async(
            MODULE,
            stringify!($name),
            move |mut caller: Caller<'_, T>, ($($argument,)*): ($($type,)*)| {
                Box::new(async move {
                    let mut call = Call::enter(&mut caller, $get);
                    error::finish($module::$name(&mut call, $($argument),*).await)
                })
            },
        )?;
    )*};
}

/// Defines all of preview 1; `get` finds its state in what else the store holds. The store must be used asynchronously.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    at_once! { linker, get:
        process::args_get(pointers: u32, buffer: u32);
        process::args_sizes_get(count: u32, size: u32);
        process::environ_get(pointers: u32, buffer: u32);
        process::environ_sizes_get(count: u32, size: u32);
        process::clock_res_get(clock: u32, resolution: u32);
        process::clock_time_get(clock: u32, precision: u64, time: u32);
        process::proc_raise(signal: u32);
        descriptor::fd_advise(fd: u32, offset: u64, length: u64, advice: u32);
        descriptor::fd_allocate(fd: u32, offset: u64, length: u64);
        descriptor::fd_close(fd: u32);
        descriptor::fd_fdstat_get(fd: u32, stat: u32);
        descriptor::fd_fdstat_set_flags(fd: u32, flags: u32);
        descriptor::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
        descriptor::fd_filestat_get(fd: u32, stat: u32);
        descriptor::fd_filestat_set_size(fd: u32, size: u64);
        descriptor::fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32);
        descriptor::fd_prestat_get(fd: u32, prestat: u32);
        descriptor::fd_prestat_dir_name(fd: u32, name: u32, length: u32);
        descriptor::fd_renumber(from: u32, to: u32);
        descriptor::fd_seek(fd: u32, offset: i64, whence: u32, position: u32);
        descriptor::fd_tell(fd: u32, position: u32);
        path::path_create_directory(fd: u32, path: u32, length: u32);
        path::path_filestat_get(fd: u32, lookup: u32, path: u32, length: u32, stat: u32);
        path::path_filestat_set_times(
            fd: u32, lookup: u32, path: u32, length: u32, accessed: u64, modified: u64, flags: u32
        );
        path::path_link(
            from_fd: u32, lookup: u32, from: u32, from_length: u32, to_fd: u32, to: u32, to_length: u32
        );
        path::path_open(
            fd: u32, lookup: u32, path: u32, length: u32, open: u32, base: u64, inheriting: u64, flags: u32, opened: u32
        );
        path::path_readlink(fd: u32, path: u32, length: u32, buffer: u32, room: u32, used: u32);
        path::path_remove_directory(fd: u32, path: u32, length: u32);
        path::path_rename(from_fd: u32, from: u32, from_length: u32, to_fd: u32, to: u32, to_length: u32);
        path::path_symlink(target: u32, target_length: u32, fd: u32, path: u32, length: u32);
        path::path_unlink_file(fd: u32, path: u32, length: u32);
        socket::sock_accept(fd: u32, flags: u32, accepted: u32);
        socket::sock_recv(fd: u32, list: u32, count: u32, flags: u32, received: u32, out_flags: u32);
        socket::sock_send(fd: u32, list: u32, count: u32, flags: u32, sent: u32);
        socket::sock_shutdown(fd: u32, how: u32);
    }
    may_wait! { linker, get:
        descriptor::fd_datasync(fd: u32);
        descriptor::fd_sync(fd: u32);
        listing::fd_readdir(fd: u32, buffer: u32, length: u32, cookie: u64, used: u32);
        stream::fd_read(fd: u32, list: u32, count: u32, moved: u32);
        stream::fd_pread(fd: u32, list: u32, count: u32, offset: u64, moved: u32);
        stream::fd_write(fd: u32, list: u32, count: u32, moved: u32);
        stream::fd_pwrite(fd: u32, list: u32, count: u32, offset: u64, moved: u32);
        poll::poll_oneoff(subscriptions: u32, events: u32, count: u32, happened: u32);
        process::random_get(buffer: u32, length: u32);
        process::sched_yield();
    }
    linker.func_wrap(MODULE, "proc_exit", |code: u32| -> wasmtime::Result<()> {
        let [code, ..] = code.to_le_bytes();
        Err(Stop::Exit(code).into())
    })?;
    Ok(())
}
