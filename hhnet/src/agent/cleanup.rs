// SPDX-License-Identifier: Apache-2.0
//! `hhnet cleanup`: the end of everything, in order, whatever there was.

use super::{Agent, connection::Reply};
use crate::{
    host::resolver,
    session::{Session, record},
    xdp::detach_link_of,
};

impl Agent {
    /// Ends everything and removes everything, whoever made it.
    pub(super) async fn cleanup(&mut self, reply: Reply) {
        self.generation += 1;
        Session::end(std::mem::take(&mut self.sessions)).await;
        record::clear();
        if let Err(error) = resolver::clear() {
            reply.complain(format_args!("warning: name servers: {error}"));
        }
        // Top-down: the VLANs and bonds above go last, but programs sit on the
        // lowest devices only.
        self.programs.detach();
        let swept = match self.links.sweep(&self.journal).await {
            Ok(swept) => swept,
            Err(error) => return reply.fail(error),
        };
        for error in &swept.failures {
            reply.complain(format_args!("warning: {error}"));
        }
        for device in &swept.held {
            let program = device.xdp.program.unwrap_or_default();
            match detach_link_of(device.index, program) {
                Ok(true) => {}
                Ok(false) => reply.complain(format_args!(
                    "warning: {} keeps XDP program {program}: nobody is known to hold it",
                    device.name
                )),
                Err(error) => reply.complain(format_args!("warning: {error}")),
            }
        }
        self.journal.clear();
        // Answered last of all: when the command returns, the next one finds
        // neither links nor agent.
        self.farewell.push(reply);
    }
}
