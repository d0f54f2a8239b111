// SPDX-License-Identifier: Apache-2.0
//! Something else in the place of hhnet's own files: it is not read, not written to, and
//! never followed to somewhere else.

use std::fs;
use std::time::Duration;

use hhnet_tests::fabric::{NIC, PointToPoint};
use hhnet_tests::host::{self, Host, LOG, RUNTIME_DIR};
use hhnet_tests::process;
use hhnet_tests::wait::{self, PATIENCE};

use crate::Lab;

const P2P: &str = "p2p enp2s1 10.0.1.0/31 10.0.1.1";

/// What nobody may touch.
const SECRET: &str = "root:$y$secret:20000:0:99999:7:::\n";
const SHADOW: &str = "/run/shadow";

/// Files in the runtime directory, and whether they are made anew in the place of
/// whatever is there. Of the lock it cannot be known who holds it.
const FILES: [(&str, bool); 6] = [
    ("journal.json", true),
    ("journal.new", true),
    ("leases", true),
    ("leases.new", true),
    ("agent.sock", true),
    ("agent.lock", false),
];

/// A server with a file that has a secret in it.
fn lab() -> Lab {
    let lab = Lab::new();
    hide(&lab.server);
    lab
}

fn hide(server: &Host) {
    let written = server.namespace().enter(|| fs::write(SHADOW, SECRET));
    written.expect("/run is the machine's own");
    server.namespace().must(&format!("chmod 0600 {SHADOW}"));
}

#[track_caller]
fn expect_secret(server: &Host) {
    assert_eq!(server.namespace().read(SHADOW).as_deref(), Some(SECRET));
    let about = server.namespace().must(&format!("stat -c %a:%u {SHADOW}"));
    assert_eq!(about, "600:0\n");
    assert!(!server.log().contains("secret"), "{}", server.log());
}

/// A verb and cleanup with something else in the place of one file.
#[track_caller]
fn expect_harmless(server: &Host, file: &str, is_replaced: bool, reason: &str) {
    let line = format!("dhcp {NIC} --xdp=off");
    let output = server.hhnet(&line);
    assert!(!output.stderr.contains("secret"), "{}", output.stderr);
    if is_replaced {
        assert_eq!(output.stdout, "10.0.1.10/24\n", "{file}: {}", output.stderr);
    } else {
        assert_eq!(output.code(), 1, "{file}");
        let expected = format!("Error: starting the agent: {RUNTIME_DIR}/{file}: {reason}\n");
        assert_eq!(output.stderr, expected);
    }
    server.hhnet("cleanup").success("hhnet cleanup");
    expect_secret(server);
}

#[test]
fn a_state_file_that_is_a_link_is_replaced_and_what_it_leads_to_stays() {
    let lab = lab();
    let machine = lab.server.namespace();
    for (file, is_replaced) in FILES {
        machine.must(&format!("mkdir {RUNTIME_DIR}"));
        machine.must(&format!("ln -s {SHADOW} {RUNTIME_DIR}/{file}"));
        expect_harmless(&lab.server, file, is_replaced, "it is a symbolic link");
        machine.must(&format!("rm -rf {RUNTIME_DIR}"));
    }
    // Records of leases are read from a directory, but not from just any.
    machine.must("mkdir /run/hhnet /run/elsewhere");
    machine.must(&format!("cp {SHADOW} /run/elsewhere/{NIC}"));
    machine.must("ln -s /run/elsewhere /run/hhnet/leases");
    expect_harmless(&lab.server, "leases", true, "");
    let kept = machine.read(&format!("/run/elsewhere/{NIC}"));
    assert_eq!(kept.as_deref(), Some(SECRET));
}

#[test]
fn a_state_file_that_is_a_directory_is_replaced() {
    let lab = lab();
    let machine = lab.server.namespace();
    for (file, is_replaced) in FILES {
        machine.must(&format!("mkdir -p {RUNTIME_DIR}/{file}/inside"));
        machine.must(&format!("ln -s {SHADOW} {RUNTIME_DIR}/{file}/inside/{NIC}"));
        expect_harmless(&lab.server, file, is_replaced, "it is no file");
        machine.must(&format!("rm -rf {RUNTIME_DIR}"));
    }
}

