//! Why a request was not done, and how that is told: one form for every answer which is no success.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use palisade::Kind;
use palisade::policy::Denial;
pub(crate) use palisade_wire::ErrorBody;

use crate::told;

/// What is wrong: with the request, or with what it asked of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Library(Kind),
    Unauthenticated,
    Forbidden,
    NoSuchMethod,
    TooLarge,
    WrongType,
    Slow,
    BeyondEnd,
}

impl Cause {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Library(kind) => status_of(kind),
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::BeyondEnd => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    fn kind(self) -> palisade_wire::Kind {
        use palisade_wire::Kind;
        match self {
            Self::Library(kind) => told::kind(kind),
            Self::Unauthenticated => Kind::Unauthenticated,
            Self::Forbidden => Kind::Forbidden,
            Self::NoSuchMethod => Kind::MethodNotAllowed,
            Self::TooLarge => Kind::TooLarge,
            Self::WrongType => Kind::UnsupportedMediaType,
            Self::Slow => Kind::RequestTimeout,
            Self::BeyondEnd => Kind::RangeNotSatisfiable,
        }
    }

    /// The cause of an answer which another made, without saying more.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::Library(Kind::NotFound),
            StatusCode::METHOD_NOT_ALLOWED => Self::NoSuchMethod,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::WrongType,
            StatusCode::REQUEST_TIMEOUT => Self::Slow,
            StatusCode::RANGE_NOT_SATISFIABLE => Self::BeyondEnd,
            status if status.is_client_error() => Self::Library(Kind::InvalidInput),
            _ => Self::Library(Kind::Internal),
        }
    }
}

/// Why this status code.
fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::InvalidInput => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Corrupt | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An answer which is no success, on its way to [`attend`](crate::attend), which gives it its request's id and writes it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    cause: Cause,
    message: String,
    denials: Vec<Denial>,
}

impl Failure {
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
            denials: Vec::new(),
        }
    }

    pub(crate) fn of(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(Cause::Library(kind), message)
    }

    /// The same, with what it is about before its message.
    pub(crate) fn about(self, what: &str) -> Self {
        Self {
            message: format!("{what}: {}", self.message),
            ..self
        }
    }

    /// The failure which is behind this answer; `None` where it is a success, or has nothing new.
    pub(crate) fn behind(response: &mut Response) -> Option<Self> {
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return None;
        }
        let told = response.extensions_mut().remove::<Self>();
        Some(told.unwrap_or_else(|| {
            let reason = status.canonical_reason().unwrap_or("it failed");
            Self::new(Cause::of_status(status), reason.to_ascii_lowercase())
        }))
    }

    pub(crate) fn into_body(self, request_id: Option<String>) -> ErrorBody {
        let Self {
            cause,
            message,
            denials,
        } = self;
        ErrorBody {
            kind: cause.kind(),
            message,
            denials,
            request_id,
        }
    }

    /// The answer, with what its status asks for in the head.
    pub(crate) fn write(self, mut head: HeaderMap, request_id: String) -> Response {
        let status = self.cause.status();
        head.remove(header::CONTENT_LENGTH);
        head.remove(header::CONTENT_TYPE);
        if status == StatusCode::UNAUTHORIZED {
            head.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        let body = axum::Json(self.into_body(Some(request_id)));
        let mut response = (status, body).into_response();
        response.headers_mut().extend(head);
        response
    }
}

impl From<palisade::Error> for Failure {
    fn from(error: palisade::Error) -> Self {
        Self {
            denials: error.denials().to_vec(),
            ..Self::of(error.kind(), error.to_string())
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.cause.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_as_the_library_names_them() {
        for kind in [
            Kind::InvalidInput,
            Kind::NotFound,
            Kind::Denied,
            Kind::Conflict,
            Kind::Exhausted,
            Kind::Timeout,
            Kind::Unsupported,
            Kind::Unavailable,
            Kind::Corrupt,
            Kind::Internal,
        ] {
            let told = serde_json::to_value(told::kind(kind)).unwrap();
            assert_eq!(serde_json::to_value(kind).unwrap(), told);
            assert!(!status_of(kind).is_success());
        }
    }

    #[test]
    fn what_another_answered_gets_the_same_form() {
        let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
        let failure = Failure::behind(&mut response).unwrap();
        assert_eq!(failure.into_body(None).kind, palisade_wire::Kind::MethodNotAllowed);
        for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
            assert!(Failure::behind(&mut status.into_response()).is_none());
        }
    }
}
