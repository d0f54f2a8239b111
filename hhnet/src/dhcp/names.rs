// SPDX-License-Identifier: Apache-2.0
//! Names a server sends: checked before anybody writes them into a file.
//!
//! Whatever is not a plain host or domain name is dropped: no blank, no newline
//! and no slash can pass, so that no name is a second line, an option or a path.

/// A name is at most 255 bytes on the wire (RFC 1035, section 2.3.4): 253 as text.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// A resolver uses six search domains at most (resolv.conf(5), before glibc 2.26).
const SEARCH_MAX: usize = 16;

/// A host or domain name (options 12 and 15): letters, digits, hyphens and
/// underscores between dots. A final dot or NUL, as some servers add, is cut off.
pub fn name(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.trim_end_matches('\0');
    let text = text.strip_suffix('.').unwrap_or(text);
    let valid = text.len() <= NAME_MAX && text.split('.').all(|part| label(part.as_bytes()));
    valid.then(|| text.to_ascii_lowercase())
}

fn label(label: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LABEL_MAX).contains(&label.len()) && label[0] != b'-' && label.iter().all(plain)
}

/// A list of search domains (option 119, RFC 3397): names as in DNS, compressed
/// within the option. It ends at the first one that is broken.
pub fn search(option: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut at = 0;
    while at < option.len() && names.len() < SEARCH_MAX {
        let Some((found, next)) = compressed(option, at) else {
            break;
        };
        if !found.is_empty() && !names.contains(&found) {
            names.push(found);
        }
        at = next;
    }
    names
}

/// The name that begins at `start`, and where the next one does.
fn compressed(option: &[u8], start: usize) -> Option<(String, usize)> {
    let mut labels: Vec<&str> = Vec::new();
    let (mut at, mut end) = (start, None);
    // A pointer leads back (RFC 1035, section 4.1.4), so this falls each time.
    let mut limit = start;
    loop {
        let length = *option.get(at)?;
        match length {
            0 => break,
            1..=63 => {
                let text = option.get(at + 1..at + 1 + usize::from(length))?;
                let text = std::str::from_utf8(text).ok().filter(|_| label(text))?;
                labels.push(text);
                at += 1 + usize::from(length);
            }
            0xc0.. => {
                let low = *option.get(at + 1)?;
                let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                end.get_or_insert(at + 2);
                (at, limit) = (target, (target < limit).then_some(target)?);
            }
            64..0xc0 => return None,
        }
    }
    let name = labels.join(".").to_ascii_lowercase();
    (name.len() <= NAME_MAX).then_some((name, end.unwrap_or(at + 1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_pass() {
        for (bytes, text) in [
            (&b"Server-01"[..], "server-01"),
            (b"lab.example.com.", "lab.example.com"),
            (b"lab.example.com\0\0", "lab.example.com"),
            (b"_sip.x", "_sip.x"),
        ] {
            assert_eq!(name(bytes).as_deref(), Some(text));
        }
    }

    #[test]
    fn nothing_else_does() {
        let long = "a".repeat(64);
        let longer = ["a".repeat(63).as_str(); 4].join(".");
        for bad in [
            "",
            ".",
            "a..b",
            "a b",
            "a\nnameserver 6.6.6.6",
            "../../etc/passwd",
            "-rf",
            "a.-b",
            "$(reboot)",
            "`id`",
            "a\0b",
            "\u{1b}[2J",
            "caf\u{e9}",
            &long,
            &longer,
        ] {
            assert_eq!(name(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(name(b"\xe9t\xe9"), None, "Latin-1");
    }

    #[test]
    fn search_domains_with_and_without_compression() {
        let option = b"\x03lab\x07example\x03com\0\x03dev\xc0\x04\x02ok\0";
        assert_eq!(search(option), ["lab.example.com", "dev.example.com", "ok"]);
    }

    #[test]
    fn loops_and_garbage_end_the_list() {
        for (bad, good) in [
            (&b"\xc0\x00"[..], &[][..]),
            (b"\x02ok\0\x01a\xc0\x04", &["ok"]),
            (b"\x02ok\0\xc0\x20", &["ok"]),
            (b"\x02ok\0\x05shor", &["ok"]),
            (b"\x02ok\0\x01 \0", &["ok"]),
            (b"\x02ok\0\x40a\0", &["ok"]),
        ] {
            assert_eq!(search(bad), good, "{bad:?}");
        }
    }

    #[test]
    fn many_domains_are_cut_off() {
        let option: Vec<u8> = (0..100u8)
            .flat_map(|n| [2, b'a' + n / 26, b'a' + n % 26, 0])
            .collect();
        assert_eq!(search(&option).len(), SEARCH_MAX);
    }

    proptest! {
        #[test]
        fn whatever_comes_out_is_plain(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for name in search(&bytes).into_iter().chain(name(&bytes)) {
                prop_assert!(name.len() <= NAME_MAX);
                prop_assert!(name.split('.').all(|part| label(part.as_bytes())));
            }
        }
    }
}
