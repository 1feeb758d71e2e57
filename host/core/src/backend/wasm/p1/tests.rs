//! What the functions promise to a guest, and what a hostile one gets from them.

mod hostile;
mod support;

use std::sync::atomic::Ordering;

use support::{BADF, EFAULT, Guest, INVAL, NOT_CAPABLE, SUCCESS};

use super::rights::Rights;
use crate::backend::Stop;

const CREATE: u64 = 1;
const READ: u64 = Rights::FD_READ.bits();
const WRITE: u64 = Rights::FD_WRITE.bits();

#[tokio::test]
async fn every_exit_code_passes_unchanged() {
    for code in [0, 1, 125, 126, 127, 130, 255] {
        let ended = Guest::new().try_call("proc_exit", &[code]).await.unwrap_err();
        assert_eq!(ended, Stop::Exit(u8::try_from(code).unwrap()));
    }
    assert_eq!(
        Guest::new().try_call("proc_exit", &[256 + 7]).await.unwrap_err(),
        Stop::Exit(7)
    );
}

#[tokio::test]
async fn arguments_and_environment_arrive() {
    let mut guest = Guest::new();
    let process = &mut guest.state().process;
    (process.job.name, process.job.args) = ("sh".into(), vec!["-c".into()]);
    guest.state().process.job.env = vec![("HOME".into(), "/root".into())];
    guest.ok("args_sizes_get", &[0, 4]).await;
    assert_eq!((guest.u32(0), guest.u32(4)), (2, 6));
    guest.ok("args_get", &[0, 100]).await;
    assert_eq!((guest.u32(0), guest.u32(4)), (100, 103));
    assert_eq!(guest.bytes(100, 6), b"sh\0-c\0");
    guest.ok("environ_sizes_get", &[0, 4]).await;
    assert_eq!((guest.u32(0), guest.u32(4)), (1, 11));
    guest.ok("environ_get", &[0, 100]).await;
    assert_eq!(guest.bytes(100, 11), b"HOME=/root\0");
}

#[tokio::test]
async fn what_is_written_is_read_back_and_counted() {
    let mut guest = Guest::new();
    let file = guest.open("file", CREATE, READ | WRITE | Rights::FD_SEEK.bits()).await;
    assert_eq!(guest.write(file, &[b"hello ", b"", b"world"]).await, 11);
    guest.ok("fd_seek", &[file, 0, 0, 0]).await;
    assert_eq!(guest.read(file, &[3, 0, 100]).await, [&b"hel"[..], b"", b"lo world"]);
    let meter = guest.meter();
    assert_eq!(meter.written.load(Ordering::Relaxed), 11);
    assert_eq!(meter.read.load(Ordering::Relaxed), 11);
}

#[tokio::test]
async fn large_files_move_in_one_call() {
    let mut guest = Guest::new();
    let file = guest.open("large", CREATE, READ | WRITE | Rights::FD_SEEK.bits()).await;
    let large: Vec<u8> = (0..5 << 20).map(|at: u32| (at % 251) as u8).collect();
    assert_eq!(guest.write(file, &[&large]).await as usize, large.len());
    guest.ok("fd_seek", &[file, 0, 0, 0]).await;
    assert!(guest.read(file, &[6 << 20]).await == [large], "the content changed");
}

#[tokio::test]
async fn an_appending_descriptor_writes_at_the_end_but_pwrite_where_it_is_told() {
    let mut guest = Guest::new();
    let rights = READ | WRITE | Rights::FD_SEEK.bits() | Rights::FD_FDSTAT_SET_FLAGS.bits();
    let file = guest.open("log", CREATE, rights).await;
    guest.write(file, &[b"one"]).await;
    guest.ok("fd_fdstat_set_flags", &[file, 1]).await;
    guest.ok("fd_seek", &[file, 0, 0, 0]).await;
    guest.write(file, &[b"two"]).await;
    let list = guest.gather(&[b"ONE"]);
    guest.ok("fd_pwrite", &[file, list.at, list.count, 0, 0]).await;
    guest.ok("fd_seek", &[file, 0, 0, 0]).await;
    assert_eq!(guest.read(file, &[10]).await, [b"ONEtwo"]);
}

#[tokio::test]
async fn standard_streams_carry_bytes() {
    let mut guest = Guest::with_input(b"typed in");
    assert_eq!(guest.read(0, &[5]).await, [b"typed"]);
    assert_eq!(guest.read(0, &[5]).await, [b" in"]);
    assert_eq!(guest.read(0, &[5]).await, [b""]);
    assert_eq!(guest.write(1, &[b"out", b"put"]).await, 6);
    assert_eq!(guest.write(2, &[b"error"]).await, 5);
    assert_eq!(guest.output(), (b"output".to_vec(), b"error".to_vec()));
    assert_eq!(guest.call("fd_seek", &[1, 0, 0, 0]).await, 70);
    assert_eq!(guest.call("fd_write", &[0, 0, 0, 0]).await, BADF);
}

#[tokio::test]
async fn rights_only_shrink() {
    let mut guest = Guest::new();
    let file = guest.open("file", CREATE, READ | WRITE).await;
    assert_eq!(guest.call("fd_fdstat_set_rights", &[file, READ, 0]).await, SUCCESS);
    let list = guest.gather(&[b"x"]);
    assert_eq!(guest.call("fd_write", &[file, list.at, list.count, 0]).await, BADF);
    assert_eq!(
        guest.call("fd_fdstat_set_rights", &[file, READ | WRITE, 0]).await,
        NOT_CAPABLE
    );
    assert_eq!(guest.call("fd_filestat_set_size", &[file, 0]).await, NOT_CAPABLE);
}

