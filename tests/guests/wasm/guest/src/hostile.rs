//! Guests that do not end, or reach for what they were not given.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::plain::scramble;
use crate::{Arguments, Outcome, errno};

const BLOCK_BYTES: usize = 64 * 1024;

pub fn spin(_: &Arguments) -> Outcome {
    let mut state = 1;
    loop {
        state = black_box(scramble(state, 1));
    }
}

pub fn nap(_: &Arguments) -> Outcome {
    loop {
        thread::sleep(Duration::from_nanos(1));
    }
}

/// Reads on after the end of the input as well.
pub fn read_forever(_: &Arguments) -> Outcome {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let length = io::stdin().read(&mut block).map_err(|error| errno::name(&error))?;
        black_box(length);
    }
}

pub fn print_forever(arguments: &Arguments) -> Outcome {
    match arguments.0.first().map(String::as_str) {
        None | Some("out") => until_refused(&mut io::stdout().lock(), &mut io::stderr()),
        Some("err") => until_refused(&mut io::stderr().lock(), &mut io::stdout()),
        Some(other) => Err(format!("no output {other:?}")),
    }
}

fn until_refused(out: &mut impl Write, report: &mut impl Write) -> Outcome {
    let block = vec![b'x'; BLOCK_BYTES];
    let mut written = 0;
    loop {
        match out.write(&block) {
            Ok(length) => written += length as u64,
            Err(error) => {
                let line = writeln!(report, "refused after {written} bytes: {}", errno::name(&error));
                return line.map_err(|error| errno::name(&error));
            }
        }
    }
}

pub fn connect(arguments: &Arguments) -> Outcome {
    match TcpStream::connect(arguments.text(0)?) {
        Ok(_) => println!("connected"),
        Err(error) => println!("refused: {}", errno::name(&error)),
    }
    Ok(())
}

pub fn thread(_: &Arguments) -> Outcome {
    match thread::Builder::new().spawn(|| ()) {
        Ok(_) => println!("started"),
        Err(error) => println!("refused: {}", errno::name(&error)),
    }
    Ok(())
}
