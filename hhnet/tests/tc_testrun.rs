// SPDX-License-Identifier: Apache-2.0
//! The classifiers in the real kernel, beside XDP on the other end of a cable.

#[path = "../../hhnet-ebpf/tests/frames/mod.rs"]
mod frames;

mod cable;
mod netns;

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Barrier, mpsc},
    thread,
    time::{Duration, Instant},
};

use aya::programs::{TestRun as _, TestRunOptions};
use cable::{cable, flows, member, send, tc, wait_for};
use hhnet::xdp::{
    Mode, Options, Programs, Wanted, has_tcx, remove_filters,
    report::{Direction, Member, Transport},
};
use netns::{in_netns, index, ip};
use nix::{
    sched::{CloneFlags, unshare},
    sys::socket::{setsockopt, sockopt::RcvBuf},
    unistd::gettid,
};

/// Frames of every sort through two cables, to XDP in the driver and to a
/// classifier, which gets tags beside the frame: the same flows, to the byte.
#[test]
fn classifiers_and_xdp_count_the_same() {
    for wanted in [Wanted::Tc, Wanted::Clsact] {
        in_netns(|| {
            cable("leaf1", "enp2s1");
            cable("leaf2", "enp2s2");
            tc("qdisc add dev enp2s2 clsact");
            let [mut native, mut classified] = [(); 2].map(|()| Programs::load().expect("load"));
            let mode = native.attach("enp2s1", index("enp2s1"), Wanted::Native);
            assert_eq!(mode, Ok(Mode::Native));
            let mode = classified.attach("enp2s2", index("enp2s2"), wanted);
            let expected = if wanted == Wanted::Tc {
                Mode::Tcx
            } else {
                Mode::Clsact
            };
            assert_eq!(mode, Ok(expected));
            let frames: Vec<_> = frames::samples().into_iter().map(|(_, f)| f).collect();
            let frames = [frames.clone(), frames].concat();
            for link in ["leaf1", "leaf2"] {
                send(link, &frames);
            }
            wait_for(&native, "enp2s1", frames.len() as u64);
            wait_for(&classified, "enp2s2", frames.len() as u64);
            let [theirs, ours] = [&native, &classified].map(|p| flows(p, Direction::In));
            assert!(theirs.iter().any(|flow| flow.contains("Some(1001)")));
            assert_eq!(ours, theirs);
            let theirs = member(&native, "enp2s1", Direction::In);
            let ours = member(&classified, "enp2s2", Direction::In);
            let theirs = Member {
                name: ours.name.clone(),
                ifindex: ours.ifindex,
                mode: ours.mode,
                ..theirs
            };
            assert_eq!(ours, theirs);
            let [theirs, ours] = [&native, &classified].map(strong_copies);
            assert!(theirs > 0);
            assert_eq!(ours, theirs);
        });
    }
}

/// Copies that were found for certain: every frame was sent twice.
fn strong_copies(programs: &Programs) -> u64 {
    let members = programs.members().expect("members");
    let report = programs.duplicates(&members, &[]).expect("duplicates");
    report.total.strong_same_member
}

/// What one end sends is what the other receives, and nothing of it is taken for
/// received.
#[test]
fn sent_frames_are_counted_as_sent() {
    for wanted in [Wanted::Tc, Wanted::Clsact] {
        in_netns(|| {
            cable("enp2s1", "leaf1");
            tc("qdisc add dev enp2s1 clsact");
            let [mut server, mut leaf] = [(); 2].map(|()| Programs::load().expect("load"));
            let native = server.attach("enp2s1", index("enp2s1"), Wanted::Auto);
            assert_eq!(native, Ok(Mode::Native));
            server
                .attach_egress("enp2s1", index("enp2s1"), wanted)
                .expect("egress");
            leaf.attach("leaf1", index("leaf1"), Wanted::Native)
                .expect("attach");
            let frames: Vec<_> = frames::samples().into_iter().map(|(_, f)| f).collect();
            send("enp2s1", &frames);
            wait_for(&leaf, "leaf1", frames.len() as u64);
            assert_eq!(flows(&server, Direction::Out), flows(&leaf, Direction::In));
            assert_eq!(flows(&server, Direction::In), Vec::<String>::new());
            let sent = member(&server, "enp2s1", Direction::Out);
            let received = member(&leaf, "leaf1", Direction::In);
            assert_eq!((sent.ipv4, sent.lacp), (received.ipv4, received.lacp));
        });
    }
}

