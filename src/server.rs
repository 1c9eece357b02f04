//! Put the parts together, start, drain, stop.

use std::net::SocketAddr;

use crate::config::Settings;

pub async fn serve(_settings: Settings) -> anyhow::Result<()> {
    anyhow::bail!("the server is not put together")
}

pub async fn migrate(_settings: Settings) -> anyhow::Result<()> {
    anyhow::bail!("the server is not put together")
}

pub fn openapi() -> String {
    String::new()
}

pub async fn demo_model(_listen: SocketAddr) -> anyhow::Result<()> {
    anyhow::bail!("the server is not put together")
}
