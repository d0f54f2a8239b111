// SPDX-License-Identifier: Apache-2.0
//! Bytes between the command and the agent.
//!
//! A request is the command line itself, NUL-separated, behind its length. A
//! reply is a sequence of frames: that the agent is there, that it has begun,
//! how far it is, pieces of stdout and stderr as they come, then the exit
//! status. Among them may be an errand, to which the command answers as it has asked:
//! bytes behind their length. Numbers are in network byte order.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// No command line and no frame is longer; a peer that claims more is broken.
pub const MAX: usize = 1 << 20;

/// A piece of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The request has been read: the agent is alive.
    Heard,
    /// The agent has begun: from here on the command must not be sent again.
    Accepted,
    /// Bytes for stdout: the answer.
    Stdout(Vec<u8>),
    /// Bytes for stderr: everything else.
    Stderr(Vec<u8>),
    /// How far it is: a line without its end, for whoever watches.
    Progress(Vec<u8>),
    /// Something for the command to do, and to answer ([`crate::errand`]).
    Errand(Vec<u8>),
    /// The exit status, always the last frame.
    Exit(u8),
}

impl Frame {
    /// What it is.
    pub fn name(&self) -> &'static str {
        match self {
            Frame::Heard => "heard",
            Frame::Accepted => "accepted",
            Frame::Stdout(_) => "answer",
            Frame::Stderr(_) => "complaint",
            Frame::Progress(_) => "progress",
            Frame::Errand(_) => "errand",
            Frame::Exit(_) => "exit status",
        }
    }
}

/// Encodes a command line, program name excluded.
pub fn encode_request(args: &[OsString]) -> Vec<u8> {
    encode_answer(&args.join(OsStr::from_bytes(b"\0")).into_vec())
}

/// Encodes what has come of an errand.
pub fn encode_answer(answer: &[u8]) -> Vec<u8> {
    let mut bytes = (answer.len() as u32).to_be_bytes().to_vec();
    bytes.extend(answer);
    bytes
}

/// Splits the body of a request back into arguments.
pub fn decode_request(body: &[u8]) -> Vec<OsString> {
    body.split(|byte| *byte == 0)
        .map(|arg| OsStr::from_bytes(arg).to_owned())
        .collect()
}

impl Frame {
    /// Encodes the frame: kind, length, bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Frame::Accepted => (0, &[][..]),
            Frame::Heard => (4, &[][..]),
            Frame::Stdout(body) => (1, body.as_slice()),
            Frame::Stderr(body) => (2, body.as_slice()),
            Frame::Exit(status) => (3, std::slice::from_ref(status)),
            Frame::Progress(body) => (5, body.as_slice()),
            Frame::Errand(body) => (6, body.as_slice()),
        };
        let mut bytes = vec![kind];
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// `UnexpectedEof` when the agent has gone, `InvalidData` for a frame of
    /// unknown kind or size.
    pub fn read(from: &mut impl Read) -> io::Result<Frame> {
        let mut head = [0; 5];
        from.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        match (kind, body.as_slice()) {
            (0, []) => Ok(Frame::Accepted),
            (1, _) => Ok(Frame::Stdout(body)),
            (2, _) => Ok(Frame::Stderr(body)),
            (3, [status]) => Ok(Frame::Exit(*status)),
            (4, []) => Ok(Frame::Heard),
            (5, _) => Ok(Frame::Progress(body)),
            (6, _) => Ok(Frame::Errand(body)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Writes a request.
///
/// # Errors
/// As of the stream.
pub fn write_request(to: &mut impl Write, args: &[OsString]) -> io::Result<()> {
    to.write_all(&encode_request(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_the_way() {
        let args: Vec<OsString> = vec![
            "vlan".into(),
            OsString::from_vec(b"\xff 7".to_vec()),
            "".into(),
        ];
        let bytes = encode_request(&args);
        assert_eq!(decode_request(&bytes[4..]), args);
    }

    #[test]
    fn frames_survive_the_way() {
        let frames = [
            Frame::Heard,
            Frame::Accepted,
            Frame::Progress(b"enp2s1: link up".to_vec()),
            Frame::Stdout(b"10.0.1.10/24\n".to_vec()),
            Frame::Stderr(vec![]),
            Frame::Errand(b"{}".to_vec()),
            Frame::Exit(1),
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        let mut rest = bytes.as_slice();
        for frame in frames {
            assert_eq!(Frame::read(&mut rest).unwrap(), frame);
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn broken_frames_are_errors() {
        for bytes in [
            &b"\x01\0\0"[..],
            b"\x09\0\0\0\0",
            b"\x03\0\0\0\0",
            b"\x01\xff\xff\xff\xff",
        ] {
            assert!(Frame::read(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
