//! The documents: OpenAPI for REST, AsyncAPI for the socket, and a page to read the former with.

use axum::routing::get;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::PartialSchema;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Response,
    ResponseBuilder,
};
use utoipa_swagger_ui::SwaggerUi;

use crate::app::App;
use crate::problem;

const OPENAPI_PATH: &str = "/api/v1/openapi.json";

/// Swagger UI is our own file, sets styles on elements and shows its logo from a `data:` address.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// What every operation may answer besides its own: status and what it means.
const ALWAYS: &[(&str, &str)] = &[
    ("429", "Too many requests; `Retry-After` says when to come back, `RateLimit` which limit it was"),
    ("500", "A fault of the server"),
    ("503", "The database is away or the server restarts; `Retry-After` says when to come back"),
];
const WITH_TOKEN: &[(&str, &str)] = &[("401", "The access token is missing, bad, expired or signed out")];
const WITH_PATH: &[(&str, &str)] = &[("404", "Does not exist, or may not be seen: the same answer")];
const WITH_QUERY: &[(&str, &str)] = &[("422", "A parameter is invalid; `errors` names it")];
const WITH_BODY: &[(&str, &str)] = &[
    ("400", "The body is not JSON"),
    ("413", "The body is larger than 256 KiB"),
    ("415", "The body is not `application/json`"),
    ("422", "A field is invalid; `errors` points at each"),
];

/// The document before its routes.
pub(super) fn frame() -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = ComponentsBuilder::new()
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .schema("Problem", problem::Body::schema())
        .schema("FieldError", problem::FieldError::schema())
        .build();
    let info = InfoBuilder::new()
        .title("fynq")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A real-time AI tutoring server. The session socket is described by `/api/v1/asyncapi.json`.",
        ))
        .build();
    let requirement = SecurityRequirement::new("bearer", Vec::<String>::new());
    OpenApiBuilder::new().info(info).components(Some(components)).security(Some([requirement])).build()
}

/// Adds what is the same everywhere: the problems that any operation may answer with.
pub(super) fn finish(mut openapi: OpenApi) -> OpenApi {
    for (path, item) in &mut openapi.paths.paths {
        let in_api = path.starts_with("/api/");
        for operation in operations(item) {
            document_problems(operation, path.contains('{'), in_api);
        }
    }
    openapi
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn document_problems(operation: &mut Operation, has_id: bool, in_api: bool) {
    let open = operation.security.is_some();
    let queries = operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Query),
        RefOr::Ref(_) => false,
    });
    let groups = [
        (in_api, ALWAYS),
        (!open, WITH_TOKEN),
        (has_id, WITH_PATH),
        (queries, WITH_QUERY),
        (operation.request_body.is_some(), WITH_BODY),
    ];
    let responses = &mut operation.responses.responses;
    for (_, group) in groups.iter().filter(|(applies, _)| *applies) {
        for (status, meaning) in *group {
            responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(described(meaning)));
        }
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        // OpenAPI 3.1 wants words for every answer.
        if response.description.is_empty() {
            response.description = meaning(status);
        }
        if status.starts_with(['4', '5']) && response.content.is_empty() {
            let schema = Ref::from_schema_name("Problem");
            response.content.insert(problem::MEDIA_TYPE.to_owned(), RefOr::T(Content::new(Some(schema))));
        }
    }
}

fn meaning(status: &str) -> String {
    let status = status.parse::<u16>().ok().and_then(|status| http::StatusCode::from_u16(status).ok());
    status.and_then(|status| status.canonical_reason()).unwrap_or("As described.").to_owned()
}

fn described(meaning: &str) -> Response {
    ResponseBuilder::new().description(meaning).build()
}

