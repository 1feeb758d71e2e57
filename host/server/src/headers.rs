//! Headers which may be there once.

use axum::http::HeaderMap;

/// A header which is there twice, or is no text.
#[derive(Debug)]
pub(crate) struct Unclear;

/// The one value of a header, if it has one.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Unclear> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Unclear),
        (Some(_), Some(_)) => Err(Unclear),
    }
}
