// SPDX-License-Identifier: Apache-2.0
//! Readers of metrics who never stop asking.

use std::{env, net::SocketAddr};

use hhnet::exporter::{Exporter, Scrape};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::meter;

/// Each takes a connection of its own, a tenth of a millisecond.
const REQUESTS: u32 = 10_000;
/// Requests in a thorough run.
const ALL_REQUESTS: u32 = 1_000_000;

/// What may be more in use at the end: what the runtime keeps for its next tasks.
const KEPT: i64 = 128 << 10;
/// What may be in use for a moment, by 16 connections.
const MOMENT: i64 = 1 << 20;

/// As `cargo xtask test --thorough` asks for.
fn requests() -> u32 {
    env::var_os("HHNET_THOROUGH").map_or(REQUESTS, |_| ALL_REQUESTS)
}

fn request(number: u32) -> String {
    let filler = "x".repeat(number as usize % 9000);
    match number % 5 {
        0 => format!("GET /metrics?{number} HTTP/1.1\r\nHost: a\r\nX-{number}: {filler}\r\n\r\n"),
        1 => format!("GET /{number}{filler} HTTP/1.1\r\nHost: {number}\r\n\r\n"),
        2 => format!("POST /metrics HTTP/1.1\r\nContent-Length: {number}\r\n\r\n{filler}"),
        3 => format!("M{number} {filler}"),
        _ => "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(number as usize % 50) + "\r\n",
    }
}

async fn ask(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // One that has had enough does not read all of it.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn requests_of_every_sort_leave_nothing_behind() {
    let answer = |scrape: Scrape| {
        let _ = scrape.reply.send("hhnet_agent_up 1\n".repeat(100));
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let exporter = Exporter::start(address, answer).expect("any port");
    let all = requests();
    let (mut before, mut answered) = (0, 0_u32);
    for number in 0..all {
        if number == all / 10 {
            before = meter::begin();
        }
        let answer = ask(exporter.address, &request(number)).await;
        answered += u32::from(answer.starts_with(b"HTTP/1.1 200"));
    }
    meter::expect_bounded(before, KEPT, MOMENT);
    assert!(answered > all / 5, "{answered}");
    exporter.close().await;
}
