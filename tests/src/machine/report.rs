// SPDX-License-Identifier: Apache-2.0
//! What one wants to know about the machine when a test has failed.

use super::Machine;
use crate::host::LOG;

impl Machine {
    /// Links, addresses, routes, networkd's view and words, hhnet's log.
    pub fn report(&self) -> String {
        let journal = |unit: &str| {
            format!(
                "journalctl --no-pager -q -o short-precise --since=@{} {unit} | tail -n 60",
                self.began
            )
        };
        let views = [
            "ip -d -o link show".to_owned(),
            "ip -o addr show".to_owned(),
            "ip route show table all | grep -v '^ff00\\|table local'".to_owned(),
            "ip rule show".to_owned(),
            "head -v -n 30 /run/systemd/network/*".to_owned(),
            "networkctl --no-pager list".to_owned(),
            "cat /run/systemd/resolve/resolv.conf | grep -v '^#'".to_owned(),
            "timedatectl show-timesync | grep NTPServers".to_owned(),
            "ps -e -o pid,ppid,cgroup:60,args | grep '[h]hnet'".to_owned(),
            journal("-u systemd-networkd"),
            journal("'-u' 'hhnet*'"),
            "dmesg | tail -n 8".to_owned(),
            format!("tail -n 80 {LOG}"),
        ];
        let show = |view: &String| {
            let output = self.root(view);
            format!("$ {view}\n{}{}", output.stdout, output.stderr)
        };
        views.iter().map(show).collect()
    }
}
