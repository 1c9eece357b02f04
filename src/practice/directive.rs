//! `[[emu k=v …]]`: how a rehearsal is told what to play.

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    /// Something was asked for at all; without it the practice tutor answers.
    pub(super) given: bool,
    pub(super) chunks: Option<u32>,
    /// About how many bytes of text a chunk has.
    pub(super) bytes: usize,
    pub(super) delay_us: u64,
    pub(super) first_us: u64,
    /// Each chunk is written apart, even without a delay.
    pub(super) yields: bool,
    /// `mix`, `plain` or `uni`.
    pub(super) text: String,
    /// This many chunks at the beginning are thoughts.
    pub(super) thoughts: u32,
    /// The body goes out in writes of this many bytes; 0: as it comes.
    pub(super) split: usize,
    pub(super) fault: String,
    /// The chunk at which a fault within the stream strikes.
    pub(super) at: u32,
    pub(super) stall_ms: u64,
    pub(super) retry_s: u64,
    pub(super) fail_n: u32,
    pub(super) key: String,
    /// The last chunk's finish reason; `none`: without.
    pub(super) finish: String,
    /// Exactly this is answered.
    pub(super) say: Option<String>,
    /// The answer begins with `~guided~` if a human tutor told the model something.
    pub(super) guided: bool,
    /// The library is asked for this so many times, one after the other, where there is one.
    pub(super) search: Option<String>,
    pub(super) rounds: u32,
}

impl Default for Directive {
    fn default() -> Self {
        Directive {
            given: false,
            chunks: None,
            bytes: 90,
            delay_us: 30_000,
            first_us: 0,
            yields: false,
            text: "mix".into(),
            thoughts: 0,
            split: 0,
            fault: String::new(),
            at: 3,
            stall_ms: 600_000,
            retry_s: 2,
            fail_n: 0,
            key: String::new(),
            finish: "STOP".into(),
            say: None,
            guided: false,
            search: None,
            rounds: 1,
        }
    }
}

impl Directive {
    /// Later words win over earlier ones; what is not understood is passed over.
    pub(super) fn apply(&mut self, words: &str) {
        for pair in words.split(|c: char| c.is_whitespace() || c == ',') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            let number = value.parse::<u64>().unwrap_or(0);
            let small = u32::try_from(number).unwrap_or(u32::MAX);
            let size = usize::try_from(number).unwrap_or(usize::MAX);
            self.given = true;
            match key {
                "chunks" => self.chunks = Some(small.min(10_000_000)),
                "bytes" => self.bytes = size.min(1 << 20),
                "delay_us" => self.delay_us = number,
                "first_us" => self.first_us = number,
                "yield" => self.yields = number != 0,
                "text" => self.text = value.to_owned(),
                "thoughts" => self.thoughts = small,
                "split" => self.split = size,
                "fault" => self.fault = value.to_owned(),
                "at" => self.at = small,
                "stall_ms" => self.stall_ms = number,
                "retry_s" => self.retry_s = number,
                "fail_n" => self.fail_n = small,
                "key" => self.key = value.to_owned(),
                "finish" => self.finish = value.to_owned(),
                "guided" => self.guided = number != 0,
                "search" => self.search = Some(value.replace('+', " ")),
                "rounds" => self.rounds = small,
                "say" => self.say = base64url(value).and_then(|bytes| String::from_utf8(bytes).ok()),
                _ => {}
            }
        }
    }
}

/// The words of the last directive in a text.
pub(super) fn find(text: &str) -> Option<&str> {
    let start = text.rfind("[[emu ")? + "[[emu ".len();
    let length = text[start..].find("]]")?;
    Some(&text[start..start + length])
}

/// A text without its directives: what a student would have said.
pub(super) fn strip(text: &str) -> String {
    let mut rest = text;
    let mut said = String::new();
    while let Some(start) = rest.find("[[emu ") {
        let Some(length) = rest[start..].find("]]") else { break };
        said.push_str(&rest[..start]);
        rest = &rest[start + length + 2..];
    }
    said.push_str(rest);
    said.trim().to_owned()
}

/// Padding is optional; the standard alphabet is taken, too.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}
