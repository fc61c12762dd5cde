//! `/metrics`: everything that is counted, in Prometheus text.
//!
//! Invariant: base units, and no label whose values a client could choose.
//! Awkward case: the counters live in the workers and are summed when asked for, so families are made from a snapshot, not registered.

use super::module_metrics as modules;
use crate::{
    log::json::outcome_words,
    messages::{Ask, Report},
    overseer::Overseer,
    process,
};
use actix::Addr;
use actix_web::{HttpResponse, web};
use prometheus::{
    Encoder, TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};
use std::time::UNIX_EPOCH;
use understudy_proxy::stats::{self, BUCKETS_US};

/// The text.
pub(super) async fn get(overseer: web::Data<Addr<Overseer>>) -> HttpResponse {
    let Ok(report) = overseer.send(Ask).await else {
        return HttpResponse::ServiceUnavailable().finish();
    };
    match text(&report) {
        Ok(text) => HttpResponse::Ok()
            .content_type(TextEncoder::new().format_type().to_owned())
            .body(text),
        Err(e) => HttpResponse::InternalServerError().body(format!("{e}\n")),
    }
}

/// The report as Prometheus text.
pub(super) fn text(report: &Report) -> prometheus::Result<String> {
    TextEncoder::new().encode_to_string(&families(report))
}

fn families(report: &Report) -> Vec<MetricFamily> {
    let c = &report.counters;
    let mut f = Families(Vec::new());
    f.gauge(
        "understudy_build_info",
        "A constant 1 labelled with the version.",
        [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)],
    );
    f.gauge1(
        "understudy_workers",
        "Worker threads.",
        report.loaded.values.workers as u64,
    );
    f.gauge1(
        "understudy_draining",
        "1 while the proxy is on its way out.",
        u64::from(report.draining),
    );
    f.counter1(
        "understudy_connections_total",
        "Client connections accepted.",
        c.connections,
    );
    f.gauge1(
        "understudy_connections_open",
        "Client connections open.",
        c.connections_open,
    );
    f.counter1(
        "understudy_connections_refused_total",
        "Client connections refused by the limit.",
        c.connections_refused,
    );
    f.counter1("understudy_requests_total", "Requests read.", c.requests);
    f.gauge1(
        "understudy_transactions_open",
        "Transactions under way.",
        c.transactions_open,
    );
    let outcomes = outcome_words()
        .zip(c.outcomes)
        .map(|(word, n)| (vec![("outcome", word)], n as f64));
    f.counter(
        "understudy_transactions_total",
        "Transactions finished, by how they were answered.",
        outcomes,
    );
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"]
        .into_iter()
        .zip(c.classes)
        .map(|(class, n)| (vec![("class", class)], n as f64));
    f.counter(
        "understudy_responses_total",
        "Responses sent, by class of status.",
        classes,
    );
    f.counter1(
        "understudy_client_received_bytes_total",
        "Bytes read from clients.",
        c.bytes_in,
    );
    f.counter1(
        "understudy_client_sent_bytes_total",
        "Bytes written to clients.",
        c.bytes_out,
    );
    f.counter1(
        "understudy_origin_requests_total",
        "Requests sent to origins.",
        c.origin_requests,
    );
    f.counter1(
        "understudy_origin_received_bytes_total",
        "Bytes read from origins.",
        c.origin_bytes_in,
    );
    f.counter1(
        "understudy_origin_connects_total",
        "Connections made to origins.",
        c.origin_connects,
    );
    f.counter1(
        "understudy_origin_failures_total",
        "Exchanges with origins that failed.",
        c.origin_failures,
    );
    f.gauge1(
        "understudy_origin_idle_connections",
        "Idle connections kept to origins.",
        c.origin_idle,
    );
    let behind = ["done", "failed"].into_iter().zip(c.background);
    f.counter(
        "understudy_background_validations_total",
        "Validations behind stale answers, by their result.",
        behind.map(|(result, n)| (vec![("result", result)], n as f64)),
    );
    f.histograms(
        "understudy_transaction_duration_seconds",
        "Time from a request's first byte to the end of its answer.",
        [("hit", &c.hit_seconds), ("miss", &c.miss_seconds)],
    );
    if let Some(s) = &report.cache {
        f.gauge1("understudy_cache_entries", "Responses stored.", s.entries);
        f.gauge1(
            "understudy_cache_bytes",
            "Memory the cache holds, index and fetches in progress included.",
            s.bytes,
        );
        f.gauge1(
            "understudy_cache_ceiling_bytes",
            "Memory the cache may hold.",
            s.ceiling,
        );
        f.gauge1(
            "understudy_cache_fills",
            "Fetches into the cache in progress.",
            s.fills,
        );
        f.counter1(
            "understudy_cache_stored_total",
            "Responses put into the cache.",
            s.stored,
        );
        f.counter1(
            "understudy_cache_evicted_total",
            "Responses evicted to make room.",
            s.evicted,
        );
        f.counter1(
            "understudy_cache_evicted_bytes_total",
            "Bytes evicted to make room.",
            s.evicted_bytes,
        );
        f.counter1(
            "understudy_cache_invalidated_total",
            "Responses invalidated.",
            s.invalidated,
        );
        f.counter1(
            "understudy_cache_purges_total",
            "Purges done, dry runs not counted.",
            s.purges,
        );
        let purged = [("removed", s.purged), ("made_stale", s.staled)]
            .map(|(result, n)| (vec![("result", result)], n as f64));
        f.counter(
            "understudy_cache_purged_total",
            "Responses purged, by what became of them.",
            purged,
        );
        f.counter1(
            "understudy_cache_purged_bytes_total",
            "Memory of the responses that purges removed.",
            s.purged_bytes,
        );
        f.counter1(
            "understudy_cache_freshened_total",
            "Responses freshened by a validation.",
            s.freshened,
        );
    }
    modules::add(&mut f, &report.modules);
    f.counter1(
        "understudy_access_log_lines_total",
        "Lines of the access log written.",
        report.log.0,
    );
    f.counter1(
        "understudy_access_log_dropped_lines_total",
        "Lines of the access log lost: too many waited, or they could not be written.",
        report.log.1,
    );
    let reloads = [("done", report.reloads.0), ("refused", report.reloads.1)]
        .map(|(result, n)| (vec![("result", result)], n as f64));
    f.counter(
        "understudy_reloads_total",
        "Reloads of the configuration.",
        reloads,
    );
    let started = report
        .started
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    f.gauge(
        "process_start_time_seconds",
        "When the process started, since 1970.",
        [(vec![], started)],
    );
    if let Some(bytes) = process::resident_bytes() {
        f.gauge1("process_resident_memory_bytes", "Resident memory.", bytes);
    }
    if let Some(seconds) = process::cpu_seconds() {
        f.counter(
            "process_cpu_seconds_total",
            "Processor time, user and system.",
            [(vec![], seconds)],
        );
    }
    if let Some(most) = process::open_files_limit() {
        f.gauge1(
            "process_max_fds",
            "Most files the process may have open.",
            most,
        );
    }
    f.0
}

