// SPDX-License-Identifier: Apache-2.0
//! The first lines: agent, trouble, leases.

use ratatui::{
    style::{Color, Style, Stylize as _},
    text::{Line, Span},
};

use super::marked;
use crate::{
    status::{
        Interface, Paint,
        words::{Span as Time, dhcp_text},
    },
    top::{facts::Facts, view::View},
};

/// As many lines as there is room for.
pub(super) fn lines(facts: &Facts, view: &View, paint: Paint, room: usize) -> Vec<Line<'static>> {
    let mut lines = vec![agent(facts, view, paint)];
    if let Some(trouble) = &view.trouble {
        let text = format!("no news: {trouble}");
        lines.push(Line::styled(text, marked(Color::Red, paint)));
    }
    let interfaces = &facts.status.interfaces;
    let left = room.saturating_sub(lines.len());
    let shown = if interfaces.len() > left {
        left.saturating_sub(1)
    } else {
        left
    };
    lines.extend(interfaces.iter().take(shown).map(|i| lease(i, paint)));
    if interfaces.len() > shown && left > 0 {
        let more = interfaces.len() - shown;
        lines.push(Line::from(format!("and {more} more interfaces")));
    }
    lines.truncate(room);
    lines
}

fn agent(facts: &Facts, view: &View, paint: Paint) -> Line<'static> {
    let mut spans = vec!["hhnet top".bold(), Span::raw("  ")];
    if view.paused {
        spans.extend([" paused ".reversed(), Span::raw("  ")]);
    }
    spans.push(match &facts.status.agent {
        Some(agent) => {
            let (pid, up, build) = (agent.pid, Time(agent.uptime_ms), &agent.build);
            Span::raw(format!("agent {build}, pid {pid}, up {up}"))
        }
        None => Span::styled(
            "no agent is running: nothing is counted",
            marked(Color::Yellow, paint),
        ),
    });
    Line::from(spans)
}

fn lease(interface: &Interface, paint: Paint) -> Line<'static> {
    let (text, style) = match &interface.dhcp {
        Some(dhcp) => {
            let style = match (&dhcp.lease, dhcp.state.as_str()) {
                (Some(_), "BOUND") => Style::new(),
                (Some(_), _) => marked(Color::Yellow, paint),
                (None, _) => marked(Color::Red, paint),
            };
            (dhcp_text(dhcp, Paint::Plain), style)
        }
        None if interface.addresses.is_empty() => ("no address".to_owned(), Style::new()),
        None => (interface.addresses.join(", "), Style::new()),
    };
    Line::styled(format!("{:<11}{text}", interface.name.clone() + " "), style)
}
