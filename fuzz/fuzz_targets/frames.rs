// SPDX-License-Identifier: Apache-2.0
//! The parser of the XDP programs. The frame is a piece of memory of its own,
//! so that the address sanitizer sees every read beyond it.
#![no_main]

use arbitrary::Arbitrary;
use hhnet_ebpf::{
    fingerprint::Fingerprint,
    frame::{Frame, Origin},
    member::Kind,
    packet::{Content, Packet, parse},
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    /// Bytes in further buffers.
    more: u16,
    /// A tag beside the frame.
    tag: Option<u16>,
    /// How much of the frame is in the first buffer.
    cut: u16,
    slot: u8,
    egress: bool,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input| {
    let length = input.bytes.len() + usize::from(input.more);
    let whole = read(&input, input.bytes, length);
    check(&input, &whole);
    // Less of the same frame is the same, or cannot be told.
    let cut = usize::from(input.cut).min(input.bytes.len());
    let part = read(&input, &input.bytes[..cut], length);
    check(&input, &part);
    let (part, whole) = (part.kind.value(), whole.kind.value());
    assert!(
        part == whole || part == Kind::Malformed,
        "{part:?} of {whole:?}"
    );
});

fn read(input: &Input, bytes: &[u8], length: usize) -> Packet {
    let memory: Box<[u8]> = bytes.into();
    let start = memory.as_ptr().expose_provenance();
    let origin = if input.egress {
        Origin::egress(input.slot)
    } else {
        Origin::ingress(input.slot)
    };
    // SAFETY: `memory` is readable and outlives the frame, whose length is at
    // least its own.
    let frame = unsafe {
        Frame::new(
            start,
            start + memory.len(),
            length as u64,
            input.tag,
            origin,
        )
    };
    let packet = parse(&frame);
    // The same for the same frame, wherever it is.
    let fingerprint = Fingerprint::new(&frame, &packet);
    assert_eq!(fingerprint, Fingerprint::new(&frame, &packet));
    packet
}

fn check(input: &Input, packet: &Packet) {
    assert!(packet.tags <= 2 + u64::from(input.tag.is_some()));
    let attributes = match packet.content() {
        Content::V4(key) => key.attributes(),
        Content::V6(key) => key.attributes(),
        Content::Other => return,
    };
    assert_eq!(attributes.member(), input.slot);
    assert_eq!(attributes.is_egress(), input.egress);
    assert_eq!(attributes.vlan().is_some(), packet.tags > 0);
    assert_eq!(attributes.is_later_fragment(), packet.is_later_fragment());
    assert!(!attributes.is_later_fragment() || attributes.ports() == (0, 0));
}
