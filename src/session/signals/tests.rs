//! Texts in, signals out.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::protocol::{Score, Signal, Signals};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

fn fresh() -> Facts {
    Facts::new(Some("Lines and slopes"), Some("maths"), at(0))
}

fn after(texts: &[&str]) -> Facts {
    let mut facts = fresh();
    for (number, text) in texts.iter().enumerate() {
        facts.asked(text, at(number as i64 * 10));
        facts.answered("A line has a slope.", Ended::Complete, at(number as i64 * 10 + 5));
    }
    facts
}

fn shown(facts: &Facts, seconds: i64, kind: SignalKind) -> Option<Signal> {
    judge(facts, at(seconds)).items.into_iter().find(|signal| signal.kind == kind)
}

fn level(facts: &Facts, seconds: i64, kind: SignalKind) -> u8 {
    shown(facts, seconds, kind).map_or(0, |signal| signal.level)
}

#[track_caller]
fn assert_safety(cases: &[(u8, &str)]) {
    for (wanted, text) in cases {
        assert_eq!(level(&after(&[text]), 20, SignalKind::Safety), *wanted, "{text}");
    }
}

#[test]
fn what_somebody_says_of_themselves_is_heard() {
    assert_safety(&[
        (3, "I want to die"),
        (3, "i just really wanna die"),
        (3, "sometimes I think about... I wish I was dead"),
        (3, "Im going to kill myself"),
        (3, "I am going to kill myself"),
        (3, "i keep hurting myself"),
        (3, "I want to die laughing... no, I want to die"),
        (3, "my dad beats me at home"),
        (3, "mein Vater schlägt mich in der Nacht"),
        (3, "I'm thinking about suicide"),
        (3, "I DON’T WANT TO LIVE anymore"),
        (3, "what is the slope? also everyone would be better off without me"),
        (3, "i keep cutting myself"),
        (3, "Ich will sterben"),
        (3, "Ich möchte einfach nicht mehr leben, ich will nicht mehr leben."),
        (3, "ich MOECHTE... ich möchte sterben"),
        (3, "manchmal will ich mich umbringen"),
        (3, "ich ritze mich"),
        (3, "j'ai envie de mourir"),
        (3, "je veux me suicider"),
        (3, "quiero morirme"),
        (3, "no quiero vivir más"),
        (3, "voy a suicidarme"),
        (3, "my dad always hits me when he is drunk"),
        (3, "My stepdad beats me"),
        (3, "he touched me and I did not want that"),
        (3, "I'm being bullied at school"),
        (3, "somebody asked me for nudes"),
        (3, "mein Vater schlägt mich"),
        (3, "ich werde jeden Tag gemobbt"),
        (3, "mon père me frappe"),
        (3, "je me fais harceler au collège"),
        (3, "mi papá me pega"),
        (3, "me hacen bullying"),
        (2, "I will bring a gun to school"),
        (2, "Ich bringe ihn um"),
        (2, "voy a matarlo"),
        (2, "je vais le tuer"),
    ]);
}

#[test]
fn schoolwork_is_no_alarm() {
    assert_safety(&[
        (0, "How do I kill the process on port 8080?"),
        (0, "I want to kill the process"),
        (0, "kill -9 does not work, the child dies and the parent hangs"),
        (0, "os.kill(pid, signal.SIGKILL)"),
        (0, "Why does Romeo kill himself?"),
        (0, "Romeo kills himself because he thinks Juliet is dead"),
        (0, "Who shot Archduke Franz Ferdinand, and how many people died?"),
        (0, "Macbeth murders Duncan with a dagger"),
        (0, "How many people were killed in the battle of Verdun?"),
        (0, "Was ist die Summe von 3 und 4?"),
        (0, "die Ableitung, die Fläche, die Steigung"),
        (0, "Roll the die twice; what is the probability of a six?"),
        (0, "The die is cast, said Caesar"),
        (0, "At what temperature do bacteria die?"),
        (0, "I don't want to die on this hill, but is it 4?"),
        (0, "he beats me at chess, how do ratings work?"),
        (0, "Er schlägt mich im Schach"),
        (0, "that beats me"),
        (0, "this homework is killing me"),
        (0, "I hurt myself in football, so I missed the lesson"),
        (0, "I could die laughing"),
        (0, "what hits me first, the light or the sound?"),
        (0, "ce qui me frappe dans ce texte, c'est le style"),
        (0, "me toca a mí resolver el ejercicio"),
        (0, "¿Cuántos soldados murieron en la guerra?"),
        (0, "Le roi est mort, vive le roi"),
        (0, "How do I cut a line in half?"),
        (0, "drop the table, kill the session, abort the child"),
        (0, "abuse of notation, is that allowed?"),
        (0, "Ich bringe die Gleichung um die Ecke"),
        (0, "Wie bringe ich x auf die andere Seite?"),
        (0, "execute the program and shoot the trouble"),
        (0, "Hamlet asks whether to be or not to be"),
        (0, "bomb calorimeter: what is the heat of combustion?"),
        (0, ""),
    ]);
}

