//! Loops for the benchmarks, measured inside the guest so that its start does not count.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Write};

use crate::{Arguments, Outcome, errno, sys};

pub fn open_read(arguments: &Arguments) -> Outcome {
    let entries = fs::read_dir(arguments.text(0)?).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut paths: Vec<_> = entries
        .map_err(|error| errno::name(&error))?
        .iter()
        .map(fs::DirEntry::path)
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err("the folder is empty".into());
    }
    let mut turn = paths.iter().cycle();
    measure("open-read", arguments.number(1)?, || {
        turn.next().map_or(Ok(Vec::new()), fs::read)
    })
}

pub fn stat(arguments: &Arguments) -> Outcome {
    let path = arguments.text(0)?;
    measure("stat", arguments.number(1)?, || fs::metadata(path))
}

pub fn write(arguments: &Arguments) -> Outcome {
    let block = vec![b'x'; arguments.number(2)?];
    let mut file = File::create(arguments.text(0)?).map_err(|error| errno::name(&error))?;
    measure("write", arguments.number(1)?, || file.write_all(&block))
}

pub fn create(arguments: &Arguments) -> Outcome {
    let path = format!("{}/bench-create", arguments.text(0)?);
    measure("create", arguments.number(1)?, || {
        File::create(&path).and_then(|_| fs::remove_file(&path))
    })
}

pub fn clock(arguments: &Arguments) -> Outcome {
    measure("clock", arguments.number(0)?, || Ok(sys::monotonic()))
}

fn measure<T>(name: &str, ops: u32, mut operation: impl FnMut() -> io::Result<T>) -> Outcome {
    let start = sys::monotonic();
    for _ in 0..ops {
        black_box(operation().map_err(|error| errno::name(&error))?);
    }
    let nanoseconds = (sys::monotonic() - start).as_nanos();
    println!("{name} ops={ops} ns_per_op={}", nanoseconds / u128::from(ops.max(1)));
    Ok(())
}
