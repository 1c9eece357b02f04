//! Sums of two fractions, taught with the student's own numbers.

use super::linear::gcd;
use super::{Mood, Scene, pick};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sum {
    pub(super) first: (i64, i64),
    pub(super) second: (i64, i64),
    /// $+1$ or $-1$.
    pub(super) sign: i64,
}

const BIG: i64 = 1000;

impl Sum {
    /// `3/4 + 1/6`, `2/3 - 1/2`.
    pub(super) fn find(text: &str) -> Option<Sum> {
        let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '$').collect();
        let plain = plain.replace(['−', '–'], "-");
        plain.match_indices(['+', '-']).find_map(|(at, sign)| {
            let first = before(&plain[..at])?;
            let second = after(&plain[at + 1..])?;
            Some(Sum { first, second, sign: if sign == "-" { -1 } else { 1 } })
        })
    }

    /// `3/6 + 2/6` on the way from `1/2 + 1/3` is a step, not another question.
    pub(super) fn continues(self, earlier: Sum) -> bool {
        reduced(self.total()) == reduced(earlier.total())
    }

    fn common(self) -> i64 {
        let (b, d) = (self.first.1, self.second.1);
        b / gcd(b, d) * d
    }

    /// Both tops over the common bottom.
    fn widened(self) -> (i64, i64) {
        let common = self.common();
        (self.first.0 * (common / self.first.1), self.second.0 * (common / self.second.1))
    }

    fn total(self) -> (i64, i64) {
        let (one, two) = self.widened();
        (one + self.sign * two, self.common())
    }

    fn tex(self) -> String {
        format!("{} {} {}", tex(self.first), self.op(), tex(self.second))
    }

    fn op(self) -> char {
        if self.sign < 0 { '-' } else { '+' }
    }

    pub(super) fn teach(self, scene: &Scene<'_>) -> String {
        let (b, d) = (self.first.1, self.second.1);
        let common = self.common();
        if scene.step == 0 {
            let open = pick(
                &["Fractions, good!", "Let's work this out together.", "A good one to picture."],
                scene.seed,
            );
            if b == d {
                return format!(
                    "{open}\n\n$${}$$\n\nThe bottoms are the same: both count pieces of the **same size**, $\\frac{{1}}{{{b}}}$ each. \
                     **How many such pieces do you have in the end?**",
                    self.tex()
                );
            }
            return format!(
                "{open}\n\n$${}$$\n\nThe bottom number says **how big** the pieces are, the top one **how many** there are. Here the pieces have \
                 different sizes, $\\frac{{1}}{{{b}}}$ and $\\frac{{1}}{{{d}}}$, so we cannot simply count them together yet.\n\n\
                 **Which number is in the times table of both ${b}$ and ${d}$?**",
                self.tex()
            );
        }
        match scene.mood {
            Mood::WantsAnswer if scene.asked >= 2 => self.show(),
            Mood::WantsAnswer => format!(
                "I could, but you'd have to trust me, and you are able to *see* it yourself. Here is a start:\n\n$${} = \\frac{{?}}{{{common}}}$$\n\n\
                 **By what was the bottom multiplied, so what happens to the top?**",
                tex(self.first)
            ),
            Mood::Lost => format!(
                "No problem. List the times tables until they meet:\n\n- ${b}$: {}\n- ${d}$: {}\n\n**Which is the first number that stands in both rows?**",
                table(b, common),
                table(d, common)
            ),
            _ => self.judge(scene),
        }
    }

    fn judge(self, scene: &Scene<'_>) -> String {
        let common = self.common();
        let (one, two) = self.widened();
        let total = self.total();
        let right = reduced(total);
        if let Some(said) = said_fraction(scene.last) {
            let naive = (self.first.0 + self.sign * self.second.0, self.first.1 + self.sign * self.second.1);
            return if said == right {
                format!(
                    "**Yes, {}!** And it is in lowest terms. You made the pieces the same size first, and then counted.\n\n\
                     Quick check by feeling: **is that more or less than $\\frac{{1}}{{2}}$, and how can you tell without a calculator?**",
                    inline(right)
                )
            } else if said.1 != 0 && reduced(said) == right {
                format!(
                    "That is right! It can be said with smaller numbers, too. **Which number divides both ${}$ and ${}$?**",
                    said.0, said.1
                )
            } else if said == naive && self.first.1 != self.second.1 {
                "I see what you did: tops together, bottoms together. Let's test that idea on something easy: with it, $\\frac{1}{2} + \\frac{1}{2}$ \
                     would be $\\frac{2}{4}$.\n\n**But two halves of a pizza are…?** What does that tell you about adding the bottoms?".to_owned()
            } else {
                format!(
                    "You're on the way. Let's check the parts: over ${common}$ the two fractions are\n\n$$\\frac{{{one}}}{{{common}}} \\quad\\text{{and}}\\quad \
                     \\frac{{{two}}}{{{common}}}$$\n\n**Does that match yours? What do you get when you count them together?**"
                )
            };
        }
        let names_common = scene.last.split(|c: char| !c.is_ascii_digit()).any(|n| n.parse() == Ok(common));
        if names_common {
            format!(
                "Exactly, ${common}$ works: now all pieces can have the size $\\frac{{1}}{{{common}}}$.\n\n$${} = \\frac{{?}}{{{common}}} \\qquad {} = \\frac{{?}}{{{common}}}$$\n\n\
                 **Which numbers go on top?**",
                tex(self.first),
                tex(self.second)
            )
        } else {
            format!(
                "Thanks for saying how you see it. Let's look for pieces of one size: with ${common}$ pieces in a whole, $\\frac{{1}}{{{}}}$ is ${}$ of them.\n\n\
                 **So how many of them is {}?**",
                self.first.1,
                common / self.first.1,
                inline(self.first)
            )
        }
    }

    fn show(self) -> String {
        let common = self.common();
        let (one, two) = self.widened();
        let total = self.total();
        let right = reduced(total);
        let end = if right == total { String::new() } else { format!(" = {}", tex(right)) };
        format!(
            "You stayed with it, so here is the whole way:\n\n$${} = \\frac{{{one}}}{{{common}}} {} \\frac{{{two}}}{{{common}}} = {}{end}$$\n\n\
             Cover it up and explain it back to me: **why did we need the ${common}$?**",
            self.tex(),
            self.op(),
            tex(total)
        )
    }
}

