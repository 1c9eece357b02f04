//! Google's JSON, and the only file that knows its names. Values that this version does not know
//! survive: enums stay strings, unknown fields and parts are passed over.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

// ---- What is sent -----------------------------------------------------------------------------

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub(super) system_instruction: Instruction<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tools: Option<[Tools; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generation_config: Option<GenerationConfig<'a>>,
    /// The last: what is said next is put behind it.
    pub(super) contents: Vec<Content<SentPart<'a>>>,
}

#[derive(Serialize)]
pub(super) struct Instruction<'a> {
    pub(super) parts: Vec<TextPart<'a>>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Content<P> {
    pub(super) role: &'static str,
    pub(super) parts: Vec<P>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum SentPart<'a> {
    Text(TextPart<'a>),
    #[serde(rename_all = "camelCase")]
    Inline {
        inline_data: InlineData<'a>,
    },
    #[serde(rename_all = "camelCase")]
    File {
        file_data: FileData<'a>,
    },
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct TextPart<'a> {
    pub(super) text: Cow<'a, str>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineData<'a> {
    pub(super) mime_type: &'a str,
    #[serde(serialize_with = "base64")]
    pub(super) data: &'a [u8],
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    pub(super) mime_type: &'a str,
    pub(super) file_uri: &'a str,
}

/// Written piece by piece: a picture is not copied once more on its way.
fn base64<S: serde::Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&base64::display::Base64Display::new(data, &base64::prelude::BASE64_STANDARD))
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_schema: Option<&'a Value>,
}

// ---- What the model may ask for ---------------------------------------------------------------

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tools {
    pub(super) function_declarations: Vec<Declaration>,
}

#[derive(Serialize)]
pub(super) struct Declaration {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig {
    pub(super) function_calling_config: CallingConfig,
}

#[derive(Serialize)]
pub(super) struct CallingConfig {
    pub(super) mode: CallingMode,
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum CallingMode {
    None,
}

/// A part of the model's turn as it came.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SaidBack<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_call: Option<SaidCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct SaidCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) args: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Responded<'a> {
    pub(super) function_response: FunctionResponse<'a>,
}

#[derive(Serialize)]
pub(super) struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) response: &'a Value,
}

// ---- What comes back --------------------------------------------------------------------------

/// The end of an upload.
#[derive(Debug, Deserialize)]
pub(super) struct FileReply {
    pub(super) file: RemoteFile,
}

/// A file that lies at the endpoint.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RemoteFile {
    /// `files/…`
    pub(super) name: String,
    pub(super) uri: String,
    pub(super) state: String,
    pub(super) expiration_time: Option<String>,
}

/// One event of the stream: a whole response, as a delta. An error object takes the same place.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Response<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) candidates: Vec<Candidate<'a>>,
    #[serde(borrow)]
    pub(super) prompt_feedback: Option<PromptFeedback<'a>>,
    #[serde(borrow)]
    pub(super) usage_metadata: Option<UsageMetadata<'a>>,
    #[serde(borrow)]
    pub(super) model_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) response_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) error: Option<ErrorBody<'a>>,
}

impl<'a> Response<'a> {
    pub(super) fn candidate(&self) -> Option<&Candidate<'a>> {
        self.candidates.iter().find(|candidate| candidate.is_first())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Parts<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) finish_message: Option<Cow<'a, str>>,
    index: Option<i64>,
}

impl<'a> Candidate<'a> {
    /// Only one candidate is ever asked for; an absent index means zero.
    pub(super) fn is_first(&self) -> bool {
        self.index.unwrap_or(0) == 0
    }

    pub(super) fn parts_mut(&mut self) -> &mut [Part<'a>] {
        self.content.as_mut().map_or(&mut [], |content| &mut content.parts)
    }

    pub(super) fn parts(&self) -> &[Part<'a>] {
        self.content.as_ref().map_or(&[], |content| &content.parts)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parts<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    parts: Vec<Part<'a>>,
}

/// One part: a data field and side fields. Read by hand, because the data fields that this
/// version does not know are told apart from the side fields by name alone.
#[derive(Debug, Default)]
pub(super) struct Part<'a> {
    pub(super) text: Option<Cow<'a, str>>,
    pub(super) thought: bool,
    pub(super) signature: Option<Cow<'a, str>>,
    pub(super) call: Option<FunctionCall<'a>>,
    /// The name of a data field that fynq makes nothing of, `inlineData` say.
    pub(super) other: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) args: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PromptFeedback<'a> {
    #[serde(borrow)]
    pub(super) block_reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) block_reason_message: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct UsageMetadata<'a> {
    #[serde(deserialize_with = "count")]
    pub(super) prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) cached_content_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) candidates_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) thoughts_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) tool_use_prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub(super) total_token_count: Option<u64>,
    #[serde(borrow)]
    pub(super) service_tier: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) traffic_type: Option<Cow<'a, str>>,
}

