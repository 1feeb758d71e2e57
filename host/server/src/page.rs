//! The pages for people: one of what runs at `/`, and one of the routes at `/docs`.
//!
//! They are files which hold nothing, so they are for anyone. What they show, a browser asks for with the key that its
//! user gives. They load nothing from elsewhere, run no script but these, and no text becomes markup: the headers have a
//! browser enforce that.

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use palisade::Kind;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::error::Failure;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Scripts make elements and set their text; with no policy for trusted types, none can have text parsed as markup.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

struct File {
    name: &'static str,
    media: &'static str,
    text: &'static str,
}

macro_rules! file {
    ($name:literal, $media:expr) => {
        File {
            name: $name,
            media: $media,
            text: include_str!(concat!("page/", $name)),
        }
    };
}

const INDEX: &File = &file!("index.html", HTML);
const DOCS: &File = &file!("docs.html", HTML);

/// What those two load.
const PARTS: &[File] = &[
    file!("page.css", CSS),
    file!("icon.svg", IMAGE),
    file!("app.js", SCRIPT),
    file!("call.js", SCRIPT),
    file!("chart.js", SCRIPT),
    file!("client.js", SCRIPT),
    file!("denial.js", SCRIPT),
    file!("docs.js", SCRIPT),
    file!("dom.js", SCRIPT),
    file!("feed.js", SCRIPT),
    file!("follow.js", SCRIPT),
    file!("form.js", SCRIPT),
    file!("sandbox.js", SCRIPT),
    file!("show.js", SCRIPT),
    file!("snapshots.js", SCRIPT),
    file!("usage.js", SCRIPT),
];

/// What the files of this build are, all together.
static TAG: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mut digest = blake3::Hasher::new();
    for file in [INDEX, DOCS].into_iter().chain(PARTS) {
        digest.update(file.text.as_bytes());
    }
    let tag = format!("\"{}\"", &digest.finalize().to_hex()[..32]);
    HeaderValue::from_str(&tag).expect("a digest is digits")
});

pub(crate) fn add_to(router: OpenApiRouter<Arc<Api>>) -> OpenApiRouter<Arc<Api>> {
    router
        .routes(routes!(index))
        .routes(routes!(docs))
        .routes(routes!(part))
}

/// A page of what runs, for people.
#[utoipa::path(get, path = "/", security(()), responses((status = 200, body = String, content_type = "text/html"),
    (status = 304, description = "it is the one of `If-None-Match`")))]
async fn index(headers: HeaderMap) -> Response {
    INDEX.answer(&headers)
}

/// A page of these routes, for people.
#[utoipa::path(get, path = "/docs", security(()), responses((status = 200, body = String, content_type = "text/html"),
    (status = 304, description = "it is the one of `If-None-Match`")))]
async fn docs(headers: HeaderMap) -> Response {
    DOCS.answer(&headers)
}

/// What the pages load.
#[utoipa::path(get, path = "/page/{file}", security(()), params(("file" = String, Path)),
    responses((status = 200, description = "a script, a style sheet or an image"),
    (status = 304, description = "it is the one of `If-None-Match`")))]
async fn part(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Failure> {
    let found = PARTS.iter().find(|file| file.name == name);
    let file = found.ok_or_else(|| Failure::of(Kind::NotFound, "the pages have no such file"))?;
    Ok(file.answer(&headers))
}

impl File {
    fn answer(&self, asked: &HeaderMap) -> Response {
        let text = HeaderValue::from_static;
        let head = [
            (header::ETAG, TAG.clone()),
            (header::CACHE_CONTROL, text("no-cache")),
            (header::CONTENT_SECURITY_POLICY, text(CONTENT_POLICY)),
            (header::X_CONTENT_TYPE_OPTIONS, text("nosniff")),
            (header::REFERRER_POLICY, text("no-referrer")),
            (
                header::HeaderName::from_static("cross-origin-opener-policy"),
                text("same-origin"),
            ),
            (
                header::HeaderName::from_static("cross-origin-resource-policy"),
                text("same-origin"),
            ),
        ];
        let known = asked.get_all(header::IF_NONE_MATCH).iter();
        match known.filter_map(|tags| tags.to_str().ok()).any(names_this) {
            true => (StatusCode::NOT_MODIFIED, head).into_response(),
            false => (head, [(header::CONTENT_TYPE, self.media)], self.text).into_response(),
        }
    }
}

/// Whether a list of tags has this one. Proxies which compress mark it as weak.
fn names_this(tags: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == TAG.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_in_a_list_and_weak() {
        let tag = TAG.to_str().unwrap();
        for tags in [tag, "*", &format!("W/{tag}"), &format!("\"x\", {tag}")] {
            assert!(names_this(tags), "{tags}");
        }
        for tags in ["", "\"x\"", &tag[1..], "W/"] {
            assert!(!names_this(tags), "{tags}");
        }
    }

    #[test]
    fn what_a_file_names_is_there() {
        for file in [INDEX, DOCS].into_iter().chain(PARTS) {
            let named = file.text.split(['"', '\'']).filter_map(|word| {
                let word = word.strip_prefix("/page/").or_else(|| word.strip_prefix("./"))?;
                word.contains('.').then_some(word)
            });
            for name in named {
                assert!(PARTS.iter().any(|part| part.name == name), "{}: {name}", file.name);
            }
        }
    }
}
