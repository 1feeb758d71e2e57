//! A server with a client for it.

use palisade::{Host, HostConfig};
use palisade_client::Client;
use palisade_server::{Keys, Role, Server, Settings};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) struct Running {
    pub client: Client,
    pub keys: Keys,
    pub url: String,
    task: JoinHandle<std::io::Result<()>>,
    _state: TempDir,
}

impl Running {
    pub(crate) async fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let host = Host::open(HostConfig::new(state.path())).unwrap();
        let keys = Keys::open(state.path()).unwrap();
        let (_, key) = keys.create(Role::Admin).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::new(host, keys.clone(), Settings::default()).unwrap();
        let task = tokio::spawn(server.serve(listener, std::future::pending()));
        Self {
            client: Client::new(&url, &key).unwrap(),
            keys,
            url,
            task,
            _state: state,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A program which prints `length` bytes, as fast as they are taken, or ends its input's end.
pub(crate) fn printer() -> Vec<u8> {
    wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            ;; What it reads, it prints, until the end.
            (func (export "_start")
                (loop $next
                    (i32.store (i32.const 0) (i32.const 1024))
                    (i32.store (i32.const 4) (i32.const 65536))
                    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (if (i32.eqz (i32.load (i32.const 8))) (then return))
                    (i32.store (i32.const 4) (i32.load (i32.const 8)))
                    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
                    (br $next))))"#,
    )
    .unwrap()
}
