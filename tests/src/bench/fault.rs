// SPDX-License-Identifier: Apache-2.0
//! The fabric's server at its worst: it answers the first two DISCOVERs by offers of
//! nothing, as it does while it cannot reach its own database.

use super::client::Client;
use super::report::{Column, Figure, Samples, Table};
use super::veth::{Cable, GATEWAY, PORT, RANGE, Run};
use crate::dhcp::{Answer, FabricDhcp, Kind, Subnet};

const CLIENTS: [Client; 2] = [Client::Hhnet, Client::Networkd];

/// How many offers carry nothing.
const EMPTY: usize = 2;

/// Measures hhnet and networkd `rounds` times, in turns. Returns the table and the figure.
///
/// # Panics
/// When a client gets no address.
pub fn fault(rounds: usize) -> (String, Vec<String>) {
    let mut cable = Cable::new();
    let [first, last] = RANGE;
    let dhcp = FabricDhcp::start(&cable.server, PORT, Subnet::new(GATEWAY, first..=last));
    let mut runs: [Vec<Run>; CLIENTS.len()] = Default::default();
    for _ in 0..rounds {
        for (client, runs) in CLIENTS.into_iter().zip(&mut runs) {
            fail_at_first(&dhcp);
            runs.push(cable.run(client));
        }
    }
    let times = runs.map(|runs| Samples::of(&runs, |run| Some(run.to_address / 1000.0)));
    let mut table = Table::new("two empty offers", &[Column("exec to address, s", 2)]);
    for (client, times) in CLIENTS.into_iter().zip(&times) {
        table.row(client.name(), std::slice::from_ref(times));
    }
    let [hhnet, networkd] = times.map(|times| times.median());
    let figure = Figure {
        name: "empty_offer/networkd",
        value: hhnet / networkd,
        goal: 0.5,
    };
    (table.to_string(), vec![figure.to_string()])
}

fn fail_at_first(dhcp: &FabricDhcp) {
    let mut offers = 0;
    dhcp.answer(move |request| {
        offers += usize::from(request.kind == Kind::Discover);
        match request.kind {
            Kind::Discover if offers <= EMPTY => Answer::Empty,
            _ => Answer::Normal,
        }
    });
}
