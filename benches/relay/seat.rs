//! A socket of a lesson: what it says and when, one thing after another.

use anyhow::{Context, bail, ensure};
use memchr::memmem;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::answer::{marks, now};
use crate::socket::{Door, PATIENCE, Wire};

/// What was heard and is not looked at yet. When it is full the socket is read no further: a lesson that leaves
/// so much unread has gone wrong, and says so when its patience ends.
const UNHEARD: usize = 256;
/// What was said and is not on its way yet. When it is full, saying more fails: a lesson waits for an answer to
/// each word.
const UNSAID: usize = 8;
/// In every whisper; on no student's socket.
pub(crate) const SECRET: &str = "whispered-in-the-bench";
/// How the emulator begins when it was told something and is asked to show it.
const GUIDED: &[u8] = b"~guided~";

/// What a lesson looks at.
pub(crate) enum Seen {
    /// The first words of an answer: when the model said them, in nanoseconds since 1970.
    Words { said: u64, guided: bool },
    /// A run's end. `chunks`: of the model's.
    Ended { reason: String, chunks: u64 },
    /// The state: whether a tutor has the word. `late`: how often the model has spoken
    /// so far while one had it.
    State { held: bool, late: u64 },
    /// What became of a whisper.
    Whispered { id: Uuid, state: String },
}

pub(crate) struct Seat {
    says: mpsc::Sender<String>,
    seen: mpsc::Receiver<anyhow::Result<(Instant, Seen)>>,
}

impl Seat {
    pub(crate) async fn take(door: &Door, is_student: bool) -> anyhow::Result<Seat> {
        let mut wire = Wire::open(door, 0, false).await?;
        let mut ear = Ear { is_student, ..Ear::default() };
        while ear.seq.is_none() {
            ear.hear(&timeout(PATIENCE, wire.next()).await.context("no snapshot came")??)?;
        }
        let (says, to_say) = mpsc::channel(UNSAID);
        let (sees, seen) = mpsc::channel(UNHEARD);
        tokio::spawn(async move {
            if let Err(error) = serve(wire, ear, to_say, &sees).await {
                // Whoever looked may have gone.
                let _ = sees.send(Err(error)).await;
            }
        });
        Ok(Seat { says, seen })
    }

    /// When it was said, by both clocks.
    pub(crate) fn say(&self, command: &serde_json::Value) -> anyhow::Result<(Instant, u64)> {
        let at = (Instant::now(), now()?);
        self.says.try_send(command.to_string()).context("the socket takes nothing")?;
        Ok(at)
    }

    pub(crate) async fn next(&mut self) -> anyhow::Result<(Instant, Seen)> {
        timeout(PATIENCE, self.seen.recv())
            .await
            .context("no frame came")?
            .context("the socket was closed")?
    }

    /// Reads on until `picks` finds what it looks for.
    pub(crate) async fn until<T>(
        &mut self,
        mut picks: impl FnMut(&Seen) -> Option<T>,
    ) -> anyhow::Result<(Instant, T)> {
        loop {
            let (at, seen) = self.next().await?;
            if let Some(found) = picks(&seen) {
                return Ok((at, found));
            }
        }
    }
}

/// Until nobody looks any more.
async fn serve(
    mut wire: Wire,
    mut ear: Ear,
    mut to_say: mpsc::Receiver<String>,
    sees: &mpsc::Sender<anyhow::Result<(Instant, Seen)>>,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            text = wire.next() => {
                if let Some(seen) = ear.hear(&text?)? {
                    // Ends below if nobody looks.
                    let _ = sees.send(Ok((Instant::now(), seen))).await;
                }
            }
            said = to_say.recv() => match said {
                Some(said) => wire.send(said).await?,
                None => return Ok(()),
            },
        }
    }
}

/// Reads frames in their order.
#[derive(Default)]
struct Ear {
    is_student: bool,
    /// The last entry seen; none before the snapshot.
    seq: Option<u64>,
    held: bool,
    late: u64,
    /// The message in which the model speaks.
    answer: Option<String>,
    chunks: u64,
}

#[derive(Deserialize)]
struct Frame {
    seq: Option<u64>,
    ev: Option<Event>,
    ctl: Option<Control>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    r#type: String,
    message_id: Option<String>,
    role: Option<String>,
    delta: Option<String>,
    result: Option<End>,
}

#[derive(Deserialize)]
struct End {
    finish_reason: String,
}

#[derive(Deserialize)]
struct Control {
    r#type: String,
    head: Option<u64>,
    control: Option<String>,
    id: Option<Uuid>,
    /// Of `whispered` a word, of `ready` an object.
    state: Option<serde_json::Value>,
}

impl Ear {
    fn hear(&mut self, text: &[u8]) -> anyhow::Result<Option<Seen>> {
        let shown = || String::from_utf8_lossy(text);
        ensure!(
            !self.is_student || memmem::find(text, SECRET.as_bytes()).is_none(),
            "a whisper: {}",
            shown()
        );
        let frame: Frame = serde_json::from_slice(text).with_context(|| format!("a frame: {}", shown()))?;
        match (frame.seq, frame.ev, frame.ctl) {
            (Some(seq), Some(event), _) => {
                let before = self.seq.replace(seq).context("an entry before the snapshot")?;
                ensure!(seq == before + 1, "entry {seq} came after entry {before}");
                self.entry(event).with_context(|| format!("{}", shown()))
            }
            (_, _, Some(control)) => self.control(control).with_context(|| format!("{}", shown())),
            _ => bail!("neither an entry nor a control frame: {}", shown()),
        }
    }

    fn entry(&mut self, event: Event) -> anyhow::Result<Option<Seen>> {
        match event.r#type.as_str() {
            "RUN_STARTED" => (self.answer, self.chunks) = (None, 0),
            "TEXT_MESSAGE_START" if event.role.as_deref() == Some("assistant") => {
                self.answer = event.message_id;
            }
            "TEXT_MESSAGE_CONTENT" if event.message_id == self.answer => {
                self.late += u64::from(self.held);
                let delta = event.delta.unwrap_or_default();
                let (is_first, mut said) = (self.chunks == 0, None);
                for (at, number) in marks(delta.as_bytes()) {
                    ensure!(number == self.chunks, "chunk {number} came where {} was due", self.chunks);
                    self.chunks += 1;
                    said.get_or_insert(at);
                }
                let said = said.context("words without a mark")?;
                let guided = memmem::find(delta.as_bytes(), GUIDED).is_some();
                return Ok(is_first.then_some(Seen::Words { said, guided }));
            }
            "RUN_FINISHED" => {
                let reason = event.result.context("a run ended without a reason")?.finish_reason;
                return Ok(Some(Seen::Ended { reason, chunks: self.chunks }));
            }
            "RUN_ERROR" => bail!("an answer failed"),
            _ => {}
        }
        Ok(None)
    }

    fn control(&mut self, control: Control) -> anyhow::Result<Option<Seen>> {
        match control.r#type.as_str() {
            "snapshot" => {
                let head = control.head.context("a snapshot without its head")?;
                ensure!(self.seq.replace(head).is_none(), "somebody who reads was moved forward");
            }
            "state" => {
                self.held = control.control.as_deref() == Some("tutor");
                return Ok(Some(Seen::State { held: self.held, late: self.late }));
            }
            "whispered" => {
                let state = control.state.and_then(|state| Some(state.as_str()?.to_owned()));
                let (id, state) = (control.id.context("no id")?, state.context("no state")?);
                return Ok(Some(Seen::Whispered { id, state }));
            }
            "error" => bail!("refused"),
            _ => {}
        }
        Ok(None)
    }
}
