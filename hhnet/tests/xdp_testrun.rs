// SPDX-License-Identifier: Apache-2.0
//! The real eBPF programs in the real kernel: `hhnet::xdp` on links of a network
//! namespace of the test's own.

#[path = "../../hhnet-ebpf/tests/frames/mod.rs"]
mod frames;
mod netns;

use std::{collections::BTreeMap, net::UdpSocket, path::Path, process::Command, time::Instant};

use aya::programs::{TestRun as _, TestRunOptions};
use hhnet::xdp::{
    Mode, Options, Programs, Wanted, detach_link_of,
    report::{Flow, Transport},
};
use hhnet_ebpf::{
    frame::{Frame, Origin},
    packet::{Content, parse},
};
use netns::{in_netns, index, ip};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

#[test]
fn native_with_a_jumbo_mtu_tcx_where_the_driver_refuses_and_gone_afterwards() {
    in_netns(|| {
        ip("link add enp2s1 mtu 9036 type veth peer leaf1 mtu 9036");
        let mut programs = Programs::load().expect("load");
        let attach = |programs: &mut Programs, name, wanted| {
            programs
                .attach(name, index(name), wanted)
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            attach(&mut programs, "enp2s1", Wanted::Auto),
            Ok(Mode::Native)
        );
        let refused = attach(&mut programs, "lo", Wanted::Native).unwrap_err();
        let expected = "attaching the XDP program to lo: the driver does not support native XDP";
        assert!(refused.starts_with(expected), "{refused}");
        assert_eq!(attach(&mut programs, "lo", Wanted::Auto), Ok(Mode::Tcx));

        let reasons: Vec<_> = programs
            .attachments()
            .map(|a| a.fallback_reason.clone())
            .collect();
        assert_eq!(reasons[0], None);
        assert!(
            reasons[1]
                .as_ref()
                .is_some_and(|r| r.contains("os error 95")),
            "{reasons:?}"
        );

        assert_eq!(programs.detach_all(), []);
        assert!(!shows_xdp("enp2s1") && !shows_xdp("lo"));
        attach(&mut programs, "enp2s1", Wanted::Generic).expect("again, generic");
        assert!(shows_xdp("enp2s1"));
        drop(programs);
        assert!(!shows_xdp("enp2s1"));
    });
}

#[test]
fn somebody_elses_program_is_named_and_can_be_detached() {
    in_netns(|| {
        let mut theirs = Programs::load().expect("load");
        theirs
            .attach("lo", index("lo"), Wanted::Generic)
            .expect("attach");
        let id = theirs.xdp().expect("program").info().expect("info").id();

        let mut ours = Programs::load().expect("load");
        let refused = ours.attach("lo", index("lo"), Wanted::Generic).unwrap_err();
        assert!(
            refused
                .reason()
                .starts_with("another XDP program is attached"),
            "{refused}"
        );

        assert_eq!(detach_link_of(index("lo"), id), Ok(true));
        assert_eq!(detach_link_of(index("lo"), id), Ok(false));
        assert_eq!(
            ours.attach("lo", index("lo"), Wanted::Generic),
            Ok(Mode::Generic)
        );
    });
}

/// No type information of the kernel, and no file system of bpf's either.
#[test]
fn a_kernel_without_btf_will_do() {
    in_netns(|| {
        unshare(CloneFlags::CLONE_NEWNS).expect("mounts of our own");
        let nothing = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(nothing, "/", nothing, private, nothing).expect("nobody else sees them");
        for hidden in ["/sys/kernel/btf", "/sys/fs/bpf"] {
            let hide = mount(
                Some("none"),
                hidden,
                Some("tmpfs"),
                MsFlags::empty(),
                nothing,
            );
            hide.unwrap_or_else(|error| panic!("hiding {hidden}: {error}"));
        }
        assert!(!Path::new("/sys/kernel/btf/vmlinux").exists());
        ip("link add enp2s1 type veth peer leaf1");
        let mut programs = Programs::load().expect("load");
        let index = index("enp2s1");
        let attached = programs.attach("enp2s1", index, Wanted::Auto);
        assert_eq!(attached, Ok(Mode::Native));
        let sent = programs.attach_egress("enp2s1", index, Wanted::Auto);
        assert_eq!(sent, Ok(Mode::Tcx));
    });
}

