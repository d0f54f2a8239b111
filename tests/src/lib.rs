// SPDX-License-Identifier: Apache-2.0
//! Fixtures of the black-box tests: a fabric of network namespaces on one
//! kernel, and servers in it that run the `hhnet` binary.
//!
//! | module      | what it is                                                     |
//! |-------------|----------------------------------------------------------------|
//! | `namespace` | a machine without hardware: own network, mounts and hostname   |
//! | `process`   | commands with a deadline, and ones that keep running           |
//! | `packet`    | frames as they are                                             |
//! | `capture`   | what passes an interface, as tcpdump shows it                  |
//! | `wait`      | conditions with a deadline, instead of sleeps                  |
//! | `host`      | a server: runs hhnet, is observed through `ip`, leaves nothing |
//! | `machine`   | the server that the test itself is running on, with systemd     |
//! | `history`   | many commands at once, and whether it can have been so         |
//! | `netlink`   | what `ip` does not show                                        |
//! | `fabric`    | leaves, gateway, VPCs and the connections of servers to them   |
//! | `vlab`      | all of VLAB's default topology: VPCs, peerings, the gateway    |
//! | `dhcp`      | real DHCP servers, and a model of the fabric's own             |
//! | `diagnosis` | what hhnet says when something is wrong                       |
//! | `wire`      | a cable that loses, repeats, delays and damages                |
//! | `monitor`   | every change of addresses and routes, as it happens            |
//! | `chaos`     | everything that goes wrong, and what must hold meanwhile      |
//! | `footprint` | what a process has of the machine                              |
//! | `xdp`       | an XDP program that is not hhnet's                             |
//! | `pace`      | how much is done of what takes long                            |
//! | `privileges` | what a running agent may do                                    |
//! | `peer`      | what servers serve each other: iperf3, pages                   |
//! | `prometheus`, `http` | Debian's Prometheus, and what it is asked by     |
//! | `screen`    | a terminal, and what somebody in front of it sees              |
//! | `service`   | hhnet as its unit starts it, without systemd                   |
//! | `harness`   | what the fabric's own tests make of what ping prints           |
//! | `stage`     | commands and their output in front of an audience              |
//! | `walkthrough` | the story of VLAB's documentation, on all of its topology    |
//! | `soak`      | the same again and again, and what is left of it               |
//! | `story`     | the demo, as a user would type it                              |
//! | `sudo`      | who may become root, on one machine alone                      |
//! | `systemd`   | a stand-in for it, to go wrong                                 |
//! | `terminal`  | a terminal without anybody in front of it                      |
//! | `bench`     | hhnet against other DHCP clients                               |
//!
//! hhnet is only ever seen from outside: argv in; stdout, stderr, exit status
//! and the state of the kernel out. A fixture that cannot be built panics: there
//! is nothing a test could do about it.

pub mod bench;
pub mod capture;
pub mod chaos;
pub mod dhcp;
pub mod diagnosis;
pub mod fabric;
pub mod footprint;
pub mod harness;
pub mod history;
pub mod host;
pub mod http;
pub mod machine;
pub mod monitor;
pub mod namespace;
pub mod netlink;
pub mod pace;
pub mod packet;
pub mod peer;
pub mod privileges;
pub mod process;
pub mod prometheus;
pub mod screen;
pub mod service;
pub mod soak;
pub mod stage;
pub mod story;
pub mod sudo;
pub mod systemd;
pub mod terminal;
pub mod vlab;
pub mod wait;
pub mod walkthrough;
pub mod wire;
pub mod xdp;
