//! Guests which give wrong pointers, wrong lengths and too much of everything.

use super::support::{self, BADF, EFAULT, Guest, INVAL, MEMORY, SUCCESS};
use super::{CREATE, READ, WRITE};
use crate::backend::Stop;
use crate::limits::Limit;

/// A good path, list of one buffer and subscription lie here, each call's own results at 0.
const PATH: u64 = 0x1000;
const LIST: u64 = 0x2000;
const SUBSCRIPTION: u64 = 0x3000;
const BUFFER: u64 = 0x4000;
/// Where pointers are wrong: at, and just before, the end of memory and of all memory that there could be.
const WRONG: [u64; 4] = [MEMORY, MEMORY - 1, u32::MAX as u64, (u32::MAX - 3) as u64];

/// Each function, arguments with which it works, and which of them are pointers.
const CALLS: &[(&str, &[u64], &[usize])] = &[
    ("args_get", &[0, BUFFER], &[0, 1]),
    ("args_sizes_get", &[0, 4], &[0, 1]),
    ("environ_get", &[0, BUFFER], &[0, 1]),
    ("environ_sizes_get", &[0, 4], &[0, 1]),
    ("clock_res_get", &[0, 0], &[1]),
    ("clock_time_get", &[0, 0, 0], &[2]),
    ("fd_fdstat_get", &[4, 0], &[1]),
    ("fd_filestat_get", &[4, 0], &[1]),
    ("fd_prestat_get", &[3, 0], &[1]),
    ("fd_prestat_dir_name", &[3, 0, 100], &[1]),
    ("fd_read", &[4, LIST, 1, 0], &[1, 3]),
    ("fd_pread", &[4, LIST, 1, 0, 0], &[1, 4]),
    ("fd_write", &[4, LIST, 1, 0], &[1, 3]),
    ("fd_pwrite", &[4, LIST, 1, 0, 0], &[1, 4]),
    ("fd_readdir", &[3, BUFFER, 1000, 0, 0], &[1, 4]),
    ("fd_seek", &[4, 0, 0, 0], &[3]),
    ("fd_tell", &[4, 0], &[1]),
    ("path_filestat_get", &[3, 0, PATH, 4, 0], &[2, 4]),
    ("path_filestat_set_times", &[3, 0, PATH, 4, 0, 0, 0], &[2]),
    ("path_open", &[3, 0, PATH, 4, 0, 0, 0, 0, 0], &[2, 8]),
    ("path_readlink", &[3, PATH + 8, 4, BUFFER, 100, 0], &[1, 3, 5]),
    ("path_create_directory", &[3, PATH + 16, 4], &[1]),
    ("path_remove_directory", &[3, PATH + 16, 4], &[1]),
    ("path_symlink", &[PATH, 4, 3, PATH + 16, 4], &[0, 3]),
    ("path_unlink_file", &[3, PATH + 16, 4], &[1]),
    ("path_link", &[3, 0, PATH, 4, 3, PATH + 16, 4], &[2, 5]),
    ("path_rename", &[3, PATH + 16, 4, 3, PATH + 16, 4], &[1, 4]),
    ("poll_oneoff", &[SUBSCRIPTION, BUFFER, 1, 0], &[0, 1, 3]),
    ("random_get", &[BUFFER, 100], &[0]),
];

/// A guest with `file` open as 4, a link to it, and everything that [`CALLS`] points to.
async fn guest() -> Guest {
    let mut guest = Guest::new();
    guest.state().process.job.name = "program".into();
    guest.state().process.job.env = vec![("NAME".into(), "value".into())];
    let file = guest.open("file", CREATE, support::ALL_OF_A_FILE).await;
    guest.write(file, &[b"content"]).await;
    guest.put(PATH, b"file\0\0\0\0link\0\0\0\0temp");
    guest.put(
        LIST,
        &[&(BUFFER as u32).to_le_bytes()[..], &16u32.to_le_bytes()].concat(),
    );
    guest.put(SUBSCRIPTION, &support::clock(1, 1, 0));
    guest.ok("path_symlink", &[PATH, 4, 3, PATH + 8, 4]).await;
    guest
}

