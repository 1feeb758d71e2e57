//! Tools which need nothing of the host.

/// Leaves out what Rust's runtime would import of WASI, for a tool which computes only.
///
/// std can print a panic and read an environment variable for it, so every component imports standard error, the
/// environment and, by the adapter, files. The host has to wire all that before each call, which takes several times as
/// long as a small call without. Here those functions are the tool's own: a panic is a trap without a message, nothing
/// is printed, and there are neither variables nor files. A clock or random numbers, where used, are still imported.
///
/// It is written once, at the root of the crate:
///
/// ```
/// palisade_guest::without_wasi!();
/// ```
#[macro_export]
macro_rules! without_wasi {
    () => {
        /// What libc would import of preview 1, under the names which libc has for it.
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code)]
        mod palisade_without_wasi {
            const SUCCESS: i32 = 0;
            const BAD_DESCRIPTOR: i32 = 8;

            /// It is called before the first function, whether or not a variable is read.
            #[unsafe(export_name = "__imported_wasi_snapshot_preview1_environ_sizes_get")]
            extern "C" fn environ_sizes_get(count: &mut usize, bytes: &mut usize) -> i32 {
                (*count, *bytes) = (0, 0);
                SUCCESS
            }

            #[unsafe(export_name = "__imported_wasi_snapshot_preview1_environ_get")]
            extern "C" fn environ_get(_: usize, _: usize) -> i32 {
                SUCCESS
            }

            #[unsafe(export_name = "__imported_wasi_snapshot_preview1_fd_write")]
            extern "C" fn fd_write(_: i32, _: usize, _: usize, _: usize) -> i32 {
                BAD_DESCRIPTOR
            }

            #[unsafe(export_name = "__imported_wasi_snapshot_preview1_proc_exit")]
            extern "C" fn proc_exit(_: i32) -> ! {
                core::arch::wasm32::unreachable()
            }
        }
    };
}
