//! Bodies of requests: their type, their bound, and what is in them.

use std::collections::TryReserveError;
use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use palisade::Kind;
use palisade::policy::ByteSize;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::api::Api;
use crate::error::{Cause, Failure};
use crate::patience::timeout;

/// A body of JSON, with every field known.
pub(crate) struct Json<T> {
    pub value: T,
    /// The bytes it came in.
    pub bytes: Vec<u8>,
}

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Failure> {
        expect_type(request.headers(), "application/json")?;
        let bytes = read(request, api, api.settings.max_json).await?;
        Ok(Self {
            value: parse(&bytes)?,
            bytes,
        })
    }
}

/// Parses all of `bytes`; an error names the place in the document and in the text.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    // Serde takes an array of the fields for the object of them.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Failure::of(
            Kind::InvalidInput,
            "the body: an array, expected an object",
        ));
    }
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    // Once more, to keep track of the place: that takes longer.
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." { "the body".to_owned() } else { place };
        Failure::of(Kind::InvalidInput, format!("{place}: {}", error.inner()))
    })?;
    let end = source.end();
    end.map_err(|error| Failure::of(Kind::InvalidInput, format!("the body: {error}")))?;
    Ok(value)
}

/// The query, with every field known.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Api>> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Failure> {
        // What is no text would come as other characters.
        let query = parts.uri.query().unwrap_or_default();
        if percent_decode_str(query).decode_utf8().is_err() {
            return Err(Failure::of(Kind::InvalidInput, "the query is not UTF-8"));
        }
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(error) => Err(Failure::of(Kind::InvalidInput, error.body_text())),
        }
    }
}

/// Refuses a body of another type.
pub(crate) fn expect_type(headers: &HeaderMap, expected: &str) -> Result<(), Failure> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split(';').next()).unwrap_or_default();
    if given.trim().eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Failure::new(Cause::WrongType, format!("the body must be {expected}")))
}

/// Reads a body of at most `most`, in the time which a request may take.
pub(crate) async fn read(request: Request, api: &Api, most: ByteSize) -> Result<Vec<u8>, Failure> {
    let too_large = || Failure::new(Cause::TooLarge, format!("the body may have {most}"));
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most.as_bytes()) {
        return Err(too_large());
    }
    let limit = usize::try_from(most.as_bytes()).unwrap_or(usize::MAX);
    let body = collect(Limited::new(request.into_body(), limit), announced.unwrap_or(0));
    match timeout(api.settings.request_time, body).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) if error.is::<TryReserveError>() => {
            Err(Failure::of(Kind::Exhausted, "there is no memory for it"))
        }
        Ok(Err(_)) => Err(Failure::of(Kind::InvalidInput, "the body broke off")),
        Err(_) => Err(Failure::new(Cause::Slow, "the body did not come in time")),
    }
}

/// Reads a body of text, of at most the size which one of JSON may have.
pub(crate) async fn text(request: Request, api: &Api, media: &str) -> Result<String, Failure> {
    expect_type(request.headers(), media)?;
    let bytes = read(request, api, api.settings.max_json).await?;
    String::from_utf8(bytes).map_err(|_| Failure::of(Kind::InvalidInput, "the body is not UTF-8"))
}

/// All of a body in one piece, which is as large as was announced from the start: one that grows is moved, and is there
/// twice meanwhile.
async fn collect(mut body: Limited<Body>, announced: u64) -> Result<Vec<u8>, BoxError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(announced as usize)?;
    while let Some(frame) = body.frame().await {
        if let Ok(part) = frame?.into_data() {
            bytes.extend_from_slice(&part);
        }
    }
    Ok(bytes)
}

/// A body of any length, as it comes.
pub(crate) struct Chunks {
    body: Body,
    /// How long it may be silent.
    patience: Duration,
}

impl Chunks {
    pub(crate) fn of(request: Request, api: &Api) -> Self {
        Self {
            body: request.into_body(),
            patience: api.settings.request_time,
        }
    }

    /// The bytes which come next; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = timeout(self.patience, self.body.frame()).await;
            return match frame {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(_trailers) => continue,
                },
                Ok(None) => Ok(None),
                Ok(Some(Err(_))) => Err(Failure::of(Kind::InvalidInput, "the body broke off")),
                Err(_) => Err(Failure::new(Cause::Slow, "the body did not go on in time")),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use palisade::policy::LimitsRequest;
    use palisade_wire::Named;

    use super::*;

    fn message<T: DeserializeOwned>(text: &str) -> String {
        match parse::<T>(text.as_bytes()) {
            Ok(_) => panic!("{text} was taken"),
            Err(failure) => failure.into_body(None).message,
        }
    }

    #[test]
    fn an_error_says_what_and_where() {
        let said = message::<BTreeMap<String, LimitsRequest>>(r#"{"limits": {"memroy": 1}}"#);
        assert!(said.starts_with("limits.memroy: unknown field `memroy`"), "{said}");
        let said = message::<BTreeMap<String, u8>>("{\n\"a\": }");
        assert!(said.contains("line 2 column 6"), "{said}");
        let said = message::<LimitsRequest>(" [null]");
        assert!(said.contains("expected an object"), "{said}");
        let said = message::<BTreeMap<String, u8>>("{} x");
        assert!(said.contains("trailing characters"), "{said}");
    }

    #[test]
    fn a_name_which_is_there_twice_is_refused() {
        let said = message::<Named<u8>>(r#"{"a": 1, "b\"": 2, "b\u0022": 3}"#);
        assert!(said.contains(r#""b\"" is there twice"#), "{said}");
        let Ok(Named(members)) = parse(br#"{"b": 1, "a": 2}"#) else {
            panic!("it was refused");
        };
        assert_eq!(members, BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]));
    }

    #[tokio::test]
    async fn a_body_is_held_once() {
        let body = || Limited::new(Body::from(vec![7; 100_000]), 100_000);
        let bytes = collect(body(), 100_000).await.unwrap();
        assert_eq!((bytes.len(), bytes.capacity()), (100_000, 100_000));
        assert_eq!(collect(body(), 0).await.unwrap(), bytes);
        assert!(collect(body(), u64::MAX).await.unwrap_err().is::<TryReserveError>());
        let error = collect(Limited::new(Body::from("12"), 1), 0).await.unwrap_err();
        assert!(error.is::<LengthLimitError>(), "{error}");
    }

    #[test]
    fn parameters_of_a_type_do_not_matter() {
        let with = |value: &str| HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
        assert!(expect_type(&with("Application/JSON; charset=utf-8"), "application/json").is_ok());
        assert!(expect_type(&with("text/plain"), "application/json").is_err());
        assert!(expect_type(&HeaderMap::new(), "application/json").is_err());
    }
}
