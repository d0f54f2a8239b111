// SPDX-License-Identifier: Apache-2.0
//! Others who mean harm: servers that send what terminals and files obey, readers of
//! metrics who hold what they can get, and who sits at the control socket and says nothing.

mod http;
mod names;
mod socket;

use std::fs;
use std::time::Duration;

use dhcproto::v4::DhcpOption;
use hhnet_tests::dhcp::Subnet;
use hhnet_tests::fabric::Segment;
use hhnet_tests::host::Host;

/// What a command may take beside an attack and all other tests: less than the ten seconds
/// after which it says that the agent does not answer.
const SLOWEST: Duration = Duration::from_secs(9);

/// Leases that are renewed every two seconds, and last ten.
fn renewed_often() -> Subnet {
    let mut subnet = Segment::subnet();
    subnet.lease = Duration::from_secs(10);
    subnet.options = vec![DhcpOption::Renewal(2), DhcpOption::Rebinding(8)];
    subnet
}

/// The process of the server's agent.
#[track_caller]
fn agent(server: &Host) -> i32 {
    let processes = server.hhnet_processes();
    let agent = processes.iter().find(|p| p.cmdline.ends_with(" agent"));
    agent.expect("there is an agent").pid
}

/// Its resident memory, in bytes.
#[track_caller]
fn memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    1024 * kilobytes.expect("a size")
}

/// How many descriptors it has open.
#[track_caller]
fn descriptors(pid: i32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it is alive");
    open.count()
}
