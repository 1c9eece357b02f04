//! Equations of the form $ax + b = c$, taught with the student's own numbers.

use super::{Mood, Scene, pick};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Linear {
    pub(super) a: i64,
    pub(super) b: i64,
    pub(super) c: i64,
}

const BIG: i64 = 100_000;
/// What the tutor says before an equation of its own making.
const SET: &str = "one for you alone:";

/// The equation that the tutor set at the end of a turn.
pub(super) fn set_by_tutor(text: &str) -> Option<Linear> {
    let (_, after) = text.rsplit_once(SET)?;
    Linear::find(after)
}

impl Linear {
    /// The first equation in a text: `2x + 3 = 11`, `x-4=9`, `3x = 12`.
    pub(super) fn find(text: &str) -> Option<Linear> {
        let plain = formula(text);
        plain.match_indices('x').find_map(|(at, _)| {
            let before = &plain[..at];
            let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let (head, digits) = before.split_at(before.len() - digits);
            if head.ends_with(['/', '.', ',', '^', '(', 'x']) {
                return None;
            }
            let sign = if head.ends_with('-') { -1 } else { 1 };
            let a = sign * if digits.is_empty() { 1 } else { digits.parse().ok()? };
            let rest = &plain[at + 1..];
            let (b, rest) = match rest.chars().next()? {
                '+' | '-' => signed(rest)?,
                _ => (0, rest),
            };
            let (c, rest) = signed(rest.strip_prefix('=')?)?;
            // A full stop ends a sentence, or begins the rest of a decimal.
            let mut next = rest.chars();
            let goes_on = match next.next() {
                Some('.' | ',') => next.next().is_some_and(|c| c.is_ascii_digit()),
                Some(c) => "x+-/^(".contains(c),
                None => false,
            };
            // `x = 4` alone is somebody's answer, not a question.
            let is_question = a != 0 && (a != 1 || b != 0) && !goes_on;
            let is_small = [a, b, c].iter().all(|n| n.abs() <= BIG);
            (is_question && is_small).then_some(Linear { a, b, c })
        })
    }

    /// `2x = 8` on the way from `2x + 3 = 11` is a step, not another question.
    pub(super) fn continues(self, earlier: Linear) -> bool {
        self == earlier || self.b == 0 && self.a == earlier.a && earlier.b != 0
    }

    /// $x$ if it is whole.
    fn whole(self) -> Option<i64> {
        let right = self.c - self.b;
        (right % self.a == 0).then(|| right / self.a)
    }

    fn left(self) -> String {
        let ax = match self.a {
            1 => "x".to_owned(),
            -1 => "-x".to_owned(),
            a => format!("{a}x"),
        };
        match self.b {
            0 => ax,
            b if b > 0 => format!("{ax} + {b}"),
            b => format!("{ax} - {}", -b),
        }
    }

    fn first_move(self) -> String {
        match self.b {
            0 => format!("divide both sides by ${}$", self.a),
            b if b > 0 => format!("subtract ${b}$ from both sides"),
            b => format!("add ${}$ to both sides", -b),
        }
    }

    fn solution(self) -> String {
        let right = self.c - self.b;
        match self.whole() {
            Some(x) => x.to_string(),
            None => {
                let divisor = gcd(right.abs(), self.a.abs());
                let (top, bottom) = (right / divisor, self.a / divisor);
                let sign = if (top < 0) == (bottom < 0) { "" } else { "-" };
                format!("{sign}\\frac{{{}}}{{{}}}", top.abs(), bottom.abs())
            }
        }
    }

    pub(super) fn teach(self, scene: &Scene<'_>) -> String {
        let left = self.left();
        let (a, b, c) = (self.a, self.b, self.c);
        let right = c - b;
        if scene.step == 0 {
            let open = pick(
                &["A nice one to think about.", "Let's take this one apart together.", "Good, an equation!"],
                scene.seed,
            );
            let question = if b == 0 {
                format!(
                    "Here $x$ is multiplied by ${a}$. **What undoes a multiplication**, and what do you get when you do it on both sides?"
                )
            } else {
                format!(
                    "To free $x$, we undo what was done to it, *the last thing first*. **What could you do to both sides so that only ${}$ stays on the left?**",
                    ax(a)
                )
            };
            return format!(
                "{open}\n\n$${left} = {c}$$\n\nPicture a balance: whatever you do to one side, you do to the other, and it stays level.\n\n{question}"
            );
        }
        match scene.mood {
            Mood::WantsAnswer if scene.asked >= 2 => self.show(),
            Mood::WantsAnswer => format!(
                "I understand, it's tempting! But you are only two moves away, and the next equation will look different. Here is the first move:\n\n\
                 > {}\n\nWrite it under the equation. **What stands there now?**",
                capital(&self.first_move())
            ),
            Mood::Lost if b != 0 && scene.heard == 0 && scene.lost == 1 => format!(
                "That's all right. Think of a bag: somebody put ${}$ equal boxes in, then {}, and now it counts ${c}$.\n\n\
                 **What was the count before that?** That's the value of ${}$.",
                a.abs(),
                if b > 0 { format!("added ${b}$ marbles") } else { format!("took ${}$ marbles out", -b) },
                ax(a)
            ),
            Mood::Lost => format!(
                "No worries, one small step. We know that\n\n$${} = {right}$$\n\nSo ${a}$ times *some number* is ${right}$. **Which number could it be?** Try one and check it.",
                ax(a)
            ),
            _ => self.judge(scene),
        }
    }

