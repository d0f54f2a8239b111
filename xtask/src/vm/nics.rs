// SPDX-License-Identifier: Apache-2.0
//! The NICs of a machine: emulated hardware, whose names are those that udev gives.
//!
//! ```text
//!   bus 2   e1000    enp2s0      enp2s1   enp2s2   enp2s3     the server's
//!                      │           │        │        │
//!                  QEMU's own     hub      hub      hub
//!                    network       │        │        │
//!   bus 3   virtio              enp3s1   enp3s2   enp3s3     the fabric's
//! ```
//! Nothing that is sent leaves QEMU: its own network answers DHCP and no more.

/// How many NICs have a cable to the fabric.
const CABLES: u8 = 3;

/// Bridges get the buses 1, 2 and 3, in the order of their slots. Without hotplug
/// there is a slot 0, and none that udev would name the NIC after.
const BRIDGES: [&str; 3] = ["pci1", "pci2", "pci3"];

/// QEMU's arguments.
pub(super) fn arguments() -> Vec<String> {
    let mut arguments = words("-global PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off");
    for (number, bridge) in (1..).zip(BRIDGES) {
        arguments.extend(words(&format!(
            "-device pci-bridge,id={bridge},chassis_nr={number},shpc=off"
        )));
    }
    arguments.extend(words(&format!(
        "-netdev user,id=management,restrict=on,net=172.31.1.0/24,ipv6=off {}",
        e1000("management", 0)
    )));
    (1..=CABLES).for_each(|number| arguments.extend(words(&cable(number))));
    arguments
}

/// An e1000 and a virtio NIC on one hub. Bonding wants to be told a speed, which virtio
/// has none of by itself.
fn cable(number: u8) -> String {
    format!(
        "-netdev hubport,id=server{number},hubid={number} {} \
         -netdev hubport,id=fabric{number},hubid={number} \
         -device virtio-net-pci,netdev=fabric{number},id=virtio{number},bus=pci3,addr={number:#x},\
         mac=0c:20:12:ff:01:{number:02x},speed=1000,duplex=full,romfile=",
        e1000(&format!("server{number}"), number)
    )
}

fn e1000(network: &str, number: u8) -> String {
    format!(
        "-device e1000,netdev={network},id=e1000-{number},bus=pci2,addr={number:#x},\
         mac=0c:20:12:fe:01:{number:02x},romfile="
    )
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nic_is_named_after_bus_and_slot() {
        let arguments = arguments().join(" ");
        for nic in [
            "netdev=management,id=e1000-0,bus=pci2,addr=0x0,mac=0c:20:12:fe:01:00",
            "netdev=server3,id=e1000-3,bus=pci2,addr=0x3,mac=0c:20:12:fe:01:03",
            "netdev=fabric3,id=virtio3,bus=pci3,addr=0x3,mac=0c:20:12:ff:01:03",
        ] {
            assert!(arguments.contains(nic), "{nic}: {arguments}");
        }
    }

    #[test]
    fn no_network_leads_out_of_qemu() {
        for argument in arguments() {
            let leads_out = argument.starts_with("user,") && !argument.contains("restrict=on");
            assert!(!leads_out, "{argument}");
        }
    }
}
