//! The way for machines that cannot reach rustup's server: Debian's newest rustc, unpacked and never installed, with
//! std compiled from Debian's sources over zig's libc. Linkers come from the rustup toolchain that is there anyway.
//!
//! The result lies in `toolchain-<digest of the recipe>` in the cache, and appears there whole or not at all.

use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use walkdir::WalkDir;

use super::{TARGETS, Toolchain, Zig, rustup};
use crate::progress::Step;
use crate::{command, lock, paths};

/// Raised when the steps below change what they make.
const RECIPE: u32 = 1;

/// Debian keeps this rustc up to date for its browsers.
const COMPILER: &str = "rustc-web";
const SOURCES: &str = "rust-web-src";
/// The libc symbols expected below are those of this std.
const OLDEST_MINOR: u32 = 96;

/// What of the compiler's dependencies is unpacked beside it. The rest (libc, gcc) is where rustup works.
const FAMILIES: [&str; 14] = [
    COMPILER,
    "libstd-rust-web",
    "libbsd",
    "libedit",
    "libffi",
    "libicu",
    "libllvm",
    "liblzma",
    "libmd0",
    "libtinfo",
    "libxml2",
    "libz3-",
    "libzstd",
    "zlib1g",
];

const SOCKETS: &str = include_str!("sockets.c");

/// Whether the cache has this toolchain.
pub(super) fn is_complete() -> Result<bool> {
    Ok(folder()?.exists())
}

/// Takes the toolchain from the cache, or makes it.
pub(super) fn ensure() -> Result<Toolchain> {
    let folder = folder()?;
    if !folder.exists() {
        let _lock = lock::hold("toolchain")?;
        if !folder.exists() {
            make(&folder)?;
        }
    }
    let rustc = folder.join("rustc");
    let version = command::output(Command::new(&rustc).arg("-vV")).context("the cached rustc does not run")?;
    let identity = format!("{version}{}", digest());
    Ok(Toolchain {
        rustc: Some(rustc),
        linkers: linkers()?,
        identity,
    })
}

/// Makes sure that there is a program which the package of its name has.
pub(crate) fn ensure_program(name: &str) -> Result<()> {
    if has(name) { Ok(()) } else { install_package(name) }
}

/// Installs `package`, or says that it has to be.
pub(super) fn install_package(package: &str) -> Result<()> {
    let is_root = command::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    ensure!(
        is_root && has("apt-get"),
        "install {package} (on Debian: apt-get install {package}) and run this again"
    );
    let mut install = Command::new("apt-get");
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "--no-install-recommends", package]);
    let title = format!("install {package}");
    command::step(&title, &mut install).or_else(|_| {
        update()?;
        command::step(&title, &mut install)
    })
}

fn folder() -> Result<PathBuf> {
    Ok(paths::cache()?.join(format!("toolchain-{}", digest())))
}

