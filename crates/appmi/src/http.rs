//! HTTP on a thread of its own: probes, metrics, and whatever routes are merged in.
//!
//! The pipeline never waits for a client: handlers read published snapshots, and one thread with a runtime
//! of its own serves them all.

mod health;
mod problem;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::oneshot;

pub use health::Health;
pub use problem::Problem;

use crate::metrics::Exporter;

/// How long requests may go on once the server is told to stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// HTTP could not be served.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't serve HTTP on {listen}; set http.listen to a free address of this machine, or to \"\" for none"
)]
pub struct BindError {
    listen: SocketAddr,
    #[source]
    source: io::Error,
}

/// The routes of every instance: `/healthz`, `/readyz`, `/metrics`, those given, and 404 for the rest.
pub fn router(health: Arc<Health>, metrics: Exporter, more: Router) -> Router {
    let probes = Router::new()
        .route(
            "/healthz",
            get(|State(health): State<Arc<Health>>| async move {
                probe(health.is_alive(Instant::now()))
            }),
        )
        .route(
            "/readyz",
            get(|State(health): State<Arc<Health>>| async move { probe(health.is_ready()) }),
        )
        .with_state(health);
    let metrics = Router::new()
        .route("/metrics", get(render))
        .with_state(metrics);
    probes
        .merge(metrics)
        .merge(more)
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address is for reading; use GET",
            )
        })
}

async fn render(State(metrics): State<Exporter>) -> Response {
    (
        [(header::CONTENT_TYPE, Exporter::CONTENT_TYPE)],
        metrics.render(),
    )
        .into_response()
}

/// 200, or 503 with what is the matter.
fn probe(outcome: Result<(), String>) -> Response {
    match outcome {
        Ok(()) => "ok\n".into_response(),
        Err(matter) => (StatusCode::SERVICE_UNAVAILABLE, matter + "\n").into_response(),
    }
}

/// A server that is running.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Listens, then serves on a thread of its own.
    ///
    /// # Errors
    /// If the address can't be listened on.
    pub fn start(listen: SocketAddr, router: Router) -> Result<Self, BindError> {
        let bind = || {
            let listener = TcpListener::bind(listen)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let (stop, stopped) = oneshot::channel();
            let thread = std::thread::Builder::new()
                .name("http".to_owned())
                .spawn(move || serve(listener, router, stopped))?;
            Ok(Self {
                address,
                stop,
                thread,
            })
        };
        bind().map_err(|source| BindError { listen, source })
    }

    /// Where it listens; the port that the system chose, if it was asked to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more connections, lets requests go on for two seconds and returns.
    pub fn stop(self) {
        // An error says that the thread has ended already, which is then told below.
        let _ = self.stop.send(());
        match self.thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "HTTP ended early"),
            Err(_) => tracing::warn!("HTTP ended early by a bug"),
        }
    }
}

fn serve(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (shut, shutting) = oneshot::channel::<()>();
        let server = axum::serve(listener, router).with_graceful_shutdown(async {
            // Either way it is time to end: told so, or left alone.
            let _ = shutting.await;
        });
        let deadline = async {
            let _ = stopped.await;
            drop(shut);
            tokio::time::sleep(STOP_GRACE).await;
        };
        tokio::select! {
            ended = server => ended,
            () = deadline => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests;
