// SPDX-License-Identifier: Apache-2.0
//! What a command waits for, beside the loop of the agent.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

use super::{connection::Reply, narrate::Story, steps::Steps, undo::Undo};
use crate::{cli::Prefix, session::Report};

/// Once there is an address, LACP gets this long to agree. A partner that does
/// not speak it lets a single member pass frames all the same.
const AGGREGATION: Duration = Duration::from_secs(3);
/// Members that are slower than the first get this much more, so that frames
/// are not moved to another member right after the command has returned.
const STRAGGLERS: Duration = Duration::from_millis(250);
/// And programs this long to be attached, so that no driver resets its link
/// after the command has returned.
const PROGRAMS: Duration = Duration::from_secs(5);

/// How waiting ended, and what then is to be finished by the agent.
pub(super) struct Outcome {
    pub(super) end: End,
    /// The interface that was to get an address.
    pub(super) interface: String,
    /// Its index, which it keeps.
    pub(super) index: u32,
    pub(super) undo: Undo,
    pub(super) reply: Reply,
}

/// How waiting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The interface is usable.
    Leased(Prefix),
    /// Nobody gave it an address in time.
    TimedOut(Box<Report>),
    /// Whoever asked has gone.
    Abandoned,
    /// The session has ended: cleaned up, or its interface removed.
    Ended,
}

/// Which members with a working link are collecting and distributing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Aggregation {
    /// None, or there are none.
    #[default]
    None,
    /// One at least.
    Some,
    /// Every one.
    All,
}

/// What a command waits for.
pub(super) struct Wait {
    pub(super) report: watch::Receiver<Report>,
    /// How far LACP has come; `None` without a bond below.
    pub(super) aggregation: Option<watch::Receiver<Aggregation>>,
    pub(super) programs: watch::Receiver<bool>,
    pub(super) limit: Duration,
}

impl Wait {
    /// Waits for the address, and then for what is worth a moment more; tells
    /// how far it is.
    pub(super) async fn until_usable(
        mut self,
        story: Story,
        reply: &Reply,
        steps: &mut Steps,
    ) -> End {
        let mut report = self.report.clone();
        tokio::select! {
            // What has led to the end is told before it.
            biased;
            never = story.tell(reply) => match never {},
            () = reply.gone() => End::Abandoned,
            // Cleaned up meanwhile, also when it had its address already.
            _ = report.wait_for(|_| false) => End::Ended,
            end = self.usable(steps) => end,
        }
    }

    async fn usable(&mut self, steps: &mut Steps) -> End {
        match timeout(self.limit, self.leased()).await {
            Ok(Some(prefix)) => {
                steps.done("lease in force");
                self.finish(steps).await;
                // The server may have moved us meanwhile.
                let now = self
                    .report
                    .borrow()
                    .lease
                    .as_ref()
                    .map(|lease| lease.prefix);
                End::Leased(now.unwrap_or(prefix))
            }
            Ok(None) => End::Ended,
            Err(_) => End::TimedOut(Box::new(self.report.borrow().clone())),
        }
    }

    async fn leased(&mut self) -> Option<Prefix> {
        let report = self
            .report
            .wait_for(|report| report.lease.is_some())
            .await
            .ok()?;
        report.lease.as_ref().map(|lease| lease.prefix)
    }

    async fn finish(&mut self, steps: &mut Steps) {
        if let Some(aggregation) = &mut self.aggregation {
            let any = aggregation.wait_for(|now| *now != Aggregation::None);
            if matches!(timeout(AGGREGATION, any).await, Ok(Ok(_))) {
                let all = aggregation.wait_for(|now| *now == Aggregation::All);
                let _ = timeout(STRAGGLERS, all).await;
            }
            steps.done("LACP");
        }
        let _ = timeout(PROGRAMS, self.programs.wait_for(|settled| *settled)).await;
        steps.done("programs");
    }
}
