// SPDX-License-Identifier: Apache-2.0
//! XDP programs, as the agent has them: loaded when first needed, beside
//! everything else, and never a reason for a command to fail.

use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::Message;
use crate::{
    cli,
    link::Device,
    xdp::{self, Options, Situation, Wanted, XdpError},
};

/// The programs and the links they are wanted on.
pub(super) struct Programs {
    state: State,
    /// Why there is no program on a link that shall have one, newest last.
    complaints: Vec<(String, String)>,
    /// Whether all that is wanted is attached, or cannot be.
    settled: watch::Sender<bool>,
    /// How they are loaded.
    options: Options,
}

enum State {
    /// Not needed yet.
    Unloaded,
    /// On their way into the kernel, and wanted on these links.
    Loading(Vec<(Device, Wanted)>),
    /// In the kernel.
    Loaded(Box<xdp::Programs>),
    /// Not to be had.
    Unavailable(String),
}

impl Default for Programs {
    fn default() -> Self {
        Programs {
            state: State::Unloaded,
            complaints: Vec::new(),
            settled: watch::Sender::new(true),
            options: Options::default(),
        }
    }
}

impl Programs {
    /// Asks for room for so many flows on each CPU. Returns why there will not be.
    pub(super) fn size(&mut self, flows: u32) -> Option<String> {
        let had = self.options.flows;
        match self.state {
            State::Unloaded | State::Unavailable(_) => {
                self.options.flows = Some(flows);
                None
            }
            State::Loading(_) | State::Loaded(_) => (Some(flows) != had).then(|| {
                let had = had.map_or("the usual number of".to_owned(), |had| had.to_string());
                format!("warning: the agent counts already, with room for {had} flows on each CPU")
            }),
        }
    }

    /// Begins to load them, if they will be wanted and are not there.
    pub(super) fn prepare(&mut self, mode: cli::Xdp, outbox: &mpsc::UnboundedSender<Message>) {
        if let (State::Unloaded, Some(wanted)) = (&self.state, wanted(mode)) {
            self.load(wanted, outbox.clone());
        }
    }

    /// Puts a program on each of the links as soon as possible.
    pub(super) fn want(
        &mut self,
        devices: &[Device],
        mode: cli::Xdp,
        outbox: &mpsc::UnboundedSender<Message>,
    ) {
        let Some(wanted) = wanted(mode) else { return };
        self.prepare(mode, outbox);
        for device in devices {
            match &mut self.state {
                State::Loading(waiting) => waiting.push((device.clone(), wanted)),
                State::Loaded(programs) => {
                    attach(programs, &mut self.complaints, device, wanted);
                }
                State::Unavailable(reason) => {
                    self.complaints.push((device.name.clone(), reason.clone()));
                }
                State::Unloaded => {}
            }
        }
    }

    /// The verifier may take a second: not on the thread that answers leases.
    fn load(&mut self, wanted: Wanted, outbox: mpsc::UnboundedSender<Message>) {
        self.state = State::Loading(Vec::new());
        self.settled.send_replace(false);
        let options = self.options.clone();
        tokio::task::spawn_blocking(move || {
            let mut loaded = xdp::Programs::load_with(&options);
            if let Ok(programs) = &mut loaded
                && wanted == Wanted::Tc
            {
                // Attaching tries again, and tells the reason.
                let _ = programs.prepare_classifier();
            }
            let _ = outbox.send(Message::Loaded(loaded.map(Box::new)));
        });
    }

    /// The programs are in the kernel, or not.
    pub(super) fn loaded(&mut self, outcome: Result<Box<xdp::Programs>, XdpError>) {
        let State::Loading(waiting) = &mut self.state else {
            // Not wanted any more, or loaded twice; dropping them unloads them.
            return;
        };
        let waiting = std::mem::take(waiting);
        self.state = match outcome {
            Ok(mut programs) => {
                if let Err(error) = programs.collect_evicted() {
                    warn!("{error}");
                }
                for (device, wanted) in waiting {
                    attach(&mut programs, &mut self.complaints, &device, wanted);
                }
                State::Loaded(programs)
            }
            Err(error) => {
                warn!("{error}");
                let reason = error.to_string();
                let failed = waiting
                    .into_iter()
                    .map(|(device, _)| (device.name, reason.clone()));
                self.complaints.extend(failed);
                State::Unavailable(reason)
            }
        };
        self.settled.send_replace(true);
    }

