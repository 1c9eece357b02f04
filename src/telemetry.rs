//! Log lines and metrics. Neither ever holds a person's words, a token or a key.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

/// Libraries that print what they carry when they are asked for details: frames, headers,
/// statements. They may speak at `info` and above, whatever `RUST_LOG` says.
const CARRIERS: &[&str] = &[
    "eventsource_stream",
    "h2",
    "hyper",
    "hyper_util",
    "postgres",
    "postgres_protocol",
    "reqwest",
    "rustls",
    "tokio_postgres",
    "tokio_tungstenite",
    "tungstenite",
];

/// Sends log lines to stderr from now on. `filter`: tracing's directives, as in `RUST_LOG`.
pub fn start_log(json: bool, filter: &str) -> anyhow::Result<()> {
    Registry::default().with(layer(json, filter, std::io::stderr)).try_init()?;
    Ok(())
}

fn layer<S, W>(json: bool, filter: &str, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let chosen = EnvFilter::new(filter).and(filter_fn(may_speak));
    let format = tracing_subscriber::fmt::layer().with_writer(writer);
    if json {
        format.json().flatten_event(true).with_filter(chosen).boxed()
    } else {
        format.with_filter(chosen).boxed()
    }
}

fn may_speak(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || !CARRIERS.contains(&root)
}

/// The process's metrics; the recorder is installed by the first call, however many servers a
/// test starts in one process.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = installed.as_ref() {
        return Ok(handle.clone());
    }
    let handle = buckets()?.install_recorder()?;
    *installed = Some(handle.clone());
    Ok(handle)
}

/// Folds what histograms gathered into their buckets, for ever: without it they grow until the
/// next scrape.
pub async fn fold_metrics(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

fn buckets() -> anyhow::Result<PrometheusBuilder> {
    let seconds = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        180.0,
    ];
    let counts = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
    let bytes = [64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];
    Ok(PrometheusBuilder::new()
        .set_buckets(&counts)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &bytes)?)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, filter: &str, act: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = Registry::default().with(layer(json, filter, move || writer.clone()));
        with_default(subscriber, act);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn carriers_keep_their_details_to_themselves_even_when_asked() {
        let out = logged(false, "trace,tungstenite::protocol=trace", || {
            tracing::trace!(target: "tungstenite::protocol::frame", "student words");
            tracing::debug!(target: "tokio_postgres::query", "row values");
            tracing::debug!(target: "fynq::socket", "ours");
            tracing::info!(target: "h2", "theirs");
        });
        assert!(!out.contains("student words") && !out.contains("row values"), "{out}");
        assert!(out.contains("ours") && out.contains("theirs"), "{out}");
    }

    #[test]
    fn json_lines_are_json() {
        let out = logged(true, "info", || tracing::info!(port = 8080, "listening"));
        let line: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
        assert_eq!((&line["message"], &line["port"]), (&"listening".into(), &8080.into()));
    }

    #[test]
    fn the_recorder_can_be_asked_for_twice() {
        let first = metrics().unwrap();
        metrics::histogram!("fynq_test_wait_seconds").record(0.003);
        let second = metrics().unwrap();
        assert!(
            second.render().contains("fynq_test_wait_seconds_bucket{le=\"0.005\"} 1"),
            "{}",
            first.render()
        );
    }
}
