//! `wasi:random`: all three interfaces draw from the process's one source, so a seeded one gives the same every time.

use wasmtime::bail;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use super::State;

/// Bytes that one call may ask for; the host holds them until the guest has them.
const MAX_RANDOM_BYTES: u64 = 16 << 20;

impl State {
    fn random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        let length = match usize::try_from(length) {
            Ok(wanted) if length <= MAX_RANDOM_BYTES => wanted,
            _ => bail!("{length} random bytes asked for at once, {MAX_RANDOM_BYTES} is the most"),
        };
        self.process.meter().charge_bytes(length);
        let mut bytes = vec![0; length];
        self.process.random.get().fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.process.random.get().next_u64())
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.process.random.get().next_u64())
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((
            self.process.random.get().next_u64(),
            self.process.random.get().next_u64(),
        ))
    }
}
