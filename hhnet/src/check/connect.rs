// SPDX-License-Identifier: Apache-2.0
//! TCP connections, from wherever they have to come.

use std::{
    io,
    net::SocketAddrV4,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Port, socket::bind, words};
use crate::cli::Source;

/// As the fabric's own test has it: `nc -w 2`.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connects to a port, and lets go of it.
pub(super) fn port(from: Option<&Source>, to: SocketAddrV4) -> Port {
    let began = Instant::now();
    let connected = connect(from, to, PATIENCE);
    Port {
        port: to.port(),
        connect_us: connected
            .is_ok()
            .then(|| began.elapsed().as_micros() as u64),
        problem: connected.err(),
    }
}

/// A connection, within this time.
///
/// # Errors
/// In words.
pub(super) fn connect(
    from: Option<&Source>,
    to: SocketAddrV4,
    patience: Duration,
) -> Result<Socket, String> {
    let failed = |error: io::Error| words::connect_error(&error);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(failed)?;
    bind(&socket, from).map_err(|problem| problem.text)?;
    socket
        .connect_timeout(&to.into(), patience)
        .map_err(failed)?;
    Ok(socket)
}
