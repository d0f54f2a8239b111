// SPDX-License-Identifier: Apache-2.0
//! The queueing discipline that classifiers hang on where there is no tcx.

use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcHandle, TcMessage},
};

use super::{Device, Links, New, Result};

const KIND: &str = "clsact";

impl Links {
    /// `tc qdisc show`: the indices of links whose frames can be classified.
    /// `ingress`, the older of the two, is in clsact's place.
    pub async fn classified(&self) -> Result<Vec<u32>> {
        let message = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
        let step = "listing queueing disciplines".into();
        let found = self.dump(step, message).await?;
        let indices = found.iter().filter_map(|message| match message {
            RouteNetlinkMessage::NewQueueDiscipline(qdisc) => qdisc
                .attributes
                .iter()
                .any(|a| matches!(a, TcAttribute::Kind(kind) if [KIND, "ingress"].contains(&kind.as_str())))
                .then_some(qdisc.header.index as u32),
            _ => None,
        });
        Ok(indices.collect())
    }

    /// `tc qdisc add dev NAME clsact`
    pub async fn add_clsact(&self, device: &Device) -> Result<()> {
        let step = format!("adding a clsact to {}", device.name);
        let message = RouteNetlinkMessage::NewQueueDiscipline(clsact(device));
        self.add(step, message, New::Exclusive).await
    }

    /// `tc qdisc del dev NAME clsact`, with all filters in it.
    pub async fn remove_clsact(&self, device: &Device) -> Result<()> {
        let step = format!("removing the clsact of {}", device.name);
        let message = RouteNetlinkMessage::DelQueueDiscipline(clsact(device));
        self.ask(step, message, 0).await
    }
}

fn clsact(device: &Device) -> TcMessage {
    let mut message = TcMessage::with_index(device.index as i32);
    message.header.parent = TcHandle::CLSACT;
    message.header.handle = TcHandle {
        major: TcHandle::CLSACT.major,
        minor: 0,
    };
    message.attributes.push(TcAttribute::Kind(KIND.to_owned()));
    message
}