#[test]
fn a_subject_or_a_quotation_is_told_more_quietly() {
    assert_safety(&[
        (1, "Why did suicide rates rise in 1929?"),
        (1, "Write about the suicide of Hitler"),
        (1, "Wie viele Selbstmorde... der Selbstmord Werthers"),
        (1, "El suicidio en la obra de Lorca"),
        (1, "The rape of the Sabine women: who painted it?"),
        (1, "In the play she cries “I want to die!” Why?"),
        (1, "Er ruft: „Ich will sterben“. Welches Stilmittel ist das?"),
        (1, "I want to die laughing"),
        (1, "My dad always beats me at chess"),
        (1, "Mein Vater schlägt mich im Schach"),
        (3, "In the play she cries “Alas!” and I want to die"),
    ]);
}

#[test]
fn a_matter_of_safety_stays_until_somebody_has_dealt_with_it() {
    let mut facts = after(&["I want to die", "never mind, what is a slope?", "suicide in Werther"]);
    let told = shown(&facts, 3600, SignalKind::Safety).unwrap();
    assert_eq!((told.level, told.since), (3, at(0)), "a lighter word takes nothing back");
    facts.dealt_with(SignalKind::Safety);
    assert_eq!(level(&facts, 3600, SignalKind::Safety), 0);
    facts.asked("i want to die", at(4000));
    assert_eq!(level(&facts, 4001, SignalKind::Safety), 3);
    let mut blocked = after(&["x"]);
    blocked.answered("", Ended::Safety, at(30));
    let told = shown(&blocked, 40, SignalKind::Safety).unwrap();
    assert_eq!(
        (told.level, told.since, &*told.why),
        (3, at(30), "An answer was withheld by a safety filter")
    );
}

#[test]
fn the_same_question_again_is_known_in_other_words() {
    for (is_same, one, other) in [
        (true, "What is the slope of a line?", "what's the slope of the line"),
        (true, "How do I find the slope of 3x + 4?", "But how do I find the slope of 3x+4???"),
        (true, "photosynthesis?", "Photosynthesis"),
        (true, "Was ist die Steigung der Geraden?", "was ist nochmal die steigung der geraden"),
        (true, "光合作用是什么", "光合作用是什么？"),
        (false, "Solve 3x + 5 = 11", "Solve 3x + 5 = 14"),
        (false, "What is 2+2?", "What is 3+3?"),
        (false, "What is the slope?", "What is the intercept?"),
        (false, "ok", "ok"),
        (false, "yes please", "yes please"),
        (false, "weiter", "weiter"),
        (false, "", ""),
        (false, "!!!", "???"),
    ] {
        let score = judge(&after(&[one, other]), at(30)).struggling.score;
        assert_eq!(score, if is_same { 30 } else { 0 }, "{one} / {other}");
    }
}

