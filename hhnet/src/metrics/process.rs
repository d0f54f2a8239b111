// SPDX-License-Identifier: Apache-2.0
//! What the kernel says of this process, by the names that all exporters have for it.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

/// This process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    /// Time on a CPU, in user space and in the kernel, in seconds.
    pub cpu_seconds: f64,
    /// When it began, in seconds since 1970.
    pub start_seconds: f64,
    /// Memory it has for itself, in bytes.
    pub resident_bytes: u64,
    /// Memory it may address, in bytes.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// How many it may have.
    pub max_fds: Option<u64>,
}

impl Process {
    /// Reads `/proc/self`; `None` where that is not to be had.
    pub fn read() -> Option<Process> {
        let unit = |variable| sysconf(variable).ok().flatten();
        let units = Units {
            ticks: unit(SysconfVar::CLK_TCK)? as f64,
            page: unit(SysconfVar::PAGE_SIZE)? as u64,
        };
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let boot = boot_seconds(&fs::read_to_string("/proc/stat").ok()?)?;
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        // Without the one that reads the directory.
        let open_fds = fs::read_dir("/proc/self/fd")
            .ok()?
            .count()
            .saturating_sub(1);
        Some(Process {
            open_fds: open_fds as u64,
            max_fds: soft_limit(&limits, "Max open files"),
            ..parse(&stat, boot, units)?
        })
    }
}

/// What the kernel counts time and memory in.
#[derive(Debug, Clone, Copy)]
struct Units {
    /// Clock ticks in a second.
    ticks: f64,
    /// Bytes of a page.
    page: u64,
}

/// Fields of `/proc/PID/stat` (proc_pid_stat(5)). The second one is the name of the
/// program in parentheses, which may have anything in it.
fn parse(stat: &str, boot: f64, units: Units) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    // The first one here is the third of all.
    let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
    let (utime, stime, start) = (field(14)?, field(15)?, field(22)?);
    Some(Process {
        cpu_seconds: (utime + stime) as f64 / units.ticks,
        start_seconds: boot + start as f64 / units.ticks,
        virtual_bytes: field(23)?,
        resident_bytes: field(24)? * units.page,
        ..Process::default()
    })
}

/// When the machine was booted, in seconds since 1970.
fn boot_seconds(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// A soft limit of `/proc/PID/limits`; `None` also if there is none.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a) b (c) S 1 4242 4242 0 -1 4194560 1057 0 12 0 25 50 0 0 20 0 5 0 \
                        123400 227000320 1221 18446744073709551615 1 1 0 0 0 0 0 4096 0\n";
    const UNITS: Units = Units {
        ticks: 100.0,
        page: 4096,
    };

    #[test]
    fn fields_are_counted_behind_the_name() {
        let process = parse(STAT, 1000.0, UNITS).expect("a process");
        let expected = Process {
            cpu_seconds: 0.75,
            start_seconds: 2234.0,
            resident_bytes: 1221 * 4096,
            virtual_bytes: 227_000_320,
            ..Process::default()
        };
        assert_eq!(process, expected);
        assert_eq!(parse("4242 (a) S 1", 0.0, UNITS), None);
        assert_eq!(parse("", 0.0, UNITS), None);
    }

    #[test]
    fn limits_and_the_time_of_boot_are_found_by_name() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  524288  files\n\
                      Max file locks  unlimited  unlimited  locks\n";
        assert_eq!(soft_limit(limits, "Max open files"), Some(1024));
        assert_eq!(soft_limit(limits, "Max file locks"), None);
        assert_eq!(soft_limit(limits, "Max rivals"), None);
        assert_eq!(boot_seconds("cpu 1 2\nbtime 1700000000\n"), Some(1.7e9));
        assert_eq!(boot_seconds("cpu 1 2\n"), None);
    }

    #[test]
    fn this_test_is_a_process() {
        let process = Process::read().expect("/proc is there");
        assert!(process.start_seconds > 1.7e9, "{process:?}");
        assert!(
            process.resident_bytes > 1 << 20 && process.open_fds >= 3,
            "{process:?}"
        );
        let (now, before) = (std::time::SystemTime::now(), process.start_seconds);
        let age = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
            - before;
        assert!((-2.0..3600.0).contains(&age), "{age} s old");
    }
}