/// Names and values. A value is never a client's to choose: words of ours, or names from the configuration.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Families being gathered.
#[derive(Default)]
pub(super) struct Families(pub(super) Vec<MetricFamily>);

impl Families {
    fn add(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    fn counter1(&mut self, name: &str, help: &str, value: u64) {
        self.counter(name, help, [(vec![], value as f64)]);
    }

    fn gauge1(&mut self, name: &str, help: &str, value: u64) {
        self.gauge(name, help, [(vec![], value as f64)]);
    }

    pub(super) fn counter<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) {
        let metrics = values.into_iter().map(|(labels, value)| {
            let mut counter = Counter::default();
            counter.set_value(value);
            let mut metric = metric(labels);
            metric.set_counter(counter);
            metric
        });
        self.add(name, help, MetricType::COUNTER, metrics.collect());
    }

    pub(super) fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) {
        let metrics = values.into_iter().map(|(labels, value)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut metric = metric(labels);
            metric.set_gauge(gauge);
            metric
        });
        self.add(name, help, MetricType::GAUGE, metrics.collect());
    }

    fn histograms<'h>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (&'static str, &'h stats::Histogram)>,
    ) {
        let metrics = values.into_iter().map(|(cache, counts)| {
            let mut metric = metric(vec![("cache", cache)]);
            metric.set_histogram(histogram(counts));
            metric
        });
        self.add(name, help, MetricType::HISTOGRAM, metrics.collect());
    }
}

fn metric(labels: Labels<'_>) -> Metric {
    let labels = labels.into_iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    });
    Metric::from_label(labels.collect())
}

/// Buckets become cumulative; the last one, above all bounds, is the encoder's `+Inf`.
fn histogram(counts: &stats::Histogram) -> Histogram {
    let mut sum = 0;
    let buckets = BUCKETS_US.iter().zip(counts.counts).map(|(bound, count)| {
        sum += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound as f64 / 1e6);
        bucket.set_cumulative_count(sum);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counts.counts.iter().sum());
    histogram.set_sample_sum(counts.sum_us as f64 / 1e6);
    histogram
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Families, histogram};
    use prometheus::TextEncoder;
    use understudy_proxy::stats;

    #[test]
    fn buckets_are_cumulative_seconds() {
        let mut counts = stats::Histogram {
            sum_us: 2_000_150,
            ..Default::default()
        };
        counts.counts[0] = 3;
        counts.counts[1] = 2;
        counts.counts[16] = 1;
        let made = histogram(&counts);
        let first: Vec<_> = made
            .get_bucket()
            .iter()
            .take(3)
            .map(|b| (b.upper_bound(), b.cumulative_count()))
            .collect();
        assert_eq!(first, [(0.000_05, 3), (0.000_1, 5), (0.000_25, 5)]);
        assert_eq!((made.get_bucket().len(), made.get_sample_count()), (16, 6));
        let mut families = Families(Vec::new());
        families.histograms("x_seconds", "X.", [("hit", &counts)]);
        families.counter1("y_total", "Y.", 7);
        let text = TextEncoder::new().encode_to_string(&families.0).unwrap();
        for line in [
            "# TYPE x_seconds histogram",
            "x_seconds_bucket{cache=\"hit\",le=\"0.00005\"} 3",
            "x_seconds_bucket{cache=\"hit\",le=\"30\"} 5",
            "x_seconds_bucket{cache=\"hit\",le=\"+Inf\"} 6",
            "x_seconds_sum{cache=\"hit\"} 2.00015",
            "x_seconds_count{cache=\"hit\"} 6",
            "# TYPE y_total counter",
            "y_total 7",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
