// SPDX-License-Identifier: Apache-2.0
//! What iperf3 says with `-J`.

use serde::Deserialize;

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// Megabits (10⁶) a second that arrived.
    pub(super) mbits: f64,
    /// TCP segments sent again, where the kernel tells.
    pub(super) retransmits: Option<u64>,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unmeasured {
    /// The other end measures for somebody else, and does one at a time.
    Busy,
    /// In words.
    Failed(String),
}

#[derive(Deserialize)]
struct Output {
    error: Option<String>,
    end: Option<End>,
}

#[derive(Deserialize)]
struct End {
    sum_sent: Option<Sum>,
    sum_received: Option<Sum>,
}

#[derive(Deserialize)]
struct Sum {
    bits_per_second: f64,
    retransmits: Option<u64>,
}

/// Reads the output of a client.
///
/// # Errors
/// In iperf3's own words where it has failed.
pub(super) fn read(text: &str) -> Result<Measured, Unmeasured> {
    let failed = |what: &str| Unmeasured::Failed(format!("iperf3 has {what}"));
    let Ok(output) = serde_json::from_str::<Output>(text) else {
        return Err(failed("printed no result"));
    };
    if let Some(error) = output.error {
        return Err(reason(&error));
    }
    let end = output.end.ok_or(failed("printed no result"))?;
    let received = end.sum_received.ok_or(failed("received nothing"))?;
    Ok(Measured {
        mbits: received.bits_per_second / 1e6,
        retransmits: end.sum_sent.and_then(|sent| sent.retransmits),
    })
}

/// The usual errors in fewer words.
fn reason(error: &str) -> Unmeasured {
    let error = error.trim_start_matches("error - ");
    if error.contains("the server is busy") {
        return Unmeasured::Busy;
    }
    Unmeasured::Failed(if error.contains("Connection refused") {
        "nobody listens there (iperf3 -s)".into()
    } else {
        format!("iperf3: {error}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_counts() {
        let text = r#"{"start": {}, "intervals": [], "end": {
            "sum_sent": {"bits_per_second": 9.5e9, "retransmits": 12, "sender": true},
            "sum_received": {"bits_per_second": 9412345678.9, "sender": true}}}"#;
        let measured = read(text).expect("a result");
        assert_eq!(format!("{:.0}", measured.mbits), "9412");
        assert_eq!(measured.retransmits, Some(12));
    }

    #[test]
    fn errors_are_told() {
        for (text, said) in [
            (
                r#"{"error": "error - unable to connect to server: Connection refused"}"#,
                "nobody listens there (iperf3 -s)",
            ),
            (
                r#"{"error": "error - unable to connect to server: No route to host"}"#,
                "iperf3: unable to connect to server: No route to host",
            ),
            (r#"{"end": {}}"#, "iperf3 has received nothing"),
            ("{}", "iperf3 has printed no result"),
            ("", "iperf3 has printed no result"),
        ] {
            let failed = Unmeasured::Failed(said.to_owned());
            assert_eq!(read(text), Err(failed), "{text}");
        }
        let busy = "error - the server is busy running a test. try again later";
        let text = format!(r#"{{"end": {{}}, "error": "{busy}"}}"#);
        assert_eq!(read(&text), Err(Unmeasured::Busy));
    }
}
