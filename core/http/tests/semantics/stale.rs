//! What holds of stale responses for any directives: none is served that somebody forbids, and what is served says by whose leave.

use proptest::prelude::*;
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};
use understudy_http::semantics::freshness::Freshness;
use understudy_http::semantics::reuse::{Reuse, may_reuse, may_serve_stale_on_error};

const NOW: i64 = 1_800_000_000;

/// A time that is near the others, or any.
fn seconds() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..200, 1 => Just(1 << 31), 1 => any::<u32>()]
}

fn maybe() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![2 => Just(None), 1 => seconds().prop_map(Some)]
}

prop_compose! {
    fn request()(
        max_age in maybe(), max_stale in maybe(), min_fresh in maybe(), stale_if_error in maybe(),
        no_cache in prop::bool::weighted(0.2), only_if_cached: bool,
    ) -> RequestDirectives {
        RequestDirectives { max_age, max_stale, min_fresh, stale_if_error, no_cache, only_if_cached, ..Default::default() }
    }
}

prop_compose! {
    fn stored()(
        s_maxage in prop::option::weighted(0.1, seconds()),
        stale_while_revalidate in maybe(), stale_if_error in maybe(),
        no_cache in prop::bool::weighted(0.1), must_revalidate in prop::bool::weighted(0.1),
        proxy_revalidate in prop::bool::weighted(0.1), immutable: bool,
    ) -> ResponseDirectives {
        ResponseDirectives {
            s_maxage, stale_while_revalidate, stale_if_error, no_cache, must_revalidate, proxy_revalidate, immutable,
            ..Default::default()
        }
    }
}

prop_compose! {
    fn freshness()(age in seconds(), lifetime in seconds()) -> Freshness {
        Freshness { response_time: NOW, corrected_initial_age: age, lifetime, heuristic: false }
    }
}

fn forbids(stored: &ResponseDirectives) -> bool {
    stored.no_cache
        || stored.must_revalidate
        || stored.proxy_revalidate
        || stored.s_maxage.is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn stale_is_served_only_by_somebody_s_leave(r in request(), s in stored(), f in freshness()) {
        let staleness = -f.ttl(NOW);
        match may_reuse(&r, &s, &f, NOW) {
            Reuse::Fresh => prop_assert!(staleness < 0),
            Reuse::StaleAllowed => {
                prop_assert!(staleness >= 0 && !forbids(&s) && !r.no_cache);
                prop_assert!(r.max_stale.is_some_and(|limit| staleness <= i64::from(limit)));
                prop_assert!(r.max_age.is_none_or(|limit| f.age(NOW) <= limit));
            }
            Reuse::StaleWhileRevalidate => {
                prop_assert!(staleness >= 0 && !forbids(&s) && !r.no_cache);
                prop_assert!(s.stale_while_revalidate.is_some_and(|window| staleness < i64::from(window)));
                prop_assert!(r.max_age.is_none() && r.min_fresh.is_none());
                prop_assert!(r.max_stale.is_none_or(|limit| staleness <= i64::from(limit)));
            }
            Reuse::Validate(_) => {}
        }
    }

    #[test]
    fn a_longer_window_never_serves_less(r in request(), s in stored(), f in freshness(), more in seconds()) {
        let window = s.stale_while_revalidate.unwrap_or(0).saturating_add(more);
        let wider = ResponseDirectives { stale_while_revalidate: Some(window), ..s };
        let serves = |s: &ResponseDirectives| !matches!(may_reuse(&r, s, &f, NOW), Reuse::Validate(_));
        prop_assert!(!serves(&s) || serves(&wider));
    }

    #[test]
    fn an_error_never_lifts_what_forbids_stale(r in request(), s in stored(), f in freshness()) {
        let serves = may_serve_stale_on_error(&r, &s, &f, NOW);
        prop_assert!(!(serves && forbids(&s)));
        let limit = r.stale_if_error.or(s.stale_if_error);
        prop_assert!(!serves || limit.is_none_or(|limit| -f.ttl(NOW) <= i64::from(limit)));
        prop_assert!(!(serves && r.no_cache && r.stale_if_error.is_none()));
    }

    #[test]
    fn what_is_served_stale_without_an_error_is_served_with_one(r in request(), s in stored(), f in freshness()) {
        // Unless an origin bounds the one and not the other.
        if may_reuse(&r, &s, &f, NOW) == Reuse::StaleAllowed && r.stale_if_error.is_none() && s.stale_if_error.is_none() {
            prop_assert!(may_serve_stale_on_error(&r, &s, &f, NOW));
        }
    }
}