/// What others may have written is neither believed nor removed. Cleanup works, and says
/// what it has left alone.
#[test]
fn a_runtime_directory_that_others_may_write_to_is_refused() {
    let lab = PointToPoint::new();
    let server = &lab.server;
    let machine = server.namespace();
    hide(server);
    for (make, reason) in [
        ("ln -s /run/elsewhere /run/hhnet", "it is not a directory"),
        (
            "cp -a /run/elsewhere /run/hhnet; chown nobody /run/hhnet",
            "it belongs to user 65534",
        ),
        (
            "cp -a /run/elsewhere /run/hhnet; chmod 0777 /run/hhnet",
            "others may write to it",
        ),
        (
            "cp -a /run/elsewhere /run/hhnet; chmod 0775 /run/hhnet",
            "others may write to it",
        ),
        ("touch /run/hhnet", "it is not a directory"),
    ] {
        // A book by which enp2s1 would be set down.
        let book = r#"{"links":[{"name":"enp2s1","up":false,"mtu":1400}],"p2p":[]}"#;
        machine.must("mkdir -p /run/elsewhere/leases");
        let planted = machine.enter(|| {
            fs::write("/run/elsewhere/journal.json", book)
                .and_then(|()| fs::write("/run/elsewhere/leases/enp2s1", SECRET))
        });
        planted.expect("/run is the machine's own");
        for command in make.split("; ") {
            machine.must(command);
        }
        let files = || machine.must("find /run/elsewhere /run/hhnet/");
        let (before, planted) = (server.snapshot(), (!make.starts_with("touch")).then(files));
        server.refuses(P2P, &["starting the agent: /run/hhnet: ", reason]);
        let said = server.hhnet("cleanup").success("hhnet cleanup").stderr;
        assert!(said.contains(reason), "{said}");
        server.expect_unchanged(&before);
        assert_eq!((!make.starts_with("touch")).then(files), planted, "{make}");
        machine.must("rm -rf /run/hhnet /run/elsewhere");
    }
}

/// Whatever whoever asks first wants of his own files.
#[test]
fn the_runtime_directory_is_everybodys_to_read_and_roots_to_write() {
    let lab = lab();
    let machine = lab.server.namespace();
    for mask in ["000", "077"] {
        let script = format!("umask {mask}; exec \"$@\"");
        let line = format!("dhcp {NIC} --xdp=off");
        let mut shell = machine.command("sh");
        shell.args(["-c", &script, "sh"]).arg(host::binary());
        shell.args(line.split_whitespace());
        process::run(&mut shell, PATIENCE).success(&line);
        let about = |path: &str| machine.must(&format!("stat -c %a:%u:%g {path}"));
        assert_eq!(about(RUNTIME_DIR), "755:0:0\n", "umask {mask}");
        let socket = format!("{RUNTIME_DIR}/agent.sock");
        assert_eq!(about(&socket), "600:0:0\n", "umask {mask}");
        lab.server.must("cleanup");
    }
}

/// A log that cannot be had is no reason to fail, or to wait: of a FIFO nobody reads the
/// other end.
#[test]
fn something_else_in_the_place_of_the_log_is_not_written_to() {
    let lab = PointToPoint::new();
    let server = &lab.server;
    let machine = server.namespace();
    hide(server);
    for make in [
        format!("ln -s {SHADOW} {LOG}"),
        format!("mkfifo {LOG}"),
        format!("mkdir {LOG}"),
        format!("install -m 0644 -o nobody /dev/null {LOG}"),
    ] {
        machine.must(&make);
        let before = machine.must(&format!("stat -c %F:%s:%u:%a {LOG}"));
        let output = server.hhnet(P2P).success(P2P);
        assert_eq!(output.stdout, "10.0.1.0/31\n", "{make}");
        assert!(
            output.took < Duration::from_secs(2),
            "{make}: {:?}",
            output.took
        );
        server.must("cleanup");
        assert_eq!(machine.must(&format!("stat -c %F:%s:%u:%a {LOG}")), before);
        assert_eq!(machine.read(SHADOW).as_deref(), Some(SECRET), "{make}");
        machine.must(&format!("rm -r {LOG}"));
    }
    // Told to whoever looks on.
    machine.must(&format!("ln -s {SHADOW} {LOG}"));
    let mut agent = server.hhnet_command("agent --foreground --config=/dev/null");
    let agent = process::Running::start(&mut agent);
    let reason = format!("{LOG}: it is a symbolic link; nothing is logged there");
    wait::until(&reason, PATIENCE, || agent.stderr().contains(&reason));
    server.must("cleanup");
    machine.must(&format!("rm {LOG}"));
}
