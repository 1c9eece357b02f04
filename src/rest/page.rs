//! Lists: a page of items and an opaque cursor to the next one.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use garde::Validate;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::store;

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
        self.cursor.as_deref().map(decode).transpose()
    }
}

pub(super) fn limit(asked: Option<u32>) -> usize {
    usize::try_from(asked.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX)
}

fn decode<K: DeserializeOwned>(cursor: &str) -> Result<K, Problem> {
    let bad = || Problem::field("?cursor", "is not a cursor of this list");
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
    fn a_foreign_cursor_is_a_422() {
        let other = encode(&"another list's");
        for bad in ["", "!", "a", "bnVsbA==", &other, &"A".repeat(1000)] {
            let problem = query(bad).after::<(i64, crate::id::Uuid)>().unwrap_err();
            assert_eq!((problem.status().as_u16(), &*problem.errors()[0].pointer), (422, "?cursor"), "{bad}");
        }
    }
}
