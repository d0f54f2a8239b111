// SPDX-License-Identifier: Apache-2.0
//! The demo, as a user would type it: each command is shown behind a prompt,
//! its real output follows, and what it shows is checked.

use std::io::Write;

use crate::fabric::{Connection, Fabric};
use crate::host::Host;
use crate::stage::{self, Form, Stage};

/// One command of the demo.
struct Step {
    /// Why it is typed.
    remark: &'static str,
    /// What is typed.
    command: &'static str,
    /// What its output has to contain.
    expected: &'static [&'static str],
    /// What happens in the fabric before.
    before: fn(&Fabric),
}

const STEPS: [Step; 10] = [
    Step {
        remark: "Start from a known state, as every script does.",
        command: "hhnet cleanup",
        expected: &[],
        before: nothing,
    },
    Step {
        remark: "Bundle both ports by LACP, enter VLAN 1001 and ask for an address.",
        command: "hhnet bond 1001 layer2+3 enp2s1 enp2s2",
        expected: &["10.0.1.10/24"],
        before: nothing,
    },
    Step {
        remark: "The ports are members of bond0; the address is on its VLAN.",
        command: "ip a",
        expected: &[
            " enp2s1",
            " enp2s2",
            "<BROADCAST,MULTICAST,SLAVE,UP,LOWER_UP>",
            " master bond0 ",
            " bond0: <BROADCAST,MULTICAST,MASTER,UP,LOWER_UP>",
            "bond0.1001@bond0:",
            "inet 10.0.1.10/24 metric 1024 brd 10.0.1.255 scope global dynamic bond0.1001",
        ],
        before: nothing,
    },
    Step {
        remark: "The gateway of the VPC answers.",
        command: "ping -c 3 10.0.1.1",
        expected: &["3 packets transmitted, 3 received"],
        before: nothing,
    },
    Step {
        remark: "What hhnet knows: links, LACP partner, lease.",
        command: "hhnet status",
        expected: &["bond0", "10.0.1.10/24"],
        before: nothing,
    },
    Step {
        remark: "What the programs on each member have counted.",
        command: "hhnet flows",
        expected: &["10.0.1.1"],
        before: nothing,
    },
    Step {
        remark: "The leaves begin to forward everything twice, and ping cannot say why.",
        command: "ping -c 3 10.0.1.1",
        expected: &["(DUP!)", "duplicates"],
        before: repeat_all,
    },
    Step {
        remark: "hhnet can.",
        command: "hhnet dups",
        expected: &["echo replies from 10.0.1.1 arrived twice", "(reply leg)"],
        before: nothing,
    },
    Step {
        remark: "Give everything back.",
        command: "hhnet cleanup",
        expected: &[],
        before: nothing,
    },
    Step {
        remark: "Nothing is left: no bond, no VLAN, no program on a port.",
        command: "ip -br link",
        expected: &["lo", "enp2s1", "enp2s2"],
        before: nothing,
    },
];

fn nothing(_: &Fabric) {}

/// Has each leaf send the server everything twice.
fn repeat_all(fabric: &Fabric) {
    for (leaf, port) in fabric.leaves.iter().zip(["s1p1", "s1p2"]) {
        leaf.namespace().must(&format!(
            "tc qdisc add dev {port} root netem duplicate 100%"
        ));
    }
}

/// Builds the fabric and plays all steps to `out`.
///
/// # Errors
/// The first step that failed or did not show what it should, or a broken `out`.
pub fn play(out: &mut dyn Write) -> Result<(), String> {
    let fabric = Fabric::new();
    let _dhcp = [1001, 1002].map(|vlan| fabric.vpc(vlan).dnsmasq(&[]));
    let server = fabric.server(Connection::Eslag);
    let mut stage = Stage::new(out, Form::Terminal);
    for step in &STEPS {
        (step.before)(&fabric);
        step.play(&server, &mut stage)?;
    }
    let links = server.links();
    if links != ["enp2s1", "enp2s2", "lo"] {
        return Err(format!(
            "after hhnet cleanup there still is one of {links:?}"
        ));
    }
    Ok(())
}

/// Builds the fabric and opens a shell on the server.
///
/// # Errors
/// When the shell does not start.
pub fn explore(out: &mut dyn Write) -> Result<(), String> {
    let fabric = Fabric::new();
    let _dhcp = [1001, 1002].map(|vlan| fabric.vpc(vlan).dnsmasq(&[]));
    let server = fabric.server(Connection::Eslag);
    let hint = "A shell on server-01. Try: hhnet bond 1001 layer2+3 enp2s1 enp2s2";
    writeln!(out, "\n# {hint}\n# Leave it with: exit").map_err(|e| e.to_string())?;
    let mut shell = server.namespace().command("bash");
    shell
        .args(["--norc", "--noprofile", "-i"])
        .env("PATH", stage::path())
        .env("PS1", r"core@\h \w $ ");
    shell.env("HOME", "/root");
    let ended = shell
        .status()
        .map(|_| ())
        .map_err(|e| format!("starting bash: {e}"));
    server.discard();
    ended
}

impl Step {
    fn play(&self, server: &Host, stage: &mut Stage) -> Result<(), String> {
        stage.remark(self.remark)?;
        let shown = stage.run(server, self.command)?.good()?;
        let says = |shown: stage::Shown, text: &&str| shown.says(text);
        self.expected.iter().try_fold(shown, says).map(drop)
    }
}