fn digest() -> String {
    let text = format!(
        "{RECIPE} {COMPILER} {SOURCES} {FAMILIES:?} {TARGETS:?} {} {SOCKETS}",
        Zig::identity()
    );
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

fn make(folder: &Path) -> Result<()> {
    for tool in ["apt-get", "apt-cache", "dpkg-deb"] {
        ensure!(
            has(tool),
            "no compiler for WebAssembly: `rustup target add {}` must work here, or {tool} (Debian) be installed",
            TARGETS.join(" ")
        );
    }
    let zig = Zig::ensure()?;
    let work = Work {
        folder: folder.with_extension("part"),
    };
    if work.folder.exists() {
        fs::remove_dir_all(&work.folder)?;
    }
    work.unpack(&work.download()?)?;
    work.write_wrapper()?;
    work.check_version()?;
    work.libc(&zig)?;
    work.std()?;
    work.clean()?;
    fs::rename(&work.folder, folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// A toolchain being made.
struct Work {
    folder: PathBuf,
}

impl Work {
    fn download(&self) -> Result<Vec<PathBuf>> {
        let folder = paths::create(self.scratch("packages"))?;
        let packages = match packages() {
            Some(packages) => packages,
            None => {
                update()?;
                packages().with_context(|| format!("apt offers no {COMPILER}: is Debian's security suite enabled?"))?
            }
        };
        let fetch = || {
            let mut apt = Command::new("apt-get");
            // As root apt would drop to a user who cannot write here, and warn about it.
            apt.args(["-o", "APT::Sandbox::User=root", "download"])
                .args(&packages)
                .current_dir(&folder);
            command::step("fetch Debian's rustc and std sources", &mut apt)
        };
        // Lists that are out of date name files which are gone.
        fetch().or_else(|_| update().and_then(|()| fetch()))?;
        let files = folder.read_dir()?.map(|entry| Ok(entry?.path()));
        files.collect()
    }

    fn unpack(&self, packages: &[PathBuf]) -> Result<()> {
        let step = Step::start("unpack them");
        for package in packages {
            let is_source = package
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(SOURCES));
            // The compiler's own sources are most of that package: writing and removing them takes a minute.
            let only = is_source.then_some("./usr/src/*/library/*");
            let into = if is_source {
                self.scratch("source")
            } else {
                self.folder.clone()
            };
            let unpacked = unpack(package, only, &paths::create(into)?);
            unpacked.with_context(|| format!("cannot unpack {}", package.display()))?;
        }
        step.done();
        Ok(())
    }

    /// A rustc that finds its libraries wherever the folder is moved to.
    fn write_wrapper(&self) -> Result<()> {
        let wrapper = self.folder.join("rustc");
        let libraries = format!("$here/usr/lib/{ARCH}-linux-gnu:$here/lib/{ARCH}-linux-gnu");
        let script = format!(
            "#!/bin/sh\nhere=${{0%/*}}\nLD_LIBRARY_PATH={libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}} \
             exec \"$here/usr/bin/rustc\" \"$@\"\n"
        );
        fs::write(&wrapper, script)?;
        Ok(fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?)
    }

    fn check_version(&self) -> Result<()> {
        let version = command::output(Command::new(self.folder.join("rustc")).arg("--version"));
        let version = version.context("Debian's rustc does not run on this machine")?;
        let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
        if minor.is_none_or(|minor| minor < OLDEST_MINOR) {
            bail!(
                "{COMPILER} is {}, 1.{OLDEST_MINOR} or newer is needed: enable Debian's security suite",
                version.trim()
            );
        }
        Ok(())
    }

    /// Start files and one `libc.a`, from what zig compiles for a C program.
    fn libc(&self, zig: &Zig) -> Result<()> {
        let out = paths::create(self.scratch("libc"))?;
        let (main, sockets) = (out.join("main.c"), out.join("sockets.c"));
        fs::write(&main, "int main(void) { return 0; }\n")?;
        fs::write(&sockets, SOCKETS)?;
        let wasm = out.join("main.wasm");
        let stubs = out.join("sockets.o");
        command::step("compile libc for WebAssembly", zig.cc().arg(&main).arg("-o").arg(&wasm))?;
        command::step(
            "compile libc for reactors",
            zig.cc().arg("-mexec-model=reactor").arg(&main).arg("-o").arg(&wasm),
        )?;
        let mut compile = zig.cc();
        compile
            .args(["-w", "-fno-builtin", "-c"])
            .arg(&sockets)
            .arg("-o")
            .arg(&stubs);
        command::step("compile the socket stubs", &mut compile)?;

        let kept = paths::create(self.scratch("self-contained"))?;
        for name in ["crt1-command.o", "crt1-reactor.o"] {
            let made = find(&zig.cache, name).with_context(|| format!("zig made no {name}"))?;
            fs::copy(made, kept.join(name))?;
        }
        let archives = ["libc.a", "libzigc.a", "libcompiler_rt.a"]
            .iter()
            .filter_map(|name| find(&zig.cache, name));
        let archives: Vec<PathBuf> = archives.collect();
        ensure!(
            archives.iter().any(|archive| archive.ends_with("libc.a")),
            "zig made no libc.a"
        );
        merge(zig, &archives, &stubs, &kept.join("libc.a"))
    }

    /// Compiles std for every target at once, which keeps all cores busy.
    fn std(&self) -> Result<()> {
        let build = self.scratch("build");
        let mut flags = vec![
            "-Zforce-unstable-if-unmarked".to_owned(),
            "-Cembed-bitcode=yes".to_owned(),
        ];
        flags.extend(super::remap(&self.folder, "toolchain"));
        let mut cargo = command::guest_cargo();
        cargo
            .args(["build", "--release", "--features", "backtrace"])
            .args(TARGETS.iter().flat_map(|target| ["--target", target]))
            .arg("--manifest-path")
            .arg(self.library()?.join("sysroot/Cargo.toml"))
            .env("CARGO_TARGET_DIR", &build)
            .env("RUSTC", self.folder.join("rustc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "-Zforce-unstable-if-unmarked -Cembed-bitcode=yes");
        command::step("compile std for WebAssembly", &mut cargo)?;
        TARGETS.iter().try_for_each(|target| self.keep_std(&build, target))
    }

    fn keep_std(&self, build: &Path, target: &str) -> Result<()> {
        let out = self.folder.join("usr/lib/rustlib").join(target).join("lib");
        let self_contained = paths::create(out.join("self-contained"))?;
        copy_all(&build.join(target).join("release/deps"), "rlib", &out)?;
        for extension in ["o", "a"] {
            copy_all(&self.scratch("self-contained"), extension, &self_contained)?;
        }
        Ok(())
    }

    fn library(&self) -> Result<PathBuf> {
        let sources = self.scratch("source").join("usr/src");
        let mut versions = sources
            .read_dir()?
            .filter_map(|entry| Some(entry.ok()?.path().join("library")));
        versions
            .find(|library| library.join("sysroot").is_dir())
            .context("the source package has no std")
    }

    fn clean(&self) -> Result<()> {
        fs::remove_dir_all(self.folder.join("scratch"))?;
        Ok(())
    }

    fn scratch(&self, name: &str) -> PathBuf {
        self.folder.join("scratch").join(name)
    }
}

/// The packages to unpack, or `None` while apt has no lists.
fn packages() -> Option<Vec<String>> {
    let leave_out = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
    let mut query = Command::new("apt-cache");
    query
        .args(["depends", "--recurse"])
        .args(leave_out.map(|kind| format!("--no-{kind}")))
        .args([COMPILER, SOURCES]);
    let text = command::output(&mut query)?;
    let names = text
        .lines()
        .filter(|line| !line.starts_with([' ', '<', '|']) && !line.contains(':'));
    let mut wanted: Vec<String> = names
        .filter(|name| FAMILIES.iter().any(|family| name.starts_with(family)))
        .map(str::to_owned)
        .collect();
    if !wanted.iter().any(|name| name == COMPILER) {
        return None;
    }
    wanted.push(SOURCES.to_owned());
    Some(wanted)
}

fn update() -> Result<()> {
    command::step("update apt's package lists", Command::new("apt-get").arg("update"))
}

fn linkers() -> Result<Vec<PathBuf>> {
    let folder = rustup::sysroot()?.join(format!("lib/rustlib/{ARCH}-unknown-linux-gnu/bin"));
    ensure!(
        folder.join("rust-lld").exists(),
        "no rust-lld in {}: use rustup's stable toolchain",
        folder.display()
    );
    Ok(vec![folder.join("gcc-ld"), folder])
}

/// Puts the members of all archives and one object into one archive.
fn merge(zig: &Zig, archives: &[PathBuf], object: &Path, into: &Path) -> Result<()> {
    let mut script = format!("create {}\n", into.display());
    for archive in archives {
        script.push_str(&format!("addlib {}\n", archive.display()));
    }
    script.push_str(&format!("addmod {}\nsave\nend\n", object.display()));
    command::with_input(zig.ar().arg("-M"), &script).context("cannot make libc.a")
}

/// The newest file called `name`: an older one is of other flags.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let files = WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|file| file.file_name() == name);
    files
        .max_by_key(|file| file.metadata().ok().and_then(|metadata| metadata.modified().ok()))
        .map(walkdir::DirEntry::into_path)
}

/// Unpacks what matches the pattern `only`, or everything.
fn unpack(package: &Path, only: Option<&str>, into: &Path) -> Result<()> {
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut tar = Command::new("tar");
    tar.arg("-x")
        .arg("-C")
        .arg(into)
        .args(only.map(|_| "--wildcards"))
        .args(only);
    let status = tar
        .stdin(archive.stdout.take().context("the output is a pipe")?)
        .status()?;
    ensure!(archive.wait()?.success() && status.success(), "dpkg-deb or tar failed");
    Ok(())
}

fn copy_all(from: &Path, extension: &str, to: &Path) -> Result<()> {
    for entry in from
        .read_dir()
        .with_context(|| format!("cannot read {}", from.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            fs::copy(&path, to.join(path.file_name().context("a file has a name")?))?;
        }
    }
    Ok(())
}

/// Whether `program` is on `PATH`.
pub(super) fn has(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}
