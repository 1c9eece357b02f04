//! Bytes to events. `eventsource-stream` reads the events; `Lines` before it sees to what it does
//! not: it would scan a growing line again at every packet, knows no bound, loses an event that
//! the end of the stream cuts short, passes over an error that comes as bare JSON, and trips over
//! a byte order mark.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use eventsource_stream::{EventStream, EventStreamError};
use futures_util::Stream;
use memchr::{memchr2, memrchr2};

/// One event at most: its lines together. A text delta has a few hundred bytes.
pub(super) const MAX_EVENT: usize = 1 << 20;

/// The event type under which the last words of a stream come when no blank line closed them.
const UNCLOSED: &str = "fynq-unclosed";

/// The names that begin a line of an event stream.
const FIELDS: [&[u8]; 4] = [b"data", b"event", b"id", b"retry"];
const BOM: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug)]
pub(super) enum SseError<E> {
    /// An event over `MAX_EVENT`.
    TooLong,
    /// Nothing in the whole body was an event.
    NotEvents,
    /// The body ends inside a line that means nothing by itself.
    Broken,
    Transport(E),
}

/// The data of one event.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) data: String,
    /// The stream ended before the blank line that closes an event: it may be half of one.
    pub(super) unclosed: bool,
}

pub(super) struct Frames<S> {
    events: EventStream<Lines<S>>,
}

impl<S> Frames<S> {
    pub(super) fn new(bytes: S) -> Self {
        Frames { events: EventStream::new(Lines::new(bytes)) }
    }
}

impl<S, E> Stream for Frames<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Frame, SseError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.events).poll_next(cx).map(|item| {
            Some(match item? {
                Ok(event) => Ok(Frame { unclosed: event.event == UNCLOSED, data: event.data }),
                Err(EventStreamError::Transport(error)) => Err(error),
                // `Lines` hands on whole lines of valid UTF-8 only, which always parse.
                Err(EventStreamError::Utf8(_) | EventStreamError::Parser(_)) => Err(SseError::Broken),
            })
        })
    }
}

/// Hands on one event's whole lines at a time, without copying them when a packet holds them whole.
struct Lines<S> {
    inner: S,
    /// Whole lines, not yet handed on.
    ready: Bytes,
    /// The start of a line whose end has not come. At most `MAX_EVENT`.
    partial: BytesMut,
    /// Bytes since the last blank line.
    event: usize,
    /// Field lines since the last blank line.
    open: bool,
    /// The last line ended in a carriage return: a line feed right after belongs to it.
    after_cr: bool,
    started: bool,
    saw_data: bool,
    saw_garbage: bool,
    bare: Bare,
    ended: bool,
}

enum LineKind {
    Blank,
    Data,
    Field,
    Bare,
}

impl<S> Lines<S> {
    fn new(inner: S) -> Self {
        Lines {
            inner,
            ready: Bytes::new(),
            partial: BytesMut::new(),
            event: 0,
            open: false,
            after_cr: false,
            started: false,
            saw_data: false,
            saw_garbage: false,
            bare: Bare::default(),
            ended: false,
        }
    }

    /// Takes a packet: whole lines become ready, the rest waits for its end.
    fn push<E>(&mut self, mut packet: Bytes) -> Result<(), SseError<E>> {
        let Some(end) = memrchr2(b'\n', b'\r', &packet) else {
            self.partial.extend_from_slice(&packet);
            return self.check_length(self.partial.len());
        };
        let whole = packet.split_to(end + 1);
        let whole = if self.partial.is_empty() {
            whole
        } else {
            self.partial.extend_from_slice(&whole);
            self.partial.split().freeze()
        };
        self.partial.extend_from_slice(&packet);
        self.ready = readable(whole);
        if !self.started {
            self.started = true;
            if self.ready.starts_with(BOM) {
                self.ready.advance(BOM.len());
            }
        }
        Ok(())
    }

    fn check_length<E>(&self, more: usize) -> Result<(), SseError<E>> {
        if self.event + more > MAX_EVENT { Err(SseError::TooLong) } else { Ok(()) }
    }

    /// The ready lines up to the end of the first event in them.
    fn next_block<E>(&mut self) -> Result<Bytes, SseError<E>> {
        let mut at = 0;
        while at < self.ready.len() {
            let Some(length) = memchr2(b'\n', b'\r', &self.ready[at..]) else { break };
            let (line, end) = (at..at + length, at + length + 1);
            let is_rest_of_crlf = std::mem::take(&mut self.after_cr) && self.ready[at] == b'\n';
            let has_crlf = self.ready[end - 1] == b'\r' && self.ready.get(end) == Some(&b'\n');
            at = end + usize::from(has_crlf);
            self.after_cr = !has_crlf && self.ready[end - 1] == b'\r';
            if is_rest_of_crlf {
                continue;
            }
            match kind(&self.ready[line.clone()]) {
                LineKind::Blank => {
                    self.event = 0;
                    if std::mem::take(&mut self.open) {
                        return Ok(self.ready.split_to(at));
                    }
                }
                LineKind::Data => {
                    self.saw_data = true;
                    self.grow(line.len())?;
                }
                LineKind::Field => self.grow(line.len())?,
                LineKind::Bare => {
                    let done = self.bare.feed(&self.ready[line]);
                    self.saw_garbage |= !done.is_json();
                    self.check_length(self.bare.text.len())?;
                    if matches!(done, Fed::Complete) {
                        let mut block = self.ready.split_to(at).to_vec();
                        block.extend_from_slice(b"\n");
                        block.extend_from_slice(&self.bare.take());
                        block.extend_from_slice(b"\n\n");
                        (self.event, self.open, self.saw_data) = (0, false, true);
                        return Ok(Bytes::from(block));
                    }
                }
            }
        }
        Ok(std::mem::take(&mut self.ready))
    }

