//! The store against a real PostgreSQL.

use fynq::store::Store;

use crate::support::pg::Db;

#[tokio::test]
async fn a_store_opens() {
    let db = Db::new().await;
    let store = Store::connect(&db.settings(), std::path::Path::new("/nowhere")).await.unwrap();
    store.check().await.unwrap();
    assert!(!store.message_exists(fynq::id::new(), fynq::id::new()).await.unwrap());
    store.close().await;
}
