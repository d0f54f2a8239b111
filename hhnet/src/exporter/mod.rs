// SPDX-License-Identifier: Apache-2.0
//! The HTTP listener Prometheus scrapes. It can only be read, by anybody who can
//! connect, so that all of it is bounded: connections, their time, their headers.

mod answer;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{debug, warn};

pub use self::answer::Format;
use self::answer::refusal;

/// Connections at the same time; more of them wait for their turn.
const CONNECTIONS: usize = 16;
/// Connections the kernel keeps for us meanwhile.
const BACKLOG: i32 = 64;
/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(2);
/// How long a connection may last: less than Prometheus waits (10 s), so that those
/// who hold all connections do not keep it from its scrape.
const CONNECTION: Duration = Duration::from_secs(5);
/// How long the agent may take to answer, which may be at work on links.
const ANSWER: Duration = Duration::from_secs(3);
/// Bytes of a request, which has no body; the least hyper takes.
const REQUEST_BYTES: usize = 8192;
/// Header fields of a request.
const REQUEST_FIELDS: usize = 32;

/// Somebody who reads the metrics, and waits for them. One that is dropped tells him
/// that nobody has any.
#[derive(Debug)]
pub struct Scrape {
    /// How he reads them best.
    pub format: Format,
    /// Where they go.
    pub reply: oneshot::Sender<String>,
}

/// A listener that answers scrapes. Dropping it ends that soon, [`Exporter::close`] at
/// once.
#[derive(Debug)]
pub struct Exporter {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Listens at `address`, which need not be there yet, and passes scrapes on to `ask`.
    ///
    /// # Errors
    /// When the port is in use, or may not be listened on.
    pub fn start(
        address: SocketAddr,
        ask: impl Fn(Scrape) + Clone + Send + Sync + 'static,
    ) -> io::Result<Exporter> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, ask));
        Ok(Exporter { address, task })
    }

    /// Frees the port, whoever is connected.
    pub async fn close(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // The agent before this one may have had connections (TIME_WAIT).
    socket.set_reuse_address(true)?;
    // An address that is not there yet: it may be the one to be leased, and in a new
    // network namespace even that of the loopback interface is missing.
    if address.is_ipv4() {
        socket.set_freebind_v4(true)?;
    } else {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, ask: impl Fn(Scrape) + Clone + Send + Sync + 'static) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // Ends with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let ask = ask.clone();
                connections.spawn(async move {
                    if timeout(CONNECTION, serve(stream, ask)).await.is_err() {
                        debug!("a scrape took too long");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                warn!("accepting a scrape: {error}");
                // Out of descriptors, perhaps: do not spin.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// One request: the next one needs a new connection, which costs nothing worth
/// mentioning on a loopback interface, and leaves nothing to be kept open.
async fn serve(stream: TcpStream, ask: impl Fn(Scrape)) {
    let service = service_fn(|request| respond(request, &ask));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(REQUEST_BYTES)
        .max_headers(REQUEST_FIELDS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        debug!("serving a scrape: {error}");
    }
}

async fn respond(
    request: Request<Incoming>,
    ask: impl Fn(Scrape),
) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(status) = refusal(request.method(), request.uri().path()) {
        return Ok(failure(status));
    }
    let format = Format::wanted(request.headers());
    let (reply, answer) = oneshot::channel();
    ask(Scrape { format, reply });
    let Ok(Ok(text)) = timeout(ANSWER, answer).await else {
        return Ok(failure(StatusCode::SERVICE_UNAVAILABLE));
    };
    let mut response = Response::new(Full::from(text));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, format.media_type());
    Ok(response)
}

fn failure(status: StatusCode) -> Response<Full<Bytes>> {
    let text = match status {
        StatusCode::NOT_FOUND => "hhnet has /metrics, and nothing else\n",
        StatusCode::METHOD_NOT_ALLOWED => "metrics can be read only\n",
        _ => "the agent is busy or about to leave\n",
    };
    let mut fields = HeaderMap::new();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    fields.insert(CONTENT_TYPE, plain);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        fields.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

#[cfg(test)]
mod tests;
