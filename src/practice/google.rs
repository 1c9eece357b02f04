//! Gemini's JSON from the serving side.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::MODEL_VERSION;
use super::media::{self, FileData, InlineData, Seen, Uploads};

/// A request, as far as the practice model reads it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Said {
    #[serde(default)]
    contents: Vec<Content>,
    system_instruction: Option<Content>,
    #[serde(default)]
    tools: Vec<Tools>,
    tool_config: Option<ToolConfig>,
    generation_config: Option<GenerationConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    response_mime_type: Option<String>,
    response_schema: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tools {
    #[serde(default)]
    function_declarations: Vec<Declaration>,
}

#[derive(Debug, Deserialize)]
struct Declaration {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig {
    function_calling_config: CallingConfig,
}

#[derive(Debug, Deserialize)]
struct CallingConfig {
    mode: String,
}

#[derive(Debug, Deserialize)]
struct Content {
    role: Option<String>,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    #[serde(default)]
    text: String,
    function_call: Option<Value>,
    thought_signature: Option<String>,
    function_response: Option<Found>,
    inline_data: Option<InlineData>,
    file_data: Option<FileData>,
}

/// What came with the words of a request.
pub(super) struct Shown {
    /// How the practice tutor begins: of the last turn alone.
    pub(super) opening: String,
    /// Of all turns.
    pub(super) tokens: u64,
}

/// What was found for a call.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Found {
    id: Option<String>,
    name: String,
    pub(super) response: Value,
}

/// Of the calls of this model; Google's are longer.
const SIGNATURE: &str = "cHJhY3RpY2U=";

/// A turn of the conversation: by the model or by the student.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) by_model: bool,
    pub(super) text: String,
}

