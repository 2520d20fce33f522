//! The shapes of answers (atlas-api.md sections 1 and 2).

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// What is known of a request before its route is.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// What `X-Request-ID` says.
    pub(super) request_id: String,
    /// The first digits of the key's hash; empty without a key.
    pub(super) key_hash: String,
    /// Whether the path belongs to the billing API, whose errors look different.
    pub(super) billing: bool,
}

/// Marks an answer that tells the id of a new prediction.
#[derive(Clone)]
pub(super) struct Made;

/// An answer to be sent.
pub(super) type Reply = Response<Body>;

/// An answer with JSON in it.
pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    typed(status, "application/json", value.to_string())
}

/// An answer of some type.
pub(super) fn typed(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    let value = HeaderValue::from_static(content_type);
    reply.headers_mut().insert(CONTENT_TYPE, value);
    reply
}

/// The envelope of a success.
pub(super) fn success(data: &Value) -> Reply {
    json(StatusCode::OK, &json!({ "code": 200, "message": "success", "data": data }))
}

impl Call {
    /// The envelope of an error.
    pub(super) fn error(&self, status: StatusCode, message: &str) -> Reply {
        let body = if self.billing {
            json!({
                "error": {
                    "type": "invalid_request_error",
                    "code": status.as_u16().to_string(),
                    "message": message,
                    "param": null,
                },
                "request_id": self.request_id,
            })
        } else {
            json!({
                "code": status.as_u16(),
                "msg": message,
                "request_id": self.request_id,
                "data": null,
            })
        };
        json(status, &body)
    }

    /// A wrong key or a wrong path: the API does not tell them apart.
    pub(super) fn unauthorized(&self) -> Reply {
        self.error(StatusCode::UNAUTHORIZED, "unauthorized")
    }
}
