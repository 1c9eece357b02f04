//! What there is to practise with, made by the model: the problems on a photographed worksheet, and cards and
//! questions of the library's content. The words of people reach it as material: a file behind its label, content
//! as JSON. Of its answer is kept what has the form that was asked for.

mod parts;
mod sets;
mod worksheet;

use crate::id::Uuid;

use super::{Fault, Job, Progress};

pub(super) use sets::{flash_cards, practice_questions};
pub(super) use worksheet::run as worksheet;

/// Whoever asked for it, while their words may go to the model.
async fn asker(job: &Job) -> Result<Uuid, Fault> {
    let owner = job.task.owner.ok_or(Fault::lasting("bad_payload"))?;
    match job.app.store.is_silent(owner).await? {
        true => Err(Fault::lasting("not_allowed")),
        false => Ok(owner),
    }
}

/// Tells how far an answer is by the objects that it has begun, of about as many.
fn counting(progress: Progress, about: usize) -> impl FnMut(&str) {
    let mut begun = 0;
    progress.tell(1, about + 2);
    move |piece| {
        begun += piece.matches('{').count();
        progress.tell(1 + begun.min(about), about + 2);
    }
}
