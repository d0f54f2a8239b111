// SPDX-License-Identifier: Apache-2.0
//! How far a command is that waits for an address, in lines for its terminal.

use std::{collections::BTreeMap, convert::Infallible, future};

use tokio::sync::{broadcast, watch};

use super::{connection::Reply, make::Leasable};
use crate::{
    link::PortState,
    session::{News, Report, Session},
};

/// Ports of bonds by their index.
type Ports = BTreeMap<u32, PortState>;

/// The state of a session whose interface does not work.
const NO_LINK: &str = "NO LINK";

/// Messages of one kind that are told each; then every tenth is.
const EACH: u32 = 3;

/// What a waiting command is told, and from where that is known.
pub(super) struct Story {
    news: broadcast::Receiver<News>,
    report: watch::Receiver<Report>,
    ports: watch::Receiver<Ports>,
    narrator: Narrator,
}

impl Story {
    /// That of an interface which was just made, and of its session.
    pub(super) fn new(made: &Leasable, session: &Session, ports: watch::Receiver<Ports>) -> Story {
        let members = made.lowest.iter().filter(|_| made.bonded);
        let members = members.map(|member| Member::new(member.index, &member.name));
        Story {
            news: session.listen(),
            report: session.report.clone(),
            ports,
            narrator: Narrator::new(&made.device.name, members.collect()),
        }
    }

    /// Tells it, for as long as there is something to tell.
    pub(super) async fn tell(mut self, reply: &Reply) -> Infallible {
        loop {
            let state = self.report.borrow_and_update().state;
            let ports = self.ports.borrow_and_update().clone();
            let told = self.narrator.see(state, &ports);
            told.iter().for_each(|line| reply.progress(line));
            tokio::select! {
                biased;
                heard = self.news.recv() => match heard {
                    Ok(news) => {
                        let told = self.narrator.hear(news);
                        told.iter().for_each(|line| reply.progress(line));
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    // The session is over: somebody else has to say so.
                    Err(broadcast::error::RecvError::Closed) => return future::pending().await,
                },
                Ok(()) = self.report.changed() => {}
                Ok(()) = self.ports.changed() => {}
            }
        }
    }
}

/// Decides what is worth a line.
#[derive(Debug)]
struct Narrator {
    interface: String,
    /// Members of the bond below.
    members: Vec<Member>,
    /// Whether the interface was said to be up.
    up: Option<bool>,
    /// How often each message was sent.
    sent: BTreeMap<&'static str, u32>,
}

/// A member of the bond, and what was said of it.
#[derive(Debug)]
struct Member {
    index: u32,
    name: String,
    up: Option<bool>,
    negotiated: bool,
}

impl Member {
    fn new(index: u32, name: &str) -> Member {
        Member {
            index,
            name: name.to_owned(),
            up: None,
            negotiated: false,
        }
    }
}

impl Narrator {
    fn new(interface: &str, members: Vec<Member>) -> Narrator {
        Narrator {
            interface: interface.to_owned(),
            members,
            up: None,
            sent: BTreeMap::new(),
        }
    }

    /// The links have changed, or may have.
    fn see(&mut self, state: &str, ports: &Ports) -> Vec<String> {
        let mut told = Vec::new();
        if self.members.is_empty() && !state.is_empty() {
            let news = link(&mut self.up, &self.interface, state != NO_LINK);
            told.extend(news);
        }
        let total = self.members.len();
        for index in 0..total {
            let member = &mut self.members[index];
            let Some(port) = ports.get(&member.index) else {
                continue;
            };
            told.extend(link(&mut member.up, &member.name, port.mii_up));
            let was = std::mem::replace(&mut member.negotiated, port.distributing());
            if was != port.distributing() {
                let name = member.name.clone();
                let negotiated = self.members.iter().filter(|m| m.negotiated).count();
                let verb = if was { "lost" } else { "negotiated" };
                told.push(format!(
                    "{name}: LACP {verb}, on {negotiated} of {total} members now"
                ));
            }
        }
        told
    }

    /// Something has passed on the wire.
    fn hear(&mut self, news: News) -> Option<String> {
        let News::Sent(what) = news else {
            return Some(news.to_string());
        };
        let times = self.sent.entry(what).or_default();
        *times += 1;
        match *times {
            1 => Some(news.to_string()),
            times if times <= EACH || times.is_multiple_of(10) => Some(format!("{news}, ×{times}")),
            _ => None,
        }
    }
}

/// What to say of a link that is up or down.
fn link(said: &mut Option<bool>, name: &str, up: bool) -> Option<String> {
    if said.replace(up) == Some(up) {
        return None;
    }
    let state = if up { "up" } else { "down" };
    Some(format!("{name}: link {state}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::reply::Kind;

    fn port(mii_up: bool, distributing: bool) -> PortState {
        PortState {
            active: true,
            mii_up,
            actor: if distributing { 0x3d } else { 0x05 },
            ..PortState::default()
        }
    }

    #[test]
    fn a_bond_tells_of_its_members() {
        let members = vec![Member::new(2, "enp2s1"), Member::new(3, "enp2s2")];
        let mut narrator = Narrator::new("bond0.1001", members);
        let mut see = |ports: [(u32, PortState); 2]| narrator.see("INIT", &Ports::from(ports));
        assert_eq!(
            see([(2, port(true, false)), (3, port(false, false))]),
            ["enp2s1: link up", "enp2s2: link down"]
        );
        assert_eq!(
            see([(2, port(true, true)), (3, port(true, false))]),
            [
                "enp2s1: LACP negotiated, on 1 of 2 members now",
                "enp2s2: link up"
            ]
        );
        let both = || [(2, port(true, true)), (3, port(true, true))];
        assert_eq!(
            see(both()),
            ["enp2s2: LACP negotiated, on 2 of 2 members now"]
        );
        assert!(see(both()).is_empty(), "said once");
        assert_eq!(
            see([(2, port(false, false)), (3, port(true, true))]),
            [
                "enp2s1: link down",
                "enp2s1: LACP lost, on 1 of 2 members now"
            ]
        );
    }

    #[test]
    fn without_a_bond_the_interface_itself_is_told_of() {
        let mut narrator = Narrator::new("enp2s1.1001", vec![]);
        let mut see = |state| narrator.see(state, &Ports::new());
        assert!(see("").is_empty(), "the session has not begun");
        assert_eq!(see("NO LINK"), ["enp2s1.1001: link down"]);
        assert_eq!(see("SELECTING"), ["enp2s1.1001: link up"]);
        assert!(see("REQUESTING").is_empty());
    }

    #[test]
    fn messages_are_told_and_counted() {
        let mut narrator = Narrator::new("enp2s1.1001", vec![]);
        let told: Vec<_> = (1..=20)
            .filter_map(|_| narrator.hear(News::Sent("DISCOVER")))
            .collect();
        assert_eq!(
            told,
            [
                "DISCOVER sent",
                "DISCOVER sent, ×2",
                "DISCOVER sent, ×3",
                "DISCOVER sent, ×10",
                "DISCOVER sent, ×20"
            ]
        );
        let heard = News::Heard {
            kind: Kind::Offer,
            address: [10, 0, 1, 10].into(),
            server: [10, 0, 1, 1].into(),
        };
        assert_eq!(
            narrator.hear(heard).as_deref(),
            Some("OFFER of 10.0.1.10 from 10.0.1.1")
        );
    }
}
