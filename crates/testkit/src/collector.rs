//! An OpenTelemetry collector in the test's own process: it receives spans by OTLP (protobuf over HTTP) and keeps them.
//!
//! ```text
//! let collector = Collector::start().await;
//! let app = TestApp::new(PROGRAM).await.set("WENYUAN_OTLP_ENDPOINT", collector.url());
//! …
//! let spans = collector.spans_of("4bf92f3577b34da6a3ce929d0e0e4736", |spans| spans.len() > 3).await;
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value;
use prost::Message as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::eventually;

/// A running collector; gone with this value.
#[derive(Debug)]
pub struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<ReceivedSpan>>>,
    task: JoinHandle<()>,
}

/// A span as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedSpan {
    /// Trace id in hexadecimal.
    pub trace_id: String,
    /// Id in hexadecimal.
    pub id: String,
    /// Id of the parent in hexadecimal; empty if it has none.
    pub parent_id: String,
    /// Name.
    pub name: String,
    /// Kind, as numbered by OTLP: 1 internal, 2 server, 3 client.
    pub kind: i32,
    /// Duration in nanoseconds.
    pub nanoseconds: u64,
    /// Attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// Attributes of the process it comes from, as text.
    pub resource: BTreeMap<String, String>,
}

impl Collector {
    /// Starts one on a port of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let spans = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&spans);
        let task = tokio::spawn(async move {
            while let Ok((stream, _from)) = listener.accept().await {
                let received = Arc::clone(&received);
                tokio::spawn(async move {
                    // An exporter that is stopped goes away.
                    let _served = serve(stream, &received).await;
                });
            }
        });
        Self { address, spans, task }
    }

    /// Address for `WENYUAN_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns all spans received so far.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the spans of a trace are as expected, and returns them.
    pub async fn spans_of(
        &self,
        trace_id: &str,
        is_expected: impl Fn(&[ReceivedSpan]) -> bool,
    ) -> Vec<ReceivedSpan> {
        eventually("the spans of a trace", async || {
            let spans: Vec<_> = self.spans().into_iter().filter(|span| span.trace_id == trace_id).collect();
            is_expected(&spans).then_some(spans)
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, spans: &Mutex<Vec<ReceivedSpan>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        let head = head.to_lowercase();
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.expect("a length").trim().parse().expect("a number")];
        stream.read_exact(&mut body).await?;
        let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("an export of traces");
        spans.lock().unwrap_or_else(PoisonError::into_inner).extend(received(request));
        let answer = ExportTraceServiceResponse::default().encode_to_vec();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(&[head.as_bytes(), &answer].concat()).await?;
    }
}

fn received(request: ExportTraceServiceRequest) -> Vec<ReceivedSpan> {
    let mut received = Vec::new();
    for resource_spans in request.resource_spans {
        let resource = attributes(resource_spans.resource.unwrap_or_default().attributes);
        for span in resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            received.push(ReceivedSpan {
                trace_id: hexadecimal(&span.trace_id),
                id: hexadecimal(&span.span_id),
                parent_id: hexadecimal(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                nanoseconds: span.end_time_unix_nano - span.start_time_unix_nano,
                attributes: attributes(span.attributes),
                resource: resource.clone(),
            });
        }
    }
    received
}

fn attributes(pairs: Vec<opentelemetry_proto::tonic::common::v1::KeyValue>) -> BTreeMap<String, String> {
    let text = |value: any_value::Value| match value {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::BoolValue(value) => value.to_string(),
        other => format!("{other:?}"),
    };
    pairs.into_iter().filter_map(|pair| Some((pair.key, text(pair.value?.value?)))).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