/// The kernel gives up at a million.
#[test]
#[expect(
    clippy::print_stderr,
    reason = "shown with --nocapture, to compare kernels"
)]
fn the_verifier_has_little_to_do() {
    let begin = Instant::now();
    let mut programs = Programs::load().expect("load");
    let took = begin.elapsed();
    let info = programs.xdp().expect("program").info().expect("info");
    let steps = info
        .verified_instruction_count()
        .expect("a kernel after 5.16");
    eprintln!("{steps} instructions verified, loaded in {took:?}");
    assert!(steps < 200_000, "{steps}");
}

fn shows_xdp(name: &str) -> bool {
    let output = Command::new("ip")
        .args(["link", "show", "dev", name])
        .output()
        .expect("ip(8)");
    String::from_utf8_lossy(&output.stdout).contains("prog/xdp")
}

#[test]
fn counts_flows_and_members() {
    in_netns(|| {
        ip("link set dev lo up");
        let mut programs = Programs::load().expect("load");
        programs
            .attach("lo", index("lo"), Wanted::Auto)
            .expect("attach");
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let receiver = UdpSocket::bind(address).expect("bind");
            let sender = UdpSocket::bind(address).expect("bind");
            let (from, to) = (
                sender.local_addr().expect("from"),
                receiver.local_addr().expect("to"),
            );
            for _ in 0..10 {
                sender.send_to(&[0; 100], to).expect("send");
                receiver.recv(&mut [0; 100]).expect("receive");
            }
            let is_ours = |flow: &&Flow| {
                let ports = Transport::Ports {
                    source_port: from.port(),
                    destination_port: to.port(),
                };
                (flow.source, flow.transport) == (from.ip(), ports)
            };
            let flows = programs.flows().expect("flows");
            let flow = flows.iter().find(is_ours).expect("the flow");
            let headers = if from.is_ipv4() {
                14 + 20 + 8
            } else {
                14 + 40 + 8
            };
            assert_eq!((flow.packets, flow.bytes), (10, 10 * (headers + 100)));
            assert_eq!(
                (flow.member.as_str(), flow.vlan, flow.protocol),
                ("lo", None, 17)
            );
        }
        let members = programs.members().expect("members");
        let [lo] = members.as_slice() else {
            panic!("{members:?}")
        };
        assert_eq!((lo.ipv4.packets, lo.malformed.packets), (10, 0));
    });
}

/// One run of the program over each frame must count what the parser on the host
/// finds in it.
#[test]
fn kernel_and_host_agree_on_every_frame_and_every_truncation() {
    in_netns(|| {
        let mut programs = Programs::load().expect("load");
        // A test run takes place on the loopback interface. It stays down, so
        // that nothing else is counted.
        programs
            .attach("lo", index("lo"), Wanted::Generic)
            .expect("attach");
        let mut expected = Expected::default();
        for frame in all_frames() {
            expected.add(&frame);
            let mut after = vec![0; frame.len()];
            let options = TestRunOptions {
                data_in: Some(&frame),
                data_out: Some(&mut after),
                ..TestRunOptions::default()
            };
            let result = programs
                .xdp()
                .expect("program")
                .test_run(options)
                .expect("test run");
            assert_eq!(result.return_value, XDP_PASS);
            assert_eq!(after, frame, "it is passed on as it came");
        }
        assert_eq!(Expected::of(&programs), expected);
    });
}

const XDP_PASS: u32 = 2;

/// More flows than there is room for: in the tables, then in the ring buffer
/// too. What was counted must be found again, to the byte.
#[test]
fn nothing_is_lost_without_being_counted() {
    in_netns(|| {
        let mut programs = Programs::load_with(&Options {
            flows: Some(64),
            ..Options::default()
        })
        .expect("load");
        programs
            .attach("lo", index("lo"), Wanted::Generic)
            .expect("attach");
        let mut bytes = 0;
        let mut run = |programs: &mut Programs, flows: std::ops::Range<u16>| {
            for port in flows {
                let datagram = [&port.to_be_bytes(), &frames::udp(20)[2..]].concat();
                let v4 = frames::ethernet(&[], 0x0800, &frames::ipv4(0, frames::UDP, 0, &datagram));
                let v6 = frames::ethernet(&[], 0x86dd, &frames::ipv6(frames::UDP, &datagram));
                for frame in [v4, v6] {
                    bytes += frame.len() as u64;
                    let data_in = Some(frame.as_slice());
                    let options = TestRunOptions {
                        data_in,
                        ..TestRunOptions::default()
                    };
                    programs
                        .xdp()
                        .expect("program")
                        .test_run(options)
                        .expect("test run");
                }
            }
            bytes
        };
        for _ in 0..3 {
            let bytes = run(&mut programs, 0..1000);
            let flows = programs.flows().expect("flows");
            assert_eq!(flows.len(), 2000);
            assert_eq!(flows.iter().map(|flow| flow.bytes).sum::<u64>(), bytes);
        }
        let bytes = run(&mut programs, 0..20_000);
        let listed = programs
            .flows()
            .expect("flows")
            .iter()
            .map(|flow| flow.bytes)
            .sum::<u64>();
        let members = programs.members().expect("members");
        let [lo] = members.as_slice() else {
            panic!("{members:?}")
        };
        assert!(
            lo.lost_flows > 1000,
            "the ring buffer was large enough: {lo:?}"
        );
        assert_eq!((lo.ipv4.packets, lo.ipv6.packets), (23_000, 23_000));
        assert_eq!(lo.ipv4.bytes + lo.ipv6.bytes, bytes);
        assert_eq!(listed + lo.lost.bytes + lo.unlisted.bytes, bytes);
    });
}