fn before(text: &str) -> Option<(i64, i64)> {
    let tail = text.rsplit(|c: char| !c.is_ascii_digit() && c != '/').next()?;
    fraction(tail)
}

fn after(text: &str) -> Option<(i64, i64)> {
    let head = text.split(|c: char| !c.is_ascii_digit() && c != '/').next()?;
    fraction(head)
}

fn fraction(text: &str) -> Option<(i64, i64)> {
    let (top, bottom) = text.split_once('/')?;
    let (top, bottom): (i64, i64) = (top.parse().ok()?, bottom.parse().ok()?);
    (bottom > 0 && bottom <= BIG && top <= BIG).then_some((top, bottom))
}

/// The fraction that a student's answer comes down to: the last one in it.
fn said_fraction(text: &str) -> Option<(i64, i64)> {
    text.replace(['$', '−'], " ")
        .split(|c: char| !c.is_ascii_digit() && c != '/')
        .filter_map(fraction)
        .next_back()
}

fn reduced((top, bottom): (i64, i64)) -> (i64, i64) {
    let divisor = gcd(top.abs(), bottom.abs());
    (top / divisor, bottom / divisor)
}

fn tex((top, bottom): (i64, i64)) -> String {
    match (top, bottom) {
        (top, 1) => top.to_string(),
        (top, bottom) if top < 0 => format!("-\\frac{{{}}}{{{bottom}}}", -top),
        (top, bottom) => format!("\\frac{{{top}}}{{{bottom}}}"),
    }
}

fn inline(value: (i64, i64)) -> String {
    format!("${}$", tex(value))
}

fn table(of: i64, until: i64) -> String {
    let shown = (until / of).min(6);
    let row: Vec<String> = (1..=shown).map(|n| (n * of).to_string()).collect();
    row.join(", ") + if shown * of < until { ", …" } else { "" }
}
