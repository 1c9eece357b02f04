//! Where files lie, twice: the folder, and a real S3 server in this process behind a proxy that can misbehave.

use std::sync::{Arc, Mutex};

use fynq::config::{Bucket, People};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as Connections;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use super::app::Scratch;
use super::gotrue::ANON_KEY;
use super::proxy::{Proxy, Target};

pub(crate) struct S3 {
    pub(crate) proxy: Proxy,
    watch: Watch,
    _root: Scratch,
}

/// One request of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) what: String,
    pub(crate) key: String,
    /// The id of the access key.
    pub(crate) by: String,
    /// The session token.
    pub(crate) token: Option<String>,
}

/// Sees every request whose signature is right; plays row level security, as far as it refuses.
#[derive(Clone, Default)]
struct Watch {
    asked: Arc<Mutex<Vec<Asked>>>,
    refused: Arc<Mutex<Vec<&'static str>>>,
}

#[async_trait::async_trait]
impl S3Access for Watch {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> s3s::S3Result<()> {
        let Some(credentials) = cx.credentials() else {
            return Err(s3s::s3_error!(AccessDenied, "nobody"));
        };
        let token = cx.headers().get("x-amz-security-token").map(|token| token.to_str().unwrap().to_owned());
        let key = cx.s3_path().as_object().map(|(_, key)| key.to_owned()).unwrap_or_default();
        let what = cx.s3_op().name().to_owned();
        let refused = token.is_some() && self.refused.lock().unwrap().contains(&what.as_str());
        self.asked.lock().unwrap().push(Asked { what, key, by: credentials.access_key.clone(), token });
        match refused {
            true => Err(s3s::s3_error!(AccessDenied, "new row violates row-level security policy")),
            false => Ok(()),
        }
    }
}

pub(crate) const KEY: &str = "AKIATEST";
/// Of the project whose people come with their own tokens.
pub(crate) const TENANT: &str = "abcdefghijklmnopqrst";
const SECRET: &str = "a secret that is only a test's own";
const BUCKET: &str = "school";

impl S3 {
    pub(crate) async fn start() -> S3 {
        let root = Scratch::new();
        std::fs::create_dir(root.0.join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&root.0).unwrap());
        let mut keys = SimpleAuth::from_single(KEY, SECRET);
        keys.register(TENANT.into(), ANON_KEY.into());
        service.set_auth(keys);
        let watch = Watch::default();
        service.set_access(watch.clone());
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let connections = Connections::new(TokioExecutor::new());
                    let _ = connections.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        S3 { proxy: Proxy::start(Target::Tcp(addr)).await, watch, _root: root }
    }

    /// What was asked since the last look.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.watch.asked.lock().unwrap())
    }

    /// From now on whoever comes with a token of their own is refused these.
    pub(crate) fn refuse_people(&self, what: &[&'static str]) {
        *self.watch.refused.lock().unwrap() = what.to_vec();
    }

    /// As Supabase's storage, of a project whose accounts are used, too.
    pub(crate) fn bucket_of_project(&self) -> Bucket {
        let people = People { tenant: TENANT.into(), anon_key: ANON_KEY.to_owned().into() };
        Bucket { people: Some(people), ..self.bucket() }
    }

    pub(crate) fn bucket(&self) -> Bucket {
        bucket_at(&format!("http://{}", self.proxy.addr))
    }
}

/// The test's bucket, at any endpoint.
pub(crate) fn bucket_at(endpoint: &str) -> Bucket {
    Bucket {
        name: BUCKET.into(),
        prefix: "files".into(),
        key: Some((KEY.into(), SECRET.to_owned().into())),
        session_token: None,
        region: "us-east-1".into(),
        endpoint: Some(endpoint.to_owned()),
        people: None,
    }
}
