//! How a call fails, and the numbers which preview 1 gives to the reasons.

use crate::backend::Stop;
use crate::workspace::Errno;

pub(super) type Result<T = (), E = Error> = std::result::Result<T, E>;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Error {
    Errno(Errno),
    /// The descriptor lacks a right; the one errno which Linux does not know.
    NotCapable,
    /// The guest ends here.
    Stop(Stop),
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// What the guest gets from a call, or the trap which ends it.
pub(super) fn finish(result: Result) -> wasmtime::Result<u32> {
    match result {
        Ok(()) => Ok(0),
        Err(Error::Errno(errno)) => Ok(number(errno).into()),
        Err(Error::NotCapable) => Ok(NOT_CAPABLE.into()),
        Err(Error::Stop(stop)) => Err(stop.into()),
    }
}

/// The number of an error within a structure, where it cannot end the guest.
pub(super) fn event_number(error: &Error) -> u16 {
    match error {
        Error::Errno(errno) => number(*errno),
        Error::NotCapable => NOT_CAPABLE,
        Error::Stop(_) => number(Errno::IO),
    }
}

const NOT_CAPABLE: u16 = 76;

/// Numbers of `wasi_snapshot_preview1`'s `errno`; what it does not know is an I/O error.
fn number(errno: Errno) -> u16 {
    match errno {
        Errno::TOOBIG => 1,
        Errno::ACCESS => 2,
        Errno::ADDRINUSE => 3,
        Errno::ADDRNOTAVAIL => 4,
        Errno::AFNOSUPPORT => 5,
        Errno::AGAIN => 6,
        Errno::ALREADY => 7,
        Errno::BADF => 8,
        Errno::BADMSG => 9,
        Errno::BUSY => 10,
        Errno::CANCELED => 11,
        Errno::CHILD => 12,
        Errno::CONNABORTED => 13,
        Errno::CONNREFUSED => 14,
        Errno::CONNRESET => 15,
        Errno::DEADLK => 16,
        Errno::DESTADDRREQ => 17,
        Errno::DOM => 18,
        Errno::DQUOT => 19,
        Errno::EXIST => 20,
        Errno::FAULT => 21,
        Errno::FBIG => 22,
        Errno::HOSTUNREACH => 23,
        Errno::IDRM => 24,
        Errno::ILSEQ => 25,
        Errno::INPROGRESS => 26,
        Errno::INTR => 27,
        Errno::INVAL => 28,
        Errno::IO => 29,
        Errno::ISCONN => 30,
        Errno::ISDIR => 31,
        Errno::LOOP => 32,
        Errno::MFILE => 33,
        Errno::MLINK => 34,
        Errno::MSGSIZE => 35,
        Errno::MULTIHOP => 36,
        Errno::NAMETOOLONG => 37,
        Errno::NETDOWN => 38,
        Errno::NETRESET => 39,
        Errno::NETUNREACH => 40,
        Errno::NFILE => 41,
        Errno::NOBUFS => 42,
        Errno::NODEV => 43,
        Errno::NOENT => 44,
        Errno::NOEXEC => 45,
        Errno::NOLCK => 46,
        Errno::NOLINK => 47,
        Errno::NOMEM => 48,
        Errno::NOMSG => 49,
        Errno::NOPROTOOPT => 50,
        Errno::NOSPC => 51,
        Errno::NOSYS => 52,
        Errno::NOTCONN => 53,
        Errno::NOTDIR => 54,
        Errno::NOTEMPTY => 55,
        Errno::NOTRECOVERABLE => 56,
        Errno::NOTSOCK => 57,
        Errno::NOTSUP => 58,
        Errno::NOTTY => 59,
        Errno::NXIO => 60,
        Errno::OVERFLOW => 61,
        Errno::OWNERDEAD => 62,
        Errno::PERM => 63,
        Errno::PIPE => 64,
        Errno::PROTO => 65,
        Errno::PROTONOSUPPORT => 66,
        Errno::PROTOTYPE => 67,
        Errno::RANGE => 68,
        Errno::ROFS => 69,
        Errno::SPIPE => 70,
        Errno::SRCH => 71,
        Errno::STALE => 72,
        Errno::TIMEDOUT => 73,
        Errno::TXTBSY => 74,
        Errno::XDEV => 75,
        _ => 29,
    }
}
