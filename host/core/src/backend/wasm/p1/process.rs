//! Arguments, environment, clocks and randomness of a process.

use super::error::Result;
use super::layout::nanoseconds;
use super::{Call, YIELD_AFTER};
use crate::workspace::Errno;

/// Clocks of the ABI; the two which count processor time are not offered.
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;

/// Bytes of randomness made at one time.
const RANDOM_CHUNK: usize = 64 << 10;

pub(super) fn args_get(call: &mut Call<'_>, pointers: u32, buffer: u32) -> Result {
    let args: Vec<[&str; 1]> = call.process.args().map(|argument| [argument]).collect();
    let written = put_strings(&mut call.memory, &args, pointers, buffer)?;
    call.process.meter().charge_bytes(written);
    Ok(())
}

pub(super) fn args_sizes_get(call: &mut Call<'_>, count: u32, size: u32) -> Result {
    let (args, bytes) = (call.process.args().count(), call.process.args_bytes());
    put_sizes(call, count, size, args, bytes)
}

pub(super) fn environ_get(call: &mut Call<'_>, pointers: u32, buffer: u32) -> Result {
    let variables: Vec<[&str; 3]> = call
        .process
        .job
        .env
        .iter()
        .map(|(name, value)| [name.as_str(), "=", value.as_str()])
        .collect();
    let written = put_strings(&mut call.memory, &variables, pointers, buffer)?;
    call.process.meter().charge_bytes(written);
    Ok(())
}

pub(super) fn environ_sizes_get(call: &mut Call<'_>, count: u32, size: u32) -> Result {
    put_sizes(call, count, size, call.process.job.env.len(), call.process.env_bytes())
}

fn put_sizes(call: &mut Call<'_>, count: u32, size: u32, strings: usize, bytes: usize) -> Result {
    call.memory
        .put_u32(count, u32::try_from(strings).map_err(|_| Errno::OVERFLOW)?)?;
    call.memory
        .put_u32(size, u32::try_from(bytes).map_err(|_| Errno::OVERFLOW)?)
}

/// Puts strings, each made of parts and ended by a zero, into `buffer`, and where each begins into `pointers`.
fn put_strings<const N: usize>(
    memory: &mut super::Memory<'_>,
    strings: &[[&str; N]],
    mut pointers: u32,
    buffer: u32,
) -> Result<usize> {
    let mut end = buffer;
    for parts in strings {
        memory.put_u32(pointers, end)?;
        pointers = pointers.checked_add(4).ok_or(Errno::FAULT)?;
        for part in parts.iter().chain(&["\0"]) {
            memory.put(end, part.as_bytes())?;
            end = u32::try_from(part.len())
                .ok()
                .and_then(|part| end.checked_add(part))
                .ok_or(Errno::FAULT)?;
        }
    }
    Ok((end - buffer) as usize)
}

pub(super) fn clock_res_get(call: &mut Call<'_>, clock: u32, resolution: u32) -> Result {
    if !matches!(clock, REALTIME | MONOTONIC) {
        return Err(Errno::INVAL.into());
    }
    let nanoseconds = nanoseconds(call.process.clocks.resolution()).max(1);
    call.memory.put_u64(resolution, nanoseconds)
}

pub(super) fn clock_time_get(call: &mut Call<'_>, clock: u32, _precision: u64, time: u32) -> Result {
    let now = match clock {
        REALTIME => nanoseconds(call.process.clocks.wall()),
        MONOTONIC => call.process.clocks.monotonic(),
        _ => return Err(Errno::INVAL.into()),
    };
    call.memory.put_u64(time, now)
}

pub(super) async fn random_get(call: &mut Call<'_>, buffer: u32, length: u32) -> Result {
    let bytes = call.memory.bytes_mut(buffer, length)?;
    call.process.meter().charge_bytes(bytes.len());
    for part in bytes.chunks_mut(YIELD_AFTER) {
        for chunk in part.chunks_mut(RANDOM_CHUNK) {
            call.process.random.get().fill_bytes(chunk);
        }
        if part.len() == YIELD_AFTER {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

pub(super) async fn sched_yield(_call: &mut Call<'_>) -> Result {
    tokio::task::yield_now().await;
    Ok(())
}

/// There are no signals.
pub(super) fn proc_raise(_call: &mut Call<'_>, _signal: u32) -> Result {
    Err(Errno::NOTSUP.into())
}
