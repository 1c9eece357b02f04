//! A bucket of Supabase's as people see it whose accounts are there: asked with their own tokens, so that its row
//! level security applies. (Its words for it: the project's reference is the access key's id, the anon key the
//! secret, and the person's access token the session token.)

use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::People;

/// Makes views. One is a few words around the connections that all of them share, so it is made for each use, and
/// none is kept.
pub(super) struct Views {
    bucket: AmazonS3Builder,
    prefix: String,
}

impl Views {
    pub(super) fn new(
        bucket: AmazonS3Builder,
        client: &ClientOptions,
        prefix: &str,
        people: &People,
    ) -> object_store::Result<Views> {
        let connections = Connections(ReqwestConnector::default().connect(client)?);
        let bucket = bucket
            .with_http_connector(connections)
            .with_access_key_id(&people.tenant)
            .with_secret_access_key(people.anon_key.expose_secret());
        let views = Views { bucket, prefix: prefix.to_owned() };
        // What is wrong with it is said at the start.
        views.of(&SecretString::from("nobody's"))?;
        Ok(views)
    }

    pub(super) fn of(&self, token: &SecretString) -> object_store::Result<Arc<dyn ObjectStore>> {
        let store = self.bucket.clone().with_token(token.expose_secret()).build()?;
        Ok(Arc::new(PrefixStore::new(store, self.prefix.as_str())))
    }
}

/// Gives every view the same connections.
#[derive(Debug)]
struct Connections(HttpClient);

impl HttpConnector for Connections {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}
