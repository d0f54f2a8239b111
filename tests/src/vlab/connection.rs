// SPDX-License-Identifier: Apache-2.0
//! How each server is connected.

/// The way a server is connected, in the fabric's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two cables to two leaves that speak LACP as one, and share their state.
    Mclag,
    /// The same by EVPN multihoming.
    Eslag,
    /// Two cables to one leaf, one LACP group.
    Bundled,
    /// One cable, no LACP.
    Unbundled,
}

/// The connection of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Number of the server.
    pub server: u8,
    /// Sort of connection.
    pub kind: Kind,
    /// Numbers of the leaves.
    pub leaves: &'static [u8],
}

/// The servers of the default topology.
pub const CONNECTIONS: [Connection; 10] = [
    Connection::new(1, Kind::Mclag, &[1, 2]),
    Connection::new(2, Kind::Mclag, &[1, 2]),
    Connection::new(3, Kind::Unbundled, &[1]),
    Connection::new(4, Kind::Bundled, &[2]),
    Connection::new(5, Kind::Eslag, &[3, 4]),
    Connection::new(6, Kind::Eslag, &[3, 4]),
    Connection::new(7, Kind::Unbundled, &[3]),
    Connection::new(8, Kind::Bundled, &[4]),
    Connection::new(9, Kind::Unbundled, &[5]),
    Connection::new(10, Kind::Bundled, &[5]),
];

impl Connection {
    const fn new(server: u8, kind: Kind, leaves: &'static [u8]) -> Self {
        Self {
            server,
            kind,
            leaves,
        }
    }

    /// That of server-`number`.
    pub fn of(number: u8) -> &'static Self {
        &CONNECTIONS[usize::from(number) - 1]
    }

    /// As `kubectl get connections` shows it.
    pub fn name(&self) -> String {
        let kind = match self.kind {
            Kind::Mclag => "mclag",
            Kind::Eslag => "eslag",
            Kind::Bundled => "bundled",
            Kind::Unbundled => "unbundled",
        };
        let leaves = self.leaves.iter().map(|leaf| format!("--leaf-{leaf:02}"));
        let leaves: String = leaves.collect();
        format!("server-{:02}--{kind}{leaves}", self.server)
    }

    /// The command that brings the server into a VLAN.
    pub fn verb(&self, vlan: u16) -> String {
        match self.kind {
            Kind::Unbundled => format!("vlan {vlan} enp2s1"),
            Kind::Mclag | Kind::Eslag | Kind::Bundled => {
                format!("bond {vlan} layer2+3 enp2s1 enp2s2")
            }
        }
    }

    /// Numbers of the server's NICs whose cables go to this leaf.
    pub(super) fn nics_at(&self, leaf: u8) -> &'static [u8] {
        match self.kind {
            Kind::Unbundled => &[1],
            Kind::Bundled => &[1, 2],
            Kind::Mclag | Kind::Eslag if self.leaves[0] == leaf => &[1],
            Kind::Mclag | Kind::Eslag => &[2],
        }
    }

    /// Whether this leaf is not the one by which the server gets what is for everybody.
    pub(super) fn is_spare(&self, leaf: u8) -> bool {
        self.leaves[0] != leaf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_verbs_are_those_of_the_documentation() {
        let told = [1, 3, 4, 6].map(|number| {
            let connection = Connection::of(number);
            (connection.name(), connection.verb(1001))
        });
        let bond = "bond 1001 layer2+3 enp2s1 enp2s2";
        let expected = [
            ("server-01--mclag--leaf-01--leaf-02", bond),
            ("server-03--unbundled--leaf-01", "vlan 1001 enp2s1"),
            ("server-04--bundled--leaf-02", bond),
            ("server-06--eslag--leaf-03--leaf-04", bond),
        ];
        assert_eq!(
            told,
            expected.map(|(name, verb)| (name.into(), verb.into()))
        );
    }

    #[test]
    fn every_cable_has_a_nic_of_its_own() {
        for connection in CONNECTIONS {
            let leaves = connection.leaves.iter();
            let nics: Vec<_> = leaves.flat_map(|leaf| connection.nics_at(*leaf)).collect();
            let expected: &[&u8] = match connection.kind {
                Kind::Unbundled => &[&1],
                _ => &[&1, &2],
            };
            assert_eq!(nics, expected, "{}", connection.name());
        }
    }
}