/// A TCP stream leaves as sk_buffs of many segments, and arrives as such: both
/// classifiers count what XDP sees between them, frame by frame.
#[test]
fn segments_are_counted_as_the_frames_they_become() {
    in_netns(|| {
        ip("link add enp2s1 type veth peer leaf1");
        let (tell, told) = mpsc::channel();
        let moved = Barrier::new(2);
        let stream_ended = Barrier::new(2);
        thread::scope(|scope| {
            let peer = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).expect("network namespace");
                tell.send(gettid()).expect("main thread");
                moved.wait();
                ip("addr add 10.0.1.1/24 dev leaf1");
                ip("link set leaf1 up");
                let mut leaf = Programs::load().expect("load");
                leaf.attach("leaf1", index("leaf1"), Wanted::Native)
                    .expect("attach");
                let listener = TcpListener::bind("10.0.1.1:443").expect("bind");
                // Less on its way than the driver's ring holds: what it drops was
                // sent, but XDP does not see it.
                setsockopt(&listener, RcvBuf, &65_536).expect("SO_RCVBUF");
                moved.wait();
                let (mut stream, _) = listener.accept().expect("accept");
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).expect("read");
                assert_eq!(bytes.len(), STREAM);
                drop(stream);
                stream_ended.wait();
                tcp(&flows(&leaf, Direction::In))
            });
            ip(&format!(
                "link set leaf1 netns {}",
                told.recv().expect("peer")
            ));
            ip("addr add 10.0.1.10/24 dev enp2s1");
            ip("link set enp2s1 up");
            let mut server = Programs::load().expect("load");
            server
                .attach_egress("enp2s1", index("enp2s1"), Wanted::Auto)
                .expect("egress");
            moved.wait();
            moved.wait();
            let mut stream = TcpStream::connect("10.0.1.1:443").expect("connect");
            stream.write_all(&vec![7; STREAM]).expect("write");
            stream
                .shutdown(std::net::Shutdown::Write)
                .expect("shutdown");
            assert_eq!(stream.read(&mut [0]).expect("end"), 0);
            drop(stream);
            // The last acknowledgement.
            thread::sleep(Duration::from_millis(200));
            stream_ended.wait();
            let sent = tcp(&flows(&server, Direction::Out));
            assert_eq!(sent, peer.join().expect("peer"));
        });
    });
}

const STREAM: usize = 3_000_000;

/// The one TCP flow.
fn tcp(flows: &[String]) -> String {
    let mut tcp = flows.iter().filter(|flow| flow.starts_with("None 6 "));
    let (Some(flow), None) = (tcp.next(), tcp.next()) else {
        panic!("{flows:?}")
    };
    flow.clone()
}

/// What the sk_buff says of its segments, received with and without their
/// number.
#[test]
fn received_segments_by_number_or_by_size() {
    in_netns(|| {
        let mut programs = Programs::load().expect("load");
        programs
            .attach("lo", index("lo"), Wanted::Tc)
            .expect("attach");
        let payload = vec![0xaa; 1000];
        let segment = [frames::tcp(), payload].concat();
        let frame = frames::ethernet(&[], 0x0800, &frames::ipv4(0, frames::TCP, 0, &segment));
        for segments in [3, 0] {
            run(&mut programs, &frame, 400, segments);
        }
        let lo = member(&programs, "lo", Direction::In);
        // 400, 400 and 200 bytes, with 54 of headers each.
        assert_eq!((lo.ipv4.packets, lo.ipv4.bytes), (6, 2 * (1000 + 3 * 54)));
    });
}

/// One run of the classifier of received frames, which must have no opinion.
fn run(programs: &mut Programs, frame: &[u8], gso_size: u32, gso_segs: u32) {
    // struct __sk_buff: gso_segs is the 42nd number, gso_size the 45th.
    let mut context = [0_u32; 48];
    context[SEGMENTS] = gso_segs;
    context[SIZE] = gso_size;
    let context: Vec<u8> = context.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut after = vec![0; frame.len()];
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut after),
        ctx_in: Some(&context),
        ..TestRunOptions::default()
    };
    let program = programs.classifier(Direction::In).expect("program");
    let result = program.test_run(options).expect("test run");
    assert_eq!(result.return_value as i32, -1, "TC_ACT_UNSPEC");
    assert_eq!(after, frame, "it is passed on as it came");
}

const SEGMENTS: usize = 41;
const SIZE: usize = 44;