#[test]
fn trouble_adds_up_and_says_why() {
    for (texts, score, level, why) in [
        (vec!["what is a slope", "what is the slope?"], 30, 0, "Asked the same thing twice"),
        (vec!["what is a slope"; 3], 60, 1, "Asked the same thing 3 times"),
        (vec!["what is a slope"; 4], 90, 3, "Asked the same thing 4 times"),
        (vec!["I give up"], 50, 1, "Sounds frustrated"),
        (vec!["ich versteh das nicht", "hä? Keine Ahnung"], 50, 1, "Sounded frustrated 2 times"),
        (vec!["je comprends pas", "no entiendo", "I don't get it"], 75, 2, "Sounded frustrated 3 times"),
        (
            vec!["what is a slope", "what is a slope", "what is a slope", "I give up"],
            100,
            3,
            "Asked the same thing 3 times; sounds frustrated",
        ),
    ] {
        let told = judge(&after(&texts), at(60));
        assert_eq!((told.struggling.score, &*told.struggling.why), (score, why), "{texts:?}");
        assert_eq!(told.items.first().map_or(0, |signal| signal.level), level, "{texts:?}");
    }
    for calm in
        ["I understand now, thanks", "How does frustration work in magnets?", "Ist 5 zu 3 schwer?", ""]
    {
        assert_eq!(judge(&after(&[calm]), at(10)).struggling, Score::default(), "{calm}");
    }
}

#[test]
fn wrong_steps_and_other_answers_count_from_the_second_and_right_ones_take_away() {
    let mut facts = fresh();
    let say = |facts: &mut Facts, text: &str, seconds| facts.answered(text, Ended::Complete, at(seconds));
    say(&mut facts, "Not quite! Check the sign.", 10);
    assert_eq!(judge(&facts, at(11)).struggling.score, 0);
    say(&mut facts, "Almost. Look again at step two.", 20);
    say(&mut facts, "Noch nicht ganz, schau noch mal hin.", 30);
    let told = judge(&facts, at(31));
    assert_eq!((told.struggling.score, &*told.struggling.why), (60, "3 wrong steps"));
    assert_eq!(told.items[0].since, at(30), "from then on it was enough");
    say(&mut facts, "Here is what a slope is: almost everything has one, but check the axis.", 35);
    assert_eq!(judge(&facts, at(36)).struggling.score, 60, "an explanation is no verdict");
    say(&mut facts, "Exactly! Well done.", 40);
    assert_eq!(judge(&facts, at(41)).struggling.score, 0);

    let mut facts = after(&["I give up"]);
    for (number, left) in [(1, 40), (2, 30), (3, 20)] {
        say(&mut facts, "Genau, richtig!", number * 10 + 20);
        assert_eq!(judge(&facts, at(60)).struggling.score, left);
    }
    let mut facts = fresh();
    for (times, score) in [(1, 0), (2, 40), (3, 60)] {
        facts.regenerated(at(times));
        assert_eq!(judge(&facts, at(5)).struggling.score, score);
    }
    assert_eq!(judge(&facts, at(5)).struggling.why, "Asked for another answer 3 times");
    assert_eq!(judge(&facts, at(700)).struggling.score, 0, "ten minutes later it says nothing any more");
}

#[test]
fn a_verdict_stands_at_the_beginning_of_an_answer() {
    for (points, text) in [
        (40, "Fast! Nur das Vorzeichen fehlt."),
        (40, "Presque ! Regarde encore la deuxième ligne."),
        (40, "Casi. Revisa el signo."),
        (40, "That's not right yet."),
        (40, "Good try, but not quite."),
        (0, "Light is fast. It travels 300,000 km in a second."),
        (0, "Let me explain. A slope tells how steep a line is, and not yet where it stands."),
        (0, "The casino paradox is almost as old."),
        (0, ""),
    ] {
        let mut facts = fresh();
        facts.answered(text, Ended::Complete, at(1));
        facts.answered(text, Ended::Complete, at(2));
        assert_eq!(judge(&facts, at(3)).struggling.score, points, "{text}");
    }
}

#[test]
fn struggling_and_idle_are_two_things() {
    let mut facts = after(&["I give up"]);
    facts.present(true, at(6));
    let kinds = |facts: &Facts, seconds| {
        judge(facts, at(seconds)).items.iter().map(|signal| (signal.kind, signal.level)).collect::<Vec<_>>()
    };
    use SignalKind::{Idle, Struggling};
    assert_eq!(kinds(&facts, 60), [(Struggling, 1)]);
    assert_eq!(kinds(&facts, 126), [(Struggling, 1), (Idle, 1)]);
    assert_eq!(kinds(&facts, 310), [(Struggling, 1), (Idle, 2)]);
    assert_eq!(kinds(&facts, 2000), [(Idle, 3)]);
    facts.dealt_with(Struggling);
    assert_eq!(kinds(&facts, 126), [(Idle, 1)]);
}

