//! The practice tutor's words: Socratic, kind, and always with a question back. It listens for a
//! subject, for the step of the lesson, and for what the student made of it.

mod fraction;
mod lesson;
mod linear;

#[cfg(test)]
mod tests;

use super::google::Turn;
use fraction::Sum;
use lesson::{LESSONS, Lesson};
use linear::Linear;

/// What the student's last words are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Greeting,
    Thanks,
    Lost,
    WantsAnswer,
    Words,
}

/// What a lesson needs to know of the conversation.
struct Scene<'a> {
    last: &'a str,
    mood: Mood,
    /// Turns of the student since the subject came up; 0: with these very words.
    step: usize,
    /// How many of these had something to say.
    heard: usize,
    /// How often they were lost since then.
    lost: usize,
    /// How often they asked for the bare answer since then.
    asked: usize,
    /// Differs from session to session.
    seed: usize,
}

pub(super) fn reply(turns: &[Turn]) -> String {
    let said: Vec<&str> = turns.iter().filter(|turn| !turn.by_model).map(|turn| turn.text.as_str()).collect();
    let Some(last) = said.last() else { return greeting(0) };
    let mood = mood(last);
    let seed = said.first().map_or(0, |first| first.bytes().map(usize::from).sum());
    if mood == Mood::Thanks {
        return thanks(seed + said.len());
    }
    let subject = current_subject(turns);
    let Some((at, subject)) = subject else {
        return match mood {
            Mood::Greeting => greeting(seed),
            _ => generic(&Scene { last, mood, step: said.len() - 1, heard: 0, lost: 0, asked: 0, seed }),
        };
    };
    let since = &said[(at + 1).min(said.len())..];
    let count = |mood| said[at..].iter().filter(|text| self::mood(text) == mood).count();
    let heard = since.iter().filter(|text| self::mood(text) == Mood::Words).count();
    let (asked, lost) = (count(Mood::WantsAnswer), count(Mood::Lost));
    let scene = Scene { last, mood, step: since.len(), heard, lost, asked, seed };
    match subject {
        Subject::Linear(equation) => equation.teach(&scene),
        Subject::Sum(sum) => sum.teach(&scene),
        Subject::Lesson(lesson) => lesson.teach(&scene),
    }
}

enum Subject {
    Linear(Linear),
    Sum(Sum),
    Lesson(&'static Lesson),
}

/// The newest subject, and with which of the student's turns it came up. A line of working belongs
/// to its question, and an equation that the tutor sets is the next question.
fn current_subject(turns: &[Turn]) -> Option<(usize, Subject)> {
    let mut current: Option<(usize, Subject)> = None;
    let mut said = 0;
    for turn in turns {
        if turn.by_model {
            if let Some(set) = linear::set_by_tutor(&turn.text) {
                current = Some((said - said.min(1), Subject::Linear(set)));
            }
            continue;
        }
        if let Some(new) = subject(&turn.text)
            && !current.as_ref().is_some_and(|(_, old)| new.continues(old))
        {
            current = Some((said, new));
        }
        said += 1;
    }
    current
}

impl Subject {
    fn continues(&self, old: &Subject) -> bool {
        match (self, old) {
            (Subject::Linear(new), Subject::Linear(old)) => new.continues(*old),
            (Subject::Sum(new), Subject::Sum(old)) => new.continues(*old),
            (Subject::Lesson(new), Subject::Lesson(old)) => std::ptr::eq(*new, *old),
            // Words like "equation" in an answer about an equation change nothing.
            (Subject::Lesson(new), Subject::Linear(_) | Subject::Sum(_)) => new.is_arithmetic(),
            _ => false,
        }
    }
}

fn subject(text: &str) -> Option<Subject> {
    if let Some(equation) = Linear::find(text) {
        return Some(Subject::Linear(equation));
    }
    if let Some(sum) = Sum::find(text) {
        return Some(Subject::Sum(sum));
    }
    let words = words(text);
    let hits = |lesson: &Lesson| words.iter().filter(|word| lesson.is_about(word)).count();
    let best = LESSONS.iter().rev().max_by_key(|lesson| hits(lesson))?;
    (hits(best) > 0).then_some(Subject::Lesson(best))
}

fn words(text: &str) -> Vec<String> {
    let split = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    split.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn mood(text: &str) -> Mood {
    let words = words(text);
    let line = words.join(" ");
    let says =
        |phrases: &[&str]| phrases.iter().any(|phrase| format!(" {line} ").contains(&format!(" {phrase} ")));
    if says(&[
        "just give me",
        "just tell me",
        "give me the answer",
        "tell me the answer",
        "what's the answer",
        "what is the answer",
        "the solution please",
        "just the answer",
        "just solve it",
        "solve it for me",
        "do it for me",
    ]) {
        Mood::WantsAnswer
    } else if says(&[
        "don't know",
        "dont know",
        "do not know",
        "no idea",
        "not sure",
        "idk",
        "i'm lost",
        "im lost",
        "i'm stuck",
        "im stuck",
        "confused",
        "don't get it",
        "dont get it",
        "don't understand",
        "dont understand",
        "hint",
        "help me",
    ]) {
        Mood::Lost
    } else if words.len() <= 8 && says(&["thanks", "thank you", "thx", "bye", "goodbye"]) {
        Mood::Thanks
    } else if words.len() <= 6 && says(&["hi", "hello", "hey", "good morning", "good evening", "hallo"]) {
        Mood::Greeting
    } else {
        Mood::Words
    }
}

fn pick<'a>(choices: &[&'a str], at: usize) -> &'a str {
    choices.get(at % choices.len().max(1)).copied().unwrap_or("")
}

