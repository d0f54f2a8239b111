// SPDX-License-Identifier: Apache-2.0
//! `hhnet status --json` against what `ip` says of the same moment.

use serde_json::Value;

use super::lab::{Lab, RENAMED_LINK};

/// By how much the lifetime of an address may exceed what is left of its lease, in seconds:
/// hhnet rounds up what it tells the kernel, which counts whole seconds that are over.
const ROUNDING: f64 = 2.0;

/// What clocks of different grain may differ by, in seconds.
const GRAIN: f64 = 0.1;

/// The states of LACP's end in which it collects and distributes (IEEE 802.1AX, 6.4.2.3).
const OPEN: u64 = 0x30;

/// All links with their addresses, as `ip` shows them.
pub(super) struct View(Vec<Value>);

impl View {
    pub(super) fn of(lab: &Lab) -> Self {
        Self(lab.server().ip_json("-d addr show"))
    }

    /// Without the lifetimes, which run.
    fn standing(&self) -> Vec<Value> {
        let mut links = self.0.clone();
        let addresses = links.iter_mut().filter_map(|link| {
            let addresses = link.get_mut("addr_info")?;
            addresses.as_array_mut()
        });
        for address in addresses.flatten() {
            address["valid_life_time"] = Value::Null;
            address["preferred_life_time"] = Value::Null;
        }
        links
    }

    /// Whether nothing but time has passed.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.standing() == other.standing()
    }

    fn link(&self, name: &Value) -> Option<&Value> {
        self.0.iter().find(|link| link["ifname"] == *name)
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let is_it = move |link: &&Value| link["linkinfo"]["info_kind"] == kind;
        self.0.iter().filter(is_it)
    }

    fn members<'a>(&'a self, bond: &'a Value) -> impl Iterator<Item = &'a Value> {
        let is_it = move |link: &&Value| link["master"] == bond["ifname"];
        self.0.iter().filter(is_it)
    }

    /// Lifetime in seconds of an address (`10.0.1.10/24`) of a link.
    fn lifetime(&self, link: &Value, address: &Value) -> Option<f64> {
        let all = ipv4(self.link(link)?);
        let (_, entry) = all.into_iter().find(|(text, _)| *address == **text)?;
        entry["valid_life_time"].as_f64()
    }

    /// The leased address of the disturbed interface and its lifetime in seconds.
    pub(super) fn lease(&self) -> Option<(String, f64)> {
        let names = [super::lab::LINK, RENAMED_LINK].map(Value::from);
        let link = names.iter().find_map(|name| self.link(name))?;
        let (text, entry) = ipv4(link).into_iter().next()?;
        Some((text, entry["valid_life_time"].as_f64()?))
    }
}

/// What is wrong in a status that was made between two views that are the same.
pub(super) fn lies(status: &Value, before: &View, after: &View) -> Vec<String> {
    let mut lies = Vec::new();
    let mut expect = |what: String, said: &Value, is: Value| {
        if *said != is {
            lies.push(format!("{what} is {is}, but status says {said}"));
        }
    };
    for bond in after.of_kind("bond") {
        let shown = named(&status["bonds"], &bond["ifname"]);
        let name = &bond["ifname"];
        expect(format!("MTU of {name}"), &shown["mtu"], bond["mtu"].clone());
        let names = |members: &Value| -> Vec<Value> {
            let all = members.as_array().into_iter().flatten();
            all.map(|member| member["name"].clone()).collect()
        };
        let members: Vec<_> = after.members(bond).map(|m| m["ifname"].clone()).collect();
        expect(
            format!("the members of {name}"),
            &names(&shown["members"]).into(),
            members.into(),
        );
        for member in after.members(bond) {
            let name = &member["ifname"];
            let shown = named(&shown["members"], name);
            for (what, is) in facts_of_member(member) {
                let said = shown.pointer(what).unwrap_or(&Value::Null);
                expect(format!("{what} of {name}"), said, is);
            }
        }
    }
    for vlan in after.of_kind("vlan") {
        let name = &vlan["ifname"];
        let shown = named(&status["interfaces"], name);
        let texts: Vec<_> = ipv4(vlan).into_iter().map(|(text, _)| text).collect();
        expect(
            format!("the addresses of {name}"),
            &shown["addresses"],
            texts.into(),
        );
        for (what, is) in facts(vlan) {
            let said = shown.pointer(what).unwrap_or(&Value::Null);
            expect(format!("{what} of {name}"), said, is);
        }
        lies_of_lease(shown, (before, after), &mut expect);
    }
    lies
}

/// What is left of a lease is the lifetime of its address.
fn lies_of_lease(
    interface: &Value,
    (before, after): (&View, &View),
    expect: &mut impl FnMut(String, &Value, Value),
) {
    let (name, lease) = (&interface["name"], &interface["dhcp"]["lease"]);
    let lifetime = |view: &View| view.lifetime(name, &lease["address"]);
    let (Some(first), Some(last)) = (lifetime(before), lifetime(after)) else {
        return;
    };
    // Renewed in between, or just expiring.
    if last > first {
        return;
    }
    let left = lease["remaining_ms"].as_f64().map(|ms| ms / 1000.0);
    let possible = last - ROUNDING - GRAIN..=first + GRAIN;
    let is_true = left.is_some_and(|left| possible.contains(&left));
    let what = format!("that {name} has {left:?} s left, between {first} and {last},");
    expect(what, &is_true.into(), true.into());
}

