//! What any honest program does.

use std::hint::black_box;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::{Arguments, Outcome, errno, sys};

pub fn args(arguments: &Arguments) -> Outcome {
    arguments.0.iter().for_each(|argument| println!("{argument}"));
    Ok(())
}

pub fn env(arguments: &Arguments) -> Outcome {
    if arguments.0.is_empty() {
        let mut lines: Vec<String> = std::env::vars()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        lines.sort();
        lines.iter().for_each(|line| println!("{line}"));
    }
    for name in &arguments.0 {
        println!(
            "{}",
            std::env::var(name).map_or_else(|_| String::new(), |value| format!("{name}={value}"))
        );
    }
    Ok(())
}

pub fn stdin(_: &Arguments) -> Outcome {
    let copied = io::copy(&mut io::stdin().lock(), &mut io::stdout().lock());
    copied.map(drop).map_err(|error| errno::name(&error))
}

pub fn both(arguments: &Arguments) -> Outcome {
    println!("{}", arguments.text(0)?);
    eprintln!("{}", arguments.text(1)?);
    Ok(())
}

pub fn exit(arguments: &Arguments) -> Outcome {
    std::process::exit(arguments.number(0)?)
}

pub fn random(arguments: &Arguments) -> Outcome {
    let mut bytes = vec![0; arguments.number(0)?];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    bytes.iter().for_each(|byte| print!("{byte:02x}"));
    println!();
    Ok(())
}

pub fn clocks(_: &Arguments) -> Outcome {
    let wall = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|error| error.to_string())?;
    println!("wall {}", wall.as_nanos());
    println!("monotonic {}", sys::monotonic().as_nanos());
    Ok(())
}

pub fn sleep(arguments: &Arguments) -> Outcome {
    thread::sleep(Duration::from_millis(arguments.number(0)?));
    println!("slept");
    Ok(())
}

pub fn cpu(arguments: &Arguments) -> Outcome {
    let rounds: u64 = arguments.number(0)?;
    println!("{}", (0..rounds).fold(1, scramble));
    Ok(())
}

pub fn hash(arguments: &Arguments) -> Outcome {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mebibytes: u32 = arguments.number(0)?;
    let block: Vec<u8> = (0..1 << 20)
        .map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut state = OFFSET;
    for _ in 0..mebibytes {
        state = black_box(&block)
            .iter()
            .fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(PRIME));
    }
    println!("{state:016x}");
    io::stdout().flush().map_err(|error| errno::name(&error))
}

/// One round of a computation no compiler can shorten.
pub fn scramble(state: u64, round: u64) -> u64 {
    let state = (state ^ round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state ^ (state >> 29)
}
