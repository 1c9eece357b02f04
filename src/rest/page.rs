//! Lists: a page of items and an opaque cursor to the next one.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use garde::Validate;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::store;

use super::input::{no_nul, not_blank};

const DEFAULT_LIMIT: u32 = 50;
/// The longest of ours has about 210 bytes.
const MAX_CURSOR: usize = 256;

#[derive(Debug, Default, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Items per page.
    #[garde(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub(super) limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    pub(super) cursor: Option<String>,
}

impl ListQuery {
    pub(super) fn limit(&self) -> usize {
        limit(self.limit)
    }

    /// Where the page before ended. The cursor is read as hostile input: it carries no rights, only
    /// a position among what the caller may see anyway.
    pub(super) fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        after(self.cursor.as_deref())
    }
}

/// A list asked for by words. They are in the body: an address is written down on its way, and a name or an
/// e-mail address does not belong there.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    /// Only what holds this text, in any case.
    #[garde(length(chars, min = 1, max = 200), custom(not_blank), custom(no_nul))]
    #[schema(min_length = 1, max_length = 200)]
    q: String,
    /// Items per page.
    #[serde(default)]
    #[garde(range(min = 1, max = 100))]
    #[schema(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[garde(skip)]
    #[schema(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

impl Search {
    pub(super) fn words(&self) -> &str {
        self.q.trim()
    }

    pub(super) fn limit(&self) -> usize {
        limit(self.limit)
    }

    /// As of a `ListQuery`.
    pub(super) fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        search_after(self.cursor.as_deref())
    }
}

/// Where the page before ended, of a search with more to ask for.
pub(super) fn search_after<K: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<K>, Problem> {
    cursor.map(|cursor| decode(cursor, "/cursor")).transpose()
}

/// Where the page before ended, of a list with more to ask for.
pub(super) fn after<K: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<K>, Problem> {
    cursor.map(|cursor| decode(cursor, "?cursor")).transpose()
}

pub(super) fn limit(asked: Option<u32>) -> usize {
    usize::try_from(asked.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX)
}

/// `pointer`: where it came in.
fn decode<K: DeserializeOwned>(cursor: &str, pointer: &str) -> Result<K, Problem> {
    let bad = || Problem::field(pointer, "is not a cursor of this list");
    if cursor.len() > MAX_CURSOR {
        return Err(bad());
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
    serde_json::from_slice(&bytes).map_err(|_| bad())
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// `null` on the last page.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
}

impl<T> Page<T> {
    pub(super) fn of<R, K: Serialize>(page: store::Page<R, K>, item: impl Fn(R) -> T) -> Page<T> {
        Page {
            items: page.items.into_iter().map(item).collect(),
            next_cursor: page.next.as_ref().map(encode),
        }
    }
}

fn encode<K: Serialize>(key: &K) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(cursor: &str) -> ListQuery {
        ListQuery { limit: None, cursor: Some(cursor.into()) }
    }

    #[test]
    fn a_cursor_leads_to_the_next_page() {
        let page = Page::of(store::Page { items: vec![1, 2], next: Some((2, "key")) }, |n| n);
        assert_eq!(page.items, [1, 2]);
        let next = page.next_cursor.unwrap();
        assert!(next.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')), "{next}");
        assert_eq!(query(&next).after::<(i32, String)>().unwrap(), Some((2, "key".into())));
    }

    #[test]
    fn a_search_is_checked() {
        let read = |body: serde_json::Value| super::super::input::read::<Search>(body.to_string().as_bytes());
        let good = read(serde_json::json!({"q": " Ada ", "limit": 100, "cursor": null})).ok().unwrap();
        assert_eq!((good.words(), good.limit()), ("Ada", 100));
        assert_eq!(read(serde_json::json!({"q": "%"})).ok().unwrap().limit(), 50);
        for bad in [
            serde_json::json!({}),
            serde_json::json!({"q": ""}),
            serde_json::json!({"q": " "}),
            serde_json::json!({"q": "\0"}),
            serde_json::json!({"q": "x".repeat(201)}),
            serde_json::json!({"q": "x", "limit": 0}),
            serde_json::json!({"q": "x", "limit": 101}),
            serde_json::json!({"q": "x", "student_id": "x"}),
            serde_json::json!({"search": "x"}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        let foreign = read(serde_json::json!({"q": "x", "cursor": "!"})).ok().unwrap();
        assert_eq!(foreign.after::<crate::id::Uuid>().unwrap_err().errors()[0].pointer, "/cursor");
    }

    #[test]
    fn a_foreign_cursor_is_a_422() {
        let other = encode(&"another list's");
        for bad in ["", "!", "a", "bnVsbA==", &other, &"A".repeat(1000)] {
            let problem = query(bad).after::<(i64, crate::id::Uuid)>().unwrap_err();
            assert_eq!((problem.status().as_u16(), &*problem.errors()[0].pointer), (422, "?cursor"), "{bad}");
        }
    }
}
