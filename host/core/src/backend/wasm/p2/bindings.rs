//! `wasi:filesystem` over palisade's own types; what it shares with other interfaces is wasmtime-wasi's.

wasmtime::component::bindgen!({
    path: "wit",
    world: "palisade:host/files",
    imports: {
        "wasi:filesystem/types.[method]descriptor.read-directory": async | trappable,
        "wasi:filesystem/types.[method]descriptor.sync": async | trappable,
        "wasi:filesystem/types.[method]descriptor.sync-data": async | trappable,
        "wasi:filesystem/types.[method]descriptor.write": async | trappable,
        default: trappable,
    },
    trappable_error_type: {
        "wasi:filesystem/types.error-code" => crate::backend::wasm::p2::error::Failure,
    },
    with: {
        "wasi:io/error": wasmtime_wasi_io::bindings::wasi::io::error,
        "wasi:io/poll": wasmtime_wasi_io::bindings::wasi::io::poll,
        "wasi:io/streams": wasmtime_wasi_io::bindings::wasi::io::streams,
        "wasi:clocks/wall-clock": wasmtime_wasi::p2::bindings::clocks::wall_clock,
        "wasi:filesystem/types.descriptor": crate::backend::wasm::p2::descriptor::Descriptor,
        "wasi:filesystem/types.directory-entry-stream": crate::backend::wasm::p2::descriptor::Entries,
    },
});

pub use wasi::filesystem::{preopens, types};
