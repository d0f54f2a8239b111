// SPDX-License-Identifier: Apache-2.0
//! What systemd's services tell while nobody asks.
//!
//! All signals are read from the connection in their order, and none is left
//! out: zbus' own streams of properties show the newest value only, and a
//! reconfiguration is over in milliseconds.

use std::collections::HashMap;

use futures_util::StreamExt;
use zbus::{Message, MessageStream, message::Type, zvariant::Value};

use super::settled::{self, Settled};
use crate::host::{
    Event,
    bus::{Bus, HostError, NETWORKD, RESOLVED, TIMESYNCD},
};

const RULES: [&str; 2] = [
    "type='signal',sender='org.freedesktop.network1',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',\
     path_namespace='/org/freedesktop/network1/link',arg0='org.freedesktop.network1.Link'",
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',\
     member='NameOwnerChanged',arg0namespace='org.freedesktop'",
];

/// Signals, not yet read.
pub(in crate::host) struct Watch {
    arrivals: MessageStream,
    settled: Settled,
}

impl Watch {
    /// Hears everything from now on.
    pub(in crate::host) async fn begin(bus: &Bus) -> Result<Watch, HostError> {
        let arrivals = MessageStream::from(bus.connection());
        for rule in RULES {
            bus.subscribe(rule).await?;
        }
        Ok(Watch {
            arrivals,
            settled: Settled::default(),
        })
    }

    /// Networkd is known to be done with a link already.
    pub(in crate::host) fn is_settled(&mut self, index: u32) {
        self.settled.note(index, "configured");
    }

    /// Tells what happens, for as long as there is a bus.
    pub(in crate::host) async fn follow(mut self, tell: impl Fn(Event)) {
        while let Some(arrival) = self.arrivals.next().await {
            match arrival {
                Ok(message) if message.message_type() == Type::Signal => {
                    if let Some(event) = self.event(&message) {
                        tell(event);
                    }
                }
                Ok(_) => {}
                Err(error) => return tracing::warn!("the system bus: {error}"),
            }
        }
        tracing::warn!("the system bus is gone");
    }

    fn event(&mut self, signal: &Message) -> Option<Event> {
        let header = signal.header();
        match header.member()?.as_str() {
            "PropertiesChanged" => {
                let index = settled::index(header.path()?.as_str())?;
                let state = administrative_state(signal)?;
                tracing::debug!("networkd: link {index} is {state}");
                self.settled
                    .note(index, &state)
                    .then_some(Event::Reconfigured { index })
            }
            "NameOwnerChanged" => {
                let body = signal.body();
                let (name, _, owner): (&str, &str, &str) = body.deserialize().ok()?;
                if name == NETWORKD.name {
                    self.settled.forget();
                }
                let known = [NETWORKD, RESOLVED, TIMESYNCD].map(|service| service.name);
                let came = known.contains(&name) && !owner.is_empty();
                came.then_some(Event::ServiceCame)
            }
            _ => None,
        }
    }
}

fn administrative_state(signal: &Message) -> Option<String> {
    let body = signal.body();
    let (_, changed, _): (&str, HashMap<&str, Value<'_>>, Vec<&str>) = body.deserialize().ok()?;
    match changed.get("AdministrativeState")? {
        Value::Str(state) => Some(state.to_string()),
        _ => None,
    }
}
