//! A tutor takes over at a random moment of an answer: how soon the model is silent, and whether it stays so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::answer::micros;
use crate::figures::{Figures, quantile};
use crate::rest::Rest;
use crate::seat::{Seat, Seen};
use crate::socket::Door;
use crate::{Pace, Target};

/// How long after an answer would have ended the model is listened to.
const AFTER: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Plan {
    question: String,
    /// How long an answer takes.
    takes: Duration,
    /// Tries that are still to be made.
    left: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Tally {
    /// Microseconds from the command to the state, at the tutor's and at the student's, and to the run's end.
    tutor: Vec<u32>,
    student: Vec<u32>,
    end: Vec<u32>,
    /// Words of the model after that state.
    late: u64,
    /// Before the first word; and when the answer had ended. They do not count among the tries.
    early: u64,
    missed: u64,
}

pub(crate) async fn control(
    to: &Target,
    pace: &Pace,
    sessions: usize,
    tries: usize,
    seed: u64,
) -> anyhow::Result<()> {
    let (school, rest) = (to.school()?, Rest::new(to.server)?);
    ensure!(school.students.len() >= sessions && school.tutors.len() >= sessions, "the school is too small");
    let plan = Plan {
        question: pace.question(),
        takes: Duration::from_micros(pace.chunks * pace.delay_us),
        left: Arc::new(AtomicUsize::new(tries)),
    };
    let (mut lessons, mut made, mut seeds) = (JoinSet::new(), Vec::new(), StdRng::seed_from_u64(seed));
    for (student, tutor) in school.students.iter().zip(&school.tutors).take(sessions) {
        let session = rest.session(&student.token, "taken over").await?;
        let doors = [school.door(student, &session), school.door(tutor, &session)];
        lessons.spawn(lesson(doors, plan.clone(), StdRng::seed_from_u64(seeds.random())));
        made.push((student, session));
    }
    let mut all = Tally::default();
    while let Some(ended) = lessons.join_next().await {
        let one = ended??;
        all.tutor.extend(one.tutor);
        all.student.extend(one.student);
        all.end.extend(one.end);
        all.late += one.late;
        all.early += one.early;
        all.missed += one.missed;
    }
    for (student, session) in made {
        rest.delete_session(&student.token, &session).await?;
    }
    let mut figures = Figures::default();
    figures.set("tries", all.tutor.len() as f64);
    figures.set("late", all.late as f64);
    figures.set("early", all.early as f64);
    figures.set("missed", all.missed as f64);
    for (name, mut times) in [("tutor", all.tutor), ("student", all.student), ("end", all.end)] {
        times.sort_unstable();
        figures.set(&format!("{name}_p50_us"), quantile(&times, 0.5));
        figures.set(&format!("{name}_p99_us"), quantile(&times, 0.99));
    }
    figures.write(to)?;
    ensure!(all.late == 0, "the model said {} things after a tutor had taken over", all.late);
    Ok(())
}

async fn lesson([student, tutor]: [Door; 2], plan: Plan, mut rng: StdRng) -> anyhow::Result<Tally> {
    let mut lesson = Lesson {
        student: Seat::take(&student, true).await?,
        tutor: Seat::take(&tutor, false).await?,
        plan,
        tally: Tally::default(),
    };
    sleep(lesson.plan.takes.mul_f64(rng.random())).await;
    let one_less = |left: usize| left.checked_sub(1);
    while lesson.plan.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
        if !lesson.take_over(rng.random()).await? {
            lesson.plan.left.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(lesson.tally)
}

struct Lesson {
    student: Seat,
    tutor: Seat,
    plan: Plan,
    tally: Tally,
}

impl Lesson {
    /// At this share of the answer's time. True: in the middle of its words.
    async fn take_over(&mut self, share: f64) -> anyhow::Result<bool> {
        let question = json!({ "type": "send", "id": Uuid::now_v7(), "text": self.plan.question });
        let (asked, _) = self.student.say(&question)?;
        sleep_until(asked + self.plan.takes.mul_f64(share)).await;
        let (begun, _) = self.tutor.say(&json!({ "type": "take_over", "id": Uuid::now_v7() }))?;
        let tutor = silence(&mut self.tutor).await.context("the tutor")?;
        let student = silence(&mut self.student).await.context("the student")?;
        ensure!(
            (tutor.chunks, &tutor.reason) == (student.chunks, &student.reason),
            "the tutor saw {} chunks and `{}`, the student {} and `{}`",
            tutor.chunks,
            tutor.reason,
            student.chunks,
            student.reason,
        );
        // What came after the end would be heard, too.
        sleep_until(asked + self.plan.takes + AFTER).await;
        self.tutor.say(&json!({ "type": "hand_back", "id": Uuid::now_v7() }))?;
        // Of all tries so far.
        self.tally.late = handed_back(&mut self.tutor).await? + handed_back(&mut self.student).await?;
        match tutor.reason.as_str() {
            "taken_over" if tutor.chunks > 0 => {
                self.tally.tutor.push(micros(tutor.held - begun));
                self.tally.student.push(micros(student.held - begun));
                self.tally.end.push(micros(tutor.ended - begun));
                return Ok(true);
            }
            // The question was taken over with its answer, or came when nobody but people spoke.
            "taken_over" | "tutor" => self.tally.early += 1,
            "stop" => self.tally.missed += 1,
            other => bail!("an answer ended `{other}`"),
        }
        Ok(false)
    }
}

struct Silence {
    held: Instant,
    ended: Instant,
    reason: String,
    chunks: u64,
}

/// Reads until a tutor has the word and the run is over, whichever comes first.
async fn silence(seat: &mut Seat) -> anyhow::Result<Silence> {
    let (mut held, mut end) = (None, None);
    loop {
        match seat.next().await? {
            (at, Seen::State { held: true, .. }) => held = held.or(Some(at)),
            (at, Seen::Ended { reason, chunks }) => end = Some((at, reason, chunks)),
            _ => {}
        }
        if let (Some(held), Some((ended, reason, chunks))) = (held, &end) {
            return Ok(Silence { held, ended: *ended, reason: reason.clone(), chunks: *chunks });
        }
    }
}

/// How often the model has spoken while it should not have.
async fn handed_back(seat: &mut Seat) -> anyhow::Result<u64> {
    let freed = |seen: &Seen| match seen {
        Seen::State { held: false, late } => Some(*late),
        _ => None,
    };
    Ok(seat.until(freed).await?.1)
}