/// Each sample, cut at every byte and padded; the kernel refuses to run on less
/// than an Ethernet header. One jumbo frame, which takes several buffers.
fn all_frames() -> impl Iterator<Item = Vec<u8>> {
    let cuts = |(_, frame): (&str, Vec<u8>)| {
        let padded = [frame.as_slice(), &[0x55; 64]].concat();
        (14..=frame.len())
            .map(move |length| frame[..length].to_vec())
            .chain([padded])
    };
    let segment = [frames::tcp(), vec![0xaa; 8_900]].concat();
    let jumbo = frames::ethernet(&[], 0x0800, &frames::ipv4(0, frames::TCP, 0, &segment));
    frames::samples().into_iter().flat_map(cuts).chain([jumbo])
}

/// Packets and bytes by what the member's counters and the flows are called.
#[derive(Debug, Default, PartialEq)]
struct Expected(BTreeMap<String, (u64, u64)>);

impl Expected {
    fn add(&mut self, frame: &[u8]) {
        let (start, length) = (frame.as_ptr().expose_provenance(), frame.len());
        let origin = Origin::ingress(0);
        // SAFETY: the bounds of `frame`.
        let bounds = unsafe { Frame::new(start, start + length, length as u64, None, origin) };
        let packet = parse(&bounds);
        let flow = match packet.content() {
            Content::V4(key) => Some((format!("{:?}", key.addresses()), key.attributes())),
            Content::V6(key) => Some((format!("{:?}", key.addresses()), key.attributes())),
            Content::Other => None,
        };
        if let Some((addresses, attributes)) = flow {
            let (transport, vlan) = (Transport::new(attributes), attributes.vlan());
            let name = format!(
                "{addresses} {} {transport:?} {vlan:?}",
                attributes.protocol()
            );
            self.count(&name, 1, length);
        }
        self.count(&format!("{:?}", packet.kind.value()), 1, length);
        self.count("double tagged", u64::from(packet.tags > 1), 0);
        self.count("later fragments", u64::from(packet.is_later_fragment()), 0);
    }

    fn count(&mut self, name: &str, packets: u64, bytes: usize) {
        let count = self.0.entry(name.to_owned()).or_default();
        *count = (count.0 + packets, count.1 + bytes as u64);
    }

    /// What the program counted.
    fn of(programs: &Programs) -> Self {
        let mut counted = Self::default();
        for flow in programs.flows().expect("flows") {
            let addresses = format!("({}, {})", flow.source, flow.destination);
            let Flow {
                protocol,
                transport,
                vlan,
                packets,
                bytes,
                ..
            } = flow;
            let name = format!("{addresses} {protocol} {transport:?} {vlan:?}");
            counted.count(&name, packets, bytes as usize);
        }
        let members = programs.members().expect("members");
        let [lo] = members.as_slice() else {
            panic!("{members:?}")
        };
        let kinds = [
            ("Ipv4", lo.ipv4),
            ("Ipv6", lo.ipv6),
            ("Arp", lo.arp),
            ("Lacp", lo.lacp),
            ("Lldp", lo.lldp),
            ("Other", lo.other),
            ("Malformed", lo.malformed),
        ];
        for (name, count) in kinds {
            counted.count(name, count.packets, count.bytes as usize);
        }
        counted.count("double tagged", lo.double_tagged, 0);
        counted.count("later fragments", lo.later_fragments, 0);
        assert_eq!((lo.lost.packets, lo.unlisted.packets), (0, 0));
        counted
    }
}
