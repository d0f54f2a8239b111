// SPDX-License-Identifier: Apache-2.0
//! The whole picture for a person, on one screen.

use std::fmt::{self, Display, Write as _};

use anstyle::{AnsiColor, Style};

use super::{
    Agent, Interface, Port, Status,
    words::{
        Span, bond_text, carrier_text, dhcp_text, duplicates_text, lacp_text, options,
        program_text, share_text, speed,
    },
};

/// Whether words that matter get a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// For files, pipes, and people without colours.
    Plain,
    /// For a terminal.
    Coloured,
}

/// How good the news is.
#[derive(Clone, Copy)]
pub(super) enum News {
    Good,
    Poor,
    Bad,
}

impl Paint {
    pub(super) fn word(self, news: News, text: impl Display) -> String {
        let colour = match news {
            News::Good => AnsiColor::Green,
            News::Poor => AnsiColor::Yellow,
            News::Bad => AnsiColor::Red,
        };
        self.styled(colour.on_default(), text)
    }

    fn styled(self, style: Style, text: impl Display) -> String {
        match self {
            Paint::Plain => text.to_string(),
            Paint::Coloured => format!("{style}{text}{style:#}"),
        }
    }
}

impl Status {
    /// A line or two for each thing.
    pub fn text(&self, paint: Paint) -> String {
        let mut page = Page {
            text: String::new(),
            paint,
        };
        // Writing to a string does not fail.
        let _ = page.write(self);
        page.text
    }
}

/// That what is counted begins in the middle.
fn restarted(agent: &Agent) -> Vec<String> {
    let leases = match agent.adopted {
        0 => return Vec::new(),
        1 => "a lease".to_owned(),
        n => format!("{n} leases"),
    };
    vec![format!(
        "has gone on with {leases} of an agent that had died: it counts from its own beginning"
    )]
}

struct Page {
    text: String,
    paint: Paint,
}

impl Page {
    fn write(&mut self, status: &Status) -> fmt::Result {
        for bond in &status.bonds {
            self.line(&bond.name, &bond_text(bond, self.paint))?;
            for member in &bond.members {
                self.port(&format!("  {}", member.name), member, Some(&bond.name))?;
            }
        }
        for interface in &status.interfaces {
            self.interface(interface)?;
        }
        for port in &status.ports {
            self.port(&port.name, port, None)?;
        }
        if let Some(compared) = status.duplicates.as_ref().filter(|all| all.received > 0) {
            self.line("duplicates", &duplicates_text(compared, self.paint))?;
        }
        match &status.agent {
            Some(agent) => {
                let (pid, build) = (agent.pid, &agent.build);
                let age = Span(agent.uptime_ms);
                self.line("agent", &format!("pid {pid}, up {age}, {build}"))?;
                self.more(&restarted(agent))
            }
            None => self.line("agent", "not running"),
        }
    }

    fn line(&mut self, name: &str, text: &str) -> fmt::Result {
        let padding = 15_usize.saturating_sub(name.chars().count());
        let name = self.paint.styled(Style::new().bold(), name);
        writeln!(self.text, "{name}{:padding$} {text}", "")
    }

    /// What belongs to the line before.
    fn more(&mut self, facts: &[String]) -> fmt::Result {
        if facts.is_empty() {
            return Ok(());
        }
        writeln!(self.text, "{:16}{}", "", facts.join(", "))
    }

    fn port(&mut self, name: &str, port: &Port, bond: Option<&str>) -> fmt::Result {
        let mut facts = vec![carrier_text(port, self.paint)];
        // Some drivers tell the speed of a cable that does not work.
        if port.up && port.carrier {
            facts.extend(port.speed_mbps.map(speed));
            let lacp = port.lacp.as_ref();
            facts.extend(
                lacp.into_iter()
                    .flat_map(|lacp| lacp_text(lacp, self.paint)),
            );
        }
        self.line(name, &facts.join(", "))?;
        let mut facts: Vec<String> = port.programs.iter().map(program_text).collect();
        facts.extend(port.complaint.clone());
        if let Some(bond) = bond {
            facts.extend(share_text(port, bond));
        }
        self.more(&facts)
    }

    fn interface(&mut self, interface: &Interface) -> fmt::Result {
        let mut facts = Vec::new();
        facts.extend(interface.vlan.map(|id| format!("vlan {id}")));
        let working = [(interface.up, "down"), (interface.carrier, "no carrier")];
        facts.push(match working.iter().find(|(works, _)| !works) {
            Some((_, trouble)) => self.paint.word(News::Bad, trouble),
            None => "up".into(),
        });
        facts.push(format!("MTU {}", interface.mtu));
        let leased = interface.dhcp.as_ref().and_then(|dhcp| dhcp.lease.as_ref());
        let others = interface.addresses.iter();
        let others = others.filter(|a| leased.is_none_or(|lease| lease.address != **a));
        facts.extend(others.cloned());
        if let Some(dhcp) = &interface.dhcp {
            facts.push(dhcp_text(dhcp, self.paint));
        }
        self.line(&interface.name, &facts.join(", "))?;
        if let Some(lease) = leased {
            self.more(&options(lease))?;
        }
        let remarks = interface.dhcp.iter().flat_map(|dhcp| &dhcp.remarks);
        for remark in remarks {
            self.more(&[self.paint.word(News::Poor, remark)])?;
        }
        Ok(())
    }
}
