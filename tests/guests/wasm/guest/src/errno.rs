//! Names of errors, the same for both previews.

use std::io;

macro_rules! names {
    ($($name:ident)*) => {
        const NAMES: &[(i32, &str)] = &[$((libc::$name, stringify!($name))),*];
    };
}

names! {
    E2BIG EACCES EAGAIN EBADF EBUSY ECONNREFUSED EDQUOT EEXIST EFAULT EFBIG EILSEQ EINTR EINVAL EIO EISDIR ELOOP EMFILE
    EMLINK ENAMETOOLONG ENFILE ENODEV ENOENT ENOLCK ENOMEM ENOSPC ENOSYS ENOTCONN ENOTDIR ENOTEMPTY ENOTSUP ENOTTY ENXIO
    EOVERFLOW EPERM EPIPE EROFS ESPIPE ETIMEDOUT ETXTBSY EXDEV
}

/// `ENOENT`, or the kind of an error that has no errno.
pub fn name(error: &io::Error) -> String {
    let Some(code) = error.raw_os_error() else {
        return format!("{:?}", error.kind());
    };
    let known = NAMES.iter().find(|(known, _)| *known == code);
    // ENOTCAPABLE is WASI's own; libc's crate does not name it.
    known.map_or_else(
        || {
            if code == 76 {
                "ENOTCAPABLE".to_owned()
            } else {
                format!("E{code}")
            }
        },
        |(_, name)| (*name).to_owned(),
    )
}
