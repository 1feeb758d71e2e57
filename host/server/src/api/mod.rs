//! What the routes do: they translate, and decide nothing.

mod calls;
mod events;
mod files;
mod idempotency;
mod keys;
mod metrics;
mod policies;
mod processes;
mod sandboxes;
mod sessions;
mod snapshots;
mod streams;
mod tools;
mod usage;

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use palisade::{Host, Kind, Sandbox, SandboxId};
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::idempotency::Made;
use self::sessions::Sessions;
use crate::answer::Turns;
use crate::askers::Askers;
use crate::error::Failure;
use crate::history::History;
use crate::lives::Lives;
use crate::loopback::Reach;
use crate::places::Places;
use crate::processes::Processes;
use crate::requests::Requests;
use crate::seldom::Seldom;
use crate::tally::Tally;
use crate::{Keys, Settings, router};

/// Components which are taken in at one time; others wait.
const UPLOADS: usize = 2;
/// Programs which are read from files of sandboxes at one time; others wait.
const READINGS: usize = 4;

/// What all routes share.
pub(crate) struct Api {
    pub host: Host,
    pub keys: Keys,
    pub settings: Settings,
    pub reach: Reach,
    pub askers: Askers,
    pub lives: Lives,
    pub connections: Tally,
    pub requests: Arc<Requests>,
    pub history: History,
    turns: Turns,
    uploads: Places,
    processes: Processes,
    sessions: Sessions,
    /// Turns to read a program from a sandbox's files.
    readings: Places,
    files: files::Turns,
    made: Made,
    unready: Seldom,
    document: Bytes,
    /// True once the server ends: then what would go on for ever ends too.
    closing: watch::Receiver<bool>,
    events: OnceLock<Arc<events::Log>>,
}

impl Api {
    pub(crate) fn new(
        host: Host,
        keys: Keys,
        settings: Settings,
        reach: Reach,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let document = serde_json::to_vec(&router::document()).expect("the document has no maps but those by name");
        Self {
            askers: Askers::new(settings.max_connections),
            connections: Tally::default(),
            requests: Arc::default(),
            history: History::default(),
            turns: Turns::new(&settings),
            host,
            keys,
            settings,
            reach,
            uploads: Places::new(UPLOADS, "other components are being added"),
            processes: Processes::default(),
            sessions: Sessions::default(),
            readings: Places::new(READINGS, "other programs are being read"),
            files: files::Turns::default(),
            made: Made::default(),
            lives: Lives::default(),
            unready: Seldom::default(),
            document: document.into(),
            closing,
            events: OnceLock::new(),
        }
    }

    /// What happens, kept from when somebody asked first.
    fn log(&self) -> &Arc<events::Log> {
        self.events
            .get_or_init(|| events::Log::start(self.host.events(), self.closing.clone()))
    }

    /// Forgets what belonged to a sandbox which is gone.
    pub(crate) fn forget(&self, id: SandboxId) {
        self.lives.remove(id);
        self.processes.forget(id);
        self.sessions.forget(id);
    }

    fn sandbox(&self, id: &str) -> palisade::Result<Sandbox> {
        self.host.sandbox(id.parse()?)
    }
}

/// Every route, each of which must stand in [`access::TABLE`](crate::access::TABLE) too.
pub(crate) fn add_to(router: OpenApiRouter<Arc<Api>>) -> OpenApiRouter<Arc<Api>> {
    router
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(document))
        .routes(routes!(metrics::show))
        .routes(routes!(usage::all))
        .routes(routes!(usage::of_sandbox))
        .routes(routes!(keys::about))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::remove))
        .routes(routes!(policies::list))
        .routes(routes!(policies::show))
        .routes(routes!(policies::check))
        .routes(routes!(sandboxes::list, sandboxes::create))
        .routes(routes!(sandboxes::show, sandboxes::change, sandboxes::destroy))
        .routes(routes!(sandboxes::suspend))
        .routes(routes!(sandboxes::resume))
        .routes(routes!(sandboxes::stop))
        .routes(routes!(calls::call))
        .routes(routes!(calls::call_all))
        .routes(routes!(sessions::list, sessions::open))
        .routes(routes!(sessions::show, sessions::end))
        .routes(routes!(sessions::call))
        .routes(routes!(snapshots::list, snapshots::take))
        .routes(routes!(snapshots::show, snapshots::change, snapshots::delete))
        .routes(routes!(snapshots::compare))
        .routes(routes!(snapshots::verify))
        .routes(routes!(snapshots::set_name, snapshots::remove_name))
        .routes(routes!(snapshots::expire))
        .routes(routes!(snapshots::roll_back))
        .routes(routes!(snapshots::collect))
        .routes(routes!(snapshots::scrub))
        .routes(routes!(events::all))
        .routes(routes!(events::of_sandbox))
        .routes(routes!(processes::list, processes::start))
        .routes(routes!(processes::show))
        .routes(routes!(processes::output))
        .routes(routes!(processes::wait))
        .routes(routes!(processes::send))
        .routes(routes!(processes::signal))
        .routes(routes!(files::content::read, files::content::write, files::remove))
        .routes(routes!(files::stat))
        .routes(routes!(files::list))
        .routes(routes!(files::make_directory))
        .routes(routes!(files::rename))
        .routes(routes!(files::tar::read, files::tar::write))
        .routes(routes!(tools::list))
        .routes(routes!(tools::show, tools::add, tools::remove))
        .routes(routes!(tools::enable))
        .routes(routes!(tools::disable))
}

/// How many a page has.
fn page_limit(asked: Option<u16>) -> Result<usize, Failure> {
    match asked.unwrap_or(100) {
        limit @ 1..=1_000 => Ok(limit.into()),
        _ => Err(Failure::of(Kind::InvalidInput, "limit is a number from 1 to 1000")),
    }
}

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", security(()), responses((status = 200, description = "it does")))]
async fn live() -> &'static str {
    "ok\n"
}

/// Whether it can work: its list of tools can be read.
#[utoipa::path(get, path = "/readyz", security(()), responses((status = 200, description = "it can")))]
async fn ready(State(api): State<Arc<Api>>) -> Result<&'static str, Failure> {
    let Err(error) = api.host.tools().list() else {
        return Ok("ok\n");
    };
    // Anyone may ask.
    if api.unready.is_due() {
        tracing::error!(%error, "it is not ready");
    }
    Err(Failure::of(Kind::Unavailable, "it cannot work now"))
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", security(()), responses((status = 200, description = "OpenAPI 3.1")))]
async fn document(State(api): State<Arc<Api>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], api.document.clone())
}
