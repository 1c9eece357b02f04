//! Lessons by subject: an opening, hints that lead on, easier steps for who is lost, and a close.

use super::{Mood, Scene, echo, pick};

pub(super) struct Lesson {
    /// Beginnings of words that name the subject.
    keys: &'static [&'static str],
    opening: &'static [&'static str],
    /// Question by question; each takes the answer to the one before for given.
    steps: &'static [&'static str],
    /// For "I don't know".
    easier: &'static [&'static str],
    /// For "just give me the answer": first a push, then the matter itself.
    push: &'static str,
    shown: &'static str,
    /// When the steps are through.
    close: &'static [&'static str],
}

/// Said before the next question; without a verdict, since free words cannot be judged here.
const HEARD: &[&str] = &[
    "Thanks for saying how you see it",
    "Let's hold on to that",
    "I see where you're going",
    "Good that you put it in your own words",
];

impl Lesson {
    pub(super) fn is_about(&self, word: &str) -> bool {
        self.keys.iter().any(|key| word.starts_with(key))
    }

    /// Taught with the student's own numbers, once there are any.
    pub(super) fn is_arithmetic(&self) -> bool {
        self.keys.iter().any(|key| matches!(*key, "fraction" | "equation"))
    }

    pub(super) fn teach(&self, scene: &Scene<'_>) -> String {
        match (scene.mood, scene.step) {
            (Mood::WantsAnswer, _) if scene.asked >= 2 => self.shown.to_owned(),
            (Mood::WantsAnswer, _) => self.push.to_owned(),
            (_, 0) => pick(self.opening, scene.seed).to_owned(),
            (Mood::Lost, _) => pick(self.easier, scene.lost.saturating_sub(1)).to_owned(),
            _ => {
                let at = scene.heard.saturating_sub(1);
                let close = || pick(self.close, at.saturating_sub(self.steps.len()) + scene.seed);
                let question = self.steps.get(at).copied().unwrap_or_else(close);
                let said = echo(scene.last);
                // A word or a number needs no repeating.
                if said.split(' ').count() < 3 {
                    return question.to_owned();
                }
                format!("{}: *“{said}”*.\n\n{question}", pick(HEARD, scene.step + scene.seed))
            }
        }
    }
}

