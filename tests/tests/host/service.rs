// SPDX-License-Identifier: Apache-2.0
//! hhnet as systemd's service: the transient one that a command starts, and the unit
//! that is shipped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use hhnet_tests::dhcp::Kind;
use hhnet_tests::fabric::Connection;
use hhnet_tests::http;
use hhnet_tests::machine::Machine;
use hhnet_tests::monitor::Monitor;
use hhnet_tests::namespace::Namespace;
use hhnet_tests::privileges::expect_reduced;
use hhnet_tests::wait::{self, PATIENCE};
use serde_json::Value;

use crate::{BOND, Lab, ON_BOND, ON_VLAN, VLAN, secs};

const UNIT: &str = include_str!("../../../dist/hhnet.service");
const UNIT_FILE: &str = "/run/systemd/system/hhnet.service";
const CONFIG: &str = "/etc/hhnet.conf";

/// The most that `systemd-analyze security` may make of the unit that is shipped, and of a
/// command's, which has no /tmp of its own and may read homes; in tenths.
const EXPOSURE: [u32; 2] = [24, 26];

/// The unit on a machine, for as long as a test takes.
struct Installed<'a>(&'a Machine);

impl<'a> Installed<'a> {
    fn on(machine: &'a Machine, lines: &str) -> Self {
        fs::write(UNIT_FILE, UNIT).expect("/run can be written");
        fs::write(CONFIG, lines).expect("/etc can be written");
        machine.must("systemctl daemon-reload");
        Self(machine)
    }

    fn is(&self, property: &str) -> String {
        let show = format!("systemctl show hhnet -p {property} --value");
        self.0.must(&show).trim().to_owned()
    }

    /// What the service has written since it was started last, as it is in the journal.
    fn said(&self) -> String {
        let invocation = self.is("InvocationID");
        let journal = format!("journalctl -o cat _SYSTEMD_INVOCATION_ID={invocation}");
        self.0.must(&journal)
    }

    #[track_caller]
    fn expect_said(&self, text: &str) {
        wait::until(text, PATIENCE, || self.said().contains(text));
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        self.0.root("systemctl stop hhnet");
        for file in [UNIT_FILE, CONFIG] {
            let _ = fs::remove_file(file);
        }
        self.0.root("systemctl daemon-reload");
    }
}

#[track_caller]
fn kill(machine: &Machine, pid: &str) {
    machine.must(&format!("kill -KILL {pid}"));
    wait::until("it is dead", PATIENCE, || {
        !machine.root(&format!("test -d /proc/{pid}")).ok()
    });
}

/// An agent that is killed is started again by systemd, and goes on with its lease: the
/// address is there all the time.
#[test]
fn a_killed_agent_is_back_with_its_lease() {
    let lab = Lab::model(Connection::Unbundled, |_| ());
    let machine = &lab.machine;
    machine.hhnet(VLAN);
    let [agent] = machine.hhnet_processes()[..] else {
        panic!("one agent: {:?}", machine.hhnet_processes())
    };
    let (monitor, began) = (Monitor::of(machine.namespace()), Instant::now());
    kill(machine, &agent.to_string());
    let next = wait::poll(PATIENCE, || machine.hhnet_processes().first().copied());
    let next = next.expect("another agent");
    let group = fs::read_to_string(format!("/proc/{next}/cgroup")).expect("it runs");
    let unit = group.trim_end().rsplit('/').next().expect("a unit");
    assert!(unit.starts_with("hhnet-agent-"), "{group}");
    expect_confined(machine, unit, next, EXPOSURE[1]);
    lab.wait_for(Kind::Reboot, began, PATIENCE);
    wait::until("it knows of the lease", PATIENCE, || {
        machine.hhnet("status").contains("BOUND")
    });
    wait::until("it has its programs", PATIENCE, || {
        let status = machine.hhnet("status --json");
        let status: Value = serde_json::from_str(&status).expect("JSON");
        status["ports"][0]["programs"].as_array().map(Vec::len) == Some(2)
    });
    assert_eq!(machine.addresses(ON_VLAN), ["10.0.1.10/24"]);
    assert_eq!(monitor.losses(), []);
    wait::throughout(secs(3), "it stays", || machine.hhnet_processes() == [next]);
    expect_metrics(ON_VLAN);
    let metrics = machine.hhnet("metrics");
    let marked = "\nhhnet_agent_adopted_leases 1\n";
    assert!(metrics.contains(marked), "{metrics}");
}

