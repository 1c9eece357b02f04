//! Where files lie, twice: the folder, and a real S3 server in this process behind a proxy that can misbehave.

use fynq::config::Bucket;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as Connections;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use super::app::Scratch;
use super::proxy::{Proxy, Target};

pub(crate) struct S3 {
    pub(crate) proxy: Proxy,
    _root: Scratch,
}

const KEY: &str = "AKIATEST";
const SECRET: &str = "a secret that is only a test's own";
const BUCKET: &str = "school";

impl S3 {
    pub(crate) async fn start() -> S3 {
        let root = Scratch::new();
        std::fs::create_dir(root.0.join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&root.0).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
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
        S3 { proxy: Proxy::start(Target::Tcp(addr)).await, _root: root }
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
    }
}
