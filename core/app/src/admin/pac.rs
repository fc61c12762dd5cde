//! `/proxy.pac`: tells browsers to use the first forward listener.
//!
//! Invariant: nothing of the request gets into the script but a host that was checked.
//! Awkward case: a listener on every interface, or on a port that is not known yet, has no address that could be written down beforehand;
//! its script says [`PLACEHOLDER`], which stands for the Host the client asked for the script.

use crate::{messages::Ask, overseer::Overseer};
use actix::Addr;
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use std::net::SocketAddr;

/// Stands for the `host:port` under which a client reached the listener it asked.
pub(crate) const PLACEHOLDER: &str = "{proxy}";

/// The script, for a proxy at this `host:port`. Names without a dot and this machine are reached directly.
pub(crate) fn text(proxy: &str) -> String {
    format!(
        "function FindProxyForURL(url, host) {{\n  \
           if (isPlainHostName(host) || host === \"127.0.0.1\" || host === \"::1\" || host === \"[::1]\" || dnsDomainIs(host, \".localhost\")) {{\n    \
             return \"DIRECT\";\n  }}\n  \
           return \"PROXY {proxy}; DIRECT\";\n}}\n"
    )
}

/// What stands in the script that the listener itself serves.
pub(crate) fn for_listener(address: SocketAddr) -> String {
    if address.port() == 0 || address.ip().is_unspecified() {
        PLACEHOLDER.to_owned()
    } else {
        address.to_string()
    }
}

/// What stands in the script that the admin serves: the host it was asked by, with the listener's port.
fn for_admin(host: Option<&str>, address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    let name = host.and_then(without_port).unwrap_or("127.0.0.1");
    format!("{name}:{}", address.port())
}

/// The host of a Host field, when it is made of nothing that could end a string of the script.
fn without_port(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let name = host.get(..end)?;
    let fits = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    (fits && !name.is_empty()).then_some(name)
}

/// The script; 404 without a forward listener.
pub(super) async fn get(request: HttpRequest, overseer: web::Data<Addr<Overseer>>) -> HttpResponse {
    let Ok(report) = overseer.send(Ask).await else {
        return HttpResponse::ServiceUnavailable().finish();
    };
    let Some((_, _, address)) = report
        .listeners
        .iter()
        .find(|(_, mode, _)| *mode == "forward")
    else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("there is no forward listener\n");
    };
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|h| h.to_str().ok());
    HttpResponse::Ok()
        .content_type("application/x-ns-proxy-autoconfig")
        .body(text(&for_admin(host, *address)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{for_admin, for_listener, text};

    #[test]
    fn the_listener_is_named_by_its_address_when_it_has_one() {
        for (address, want) in [
            ("127.0.0.1:3128", "127.0.0.1:3128"),
            ("[::1]:3128", "[::1]:3128"),
            ("0.0.0.0:3128", "{proxy}"),
            ("127.0.0.1:0", "{proxy}"),
        ] {
            assert_eq!(for_listener(address.parse().unwrap()), want);
        }
    }

    #[test]
    fn a_host_gets_in_only_when_it_is_one() {
        let cases = [
            (Some("proxy.example:3130"), "proxy.example:3128"),
            (Some("[2001:db8::1]:3130"), "[2001:db8::1]:3128"),
            (Some("proxy"), "proxy:3128"),
            (Some("\";alert(1)//"), "127.0.0.1:3128"),
            (Some("[::1"), "127.0.0.1:3128"),
            (Some(""), "127.0.0.1:3128"),
            (None, "127.0.0.1:3128"),
        ];
        for (host, want) in cases {
            assert_eq!(
                for_admin(host, "0.0.0.0:3128".parse().unwrap()),
                want,
                "{host:?}"
            );
        }
        assert_eq!(
            for_admin(Some("other"), "192.0.2.1:3128".parse().unwrap()),
            "192.0.2.1:3128"
        );
    }

    #[test]
    fn the_script_names_the_proxy() {
        let script = text("192.0.2.1:3128");
        assert!(
            script.starts_with("function FindProxyForURL(url, host) {\n")
                && script.contains("return \"PROXY 192.0.2.1:3128; DIRECT\";\n}\n"),
            "{script}"
        );
    }
}
