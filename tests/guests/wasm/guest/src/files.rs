//! Guests that want all of the disk, or of the handles.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};

use crate::{Arguments, Outcome, errno};

pub fn fill(arguments: &Arguments) -> Outcome {
    let block = vec![b'x'; arguments.number_or(1, 64 * 1024)?];
    let mut file = File::create(arguments.text(0)?).map_err(|error| errno::name(&error))?;
    let mut written = 0;
    loop {
        match file.write(&block) {
            Ok(length) => written += length as u64,
            Err(error) => {
                println!("refused after {written} bytes: {}", errno::name(&error));
                return Ok(());
            }
        }
    }
}

pub fn sparse(arguments: &Arguments) -> Outcome {
    let (path, offset) = (arguments.text(0)?, arguments.number(1)?);
    let attempt = || {
        let mut file = File::create(path)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(b"x")?;
        file.metadata()
    };
    match attempt() {
        Ok(metadata) => println!("size {}", metadata.len()),
        Err(error) => println!("refused: {}", errno::name(&error)),
    }
    Ok(())
}

pub fn extend(arguments: &Arguments) -> Outcome {
    let (path, length) = (arguments.text(0)?, arguments.number(1)?);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    match file.and_then(|file| file.set_len(length)) {
        Ok(()) => println!("size {length}"),
        Err(error) => println!("refused: {}", errno::name(&error)),
    }
    Ok(())
}

pub fn many_files(arguments: &Arguments) -> Outcome {
    let (folder, count): (_, u64) = (arguments.text(0)?, arguments.number(1)?);
    for number in 0..count {
        if let Err(error) = File::create(format!("{folder}/{number}")) {
            println!("refused after {number}: {}", errno::name(&error));
            return Ok(());
        }
    }
    println!("created {count}");
    Ok(())
}

pub fn many_folders(arguments: &Arguments) -> Outcome {
    let (mut path, count): (_, u64) = (arguments.text(0)?.to_owned(), arguments.number(1)?);
    for number in 0..count {
        path.push_str("/d");
        if let Err(error) = fs::create_dir(&path) {
            println!("refused after {number}: {}", errno::name(&error));
            return Ok(());
        }
    }
    println!("created {count}");
    Ok(())
}

pub fn open(arguments: &Arguments) -> Outcome {
    let (path, count): (_, usize) = (arguments.text(0)?, arguments.number(1)?);
    let mut held = Vec::new();
    while held.len() < count {
        match File::open(path) {
            Ok(file) => held.push(file),
            Err(error) => {
                println!("refused after {}: {}", held.len(), errno::name(&error));
                return Ok(());
            }
        }
    }
    println!("holding {count}");
    Ok(())
}