/// A few of the student's own words, without anything that markdown would act on.
fn echo(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !"*_`<>[]()#|$\\!~&".contains(*c))
        .collect();
    let mut short = String::new();
    for word in plain.split(' ').filter(|word| !word.is_empty()) {
        if short.chars().count() + word.chars().count() > 70 {
            short.push('…');
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.extend(word.chars().take(40));
    }
    short.trim_end_matches(['.', '?', ',', ';', ':']).to_owned()
}

fn greeting(seed: usize) -> String {
    let hello =
        pick(&["Hello, good to see you!", "Hi there, nice that you are here!", "Hello and welcome!"], seed);
    format!(
        "{hello} I am your **practice tutor**. I won't hand you answers, but I will find the way to them with you.\n\n\
         We could look at, for example:\n\n\
         - an equation such as $2x + 3 = 11$\n\
         - adding fractions such as $\\frac{{1}}{{2}} + \\frac{{1}}{{3}}$\n\
         - how plants make their food\n\
         - a `for` loop in Python\n\n\
         What are you working on today, and which part of it feels hardest?"
    )
}

fn thanks(seed: usize) -> String {
    let open = pick(
        &[
            "You're welcome! You did the thinking; I only asked.",
            "Gladly! You stayed with it, and that is what made the difference.",
            "My pleasure. Asking when something is unclear is a good habit.",
        ],
        seed,
    );
    format!(
        "{open}\n\nBefore you go: if a friend asked you about this tomorrow, what would be the **one sentence** you'd tell them?"
    )
}

/// Whatever the subject: understand the question, recall, try, check.
fn generic(scene: &Scene<'_>) -> String {
    // A picture may come without a word.
    let about = match echo(scene.last) {
        said if said.is_empty() => said,
        said => format!(": *“{said}”*"),
    };
    match (scene.mood, scene.step) {
        (Mood::Lost, _) => pick(
            &[
                "That's fine: *not knowing yet* is where learning starts. Let's make it smaller.\n\n\
                 Which single word or step is the **first** one where you lose the thread?",
                "No problem. Think of the last thing in this subject that you *did* understand. What was it, and what came right after?",
                "Let's try a picture. If you had to draw the problem on a napkin, what would you draw first?",
            ],
            scene.step + scene.seed,
        )
        .to_owned(),
        (Mood::WantsAnswer, _) => "I could say something that sounds right, but then it would be *my* answer, and gone tomorrow. \
             I promise to stay with you until you have it.\n\n\
             Let's start here: what have you **already tried**, and where did it stop working?"
            .to_owned(),
        (_, 0) => format!(
            "Let's look at this together{about}.\n\n\
             A good way into almost any question has three steps:\n\n\
             1. **What is given?** Write down what you know for sure.\n\
             2. **What is asked?** Say in your own words what an answer would look like.\n\
             3. **What connects the two?** A rule, an example, a definition.\n\n\
             Start with the first one: what do you already know about it?"
        ),
        (_, step) => {
            let open = pick(
                &[
                    "Good, that gives us something to hold on to",
                    "Thanks, that helps me see how you think",
                    "That's a clear step",
                ],
                step + scene.seed,
            );
            let next = pick(
                &[
                    "How do you know that this is so? Give me **one example** where it works.",
                    "Now turn it around: can you think of a case where it would **not** hold?",
                    "How does that bring you closer to what is asked? Try the *next* small step.",
                    "Explain it to me as if I were two years younger than you. Which word would you have to explain first?",
                ],
                step + scene.seed,
            );
            format!("{open}{about}.\n\n{next}")
        }
    }
}
