// SPDX-License-Identifier: Apache-2.0
//! What the pages have to say beyond the grammar.

/// What each page is said to be part of.
pub(crate) const MANUAL: &str = "Network of a test server";

/// Of hhnet(1), below what the grammar has to say.
pub(crate) const SECTIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "EXAMPLES",
        &[
            ("hhnet cleanup", "Begin from a known state."),
            (
                "hhnet bond 1001 layer2+3 enp2s1 enp2s2",
                "Bond both ports, add VLAN 1001, lease an address. Prints 10.0.1.10/24.",
            ),
            (
                "hhnet vlan 1002 bond0",
                "A second VLAN on the same bond, with an address of its own.",
            ),
            (
                "hhnet status",
                "Links, LACP, leases and programs, on one screen.",
            ),
            ("hhnet top", "The same and the busiest flows, live."),
            (
                "hhnet diagnose",
                "Why there is no address, and what to do next.",
            ),
            (
                "hhnet check 10.0.5.10 --min-mbits=0",
                "Whether another server is reached, how fast, and if not, why.",
            ),
            ("hhnet dups", "Which frames came twice, and why."),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "Done, and the answer is on standard output."),
            (
                "1",
                "Not done, undone again, and the reason is on standard error. \
                 --help is no success either: scripts depend on that.",
            ),
            (
                "78",
                "Of the service: /etc/hhnet.conf has a mistake, and nothing was changed.",
            ),
            (
                "128+N",
                "The process that had become root was ended by signal N.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            ("NO_COLOR", "hhnet top and hhnet status use no colours."),
            (
                "RUST_LOG",
                "What the command and an agent it starts write to the log: info, debug, \
                 hhnet=trace. The only variable that sudo passes on.",
            ),
        ],
    ),
    (
        "FILES",
        &[
            (
                "/etc/hhnet.conf",
                "Commands that the service applies, one a line: bond, vlan, dhcp and p2p, \
                 with their flags. A # begins a comment.",
            ),
            (
                "/run/hhnet",
                "Where the agent listens, its leases, and what cleanup has to put back. \
                 There only while hhnet is at work.",
            ),
            (
                "/var/log/hhnet.log",
                "What the agent has done: commands and how long their steps took, DHCP, \
                 LACP. With hhnet.log.1 less than a megabyte.",
            ),
            (
                "hhnet.service",
                "Keeps an agent from boot on, which applies /etc/hhnet.conf. Not enabled \
                 by itself. Without it the first command starts an agent.",
            ),
        ],
    ),
];

/// Of the pages of verbs.
pub(crate) const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Done, and the answer is on standard output."),
    ("1", "Not done; the reason is on standard error."),
];

/// Of the page of check, which answers whether the network is good.
pub(crate) const CHECKED: &[(&str, &str)] = &[
    ("0", "All is good."),
    ("1", "Something has failed, and is told on standard output."),
    ("2", "The command line was wrong; nothing was checked."),
];

/// What the pages of verbs give as examples, a line each.
pub(crate) const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "bond",
        &[
            "hhnet bond 1001 layer2+3 enp2s1 enp2s2",
            "hhnet bond 1001 layer3+4 enp2s1 enp2s2 --mtu=9036 --lacp-rate=fast",
        ],
    ),
    (
        "vlan",
        &["hhnet vlan 1001 enp2s1", "hhnet vlan 1002 bond0 --mtu=9036"],
    ),
    (
        "dhcp",
        &["hhnet dhcp enp2s1", "hhnet dhcp enp2s1 --timeout=20"],
    ),
    ("p2p", &["hhnet p2p enp2s1 10.0.1.0/31 10.0.1.1"]),
    (
        "flows",
        &[
            "hhnet flows --top=10 --by=packets",
            "hhnet flows --watch --member=enp2s1",
            "hhnet flows --json",
        ],
    ),
    ("dups", &["hhnet dups", "hhnet dups --json --watch"]),
    ("diagnose", &["hhnet diagnose", "hhnet diagnose --json"]),
    (
        "check",
        &[
            "hhnet check 10.0.5.10 10.0.5.11",
            "hhnet check server-2 --from=10.0.1.10 --from=10.0.2.10 --seconds=0 --port=22",
            "hhnet check --url=http://1.0.0.1",
        ],
    ),
    ("metrics", &["hhnet metrics"]),
    ("status", &["hhnet status"]),
    ("top", &["hhnet top"]),
    ("cleanup", &["hhnet cleanup"]),
    ("getvips", &["hhnet getvips"]),
];

/// What hhnet(1) says hhnet is.
pub(crate) const DESCRIPTION: &str = "\
hhnet bonds the ports of a server by LACP (802.3ad), adds VLANs, leases addresses, and
prints them. A small agent stays behind: it keeps the leases alive, and counts with XDP
and tc what really crossed each member of the bond. The first command starts it, and
cleanup, which takes everything back, ends it.

Commands of an ordinary user become root by sudo, without asking for a password.";
