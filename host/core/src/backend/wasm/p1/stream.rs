//! Reading and writing of files and standard streams.
//!
//! A call moves as much as it can: it stops early at the end of a file, when a stream has no more for now, and when
//! something fails after part of it was moved.

use std::ops::ControlFlow;

use super::error::{Error, Result};
use super::memory::{Buffers, Memory};
use super::rights::Rights;
use super::table::{Descriptor, Flags, Object};
use super::{Call, YIELD_AFTER};
use crate::backend::Meter;
use crate::backend::wasm::ProcessState;
use crate::stdio::{GuestInput, GuestOutput, Wrote};
use crate::workspace::{Errno, File, Sync};

/// A file that gives or takes fewer bytes than asked for, and fewer than these, has come to its end or its limit. It
/// handles more than these only in parts.
const WHOLE: usize = 64 << 10;

pub(super) async fn fd_read(call: &mut Call<'_>, fd: u32, list: u32, count: u32, moved: u32) -> Result {
    let (memory, process, descriptor, mut buffers) = begin(call, fd, list, count, moved, Rights::FD_READ)?;
    match &mut descriptor.object {
        Object::Stdin => read_stream(memory, &process.job.stdin, &mut buffers, descriptor.flags).await?,
        Object::File { file, position } => {
            read_file(memory, file, &mut buffers, *position).await?;
            *position = position.saturating_add(buffers.moved().into());
        }
        Object::Stdout | Object::Stderr | Object::Directory { .. } => {
            return Err(Errno::BADF.into());
        }
    }
    finish_read(memory, process, &buffers, moved)
}

pub(super) async fn fd_pread(call: &mut Call<'_>, fd: u32, list: u32, count: u32, offset: u64, moved: u32) -> Result {
    let (memory, process, descriptor, mut buffers) = begin(call, fd, list, count, moved, Rights::FD_READ)?;
    read_file(memory, positioned(&descriptor.object)?, &mut buffers, offset).await?;
    finish_read(memory, process, &buffers, moved)
}

pub(super) async fn fd_write(call: &mut Call<'_>, fd: u32, list: u32, count: u32, moved: u32) -> Result {
    let (memory, process, descriptor, mut buffers) = begin(call, fd, list, count, moved, Rights::FD_WRITE)?;
    let flags = descriptor.flags;
    match &mut descriptor.object {
        Object::Stdout => {
            write_stream(memory, process.outputs().stdout(), &mut buffers, flags, process.meter()).await?;
        }
        Object::Stderr => {
            write_stream(memory, process.outputs().stderr(), &mut buffers, flags, process.meter()).await?;
        }
        Object::File { file, position } => {
            let place = if flags.contains(Flags::APPEND) {
                Place::End
            } else {
                Place::At(*position)
            };
            *position = write_file(memory, file, &mut buffers, place, process.meter()).await?;
            sync(file, flags).await?;
        }
        Object::Stdin | Object::Directory { .. } => return Err(Errno::BADF.into()),
    }
    memory.put_u32(moved, buffers.moved())
}

/// Writes at `offset` even where the descriptor appends, as POSIX has it.
pub(super) async fn fd_pwrite(call: &mut Call<'_>, fd: u32, list: u32, count: u32, offset: u64, moved: u32) -> Result {
    let (memory, process, descriptor, mut buffers) = begin(call, fd, list, count, moved, Rights::FD_WRITE)?;
    let file = positioned(&descriptor.object)?;
    write_file(memory, file, &mut buffers, Place::At(offset), process.meter()).await?;
    sync(file, descriptor.flags).await?;
    memory.put_u32(moved, buffers.moved())
}

/// Checks everything that can be checked before the first byte moves, and gives what moving takes.
fn begin<'c, 'm>(
    call: &'c mut Call<'m>,
    fd: u32,
    list: u32,
    count: u32,
    moved: u32,
    right: Rights,
) -> Result<(&'c mut Memory<'m>, &'c mut ProcessState, &'c mut Descriptor, Buffers)> {
    let descriptor = call.descriptors.get_mut(fd)?;
    descriptor.require(right)?;
    call.memory.check(moved, 4)?;
    let buffers = call.memory.buffers(list, count)?;
    Ok((&mut call.memory, call.process, descriptor, buffers))
}

fn finish_read(memory: &mut Memory<'_>, process: &mut ProcessState, buffers: &Buffers, moved: u32) -> Result {
    process.meter().count_read(buffers.moved() as usize);
    memory.put_u32(moved, buffers.moved())
}

