//! Sockets, of which there are none: a sandbox has no network.

use palisade_policy::Denial;

use super::Call;
use super::error::Result;
use crate::workspace::Errno;

/// Programs which serve a socket that their host opened for them begin here.
pub(super) fn sock_accept(call: &mut Call<'_>, fd: u32, _flags: u32, _accepted: u32) -> Result {
    call.process.refusals().deny(Denial {
        rule: "network".into(),
        asked: format!("accept a connection on descriptor {fd}"),
        smallest_grant: "none: network is off".into(),
    });
    not_a_socket(call, fd)
}

pub(super) fn sock_recv(
    call: &mut Call<'_>,
    fd: u32,
    _list: u32,
    _count: u32,
    _flags: u32,
    _received: u32,
    _out_flags: u32,
) -> Result {
    not_a_socket(call, fd)
}

pub(super) fn sock_send(call: &mut Call<'_>, fd: u32, _list: u32, _count: u32, _flags: u32, _sent: u32) -> Result {
    not_a_socket(call, fd)
}

pub(super) fn sock_shutdown(call: &mut Call<'_>, fd: u32, _how: u32) -> Result {
    not_a_socket(call, fd)
}

fn not_a_socket(call: &Call<'_>, fd: u32) -> Result {
    call.descriptors.get(fd)?;
    Err(Errno::NOTSOCK.into())
}
