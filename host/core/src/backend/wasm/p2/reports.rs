//! What a component tells the host by itself: lines for its log, by `wasi:logging`, and how far it has come.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker};

use super::HasState;
use crate::events::{LogLevel, Report};
use crate::text::shown;

/// The longest message that is kept, in characters.
const MAX_MESSAGE: usize = 4 << 10;

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made of what a guest gives")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}

/// Adds `wasi:logging/logging` and `palisade:tool/progress`.
pub(super) fn add_to_linker<T: HasState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut logging = linker.instance("wasi:logging/logging@0.1.0-draft")?;
    logging.func_wrap(
        "log",
        |store: StoreContextMut<'_, T>, (level, context, message): (Level, String, String)| {
            let bytes = context.len() + message.len();
            let report = Report::Log {
                level: level.into(),
                context: shown(&context, MAX_MESSAGE),
                message: shown(&message, MAX_MESSAGE),
            };
            tell(store, bytes, report)
        },
    )?;
    let mut progress = linker.instance("palisade:tool/progress@0.1.0")?;
    progress.func_wrap(
        "report",
        |store: StoreContextMut<'_, T>, (done, total, message): (u64, Option<u64>, String)| {
            let bytes = message.len();
            let message = shown(&message, MAX_MESSAGE);
            tell(store, bytes, Report::Progress { done, total, message })
        },
    )
}

/// What each report counts as, beside its text: about what a line of the host's log has around it.
const LINE: usize = 256;

/// What a guest reports is output of it, and so within the limit of that.
fn tell<T: HasState>(mut store: StoreContextMut<'_, T>, bytes: usize, report: Report) -> wasmtime::Result<()> {
    let process = &store.data_mut().p2().process;
    process.meter().charge_bytes(bytes);
    process.outputs().spend(LINE + bytes)?;
    process.job.reports.tell(&process.job.name, report);
    Ok(())
}