fn positioned(object: &Object) -> Result<&File> {
    match object {
        Object::File { file, .. } => Ok(file),
        Object::Directory { .. } => Err(Errno::BADF.into()),
        Object::Stdin | Object::Stdout | Object::Stderr => Err(Errno::SPIPE.into()),
    }
}

/// Where a write goes.
#[derive(Clone, Copy)]
enum Place {
    At(u64),
    End,
}

async fn read_file(memory: &mut Memory<'_>, file: &File, buffers: &mut Buffers, offset: u64) -> Result {
    let mut pace = Pace::default();
    while let Some(target) = buffers.target(memory)? {
        let wanted = target.len();
        let place = offset.saturating_add(buffers.moved().into());
        let ControlFlow::Continue(read) = step(file.read_at(target, place), buffers)? else {
            break;
        };
        if read == 0 || (read < wanted && read < WHOLE) {
            break;
        }
        pace.moved(read).await;
    }
    Ok(())
}

/// The position after what was written. It is counted as it goes, for the call may not come to its end.
async fn write_file(
    memory: &Memory<'_>,
    file: &File,
    buffers: &mut Buffers,
    mut place: Place,
    meter: &Meter,
) -> Result<u64> {
    let mut pace = Pace::default();
    let mut end = match place {
        Place::At(offset) => offset,
        Place::End => 0,
    };
    while let Some(source) = buffers.source(memory)? {
        let written = match place {
            Place::At(offset) => file
                .write_at(source, offset)
                .map(|written| (written, offset + written as u64)),
            Place::End => file.append(source),
        };
        let after = written.map(|(_, after)| after);
        let ControlFlow::Continue(written) = step(written.map(|(written, _)| written), buffers)? else {
            break;
        };
        if written == 0 {
            break;
        }
        meter.count_written(written);
        if let Ok(after) = after {
            end = after;
        }
        if let Place::At(offset) = &mut place {
            *offset = end;
        }
        pace.moved(written).await;
    }
    Ok(end)
}

/// Counts what was moved. A failure after the first bytes ends the call with those.
fn step(moved: Result<usize, Errno>, buffers: &mut Buffers) -> Result<ControlFlow<(), usize>> {
    match moved {
        Ok(bytes) => {
            buffers.advance(bytes);
            Ok(ControlFlow::Continue(bytes))
        }
        Err(_) if buffers.moved() > 0 => Ok(ControlFlow::Break(())),
        Err(errno) => Err(errno.into()),
    }
}

async fn sync(file: &File, flags: Flags) -> Result {
    if flags.contains(Flags::SYNC) {
        file.sync(Sync::All).await?;
    } else if flags.contains(Flags::DSYNC) {
        file.sync(Sync::Data).await?;
    }
    Ok(())
}

/// Waits for the first byte only.
async fn read_stream(memory: &mut Memory<'_>, input: &GuestInput, buffers: &mut Buffers, flags: Flags) -> Result {
    let mut pace = Pace::default();
    while let Some(target) = buffers.target(memory)? {
        match input.try_read(target) {
            Some(0) => break,
            Some(read) => {
                buffers.advance(read);
                pace.moved(read).await;
            }
            None if buffers.moved() > 0 => break,
            None if flags.contains(Flags::NONBLOCK) => return Err(Errno::AGAIN.into()),
            None => input.ready().await,
        }
    }
    Ok(())
}

/// Waits until all is written, as a pipe does. It is counted as it goes, for a limit may end it.
async fn write_stream(
    memory: &Memory<'_>,
    output: GuestOutput<'_>,
    buffers: &mut Buffers,
    flags: Flags,
    meter: &Meter,
) -> Result {
    let mut pace = Pace::default();
    while let Some(source) = buffers.source(memory)? {
        match output.try_write(source).map_err(Error::from)? {
            Wrote::Bytes(0) if flags.contains(Flags::NONBLOCK) && buffers.moved() > 0 => break,
            Wrote::Bytes(0) if flags.contains(Flags::NONBLOCK) => return Err(Errno::AGAIN.into()),
            Wrote::Bytes(0) => output.ready().await,
            Wrote::Bytes(written) => {
                buffers.advance(written);
                meter.count_written(written);
                pace.moved(written).await;
            }
            Wrote::Closed if buffers.moved() > 0 => break,
            Wrote::Closed => return Err(Errno::PIPE.into()),
        }
    }
    Ok(())
}

/// Lets other tasks run every so many bytes.
#[derive(Default)]
struct Pace {
    since: usize,
}

impl Pace {
    async fn moved(&mut self, bytes: usize) {
        self.since += bytes;
        if self.since >= YIELD_AFTER {
            self.since = 0;
            tokio::task::yield_now().await;
        }
    }
}
