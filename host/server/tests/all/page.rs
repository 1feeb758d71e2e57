//! The files of the pages, and whose pages may ask for more.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Method;
use serde_json::json;

use crate::client::{Answer, Running};

async fn get(server: &Running, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_say_that_nothing_else_is_loaded_and_no_text_is_markup() {
    let server = Running::start().await;
    for (path, media) in [
        ("/", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/page/app.js", "text/javascript; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ] {
        let answer = get(&server, path, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["content-type"]),
            (200, &media.parse().unwrap())
        );
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        let rules: Vec<&str> = policy.split(';').map(str::trim).collect();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(rules.contains(&rule), "{rule} of {path}: {policy}");
        }
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    }
    for path in [
        "/page/x",
        "/page/mod.rs",
        "/page/../page.rs",
        "/page/index.html",
        "/page/",
    ] {
        get(&server, path, &[]).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_which_has_a_file_is_not_sent_it_again() {
    let server = Running::start().await;
    let first = get(&server, "/page/app.js", &[]).await;
    let tag = first.headers["etag"].to_str().unwrap();
    let again = get(&server, "/page/app.js", &[("if-none-match", tag)]).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    assert_eq!(again.headers["etag"], tag);
    let other = get(&server, "/page/app.js", &[("if-none-match", "\"x\"")]).await;
    assert_eq!((other.status.as_u16(), other.body), (200, first.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_this_server_may_ask_and_no_other_page() {
    let server = Running::start().await;
    let own = format!("http://{}", server.address);
    for (origin, status) in [
        (own.as_str(), 201),
        ("https://evil.test", 403),
        ("http://127.0.0.1:1", 403),
        ("null", 403),
    ] {
        let request = server
            .request(Method::POST, "/v1/sandboxes")
            .header("origin", origin)
            .header("authorization", format!("Bearer {}", server.admin))
            .header("content-type", "application/json");
        let body = Full::new(Bytes::from(json!({}).to_string()));
        let answer = server.send(request.body(body).unwrap()).await;
        assert!(
            !answer.headers.contains_key("access-control-allow-origin"),
            "{answer:?}"
        );
        answer.expect(status);
        let id = server.sandbox().await;
        let request = server
            .request(Method::DELETE, &format!("/v1/sandboxes/{id}"))
            .header("origin", origin)
            .header("authorization", format!("Bearer {}", server.admin));
        let answer = server.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status.is_success(), status == 201, "{origin}: {answer:?}");
    }
    // What asks whether another page may ask is not answered with leave.
    let asks = server
        .request(Method::OPTIONS, "/v1/sandboxes")
        .header("origin", "https://evil.test")
        .header("access-control-request-method", "DELETE")
        .header("access-control-request-headers", "authorization");
    let answer = server.send(asks.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_told_its_role() {
    let server = Running::start().await;
    let own = server.get("/v1/about").await.expect(200);
    assert_eq!(own["role"], "admin");
    assert!(server.admin.contains(own["key"].as_str().unwrap()), "{own}");
}
