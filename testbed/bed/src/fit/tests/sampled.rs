//! Logs that real servers wrote: 300 lines each of Squid 6 as a proxy and of nginx as a server, of the same made traffic.

use super::{
    super::{log::Format, survey::LeftOut},
    fit,
};
use crate::workload::Popularity;

const SQUID: &str = include_str!("../../../samples/squid.log");
const NGINX: &str = include_str!("../../../samples/nginx.log");

#[test]
fn real_logs_are_read_without_a_bad_line() {
    let left = |errors, redirects| LeftOut {
        errors,
        redirects,
        ..LeftOut::default()
    };
    for (text, format, left_out, not_modified) in [
        (SQUID, Format::Squid, left(2, 2), 23),
        (NGINX, Format::Combined, left(3, 2), 24),
    ] {
        let (survey, fitted, _) = fit(text);
        assert_eq!((survey.unread.lines, survey.unread.bad), (300, 0));
        assert_eq!((survey.format, survey.left_out), (format, left_out));
        assert_eq!(survey.requests.not_modified, not_modified);
        let popularity = fitted.workload.demand.popularity;
        // It was made with 0.8; 300 requests tell little more than that it is not uniform.
        assert!(
            matches!(popularity, Popularity::Zipf { exponent } if (0.5..1.1).contains(&exponent)),
            "{popularity:?}"
        );
    }
}
