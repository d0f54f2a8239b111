// SPDX-License-Identifier: Apache-2.0
//! Rules that hold whatever happens.

use proptest::prelude::*;

use super::*;
use crate::dhcp::arp::Arp;

/// Something that happens to a client.
#[derive(Debug, Clone)]
enum Happening {
    Wait(u32),
    Jump(u32),
    Link(bool),
    Path,
    Conflict {
        probe: bool,
    },
    Message {
        kind: u8,
        right_xid: bool,
        empty: bool,
        lease: u32,
        last_octet: u8,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..100_000u32).prop_map(Happening::Wait),
        (0..4_000_000u32).prop_map(Happening::Jump),
        any::<bool>().prop_map(Happening::Link),
        Just(Happening::Path),
        any::<bool>().prop_map(|probe| Happening::Conflict { probe }),
        (
            0..9u8,
            prop::bool::weighted(0.8),
            any::<bool>(),
            0..90u32,
            9..12u8
        )
            .prop_map(
                |(kind, right_xid, empty, lease, last_octet)| Happening::Message {
                    kind: if kind < 6 {
                        [2, 5][usize::from(kind % 2)]
                    } else {
                        6
                    },
                    right_xid,
                    empty,
                    lease,
                    last_octet,
                }
            ),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold(
        seed in any::<u64>(),
        probes in any::<bool>(),
        resumed in any::<bool>(),
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut client = Client::new(identity(), seed);
        if probes {
            client = client.with_probes();
        }
        if resumed {
            client = client.resume(lease(60), secs(1000.0));
        }
        let mut play = Play::with(client);
        let mut linked = true;
        for happening in happenings {
            match happening {
                Happening::Wait(ms) => play.run_until(play.now + Duration::from_millis(ms.into())),
                Happening::Jump(ms) => {
                    play.now += Duration::from_millis(ms.into());
                    play.client.handle_timeout(play.now);
                    play.gather();
                }
                Happening::Link(up) => {
                    linked = up;
                    play.client.handle_link(up, play.now);
                    play.gather();
                }
                Happening::Path => {
                    play.client.handle_path_change(play.now);
                    play.gather();
                }
                Happening::Conflict { probe } => {
                    let other = [2, 0, 0, 0, 0, 9];
                    let arp = if probe { Arp::probe(other, FIRST) } else { Arp::announcement(other, FIRST) };
                    play.client.handle_arp(&arp, play.now);
                    play.gather();
                }
                Happening::Message { kind, right_xid, empty, lease, last_octet } => {
                    let yiaddr = Ipv4Addr::new(10, 0, 1, last_octet);
                    let lease = lease.to_be_bytes();
                    let options = [(54, &SERVER[..]), (51, &lease[..])];
                    let options = if empty { &options[..1] } else { &options[..] };
                    if right_xid { play.answer(kind, yiaddr, options) }
                    else { play.deliver(kind, 1, yiaddr, options) }
                }
            }
            // An event stream that, replayed, gives the lease the client holds.
            let published = play.events.iter().rev().find_map(|(_, event)| match event {
                Event::Leased(lease) => Some(Some(&**lease)),
                Event::Lost(_) => Some(None),
                Event::Conflict(_) => None,
            });
            let published = published.flatten();
            prop_assert_eq!(published, play.client.lease());
            // Never past its end, always something to wait for.
            if let Some(expiry) = play.client.lease().and_then(Lease::expiry) {
                prop_assert!(expiry > play.now);
                prop_assert!(play.client.poll_timeout().unwrap() <= expiry);
            } else if linked {
                prop_assert!(play.client.poll_timeout().is_some());
            }
            prop_assert!(play.client.poll_timeout().is_none_or(|next| next > play.now));
        }
        // A renewal names the address that was leased when it left, and nothing else does.
        for (_, transmit) in &play.sent {
            if is_unicast(transmit) {
                prop_assert_ne!(&transmit.bytes[12..16], &[0; 4]);
            }
        }
    }
}