impl Said {
    /// As strict as Google where fynq could get it wrong.
    pub(super) fn read(body: &[u8]) -> Result<Said, &'static str> {
        let said: Said = serde_json::from_slice(body).map_err(|_| "Invalid JSON payload received.")?;
        if said.contents.is_empty() {
            return Err("* GenerateContentRequest.contents: contents is not specified");
        }
        for content in &said.contents {
            if !matches!(content.role.as_deref(), None | Some("user" | "model" | "function")) {
                return Err("Please use a valid role: user, model.");
            }
            if content.parts.is_empty() {
                return Err("* GenerateContentRequest.contents.parts: contents.parts must not be empty.");
            }
        }
        if said.contents.last().is_some_and(Content::by_model) {
            return Err("Requests ending with a model turn are not supported.");
        }
        let config = said.generation_config.as_ref();
        let json = config.and_then(|config| config.response_mime_type.as_deref()) == Some("application/json");
        if said.form().is_some() && !json {
            return Err("response_schema is only supported with response_mime_type application/json.");
        }
        said.check_calls()?;
        Ok(said)
    }

    /// Each call of the current turn comes back signed, and is followed by its response.
    fn check_calls(&self) -> Result<(), &'static str> {
        for pair in self.contents.windows(2) {
            let calls: Vec<&Part> =
                pair[0].parts.iter().filter(|part| part.function_call.is_some()).collect();
            if calls.is_empty() {
                continue;
            }
            if calls[0].thought_signature.as_deref() != Some(SIGNATURE) {
                return Err("Function call is missing a thought_signature in functionCall parts.");
            }
            let id = |value: &Value| value["id"].as_str().map(str::to_owned);
            let asked = calls.iter().filter_map(|part| part.function_call.as_ref()).map(id);
            let told = pair[1].parts.iter().filter_map(|part| part.function_response.as_ref());
            if !asked.eq(told.map(|response| response.id.clone())) {
                return Err(
                    "Please ensure that the number of function response parts is equal to the number of \
                            function call parts of the function call turn.",
                );
            }
        }
        Ok(())
    }

    /// Whether it may look something up with this tool.
    pub(super) fn may_call(&self, tool: &str) -> bool {
        let mode = self.tool_config.as_ref().map(|config| &*config.function_calling_config.mode);
        let mut declared = self.tools.iter().flat_map(|tools| &tools.function_declarations);
        mode != Some("NONE") && declared.any(|declared| declared.name == tool)
    }

    /// The form that the answer is to have. As strict as Google: a schema asks for JSON.
    pub(super) fn form(&self) -> Option<&Value> {
        self.generation_config.as_ref()?.response_schema.as_ref()
    }

    /// What was found for its calls since the student spoke.
    pub(super) fn responses(&self) -> Vec<&Found> {
        let since = self.contents.iter().rposition(Content::by_student).map_or(0, |at| at + 1);
        let after = self.contents[since..].iter().flat_map(|content| &content.parts);
        after
            .filter_map(|part| part.function_response.as_ref())
            .filter(|found| !found.name.is_empty())
            .collect()
    }

    /// Looks at every picture, as strictly as Google.
    pub(super) fn seen(&self, uploads: &Uploads) -> Result<Shown, Box<Response>> {
        let (mut tokens, mut last) = (0, (Vec::new(), 0));
        for content in &self.contents {
            let seen = content.seen(uploads)?;
            tokens += seen.iter().map(Seen::tokens).sum::<u64>();
            if content.by_student() {
                last = (seen, content.parts.iter().filter(|part| part.is_document()).count());
            }
        }
        Ok(Shown { opening: media::opening(&last.0, last.1), tokens })
    }

    pub(super) fn turns(&self) -> Vec<Turn> {
        let turn = |content: &Content| Turn { by_model: content.by_model(), text: content.text() };
        self.contents.iter().filter(|content| !content.is_of_a_tool()).map(turn).collect()
    }

    /// What the student said last.
    pub(super) fn last_words(&self) -> String {
        self.contents.iter().rfind(|content| content.by_student()).map(Content::text).unwrap_or_default()
    }

    /// Whether a human tutor told it something, beside the instruction.
    pub(super) fn is_guided(&self) -> bool {
        let beside = self.system_instruction.iter().flat_map(|instruction| instruction.parts.iter().skip(1));
        beside.into_iter().any(|part| part.text.starts_with("Guidance from the human tutor"))
    }

    pub(super) fn tokens(&self) -> u64 {
        tokens_of(self.contents.iter().map(|content| content.text().len()).sum())
    }
}

impl Content {
    fn by_model(&self) -> bool {
        self.role.as_deref() == Some("model")
    }

    fn by_student(&self) -> bool {
        !self.by_model() && !self.is_of_a_tool()
    }

    /// It is a call, or what was found for one.
    fn is_of_a_tool(&self) -> bool {
        self.parts.iter().any(|part| part.function_call.is_some() || part.function_response.is_some())
    }

    /// Without what fynq says of a file.
    fn text(&self) -> String {
        let words = self.parts.iter().filter(|part| !part.is_label());
        words.map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn seen(&self, uploads: &Uploads) -> Result<Vec<Seen>, Box<Response>> {
        let inline = |part: &Part| part.inline_data.as_ref().map(InlineData::seen);
        let uploaded = |part: &Part| part.file_data.as_ref().map(|file| file.seen(uploads));
        self.parts.iter().filter_map(|part| inline(part).or_else(|| uploaded(part))).collect()
    }
}

impl Part {
    fn is_label(&self) -> bool {
        self.inline_data.is_some()
            || self.file_data.is_some()
            || ["[The student sent the ", "[Here the student sent "]
                .iter()
                .any(|begin| self.text.starts_with(begin))
    }

    fn is_document(&self) -> bool {
        self.text.starts_with("[The student sent the document ")
    }
}

pub(super) fn tokens_of(bytes: usize) -> u64 {
    bytes as u64 / 4 + 1
}

/// One event of a stream.
pub(super) struct Chunk<'a> {
    pub(super) text: &'a str,
    pub(super) thought: bool,
    pub(super) finish: Option<&'a str>,
    pub(super) usage: (u64, u64),
    pub(super) response_id: &'a str,
}

