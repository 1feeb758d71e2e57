//! The loop which takes connections, and how it ends.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::server::graceful::GracefulShutdown;
use palisade::Host;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::api::Api;
use crate::attend::Service;
use crate::head_timer::HeadTimer;
use crate::loopback::Reach;
use crate::seldom::Seldom;
use crate::socket::Client;
use crate::tally::Tally;
use crate::{Keys, Settings, access, history, router, socket, tidy};

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Headers in one request.
const MAX_HEADERS: usize = 64;
/// How long the loop rests after the machine refused a connection: that passes when others end.
const REST: Duration = Duration::from_millis(100);

/// A host behind HTTP.
pub struct Server {
    host: Host,
    keys: Keys,
    settings: Settings,
}

impl Server {
    /// A server over `host`, for those who have one of `keys`.
    ///
    /// # Errors
    /// [`Kind::Internal`](palisade::Kind::Internal) where a route has no rule of access.
    pub fn new(host: Host, keys: Keys, settings: Settings) -> palisade::Result<Self> {
        access::check(access::TABLE, &router::document())?;
        Ok(Self { host, keys, settings })
    }

    /// Takes connections until `shutdown`. Then it takes no others, lets requests which have begun end for as long as
    /// its settings say, and drops the rest, which ends the calls in them. Sandboxes stay: they are the host's.
    ///
    /// On a loopback address it answers only those who name this machine, or a host of the settings, in `Host` and
    /// `Origin`; on any other likewise where the settings name hosts. What the machine refuses, such as one file too
    /// many, it waits out. Dropping the future drops all connections.
    ///
    /// # Errors
    /// Where the listener has no address, or its sockets cannot have their bounds.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self { host, keys, settings } = self;
        let reach = match listener.local_addr()?.ip().to_canonical().is_loopback() {
            true => Reach::Loopback,
            false => Reach::Network,
        };
        socket::prepare(&listener, settings.write_time)?;
        let shutdown_time = settings.shutdown_time;
        let (close, closing) = watch::channel(false);
        let api = Arc::new(Api::new(host, keys, settings, reach, closing));
        let mut connections = Connections::new(&api);
        let mut keepers = JoinSet::new();
        let known = Arc::downgrade(&api);
        let forget = move |id| known.upgrade().into_iter().for_each(|api| api.forget(id));
        keepers.spawn(api.lives.clone().keep(api.host.clone(), forget));
        keepers.spawn({
            let api = Arc::clone(&api);
            async move { history::keep(api.host.clone(), &api.history).await }
        });
        keepers.spawn(tidy::keep(api.host.clone()));
        let service = Arc::new(Service::new(api));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let (accepted, room) = tokio::select! {
                () = &mut shutdown => break,
                taken = connections.take(&listener) => taken,
            };
            connections.start(accepted, room, Arc::clone(&service));
        }
        drop(listener);
        close.send_replace(true);
        connections.end(shutdown_time).await;
        keepers.shutdown().await;
        Ok(())
    }
}

/// The connections which there are.
struct Connections {
    builder: http1::Builder,
    write_time: Duration,
    room: Arc<Semaphore>,
    open: Tally,
    graceful: GracefulShutdown,
    tasks: JoinSet<()>,
    /// Refusals of the machine.
    refusals: Seldom,
}

/// A stream, and what watches over its client.
type Accepted = (TcpStream, Client);

impl Connections {
    fn new(api: &Api) -> Self {
        let settings = &api.settings;
        let mut builder = http1::Builder::new();
        builder
            .header_read_timeout(settings.head_time)
            .max_buf_size(MAX_HEAD)
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_HEADERS);
        Self {
            builder,
            write_time: settings.write_time,
            room: Arc::new(Semaphore::new(settings.max_connections)),
            open: api.connections.clone(),
            graceful: GracefulShutdown::new(),
            tasks: JoinSet::new(),
            refusals: Seldom::default(),
        }
    }

    /// The next connection, once there is room for it. Cancel safe.
    async fn take(&mut self, listener: &TcpListener) -> (Accepted, OwnedSemaphorePermit) {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.expect("nobody closes the semaphore");
        loop {
            while self.tasks.try_join_next().is_some() {}
            match accept(listener).await {
                Ok(accepted) => return (accepted, room),
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    if self.refusals.is_due() {
                        tracing::warn!(%error, "cannot accept a connection");
                    }
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    fn start(&mut self, (stream, client): Accepted, room: OwnedSemaphorePermit, service: Arc<Service>) {
        let stream = socket::bounded(stream, self.write_time);
        let service = service_fn(move |request| {
            let service = Arc::clone(&service);
            async move { Ok::<_, Infallible>(service.answer(request).await) }
        });
        let mut builder = self.builder.clone();
        let connection = builder.timer(HeadTimer::default()).serve_connection(stream, service);
        let connection = self.graceful.watch(connection);
        let counted = self.open.one();
        self.tasks.spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke off");
                },
                // hyper does not notice while it has bytes which it has not come to.
                () = client.gone() => {}
            }
            drop((room, counted));
        });
    }

    async fn end(mut self, time: Duration) {
        if tokio::time::timeout(time, self.graceful.shutdown()).await.is_err() {
            tracing::warn!("requests which went on after the time for a shutdown are dropped");
        }
        self.tasks.shutdown().await;
    }
}

async fn accept(listener: &TcpListener) -> io::Result<Accepted> {
    let (stream, _) = listener.accept().await?;
    let client = Client::of(&stream)?;
    Ok((stream, client))
}

/// Whether only this connection failed, before it was taken.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
