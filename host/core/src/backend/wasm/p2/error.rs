//! How an `Errno` of the workspace reaches a component.

use wasmtime::component::ResourceTableError;

use super::bindings::types::ErrorCode;
use crate::workspace::Errno;

/// Why a call of `wasi:filesystem` did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The guest is told.
    Code(ErrorCode),
    /// The guest is ended.
    Trap(wasmtime::Error),
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Code(code_of(errno))
    }
}

impl From<ResourceTableError> for Failure {
    /// A full table is what `EMFILE` is elsewhere; a resource which is not in it is a defect of the host.
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::from(Errno::MFILE),
            other => Self::Trap(other.into()),
        }
    }
}

/// The code for `errno`: its namesake where `wasi:filesystem` has one.
///
/// `EMFILE` and `ENFILE` have none. They come from a limit of the sandbox, so they are `quota`; with
/// `insufficient-memory` a guest would blame its own memory. Anything else without a namesake is `io`.
pub(super) fn code_of(errno: Errno) -> ErrorCode {
    match errno {
        Errno::ACCESS => ErrorCode::Access,
        Errno::AGAIN => ErrorCode::WouldBlock,
        Errno::ALREADY => ErrorCode::Already,
        Errno::BADF => ErrorCode::BadDescriptor,
        Errno::BUSY => ErrorCode::Busy,
        Errno::DEADLK => ErrorCode::Deadlock,
        Errno::DQUOT | Errno::MFILE | Errno::NFILE => ErrorCode::Quota,
        Errno::EXIST => ErrorCode::Exist,
        Errno::FBIG => ErrorCode::FileTooLarge,
        Errno::ILSEQ => ErrorCode::IllegalByteSequence,
        Errno::INPROGRESS => ErrorCode::InProgress,
        Errno::INTR => ErrorCode::Interrupted,
        Errno::INVAL => ErrorCode::Invalid,
        Errno::ISDIR => ErrorCode::IsDirectory,
        Errno::LOOP => ErrorCode::Loop,
        Errno::MLINK => ErrorCode::TooManyLinks,
        Errno::MSGSIZE => ErrorCode::MessageSize,
        Errno::NAMETOOLONG => ErrorCode::NameTooLong,
        Errno::NODEV => ErrorCode::NoDevice,
        Errno::NOENT => ErrorCode::NoEntry,
        Errno::NOLCK => ErrorCode::NoLock,
        Errno::NOMEM => ErrorCode::InsufficientMemory,
        Errno::NOSPC => ErrorCode::InsufficientSpace,
        Errno::NOTDIR => ErrorCode::NotDirectory,
        Errno::NOTEMPTY => ErrorCode::NotEmpty,
        Errno::NOTRECOVERABLE => ErrorCode::NotRecoverable,
        Errno::NOTSUP | Errno::NOSYS => ErrorCode::Unsupported,
        Errno::NOTTY => ErrorCode::NoTty,
        Errno::NXIO => ErrorCode::NoSuchDevice,
        Errno::OVERFLOW => ErrorCode::Overflow,
        Errno::PERM => ErrorCode::NotPermitted,
        Errno::PIPE => ErrorCode::Pipe,
        Errno::ROFS => ErrorCode::ReadOnly,
        Errno::SPIPE => ErrorCode::InvalidSeek,
        Errno::TXTBSY => ErrorCode::TextFileBusy,
        Errno::XDEV => ErrorCode::CrossDevice,
        _ => ErrorCode::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_the_workspace_keep_their_meaning() {
        for (errno, code) in [
            (Errno::DQUOT, ErrorCode::Quota),
            (Errno::MFILE, ErrorCode::Quota),
            (Errno::ROFS, ErrorCode::ReadOnly),
            (Errno::PERM, ErrorCode::NotPermitted),
            (Errno::ACCESS, ErrorCode::Access),
            (Errno::LOOP, ErrorCode::Loop),
            (Errno::XDEV, ErrorCode::CrossDevice),
            (Errno::NOSPC, ErrorCode::InsufficientSpace),
            (Errno::OPNOTSUPP, ErrorCode::Unsupported),
            (Errno::WOULDBLOCK, ErrorCode::WouldBlock),
            (Errno::STALE, ErrorCode::Io),
        ] {
            assert_eq!(code_of(errno), code, "{errno:?}");
        }
    }

    #[test]
    fn a_full_table_is_an_error_and_a_missing_resource_a_trap() {
        assert!(matches!(
            Failure::from(ResourceTableError::Full),
            Failure::Code(ErrorCode::Quota)
        ));
        assert!(matches!(
            Failure::from(ResourceTableError::NotPresent),
            Failure::Trap(_)
        ));
    }
}