impl Chunk<'_> {
    pub(super) fn json(&self) -> String {
        let mut part = json!({ "text": self.text });
        if self.thought {
            part["thought"] = Value::Bool(true);
        }
        let mut candidate = json!({ "content": { "parts": [part], "role": "model" }, "index": 0 });
        if let Some(finish) = self.finish {
            candidate["finishReason"] = finish.into();
        }
        json!({
            "candidates": [candidate],
            "usageMetadata": usage(self.usage),
            "modelVersion": MODEL_VERSION,
            "responseId": self.response_id,
        })
        .to_string()
    }
}

/// A call of a tool, as the last event of a stream.
pub(super) fn call(tool: &str, args: &Value, (input, output): (u64, u64), response_id: &str) -> String {
    let call = json!({ "name": tool, "args": args, "id": format!("call-{response_id}") });
    let part = json!({ "functionCall": call, "thoughtSignature": SIGNATURE });
    let content = json!({ "parts": [part], "role": "model" });
    json!({
        "candidates": [{ "content": content, "finishReason": "STOP", "index": 0 }],
        "usageMetadata": usage((input, output)),
        "modelVersion": MODEL_VERSION,
        "responseId": response_id,
    })
    .to_string()
}

fn usage((input, output): (u64, u64)) -> Value {
    json!({
        "promptTokenCount": input,
        "candidatesTokenCount": output,
        "totalTokenCount": input + output,
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": input }],
    })
}

/// The answer to `generateContent`.
pub(super) fn whole(text: &str, input: u64) -> String {
    let usage = (input, tokens_of(text.len()));
    Chunk { text, thought: false, finish: Some("STOP"), usage, response_id: "practice" }.json()
}

pub(super) fn tokens(total: u64) -> String {
    let details = json!([{ "modality": "TEXT", "tokenCount": total }]);
    json!({ "totalTokens": total, "promptTokensDetails": details }).to_string()
}

pub(super) fn blocked(reason: &str, input: u64) -> String {
    let rating = json!({ "category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": true });
    json!({
        "promptFeedback": { "blockReason": reason, "safetyRatings": [rating] },
        "usageMetadata": { "promptTokenCount": input, "totalTokenCount": input },
        "modelVersion": MODEL_VERSION,
    })
    .to_string()
}

pub(super) fn safety(input: u64) -> String {
    json!({
        "candidates": [{ "finishReason": "SAFETY", "index": 0 }],
        "usageMetadata": { "promptTokenCount": input, "totalTokenCount": input },
        "modelVersion": MODEL_VERSION,
    })
    .to_string()
}

pub(super) fn overloaded() -> String {
    let message = "The model is overloaded. Please try again later.";
    json!({ "error": { "code": 503, "message": message, "status": "UNAVAILABLE" } }).to_string()
}

pub(super) fn refuse(code: u16, status: &str, message: &str) -> Response {
    refuse_with(code, status, message, json!([]))
}

pub(super) fn bad_key() -> Response {
    let info = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
    });
    refuse_with(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", json!([info]))
}

pub(super) fn quota(retry_delay: &str, per: &str) -> Response {
    let details = json!([
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{
                "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                "quotaId": format!("GenerateRequests{per}PerProjectPerModel-FreeTier"),
                "quotaValue": "10",
            }],
        },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay },
    ]);
    let message = "You exceeded your current quota, please check your plan and billing details.";
    refuse_with(429, "RESOURCE_EXHAUSTED", message, details)
}

fn refuse_with(code: u16, status: &str, message: &str, details: Value) -> Response {
    let mut error = json!({ "code": code, "message": message, "status": status });
    if details.as_array().is_some_and(|details| !details.is_empty()) {
        error["details"] = details;
    }
    let body = serde_json::to_string_pretty(&json!({ "error": error })).unwrap_or_default();
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response()
}