#[test]
fn idle_is_who_is_here_and_waited_for_and_says_nothing() {
    let mut facts = after(&["What is a slope?"]);
    let idle = |facts: &Facts, seconds| level(facts, seconds, SignalKind::Idle);
    assert_eq!(idle(&facts, 1000), 0, "not here");
    facts.present(true, at(10));
    assert_eq!((idle(&facts, 129), idle(&facts, 130), idle(&facts, 310), idle(&facts, 610)), (0, 1, 2, 3));
    facts.typed(at(120));
    assert_eq!((idle(&facts, 239), idle(&facts, 240)), (0, 1));
    assert_eq!(judge(&facts, at(240)).idle_s, 120);
    facts.dealt_with(SignalKind::Idle);
    assert_eq!(idle(&facts, 1000), 0);
    facts.asked("And now?", at(1001));
    assert_eq!(idle(&facts, 2000), 0, "an answer is on its way");
    facts.answered("So.", Ended::Stopped, at(2000));
    assert_eq!((idle(&facts, 2119), idle(&facts, 2120)), (0, 1));
    assert_eq!(shown(&facts, 2120, SignalKind::Idle).unwrap().since, at(2000));
    facts.present(false, at(2121));
    assert_eq!(idle(&facts, 3000), 0);
}

#[test]
fn failures_in_a_row_are_told_until_one_answer_comes() {
    let mut facts = fresh();
    let error =
        |facts: &Facts| shown(facts, 100, SignalKind::Error).map(|told| (told.level, told.why, told.since));
    assert_eq!(error(&facts), None);
    facts.answered("", Ended::Failed, at(1));
    assert_eq!(error(&facts), Some((1, "The last answer failed".into(), at(1))));
    facts.answered("Part of", Ended::Failed, at(2));
    facts.answered("", Ended::Stopped, at(3));
    assert_eq!(error(&facts), Some((2, "2 answers in a row failed".into(), at(1))));
    facts.answered("A slope is", Ended::Complete, at(4));
    assert_eq!(error(&facts), None);
}

#[test]
fn off_task_takes_two_of_three_and_a_lesson_of_another_kind() {
    let off = |texts: &[&str]| level(&after(texts), 60, SignalKind::OffTask);
    assert_eq!(off(&["do you play minecraft?"]), 0);
    assert_eq!(off(&["do you play minecraft?", "what is a slope", "are you a robot"]), 1);
    assert_eq!(off(&["fortnite", "roblox", "what is a slope", "and what is an intercept"]), 0);
    assert_eq!(off(&["erzähl mir einen Witz", "mir ist langweilig"]), 1);
    assert_eq!(off(&["the slope of a hill in minecraft", "lines in roblox", "maths in fortnite"]), 0);
    let mut facts = Facts::new(Some("Minecraft redstone"), None, at(0));
    for seconds in 0..3 {
        facts.asked("how does minecraft redstone work", at(seconds));
    }
    assert_eq!(level(&facts, 5, SignalKind::OffTask), 0);
    facts.named(Some("History"), None);
    for seconds in 3..6 {
        facts.asked("how does minecraft redstone work", at(seconds));
    }
    assert_eq!(level(&facts, 6, SignalKind::OffTask), 1);
    facts.dealt_with(SignalKind::OffTask);
    assert_eq!(level(&facts, 6, SignalKind::OffTask), 0);
}

#[test]
fn a_hand_is_told_and_weighs_more_with_time() {
    let mut facts = fresh();
    facts.hand(Some(at(10)));
    let told = judge(&facts, at(20));
    assert!(told.hand_raised);
    assert_eq!((told.items[0].kind, told.items[0].level, told.items[0].since), (SignalKind::Hand, 2, at(10)));
    assert_eq!(level(&facts, 190, SignalKind::Hand), 3);
    assert_eq!(judge(&facts, at(20)), at_rest(Some(at(10)), at(0), at(20)));
    facts.hand(None);
    assert!(judge(&facts, at(200)).items.is_empty());
}

