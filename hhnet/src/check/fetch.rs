// SPDX-License-Identifier: Apache-2.0
//! Pages by HTTP. There is no TLS in hhnet: an https URL is refused before.

use std::{
    cell::Cell,
    net::SocketAddrV4,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::spawn_blocking, time::timeout};

use super::{Fetch, Url, connect::connect, run::resolve};
use crate::cli::Source;

/// How long the connection may take, and all of it: as the fabric's own test has it
/// (`timeout 5 curl --connect-timeout 3`).
const CONNECT: Duration = Duration::from_secs(3);
const ALL: Duration = Duration::from_secs(5);
/// So much of the content is read, or a little more.
pub(super) const ENOUGH: u64 = 1 << 20;

/// Asks for a page.
pub(super) async fn fetch(from: Option<&Source>, url: &Url) -> Fetch {
    let began = Instant::now();
    let status = Cell::new(None);
    let answer = timeout(ALL, ask(from, url, &status)).await;
    let status = status.get();
    let (bytes, problem) = match answer {
        Ok(Ok(bytes)) => (Some(bytes), None),
        Ok(Err(problem)) => (None, Some(problem)),
        Err(_) => {
            let what = status.map_or("answer", |_| "end of its content");
            (None, Some(format!("no {what} within {} s", ALL.as_secs())))
        }
    };
    Fetch {
        from: from.map(ToString::to_string),
        url: url.to_string(),
        status,
        bytes,
        took_us: began.elapsed().as_micros() as u64,
        problem,
    }
}

/// How many bytes came with the status, which is told as soon as it is there.
async fn ask(from: Option<&Source>, url: &Url, status: &Cell<Option<u16>>) -> Result<u64, String> {
    let (source, place) = (from.cloned(), (url.host().to_owned(), url.port()));
    // Resolvers wait as long as they like.
    let connected = spawn_blocking(move || {
        let address = resolve(&place.0).map_err(|problem| problem.text)?;
        connect(
            source.as_ref(),
            SocketAddrV4::new(address, place.1),
            CONNECT,
        )
    });
    let socket = connected.await.map_err(|error| error.to_string())??;
    let odd = |error: std::io::Error| error.to_string();
    socket.set_nonblocking(true).map_err(odd)?;
    let stream = TcpStream::from_std(socket.into()).map_err(odd)?;
    let failed = |error: hyper::Error| format!("no HTTP: {error}");
    let connection = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connection.map_err(failed)?;
    let request = Request::get(url.path())
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, "hhnet")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async {
        let mut response = sender.send_request(request).await.map_err(failed)?;
        status.set(Some(response.status().as_u16()));
        let mut bytes = 0;
        while let Some(frame) = response.body_mut().frame().await {
            let frame = frame.map_err(failed)?;
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes >= ENOUGH {
                break;
            }
        }
        Ok(bytes)
    };
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It is over when the server has closed it; the rest may be there already.
        _ = connection => answer.await,
    }
}