#[tokio::test]
async fn a_directory_hands_on_no_more_rights_than_it_has() {
    let mut guest = Guest::new();
    assert_eq!(
        guest
            .call("fd_fdstat_set_rights", &[3, Rights::PATH_OPEN.bits(), READ])
            .await,
        SUCCESS
    );
    assert_eq!(guest.try_open("file", CREATE, READ).await, Err(NOT_CAPABLE));
    assert_eq!(guest.try_open(".", 0, READ | WRITE).await, Err(NOT_CAPABLE));
    assert!(guest.try_open(".", 0, READ).await.is_ok());
}

#[tokio::test]
async fn the_lowest_free_number_is_opened() {
    let mut guest = Guest::new();
    let numbers = [
        guest.open("a", CREATE, 0).await,
        guest.open("b", CREATE, 0).await,
        guest.open("c", CREATE, 0).await,
    ];
    assert_eq!(numbers, [4, 5, 6]);
    guest.ok("fd_close", &[5]).await;
    guest.ok("fd_close", &[4]).await;
    assert_eq!(guest.open("d", CREATE, 0).await, 4);
    assert_eq!(guest.open("e", CREATE, 0).await, 5);
    assert_eq!(guest.open("f", CREATE, 0).await, 7);
}

#[tokio::test]
async fn listings_are_cut_off_at_the_buffer_and_go_on_at_the_cookie() {
    let mut guest = Guest::new();
    for name in ["first", "second", "third"] {
        guest.open(name, CREATE, 0).await;
    }
    let whole = guest.list(3, 4096, 0).await;
    let names: Vec<_> = whole.entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names[..2], [".", ".."]);
    assert_eq!(names.len(), 5);
    let mut found = Vec::new();
    let mut cookie = 0;
    loop {
        let part = guest.list(3, 40, cookie).await;
        let Some(last) = part.entries.last() else {
            break;
        };
        cookie = last.next;
        found.extend(part.entries.iter().map(|entry| entry.name.clone()));
        if part.used < 40 {
            break;
        }
    }
    assert_eq!(found, names);
}

#[tokio::test]
async fn odd_times_are_the_epoch_and_not_a_panic() {
    let mut guest = Guest::new();
    guest.open("old", CREATE, 0).await;
    let before = std::time::SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(1000);
    let file = std::fs::File::options()
        .write(true)
        .open(guest.host_path("old"))
        .unwrap();
    file.set_modified(before).unwrap();
    let path = guest.put_path("old");
    guest.ok("path_filestat_get", &[3, 0, path.at, path.length, 0]).await;
    assert_eq!(guest.u64(48), 0);
    let all_times = 0b0101;
    guest
        .ok(
            "path_filestat_set_times",
            &[3, 0, path.at, path.length, u64::MAX, u64::MAX, all_times],
        )
        .await;
    guest.ok("path_filestat_get", &[3, 0, path.at, path.length, 0]).await;
}

#[tokio::test]
async fn a_poll_reports_all_that_is_ready_in_order() {
    let mut guest = Guest::with_input(b"abc");
    let file = guest.open("file", CREATE, READ | WRITE).await;
    let events = guest
        .poll(&[
            support::clock(7, 1, 3_600_000_000_000),
            support::stream(8, 1, 0),
            support::stream(9, 2, 1),
            support::stream(10, 1, file),
            support::stream(11, 1, 1),
            support::clock(12, 5, 1),
        ])
        .await;
    let reported: Vec<_> = events
        .iter()
        .map(|event| (event.userdata, u64::from(event.error)))
        .collect();
    assert_eq!(reported, [(8, 0), (9, 0), (10, 0), (11, BADF), (12, INVAL)]);
    assert_eq!(events[0].bytes, 3);
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_for_the_earliest_clock() {
    let mut guest = Guest::new();
    let start = tokio::time::Instant::now();
    let events = guest
        .poll(&[
            support::clock(1, 1, 50_000_000_000),
            support::clock(2, 0, 20_000_000_000),
        ])
        .await;
    assert_eq!(events.iter().map(|event| event.userdata).collect::<Vec<_>>(), [2]);
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test]
async fn a_socket_is_denied_with_its_reason() {
    let mut guest = Guest::new();
    assert_eq!(guest.call("sock_accept", &[3, 0, 0]).await, 57);
    assert_eq!(guest.call("sock_shutdown", &[99, 0]).await, BADF);
    let (denials, _) = guest.state().process.refusals().denials();
    assert_eq!(
        denials[0].to_string(),
        "network: accept a connection on descriptor 3 is not granted; the smallest grant that would do: none: network is off"
    );
}

#[tokio::test]
async fn clocks_are_those_of_the_process() {
    let mut guest = Guest::new();
    guest.ok("clock_time_get", &[0, 0, 0]).await;
    assert_eq!(guest.u64(0), support::WALL.as_nanos() as u64);
    guest.ok("clock_res_get", &[1, 0]).await;
    assert!(guest.u64(0) > 0);
    assert_eq!(guest.call("clock_time_get", &[2, 0, 0]).await, INVAL);
    assert_eq!(guest.call("clock_res_get", &[0, u64::from(u32::MAX)]).await, EFAULT);
}
