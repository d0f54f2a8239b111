// SPDX-License-Identifier: Apache-2.0
//! The programs in C (`bench/peers`), as `cargo xtask bench xdp` has compiled them.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, ProgramArray},
    programs::{ProgramFd, TestRun as _, TestRunAttrs, TestRunOptions, Xdp},
};
use hhnet_ebpf::{member::Interface, names};

use super::{place, traffic::Traffic};

/// Where their objects are.
#[derive(Clone, Debug)]
pub struct Peers(pub PathBuf);

impl Peers {
    pub(super) fn read(&self, object: &str) -> Result<Vec<u8>> {
        let path = self.0.join(object).with_extension("o");
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }
}

/// An XDP program of an object, loaded; by its name, or the only one.
pub(super) fn xdp<'a>(ebpf: &'a mut Ebpf, name: Option<&str>) -> Result<&'a mut Xdp> {
    let mut programs = ebpf.programs_mut();
    let found = programs.find(|(found, _)| name.is_none_or(|name| name == *found));
    let (found, program) = found.with_context(|| match name {
        Some(name) => format!("the object has no program {name}"),
        None => "the object has no program".to_owned(),
    })?;
    if name.is_none() && programs.next().is_some() {
        bail!("the object has several programs: say which");
    }
    let program: &mut Xdp = program
        .try_into()
        .with_context(|| format!("{found} is not an XDP program"))?;
    if program.fd().is_err() {
        program.load().with_context(|| format!("loading {found}"))?;
    }
    Ok(program)
}

/// Has what comes in by an interface counted.
pub(super) fn count_interface(ebpf: &mut Ebpf, index: u32, interface: Interface) -> Result<()> {
    let map = ebpf.map_mut(names::INTERFACES);
    let map = map.context("the object has no member slots")?;
    let mut interfaces = Array::<_, u64>::try_from(map)?;
    interfaces
        .set(index, interface.0, 0)
        .context("giving a member slot")
}

/// An interface that is counted, as the only one.
pub(super) const FIRST: Interface = Interface::new(0, None);

/// The programs of `driver.c`, which make each frame from the one before.
pub(super) struct Driver {
    ebpf: Ebpf,
    frame: Vec<u8>,
}

impl Driver {
    /// For `traffic`, and for what is sent out of interface `output`.
    pub(super) fn load(peers: &Peers, traffic: &Traffic, output: u32) -> Result<Self> {
        let (mask, step) = (traffic.flows - 1, u32::from(traffic.is_unique));
        let ebpf = EbpfLoader::new()
            .override_global("IDENTIFICATION_AT", &traffic.identification_at, true)
            .override_global("FLOW_AT", &traffic.flow_at, true)
            .override_global("SERIAL_AT", &traffic.serial_at, true)
            .override_global("FLOW_MASK", &mask, true)
            .override_global("STEP", &step, true)
            .override_global("OUTPUT", &output, true)
            .load(&peers.read("driver")?)
            .context("loading driver.o")?;
        Ok(Self {
            ebpf,
            frame: traffic.frame.clone(),
        })
    }

    /// One of its programs.
    pub(super) fn xdp(&mut self, name: &str) -> Result<&mut Xdp> {
        xdp(&mut self.ebpf, Some(name))
    }

    /// Runs one of its programs so often. Returns nanoseconds of CPU time per frame.
    pub(super) fn run(&mut self, name: &str, repeat: u32) -> Result<f64> {
        let frame = std::mem::take(&mut self.frame);
        let program = self.xdp(name)?;
        let (time, result) = place::timed(|| {
            let options = TestRunOptions {
                data_in: Some(&frame),
                repeat,
                ..TestRunOptions::default()
            };
            Ok(program.test_run(options)?)
        })?;
        self.frame = frame;
        if result.return_value != XDP_PASS {
            bail!("{name} returned {}, not XDP_PASS", result.return_value);
        }
        Ok(time.as_nanos() as f64 / f64::from(repeat))
    }

    /// Sends so many frames by `generate`, in batches.
    pub(super) fn send(&mut self, frames: u32, batch: u32) -> Result<()> {
        let frame = self.frame.clone();
        let options = TestRunOptions {
            data_in: Some(&frame),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(batch),
            ..TestRunOptions::default()
        };
        let generator = self.xdp("generate")?;
        generator.test_run(options).context("sending live frames")?;
        Ok(())
    }

    /// Runs `program` so often, each time on another frame.
    pub(super) fn drive(&mut self, program: &ProgramFd, repeat: u32) -> Result<f64> {
        let name = self.aim(program)?;
        self.run(name, repeat)
    }

    /// Puts `program` behind the driver of its kind. Returns the driver's name.
    fn aim(&mut self, program: &ProgramFd) -> Result<&'static str> {
        let kinds = [("drive_frags", "MEASURED_FRAGS"), ("drive", "MEASURED")];
        let mut refusal = None;
        for (driver, array) in kinds {
            // The array takes programs of the kind of the one that uses it.
            self.xdp(driver)?;
            let map = self.ebpf.map_mut(array).context("no program array")?;
            match ProgramArray::try_from(map)?.set(0, program, 0) {
                Ok(()) => return Ok(driver),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.expect("there are two kinds")).context("calling the program by a tail call")
    }

    /// One of its own programs, for [`drive`](Self::drive).
    pub(super) fn own(&mut self, name: &str) -> Result<ProgramFd> {
        Ok(self.xdp(name)?.fd()?.try_clone()?)
    }
}

const XDP_PASS: u32 = 2;
