// SPDX-License-Identifier: Apache-2.0
//! Commands of an ordinary user, who becomes root by sudo.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use hhnet_tests::fabric::PointToPoint;
use hhnet_tests::host::{Host, VERB_DEADLINE, assert_refusal, binary};
use hhnet_tests::namespace::unprivileged;
use hhnet_tests::process::{Running, run};
use hhnet_tests::sudo;
use hhnet_tests::terminal::Terminal;
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A verb that waits for an address nobody gives.
const WAITS: &str = "dhcp enp2s1 --xdp=off";

/// What the end of a command may take to reach whatever it has started: far less than it
/// would wait for its address.
const SOON: Duration = PATIENCE;

fn lab(sudoers: &str) -> PointToPoint {
    let lab = PointToPoint::new();
    sudo::rules(lab.server.namespace(), sudoers);
    lab
}

/// The process whose command line has `word` in it.
fn process_with(server: &Host, word: &str) -> Option<Pid> {
    let all = server.namespace().processes();
    let found = all.iter().find(|p| p.cmdline.contains(word))?;
    Some(Pid::from_raw(found.pid))
}

/// The one that is root: not the user's own, and not sudo.
fn elevated(server: &Host) -> Pid {
    let named = format!("{} --elevated", binary().display());
    let all = server.namespace().processes();
    let own = all.iter().find(|p| p.cmdline.starts_with(&named));
    Pid::from_raw(own.expect("a process that is root").pid)
}

/// A user's command that has come as far as the agent.
fn waiting(server: &Host) -> Running {
    let command = Running::start(&mut server.command_of_nobody(WAITS));
    wait::until("the agent has heard", PATIENCE, || {
        server.log().contains("command: [\"dhcp\"")
    });
    command
}

#[track_caller]
fn expect_nothing_left(server: &Host) {
    wait::until("no process of the command is left", SOON, || {
        server.namespace().processes().is_empty()
    });
}

/// Answers, complaints and exit statuses pass as if the user were root.
#[test]
fn a_user_gets_what_root_gets() {
    for rules in [sudo::REPLACED, sudo::IN_A_TERMINAL] {
        let lab = lab(rules);
        let p2p = "p2p enp2s1 10.0.1.0/31 10.0.1.1";
        let output = lab.server.hhnet_as_nobody(p2p).success(p2p);
        assert_eq!(output.stdout, "10.0.1.0/31\n");
        assert_eq!(output.stderr, "");
        let wrong = "dhcp enp2s7";
        let output = lab.server.hhnet_as_nobody(wrong);
        assert_refusal(wrong, &output, &["enp2s7"]);
        assert_eq!(output.code(), 1);
        lab.server
            .hhnet_as_nobody("cleanup")
            .success("hhnet cleanup");
    }
}

/// timeout(1) has no right to end what is root, and ends it all the same.
#[test]
fn timeout_ends_a_command_and_all_it_has_started() {
    for rules in [sudo::REPLACED, sudo::IN_A_TERMINAL] {
        let lab = lab(rules);
        let before = lab.server.snapshot();
        let mut command = lab.server.namespace().command("timeout");
        command.arg("1").arg(binary()).args(WAITS.split(' '));
        unprivileged(&mut command);
        let output = run(&mut command, VERB_DEADLINE);
        assert_eq!(output.code(), 124, "{}", output.stderr);
        assert_eq!(output.stdout, "");
        assert!(output.took < SOON, "{:?}", output.took);
        expect_nothing_left(&lab.server);
        lab.server.expect_unchanged(&before);
    }
}

/// So does every other end the user's process can come to.
#[test]
fn a_command_ends_with_its_caller_however_that_ends() {
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGKILL] {
        let lab = lab(sudo::ALLOWED);
        let before = lab.server.snapshot();
        let mut command = waiting(&lab.server);
        kill(Pid::from_raw(command.pid()), signal).expect("it is running");
        command.wait(SOON);
        expect_nothing_left(&lab.server);
        assert!(lab.server.log().contains("whoever asked for it has gone"));
        lab.server.expect_unchanged(&before);
    }
}

/// The exit status names the signal that has ended what was root.
#[test]
fn a_signal_is_told_as_a_shell_would() {
    for (signal, status) in [(Signal::SIGKILL, 137), (Signal::SIGTERM, 143)] {
        let lab = lab(sudo::ALLOWED);
        let mut command = waiting(&lab.server);
        kill(elevated(&lab.server), signal).expect("it is running");
        assert_eq!(command.wait(PATIENCE).code(), Some(status));
        assert_eq!(command.stdout(), "");
        expect_nothing_left(&lab.server);
    }
}