/// What systemd leaves a unit and what the agent keeps of that. The unit's exposure is of
/// ten; without any restriction, root's is 9.6.
#[track_caller]
fn expect_confined(machine: &Machine, unit: &str, agent: i32, exposure: u32) {
    expect_reduced(agent);
    machine.must(&format!(
        "systemd-analyze security --no-pager --threshold={exposure} {unit}"
    ));
}

/// The agent serves them where Prometheus finds them.
#[track_caller]
fn expect_metrics(interface: &str) {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 19478));
    let answer = http::get(&Namespace::own(), usual, "/metrics", &[]);
    let answer = answer.expect("somebody listens");
    let bound = format!("hhnet_dhcp_bound{{interface=\"{interface}\"}} 1");
    for line in [bound.as_str(), "hhnet_agent_up 1"] {
        let is_there = answer.body.lines().any(|found| found == line);
        assert!(is_there, "no {line} in {}", answer.body);
    }
    // What the unit hides of /proc is not what this is read from.
    let own = "process_resident_memory_bytes";
    assert!(answer.body.contains(own), "no {own} in {}", answer.body);
}

/// The unit has enough rights for what its file asks: bond, VLAN, programs, and all that
/// others are told; also when it was killed.
#[test]
fn the_unit_has_the_rights_it_takes() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let service = Installed::on(&lab.machine, &format!("# both leaves\n{BOND}\n"));
    lab.machine.must("systemctl start hhnet");
    service.expect_said("line 2: 10.0.1.10/24");
    for port in ["enp2s1", "enp2s2"] {
        service.expect_said(&format!(
            "program attached interface=\"{port}\" direction=out"
        ));
    }
    let said = service.said();
    assert!(!said.contains("WARN"), "{said}");
    assert!(
        lab.machine.is_managed("enp2s1"),
        "{}",
        lab.machine.setup("enp2s1")
    );
    let agent = service.is("MainPID");
    let pid = agent.parse().expect("a process id");
    expect_confined(&lab.machine, "hhnet.service", pid, EXPOSURE[0]);
    kill(&lab.machine, &agent);
    wait::until("it was started again", PATIENCE, || {
        service.is("NRestarts") == "1" && service.is("SubState") == "running"
    });
    service.expect_said("line 2: in force already");
    expect_metrics(ON_BOND);
    lab.machine
        .expect_addresses(ON_BOND, secs(0), &["10.0.1.10/24"]);
    let said = service.said();
    assert!(!said.contains("WARN"), "{said}");
    drop(service);
}

/// Cleanup ends the service without a failure, and it can be started right after that;
/// what stop leaves, the next start goes on with.
#[test]
fn cleanup_ends_the_service_and_stop_leaves_its_work() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let service = Installed::on(&lab.machine, &format!("{VLAN}\n"));
    for _ in 0..3 {
        lab.machine.must("systemctl start hhnet");
        assert_eq!(service.is("ActiveState"), "active");
        service.expect_said("line 1: 10.0.1.10/24");
        assert_eq!(lab.machine.hhnet("cleanup"), "");
    }
    wait::until("it has ended", PATIENCE, || {
        service.is("ActiveState") == "inactive"
    });
    assert_eq!(service.is("Result"), "success");
    lab.machine.must("systemctl start hhnet");
    service.expect_said("line 1: 10.0.1.10/24");
    lab.machine.must("systemctl stop hhnet");
    assert_eq!(service.is("Result"), "success");
    lab.machine
        .expect_addresses(ON_VLAN, secs(0), &["10.0.1.10/24"]);
    lab.machine.must("systemctl start hhnet");
    service.expect_said("line 1: in force already");
    // A file with a mistake is no reason to try again and again.
    fs::write(CONFIG, "vlan 4095 enp2s1\n").expect("/etc can be written");
    assert!(!lab.machine.root("systemctl restart hhnet").ok());
    assert_eq!(service.is("ActiveState"), "failed");
    assert_eq!(service.is("ExecMainStatus"), "78");
    let said = service.said();
    assert!(said.contains("/etc/hhnet.conf:1: "), "{said}");
    lab.machine.must("systemctl reset-failed hhnet");
    lab.machine
        .expect_addresses(ON_VLAN, secs(0), &["10.0.1.10/24"]);
    drop(service);
}
