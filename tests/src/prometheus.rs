// SPDX-License-Identifier: Apache-2.0
//! Debian's Prometheus, which `cargo xtask setup` has unpacked.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::http;
use crate::namespace::Namespace;
use crate::process::Running;
use crate::wait;
use crate::wait::PATIENCE;

/// Where it keeps what it has, in the machine's own /run.
const DIRECTORY: &str = "/run/prometheus";

/// Its own port.
const PORT: u16 = 9090;

/// Rules and dashboard that are shipped.
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist")
}

/// One of its programs.
///
/// # Panics
/// When it is not there: a test without it must not pass.
pub fn program(name: &str) -> PathBuf {
    let root = env::var_os("HHNET_PROMETHEUS").map_or_else(
        || {
            let root = "../target/peers/prometheus/root";
            Path::new(env!("CARGO_MANIFEST_DIR")).join(root)
        },
        PathBuf::from,
    );
    let path = root.join("usr/bin").join(name);
    assert!(
        path.is_file(),
        "{} is not there; `cargo xtask setup` fetches it",
        path.display()
    );
    path
}

/// A Prometheus that scrapes each second, until dropped.
#[derive(Debug)]
pub struct Prometheus<'a> {
    machine: &'a Namespace,
    process: Running,
}

impl<'a> Prometheus<'a> {
    /// Scrapes the targets from a machine, with the rules that are shipped.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(machine: &'a Namespace, targets: &[SocketAddr]) -> Self {
        let targets: Vec<_> = targets.iter().map(SocketAddr::to_string).collect();
        let rules = fs::canonicalize(shipped().join("prometheus/hhnet.rules.yml"));
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs: [{{job_name: hhnet, static_configs: [{{targets: {targets:?}}}]}}]\n",
            rules = rules.expect("they are there"),
        );
        let file = format!("{DIRECTORY}/prometheus.yml");
        let written = machine.enter(|| {
            fs::create_dir_all(DIRECTORY)?;
            fs::write(&file, config)
        });
        written.expect("/run is the machine's own");
        let mut command = machine.command(program("prometheus"));
        command.args([
            format!("--config.file={file}"),
            format!("--storage.tsdb.path={DIRECTORY}/data"),
            format!("--web.listen-address={}", address()),
        ]);
        let process = Running::start(&mut command);
        let started = Self { machine, process };
        wait::until("Prometheus is ready", PATIENCE, || {
            http::get(machine, address(), "/-/ready", &[]).is_ok_and(|answer| answer.status == 200)
        });
        started
    }

    /// What a query finds now: an instant vector, labels and value.
    ///
    /// # Panics
    /// When it is no query.
    pub fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let coded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = self.api(&format!("query?query={coded}"));
        let found = answer["result"].as_array().expect("a vector").iter();
        found
            .map(|sample| {
                let value = sample["value"][1].as_str().expect("a value");
                (sample["metric"].clone(), value.parse().expect("a number"))
            })
            .collect()
    }

    /// The `data` of an endpoint of its API.
    ///
    /// # Panics
    /// When it is refused.
    pub fn api(&self, endpoint: &str) -> Value {
        let path = format!("/api/v1/{endpoint}");
        let answer = http::get(self.machine, address(), &path, &[]).expect("it listens");
        let mut answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(answer["status"], "success", "{endpoint}: {answer}");
        answer["data"].take()
    }

    /// What it says of itself.
    pub fn log(&self) -> String {
        self.process.stderr()
    }
}

fn address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, PORT).into()
}
