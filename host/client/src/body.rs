//! Bodies in both directions.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::try_unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Error, Kind, Result};

/// What a request sends.
pub(crate) type Sent = UnsyncBoxBody<Bytes, std::io::Error>;

/// The most that is held of an answer. A server's own bound for answers to calls is half of it.
const MAX_ANSWER: usize = 64 << 20;
/// The most of one line. A server sends pieces of 16 KiB, and more only about how a process ended.
const MAX_LINE: usize = 4 << 20;
/// Bytes which are read at a time to be sent.
const PIECE: usize = 64 << 10;

pub(crate) fn whole(bytes: impl Into<Bytes>) -> Sent {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// What a reader has, read as it is sent.
pub(crate) fn streamed(reader: impl AsyncRead + Send + Unpin + 'static) -> Sent {
    let pieces = try_unfold((reader, BytesMut::new()), async |(mut reader, mut room)| {
        room.reserve(PIECE);
        match reader.read_buf(&mut room).await? {
            0 => Ok(None),
            _ => Ok(Some((Frame::data(room.split().freeze()), (reader, room)))),
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// The bytes of an answer, which come as they are taken. Dropping it ends the request.
#[derive(Debug)]
pub struct Download {
    body: Incoming,
    /// How long the server may be silent; `None`: as long as it is there.
    patience: Option<Duration>,
}

impl Download {
    pub(crate) fn new(body: Incoming, patience: Option<Duration>) -> Self {
        Self { body, patience }
    }

    /// The bytes which come next; `None` at the end.
    ///
    /// # Errors
    /// [`Kind::Unreachable`] where it breaks off before its end, [`Kind::Silent`] where it does not go on.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let frame = match self.patience {
                Some(patience) => tokio::time::timeout(patience, self.body.frame()).await,
                None => Ok(self.body.frame().await),
            };
            match frame {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => return Ok(Some(bytes)),
                    Err(_trailers) => {}
                },
                Ok(Some(Err(error))) => {
                    return Err(Error::new(Kind::Unreachable, "the answer broke off").with_source(error));
                }
                Err(_) => return Err(Error::new(Kind::Silent, "the answer did not go on")),
            }
        }
    }

    /// Writes all that comes, and returns how many bytes that was.
    ///
    /// # Errors
    /// Those of [`next`](Self::next); [`Kind::Unsendable`] where the writer fails.
    pub async fn copy_to(mut self, writer: &mut (impl AsyncWrite + Unpin)) -> Result<u64> {
        let mut length = 0;
        let failed = |error| Error::new(Kind::Unsendable, format!("it cannot be written: {error}")).with_source(error);
        while let Some(bytes) = self.next().await? {
            writer.write_all(&bytes).await.map_err(failed)?;
            length += bytes.len() as u64;
        }
        writer.flush().await.map_err(failed)?;
        Ok(length)
    }

    /// All of it, where that is at most `most` bytes.
    ///
    /// # Errors
    /// Those of [`next`](Self::next); [`Kind::Garbled`] where there is more.
    pub async fn collect(mut self, most: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            if bytes.len() > most - all.len() {
                return Err(Error::new(
                    Kind::Garbled,
                    format!("the answer has more than {most} bytes"),
                ));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T> {
        let bytes = self.collect(MAX_ANSWER).await?;
        parse(&bytes)
    }
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let unclear = |error| Error::new(Kind::Garbled, format!("the answer is not palisade's: {error}"));
    serde_json::from_slice(bytes).map_err(unclear)
}

/// The lines of an answer.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Download,
    rest: BytesMut,
    /// So many bytes of the rest have no line feed.
    searched: usize,
}

impl Lines {
    pub(crate) fn new(body: Download) -> Self {
        Self {
            body,
            rest: BytesMut::new(),
            searched: 0,
        }
    }

    /// The next line, without its end; `None` after the last. What has no line feed at its end is none. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(at) = self.rest[self.searched..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.rest.split_to(self.searched + at + 1);
                self.searched = 0;
                let ends = if line.ends_with(b"\r\n") { 2 } else { 1 };
                line.truncate(line.len() - ends);
                return Ok(Some(line.freeze()));
            }
            self.searched = self.rest.len();
            if self.rest.len() > MAX_LINE {
                return Err(Error::new(
                    Kind::Garbled,
                    format!("a line has more than {MAX_LINE} bytes"),
                ));
            }
            match self.body.next().await? {
                Some(bytes) => self.rest.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}
