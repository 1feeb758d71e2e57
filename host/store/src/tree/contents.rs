//! The contents of a file, read into a store. Holes cost nothing.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno, pread, read};

use super::failure::{Io, changed, failed};
use super::node::{Blobs, CHUNK, Chunks, Content, WHOLE_MAX};
use crate::{Digest, Result};

/// The pieces in which a file has holes or none.
pub(super) const BLOCK: usize = 4 << 10;

/// Reads files, one after the other, with one buffer.
pub(super) struct Reader<'a, B> {
    pub blobs: &'a B,
    buffer: Vec<u8>,
    zeros: Option<Digest>,
}

/// What was in a file.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    pub content: Content,
    pub sparse: bool,
}

impl<'a, B: Blobs> Reader<'a, B> {
    pub(super) fn new(blobs: &'a B) -> Self {
        Self {
            blobs,
            buffer: vec![0; CHUNK],
            zeros: None,
        }
    }

    /// Reads a file of `size` from its start. `path` is for messages.
    pub(super) fn read(&mut self, file: BorrowedFd<'_>, size: u64, path: &dyn Fn() -> Vec<u8>) -> Result<Contents> {
        match usize::try_from(size) {
            Ok(0) => Ok(Contents {
                content: Content::Empty,
                sparse: false,
            }),
            Ok(length) if size <= WHOLE_MAX => self.read_whole(file, length, path),
            _ => self.read_chunks(file, size, path),
        }
    }

    fn read_whole(&mut self, file: BorrowedFd<'_>, length: usize, path: &dyn Fn() -> Vec<u8>) -> Result<Contents> {
        // One more is asked for than there should be, so that one call tells that there is no more.
        let got =
            read_up_to(file, &mut self.buffer[..=length], length).map_err(|errno| failed("read", &path(), errno))?;
        if got != length {
            return Err(changed(&path()));
        }
        let bytes = &self.buffer[..length];
        let sparse = has_zero_block(bytes) && seek(file, SeekFrom::Hole(0)).is_ok_and(|hole| hole < length as u64);
        let content = Content::Whole(self.blobs.put(bytes)?);
        Ok(Contents { content, sparse })
    }

    fn read_chunks(&mut self, file: BorrowedFd<'_>, size: u64, path: &dyn Fn() -> Vec<u8>) -> Result<Contents> {
        let io = |errno| failed("read", &path(), errno);
        let mut extents = Extents::new(file, size);
        let mut chunks = Chunks::default();
        let mut at = 0;
        while at < size {
            let data = extents.data_from(at).map_err(io)?;
            let empty = (data - at) / CHUNK as u64;
            if empty > 0 {
                chunks.push(self.zeros()?, empty);
                at += empty * CHUNK as u64;
                continue;
            }
            let length = usize::try_from(size - at).map_or(CHUNK, |left| left.min(CHUNK));
            if data - at >= length as u64 {
                self.buffer[..length].fill(0);
            } else if !read_all_at(file, &mut self.buffer[..length], at).map_err(io)? {
                return Err(changed(&path()));
            }
            chunks.push(self.blobs.put(&self.buffer[..length])?, 1);
            at += length as u64;
        }
        let content = Content::Chunked(chunks.put(self.blobs)?);
        let sparse = extents.holes;
        Ok(Contents { content, sparse })
    }

    fn zeros(&mut self) -> Result<Digest> {
        if let Some(zeros) = self.zeros {
            return Ok(zeros);
        }
        self.buffer.fill(0);
        Ok(*self.zeros.insert(self.blobs.put(&self.buffer)?))
    }
}

impl Chunks {
    fn push(&mut self, chunk: Digest, times: u64) {
        match self.runs.last_mut() {
            Some((last, count)) if *last == chunk => *count += times,
            _ => self.runs.push((chunk, times)),
        }
    }
}

/// Where in a file is data, asked for from its start to its end.
struct Extents<'a> {
    file: BorrowedFd<'a>,
    size: u64,
    /// The last data which was found.
    data: Range<u64>,
    holes: bool,
}

impl<'a> Extents<'a> {
    fn new(file: BorrowedFd<'a>, size: u64) -> Self {
        Self {
            file,
            size,
            data: 0..0,
            holes: false,
        }
    }

    /// Where the first data at or after `at` begins; the size if there is none.
    fn data_from(&mut self, at: u64) -> Io<u64> {
        if at >= self.data.end {
            self.data = self.find(at)?;
            self.holes |= self.data.start > at || self.data.end < self.size;
        }
        Ok(self.data.start.max(at))
    }

    fn find(&self, at: u64) -> Io<Range<u64>> {
        let start = match seek(self.file, SeekFrom::Data(at)) {
            // From there on all is a hole.
            Err(Errno::NXIO) => return Ok(self.size..u64::MAX),
            // The file system knows of no holes.
            Err(Errno::INVAL) => return Ok(at..u64::MAX),
            start => start?.min(self.size),
        };
        let end = seek(self.file, SeekFrom::Hole(start)).or_else(|errno| match errno {
            Errno::NXIO => Ok(self.size),
            errno => Err(errno),
        })?;
        Ok(start..end.max(at + 1))
    }
}

/// Whether any block is zero, the last one maybe being a short one.
fn has_zero_block(bytes: &[u8]) -> bool {
    bytes.chunks(BLOCK).any(is_zero)
}

pub(super) fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// Reads until `enough` is there, or the file ends.
fn read_up_to(file: BorrowedFd<'_>, buffer: &mut [u8], enough: usize) -> Io<usize> {
    let mut got = 0;
    loop {
        match read(file, &mut buffer[got..]) {
            Ok(0) => return Ok(got),
            Ok(more) => got += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if got >= enough {
            return Ok(got);
        }
    }
}

/// Fills the buffer from that place; `false` if the file ends before.
fn read_all_at(file: BorrowedFd<'_>, buffer: &mut [u8], at: u64) -> Io<bool> {
    let mut got = 0;
    while got < buffer.len() {
        match pread(file, &mut buffer[got..], at + got as u64) {
            Ok(0) => return Ok(false),
            Ok(more) => got += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(true)
}
