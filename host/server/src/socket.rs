//! The socket of a connection: what keeps a client from holding it by not reading, or by not being there.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

/// What the kernel takes of an answer before a client has read it, in bytes. The kernel tells that bytes moved when a
/// third of it is free again, so this is also how little a slow reader may take in [`Settings::write_time`].
///
/// [`Settings::write_time`]: crate::Settings::write_time
const SEND_BUFFER: usize = 128 * 1024;
/// After so much silence the kernel asks whether the other machine is still there, and then every [`ASK_EVERY`].
const ASK_AFTER: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_secs(10);
/// A machine which answered nothing for so long is gone.
const VANISHED: Duration = Duration::from_secs(60);

/// What hyper reads and writes.
pub(crate) type Stream = TokioIo<Pin<Box<TimeoutStream<TcpStream>>>>;

/// Sets what the sockets that `listener` accepts inherit.
pub(crate) fn prepare(listener: &TcpListener, write_time: Duration) -> io::Result<()> {
    // Answers are small and whole.
    sockopt::set_tcp_nodelay(listener, true)?;
    sockopt::set_socket_send_buffer_size(listener, SEND_BUFFER)?;
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, ASK_AFTER)?;
    sockopt::set_tcp_keepintvl(listener, ASK_EVERY)?;
    // It counts for a client which is there and does not read, too.
    let vanished = VANISHED.max(write_time).as_millis();
    sockopt::set_tcp_user_timeout(listener, u32::try_from(vanished).unwrap_or(u32::MAX))?;
    Ok(())
}

/// A stream whose writing fails once bytes waited for `write_time` and none moved.
pub(crate) fn bounded(stream: TcpStream, write_time: Duration) -> Stream {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_time));
    TokioIo::new(Box::pin(stream))
}

/// Tells when a client is gone, whatever it sent before that nobody has read yet. It is the same socket once more, whose
/// readiness is nobody else's.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn of(stream: &TcpStream) -> io::Result<Self> {
        let socket = stream.as_fd().try_clone_to_owned()?;
        Ok(Self(TcpStream::from_std(socket.into())?))
    }

    /// Waits until the client has closed the connection, or its own direction of it. Cancel safe.
    pub(crate) async fn gone(&self) {
        // It fails where the runtime ends, and this with it.
        while let Ok(ready) = self.0.ready(Interest::READABLE).await {
            if ready.is_read_closed() {
                return;
            }
            // What came is for another to read; this waits for what comes next.
            let read: io::Result<()> = self
                .0
                .try_io(Interest::READABLE, || Err(io::ErrorKind::WouldBlock.into()));
            drop(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_inherit_what_was_set() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        prepare(&listener, Duration::from_secs(90)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(sockopt::tcp_nodelay(&stream).unwrap() && sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), ASK_AFTER);
        assert_eq!(sockopt::tcp_keepintvl(&stream).unwrap(), ASK_EVERY);
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 90_000);
        // The kernel counts what it needs itself, too.
        assert_eq!(sockopt::socket_send_buffer_size(&stream).unwrap(), 2 * SEND_BUFFER);
    }
}
