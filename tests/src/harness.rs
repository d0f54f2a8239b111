// SPDX-License-Identifier: Apache-2.0
//! What the test harness makes of what `ping` prints.
//!
//! It takes the line with "packets transmitted" and "received" apart at its commas: the
//! first part is what was sent, the second one what was received. Any loss is a failure;
//! where there must be no way, so is any reply, and an exit status of 0. Duplicates are
//! between the two counts it reads and what it does not, so it never sees them.

/// The verdict of a `ping`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pings {
    /// Requests sent.
    pub sent: u32,
    /// Requests that were answered.
    pub received: u32,
    /// Sequence numbers of the replies, in the order they came; of copies, too.
    pub sequence: Vec<u32>,
    /// TTLs of the replies, in the same order.
    pub ttls: Vec<u8>,
    /// Copies of replies, as ping marks them.
    pub duplicates: usize,
}

impl Pings {
    /// Reads the whole output; `None` if it is not what `ping` prints.
    pub fn parse(text: &str) -> Option<Self> {
        let is_summary =
            |line: &&str| line.contains("packets transmitted") && line.contains("received");
        let Summary {
            sent,
            received,
            duplicates,
        } = Summary::parse(text.lines().find(is_summary)?)?;
        let replies: Vec<&str> = text
            .lines()
            .filter(|line| line.contains(" bytes from "))
            .collect();
        let copies = replies.iter().filter(|line| line.ends_with("(DUP!)"));
        // What is summed up is what was shown.
        let is_whole =
            copies.count() == duplicates && replies.len() == received as usize + duplicates;
        is_whole.then_some(())?;
        Some(Self {
            sent,
            received,
            sequence: fields(&replies, "icmp_seq=")?,
            ttls: fields(&replies, "ttl=")?,
            duplicates,
        })
    }

    /// All were answered, and `ping` ended with 0.
    pub fn all_answered(&self, code: i32) -> bool {
        code == 0 && self.sent > 0 && self.sent == self.received
    }

    /// All were answered but for the last one perhaps: a `ping` that is interrupted does not
    /// wait for that, and one that ends waits only as long as others took.
    pub fn all_but_last_answered(&self) -> bool {
        self.lost().iter().all(|number| *number == self.sent)
    }

    /// None was answered, and `ping` did not end with 0.
    pub fn none_answered(&self, code: i32) -> bool {
        code != 0 && self.received == 0
    }

    /// The requests without an answer: the first one for want of a neighbour, later ones
    /// because routes change.
    pub fn lost(&self) -> Vec<u32> {
        let is_lost = |number: &u32| !self.sequence.contains(number);
        (1..=self.sent).filter(is_lost).collect()
    }
}

/// The last but one line: "5 packets transmitted, 5 received, 0% packet loss, time 2003ms".
struct Summary {
    sent: u32,
    received: u32,
    duplicates: usize,
}

impl Summary {
    /// Reads it; `None` if a word is another one, or missing.
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(", ");
        let sent = parts.next()?.strip_suffix(" packets transmitted")?;
        let received = parts.next()?.strip_suffix(" received")?;
        let mut duplicates = 0;
        let mut part = parts.next()?;
        if let Some(number) = part.strip_suffix(" duplicates") {
            duplicates = number.strip_prefix('+')?.parse().ok()?;
            part = parts.next()?;
        }
        if let Some(number) = part.strip_suffix(" errors") {
            number.strip_prefix('+')?.parse::<u32>().ok()?;
            part = parts.next()?;
        }
        part.strip_suffix("% packet loss")?.parse::<f32>().ok()?;
        let time = parts.next()?.strip_prefix("time ")?.strip_suffix("ms")?;
        time.parse::<u32>().ok()?;
        parts.next().is_none().then_some(())?;
        Some(Self {
            sent: sent.parse().ok()?,
            received: received.parse().ok()?,
            duplicates,
        })
    }
}

/// A number of each line, if all of them have it.
fn fields<T: std::str::FromStr>(lines: &[&str], name: &str) -> Option<Vec<T>> {
    let field = |line: &&str| {
        let (_, rest) = line.split_once(name)?;
        rest.split(' ').next()?.parse().ok()
    };
    lines.iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
PING 10.0.5.10 (10.0.5.10) 56(84) bytes of data.
64 bytes from 10.0.5.10: icmp_seq=1 ttl=62 time=9.58 ms
64 bytes from 10.0.5.10: icmp_seq=1 ttl=62 time=9.58 ms (DUP!)
[1732615200.123456] 64 bytes from 10.0.5.10: icmp_seq=3 ttl=62 time=6.99 ms

--- 10.0.5.10 ping statistics ---
3 packets transmitted, 2 received, +1 duplicates, 33.3333% packet loss, time 2003ms
rtt min/avg/max/mdev = 6.987/8.720/9.595/1.226 ms
";

    const REFUSED: &str = "\
PING 10.0.2.10 (10.0.2.10) 56(84) bytes of data.
From 10.0.1.1 icmp_seq=1 Destination Net Unreachable

--- 10.0.2.10 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms
";

    #[test]
    fn replies_copies_and_losses_are_told_apart() {
        let pings = Pings::parse(GOOD).expect("it is what ping prints");
        assert_eq!((pings.sent, pings.received, pings.duplicates), (3, 2, 1));
        assert_eq!(
            (&pings.sequence[..], &pings.ttls[..]),
            (&[1, 1, 3][..], &[62; 3][..])
        );
        assert_eq!(pings.lost(), [2]);
        assert!(!pings.all_answered(0) && !pings.none_answered(1));
    }

    #[test]
    fn what_a_router_refuses_is_no_reply() {
        let pings = Pings::parse(REFUSED).expect("it is what ping prints");
        assert!(pings.none_answered(1) && !pings.none_answered(0));
        assert!(pings.sequence.is_empty());
    }

    #[test]
    fn another_text_is_not_what_ping_prints() {
        for (word, other) in [
            ("3 packets", "three packets"),
            (", +1 duplicates", ""),
            ("+1 duplicates", "+2 duplicates"),
            ("33.3333% packet loss, ", ""),
            ("2 received", "3 received"),
            (" (DUP!)", ""),
            ("time 2003ms", "time 2003 ms"),
            ("icmp_seq=3", "icmp_seq=x"),
        ] {
            let text = GOOD.replacen(word, other, 1);
            assert_eq!(Pings::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn all_is_not_none_of_none() {
        let text = GOOD.replace("3 packets transmitted, 2", "2 packets transmitted, 2");
        let pings = Pings::parse(&text).expect("it is what ping prints");
        assert!(pings.all_answered(0) && !pings.all_answered(1));
        assert_eq!(Pings::parse("ping: connect: Network is unreachable"), None);
    }
}