    /// Becomes true when nothing will be attached any more that is not yet.
    pub(super) fn settled(&self) -> watch::Receiver<bool> {
        self.settled.subscribe()
    }

    /// Links that have no program and should have one, and why; the newest last.
    pub(super) fn complaints(&self) -> &[(String, String)] {
        &self.complaints
    }

    /// Why a link has no program, where it should have one.
    pub(super) fn complaint(&self, name: &str) -> Option<&str> {
        let found = self.complaints.iter().rev().find(|(link, _)| link == name);
        found.map(|(_, reason)| reason.as_str())
    }

    /// The loaded programs.
    pub(super) fn loaded_programs(&self) -> Option<&xdp::Programs> {
        match &self.state {
            State::Loaded(programs) => Some(programs),
            State::Unloaded | State::Loading(_) | State::Unavailable(_) => None,
        }
    }

    /// Tells the programs on a link what distinguishes copies there, and what it is called.
    pub(super) fn situate(&mut self, device: &Device) {
        if let State::Loaded(programs) = &mut self.state {
            programs.rename(device.index, &device.name);
            situate(programs, device);
        }
    }

    /// Whether there are programs on a link.
    pub(super) fn are_on(&self, device: &Device) -> bool {
        let programs = self.loaded_programs();
        programs.is_some_and(|p| p.attachments().any(|a| a.ifindex == device.index))
    }

    /// The same, or whether they will be there.
    pub(super) fn are_wanted_on(&self, device: &Device) -> bool {
        match &self.state {
            State::Loading(waiting) => waiting.iter().any(|(link, _)| link.index == device.index),
            _ => self.are_on(device),
        }
    }

    /// A link is no longer ours.
    pub(super) fn forget(&mut self, device: &Device) {
        self.complaints.retain(|(link, _)| *link != device.name);
        self.forget_link(device.index);
    }

    /// As [`Programs::forget`], of a link that is known by its index only.
    pub(super) fn forget_link(&mut self, index: u32) {
        match &mut self.state {
            State::Loaded(programs) => {
                if programs.attachments().any(|link| link.ifindex == index)
                    && let Err(error) = programs.detach(index)
                {
                    warn!("{error}");
                }
            }
            State::Loading(waiting) => waiting.retain(|(link, _)| link.index != index),
            State::Unloaded | State::Unavailable(_) => {}
        }
    }

    /// Takes everything off and out of the kernel.
    pub(super) fn detach(&mut self) {
        if let State::Loaded(programs) = &mut self.state {
            for error in programs.detach_all() {
                warn!("{error}");
            }
        }
        self.state = State::Unloaded;
        self.complaints.clear();
        self.settled.send_replace(true);
    }
}

fn wanted(mode: cli::Xdp) -> Option<Wanted> {
    match mode {
        cli::Xdp::Off => None,
        cli::Xdp::Auto => Some(Wanted::Auto),
        cli::Xdp::Native => Some(Wanted::Native),
        cli::Xdp::Tc => Some(Wanted::Tc),
        cli::Xdp::Generic => Some(Wanted::Generic),
    }
}

fn attach(
    programs: &mut xdp::Programs,
    complaints: &mut Vec<(String, String)>,
    device: &Device,
    wanted: Wanted,
) {
    let (name, index) = (&device.name, device.index);
    let attached = [
        programs.attach(name, index, wanted),
        programs.attach_egress(name, index, wanted),
    ];
    situate(programs, device);
    // What is received matters more, and the newest complaint is shown.
    for error in attached.into_iter().rev().filter_map(Result::err) {
        warn!("{error}");
        complaints.push((name.clone(), error.to_string()));
    }
}

/// Its MAC address, which frames of our own bear that come back, and whether bonding
/// drops what it receives (`bond_handle_frame`).
fn situate(programs: &mut xdp::Programs, device: &Device) {
    let situation = Situation {
        mac: device.mac,
        is_inactive: device.port.as_ref().is_some_and(|port| !port.active),
    };
    if let Err(error) = programs.set_situation(device.index, situation) {
        warn!("{error}");
    }
}