fn facts(link: &Value) -> Vec<(&'static str, Value)> {
    let has = |flag: &str| {
        let flags = link["flags"].as_array().into_iter().flatten();
        flags.into_iter().any(|it| it == flag)
    };
    vec![
        ("/mtu", link["mtu"].clone()),
        ("/up", has("UP").into()),
        ("/carrier", has("LOWER_UP").into()),
    ]
}

fn facts_of_member(member: &Value) -> Vec<(&'static str, Value)> {
    let data = &member["linkinfo"]["info_slave_data"];
    let state = data["ad_actor_oper_port_state"].as_u64().unwrap_or(0);
    let is_active = data["state"] == "ACTIVE";
    let mut all = facts(member);
    all.push((
        "/lacp/distributing",
        (is_active && state & OPEN == OPEN).into(),
    ));
    all
}

/// Global IPv4 addresses, as hhnet writes them, and what `ip` has of each.
fn ipv4(link: &Value) -> Vec<(String, &Value)> {
    let all = link["addr_info"].as_array().into_iter().flatten();
    let all = all.filter(|entry| entry["family"] == "inet" && entry["scope"] == "global");
    all.filter_map(|entry| {
        let text = format!("{}/{}", entry["local"].as_str()?, entry["prefixlen"]);
        Some((text, entry))
    })
    .collect()
}

/// The entry of a list with that name; null if there is none.
pub(super) fn named<'a>(list: &'a Value, name: &Value) -> &'a Value {
    let mut all = list.as_array().into_iter().flatten();
    all.find(|entry| entry["name"] == *name)
        .unwrap_or(&Value::Null)
}

/// Whether an interface has a lease in force, and its address alone.
pub(super) fn is_bound(interface: &Value) -> bool {
    let dhcp = &interface["dhcp"];
    let leased = Value::Array(vec![dhcp["lease"]["address"].clone()]);
    dhcp["state"] == "BOUND" && interface["addresses"] == leased
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(lifetime: u32) -> View {
        let member = json!({
            "ifname": "enp2s1", "mtu": 1500, "master": "bond0", "flags": ["SLAVE", "UP", "LOWER_UP"],
            "linkinfo": {"info_slave_data": {"state": "ACTIVE", "ad_actor_oper_port_state": 61}},
        });
        let bond = json!({"ifname": "bond0", "mtu": 1500, "linkinfo": {"info_kind": "bond"}});
        let vlan = json!({
            "ifname": "bond0.1001", "mtu": 1500, "flags": ["UP", "LOWER_UP"],
            "linkinfo": {"info_kind": "vlan"},
            "addr_info": [
                {"family": "inet", "local": "10.0.1.10", "prefixlen": 24, "scope": "global",
                 "valid_life_time": lifetime},
                {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
            ],
        });
        View(vec![member, bond, vlan])
    }

    fn status() -> Value {
        let member = json!({
            "name": "enp2s1", "mtu": 1500, "up": true, "carrier": true,
            "lacp": {"distributing": true},
        });
        let lease = json!({"address": "10.0.1.10/24", "remaining_ms": 5400});
        json!({
            "bonds": [{"name": "bond0", "mtu": 1500, "members": [member]}],
            "interfaces": [{
                "name": "bond0.1001", "mtu": 1500, "up": true, "carrier": true,
                "addresses": ["10.0.1.10/24"], "dhcp": {"state": "BOUND", "lease": lease},
            }],
        })
    }

    #[test]
    fn a_true_status_has_no_lies() {
        assert_eq!(lies(&status(), &view(6), &view(5)), [""; 0]);
        assert!(is_bound(&status()["interfaces"][0]));
    }

    #[test]
    fn every_lie_is_found() {
        let wrong = [
            ("/bonds/0/name", json!("bond1")),
            ("/bonds/0/mtu", json!(9000)),
            ("/bonds/0/members/0/name", json!("enp2s2")),
            ("/bonds/0/members/0/mtu", json!(9000)),
            ("/bonds/0/members/0/up", json!(false)),
            ("/bonds/0/members/0/carrier", json!(false)),
            ("/bonds/0/members/0/lacp/distributing", json!(false)),
            ("/interfaces/0/name", json!("bond0.1002")),
            ("/interfaces/0/mtu", json!(1400)),
            ("/interfaces/0/carrier", json!(null)),
            ("/interfaces/0/addresses", json!([])),
            ("/interfaces/0/dhcp/lease/remaining_ms", json!(6200)),
            ("/interfaces/0/dhcp/lease/remaining_ms", json!(2800)),
            ("/interfaces/0/dhcp/lease/remaining_ms", json!(null)),
        ];
        for (path, value) in wrong {
            let mut status = status();
            *status.pointer_mut(path).expect("a path") = value.clone();
            let found = lies(&status, &view(6), &view(5));
            assert!(!found.is_empty(), "{path}: {value}");
        }
    }

    #[test]
    fn what_is_renewed_meanwhile_cannot_be_compared() {
        let mut status = status();
        status["interfaces"][0]["dhcp"]["lease"]["remaining_ms"] = 10_000.into();
        assert_eq!(lies(&status, &view(5), &view(10)), [""; 0]);
        assert!(view(5).is_same(&view(10)));
    }
}
