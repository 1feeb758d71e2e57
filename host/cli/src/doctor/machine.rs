//! What the kernel and the limits of this process allow.

use palisade::policy::ByteSize;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::Check;
use crate::report::{grouped, short_size};

/// Mappings that an instance needs, about.
const MAPPINGS_PER_INSTANCE: u64 = 6;
/// The instances that a host allows by default.
const INSTANCES: u64 = 1_000;
/// Open files below which a busy host runs short.
const OPEN_FILES: u64 = 4_096;

pub(super) fn checks() -> Vec<Check> {
    vec![
        target(),
        kernel(),
        openat2(),
        pagemap_scan(),
        mappings(),
        open_files(),
        address_space(),
        memory(),
        cores(),
    ]
}

fn target() -> Check {
    let (architecture, system) = (std::env::consts::ARCH, std::env::consts::OS);
    let detail = format!("{architecture} {system}");
    match (architecture, system) {
        ("x86_64" | "aarch64" | "riscv64" | "s390x", "linux") => Check::ok("target", detail),
        _ => Check::warn("target", detail, "palisade is made for Linux on x86_64 and aarch64"),
    }
}

fn kernel() -> Check {
    match release() {
        Some(release) => Check::ok("kernel", format!("Linux {release}")),
        None => Check::warn("kernel", "its release is not known", "/proc should be mounted"),
    }
}

fn openat2() -> Check {
    let opened = rustix::fs::openat2(
        rustix::fs::CWD,
        "/",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_MAGICLINKS,
    );
    match opened {
        Ok(_) => Check::ok("openat2", "paths are resolved by the kernel"),
        Err(Errno::NOSYS) => Check::warn(
            "openat2",
            "missing, so paths are resolved step by step",
            "use Linux 5.6 or newer",
        ),
        Err(error) => Check::warn(
            "openat2",
            format!("refused ({error}), so paths are resolved step by step"),
            "a seccomp filter may stand in the way",
        ),
    }
}

fn pagemap_scan() -> Check {
    match version() {
        Some(version) if version >= (6, 7) => Check::ok("pagemap-scan", "instances are reset by their changed pages"),
        _ => Check::warn(
            "pagemap-scan",
            "missing, so instances are reset whole",
            "use Linux 6.7 or newer",
        ),
    }
}

fn mappings() -> Check {
    let name = "max-map-count";
    let Some(count) = number("/proc/sys/vm/max_map_count") else {
        return Check::warn(name, "not known", "/proc should be mounted");
    };
    let instances = count / MAPPINGS_PER_INSTANCE;
    let detail = format!(
        "{}, enough for about {} instances at one time",
        grouped(count),
        grouped(instances)
    );
    match instances >= INSTANCES {
        true => Check::ok(name, detail),
        false => Check::warn(name, detail, "raise it: sysctl vm.max_map_count=262144"),
    }
}

fn open_files() -> Check {
    let name = "open-files";
    match getrlimit(Resource::Nofile).current {
        None => Check::ok(name, "unlimited"),
        Some(files) if files >= OPEN_FILES => Check::ok(name, format!("{} at one time", grouped(files))),
        Some(files) => Check::warn(
            name,
            format!("{} at one time", grouped(files)),
            "raise the hard limit: ulimit -Hn 65536",
        ),
    }
}

fn address_space() -> Check {
    let name = "address-space";
    match getrlimit(Resource::As).current {
        None => Check::ok(name, "unlimited"),
        Some(bytes) => Check::warn(
            name,
            format!("limited to {}", short_size(ByteSize::from_bytes(bytes))),
            "gigabytes of addresses are set aside for each instance, used or not: ulimit -v unlimited",
        ),
    }
}

fn memory() -> Check {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |key: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let size = |kib: u64| short_size(ByteSize::from_bytes(kib.saturating_mul(1 << 10)));
    match (kib("MemTotal:"), kib("MemAvailable:")) {
        (Some(all), Some(free)) if free < 256 << 10 => Check::warn(
            "memory",
            format!("{} of {} available", size(free), size(all)),
            "guests may run short",
        ),
        (Some(all), Some(free)) => Check::ok("memory", format!("{} of {} available", size(free), size(all))),
        _ => Check::warn("memory", "not known", "/proc should be mounted"),
    }
}

fn cores() -> Check {
    match std::thread::available_parallelism() {
        Ok(cores) => Check::ok("cores", cores.to_string()),
        Err(error) => Check::warn("cores", format!("not known: {error}"), "one is assumed"),
    }
}

fn release() -> Option<String> {
    Some(
        std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .ok()?
            .trim()
            .to_owned(),
    )
}

fn version() -> Option<(u32, u32)> {
    parse_version(&release()?)
}

fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_its_version_in_front() {
        for (release, version) in [
            ("6.8.0-31-generic", Some((6, 8))),
            ("5.10.1", Some((5, 10))),
            ("6.7-rc1", Some((6, 7))),
            ("x", None),
        ] {
            assert_eq!(parse_version(release), version, "{release}");
        }
    }
}