#[tokio::test]
async fn a_wrong_pointer_is_an_errno_in_every_function() {
    let mut guest = guest().await;
    for (name, arguments, pointers) in CALLS {
        for pointer in *pointers {
            for wrong in WRONG {
                let fits = *name == "fd_prestat_dir_name" && wrong == MEMORY - 1;
                if fits {
                    continue;
                }
                let mut arguments = arguments.to_vec();
                arguments[*pointer] = wrong;
                assert_eq!(guest.call(name, &arguments).await, EFAULT, "{name} {arguments:x?}");
            }
        }
        assert_eq!(guest.call(name, arguments).await, SUCCESS, "{name} {arguments:x?}");
    }
}

#[tokio::test]
async fn wrong_pointers_open_and_change_nothing() {
    let mut guest = guest().await;
    let before = guest.handles_open();
    assert_eq!(
        guest
            .call("path_open", &[3, 0, PATH + 16, 4, CREATE, 0, 0, 0, MEMORY])
            .await,
        EFAULT
    );
    assert_eq!(guest.handles_open(), before);
    assert!(!guest.host_path("temp").exists());
    guest.ok("fd_seek", &[4, 0, 0, 0]).await;
    assert_eq!(guest.call("fd_read", &[4, LIST, 1, MEMORY]).await, EFAULT);
    assert_eq!(guest.read(4, &[100]).await, [b"content"]);
}

#[tokio::test]
async fn wrong_lists_of_buffers_are_errnos() {
    let mut guest = guest().await;
    let max = u64::from(u32::MAX);
    let lists: [(&[u64], u64); 4] = [
        (&[MEMORY, 1], EFAULT),
        (&[max, 1], EFAULT),
        (&[0, max], EFAULT),
        (&[0, MEMORY - 1, 0, MEMORY - 1], SUCCESS),
    ];
    for (list, errno) in lists {
        let words: Vec<u8> = list.iter().flat_map(|word| (*word as u32).to_le_bytes()).collect();
        guest.put(LIST, &words);
        let count = list.len() as u64 / 2;
        assert_eq!(
            guest.call("fd_pread", &[4, LIST, count, 1 << 40, BUFFER]).await,
            errno,
            "{list:x?}"
        );
    }
    for count in [1025, max, max / 8, max / 8 + 1] {
        assert_eq!(guest.call("fd_write", &[4, LIST, count, 0]).await, INVAL);
        assert_eq!(guest.call("fd_read", &[0, LIST, count, 0]).await, INVAL);
    }
}

#[tokio::test]
async fn buffers_which_add_up_to_more_than_a_count_are_refused() {
    let mut guest = guest().await;
    let entry = [&0u32.to_le_bytes()[..], &(MEMORY as u32).to_le_bytes()].concat();
    guest.put(LIST, &entry.repeat(1024));
    assert_eq!(guest.call("fd_write", &[1, LIST, 1024, 0]).await, INVAL);
    assert_eq!(guest.call("fd_read", &[4, LIST, 1024, 0]).await, INVAL);
}

#[tokio::test]
async fn reading_over_the_list_of_buffers_is_harmless() {
    let mut guest = guest().await;
    let noise = guest.open("noise", CREATE, support::ALL_OF_A_FILE).await;
    guest.write(noise, &[&[0xff; 4096]]).await;
    guest.put(
        LIST,
        &[LIST as u32, 64, LIST as u32, 4096, 0, 4]
            .map(u32::to_le_bytes)
            .concat(),
    );
    let errno = guest.call("fd_pread", &[noise, LIST, 3, 0, 0]).await;
    assert!(errno == SUCCESS || errno == EFAULT, "{errno}");
}

#[tokio::test]
async fn paths_of_any_bytes_and_lengths_are_errnos() {
    let mut guest = guest().await;
    let (ilseq, name_too_long, perm) = (25, 37, 63);
    let paths: [(&[u8], u64); 4] = [
        (b"\xff\xfe", ilseq),
        (b"a\0b", INVAL),
        (b"/file", perm),
        (&[b'a'; 5000], name_too_long),
    ];
    for (path, errno) in paths {
        guest.put(PATH, path);
        assert_eq!(
            guest
                .call("path_open", &[3, 0, PATH, path.len() as u64, 0, 0, 0, 0, 0])
                .await,
            errno
        );
        assert_eq!(
            guest.call("path_unlink_file", &[3, PATH, path.len() as u64]).await,
            errno
        );
    }
    assert_eq!(
        guest
            .call("path_open", &[3, 0, PATH, u32::MAX.into(), 0, 0, 0, 0, 0])
            .await,
        EFAULT
    );
}