#[test]
fn what_the_model_reports_is_told_without_its_words() {
    let report = |kind, score| ModelReport { kind, score, why: "Ada said: my secret".into() };
    for (kind, score, wanted) in [
        (SignalKind::Struggling, 75, 2),
        (SignalKind::Struggling, 49, 0),
        (SignalKind::Struggling, 255, 3),
        (SignalKind::Safety, 60, 3),
        (SignalKind::OffTask, 60, 1),
    ] {
        let mut facts = fresh();
        facts.answered("So.", Ended::Complete, at(5));
        facts.reported(report(kind, score));
        assert_eq!(level(&facts, 10, kind), wanted, "{kind:?} {score}");
        assert!(!format!("{:?}", judge(&facts, at(10))).contains("secret"));
        assert_eq!(level(&facts, 1000, kind), 0);
        facts.dealt_with(kind);
        assert_eq!(level(&facts, 10, kind), 0);
    }
}

#[test]
fn the_heaviest_comes_first() {
    let mut facts = after(&["fortnite? i want to die", "I give up, roblox"]);
    facts.answered("", Ended::Failed, at(20));
    facts.hand(Some(at(21)));
    facts.present(true, at(21));
    let kinds: Vec<_> = judge(&facts, at(150)).items.iter().map(|signal| signal.kind).collect();
    assert_eq!(kinds, SignalKind::ALL);
}

fn kay() -> Person {
    Person { id: crate::id::Uuid::nil(), name: "Ms Kay".into() }
}

/// What was said until then is told no more, also to a session that wakes and hears it again; what comes after
/// is.
#[test]
fn a_matter_of_safety_stands_until_somebody_has_seen_to_it() {
    let mut facts = after(&["I want to die"]);
    facts.answered("", Ended::Safety, at(7));
    assert_eq!(level(&facts, 20, SignalKind::Safety), 3);
    assert!(judge(&facts, at(20)).dealt_with.is_empty());
    facts.safety_dealt_with(kay(), at(30));
    assert_eq!(level(&facts, 30, SignalKind::Safety), 0);
    let told = judge(&facts, at(31)).dealt_with;
    assert_eq!((told.len(), &told[0].by, told[0].at), (1, &kay(), at(30)));
    assert_eq!(facts.due(at(31)), Some(at(30 + DANGER_LASTS)));
    assert!(judge(&facts, at(30 + DANGER_LASTS)).dealt_with.is_empty());
    facts.asked("I really want to die", at(40));
    assert_eq!(shown(&facts, 41, SignalKind::Safety).unwrap().since, at(40));
    assert!(judge(&facts, at(41)).dealt_with.is_empty(), "there is news");

    // It wakes.
    let mut facts = fresh();
    facts.safety_dealt_with(kay(), at(30));
    facts.asked("I want to die", at(10));
    facts.answered("", Ended::Safety, at(12));
    assert_eq!(level(&facts, 50, SignalKind::Safety), 0);
    facts.asked("I want to die", at(40));
    assert_eq!(level(&facts, 50, SignalKind::Safety), 3);
}

/// What was said while somebody pressed the button is not seen to.
#[test]
fn what_was_said_meanwhile_is_not_dealt_with() {
    let mut facts = after(&["I want to die"]);
    facts.asked("I want to die", at(31));
    facts.safety_dealt_with(kay(), at(30));
    let safety = shown(&facts, 40, SignalKind::Safety).unwrap();
    assert_eq!((safety.level, safety.since), (3, at(25)));

    // So shortly before that nobody can have seen it, also when it wakes.
    for said in [25, 26, 30] {
        let is_news = u8::from(said > 25) * 3;
        let mut facts = fresh();
        facts.asked("I want to die", at(said));
        facts.safety_dealt_with(kay(), at(30));
        assert_eq!(level(&facts, 40, SignalKind::Safety), is_news, "{said}");
        let mut woken = fresh();
        woken.safety_dealt_with(kay(), at(30));
        woken.asked("I want to die", at(said));
        assert_eq!(level(&woken, 40, SignalKind::Safety), is_news, "{said}");
    }
    // Withheld again meanwhile.
    let mut facts = after(&["x"]);
    facts.answered("", Ended::Safety, at(7));
    facts.answered("", Ended::Safety, at(28));
    facts.safety_dealt_with(kay(), at(30));
    assert_eq!(shown(&facts, 40, SignalKind::Safety).unwrap().since, at(25));
}

