//! Answers: bodies that are sent in pieces, refusals as JSON, and the headers that all have.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

/// Nothing but the page's own files runs or is loaded in it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
     connect-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'";

/// One piece of a body: what a slow browser can make hyper hold.
const PIECE: usize = 64 << 10;

/// A whole body in memory.
#[derive(Debug, Default)]
pub struct Body {
    data: Bytes,
    /// What a large body takes of the memory for answers, until it is sent.
    _share: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// A body that holds `share` until it is sent.
    pub fn with_share(data: Bytes, share: Option<OwnedSemaphorePermit>) -> Self {
        Self { data, _share: share }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(data: T) -> Self {
        Self::with_share(data.into(), None)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.data.is_empty() {
            return Poll::Ready(None);
        }
        let len = self.data.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.data.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.len() as u64)
    }
}

/// An answer with the headers that all answers have. It is not to be stored, unless `stored` says for how long.
pub fn answer(
    status: StatusCode,
    content_type: &'static str,
    stored: Option<&'static str>,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, stored.unwrap_or("no-store")),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// An answer in plain text.
pub fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", None, Bytes::from_static(text.as_bytes()))
}

/// Why a request is not answered as asked, and what would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// What is wrong and what to do about it.
    pub error: String,
    /// What is allowed in place of what came.
    pub allowed: Vec<String>,
    /// A header that the status asks for.
    pub header: Option<(header::HeaderName, &'static str)>,
}

impl Refusal {
    /// A refusal without alternatives.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), allowed: Vec::new(), header: None }
    }

    /// A bad request, with what is allowed.
    pub fn bad<T: Into<String>>(error: impl Into<String>, allowed: impl IntoIterator<Item = T>) -> Self {
        Self { allowed: allowed.into_iter().map(Into::into).collect(), ..Self::new(StatusCode::BAD_REQUEST, error) }
    }

    /// The path knows other methods.
    pub fn method(allow: &'static str) -> Self {
        Self {
            allowed: allow.split(", ").map(str::to_owned).collect(),
            header: Some((header::ALLOW, allow)),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path takes {allow} only"))
        }
    }

    /// The engine is on its way down.
    pub fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the engine is stopping")
    }
}

impl From<crate::merger::Stopped> for Refusal {
    fn from(_: crate::merger::Stopped) -> Self {
        Self::stopping()
    }
}

impl From<Refusal> for Response<Body> {
    fn from(refusal: Refusal) -> Self {
        #[derive(Serialize)]
        struct Shown<'a> {
            error: &'a str,
            /// Since when it is counted: not at all.
            #[serde(skip_serializing_if = "Option::is_none")]
            since: Option<Option<f64>>,
            allowed: &'a [String],
        }
        let since = (refusal.status == StatusCode::CONFLICT).then_some(None);
        let shown = Shown { error: &refusal.error, since, allowed: &refusal.allowed };
        let body = serde_json::to_vec(&shown).expect("texts are JSON");
        let mut response = answer(refusal.status, "application/json", None, body);
        if let Some((name, value)) = refusal.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