#[tokio::test]
async fn unknown_flags_are_refused() {
    let mut guest = guest().await;
    assert_eq!(guest.call("path_open", &[3, 2, PATH, 4, 0, 0, 0, 0, 0]).await, INVAL);
    assert_eq!(guest.call("path_open", &[3, 0, PATH, 4, 16, 0, 0, 0, 0]).await, INVAL);
    assert_eq!(guest.call("path_open", &[3, 0, PATH, 4, 0, 0, 0, 32, 0]).await, INVAL);
    assert_eq!(guest.call("fd_fdstat_set_flags", &[4, 0x1_0000]).await, INVAL);
    assert_eq!(guest.call("fd_seek", &[4, 0, 3, 0]).await, INVAL);
    assert_eq!(guest.call("fd_advise", &[4, 0, 0, 6]).await, INVAL);
    assert_eq!(guest.call("fd_filestat_set_times", &[4, 0, 0, 0b11]).await, INVAL);
    assert_eq!(guest.call("fd_filestat_set_times", &[4, 0, 0, 16]).await, INVAL);
}

#[tokio::test]
async fn positions_out_of_range_are_errnos() {
    let mut guest = guest().await;
    let minus_one = u64::MAX;
    assert_eq!(guest.call("fd_seek", &[4, minus_one, 0, 0]).await, INVAL);
    guest.ok("fd_seek", &[4, i64::MAX as u64, 0, 0]).await;
    assert_eq!(guest.call("fd_seek", &[4, 1, 1, 0]).await, INVAL);
    assert_ne!(guest.call("fd_write", &[4, LIST, 1, 0]).await, SUCCESS);
    assert_ne!(guest.call("fd_pwrite", &[4, LIST, 1, u64::MAX, 0]).await, SUCCESS);
    assert_ne!(guest.call("fd_pread", &[4, LIST, 1, u64::MAX, 0]).await, SUCCESS);
    assert_ne!(guest.call("fd_allocate", &[4, u64::MAX, u64::MAX]).await, SUCCESS);
    assert_ne!(guest.call("fd_filestat_set_size", &[4, u64::MAX]).await, SUCCESS);
}

#[tokio::test]
async fn descriptors_which_are_not_open_are_refused() {
    let mut guest = guest().await;
    for (name, arguments, _) in CALLS {
        if !name.starts_with("fd_") && !name.starts_with("path_") {
            continue;
        }
        for fd in [77, u64::from(u32::MAX)] {
            let mut arguments = arguments.to_vec();
            let position = if *name == "path_symlink" { 2 } else { 0 };
            arguments[position] = fd;
            assert_eq!(guest.call(name, &arguments).await, BADF, "{name} {arguments:x?}");
        }
    }
}

/// RUSTSEC-2026-0182, CVE-2025-53901.
#[tokio::test]
async fn renumbering_for_ever_leaks_nothing() {
    let mut guest = guest().await;
    let target = guest.open("target", CREATE, 0).await;
    let before = guest.handles_open();
    for _ in 0..1000 {
        let next = guest.open("file", 0, READ).await;
        assert_eq!(next, target + 1);
        guest.ok("fd_renumber", &[next, target]).await;
        assert_eq!(guest.call("fd_close", &[next]).await, BADF);
        assert_eq!(guest.handles_open(), before);
    }
    guest.ok("fd_renumber", &[target, target]).await;
    guest.ok("fd_renumber", &[target, 1]).await;
    assert_eq!(guest.call("fd_renumber", &[1, 500]).await, BADF);
    assert_eq!(guest.call("fd_renumber", &[500, 1]).await, BADF);
    assert_eq!(guest.handles_open(), before);
}

#[tokio::test]
async fn opening_for_ever_ends_at_the_limit_of_handles() {
    let mut guest = guest().await;
    let mut opened = 0;
    let errno = loop {
        match guest.try_open("file", 0, READ).await {
            Ok(_) => opened += 1,
            Err(errno) => break errno,
        }
        assert!(opened < 100, "no limit of handles");
    };
    let too_many_open_files = 33;
    assert_eq!(errno, too_many_open_files);
    guest.ok("fd_close", &[4]).await;
    assert_eq!(guest.open("file", 0, READ).await, 4);
}

