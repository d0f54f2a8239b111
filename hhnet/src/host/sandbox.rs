// SPDX-License-Identifier: Apache-2.0
//! What systemd leaves an agent that it starts for a command: as much as
//! `dist/hhnet.service` does, by the same properties (systemd.exec(5)).
//!
//! One is weaker: the program may be anybody's file, anywhere, so homes can be read,
//! and there is no /tmp of the unit's own in front of what is there.

use zbus::zvariant::Value;

use crate::privilege;

/// Where the agent writes; see the unit.
const WRITABLE: [&str; 3] = ["/run", "/etc", "/var/log"];

const FAMILIES: [&str; 5] = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"];

/// The properties, as systemd takes them over D-Bus.
pub(super) fn properties() -> Vec<(&'static str, Value<'static>)> {
    // A list of what is allowed, not of what is forbidden.
    let only = |what: &[&'static str]| Value::from((true, what.to_vec()));
    let mut all = vec![
        ("CapabilityBoundingSet", privilege::KEPT.bits().into()),
        ("ProtectSystem", "strict".into()),
        ("ReadWritePaths", WRITABLE.to_vec().into()),
        ("ProtectHome", "read-only".into()),
        ("ProtectProc", "invisible".into()),
        ("RestrictAddressFamilies", only(&FAMILIES)),
        // Flags of the namespaces that it may make: none.
        ("RestrictNamespaces", 0_u64.into()),
        ("SystemCallArchitectures", vec!["native"].into()),
        ("SystemCallFilter", only(&["@system-service", "bpf"])),
        ("SystemCallErrorNumber", libc::EPERM.into()),
        ("UMask", 0o022_u32.into()),
    ];
    let switched_on = [
        "NoNewPrivileges",
        "PrivateDevices",
        "ProtectClock",
        "ProtectControlGroups",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "RestrictRealtime",
        "RestrictSUIDSGID",
    ];
    all.extend(switched_on.map(|name| (name, true.into())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in the unit file: a name, and what it is set to.
    fn text(value: &Value<'_>) -> String {
        match value {
            Value::Bool(true) => "yes".into(),
            Value::Str(text) => text.to_string(),
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
            Value::Structure(fields) => text(&fields.fields()[1]),
            other => other.to_string(),
        }
    }

    #[test]
    fn the_unit_that_is_shipped_has_the_same() {
        let unit = include_str!("../../../dist/hhnet.service");
        let shipped = |name: &str| {
            let mut lines = unit.lines().filter_map(|line| line.split_once('='));
            lines.find_map(|(key, value)| (key == name).then_some(value))
        };
        for (name, value) in properties() {
            let ours = match name {
                // Numbers here, names there: compared in crate::privilege.
                "CapabilityBoundingSet" => continue,
                "ProtectHome" => "yes".to_owned(),
                "RestrictNamespaces" => "yes".to_owned(),
                "SystemCallErrorNumber" => "EPERM".to_owned(),
                "UMask" => "0022".to_owned(),
                _ => text(&value),
            };
            assert_eq!(shipped(name), Some(ours.as_str()), "{name}");
        }
        let has = |name: &str| properties().iter().any(|(own, _)| *own == name);
        let missing: Vec<&str> = unit
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .filter(|name| name.starts_with("Protect") || name.starts_with("Restrict"))
            .chain(["NoNewPrivileges", "LockPersonality", "SystemCallFilter"])
            .filter(|name| !name.starts_with("RestartPrevent") && !has(name))
            .collect();
        assert_eq!(missing, [""; 0]);
    }
}
