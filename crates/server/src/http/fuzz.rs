//! Fuzz tests of what the HTTP layer reads from a request before anyone is known: headers and forms.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use axum::extract::{FromRequest as _, FromRequestParts as _, Multipart};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use testkit::fuzz;

use super::{accept, client, cookies, etag, idempotency, language, lenient};

/// Returns headers with this value, if it can be one.
fn headers(name: HeaderName, value: &[u8]) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).ok()?)]))
}

#[test]
fn headers_are_read_whatever_they_hold() {
    let examples: [&[u8]; 4] = [
        b"text/html,application/xhtml+xml;q=0.9,text/markdown;q=0.801,*/*;q=0.1",
        b"text/markdown",
        b"application/json;charset=utf-8, text/event-stream",
        b"text/*;q=1.0",
    ];
    fuzz("accept", &examples, |value| {
        let Some(headers) = headers(header::ACCEPT, value) else { return };
        accept::prefers_markdown(&headers);
        accept::prefers_page(&headers);
    });
    fuzz("accept-language", &[b"zh-CN,zh;q=0.9,en;q=0.8", b"en-GB", b"*;q=0.5"], |value| {
        let Some(headers) = headers(header::ACCEPT_LANGUAGE, value) else { return };
        language::Language::of(&headers, None);
    });
    fuzz("cookie", &[b"wenyuan_language=zh; wenyuan_session=\"a=b\"", b"a=1;b=2", b"="], |value| {
        let Some(headers) = headers(header::COOKIE, value) else { return };
        if let Some(found) = cookies::cookie(&headers, "wenyuan_session") {
            assert!(
                value.windows(found.len().max(1)).any(|part| part == found.as_bytes()) || found.is_empty()
            );
        }
    });
    let hops: [&[u8]; 4] =
        [b"10.9.9.9, 198.51.100.7", b"[2001:db8::7]:4711", b"unknown", b"::ffff:192.0.2.9"];
    fuzz("x-forwarded-for", &hops, |value| {
        let Some(headers) = headers(HeaderName::from_static("x-forwarded-for"), value) else { return };
        let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
        // Who is no proxy is believed nothing.
        assert_eq!(client::address(stranger, &headers, &[]), stranger);
        client::address(IpAddr::V4(Ipv4Addr::LOCALHOST), &headers, &[]);
    });
    fuzz("idempotency-key", &[b"\"7f3e-1\"", b"abc", b"\"\"", b"a b"], |value| {
        let Some(headers) = headers(HeaderName::from_static("idempotency-key"), value) else { return };
        if let Ok(key) = idempotency::key(&headers) {
            assert!((1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    });
}

#[tokio::test]
async fn preconditions_hold_for_the_right_tag_alone() {
    let mut values: Vec<HeaderMap> = Vec::new();
    fuzz("if-match", &[b"\"0123456789abcdef\"", b"*", b"W/\"a\", \"b\"", b"\"a\",*"], |value| {
        values.extend(headers(header::IF_MATCH, value));
    });
    for headers in values {
        let has_any = headers[header::IF_MATCH]
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|tag| tag.trim_ascii() == b"*");
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.headers = headers;
        let Ok(precondition) = etag::Precondition::from_request_parts(&mut parts, &()).await;
        assert_eq!(precondition.require(&"state").is_ok(), has_any, "{:?}", parts.headers);
    }
}

#[tokio::test]
async fn forms_end_whatever_they_hold() {
    let form: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"library\"\r\n\r\nfastify\r\n--b\r\nContent-Disposition: \
        form-data; name=\"file\"; filename=\"a.md\"\r\nContent-Type: text/markdown\r\n\r\n# A\r\n--b--\r\n";
    let mut bodies = Vec::new();
    fuzz("multipart", &[form, b"--b--", b"--b\r\n\r\n\r\n--b--"], |body| bodies.push(body.to_vec()));
    for body in bodies {
        let mut request = Request::new(Body::from(body));
        let kind = HeaderValue::from_static("multipart/form-data; boundary=b");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        let Ok(mut form) = Multipart::from_request(request, &()).await else { continue };
        while let Ok(Some(field)) = form.next_field().await {
            if super::multipart::text(field).await.is_err() {
                break;
            }
        }
    }
}

#[test]
fn arguments_of_agents_are_read_or_refused() {
    #[derive(serde::Deserialize)]
    struct Arguments {
        #[serde(default, deserialize_with = "lenient::integer")]
        limit: Option<usize>,
        #[serde(default, deserialize_with = "lenient::boolean")]
        all: Option<bool>,
        library: Option<String>,
    }
    let examples: [&[u8]; 3] = [
        b"{\"limit\":\"10\",\"all\":\"true\",\"library\":null}",
        b"{\"limit\":1e3,\"all\":1}",
        b"{\"arguments\":{}}",
    ];
    fuzz("arguments", &examples, |text| {
        let Ok(arguments) = serde_json::from_slice(text) else { return };
        if let Ok(Arguments { limit, all, library }) = lenient::arguments(arguments) {
            std::hint::black_box((limit, all, library));
        }
    });
}