#[tokio::test]
async fn listings_show_nothing_of_the_host_in_their_padding() {
    let mut guest = guest().await;
    guest.put(BUFFER, &[0xff; 4096]);
    guest.ok("fd_readdir", &[3, BUFFER, 4096, 0, 0]).await;
    let used = guest.u32(0);
    let mut at = BUFFER;
    while at < BUFFER + used {
        assert_eq!(guest.bytes(at + 21, 3), [0; 3]);
        at += 24 + guest.u32(at + 16);
    }
    for structure in [("fd_fdstat_get", 24, 1..2), ("fd_filestat_get", 64, 17..24)] {
        let (name, size, padding) = structure;
        guest.put(BUFFER, &[0xff; 64]);
        guest.ok(name, &[4, BUFFER]).await;
        assert!(
            guest.bytes(BUFFER, size)[padding].iter().all(|byte| *byte == 0),
            "{name}"
        );
    }
}

#[tokio::test]
async fn cookies_of_any_value_end_the_listing() {
    let mut guest = guest().await;
    for cookie in [5, 1 << 32, u64::MAX] {
        assert_eq!(guest.list(3, 1000, cookie).await.used, 0);
    }
}

#[tokio::test]
async fn thousands_of_subscriptions_are_polled_and_more_are_refused() {
    let mut guest = Guest::new();
    let mut subscriptions = vec![support::clock(1, 1, u64::MAX); 4095];
    subscriptions.push(support::clock(2, 1, 0));
    let events = guest.poll(&subscriptions).await;
    assert_eq!(events.iter().map(|event| event.userdata).collect::<Vec<_>>(), [2]);
    let charged = guest.state().process.meter().take_unpaid();
    assert!(charged > 4096, "{charged}");
    for count in [0, 4097, u32::MAX.into()] {
        assert_eq!(guest.call("poll_oneoff", &[LIST, BUFFER, count, 0]).await, INVAL);
    }
}

#[tokio::test]
async fn a_wait_which_never_ends_can_be_dropped() {
    let mut guest = Guest::new();
    let deadline = std::time::Duration::from_millis(20);
    let waited = tokio::time::timeout(deadline, guest.poll(&[support::clock(1, 1, u64::MAX)])).await;
    assert!(waited.is_err());
}

#[tokio::test]
async fn a_guest_which_writes_for_ever_is_stopped_at_its_limit_of_output() {
    let mut guest = Guest::new();
    let list = guest.gather(&[&[b'x'; 64 << 10]]);
    let stop = loop {
        if let Err(stop) = guest.try_call("fd_write", &[1, list.at, list.count, 0]).await {
            break stop;
        }
    };
    assert_eq!(stop, Stop::Limit(Limit::Output));
}

#[tokio::test]
async fn bytes_are_charged() {
    let mut guest = guest().await;
    for (name, arguments) in [("random_get", &[BUFFER, 1 << 20][..]), ("fd_write", &[4, LIST, 1, 0])] {
        guest.state().process.meter().take_unpaid();
        guest.put(LIST, &[BUFFER as u32, 1 << 20].map(u32::to_le_bytes).concat());
        guest.ok(name, arguments).await;
        assert!(guest.state().process.meter().take_unpaid() >= 1 << 20, "{name}");
    }
}

#[tokio::test]
async fn a_program_without_a_memory_has_no_good_pointer() {
    let mut guest = Guest::without_memory();
    assert_eq!(guest.call("clock_time_get", &[0, 0, 0]).await, EFAULT);
    assert_eq!(guest.call("fd_close", &[3]).await, SUCCESS);
    assert_eq!(guest.try_call("proc_exit", &[3]).await, Err(Stop::Exit(3)));
}

#[tokio::test]
async fn reading_what_was_opened_for_writing_is_refused() {
    let mut guest = guest().await;
    let written = guest.open("file", 0, WRITE).await;
    let read = guest.open("file", 0, READ).await;
    assert_eq!(guest.call("fd_read", &[written, LIST, 1, 0]).await, BADF);
    assert_eq!(guest.call("fd_write", &[read, LIST, 1, 0]).await, BADF);
    assert_eq!(guest.call("fd_read", &[3, LIST, 1, 0]).await, BADF);
    assert_eq!(guest.call("fd_write", &[3, LIST, 1, 0]).await, BADF);
}
