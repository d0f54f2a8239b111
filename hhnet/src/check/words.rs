// SPDX-License-Identifier: Apache-2.0
//! Errors in plain words.

use std::{io, net::Ipv4Addr};

/// What an ICMP error (RFC 792, RFC 1812 section 5.2.7.1) from `from`, which may be this
/// server's own address, means for what this server has sent to `to`.
pub(super) fn icmp_error(
    icmp_type: u8,
    icmp_code: u8,
    from: Ipv4Addr,
    is_own: bool,
    to: Ipv4Addr,
) -> String {
    let what = match (icmp_type, icmp_code) {
        // The kernel's own, after ARP in vain: the host, or the gateway, is not there.
        (3, 1) if is_own => return format!("nobody answers ARP on the way to {to}"),
        (3, 0) => "network unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "packet too large for the next link",
        (3, 6) => "network unknown",
        (3, 7) => "host unknown",
        (3, 9 | 10 | 13) => "prohibited by a filter",
        (3, 11 | 12) => "unreachable for this type of service",
        (3, _) => "unreachable",
        (5, _) => "there is a better route",
        (11, 0) => "time to live exceeded: a routing loop, or too long a way",
        (11, _) => "fragments missing",
        (12, _) => "header not understood",
        _ => return format!("{from} has sent ICMP type {icmp_type}, code {icmp_code}"),
    };
    let who = if is_own { "this server" } else { "" };
    let who = if from == to { "the host itself" } else { who };
    match who {
        "" => format!("{what}, says {from}"),
        who => format!("{what}, says {who}"),
    }
}

/// Why a TCP connection did not come about.
pub(super) fn connect_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused: nobody listens there".into(),
        io::ErrorKind::ConnectionReset => "reset by the other end".into(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            "no answer: dropped on the way, or by a filter".into()
        }
        io::ErrorKind::NetworkUnreachable => "network unreachable".into(),
        io::ErrorKind::HostUnreachable => "host unreachable".into(),
        io::ErrorKind::PermissionDenied => "prohibited by a filter".into(),
        _ => error.to_string(),
    }
}

/// A time in microseconds as milliseconds, as ping has it.
pub(super) fn millis(us: u64) -> String {
    format!("{}.{:03}", us / 1000, us % 1000)
}

/// "1 ping", "5 pings".
pub(super) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 10);
    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
    const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 10);

    #[test]
    fn an_error_says_what_and_who() {
        for (kind, code, from, said) in [
            (3, 0, GATEWAY, "network unreachable, says 10.0.1.1"),
            (3, 1, GATEWAY, "host unreachable, says 10.0.1.1"),
            (3, 1, US, "nobody answers ARP on the way to 10.0.5.10"),
            (3, 13, HOST, "prohibited by a filter, says the host itself"),
            (3, 0, US, "network unreachable, says this server"),
            (
                11,
                0,
                GATEWAY,
                "time to live exceeded: a routing loop, or too long a way, says 10.0.1.1",
            ),
            (40, 2, GATEWAY, "10.0.1.1 has sent ICMP type 40, code 2"),
        ] {
            assert_eq!(icmp_error(kind, code, from, from == US, HOST), said);
        }
    }

    #[test]
    fn times_and_numbers() {
        assert_eq!(millis(412), "0.412");
        assert_eq!(millis(20_050), "20.050");
        assert_eq!(count(1, "ping"), "1 ping");
        assert_eq!(count(0, "ping"), "0 pings");
    }
}
