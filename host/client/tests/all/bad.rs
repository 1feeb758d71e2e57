//! Servers which are away, silent, or something else.

use std::time::Duration;

use palisade_client::wire::{ProcessRequest, SandboxRequest};
use palisade_client::{Client, Kind, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// How long anything may take which is told of at once.
const SOON: Duration = Duration::from_secs(3);

/// A client of something which takes a connection, reads, and answers so.
async fn client(answer: &'static [u8], patience: Duration) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut room = [0; 4096];
            let _ = stream.read(&mut room).await;
            let _ = stream.write_all(answer).await;
            held.push(stream);
        }
    });
    let times = Times {
        connect: SOON,
        answer: patience,
    };
    Client::with_times(&url, "key", times).unwrap()
}

#[tokio::test]
async fn what_is_no_palisade_is_told_as_such() {
    for (answer, kind) in [
        (&b"SSH-2.0-OpenSSH\r\n"[..], Kind::Garbled),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", Kind::Garbled),
        (
            b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\noops",
            Kind::Garbled,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"version\":",
            Kind::Silent,
        ),
        (b"", Kind::Silent),
    ] {
        // What is silent is waited for, and nothing else.
        let patience = match kind {
            Kind::Silent => Duration::from_millis(300),
            _ => SOON,
        };
        let error = client(answer, patience).await.about().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let error = client(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"what\":1\n", SOON).await;
    let error = error.sandbox("x").start(&ProcessRequest::new("/x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Garbled);
}

#[tokio::test]
async fn nobody_at_an_address_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&url, "key").unwrap();
    let error = client.create(&SandboxRequest::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn a_line_without_an_end_is_not_gathered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let mut sent = 0;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let piece = [b"10000\r\n".as_slice(), &[b'x'; 65536], b"\r\n"].concat();
        while stream.write_all(&piece).await.is_ok() {
            sent += 1;
        }
        sent
    });
    let client = Client::new(&url, "key").unwrap();
    let error = client.sandbox("x").start(&ProcessRequest::new("/x")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Garbled);
    // At most what the kernels hold beside it.
    assert!(sent.await.unwrap() < 1_000);
}
