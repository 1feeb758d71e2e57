//! The routes, and the document which is made of them.

use std::sync::Arc;

use axum::Router;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::api::{self, Api};
use crate::error::ErrorBody;
use crate::page;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "palisade",
        description = "Sandboxes for untrusted code. Every answer which is no success is an `ErrorBody`, but for a 400 or \
                       431 without a body where the head of a request is no HTTP/1.1 or too large.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ErrorBody)),
    security(("bearer" = []), ("header" = [])),
)]
struct Document;

/// All routes, with what each takes and gives.
fn routes() -> OpenApiRouter<Arc<Api>> {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
    components.add_security_scheme("header", SecurityScheme::ApiKey(header));
    let mut routes = page::add_to(api::add_to(OpenApiRouter::with_openapi(document)));
    tell_errors(routes.get_openapi_mut());
    routes
}

/// Says of every operation how it fails.
fn tell_errors(document: &mut OpenApi) {
    let content = Content::new(Some(Ref::from_schema_name("ErrorBody")));
    let error = ResponseBuilder::new()
        .description("It was not done, and `kind` says why.")
        .content("application/json", content)
        .build();
    let components = document.components.get_or_insert_default();
    components.responses.insert("Error".to_owned(), error.into());
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.options,
            &mut item.head,
            &mut item.patch,
            &mut item.trace,
        ];
        for operation in operations.into_iter().flatten() {
            let error = Ref::from_response_name("Error");
            operation.responses.responses.insert("default".to_owned(), error.into());
        }
    }
}

/// The document of all routes, in OpenAPI 3.1.
pub(crate) fn document() -> OpenApi {
    routes().split_for_parts().1
}

/// The routes, which [`attend`](crate::attend) guards. [`Server::new`](crate::Server::new) has compared them with the table
/// of access.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(api)
}
