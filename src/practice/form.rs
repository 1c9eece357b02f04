//! An answer in a form that was asked for: JSON by its schema, of the words that were given. The practice model
//! reads no picture; of one it makes problems of its own.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Where nothing to read was given.
const OWN: [&str; 3] = [
    "Practice problem: what is $3 + 4$?",
    "Solve $2x + 3 = 11$ for $x$.",
    "Add $\\frac{1}{2}$ and $\\frac{1}{3}$.",
];
/// The longest list.
const MOST: usize = 12;

struct Material {
    sentences: Vec<String>,
    wanted: usize,
}

pub(super) fn fill(schema: &Value, words: &str) -> String {
    let given: Value = serde_json::from_str(words).unwrap_or_default();
    let text = super::directive::strip(given["material"].as_str().unwrap_or_default());
    let mut sentences: Vec<String> = Vec::new();
    for sentence in text.split_inclusive(['.', '!', '?', '\n']) {
        let sentence: Vec<&str> = sentence.split_whitespace().filter(|word| *word != "#").collect();
        let sentence = sentence.join(" ");
        if sentence.contains(' ') && sentence.len() < 400 && !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    if sentences.is_empty() {
        sentences = OWN.map(str::to_owned).to_vec();
    }
    let wanted = given["wanted"].as_u64().and_then(|many| usize::try_from(many).ok());
    let wanted = wanted.unwrap_or(MOST).min(MOST).min(sentences.len());
    Material { sentences, wanted }.value(schema, "", 0).to_string()
}

impl Material {
    fn value(&self, schema: &Value, name: &str, at: usize) -> Value {
        match schema["type"].as_str() {
            Some("OBJECT") => {
                let fields = schema["properties"].as_object();
                let fields = fields.into_iter().flatten();
                let filled = fields.map(|(name, schema)| (name.clone(), self.value(schema, name, at)));
                Value::Object(filled.filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
            }
            Some("ARRAY") if schema["items"]["type"] == "STRING" => self.choices(at),
            Some("ARRAY") => (0..self.wanted).map(|at| self.value(&schema["items"], name, at)).collect(),
            _ => self.text(name, at).into(),
        }
    }

    fn sentence(&self, at: usize) -> &str {
        &self.sentences[at % self.sentences.len()]
    }

    /// The longest word of a sentence.
    fn word(&self, at: usize) -> &str {
        let words = self.sentence(at).split(|c: char| !c.is_alphanumeric());
        words.max_by_key(|word| word.chars().count()).unwrap_or_default()
    }

    /// Null: there is nothing to choose from.
    fn choices(&self, at: usize) -> Value {
        let words: BTreeSet<&str> = (at..at + 3).map(|at| self.word(at)).collect();
        if words.len() < 2 { Value::Null } else { json!(words) }
    }

    fn text(&self, name: &str, at: usize) -> String {
        match name {
            "label" => (at + 1).to_string(),
            "front" | "question" => {
                format!("Which word is missing? {}", self.sentence(at).replacen(self.word(at), "…", 1))
            }
            "back" | "answer" => self.word(at).to_owned(),
            "explanation" => format!("The text says: {}", self.sentence(at)),
            _ => self.sentence(at).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_filled_with_the_words_that_were_given() {
        let string = json!({"type": "STRING"});
        let card = json!({"type": "OBJECT", "properties": {"front": string, "back": string}});
        let form = json!({"type": "OBJECT", "properties": {"items": {"type": "ARRAY", "items": card}}});
        let words = json!({"title": "Halves", "material": "# Halves\nA half is a part. Two halves make a whole.", "wanted": 2});
        let filled: Value = serde_json::from_str(&fill(&form, &words.to_string())).unwrap();
        assert_eq!(
            filled,
            json!({"items": [
                {"front": "Which word is missing? A half is a ….", "back": "part"},
                {"front": "Which word is missing? Two … make a whole.", "back": "halves"},
            ]})
        );
        assert!(fill(&form, "The worksheet:").contains("$3 + 4$"));
    }
}
