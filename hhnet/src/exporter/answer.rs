// SPDX-License-Identifier: Apache-2.0
//! What a request is answered with, before anything is asked of the agent.

use hyper::{
    Method, StatusCode,
    header::{HeaderMap, HeaderValue},
};

/// The one thing there is.
const PATH: &str = "/metrics";

/// The text formats Prometheus reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Its own, version 0.0.4, which every reader knows.
    #[default]
    Prometheus,
    /// The standard that came of it, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The media type, as `Content-Type` has it.
    pub fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        })
    }

    /// The format a client likes best (RFC 9110, section 12.5.1): OpenMetrics only if it
    /// names that, and likes nothing else more. What we do not have is not refused.
    pub fn wanted(headers: &HeaderMap) -> Format {
        let fields = headers.get_all(hyper::header::ACCEPT).into_iter();
        let ranges = fields.filter_map(|field| field.to_str().ok());
        let (mut open, mut plain) = (0.0, 0.0);
        for range in ranges.flat_map(|field| field.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let of = match name.to_ascii_lowercase().as_str() {
                "application/openmetrics-text" => &mut open,
                "text/plain" | "text/*" => &mut plain,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q="));
            let quality = quality.map_or(1.0, |text| text.parse().unwrap_or(0.0));
            *of = f32::max(*of, quality);
        }
        if open > 0.0 && open >= plain {
            Format::OpenMetrics
        } else {
            Format::Prometheus
        }
    }
}

/// The status of a request for something that is not there, or cannot be done to it.
pub(super) fn refusal(method: &Method, path: &str) -> Option<StatusCode> {
    if path != PATH {
        Some(StatusCode::NOT_FOUND)
    } else if *method != Method::GET && *method != Method::HEAD {
        Some(StatusCode::METHOD_NOT_ALLOWED)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &[&'static str]) -> Format {
        let mut headers = HeaderMap::new();
        for field in accept {
            headers.append(hyper::header::ACCEPT, HeaderValue::from_static(field));
        }
        Format::wanted(&headers)
    }

    #[test]
    fn openmetrics_for_those_who_name_it() {
        for accept in [
            &["application/openmetrics-text"][..],
            // Prometheus 2.42, and 3.
            &[
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
               version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ],
            &[
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
               text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            ],
            &["text/plain;q=0.3", "Application/OpenMetrics-Text; q=0.3"],
        ] {
            assert_eq!(wanted(accept), Format::OpenMetrics, "{accept:?}");
        }
    }

    #[test]
    fn the_older_format_for_everybody_else() {
        for accept in [
            &[][..],
            &["*/*"],
            &["text/html, application/json"],
            &["application/openmetrics-text;q=0"],
            &["application/openmetrics-text;q=x"],
            &["text/plain, application/openmetrics-text;q=0.9"],
            &[""],
        ] {
            assert_eq!(wanted(accept), Format::Prometheus, "{accept:?}");
        }
    }

    #[test]
    fn one_thing_can_be_read_and_nothing_written() {
        for (method, path, status) in [
            (Method::GET, "/metrics", None),
            (Method::HEAD, "/metrics", None),
            (Method::POST, "/metrics", Some(405)),
            (Method::DELETE, "/metrics", Some(405)),
            (Method::GET, "/", Some(404)),
            (Method::POST, "/", Some(404)),
            (Method::GET, "/metrics/", Some(404)),
        ] {
            let found = refusal(&method, path).map(|status| status.as_u16());
            assert_eq!(found, status, "{method} {path}");
        }
    }
}
