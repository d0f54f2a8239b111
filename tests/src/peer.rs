// SPDX-License-Identifier: Apache-2.0
//! What servers of the fabric serve each other: throughput, and a page.

use std::path::Path;

use crate::dhcp::unpacked;
use crate::namespace::Namespace;
use crate::process::Running;
use crate::wait::{self, PATIENCE};

/// iperf3, installed with the other packages of the lab.
const IPERF3: &str = "/usr/bin/iperf3";

/// `iperf3 -s` on a machine, until dropped.
pub fn iperf3(machine: &Namespace) -> Running {
    let server = Running::start(&mut machine.command_line("iperf3 -s"));
    listens(machine, 5201);
    server
}

/// Takes iperf3 away from a machine, and docker, which may have one.
pub fn remove_iperf3(machine: &Namespace) {
    for place in ["/usr/local/bin", "/usr/bin", "/opt/bin"] {
        for program in ["iperf3", "docker"].map(|name| Path::new(place).join(name)) {
            if program.exists() {
                machine.must(&format!("mount --bind /dev/null {}", program.display()));
            }
        }
    }
}

/// Has a machine's iperf3 be in a container of that name alone, as on the servers of the
/// fabric: by a stand-in for docker that knows this one, and runs the real iperf3.
pub fn contain_iperf3(machine: &Namespace) {
    const DOCKER: &str = "#!/bin/sh\n\
        [ \"$1 $2 $3 $5\" = \"exec iperf3 timeout iperf3\" ] || exit 1\n\
        seconds=$4; shift 5\n\
        exec timeout $seconds /run/contained/iperf3 \"$@\"\n";
    machine.must("mkdir /run/contained /run/local");
    machine.must(&format!("cp {IPERF3} /run/contained/iperf3"));
    machine.enter(|| std::fs::write("/run/local/docker", DOCKER).expect("/run is writable"));
    machine.must("chmod 755 /run/local/docker");
    remove_iperf3(machine);
    machine.must("mount --bind /run/local /usr/local/bin");
}

/// busybox's httpd on a machine, until dropped, with one page: `/index.html`.
pub fn httpd(machine: &Namespace) -> Running {
    const PAGES: &str = "/run/pages";
    machine.enter(|| {
        std::fs::create_dir_all(PAGES).expect("/run is writable");
        std::fs::write(format!("{PAGES}/index.html"), "hello\n").expect("/run is writable");
    });
    let mut command = machine.command(unpacked("bin/busybox"));
    command.args(["httpd", "-f", "-p", "80", "-h", PAGES]);
    let server = Running::start(&mut command);
    listens(machine, 80);
    server
}

/// Waits until somebody listens at a TCP port.
#[track_caller]
fn listens(machine: &Namespace, port: u16) {
    wait::until(&format!("port {port} is open"), PATIENCE, || {
        let listening = machine.run(&format!("ss -Hltn sport = :{port}")).stdout;
        !listening.is_empty()
    });
}