pub(super) const LESSONS: &[Lesson] = &[
    Lesson {
        keys: &["fraction", "numerator", "denominator", "halves", "thirds", "quarters"],
        opening: &[
            "Fractions are just a way to say *how many* pieces of *which size*.\n\n$$\\frac{3}{4}: \\quad \\text{three pieces, each a quarter}$$\n\n\
             Suppose you have $\\frac{1}{2}$ of a pizza and get another $\\frac{1}{4}$. **How could you cut the half so that all pieces have the same size?**",
            "Let's start with something you can hold: a chocolate bar with 12 squares.\n\n- $\\frac{1}{3}$ of it is how many squares?\n- $\\frac{1}{4}$ of it?\n\n\
             **And how many squares is $\\frac{1}{3} + \\frac{1}{4}$ together?**",
        ],
        steps: &[
            "So pieces can only be *counted together* when they are the same size. That's all a **common denominator** is.\n\n\
             **Which size of piece would work for $\\frac{1}{2}$ and $\\frac{1}{3}$ alike?** Hint: look for a number in both times tables.",
            "Let's use sixths:\n\n$$\\frac{1}{2} = \\frac{?}{6} \\qquad \\frac{1}{3} = \\frac{?}{6}$$\n\n**What goes on top of each, and why may we multiply top and bottom by the same number?**",
            "Now count: $\\frac{3}{6} + \\frac{2}{6}$. **What do you get, and why does the bottom *not* become $12$?**",
        ],
        easier: &[
            "Perfectly fine. Take a sheet of paper and fold it in half, then in half again. **How many parts are there now, and what is one of them called?**",
            "Look at a clock: half an hour is $30$ minutes, a third of an hour is $20$. **Together they are how many minutes, out of $60$?**",
        ],
        push: "If I tell you, you'll have *one* answer; if you find it, you'll have all of them. \n\n**Try this much: can you write $\\frac{1}{2}$ as some number of sixths?**",
        shown: "Fair enough, let's look at one from start to end:\n\n$$\\frac{1}{2} + \\frac{1}{3} = \\frac{3}{6} + \\frac{2}{6} = \\frac{5}{6}$$\n\n\
                **Can you do the same with $\\frac{1}{4} + \\frac{1}{6}$? Which size of piece will you choose?**",
        close: &[
            "You have the idea. Here's one to try alone: $\\frac{3}{4} - \\frac{1}{6}$. **Which denominator do you choose, and what comes out?**",
            "Now explain it the other way round: a friend says $\\frac{1}{2} + \\frac{1}{3} = \\frac{2}{5}$. **How would you show them, with a drawing, that this can't be?**",
        ],
    },
    Lesson {
        keys: &["equation", "algebra", "solve", "variable", "unknown"],
        opening: &[
            "An equation is a balance: both sides weigh the same.\n\n$$2x + 3 = 11$$\n\nOur job is to get $x$ alone *without tipping the balance*. \
             **What could you take away from both sides first?**",
            "Think of $x$ as a wrapped present. Somebody did things to it, and we unwrap it backwards.\n\nIn $3x - 4 = 14$ the present was first multiplied by $3$, then $4$ was taken away. \
             **Which of the two do we undo first, and how?**",
        ],
        steps: &[
            "The rule behind it: *undo the last thing first, and do it on both sides.* \n\n**After the first step, what equation is left?** Write it on its own line.",
            "Good. Now only a multiplication stands between us and $x$. **What undoes “times”?**",
            "And how do you know that you are right? **Put your number back in for $x$ and tell me what each side says.**",
        ],
        easier: &[
            "No problem. Forget letters: *I think of a number, double it, add three, and get eleven.* **What was it before I added three?**",
            "Use boxes: two equal boxes and three marbles weigh as much as eleven marbles. **Take three marbles off each side. What do the two boxes weigh?**",
        ],
        push: "I'd rather give you the tool than the result. **Tell me just this: what is the last thing that was done to $x$, and what is its opposite?**",
        shown: "Let's read one together:\n\n$$\n\\begin{aligned}\n2x + 3 &= 11 \\\\\n2x &= 8 \\\\\nx &= 4\n\\end{aligned}\n$$\n\n**Which step was a subtraction, and which a division? And why was that the order?**",
        close: &[
            "Try one alone: $5x - 7 = 18$. **What is your first move, and what do you get for $x$?**",
            "Now make one for me! Choose a secret $x$, do two things to it, and give me the equation. **How do you make sure that it has a whole solution?**",
        ],
    },
    Lesson {
        keys: &["photosynthesis", "chlorophyll", "plant", "leaf", "leaves", "glucose", "chloroplast"],
        opening: &[
            "A tree can weigh tonnes, and it all began as a seed. **Where do you think most of that stuff came from: the soil, the water, or the air?**\n\n\
             Make a guess first; about 400 years ago Jan van Helmont weighed a pot for five years to find out.",
            "Plants do something that we cannot: they make their own food.\n\n- **What** do you think a plant needs for it?\n- And **why** might it matter that leaves are flat and green?\n\nStart with the first one: what goes in?",
        ],
        steps: &[
            "So we need things that go *in*: water from the roots, carbon dioxide from the air, and energy from light. **Through which openings in the leaf could a gas come in, and what would leave through them?**",
            "Let's write it as a recipe:\n\n$$6\\,\\mathrm{CO_2} + 6\\,\\mathrm{H_2O} \\xrightarrow{\\text{light}} \\mathrm{C_6H_{12}O_6} + 6\\,\\mathrm{O_2}$$\n\n\
             **Count the oxygen atoms on both sides. Do they match?**",
            "Light is not in the products at all. **So where has its energy gone?** Think of what happens when sugar, or wood, burns.",
        ],
        easier: &[
            "That's okay. Think of a house plant in a dark cupboard. **What happens to it after two weeks, and what was missing?**",
            "Imagine that you breathe on a leaf. Your breath has a lot of carbon dioxide. **Is that waste for the plant, or something it can use?**",
        ],
        push: "One clue instead: the word itself tells you. *Photo* means light, *synthesis* means putting together. **What is put together, do you think?**",
        shown: "In short: in the **chloroplasts**, the green *chlorophyll* catches light. Its energy turns water and carbon dioxide into sugar, and oxygen is given off.\n\n\
                **Your turn: which of these three would a plant run short of on a hot, dry day, when it closes its pores?**",
        close: &[
            "You have the main idea. One to chew on: **do plants breathe at night, and if so, what do they take in?**",
            "Now connect it: **why would life on land have been impossible before there were green things in the sea?**",
        ],
    },
    Lesson {
        keys: &["loop", "python", "code", "program", "javascript", "rust", "function", "bug", "array"],
        opening: &[
            "Programs are good at what bores us: doing a thing again and again. Read this slowly:\n\n```python\nfor n in range(3):\n    print(n * n)\n```\n\n\
             **Without running it: which lines will it print?** Write down `n` for every round.",
            "Let's think like the computer, one line at a time:\n\n```python\ntotal = 0\nfor n in [2, 5, 1]:\n    total = total + n\nprint(total)\n```\n\n\
             **Make a small table: what is `total` after each round?**",
        ],
        steps: &[
            "Tracing by hand like that is exactly what a debugger does. Now a change:\n\n```python\nfor n in range(1, 4):\n    print(n * n)\n```\n\n**What is different, and why does `4` never appear as `n`?**",
            "Now a loop that doesn't know beforehand how often it runs:\n\n```python\nn = 20\nwhile n > 1:\n    n = n // 2\n    print(n)\n```\n\n**What does it print, and what would happen if the line `n = n // 2` were missing?**",
            "Good. Now you: **write a loop that adds the numbers from 1 to 10.** Begin with the line before the loop; which variable do you need, and what is its first value?",
        ],
        easier: &[
            "No problem. Think of brushing your teeth: *for each tooth: brush it*. **What is repeated, and over what?** That's all a `for` loop says.",
            "`range(3)` is just the list `0, 1, 2`. **So how many times does the body run, and what is `n` the first time?**",
        ],
        push: "Code that you copied breaks at the first change, and then you're alone with it. We'll go sentence by sentence instead. **In plain words: what should the program do first, and what again and again?**",
        shown: "Here is one whole, to read and not just to copy:\n\n```python\ntotal = 0\nfor n in range(1, 11):\n    total += n\nprint(total)  # 55\n```\n\n**Why does `range` end at `11`? And what would you change to add only the even numbers?**",
        close: &[
            "You read code well. A challenge: **print the numbers 1 to 15, but `Fizz` for every third one.** Which question do you have to ask about each number?",
            "Now find the bug:\n\n```python\nnumbers = [4, 8, 2]\nlargest = 0\nfor n in numbers:\n    if n > largest:\n        largest = n\n```\n\nIt works here. **For which list of numbers does it give a wrong result?**",
        ],
    },
    Lesson {
        keys: &[
            "essay",
            "history",
            "paragraph",
            "thesis",
            "revolution",
            "war",
            "empire",
            "poem",
            "novel",
            "source",
        ],
        opening: &[
            "Good writing begins before the first sentence, with a question that can be *argued about*.\n\n\
             - *“When did the French Revolution begin?”* has one answer.\n- *“Why did it begin in 1789 and not in 1770?”* needs a case.\n\n**What is your topic, and which “why” or “how far” question could you ask about it?**",
            "Let's plan before we write. A strong essay has one **claim**, a few **reasons**, and **evidence** for each.\n\n\
             Finish this sentence in your own words: *“I think that …, because …”*. **What would you put in?**",
        ],
        steps: &[
            "Now test it: **would a sensible person disagree with that?** If nobody could, it's a fact and not yet a claim. What would they say against it?",
            "Take your best reason and give it a home:\n\n1. **Point:** what you claim\n2. **Evidence:** a fact, a date, a quotation\n3. **Explanation:** why this evidence supports the point\n\n**Which piece of evidence comes to mind first?**",
            "Whenever you use a source, ask: *who wrote this, when, and for whom?* **How might that have coloured what it says?**",
        ],
        easier: &[
            "That's fine, a blank page is hard for everybody. Don't write yet; just talk, as you would to a friend: **what surprised you most about the topic?**",
            "Let's make a list instead: three things that happened, in order. **Which of them could not have happened without the one before?**",
        ],
        push: "I can't write it for you, it has to be *your* voice. But we can get the first paragraph on its feet in five minutes. **What is the one thing your reader should believe at the end?**",
        shown: "Here's a skeleton, to be filled with your own thoughts:\n\n1. **Opening:** the question, and your claim in one sentence\n2. **Reason one**, with evidence\n3. **Reason two**, with evidence\n4. **The other side**, and your reply to it\n5. **Close:** what follows from all this\n\n**Which of the five could you say aloud right now?**",
        close: &[
            "You have a plan. Now read your claim once more: **does every reason really lead to it, or does one belong in a different essay?**",
            "Last step of any good essay: the other side. **What is the strongest thing that could be said against you, and how would you answer it fairly?**",
        ],
    },
    Lesson {
        keys: &[
            "gravity",
            "force",
            "newton",
            "speed",
            "velocity",
            "acceleration",
            "physics",
            "energy",
            "momentum",
        ],
        opening: &[
            "Drop a coin and a sheet of paper: the coin wins. Now crumple the paper and drop both again. **What do you expect, and what changed: the weight, or something else?**",
            "Let's start with moving things. A bike covers $12\\,\\mathrm{m}$ in $3\\,\\mathrm{s}$.\n\n$$v = \\frac{s}{t}$$\n\n**What do the letters stand for, and how fast is the bike?**",
        ],
        steps: &[
            "Keep the *units* in sight; they often tell you whether you divided the right way round. **What unit does your answer have, and does that make sense?**",
            "Now add a push. Newton says\n\n$$F = m \\cdot a$$\n\n**If you push two shopping trolleys with the same force, one full and one empty, which speeds up more, and where do you see that in the formula?**",
            "And when nothing pushes at all: **does a thing in empty space slow down by itself?** Why do things on Earth seem to?",
        ],
        easier: &[
            "No problem. Think of sitting in a bus that brakes hard. **In which direction do you seem to fly, and did anything really push you there?**",
            "Just the words first: *speed* says how fast you are, *acceleration* how quickly that changes. **A car at a steady $50\\,\\mathrm{km/h}$: what is its acceleration?**",
        ],
        push: "Before any number: draw it. A box for the thing, an arrow for every force. **Which arrows do you draw?**",
        shown: "One worked example: with $F = 10\\,\\mathrm{N}$ and $m = 2\\,\\mathrm{kg}$,\n\n$$a = \\frac{F}{m} = \\frac{10\\,\\mathrm{N}}{2\\,\\mathrm{kg}} = 5\\,\\mathrm{\\frac{m}{s^2}}$$\n\n**What happens to $a$ when the mass is doubled?**",
        close: &[
            "You're reasoning like a physicist. **Where in your day did you feel an acceleration today, and what caused it?**",
            "One more: the Moon falls towards the Earth all the time. **Why does it never land?**",
        ],
    },
];
