// SPDX-License-Identifier: Apache-2.0
//! As much of HTTP as asking for a text takes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::namespace::Namespace;
use crate::wait::PATIENCE;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status, 200 and so on.
    pub status: u16,
    /// Names and values of its header, as they were sent.
    pub head: String,
    /// What was asked for.
    pub body: String,
}

/// Asks a server on a machine for a path, with more lines for the header.
///
/// # Errors
/// When nobody listens there.
///
/// # Panics
/// When what answers is no HTTP server.
pub fn get(
    machine: &Namespace,
    server: SocketAddr,
    path: &str,
    header: &[&str],
) -> io::Result<Answer> {
    let more: String = header.iter().map(|line| format!("{line}\r\n")).collect();
    // 1.0: without chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n{more}\r\n");
    let text = machine.enter(|| {
        let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        io::Result::Ok(text)
    })?;
    let (head, body) = text.split_once("\r\n\r\n").expect("a header");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        status: status.expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
