// SPDX-License-Identifier: Apache-2.0
//! Which pages can be asked for.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use hyper::Uri;

/// An http URL that names a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(Uri);

impl Url {
    /// Name or address of the host.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// Its port, 80 unless another is named.
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(80)
    }

    /// What the request line has: the path and the query.
    pub fn path(&self) -> String {
        let path = self.0.path_and_query().map_or("", |path| path.as_str());
        let root = if path.starts_with('/') { "" } else { "/" };
        format!("{root}{path}")
    }

    /// What the Host header has: the host, and the port if one is named.
    pub fn authority(&self) -> String {
        match self.0.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err("hhnet has no TLS: only http URLs".into()),
            _ => return Err("a URL begins with http://".into()),
        }
        let host = uri.host().unwrap_or_default();
        if host.is_empty() {
            return Err("this URL names no host".into());
        }
        let is_v6 = |host: &str| host.parse::<Ipv6Addr>().is_ok();
        if is_v6(host.trim_matches(['[', ']'])) {
            return Err("only IPv4 is checked".into());
        }
        if names_port(&uri) && uri.port_u16().is_none_or(|port| port == 0) {
            return Err("a port is a number from 1 to 65535".into());
        }
        Ok(Url(uri))
    }
}

/// Whether something stands where a port does; [`Uri`] forgets what is none.
fn names_port(uri: &Uri) -> bool {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let place = authority.rsplit('@').next().unwrap_or_default();
    place
        .split_once(':')
        .is_some_and(|(_, port)| !port.is_empty())
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_whom() {
        let url: Url = "http://1.0.0.1".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("1.0.0.1", 80));
        assert_eq!(url.path(), "/");
        let url: Url = "http://server-2:8080/a?b=c".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("server-2", 8080));
        assert_eq!(url.path(), "/a?b=c");
        assert_eq!(url.authority(), "server-2:8080");
        let url: Url = "http://server-2?b=c".parse().unwrap();
        assert_eq!(url.path(), "/?b=c");
    }

    #[test]
    fn what_cannot_be_asked_for() {
        for (text, reason) in [
            ("https://1.0.0.1", "TLS"),
            ("ftp://1.0.0.1", "http://"),
            ("1.0.0.1", "http://"),
            ("/index.html", "http://"),
            ("http://[2001:db8::1]/", "IPv4"),
            ("http://a b", "not a URL"),
            ("", "not a URL"),
            ("http://1.0.0.1:99999/", "1 to 65535"),
            ("http://1.0.0.1:8O80/", "1 to 65535"),
            ("http://1.0.0.1:0/", "1 to 65535"),
            ("http://user@1.0.0.1:80a/", "1 to 65535"),
        ] {
            let refused = text.parse::<Url>().expect_err(text);
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
