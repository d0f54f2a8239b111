// SPDX-License-Identifier: Apache-2.0
//! `bench-dhcp veth|fault|bond|verbs|throughput ROUNDS`: measures hhnet and other DHCP clients; prints a
//! table, and a line for each figure that has a goal.
//!
//! `$HHNET` is the binary, `$PEERS` the directory of the other clients' packages.

use std::env;
use std::process::ExitCode;

use hhnet_tests::bench;

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [part, rounds] = &arguments[..] else {
        eprintln!("usage: bench-dhcp veth|fault|bond|verbs|throughput ROUNDS");
        return ExitCode::from(2);
    };
    let measure = match part.as_str() {
        "veth" => bench::veth,
        "fault" => bench::fault,
        "bond" => bench::bond,
        "verbs" => bench::verbs,
        "throughput" => bench::throughput,
        _ => {
            eprintln!("bench-dhcp: there is no part {part}");
            return ExitCode::from(2);
        }
    };
    let Ok(rounds @ 1..) = rounds.parse() else {
        eprintln!("bench-dhcp: {rounds} is no number of rounds");
        return ExitCode::from(2);
    };
    let (table, figures) = measure(rounds);
    println!("{table}");
    figures.iter().for_each(|figure| println!("{figure}"));
    ExitCode::SUCCESS
}
