use super::*;
use linear::{Said, said};

fn talk(said: &[&str]) -> Vec<String> {
    let mut turns = Vec::new();
    let mut replies = Vec::new();
    for text in said {
        turns.push(Turn { by_model: false, text: (*text).to_owned() });
        let answer = reply(&turns);
        turns.push(Turn { by_model: true, text: answer.clone() });
        replies.push(answer);
    }
    replies
}

#[test]
fn every_reply_asks_back_and_is_well_formed() {
    let openings = [
        "hi",
        "Can you help me with fractions?",
        "solve 2x + 3 = 11",
        "what is 1/2 + 1/3",
        "how does photosynthesis work",
        "I need a python loop",
        "help with my history essay",
        "what is gravity",
        "Why is the sky blue?",
        "7x = 10",
        "2/3 - 3/4",
        "",
    ];
    let then = [
        "I think it is twelve",
        "I don't know",
        "just give me the answer",
        "I tried that",
        "just tell me the answer",
        "ok",
        "no idea",
        "thanks!",
    ];
    for opening in openings {
        let mut said = vec![opening];
        said.extend(then);
        for (turn, reply) in talk(&said).iter().enumerate() {
            assert!(reply.contains('?'), "{opening} {turn}: {reply}");
            assert!(reply.len() < 1500 && reply.len() > 60, "{opening} {turn}: {reply}");
            assert!(!reply.contains("“”"), "{opening} {turn}: {reply}");
            assert_eq!(reply.matches("**").count() % 2, 0, "{opening} {turn}: {reply}");
            assert_eq!(reply.matches("```").count() % 2, 0, "{opening} {turn}: {reply}");
            assert_eq!(reply.replace("$$", "").matches('$').count() % 2, 0, "{opening} {turn}: {reply}");
            assert_eq!(reply.matches('{').count(), reply.matches('}').count(), "{opening} {turn}: {reply}");
        }
    }
}

#[test]
fn an_equation_is_taught_with_its_own_numbers() {
    let replies =
        talk(&["Help me solve 2x + 3 = 11 please", "subtract 3 from both sides", "2x = 8", "x = 5", "x = 4"]);
    assert!(replies[0].contains("$$2x + 3 = 11$$") && !replies[0].contains("x = 4"));
    assert!(replies[1].contains("subtract $3$"), "{}", replies[1]);
    assert!(replies[2].contains("Exactly") && replies[2].contains("$$2x = 8$$"), "{}", replies[2]);
    assert!(replies[3].contains("2 \\cdot 5 + 3 = 13"), "{}", replies[3]);
    assert!(replies[4].contains("Yes!") && replies[4].contains("2 \\cdot 4 + 3 = 11"), "{}", replies[4]);
    let sister = talk(&["2x + 3 = 11", "x = 4", "x = 6", "x = 5"]);
    assert!(sister[1].contains("$3x + 3 = 21$"), "{}", sister[1]);
    assert!(sister[2].contains("3 \\cdot 6 + 3 = 21") && sister[2].contains("Yes!"), "{}", sister[2]);
    let wrong = talk(&["2x + 3 = 11", "2x = 14"]);
    assert!(wrong[1].contains("You wrote $14$"), "{}", wrong[1]);
    let shown = talk(&["3x - 4 = 6", "just give me the answer", "just tell me!"]);
    assert!(!shown[1].contains("frac{10}{3}"), "first a push");
    assert!(shown[2].contains("x &= \\frac{10}{3}"), "{}", shown[2]);
}

#[test]
fn equations_are_found_where_they_are() {
    let find = Linear::find;
    assert_eq!(find("solve x − 4 = 9!"), Some(Linear { a: 1, b: -4, c: 9 }));
    assert_eq!(find("-3x=12"), Some(Linear { a: -3, b: 0, c: 12 }));
    assert_eq!(find("what is 5 * x + 2 = -8."), Some(Linear { a: 5, b: 2, c: -8 }));
    for text in [
        "x = 4",
        "the box + 3 = 11",
        "3 x 4 = 12",
        "x^2 + 3 = 12",
        "2x + 3 = 11.5",
        "1/2x + 1 = 3",
        "2x + 3 = 5x",
        "",
        "0x + 1 = 2",
    ] {
        assert_eq!(find(text), None, "{text}");
    }
    assert_eq!(said("I get x=4"), Said::X(4));
    assert_eq!(said("so 2x = 8 then"), Said::Ax(8));
    assert_eq!(said("is it 4?"), Said::Number(4));
    assert_eq!(said("subtract 3"), Said::Nothing);
    assert_eq!(said("99999999999999999999999"), Said::Nothing);
}

#[test]
fn fractions_are_taught_with_their_own_numbers() {
    let replies = talk(&["What is 1/2 + 1/3?", "2/5", "6", "3/6 + 2/6", "5/6!"]);
    assert!(replies[0].contains("$$\\frac{1}{2} + \\frac{1}{3}$$"));
    assert!(replies[1].contains("\\frac{2}{4}"), "adding bottoms: {}", replies[1]);
    assert!(replies[2].contains("Exactly, $6$"), "{}", replies[2]);
    assert!(replies[4].contains("Yes, $\\frac{5}{6}$"), "{}", replies[4]);
    let shown = talk(&["3/4 - 1/4", "just the answer", "give me the answer"]);
    assert!(shown[2].contains("= \\frac{2}{4} = \\frac{1}{2}"), "{}", shown[2]);
    assert_eq!(Sum::find("1/0 + 1/2"), None);
    assert_eq!(Sum::find("on 3/4 - a date"), None);
}

#[test]
fn subjects_are_heard_and_followed() {
    let replies =
        talk(&["Explain photosynthesis", "from the air I guess", "I don't know", "essays: I need a thesis"]);
    assert!(replies[1].contains("the air"), "the student's words come back: {}", replies[1]);
    assert_ne!(replies[1], replies[2]);
    assert!(replies[3].contains("claim") || replies[3].contains("question"), "{}", replies[3]);
    let openings = ["python loops", "a loop please", "loop?", "my code", "what is a loop", "Python"];
    let varied: std::collections::HashSet<_> = openings.map(|text| talk(&[text])[0].clone()).into();
    assert!(varied.len() > 1, "not every session begins alike");
}

#[test]
fn the_students_words_carry_no_markup_back() {
    let replies = talk(&["why <img src=x onerror=alert(1)> **bold** $x$ `tick` [a](b) sky"]);
    assert!(
        !replies[0].contains('<') && !replies[0].contains("](") && !replies[0].contains('`'),
        "{}",
        replies[0]
    );
}