/// Who may not use sudo is told what is missing, after sudo's own words.
#[test]
fn a_user_without_the_right_to_use_sudo_is_told_so() {
    let lab = lab(sudo::REFUSED);
    let before = lab.server.snapshot();
    for line in ["cleanup", "p2p enp2s1 10.0.1.0/31 10.0.1.1", "status"] {
        let output = lab.server.hhnet_as_nobody(line);
        assert_eq!(output.code(), 1, "hhnet {line}");
        assert_eq!(output.stdout, "", "hhnet {line}");
        let said: Vec<&str> = output.stderr.lines().collect();
        let ours = format!(
            "Error: becoming root: sudo has refused: user 65534 must be allowed to run {} without a password",
            binary().canonicalize().expect("a binary").display()
        );
        assert_eq!(said.last(), Some(&ours.as_str()), "{}", output.stderr);
        assert!(said.len() == 1 || said[0].starts_with("sudo: "), "{said:?}");
    }
    lab.server.expect_unchanged(&before);
}

/// Nobody's PATH decides what runs as root.
#[test]
fn sudo_is_not_looked_for_where_the_caller_says() {
    let lab = lab(sudo::ALLOWED);
    lab.server.namespace().must("cp /usr/bin/false /run/sudo");
    let mut command = lab.server.command_of_nobody("status");
    command.env("PATH", "/run");
    run(&mut command, VERB_DEADLINE).success("hhnet status");
}

/// By some of these a program does what somebody else wants; the last one by its name alone.
const HOSTILE: [&str; 14] = [
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "PATH",
    "HOME",
    "IFS",
    "BASH_ENV",
    "TMPDIR",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "NOTIFY_SOCKET",
    "RUST_BACKTRACE",
    "HHNET_FAULT",
    "SUDO_ASKPASS",
    "SECRET",
];
/// What they say.
const EVIL: &str = "/run/evil";

/// What sudo tells of who has called it, and of the user it has become.
const OF_SUDO: [&str; 11] = [
    "SUDO_COMMAND",
    "SUDO_USER",
    "SUDO_UID",
    "SUDO_GID",
    "SUDO_HOME",
    "LOGNAME",
    "USER",
    "HOME",
    "MAIL",
    "SHELL",
    "TERM",
];

/// Checks that a process has been given no variable but these, and nothing evil in them.
#[track_caller]
fn expect_environment(pid: Pid, allowed: &[&str]) {
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).expect("it runs");
    assert!(!environment.contains(EVIL), "{pid}: {environment}");
    for variable in environment.split_terminator('\0') {
        let (name, value) = variable.split_once('=').expect("name and value");
        assert!(allowed.contains(&name), "{pid}: {name}={value}");
        let path = "/usr/sbin:/usr/bin:/sbin:/bin";
        assert!(name != "PATH" || value == path, "{pid}: {value}");
    }
}

/// What is in the caller's environment stays there, but for the log filter, also where sudo
/// would let it all pass.
#[test]
fn nothing_of_the_environment_is_passed_on() {
    let lab = lab("Defaults !env_reset\nALL ALL = (ALL:ALL) NOPASSWD: ALL\n");
    let hostile = HOSTILE.map(|name| (name, EVIL));
    let mut command = lab.server.command_of_nobody(WAITS);
    command.envs(hostile).env("RUST_LOG", "hhnet=debug");
    let mut command = Running::start(&mut command);
    wait::until("the agent has heard", PATIENCE, || {
        lab.server.log().contains("DEBUG command: [\"dhcp\"")
    });
    let agent = process_with(&lab.server, "hhnet agent").expect("an agent");
    let sudo = process_with(&lab.server, "/sudo ").expect("sudo");
    expect_environment(sudo, &["PATH"]);
    expect_environment(elevated(&lab.server), &[&["PATH"], &OF_SUDO[..]].concat());
    expect_environment(agent, &["PATH", "RUST_LOG"]);
    command.kill();
    expect_nothing_left(&lab.server);
    // Root's own is no different.
    let mut command = lab.server.hhnet_command(WAITS);
    let _command = Running::start(command.envs(hostile));
    let agent = wait::poll(PATIENCE, || process_with(&lab.server, "hhnet agent"));
    let agent = agent.expect("an agent");
    expect_environment(agent, &["PATH"]);
}

