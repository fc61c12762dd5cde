//! The module's cases, without a proxy and without a server: none of the addresses they name can be reached.
#![allow(clippy::unwrap_used)]

use understudy_icap_client::IcapClient;
use understudy_module::kit::{self, Bare, Case};

#[test]
fn the_cases_are_met_on_every_chunking() {
    let cases = kit::cases("tests/cases".as_ref()).unwrap();
    let report = kit::check(&[&Bare::new(IcapClient::default)], &cases);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn options_that_cannot_be_used_are_refused_by_name() {
    let service = ("respmod.0", "icap://224.0.0.1/x");
    for (options, word) in [
        (&[][..], "neither `reqmod` nor `respmod`"),
        (
            &[("respmod", "http://a.test/x")],
            "`http://a.test/x` is not icap://",
        ),
        (&[("reqmod.0", "")], "`reqmod`: a service has no server"),
        (
            &[service, ("spread", "all")],
            "`spread`: `all` is none of first, round",
        ),
        (&[service, ("preview", "-1")], "`preview`"),
        (&[service, ("keep", "1T")], "`keep`"),
        (
            &[service, ("connections", "0")],
            "`connections`: 0 is too few",
        ),
        (&[service, ("bypass", "yes")], "`bypass`"),
        (&[service, ("timeout", "4")], "`timeout`: `4` is no time"),
        (&[service, ("timeout", "0s")], "`timeout`"),
        (&[service, ("client_ip", "no")], "`client_ip`"),
        (&[service, ("headers.0", "X")], "`headers`: `X` is no line"),
        (&[service, ("headers.0", "A B: c")], "`headers`"),
        (
            &[service, ("headers.0", "Allow: 204")],
            "Allow is the module's own",
        ),
        (
            &[service, ("time_out", "4s")],
            "there is no option `time_out`",
        ),
        (
            &[("respmod", "icaps://224.0.0.1/x"), ("ca", "/no/such/file")],
            "`ca`: /no/such/file",
        ),
    ] {
        let mut case = Case::new("refused", "GET", "http://site.test/");
        for (name, value) in options {
            case = case.option(name, value);
        }
        let report = kit::check(&[&Bare::new(IcapClient::default)], &[case]);
        assert!(
            !report.is_ok() && report.to_string().contains(word),
            "{word}: {report}"
        );
    }
}