    fn judge(self, scene: &Scene<'_>) -> String {
        let (a, b, c) = (self.a, self.b, self.c);
        let right = c - b;
        let left = self.left();
        match said(scene.last) {
            Said::X(x) | Said::Number(x) if self.whole() == Some(x) => format!(
                "**Yes!** And let's prove it, as mathematicians do: put it back in.\n\n$${} = {c}$$\n\nIt holds, so $x = {x}$ is right. {}\n\n\
                 Now {SET} ${}$. **What is your first move, and why?**",
                inserted(a, b, x),
                pick(
                    &["You undid the steps in the right order.", "You kept both sides level all the way."],
                    scene.seed
                ),
                self.sibling()
            ),
            Said::Ax(value) | Said::Number(value) if value == right && b != 0 => format!(
                "Exactly, ${right}$ is what is left on the right side:\n\n$${} = {right}$$\n\n**And now: what do you do to both sides so that $x$ stands alone?**",
                ax(a)
            ),
            Said::Ax(value) => format!(
                "You isolated ${}$, that is the right aim. Let's check the number beside it: **if you {}, what does ${c}$ become?** You wrote ${value}$.",
                ax(a),
                self.first_move()
            ),
            Said::X(x) | Said::Number(x) => format!(
                "Good that you commit to a number, because a number can be *checked*. Put $x = {x}$ in:\n\n$${} = {}$$\n\n\
                 We wanted ${c}$. **Is that too much or too little, and which step would you look at again?**",
                inserted(a, b, x),
                a.saturating_mul(x).saturating_add(b)
            ),
            Said::Nothing if scene.step == 1 && b != 0 => format!(
                "You're thinking in the right direction: undo the ${}$ first. If you {}, what is\n\n$${left} = {c}$$\n\n**after that step?** Write the new line.",
                if b > 0 { format!("+{b}") } else { b.to_string() },
                self.first_move()
            ),
            Said::Nothing => format!(
                "Good, keep going. When the number beside $x$ is gone we have\n\n$${} = {right}$$\n\n**What undoes “times ${a}$”?** Tell me the value of $x$ that you get.",
                ax(a)
            ),
        }
    }

    fn show(self) -> String {
        let (a, b, c) = (self.a, self.b, self.c);
        let right = c - b;
        let mut lines = vec![format!("{} &= {c}", self.left())];
        if b != 0 {
            lines.push(format!("{} &= {right}", ax(a)));
        }
        if a != 1 {
            lines.push(format!("x &= {}", self.solution()));
        }
        format!(
            "You have tried, so let's look at it together:\n\n$$\n\\begin{{aligned}}\n{}\n\\end{{aligned}}\n$$\n\n\
             Read it slowly. **Why are we allowed to {}?** And {SET} ${}$.",
            lines.join(" \\\\\n"),
            self.first_move(),
            self.sibling()
        )
    }

    /// Another equation like it, with a whole solution.
    fn sibling(self) -> String {
        let a = if self.a > 1 { self.a + 1 } else { 3 };
        let x = self.whole().map_or(4, |x| x + 2);
        let b = if self.b == 0 { 5 } else { self.b };
        let sibling = Linear { a, b, c: a * x + b };
        format!("{} = {}", sibling.left(), sibling.c)
    }
}

fn ax(a: i64) -> String {
    Linear { a, b: 0, c: 0 }.left()
}

fn inserted(a: i64, b: i64, x: i64) -> String {
    let x = if x < 0 { format!("({x})") } else { x.to_string() };
    match b {
        0 => format!("{a} \\cdot {x}"),
        b if b > 0 => format!("{a} \\cdot {x} + {b}"),
        b => format!("{a} \\cdot {x} - {}", -b),
    }
}

/// A text with its words made `#` and its white space gone: what is left is arithmetic.
fn formula(text: &str) -> String {
    let mut plain = String::new();
    let chars = text.chars().filter(|c| !matches!(c, '*' | '$' | '·'));
    let chars: Vec<char> = chars.map(|c| if matches!(c, '−' | '–') { '-' } else { c }).collect();
    for run in chars.chunk_by(|one, next| one.is_alphabetic() && next.is_alphabetic()) {
        match run {
            ['x' | 'X'] => plain.push('x'),
            [c, ..] if c.is_alphabetic() => plain.push('#'),
            run => plain.extend(run.iter().filter(|c| !c.is_whitespace())),
        }
    }
    plain
}

/// What a student's answer comes down to.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// `x = 4`
    X(i64),
    /// `2x = 8`
    Ax(i64),
    /// A number and nothing that says of what.
    Number(i64),
    Nothing,
}

pub(super) fn said(text: &str) -> Said {
    let plain = formula(text);
    if let Some((before, after)) = plain.rsplit_once('=') {
        return match (before.strip_suffix('x'), signed(after)) {
            (Some(factor), Some((value, rest))) if !rest.starts_with(['/', '.', 'x', '+', '-']) => {
                if factor.ends_with(|c: char| c.is_ascii_digit()) { Said::Ax(value) } else { Said::X(value) }
            }
            _ => Said::Nothing,
        };
    }
    let names_a_move = ["subtract", "add", "minus", "plus", "divide", "take away", "multiply", "both sides"];
    let text = text.to_lowercase();
    if names_a_move.iter().any(|word| text.contains(word)) {
        return Said::Nothing;
    }
    let bare = plain.trim_matches(|c: char| !c.is_ascii_digit() && c != '-');
    match signed(bare) {
        Some((value, "")) => Said::Number(value),
        _ => Said::Nothing,
    }
}

/// A number with its sign, and what follows it.
fn signed(text: &str) -> Option<(i64, &str)> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let value: i64 = text[..digits].parse().ok()?;
    Some((sign * value, &text[digits..]))
}

pub(super) fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