/// `{"code","message","status","details"}`; Google's message never leaves fynq.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorBody<'a> {
    #[serde(deserialize_with = "count")]
    pub(super) code: Option<u64>,
    #[serde(borrow)]
    pub(super) message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub(super) details: Vec<Detail<'a>>,
}

/// The union of the detail kinds that matter here; which one it is follows from what it has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Detail<'a> {
    /// RetryInfo.
    #[serde(borrow)]
    pub(super) retry_delay: Option<Cow<'a, str>>,
    /// ErrorInfo.
    #[serde(borrow)]
    pub(super) reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    metadata: Option<ErrorMetadata<'a>>,
    /// QuotaFailure.
    #[serde(borrow, deserialize_with = "or_default")]
    violations: Vec<Violation<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorMetadata<'a> {
    #[serde(borrow)]
    quota_limit: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Violation<'a> {
    #[serde(borrow)]
    quota_id: Option<Cow<'a, str>>,
}

impl<'a> ErrorBody<'a> {
    pub(super) fn retry_delay(&self) -> Option<&str> {
        self.details.iter().find_map(|detail| detail.retry_delay.as_deref())
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.details.iter().find_map(|detail| detail.reason.as_deref())
    }

    pub(super) fn quota_ids(&self) -> impl Iterator<Item = &str> {
        self.details.iter().flat_map(|detail| &detail.violations).filter_map(|v| v.quota_id.as_deref())
    }

    /// A quota that only the next day lifts: asking again today is of no use.
    pub(super) fn is_daily(&self) -> bool {
        let limits =
            self.details.iter().filter_map(|detail| detail.metadata.as_ref()?.quota_limit.as_deref());
        let daily = |id: &str| id.contains("PerDay") || id.contains("Daily");
        self.quota_ids().any(daily) || limits.into_iter().any(daily)
    }
}

/// `"34.4s"`: protobuf's JSON form of a duration.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// One event's data: nearly always one object; some gateways wrap it in an array.
pub(super) fn parse(data: &str) -> Result<Messages<'_>, serde_json::Error> {
    if data.trim_ascii_start().starts_with('[') {
        serde_json::from_str(data).map(Messages::Many)
    } else {
        serde_json::from_str(data).map(Messages::One)
    }
}

#[expect(clippy::large_enum_variant, reason = "lives on the stack, for one event")]
pub(super) enum Messages<'a> {
    One(Response<'a>),
    Many(Vec<Response<'a>>),
}

impl<'a> Messages<'a> {
    pub(super) fn as_slice(&self) -> &[Response<'a>] {
        match self {
            Messages::One(one) => std::slice::from_ref(one),
            Messages::Many(many) => many,
        }
    }
}

// ---- Reading leniently ------------------------------------------------------------------------

/// `null` where a list is expected is an empty list.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A count that is no plain number (a string, a float, null) never costs the whole event.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Count;
    impl<'de> Visitor<'de> for Count {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a count")
        }
        fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
            Ok(Some(value))
        }
        fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
            Ok(u64::try_from(value).ok())
        }
        fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
            Ok((value >= 0.0).then_some(value as u64))
        }
        fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
            Ok(value.parse().ok())
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(Count)
}

/// A field name or string: borrowed from the input when it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;
        impl<'de> Visitor<'de> for PartVisitor {
            type Value = Part<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut part = Part::default();
                while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
                    match &*name {
                        "text" => part.text = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
                        "thought" => part.thought = map.next_value::<Option<bool>>()?.unwrap_or(false),
                        "thoughtSignature" => {
                            part.signature = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0);
                        }
                        "functionCall" => part.call = map.next_value()?,
                        "videoMetadata" | "mediaResolution" | "partMetadata" | "audioTranscription" => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            part.other = Some(name);
                        }
                    }
                }
                Ok(part)
            }
        }
        deserializer.deserialize_map(PartVisitor)
    }
}
