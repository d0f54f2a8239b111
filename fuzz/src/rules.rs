// SPDX-License-Identifier: Apache-2.0
//! What must hold whatever happens to a client.

use std::{collections::VecDeque, net::Ipv4Addr, time::Duration};

use hhnet::dhcp::{
    client::{Client, Destination, Event, Listen, Transmit},
    lease::Lease,
};

use crate::{
    messages::{self, MESSAGE_TYPE},
    meter,
};

/// Messages and events that one thing that happens may cause.
const QUEUE_MAX: usize = 4;
/// Messages in a row at one moment.
const BURST_MAX: u32 = 400;
/// Transaction numbers that are remembered.
const XIDS: usize = 256;
/// A client with all the offers it keeps, in bytes.
const MEMORY_MAX: usize = 256 << 10;

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;

/// Looks at everything a client says and shows.
pub struct Watcher {
    /// Whether the link is up.
    pub link_up: bool,
    /// The last DISCOVER or REQUEST, until it has been answered.
    pub question: Option<Vec<u8>>,
    /// The lease that those who only follow events have in force.
    published: Option<Lease>,
    xids: VecDeque<u32>,
    /// When the last message left, and how many at that time.
    burst: (Duration, u32),
    base: usize,
}

impl Watcher {
    /// Begins with a client that has no link.
    #[expect(
        clippy::new_without_default,
        reason = "it takes its measure of the moment"
    )]
    pub fn new() -> Watcher {
        Watcher {
            link_up: false,
            question: None,
            published: None,
            xids: VecDeque::with_capacity(XIDS),
            burst: (Duration::ZERO, 0),
            base: meter::in_use(),
        }
    }

    /// The transaction number of so many messages ago.
    pub fn xid(&self, ago: usize) -> u32 {
        self.xids.get(ago).copied().unwrap_or_default()
    }

    /// Takes what the client has to say, and checks all rules.
    pub fn check(&mut self, client: &mut Client, now: Duration) {
        self.take_events(client, now);
        self.take_messages(client, now);
        assert_eq!(
            self.published.as_ref(),
            client.lease(),
            "what was said is what is"
        );
        self.check_times(client, now);
        let idle = client.state() == "NO LINK";
        assert_eq!(idle, !self.link_up && client.lease().is_none());
        assert_eq!(idle, client.listen() == Listen::Nothing);
        let used = meter::in_use().saturating_sub(self.base);
        assert!(used <= MEMORY_MAX, "{used} bytes");
    }

    fn check_times(&self, client: &Client, now: Duration) {
        let next = client.poll_timeout();
        match client.lease().map(Lease::expiry) {
            Some(Some(expiry)) => {
                assert!(expiry > now, "past its end");
                assert!(
                    next.is_some_and(|next| next <= expiry),
                    "its end is waited for"
                );
            }
            Some(None) => {}
            None => assert_eq!(next.is_some(), self.link_up, "{client:?}"),
        }
        let waits = client.state() == "NO LINK" || client.state() == "BOUND";
        assert!(next.is_some() || waits, "nothing to wait for: {client:?}");
        assert!(
            next.is_none_or(|next| next > now),
            "{next:?} has been: {client:?}"
        );
    }

    /// Follows the events as the owner of the interface does.
    fn take_events(&mut self, client: &mut Client, now: Duration) {
        let mut count = 0;
        while let Some(event) = client.poll_event() {
            count += 1;
            match event {
                Event::Leased(lease) => {
                    let expiry = lease.expiry();
                    assert!(expiry.is_none_or(|expiry| expiry > now), "leased too late");
                    assert!(!lease.prefix.address.is_unspecified());
                    self.published = Some(*lease);
                }
                Event::Lost(why) => {
                    assert!(
                        self.published.take().is_some(),
                        "lost what was not there: {why}"
                    );
                }
                Event::Conflict(_) => {}
            }
        }
        assert!(count <= QUEUE_MAX, "{count} events at once");
    }

    fn take_messages(&mut self, client: &mut Client, now: Duration) {
        let mut count = 0;
        while let Some(transmit) = client.poll_transmit() {
            count += 1;
            self.check_message(&transmit, client.lease());
        }
        assert!(count <= QUEUE_MAX, "{count} messages at once");
        if self.burst.0 != now {
            self.burst = (now, 0);
        }
        self.burst.1 += count as u32;
        assert!(
            self.burst.1 <= BURST_MAX,
            "{} messages in no time",
            self.burst.1
        );
    }

    /// RFC 2131, table 5.
    fn check_message(&mut self, Transmit { to, bytes, .. }: &Transmit, held: Option<&Lease>) {
        if *to == Destination::Neighbors {
            return;
        }
        assert!((300..=576).contains(&bytes.len()), "{} bytes", bytes.len());
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let ciaddr = Ipv4Addr::from(word(12));
        let named = messages::option(bytes, 50);
        let server = messages::option(bytes, 54);
        let Some([kind]) = messages::option(bytes, MESSAGE_TYPE) else {
            panic!("a message without a type")
        };
        assert!([DISCOVER, REQUEST, 4, 7].contains(kind));
        assert_ne!(bytes[8..10], [0, 0], "seconds");
        if ciaddr.is_unspecified() {
            assert!(
                !matches!(to, Destination::Server { .. }),
                "from nobody to a server"
            );
            assert!(*kind != REQUEST || named.is_some());
        } else {
            assert!(matches!(kind, 3 | 7) && named.is_none());
            assert_eq!(server.is_some(), *kind == 7, "option 54");
            let address = held.map(|lease| lease.prefix.address);
            assert!(
                address.is_none_or(|address| address == ciaddr),
                "{ciaddr} is not ours"
            );
        }
        if *kind == DISCOVER || *kind == REQUEST {
            self.question = Some(bytes.clone());
            self.xids.truncate(XIDS - 1);
            self.xids.push_front(u32::from_be_bytes(word(4)));
        }
    }
}
