//! Guests that want memory, and guests that trap.

use std::hint::black_box;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use crate::{Arguments, Outcome, errno, sys};

const BLOCK_BYTES: usize = 1 << 20;

pub fn grow(arguments: &Arguments) -> Outcome {
    // Its buffer is allocated now, while there is memory.
    let mut out = io::stdout().lock();
    let step = arguments.number_or(0, 16)?;
    while sys::grow_memory(step).is_some() {}
    writeln!(out, "refused at {} pages", sys::memory_pages()).map_err(|error| errno::name(&error))
}

pub fn hold(arguments: &Arguments) -> Outcome {
    let memory = vec![1_u8; arguments.number(0)?];
    println!("holding {}", black_box(&memory).len());
    thread::sleep(Duration::from_millis(arguments.number_or(1, 0)?));
    drop(black_box(memory));
    Ok(())
}

pub fn allocate_trap(_: &Arguments) -> Outcome {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; BLOCK_BYTES]));
    }
}

pub fn zeros(arguments: &Arguments) -> Outcome {
    let pages = arguments.number(0)?;
    let Some(fresh) = sys::grow_memory(pages) else {
        return Err(format!("refused {pages} pages"));
    };
    match fresh.iter().position(|byte| *byte != 0) {
        None => println!("zero"),
        Some(index) => println!("dirty at {index}"),
    }
    fresh.fill(0xa5);
    black_box(fresh);
    Ok(())
}

pub fn recurse(_: &Arguments) -> Outcome {
    println!("{}", deeper(0));
    Ok(())
}

#[expect(unconditional_recursion, reason = "this is what it is for")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    deeper(depth + 1) + frame[depth as usize % 64]
}

pub fn trap(arguments: &Arguments) -> Outcome {
    match arguments.text(0)? {
        "unreachable" => sys::unreachable(),
        "memory" => sys::read_outside(),
        "panic" => panic!("as asked"),
        "abort" => std::process::abort(),
        other => Err(format!("no trap {other:?}")),
    }
}
