// SPDX-License-Identifier: Apache-2.0
//! Finds the compressed vmlinux inside a bzImage.
//!
//! QEMU boots an uncompressed vmlinux over a second faster under TCG, because the
//! emulated CPU need not decompress it. The header's fields are those of the kernel's
//! Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".

use anyhow::{Context, Result, bail, ensure};

/// The compressed kernel and the program that decompresses it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Payload<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) decompressor: &'static str,
}

const SETUP_SECTS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;

/// Debian's compressors: zstd (6.12), lz4 in its legacy framing and xz (6.1), gzip.
const FORMATS: [(&[u8], &str); 4] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
    (&[0x1f, 0x8b], "gzip"),
];

/// Reads the header of a bzImage.
pub(super) fn payload(image: &[u8]) -> Result<Payload<'_>> {
    ensure!(
        image.get(MAGIC..MAGIC + 4) == Some(b"HdrS"),
        "not a bzImage: no HdrS header"
    );
    let setup_sects = match image[SETUP_SECTS] {
        0 => 4, // "for backwards compatibility" (boot.rst)
        sects => usize::from(sects),
    };
    let start = (setup_sects + 1) * 512 + word(image, PAYLOAD_OFFSET)?;
    let length = word(image, PAYLOAD_LENGTH)?;
    let bytes = start
        .checked_add(length)
        .and_then(|end| image.get(start..end))
        .context("the bzImage is shorter than its header says")?;

    let Some(&(_, decompressor)) = FORMATS.iter().find(|(magic, _)| bytes.starts_with(magic))
    else {
        bail!(
            "unknown compression of the kernel: {:02x?}",
            &bytes[..bytes.len().min(6)]
        );
    };
    // Except for gzip, whose format has it, the kernel's build appends the
    // decompressed size, 4 bytes (scripts/Makefile.lib, size_append).
    let trailer = if decompressor == "gzip" { 0 } else { 4 };
    Ok(Payload {
        bytes: &bytes[..bytes.len().saturating_sub(trailer)],
        decompressor,
    })
}

fn word(image: &[u8], offset: usize) -> Result<usize> {
    let bytes = image
        .get(offset..offset + 4)
        .context("the bzImage's header is cut off")?;
    Ok(u32::from_le_bytes(bytes.try_into()?).try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bzImage of one setup sector, with `payload` 16 bytes into the protected mode.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024 + 16];
        image[SETUP_SECTS] = 1;
        image[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        image[PAYLOAD_OFFSET] = 16;
        image[PAYLOAD_LENGTH] = payload.len().try_into().unwrap();
        image.extend(payload);
        image.extend(b"more of the kernel");
        image
    }

    #[test]
    fn finds_the_payload_without_its_size_trailer() {
        let image = image(b"\x28\xb5\x2f\xfdkernelSIZE");
        let found = payload(&image).unwrap();
        assert_eq!(
            found,
            Payload {
                bytes: b"\x28\xb5\x2f\xfdkernel",
                decompressor: "zstd"
            }
        );
    }

    #[test]
    fn gzip_has_no_size_trailer() {
        let image = image(b"\x1f\x8bkernel");
        let found = payload(&image).unwrap();
        assert_eq!(
            found,
            Payload {
                bytes: b"\x1f\x8bkernel",
                decompressor: "gzip"
            }
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let error = payload(&image(b"\x00\x01kernel")).unwrap_err();
        assert!(error.to_string().contains("unknown compression"), "{error}");
        assert!(payload(b"\x7fELF").is_err());
        let whole = image(b"\x1f\x8bkernel");
        for length in 0..1024 + 16 + 8 {
            assert!(payload(&whole[..length]).is_err(), "cut at {length}");
        }
    }
}
