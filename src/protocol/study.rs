//! What there is to practise with: cards, questions, and the problems of a worksheet. Made by a model or written
//! by people, each is checked in the same way before it is kept.

use serde::{Deserialize, Serialize};

/// Items of a set, and problems on a worksheet; who makes more is cut off there.
pub const MAX_ITEMS: usize = 60;
/// How many are made where nobody says.
pub const USUAL_ITEMS: i32 = 10;

const MAX_LABEL: usize = 20;
const MAX_SHORT: usize = 500;
const MAX_LONG: usize = 2000;
const MAX_CHOICES: usize = 8;

/// What is made of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StudyKind {
    FlashCards,
    PracticeQuestions,
}
words!(StudyKind, FlashCards = "flash_cards", PracticeQuestions = "practice_questions");

/// A problem on a worksheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorksheetProblem)]
pub struct Problem {
    /// As it is called on the sheet: `3a`.
    pub label: String,
    /// In Markdown, with mathematics between `$…$`.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlashCard {
    /// At most 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub front: String,
    /// At most 2000 characters.
    #[schema(min_length = 1, max_length = 2000)]
    pub back: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PracticeQuestion {
    /// At most 2000 characters.
    #[schema(min_length = 1, max_length = 2000)]
    pub question: String,
    /// Two to eight, among them the answer; none: it is to be found freely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 2, max_items = 8)]
    pub choices: Option<Vec<String>>,
    /// At most 2000 characters.
    #[schema(min_length = 1, max_length = 2000)]
    pub answer: String,
    /// At most 2000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub explanation: Option<String>,
}

/// One of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum StudyItem {
    Card(FlashCard),
    Question(PracticeQuestion),
}

impl Problem {
    /// As it is kept; or what is wrong with it.
    pub fn checked(self) -> Result<Problem, &'static str> {
        Ok(Problem { label: label(&self.label), text: text(&self.text, MAX_LONG)? })
    }
}

impl StudyItem {
    pub fn kind(&self) -> StudyKind {
        match self {
            StudyItem::Card(_) => StudyKind::FlashCards,
            StudyItem::Question(_) => StudyKind::PracticeQuestions,
        }
    }

    /// What nothing else of the set asks.
    pub fn asks(&self) -> &str {
        match self {
            StudyItem::Card(card) => &card.front,
            StudyItem::Question(question) => &question.question,
        }
    }

    /// As it is kept; or what is wrong with it.
    pub fn checked(self) -> Result<StudyItem, &'static str> {
        Ok(match self {
            StudyItem::Card(card) => StudyItem::Card(FlashCard {
                front: text(&card.front, MAX_SHORT)?,
                back: text(&card.back, MAX_LONG)?,
            }),
            StudyItem::Question(question) => StudyItem::Question(question.checked()?),
        })
    }
}

impl PracticeQuestion {
    fn checked(self) -> Result<PracticeQuestion, &'static str> {
        let choices = self.choices.filter(|choices| !choices.is_empty());
        let choices: Option<Vec<String>> = choices
            .map(|choices| choices.iter().map(|choice| text(choice, MAX_SHORT)).collect())
            .transpose()?;
        let answer = text(&self.answer, MAX_LONG)?;
        if let Some(choices) = &choices {
            if !(2..=MAX_CHOICES).contains(&choices.len()) {
                return Err("has fewer than two choices or more than eight");
            }
            let is_again = |(at, choice): (usize, &String)| choices[..at].contains(choice);
            if choices.iter().enumerate().any(is_again) {
                return Err("has a choice twice");
            }
            if !choices.contains(&answer) {
                return Err("has an answer that is no choice");
            }
        }
        let explanation = self.explanation.filter(|text| !text.trim().is_empty());
        let explanation = explanation.map(|told| text(&told, MAX_LONG)).transpose()?;
        Ok(PracticeQuestion { question: text(&self.question, MAX_LONG)?, choices, answer, explanation })
    }
}

/// Without what neither a database nor a page can hold.
fn text(raw: &str, most: usize) -> Result<String, &'static str> {
    let kept: String = raw.chars().filter(|c| matches!(c, '\n' | '\t') || !unseen(*c)).collect();
    let kept = kept.trim();
    match kept.chars().count() {
        0 => Err("holds an empty text"),
        many if many > most => Err("holds a text that is too long"),
        _ => Ok(kept.to_owned()),
    }
}

/// One short word or two; a sheet may give none.
fn label(raw: &str) -> String {
    let words = raw.split(|c: char| c.is_whitespace() || unseen(c)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(MAX_LABEL).collect()
}

/// Controls, and what turns the words around it to run the other way.
fn unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(item: Value) -> Result<Value, &'static str> {
        let item: StudyItem = serde_json::from_value(item).unwrap();
        item.checked().map(|item| json!(item))
    }

    #[test]
    fn what_is_kept_is_clean_and_bounded() {
        let card = json!({"front": " What\u{0}is\u{202e} $x$?\n", "back": "a\nb\u{7}"});
        assert_eq!(checked(card), Ok(json!({"front": "Whatis $x$?", "back": "a\nb"})));
        assert_eq!(checked(json!({"front": " \u{0}", "back": "b"})), Err("holds an empty text"));
        let long = "ü".repeat(MAX_SHORT + 1);
        assert_eq!(checked(json!({"front": long, "back": "b"})), Err("holds a text that is too long"));
        let problem = Problem { label: " 3\n a) and so on for ever".into(), text: "x".into() };
        assert_eq!(problem.checked().unwrap().label, "3 a) and so on for e");
    }

    #[test]
    fn the_answer_is_one_of_the_choices() {
        let question = |choices: Value, answer: &str| {
            checked(json!({"question": "2 + 2?", "choices": choices, "answer": answer, "explanation": " "}))
        };
        let good = json!({"question": "2 + 2?", "choices": ["3", "4"], "answer": "4"});
        assert_eq!(question(json!(["3", " 4"]), "4 "), Ok(good));
        assert_eq!(question(json!([]), "4"), Ok(json!({"question": "2 + 2?", "answer": "4"})));
        for (choices, answer) in [
            (json!(["4"]), "4"),
            (json!(["3", "5"]), "4"),
            (json!(["4", "4", "5"]), "4"),
            (json!(vec!["4"; 9]), "4"),
        ] {
            assert!(question(choices.clone(), answer).is_err(), "{choices}");
        }
    }
}
