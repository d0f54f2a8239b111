// SPDX-License-Identifier: Apache-2.0
//! The system bus, where systemd's services are spoken to. A machine may have
//! none, and whoever is asked may be stopped: nothing here waits for long.

use std::time::Duration;

use serde::Serialize;
use tokio::{net::UnixStream, time::timeout};
use zbus::{
    Connection, Message,
    connection::Builder,
    zvariant::{DynamicType, OwnedValue},
};

use crate::fault;

/// Where the bus listens (D-Bus specification, "Well-known Message Bus Instances").
/// The environment could name another one, which root must not believe.
const SOCKET: &str = "/run/dbus/system_bus_socket";
/// How long the bus may take to let us in: a command waits for it.
const ADMISSION: Duration = Duration::from_secs(1);
/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why something could not be had from another service.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostError {
    /// Its answer, or that there is none.
    #[error("{0}: {1}")]
    Bus(String, String),
    /// A file that it reads could not be written.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
}

/// An object of a service.
pub(super) struct Service {
    pub(super) name: &'static str,
    path: &'static str,
    interface: &'static str,
}

pub(super) const NETWORKD: Service = Service {
    name: "org.freedesktop.network1",
    path: "/org/freedesktop/network1",
    interface: "org.freedesktop.network1.Manager",
};
pub(super) const RESOLVED: Service = Service {
    name: "org.freedesktop.resolve1",
    path: "/org/freedesktop/resolve1",
    interface: "org.freedesktop.resolve1.Manager",
};
pub(super) const TIMESYNCD: Service = Service {
    name: "org.freedesktop.timesync1",
    path: "/org/freedesktop/timesync1",
    interface: "org.freedesktop.timesync1.Manager",
};
pub(super) const NETWORK_MANAGER: Service = Service {
    name: "org.freedesktop.NetworkManager",
    path: "/org/freedesktop/NetworkManager",
    interface: "org.freedesktop.NetworkManager",
};
pub(super) const SYSTEMD: Service = Service {
    name: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};
const BUS: Service = Service {
    name: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};

/// A connection to the bus.
#[derive(Debug, Clone)]
pub(super) struct Bus(Connection);

impl Bus {
    /// Connects, unless there is no bus, or one that says nothing.
    pub(super) async fn connect() -> Option<Bus> {
        let connect = async {
            let stream = UnixStream::connect(SOCKET).await?;
            let builder = Builder::unix_stream(stream).method_timeout(PATIENCE);
            builder.build().await
        };
        match timeout(ADMISSION, connect).await {
            Ok(Ok(connection)) => Some(Bus(connection)),
            Ok(Err(error)) => {
                tracing::debug!("{SOCKET}: {error}");
                None
            }
            Err(_) => {
                tracing::warn!("{SOCKET}: no answer");
                None
            }
        }
    }

    /// The connection itself, for what it receives.
    pub(super) fn connection(&self) -> &Connection {
        &self.0
    }

    /// Whether a service is running. One that is not is not to be started by us.
    pub(super) async fn has(&self, service: &Service) -> bool {
        let owned = self.call(&BUS, "NameHasOwner", &service.name).await;
        owned.is_ok_and(|answer| answer.body().deserialize().unwrap_or(false))
    }

    /// Asks for signals, which then arrive on the connection in their order.
    pub(super) async fn subscribe(&self, rule: &str) -> Result<(), HostError> {
        self.call(&BUS, "AddMatch", &rule).await.map(drop)
    }

    /// Calls a method of a service.
    pub(super) async fn call<B: Serialize + DynamicType>(
        &self,
        service: &Service,
        method: &str,
        body: &B,
    ) -> Result<Message, HostError> {
        fault::step(method);
        let (name, path) = (Some(service.name), service.path);
        let answer = self
            .0
            .call_method(name, path, Some(service.interface), method, body);
        answer.await.map_err(|error| failed(method, service, error))
    }

    /// Reads a property of a service's object.
    pub(super) async fn property(
        &self,
        service: &Service,
        property: &str,
    ) -> Result<OwnedValue, HostError> {
        const PROPERTIES: Option<&str> = Some("org.freedesktop.DBus.Properties");
        let (name, path) = (Some(service.name), service.path);
        let body = &(service.interface, property);
        let answer = self
            .0
            .call_method(name, path, PROPERTIES, "Get", body)
            .await;
        answer
            .and_then(|answer| answer.body().deserialize::<OwnedValue>())
            .map_err(|error| failed(property, service, error))
    }
}

fn failed(method: &str, service: &Service, error: zbus::Error) -> HostError {
    let reason = match error {
        zbus::Error::MethodError(_, Some(text), _) if !text.is_empty() => text,
        other => other.to_string(),
    };
    HostError::Bus(format!("{method} of {}", service.name), reason)
}
