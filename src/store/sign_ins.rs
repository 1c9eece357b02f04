//! Sign-ins as their owner sees and ends them.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::Uuid;

use super::{Page, Store, StoreError};

#[derive(Clone, Debug)]
pub struct OwnSignIn {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    /// Empty: nothing is known of the device.
    pub label: String,
}

impl Store {
    /// Those that are alive, newest first.
    pub async fn own_sign_ins(
        &self,
        who: Uuid,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Page<OwnSignIn, (Timestamp, Uuid)>, StoreError> {
        let (at, id) = after.unzip();
        // One more than asked for tells whether there is a next page.
        let rows = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/sign_ins_list.sql"),
                &[(&who, Type::UUID), (&at, Type::TIMESTAMPTZ), (&id, Type::UUID), (&rows, Type::INT8)],
            )
            .await?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| (last.created_at, last.id));
        Ok(Page { items, next })
    }

    /// False: there is no such sign-in of this person's, or it has ended.
    pub async fn end_own_sign_in(&self, who: Uuid, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/sign_ins_end.sql");
        let params = [(&id as _, Type::UUID), (&who as _, Type::UUID), (&now as _, Type::TIMESTAMPTZ)];
        Ok(!self.as_user(who).change(sql, &params).await?.is_empty())
    }

    /// Those that it ended: all but this one.
    pub async fn end_other_sign_ins(
        &self,
        who: Uuid,
        but: Uuid,
        now: Timestamp,
    ) -> Result<Vec<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/sign_ins_end_others.sql");
        let params = [(&who as _, Type::UUID), (&but as _, Type::UUID), (&now as _, Type::TIMESTAMPTZ)];
        let rows = self.as_user(who).change(sql, &params).await?;
        rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }

    /// When each of these was last used, in the same order.
    pub async fn sign_ins_used(&self, ids: &[Uuid], times: &[Timestamp]) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/sign_ins_used.sql");
        self.at_the_door()
            .execute(sql, &[(&ids, Type::UUID_ARRAY), (&times, Type::TIMESTAMPTZ_ARRAY)])
            .await?;
        Ok(())
    }
}

fn read(row: &Row) -> Result<OwnSignIn, StoreError> {
    Ok(OwnSignIn {
        id: row.try_get("id")?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        label: row.try_get("label")?,
    })
}
