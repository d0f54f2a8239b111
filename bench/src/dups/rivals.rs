// SPDX-License-Identifier: Apache-2.0
//! The others, with several settings each.

use std::path::Path;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use tempfile::TempDir;

use crate::detector::{editcap, editcap::Editcap, nfpcapd};
use crate::score::Score;
use crate::trace::Trace;

/// What `editcap` calls a duplicate: one of the last five frames, or of more, or one
/// that is not older than that many seconds.
const WINDOWS: [&str; 7] = [
    "-d",
    "-D 100",
    "-D 1000",
    "-w 0.0005",
    "-w 0.005",
    "-w 0.02",
    "-w 0.05",
];
/// What it leaves out at the beginning of a frame: nothing; its own manual's choice for
/// captures of several routers, up to IPv4's addresses; the same behind a VLAN tag,
/// as most frames have one. Leaving out MAC addresses alone would make no difference,
/// because copies have those of their originals.
const IGNORED: [&str; 3] = ["", " -I 26", " -I 30"];

/// The best of these for a long trace, of which it takes some seconds to say that many
/// words, and where it compares each frame with all others of a window.
const QUICK: [&str; 6] = [
    "-d",
    "-w 0.0005",
    "-w 0.005",
    "-d -I 30",
    "-w 0.005 -I 30",
    "-w 0.02 -I 30",
];

/// From that many frames on a trace is long.
const LONG: usize = 200_000;
/// Processes of `editcap` at a time.
const WORKERS: usize = 2;

/// Detectors of others.
#[derive(Debug)]
pub(super) struct Rivals {
    editcap: Editcap,
    dir: TempDir,
}

impl Rivals {
    pub(super) fn new(peers: &Path) -> Result<Self> {
        Ok(Self {
            editcap: Editcap::new(&peers.join("wireshark-common/root")),
            dir: TempDir::with_prefix("hhnet-bench-").context("making a directory")?,
        })
    }

    /// All of them, each with its name and settings.
    pub(super) fn judge(&self, trace: &Trace) -> Result<Vec<(String, Score)>> {
        let score = |verdicts: &[bool]| Score::of(trace, |index| verdicts[index]);
        let mut scores = vec![("nfpcapd".to_owned(), score(&nfpcapd::judge(trace)))];
        for (options, verdicts) in self.editcap(trace)? {
            scores.push((format!("editcap {options}"), score(&verdicts)));
        }
        Ok(scores)
    }

    fn editcap(&self, trace: &Trace) -> Result<Vec<(String, Vec<bool>)>> {
        let capture = self.dir.path().join("trace.pcap");
        let file = std::fs::File::create(&capture).context("making a capture")?;
        editcap::write(trace, file).context("writing a capture")?;
        let settings = if trace.frames.len() < LONG {
            all_settings()
        } else {
            QUICK.map(str::to_owned).to_vec()
        };
        let waiting = Mutex::new(settings.into_iter().enumerate());
        let results = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    let next = || waiting.lock().ok()?.next();
                    while let Some((index, options)) = next() {
                        let verdicts = self.editcap.judge(&capture, trace.frames.len(), &options);
                        if let Ok(mut results) = results.lock() {
                            results.push((index, options, verdicts));
                        }
                    }
                });
            }
        });
        let results = results.into_inner();
        let mut results = results.map_err(|_| anyhow!("a thread has panicked"))?;
        results.sort_by_key(|(index, ..)| *index);
        let results = results.into_iter();
        results
            .map(|(_, options, verdicts)| Ok((options, verdicts?)))
            .collect()
    }
}

fn all_settings() -> Vec<String> {
    let ignoring = |ignored| move |window| format!("{window}{ignored}");
    let settings = IGNORED.iter();
    let settings = settings.flat_map(|ignored| WINDOWS.iter().map(ignoring(ignored)));
    settings.collect()
}
