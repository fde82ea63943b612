//! Distributed tracing: W3C trace contexts of requests, and export of spans by OTLP (protobuf over HTTP).
//!
//! Nothing of it is installed unless `WENYUAN_OTLP_ENDPOINT` is set; then [`logging`](crate::logging) adds [`Export::layer`]. Spans are
//! those of this program's crates, and one for each database statement, created from sqlx's event with its name and duration. Log lines and statement texts are not exported. If the collector is unreachable, spans are lost and nothing else fails.
//!
//! <https://www.w3.org/TR/trace-context/>, <https://opentelemetry.io/docs/specs/otlp/>

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use axum::http::{HeaderMap, HeaderName, Method, Request, Response};
use bytes::Bytes;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use store::statements::{self, Statement};
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context as LayerContext;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, filter};

/// Time limit of an export, and of the last one at the end.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Crates whose spans are exported.
const OUR_TARGETS: [&str; 6] = ["wenyuan", "chat", "library", "registry", "identity", "store"];

/// Whether spans are exported; set once, at startup.
static IS_EXPORTING: AtomicBool = AtomicBool::new(false);

/// Running export of spans.
#[derive(Debug)]
pub(crate) struct Export(SdkTracerProvider);

impl Export {
    /// Starts exporting to a collector, on the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails if the HTTP client or the exporter cannot be created.
    pub(crate) fn start(endpoint: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(EXPORT_TIMEOUT)
            .no_proxy()
            .build()
            .context("failed to set up the export of spans")?;
        let client = Collector { http, runtime: Handle::current(), is_unreachable: AtomicBool::new(false) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(traces_url(endpoint))
            .build()
            .context("failed to set up the export of spans (WENYUAN_OTLP_ENDPOINT)")?;
        let resource = Resource::builder()
            .with_service_name("wenyuan")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        IS_EXPORTING.store(true, Ordering::Relaxed);
        Ok(Self(provider))
    }

    /// Returns the layer that turns spans and statements into exported spans.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let tracer = self.0.tracer("wenyuan");
        let ours = Targets::new().with_targets(OUR_TARGETS.map(|target| (target, LevelFilter::INFO)));
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method is not general over lifetimes"
        )]
        let only_spans = filter::filter_fn(|metadata| metadata.is_span());
        let spans = tracing_opentelemetry::layer()
            .with_tracer(tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_level(false)
            .with_target(false)
            .with_filter(ours)
            .with_filter(only_spans);
        let statements = StatementSpans(tracer)
            .with_filter(Targets::new().with_target(statements::TARGET, LevelFilter::DEBUG));
        spans.and_then(statements)
    }

    /// Sends the last spans.
    pub(crate) fn stop(self) {
        // The client has logged lost spans.
        let _lost = self.0.shutdown_with_timeout(EXPORT_TIMEOUT);
    }
}

/// Returns the URL for traces at a collector's base URL, as for `OTEL_EXPORTER_OTLP_ENDPOINT`.
fn traces_url(endpoint: &str) -> String {
    let endpoint = endpoint.trim().trim_end_matches('/');
    if endpoint.ends_with("/v1/traces") { endpoint.to_owned() } else { format!("{endpoint}/v1/traces") }
}

/// Creates the span of an HTTP request, with the request id and the trace id: that of the `traceparent` header, or a new one if
/// spans are exported.
///
/// It is enabled at every log level, so that warnings carry the request id.
pub(crate) fn request_span(id: &str, method: &Method, route: &str, headers: &HeaderMap) -> Span {
    use tracing::field::Empty;
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    if !IS_EXPORTING.load(Ordering::Relaxed) {
        let span = tracing::error_span!("request", request.id = id, trace.id = Empty);
        record_trace_id(&span, &parent);
        return span;
    }
    let span = tracing::error_span!(
        "request",
        request.id = id,
        trace.id = Empty,
        otel.kind = "server",
        otel.name = format!("{method} {route}"),
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
        otel.status_code = Empty,
    );
    let _not_exported = span.set_parent(parent);
    record_trace_id(&span, &span.context());
    span
}

fn record_trace_id(span: &Span, context: &Context) {
    let context = context.span().span_context().clone();
    if context.is_valid() {
        span.record("trace.id", tracing::field::display(context.trace_id()));
    }
}

/// Records the response status in the span of a request.
pub(crate) fn record_status(span: &Span, status: u16) {
    if IS_EXPORTING.load(Ordering::Relaxed) {
        span.record("http.response.status_code", status);
        if status >= 500 {
            span.record("otel.status_code", "ERROR");
        }
    }
}

struct Headers<'request>(&'request HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Creates a span for each database statement within a span, from its name and duration.
struct StatementSpans(SdkTracer);

impl<S: Subscriber> Layer<S> for StatementSpans {
    fn on_event(&self, event: &Event<'_>, _context: LayerContext<'_, S>) {
        // Context of the span in which the statement ran: entering a span activates its context.
        let parent = Context::current();
        if !parent.has_active_span() {
            return;
        }
        let Some(statement) = Statement::read(event) else { return };
        #[expect(clippy::disallowed_methods, reason = "spans use the clock of their machine")]
        let end = SystemTime::now();
        let span = self
            .0
            .span_builder(statement.name.clone())
            .with_kind(SpanKind::Client)
            .with_start_time(end.checked_sub(statement.duration).unwrap_or(end))
            .with_attributes([
                KeyValue::new("db.system.name", "postgresql"),
                KeyValue::new("db.query.summary", statement.name),
            ]);
        span.start_with_context(&self.0, &parent).end_with_timestamp(end);
    }
}

/// HTTP client of the exporter, which runs on its own thread; connections run on the Tokio runtime.
#[derive(Debug)]
struct Collector {
    http: reqwest::Client,
    runtime: Handle,
    /// Whether the last export failed: only the first failure in a row is logged.
    is_unreachable: AtomicBool,
}

impl HttpClient for Collector {
    fn send_bytes<'client, 'sending>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'client: 'sending,
        Self: 'sending,
    {
        Box::pin(async move {
            let sent = self.runtime.spawn(send(self.http.clone(), request)).await;
            let sent = sent.map_err(HttpError::from).and_then(std::convert::identity);
            let error = match &sent {
                Ok(response) if response.status().is_success() => None,
                Ok(response) => Some(format!("the collector answered {}", response.status())),
                Err(error) => Some(error.to_string()),
            };
            let outcome = if error.is_some() { "lost" } else { "sent" };
            metrics::counter!("wenyuan_trace_exports_total", "outcome" => outcome).increment(1);
            let was_unreachable = self.is_unreachable.swap(error.is_some(), Ordering::Relaxed);
            if let Some(error) = error
                && !was_unreachable
            {
                tracing::warn!(error, "failed to export spans: they are lost; check WENYUAN_OTLP_ENDPOINT");
            }
            sent
        })
    }
}

async fn send(http: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let request = reqwest::Request::try_from(request)?;
    let response = http.execute(request).await?;
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    *answer.body_mut() = response.bytes().await?;
    Ok(answer)
}