/// Nor what root looks for: it starts systemctl where there is no bus, by its own path, and
/// with nothing of anybody's environment.
#[test]
fn no_program_is_looked_for_where_the_caller_says() {
    let lab = lab("Defaults !env_reset\nALL ALL = (ALL:ALL) NOPASSWD: ALL\n");
    let machine = lab.server.namespace();
    // Booted by systemd, whose bus is gone.
    machine.must("mkdir -p /run/systemd/system /run/evil /run/ran");
    machine.must("chmod 0777 /run/ran");
    let write = |path: &str, text: &str| {
        machine
            .enter(|| fs::write(path, text))
            .expect("/run is its own");
        machine.must(&format!("chmod 0755 {path}"));
    };
    for name in ["sudo", "systemctl", "ping", "ip", "networkctl", "sh"] {
        let path = format!("{EVIL}/{name}");
        write(&path, &format!("#!/bin/sh\n> /run/ran/{name}\n"));
    }
    write("/run/systemctl", "#!/bin/sh\n/usr/bin/env > /run/asked\n");
    machine.must("mount --bind /run/systemctl /usr/bin/systemctl");
    for line in ["p2p enp2s1 10.0.1.0/31 10.0.1.1", "diagnose", "cleanup"] {
        let mut command = lab.server.command_of_nobody(line);
        command.envs(HOSTILE.map(|name| (name, EVIL)));
        run(&mut command, VERB_DEADLINE).success(line);
    }
    assert_eq!(machine.must("ls /run/ran"), "");
    let asked = machine.read("/run/asked").expect("systemctl was asked");
    assert!(!asked.contains(EVIL), "{asked}");
    machine.must("umount /usr/bin/systemctl");
}

/// As ssh starts it, and cron, and whoever ignores its children.
#[test]
fn no_terminal_no_stdin_and_ignored_children_are_no_obstacle() {
    for rules in [sudo::REPLACED, sudo::IN_A_TERMINAL] {
        let lab = lab(rules);
        let close = || {
            nix::unistd::setsid()?;
            // SAFETY: a number; nothing in this process uses stdin.
            unsafe { libc::close(0) };
            // SAFETY: no handler is installed.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
            Ok(())
        };
        let mut command = lab.server.command_of_nobody("status");
        // SAFETY: the closure only makes system calls, allowed between fork and exec.
        unsafe { command.pre_exec(close) };
        let output = run(&mut command, VERB_DEADLINE).success("hhnet status");
        assert_eq!(output.stdout, "agent           not running\n");
    }
}

/// In a terminal Ctrl-C ends a command, and pages are as large as the terminal.
#[test]
fn a_terminal_is_the_users_all_the_way() {
    for rules in [sudo::REPLACED, sudo::IN_A_TERMINAL] {
        let lab = lab(rules);
        let terminal = Terminal::new(40, 8);
        let before = terminal.settings();
        let mut watch = terminal.log_in(&mut lab.server.command_of_nobody("flows --watch"));
        wait::until("two pages", PATIENCE, || {
            terminal.text().matches("\x1b[H").count() >= 2
        });
        terminal.type_in("\x03");
        wait::poll(PATIENCE, || watch.try_wait().expect("own child")).expect("an end");
        let text = terminal.text();
        for page in text.split("\x1b[H").skip(1) {
            assert!(page.lines().count() <= 8, "{page:?}");
        }
        expect_nothing_left(&lab.server);
        assert_eq!(terminal.settings(), before);

        let terminal = Terminal::new(40, 8);
        let mut command = terminal.log_in(&mut lab.server.command_of_nobody(WAITS));
        wait::until("the agent has heard", PATIENCE, || {
            lab.server.log().contains("command: [\"dhcp\"")
        });
        terminal.type_in("\x03");
        let end = wait::poll(PATIENCE, || command.try_wait().expect("own child"));
        assert!(!end.expect("an end").success());
        expect_nothing_left(&lab.server);
    }
}

/// What sudo is told to start hhnet with does no harm in other hands.
#[test]
fn the_marker_gives_nobody_anything() {
    let lab = lab(sudo::ALLOWED);
    let before = lab.server.snapshot();
    let line = "--elevated p2p enp2s1 10.0.1.0/31 10.0.1.1";
    let output = lab.server.hhnet_as_nobody(line);
    assert_refusal(line, &output, &["becoming root"]);
    // Of root, with nobody at the other end.
    let mut command = lab.server.hhnet_command(line);
    command.stdin(Stdio::null());
    let status = command.output().expect("hhnet starts").status;
    assert!(!status.success());
    lab.server.expect_unchanged(&before);
    let help = lab.server.hhnet("--help").stderr + &lab.server.hhnet("--elevat").stderr;
    assert!(!help.contains("elevated"), "{help}");
    waiting(&lab.server).kill();
    assert!(!lab.server.log().contains("elevated"));
}