/// More sent flows than there is room for, in the tables and then in the ring
/// buffer: what was lost is told, of the direction it was lost in.
#[test]
fn sent_flows_are_not_lost_without_being_counted() {
    in_netns(|| {
        let mut programs = Programs::load_with(&Options {
            flows: Some(64),
            ..Options::default()
        })
        .expect("load");
        programs
            .attach("lo", index("lo"), Wanted::Tc)
            .expect("attach");
        programs
            .attach_egress("lo", index("lo"), Wanted::Tc)
            .expect("egress");
        let mut bytes = 0;
        for port in 0..30_000_u16 {
            let datagram = [&port.to_be_bytes(), &frames::udp(20)[2..]].concat();
            let packet = frames::ipv4(0, frames::UDP, 0, &datagram);
            let frame = frames::ethernet(&[], 0x0800, &packet);
            bytes += frame.len() as u64;
            let options = TestRunOptions {
                data_in: Some(&frame),
                ..TestRunOptions::default()
            };
            let program = programs.classifier(Direction::Out).expect("program");
            program.test_run(options).expect("test run");
        }
        let flows = programs.flows().expect("flows");
        assert!(flows.iter().all(|flow| flow.direction == Direction::Out));
        let listed: u64 = flows.iter().map(|flow| flow.bytes).sum();
        let sent = member(&programs, "lo", Direction::Out);
        assert!(
            sent.lost_flows > 1000,
            "the ring was large enough: {sent:?}"
        );
        assert_eq!((sent.ipv4.packets, sent.ipv4.bytes), (30_000, bytes));
        assert_eq!(listed + sent.lost.bytes + sent.unlisted.bytes, bytes);
        let received = member(&programs, "lo", Direction::In);
        assert_eq!((received.ipv4.packets, received.lost_flows), (0, 0));
    });
}

/// A clsact of somebody else's keeps his filters and loses ours, also those of a
/// process that was killed.
#[test]
fn filters_are_found_again_by_their_name() {
    in_netns(|| {
        assert!(has_tcx());
        ip("link add enp2s1 type veth peer leaf1");
        tc("qdisc add dev enp2s1 clsact");
        tc("filter add dev enp2s1 ingress protocol all u32 match u32 0 0 flowid 1:1");
        let attach = |programs: &mut Programs| {
            let link = ("enp2s1", index("enp2s1"));
            programs
                .attach(link.0, link.1, Wanted::Clsact)
                .expect("attach");
            programs
                .attach_egress(link.0, link.1, Wanted::Clsact)
                .expect("egress");
        };
        let mut programs = Programs::load().expect("load");
        attach(&mut programs);
        let shown = tc("filter show dev enp2s1 ingress");
        let ours = shown.find("hhnet_tc_in").expect("our filter");
        assert!(ours < shown.find("u32").expect("theirs"), "{shown}");
        drop(programs);
        assert!(!filters().contains("hhnet"), "{}", filters());

        let mut killed = Programs::load().expect("load");
        attach(&mut killed);
        std::mem::forget(killed);
        assert_eq!(
            filters().matches("name hhnet_tc_").count(),
            2,
            "{}",
            filters()
        );
        assert_eq!(remove_filters("enp2s1"), Ok(()));
        assert_eq!(remove_filters("enp2s1"), Ok(()), "nothing to remove");
        assert!(!filters().contains("hhnet") && filters().contains("u32"));
    });
}

fn filters() -> String {
    let sides = ["ingress", "egress"];
    sides
        .map(|side| tc(&format!("filter show dev enp2s1 {side}")))
        .concat()
}

#[test]
fn without_a_clsact_the_reason_is_told() {
    in_netns(|| {
        let mut programs = Programs::load().expect("load");
        let refused = programs
            .attach_egress("lo", index("lo"), Wanted::Clsact)
            .unwrap_err();
        let expected = "attaching the classifier of sent frames to lo: ";
        assert!(refused.to_string().starts_with(expected), "{refused}");
        assert!(refused.reason().contains("os error"), "{refused}");
        assert_eq!(programs.attachments().count(), 0);
    });
}

/// As for XDP: the kernel gives up at a million.
#[test]
#[expect(
    clippy::print_stderr,
    reason = "shown with --nocapture, to compare kernels"
)]
fn the_verifier_has_little_to_do() {
    let mut programs = Programs::load().expect("load");
    for direction in [Direction::In, Direction::Out] {
        let begin = Instant::now();
        let info = programs.classifier(direction).expect("load").info();
        let took = begin.elapsed();
        let steps = info
            .expect("info")
            .verified_instruction_count()
            .expect("a kernel after 5.16");
        eprintln!("{direction}: {steps} instructions verified, loaded in {took:?}");
        assert!(steps < 150_000, "{steps}");
    }
}

/// What the tests above leave out of a flow.
#[test]
fn a_flow_names_its_member_and_direction() {
    in_netns(|| {
        cable("enp2s1", "leaf1");
        let mut programs = Programs::load().expect("load");
        programs
            .attach_egress("enp2s1", index("enp2s1"), Wanted::Auto)
            .expect("egress");
        send(
            "enp2s1",
            &[frames::ethernet(
                &[],
                0x0800,
                &frames::ipv4(0, frames::UDP, 0, &frames::udp(20)),
            )],
        );
        let flows = programs.flows().expect("flows");
        let [flow] = flows.as_slice() else {
            panic!("{flows:?}")
        };
        let ports = Transport::Ports {
            source_port: 0x1234,
            destination_port: 53,
        };
        assert_eq!(
            (flow.member.as_str(), flow.direction, flow.transport),
            ("enp2s1", Direction::Out, ports)
        );
    });
}
