// SPDX-License-Identifier: Apache-2.0

use std::{sync::Mutex, time::Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const HERE: &str = "127.0.0.1:0";

fn start(ask: impl Fn(Scrape) + Clone + Send + Sync + 'static) -> Exporter {
    Exporter::start(HERE.parse().unwrap(), ask).expect("any port")
}

/// One that answers with the name of the format.
fn exporter() -> Exporter {
    start(|scrape| {
        let text = format!("{:?}\n", scrape.format);
        scrape.reply.send(text).expect("he waits");
    })
}

async fn connect(exporter: &Exporter) -> TcpStream {
    TcpStream::connect(exporter.address)
        .await
        .expect("it listens")
}

/// All that comes until the other end closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A connection that is reset has ended, too.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).expect("text")
}

async fn ask(exporter: &Exporter, request: &str) -> String {
    let mut stream = connect(exporter).await;
    let _ = stream.write_all(request.as_bytes()).await;
    rest(stream).await
}

fn status(answer: &str) -> u16 {
    let code = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer:?}"))
}

#[tokio::test]
async fn metrics_are_answered_and_the_connection_is_closed() {
    let exporter = exporter();
    let answer = ask(&exporter, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&answer), 200);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let head = head.to_lowercase();
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(body, "Prometheus\n");
    let accept = "Accept: application/openmetrics-text\r\n";
    let answer = ask(
        &exporter,
        &format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{accept}\r\n"),
    )
    .await;
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{answer}"
    );
    assert!(answer.ends_with("OpenMetrics\n"), "{answer}");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let answer = ask(&exporter(), "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&answer), 200);
    assert!(
        answer.to_lowercase().contains("content-length: 11\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn everything_else_is_refused() {
    let exporter = exporter();
    let long = "x".repeat(REQUEST_BYTES);
    let many = (0..=REQUEST_FIELDS)
        .map(|n| format!("A{n}: b\r\n"))
        .collect::<String>();
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 404),
        (
            "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            405,
        ),
        (
            format!("GET /metrics HTTP/1.1\r\nHost: a\r\nCookie: {long}\r\n\r\n"),
            431,
        ),
        (format!("GET /metrics HTTP/1.1\r\n{many}\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 431),
        (
            "PUT /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n\
             0\r\n\r\n"
                .to_owned(),
            405,
        ),
        (
            "POST /metrics HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
             Content-Length: 1000000\r\n\r\n"
                .to_owned(),
            405,
        ),
        ("NOTHING\r\n\r\n".to_owned(), 400),
    ] {
        let answer = ask(&exporter, &request).await;
        assert_eq!(status(&answer), expected, "{request:.60}: {answer}");
        let allows = answer.to_lowercase().contains("allow: get, head\r\n");
        assert_eq!(allows, expected == 405, "{answer}");
    }
}

/// HTTP/2, which begins like this (RFC 9113, section 3.4), is not spoken.
#[tokio::test]
async fn another_version_is_not_answered() {
    let answer = ask(&exporter(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(answer, "");
}

/// One request a connection: those behind it are not even read.
#[tokio::test]
async fn of_requests_in_a_row_the_first_is_answered() {
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = ask(&exporter(), &request.repeat(100)).await;
    assert_eq!(status(&answer), 200);
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn nobody_to_answer_is_said() {
    let exporter = start(drop);
    let answer = ask(&exporter, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&answer), 503);
}

/// An agent that is stuck is not waited for longer than a reader waits.
#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let waiting = Arc::new(Mutex::new(Vec::new()));
    let exporter = start(move |scrape| waiting.lock().expect("no panic").push(scrape));
    let began = Instant::now();
    let answer = ask(&exporter, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&answer), 503);
    assert!(began.elapsed() < CONNECTION, "{:?}", began.elapsed());
}

/// Sends a header line now and then, until the other end has had enough.
async fn until_cut(stream: &mut TcpStream) -> Duration {
    let began = Instant::now();
    while stream.write_all(b"A: b\r\n").await.is_ok() {
        assert!(began.elapsed() < 2 * CONNECTION, "it goes on for ever");
        sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

/// Slowloris.
#[tokio::test]
async fn a_request_that_does_not_end_is_ended() {
    let exporter = exporter();
    let mut stream = connect(&exporter).await;
    let request = b"GET /metrics HTTP/1.1\r\n";
    stream.write_all(request).await.expect("connected");
    let took = until_cut(&mut stream).await;
    assert!(took >= REQUEST - Duration::from_millis(100), "{took:?}");
    assert!(took < CONNECTION, "{took:?}");
}

/// Those who hold all connections and say nothing cost others a few seconds.
#[tokio::test]
async fn more_connections_than_there_is_room_for_wait_for_their_turn() {
    let exporter = exporter();
    let mut idle = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        idle.push(connect(&exporter).await);
    }
    let began = Instant::now();
    let answer = ask(&exporter, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&answer), 200);
    let waited = began.elapsed();
    assert!(waited > REQUEST && waited < 2 * CONNECTION, "{waited:?}");
}

/// A reader that does not read holds its connection for some seconds only.
#[tokio::test]
async fn an_answer_nobody_reads_is_given_up() {
    let large = "x".repeat(16 << 20);
    let exporter = start(move |scrape| scrape.reply.send(large.clone()).expect("he waits"));
    let mut stream = connect(&exporter).await;
    let request = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.expect("connected");
    until_cut(&mut stream).await;
    assert!(rest(stream).await.len() < 16 << 20);
}

#[tokio::test]
async fn a_port_is_free_again_when_it_is_closed() {
    let first = exporter();
    let address = first.address;
    let open = connect(&first).await;
    let again = || Exporter::start(address, drop);
    let error = again().expect_err("it is in use");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    first.close().await;
    assert_eq!(rest(open).await, "");
    again().expect("it is free");
}

/// Documentation addresses (RFC 5737, RFC 3849), which no machine has.
#[tokio::test]
async fn an_address_may_come_later() {
    for address in ["192.0.2.1:19478", "[2001:db8::1]:19478"] {
        let address = address.parse().unwrap();
        let exporter = Exporter::start(address, drop).expect(HERE);
        assert_eq!(exporter.address, address);
    }
}
