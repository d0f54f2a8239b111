// SPDX-License-Identifier: Apache-2.0
//! A stand-in for systemd behind the system bus, for what the real one does only
//! when something is wrong with it: it takes units, and starts none.

use std::collections::HashMap;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, Guid, connection, fdo, interface};

use crate::namespace::Namespace;

/// Where the bus listens.
const BUS: &str = "/run/dbus/system_bus_socket";

/// What it makes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Refuses it.
    Refused,
    /// Accepts it, and lists it in this sub state ever after.
    Is(&'static str),
}

/// A unit it was asked for: its name, and its properties.
pub type Unit = (String, HashMap<String, OwnedValue>);

/// The stand-in; dropped, it is gone.
pub struct Systemd {
    asked: Arc<Mutex<Vec<Unit>>>,
    /// Closed when this is dropped.
    _end: oneshot::Sender<()>,
}

impl Systemd {
    /// Runs it on a machine that then looks as if systemd had booted it.
    ///
    /// # Panics
    /// When its socket cannot be made.
    pub fn run(machine: &Namespace, fate: Fate) -> Self {
        let listener = machine.enter(|| {
            for directory in ["/run/systemd/system", "/run/dbus"] {
                fs::create_dir_all(directory).expect("/run is the machine's own");
            }
            UnixListener::bind(BUS).expect("/run is the machine's own")
        });
        listener.set_nonblocking(true).expect("a socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let manager = Manager {
            fate,
            asked: Arc::clone(&asked),
        };
        let (end, ended) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::select! {
                    _ = ended => {}
                    () = serve(listener, manager) => {}
                }
            });
        });
        Self { asked, _end: end }
    }

    /// What it was asked for so far.
    ///
    /// # Panics
    /// When the stand-in has.
    pub fn asked(&self) -> Vec<Unit> {
        let asked = self.asked.lock().expect("it does not panic");
        let copy = |(name, properties): &Unit| {
            let properties = properties.iter();
            let copies = properties.map(|(key, value)| {
                let value = value.try_clone().expect("no descriptors in it");
                (key.clone(), value)
            });
            (name.clone(), copies.collect())
        };
        asked.iter().map(copy).collect()
    }
}

async fn serve(listener: UnixListener, manager: Manager) {
    let listener = tokio::net::UnixListener::from_std(listener).expect("a socket");
    let mut guests = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        // One that goes away at once is no failure of ours.
        guests.extend(welcome(stream, manager.clone()).await);
    }
}

async fn welcome(stream: UnixStream, manager: Manager) -> Option<Connection> {
    let built = connection::Builder::unix_stream(stream)
        .server(Guid::generate())
        .and_then(|builder| builder.p2p().serve_at("/org/freedesktop/DBus", Bus))
        .and_then(|builder| builder.serve_at("/org/freedesktop/systemd1", manager));
    built.expect("paths are right").build().await.ok()
}

/// As much of the bus as it takes to be let in.
struct Bus;

#[interface(name = "org.freedesktop.DBus")]
impl Bus {
    fn hello(&self) -> &str {
        ":1.1"
    }

    fn name_has_owner(&self, _name: &str) -> bool {
        false
    }

    fn add_match(&self, _rule: &str) {}
}

#[derive(Clone)]
struct Manager {
    fate: Fate,
    asked: Arc<Mutex<Vec<Unit>>>,
}

/// A unit as systemd lists it.
type Listed = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn start_transient_unit(
        &self,
        name: String,
        _mode: &str,
        properties: Vec<(String, OwnedValue)>,
        _aux: Vec<(String, Vec<(String, OwnedValue)>)>,
    ) -> fdo::Result<OwnedObjectPath> {
        let mut asked = self.asked.lock().expect("nobody panics");
        asked.push((name, properties.into_iter().collect()));
        match self.fate {
            Fate::Refused => Err(fdo::Error::AccessDenied("not today".to_owned())),
            Fate::Is(_) => Ok(object("/org/freedesktop/systemd1/job/1")),
        }
    }

    fn list_units_by_names(&self, names: Vec<String>) -> Vec<Listed> {
        let Fate::Is(state) = self.fate else {
            return Vec::new();
        };
        let none = String::new;
        let listed = |name| {
            let object = object("/");
            let (unit, job) = (object.clone(), object);
            (
                name,
                none(),
                none(),
                none(),
                state.to_owned(),
                none(),
                unit,
                0,
                none(),
                job,
            )
        };
        names.into_iter().map(listed).collect()
    }
}

fn object(path: &str) -> OwnedObjectPath {
    path.try_into().expect("it is a path")
}