/// Two say so nearly at once, and the earlier is heard later.
#[test]
fn the_newest_word_that_it_is_dealt_with_counts() {
    let mut facts = after(&["I want to die"]);
    facts.safety_dealt_with(kay(), at(40));
    facts.safety_dealt_with(Person { name: "Mr Late".into(), ..kay() }, at(30));
    let told = judge(&facts, at(50)).dealt_with;
    assert_eq!((&told[0].by, told[0].at), (&kay(), at(40)));
}

/// When time alone changes what is told, somebody must look again.
#[test]
fn it_knows_when_to_look_again() {
    let mut facts = after(&["I give up", "I give up"]);
    facts.present(true, at(20));
    facts.hand(Some(at(30)));
    let told = |facts: &Facts, seconds| Signals { idle_s: 0, ..judge(facts, at(seconds)) };
    let (mut now, mut looks) = (at(20), 0);
    while let Some(due) = facts.due(now) {
        let (from, to) = (now.as_second() - 1_000_000, due.as_second() - 1_000_000);
        assert_eq!(told(&facts, from), told(&facts, to - 1), "nothing before it was due, {from} to {to}");
        now = due;
        looks += 1;
        assert!(looks < 20);
    }
    assert!(looks >= 6, "{looks}");
    assert!(after(&["What is a slope?"]).due(at(10)).is_none());
}

/// Whatever is said, at most our own words are told, in one line.
#[track_caller]
fn assert_tidy(facts: &Facts, now: Timestamp, secret: &str) {
    let told = judge(facts, now);
    let whys = told.items.iter().map(|signal| &signal.why).chain([&told.struggling.why]);
    for why in whys {
        assert!(why.chars().count() <= 120 && !why.contains(['\n', '\r']), "{why}");
        assert!(!why.contains(secret), "{why}");
    }
    assert!(told.items.iter().all(|signal| (1..=3).contains(&signal.level)));
    assert!(told.struggling.score <= 100);
}

#[test]
fn hostile_texts_cost_little_and_are_not_kept() {
    let text = |unit: &str| unit.repeat(16 * 1024 / unit.len());
    let texts = [
        text("i "),
        text("i want "),
        text("\""),
        text("„a"),
        text("i dont want to "),
        text("a"),
        text("\u{301}"),
        text("ﷺ"),
        text("👩‍👧"),
        text("\u{0}\u{202e}"),
        text("my dad "),
        text("1 "),
        text("ß'"),
        text("kill myself "),
        text("İ"),
    ];
    for text in &texts {
        let mut facts = fresh();
        let begun = Instant::now();
        for seconds in 0..5 {
            facts.asked(text, at(seconds));
            facts.answered(text, Ended::Complete, at(seconds));
            facts.named(Some(text), Some(text));
            assert_tidy(&facts, at(seconds), "\u{0}");
        }
        // An unoptimized build on a busy machine: a slip into the quadratic would take minutes.
        assert!(begun.elapsed().as_secs() < 20, "{:?} for {text:.20}", begun.elapsed());
        assert!(facts.questions.len() <= QUESTIONS && facts.marks.len() <= MARKS);
        assert!(
            facts.questions.iter().all(|asked| asked.words.len() <= WORDS && asked.numbers.len() <= WORDS)
        );
        assert!(facts.subject.len() <= SUBJECT_WORDS);
    }
}

proptest! {
    #[test]
    fn nothing_that_is_said_breaks_it_or_is_told_on(
        texts in prop::collection::vec("(.|\n){0,200}", 1..12),
        ends in prop::collection::vec(0_u8..4, 12),
        steps in prop::collection::vec(-100_i64..1000, 12),
    ) {
        let mut facts = fresh();
        let mut now = 0;
        for (number, text) in texts.iter().enumerate() {
            // Also a clock that goes back.
            now += steps[number];
            let secret = format!("Zyzzyva{number}");
            facts.asked(&format!("{text} {secret} i give up"), at(now));
            let ended = [Ended::Complete, Ended::Stopped, Ended::Safety, Ended::Failed][usize::from(ends[number])];
            facts.answered(text, ended, at(now));
            facts.present(number % 3 != 0, at(now));
            assert_tidy(&facts, at(now), "yzzyva");
            let kept = format!("{facts:?}");
            prop_assert!(!kept.contains("yzzyva"), "{kept}");
            prop_assert!(facts.due(at(now)).is_none_or(|due| due > at(now)));
        }
    }
}