    fn grow<E>(&mut self, length: usize) -> Result<(), SseError<E>> {
        self.check_length(length)?;
        self.event += length + 1;
        self.open = true;
        Ok(())
    }

    /// What is left when the stream is over, closed so that no event is lost.
    fn finish<E>(&mut self) -> Result<Bytes, SseError<E>> {
        let mut block = Vec::new();
        let mut rest = readable(self.partial.split().freeze());
        if !self.started && rest.starts_with(BOM) {
            rest.advance(BOM.len());
        }
        let mut broken = false;
        match kind(rest.trim_ascii_end()) {
            LineKind::Blank => {}
            LineKind::Data | LineKind::Field => {
                self.saw_data = true;
                self.open = true;
                block.extend_from_slice(&rest);
                block.push(b'\n');
            }
            LineKind::Bare => broken = !self.bare.feed(&rest).is_json(),
        }
        let begins_a_field = !rest.is_empty() && FIELDS.iter().any(|name| name.starts_with(&rest));
        if broken && (self.saw_data || begins_a_field) {
            return Err(SseError::Broken);
        }
        if self.open {
            block.extend_from_slice(b"event: ");
            block.extend_from_slice(UNCLOSED.as_bytes());
        }
        block.extend_from_slice(b"\n\n");
        if !self.bare.text.is_empty() {
            self.saw_data = true;
            block.extend_from_slice(b"event: ");
            block.extend_from_slice(UNCLOSED.as_bytes());
            block.push(b'\n');
            block.extend_from_slice(&self.bare.take());
            block.extend_from_slice(b"\n\n");
        }
        if !self.saw_data && (self.saw_garbage || broken) {
            return Err(SseError::NotEvents);
        }
        Ok(Bytes::from(block))
    }
}

impl<S, E> Stream for Lines<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Bytes, SseError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let step = if !this.ready.is_empty() {
                this.next_block()
            } else if this.ended {
                return Poll::Ready(None);
            } else {
                match std::task::ready!(Pin::new(&mut this.inner).poll_next(cx)) {
                    Some(Ok(packet)) => match this.push(packet) {
                        Ok(()) => continue,
                        Err(error) => Err(error),
                    },
                    Some(Err(error)) => Err(SseError::Transport(error)),
                    None => {
                        this.ended = true;
                        this.finish()
                    }
                }
            };
            if step.is_err() {
                this.ended = true;
                this.ready = Bytes::new();
            }
            return Poll::Ready(Some(step));
        }
    }
}

fn kind(line: &[u8]) -> LineKind {
    let is_field = |name: &[u8]| line.strip_prefix(name).is_some_and(|rest| matches!(rest, [] | [b':', ..]));
    if line.is_empty() {
        LineKind::Blank
    } else if is_field(b"data") {
        LineKind::Data
    } else if line[0] == b':' || FIELDS.iter().any(|name| is_field(name)) {
        LineKind::Field
    } else {
        LineKind::Bare
    }
}

/// Bytes that are no UTF-8 cost their own characters, not the answer.
fn readable(lines: Bytes) -> Bytes {
    match std::str::from_utf8(&lines) {
        Ok(_) => lines,
        Err(_) => Bytes::from(String::from_utf8_lossy(&lines).into_owned()),
    }
}

/// Collects the lines that are no fields, until they are a whole JSON value: an error that Google
/// writes into the body as it stands.
#[derive(Default)]
struct Bare {
    /// An event's data line in the making; empty while no value is open. Bounded by `MAX_EVENT`.
    text: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

enum Fed {
    NoJson,
    Open,
    Complete,
}

impl Fed {
    fn is_json(&self) -> bool {
        !matches!(self, Fed::NoJson)
    }
}

impl Bare {
    fn feed(&mut self, line: &[u8]) -> Fed {
        if self.text.is_empty() {
            if !matches!(line.trim_ascii_start().first(), Some(b'{' | b'[')) {
                return if line.trim_ascii().is_empty() { Fed::Open } else { Fed::NoJson };
            }
            self.text.extend_from_slice(b"data: ");
        }
        for &byte in line {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        // Where the line broke there is white space: JSON has no line breaks inside strings.
        self.text.extend(line.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        self.text.push(b' ');
        if self.depth == 0 { Fed::Complete } else { Fed::Open }
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self).text
    }
}
