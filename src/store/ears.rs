//! Hears what is notified, on a connection of its own. Behind a pooler in transaction mode nothing is heard:
//! whoever listens asks now and then as well.

use std::future::poll_fn;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client};

use crate::id;

use super::pool::CONNECT_TIMEOUT;
use super::writer::told;
use super::{Store, StoreError};

/// As `fynq.enqueue_task` names it.
const CHANNEL: &str = "fynq_tasks";
/// What was notified and not yet heard. When it is full, what comes is lost: who has so much to hear looks anyway.
const HEARD: usize = 16;
/// Our own word comes back within this time, or never.
const ECHO: Duration = Duration::from_secs(2);

/// An ear at the tasks' channel; dropped, its connection ends.
pub struct Ear {
    client: Client,
    heard: mpsc::Receiver<String>,
}

impl Store {
    /// `None`: something between here and PostgreSQL keeps notifications to itself.
    pub async fn listen_tasks(&self) -> Result<Option<Ear>, StoreError> {
        let (tell, heard) = mpsc::channel(HEARD);
        let connected = timeout(CONNECT_TIMEOUT, self.0.address.connect_and(tell)).await;
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => {
                tracing::debug!(error = told(&error), "no connection to listen on");
                return Err(StoreError::Unavailable);
            }
            Err(_) => return Err(StoreError::Unavailable),
        };
        let mut ear = Ear { client, heard };
        ear.hears_itself().await.map(|hears| hears.then_some(ear))
    }
}

impl Ear {
    async fn hears_itself(&mut self) -> Result<bool, StoreError> {
        let word = id::new().to_string();
        let said = async {
            self.client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
            let sql = include_str!("../../sql/queries/task_echo.sql");
            self.client.query_typed(sql, &[(&word, Type::TEXT)]).await?;
            Ok::<_, tokio_postgres::Error>(())
        };
        match timeout(CONNECT_TIMEOUT, said).await {
            Ok(said) => said?,
            Err(_) => return Err(StoreError::Unavailable),
        }
        let heard = &mut self.heard;
        let echo = async {
            while let Some(text) = heard.recv().await {
                if text == word {
                    return true;
                }
            }
            false
        };
        Ok(timeout(ECHO, echo).await.unwrap_or(false))
    }

    /// What was notified. `None`: the connection has ended.
    pub async fn hear(&mut self) -> Option<String> {
        self.heard.recv().await
    }
}

impl super::Address {
    /// A connection whose notifications go to `tell`, as far as there is room.
    async fn connect_and(&self, tell: mpsc::Sender<String>) -> Result<Client, tokio_postgres::Error> {
        let (client, mut connection) = self.open().await?;
        tokio::spawn(async move {
            loop {
                match poll_fn(|cx| connection.poll_message(cx)).await {
                    Some(Ok(AsyncMessage::Notification(said))) => {
                        let _ = tell.try_send(said.payload().to_owned());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        tracing::debug!(error = told(&error), "the connection that listens ended");
                        return;
                    }
                    None => return,
                }
            }
        });
        Ok(client)
    }
}
