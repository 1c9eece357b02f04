//! From a tutor's whisper to what it changes.

use anyhow::{bail, ensure};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::{micros, since};
use crate::figures::{Figures, quantile};
use crate::rest::Rest;
use crate::seat::{SECRET, Seat, Seen};
use crate::{Pace, Target};

/// Tries in one session; longer conversations make longer prompts.
const IN_ONE: usize = 20;

/// Microseconds, one for each try.
#[derive(Default)]
struct Times {
    /// From the whisper to `whispered`.
    ack: Vec<u32>,
    /// From the whisper to the model's first words that were guided by it: when the model said them, and when
    /// they reached the student.
    model: Vec<u32>,
    words: Vec<u32>,
    /// From a question to its first words, guided and not.
    guided: Vec<u32>,
    plain: Vec<u32>,
}

pub(crate) async fn whisper(to: &Target, pace: &Pace, tries: usize) -> anyhow::Result<()> {
    let (school, rest) = (to.school()?, Rest::new(to.server)?);
    let (Some(student), Some(tutor)) = (school.students.first(), school.tutors.first()) else {
        bail!("the school is too small")
    };
    let mut times = Times::default();
    while times.ack.len() < tries {
        let session = rest.session(&student.token, "whispered").await?;
        let mut lesson = Lesson {
            question: format!("{} guided=1]]", pace.question().trim_end_matches("]]")),
            chunks: pace.chunks,
            student: Seat::take(&school.door(student, &session), true).await?,
            tutor: Seat::take(&school.door(tutor, &session), false).await?,
        };
        for _ in times.ack.len()..tries.min(times.ack.len() + IN_ONE) {
            lesson.whisper(&mut times).await?;
        }
        drop(lesson);
        rest.delete_session(&student.token, &session).await?;
    }
    let mut figures = Figures::default();
    figures.set("tries", times.ack.len() as f64);
    for (name, mut times) in [
        ("ack", times.ack),
        ("model", times.model),
        ("words", times.words),
        ("guided", times.guided),
        ("plain", times.plain),
    ] {
        times.sort_unstable();
        figures.set(&format!("{name}_p50_us"), quantile(&times, 0.5));
        figures.set(&format!("{name}_p99_us"), quantile(&times, 0.99));
    }
    figures.write(to)
}

struct Lesson {
    question: String,
    chunks: u64,
    student: Seat,
    tutor: Seat,
}

impl Lesson {
    /// A question without a whisper, and one with.
    async fn whisper(&mut self, times: &mut Times) -> anyhow::Result<()> {
        let (asked, _, guided, words) = self.ask().await?;
        ensure!(!guided, "an answer was guided that nobody had whispered to");
        times.plain.push(micros(words - asked));
        self.end().await?;

        let id = Uuid::now_v7();
        let text = format!("{SECRET} {id}: ask for the denominator first.");
        let (begun, by_clock) = self.tutor.say(&json!({ "type": "whisper", "id": id, "text": text }))?;
        times.ack.push(micros(self.becomes(id, "waiting").await? - begun));
        let (asked, said, guided, words) = self.ask().await?;
        ensure!(guided, "the model was not told what was whispered");
        times.guided.push(micros(words - asked));
        times.model.push(since(by_clock, said));
        times.words.push(micros(words - begun));
        self.becomes(id, "used").await?;
        self.end().await
    }

    /// When the question was asked, when the model answered, whether guided, and when the words were there.
    async fn ask(&mut self) -> anyhow::Result<(Instant, u64, bool, Instant)> {
        let question = json!({ "type": "send", "id": Uuid::now_v7(), "text": self.question });
        let (asked, _) = self.student.say(&question)?;
        let words = |seen: &Seen| match seen {
            Seen::Words { said, guided } => Some((*said, *guided)),
            _ => None,
        };
        let (at, (said, guided)) = self.student.until(words).await?;
        Ok((asked, said, guided, at))
    }

    async fn becomes(&mut self, whisper: Uuid, what: &str) -> anyhow::Result<Instant> {
        let whispered = |seen: &Seen| match seen {
            Seen::Whispered { id, state } if *id == whisper && state == what => Some(()),
            _ => None,
        };
        Ok(self.tutor.until(whispered).await?.0)
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        let ended = |seen: &Seen| match seen {
            Seen::Ended { reason, chunks } => Some((reason.clone(), *chunks)),
            _ => None,
        };
        let (_, (reason, chunks)) = self.student.until(ended).await?;
        ensure!(reason == "stop" && chunks == self.chunks, "{chunks} of {} chunks, {reason}", self.chunks);
        Ok(())
    }
}