/// `/api/v1/openapi.json`, `/api/v1/asyncapi.json` and `/docs`.
pub(super) fn router(openapi: OpenApi) -> Router<App> {
    let openapi = finish(openapi);
    let page: Router<App> =
        SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from(OPENAPI_PATH)).into();
    let policy = HeaderValue::from_static(PAGE_POLICY);
    let page = page
        .layer(SetResponseHeaderLayer::overriding(CONTENT_SECURITY_POLICY, policy))
        .layer(SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-cache")));
    Router::new()
        .route(OPENAPI_PATH, get(async move || Json(openapi.clone())))
        .route("/api/v1/asyncapi.json", get(async || Json(super::asyncapi::document())))
        .merge(page)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    fn document() -> Value {
        serde_json::from_str(&super::super::openapi()).unwrap()
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match value {
                        Value::String(to) if key == "$ref" => found.push(to.clone()),
                        other => references(other, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    fn each_operation(document: &Value, mut look: impl FnMut(&str, &str, &Value)) {
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in ["get", "put", "post", "delete", "patch"] {
                if let Some(operation) = item.get(method) {
                    look(path, method, operation);
                }
            }
        }
    }

    #[test]
    fn it_is_openapi_3_1_and_its_references_lead_somewhere() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        each_operation(&document, |path, method, operation| {
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["description"].is_string(), "{method} {path} {status}");
            }
        });
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 30, "{}", found.len());
        for reference in found {
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_route_of_the_contract_is_there() {
        let document = document();
        let mut seen = Vec::new();
        each_operation(&document, |path, method, _| seen.push(format!("{method} {path}")));
        for route in [
            "get /api/v1",
            "get /health/live",
            "get /health/ready",
            "get /metrics",
            "post /api/v1/auth/register",
            "post /api/v1/auth/login",
            "post /api/v1/auth/refresh",
            "post /api/v1/auth/logout",
            "post /api/v1/auth/logout-others",
            "post /api/v1/auth/password",
            "post /api/v1/auth/email",
            "post /api/v1/auth/forgot",
            "post /api/v1/auth/reset",
            "post /api/v1/admin/users/{id}/reset-code",
            "get /api/v1/users/me/sign-ins",
            "delete /api/v1/users/me/sign-ins/{id}",
            "get /api/v1/users/me",
            "put /api/v1/users/me",
            "post /api/v1/sessions",
            "get /api/v1/sessions",
            "post /api/v1/sessions/search",
            "get /api/v1/sessions/{id}",
            "patch /api/v1/sessions/{id}",
            "delete /api/v1/sessions/{id}",
            "get /api/v1/sessions/{id}/messages",
            "post /api/v1/chat/message",
            "get /api/v1/chat/history/{user_id}",
            "post /api/v1/socket-tickets",
            "get /api/v1/classes",
            "post /api/v1/classes",
            "get /api/v1/classes/{id}",
            "patch /api/v1/classes/{id}",
            "delete /api/v1/classes/{id}",
            "post /api/v1/classes/{id}/join-code",
            "post /api/v1/classes/join",
            "get /api/v1/classes/{id}/members",
            "post /api/v1/classes/{id}/members",
            "delete /api/v1/classes/{id}/members/{user_id}",
            "get /api/v1/sessions/{id}/whispers",
            "post /api/v1/sessions/{id}/claim",
            "put /api/v1/sessions/{id}/signals/{kind}",
            "get /api/v1/sessions/{id}/replay",
            "get /api/v1/observe/marks",
            "get /api/v1/students/{id}/notes",
            "post /api/v1/students/{id}/notes",
            "patch /api/v1/notes/{id}",
            "delete /api/v1/notes/{id}",
            "post /api/v1/files/upload",
            "get /api/v1/files",
            "get /api/v1/files/{id}",
            "delete /api/v1/files/{id}",
            "get /api/v1/files/{id}/data",
            "get /api/v1/classes/{id}/digest",
            "get /api/v1/admin/users",
            "post /api/v1/admin/users",
            "post /api/v1/admin/users/search",
            "patch /api/v1/admin/users/{id}",
            "post /api/v1/admin/users/{id}/sign-out",
            "post /api/v1/admin/sign-out",
            "get /api/v1/admin/organisation",
            "patch /api/v1/admin/organisation",
            "get /api/v1/audit",
            "get /api/v1/users/me/consent",
            "get /api/v1/users/me/usage",
            "get /api/v1/users/me/export",
            "delete /api/v1/users/me",
            "put /api/v1/admin/users/{id}/consent",
            "get /api/v1/admin/users/{id}/export",
            "delete /api/v1/admin/users/{id}",
            "get /api/v1/admin/organisation/policy",
            "patch /api/v1/admin/organisation/policy",
        ] {
            assert!(seen.iter().any(|known| known == route), "{route} is missing from {seen:#?}");
        }
    }

    /// No route is open by accident: only these work without a token.
    #[test]
    fn only_the_named_routes_are_open() {
        let mut open = Vec::new();
        each_operation(&document(), |path, method, operation| {
            if operation.get("security").is_some() {
                open.push(format!("{method} {path}"));
            }
        });
        open.sort();
        assert_eq!(
            open,
            [
                "get /api/v1",
                // By an address that was signed for somebody.
                "get /api/v1/files/{id}/data",
                "get /health/live",
                "get /health/ready",
                "get /metrics",
                "post /api/v1/auth/forgot",
                "post /api/v1/auth/login",
                "post /api/v1/auth/refresh",
                "post /api/v1/auth/register",
                "post /api/v1/auth/reset",
            ]
        );
    }

    #[test]
    fn every_error_answer_is_a_problem() {
        each_operation(&document(), |path, method, operation| {
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{method} {path}"
            );
            if !path.starts_with("/api/") {
                return;
            }
            for status in ["429", "500", "503"] {
                assert!(responses.contains_key(status), "{method} {path} does not tell of {status}");
            }
            for (status, response) in responses {
                if status.starts_with(['4', '5']) {
                    let content = &response["content"]["application/problem+json"];
                    assert_eq!(
                        content["schema"]["$ref"], "#/components/schemas/Problem",
                        "{method} {path} {status}"
                    );
                }
            }
            if operation.get("requestBody").is_some() {
                for status in ["400", "413", "415", "422"] {
                    assert!(responses.contains_key(status), "{method} {path} does not tell of {status}");
                }
            }
        });
    }
}
