//! The words that signals look for, in English, German, French and Spanish.
//!
//! Precision before reach: a tutor who is alarmed by homework soon looks at no alarm. A single word never is
//! one; what counts is what somebody says of themselves. Written as anybody types: case, accents and
//! apostrophes do not matter. `..` is a gap of at most two words without a "not".

use std::collections::HashSet;
use std::sync::LazyLock;

use super::text::{Phrases, set};

/// What words may mean for the safety of who says them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Danger {
    /// A topic, as in history or literature.
    Topic,
    Threat,
    Abuse,
    SelfHarm,
}

impl Danger {
    pub(super) fn level(self) -> u8 {
        match self {
            Danger::Topic => 1,
            Danger::Threat => 2,
            Danger::Abuse | Danger::SelfHarm => 3,
        }
    }

    pub(super) fn why(self) -> &'static str {
        match self {
            Danger::Topic => "Speaks of suicide or violence, perhaps as a subject",
            Danger::Threat => "Used words that can mean a threat to somebody",
            Danger::Abuse => "Used words that can mean violence, abuse or bullying",
            Danger::SelfHarm => "Used words that can mean self-harm",
        }
    }
}

const SELF_HARM: [&str; 4] = [
    "i .. want to die|i .. wanna die|i .. want to be dead|i .. wish i was dead|i .. wish i were dead\
     |im .. wanna be dead|id rather be dead|i would rather be dead\
     |kill myself|killing myself|unalive myself|kms\
     |end my life|ending my life|i .. end it all|take my own life|taking my own life\
     |i .. dont want to live|i .. dont want to be alive|i .. dont wanna live|no reason to live|better off dead\
     |better off without me|i .. feel suicidal|i am suicidal|im suicidal|my suicide note\
     |want to hurt myself|wanna hurt myself|going to hurt myself|gonna hurt myself|hurting myself|harm myself\
     |harming myself|i .. self harm|cut my wrists|cutting myself\
     |thinking about suicide|thoughts of suicide|suicidal thoughts|i .. commit suicide\
     |i .. starve myself|i .. make myself throw up",
    "ich .. will sterben|ich .. mochte sterben|ich .. will tot sein|ich .. ware gern tot|ich ware lieber tot\
     |wunschte ich ware tot|ich will nicht mehr leben|ich mochte nicht mehr leben|ich mag nicht mehr leben\
     |will nicht mehr leben|keinen grund .. zu leben|ich bringe mich um|ich bring mich um|mich umbringen\
     |mir das leben nehmen|mein leben beenden|mich selbst verletzen|ich verletze mich|ich ritze mich\
     |mich .. ritzen|selbstmordgedanken|suizidgedanken|ich bin lebensmude|besser wenn ich tot",
    "je .. veux mourir|je .. voudrais mourir|jai envie de mourir|envie de mourir|je veux me suicider\
     |je .. me suicider|je .. vais me tuer|je veux me tuer|en finir avec la vie|en finir avec ma vie\
     |plus envie de vivre|je ne veux plus vivre|je veux plus vivre|mettre fin a mes jours\
     |je me scarifie|je .. me faire du mal|je me fais du mal|pensees suicidaires|je me mutile",
    "quiero morirme|me quiero morir|quiero morir|ojala .. muerto|ojala .. muerta|quiero matarme|voy a matarme\
     |me voy a matar|me quiero matar|quiero suicidarme|voy a suicidarme|pienso en suicidarme\
     |quitarme la vida|acabar con mi vida|no quiero vivir|no quiero seguir viviendo|ya no quiero vivir\
     |quiero hacerme dano|me hago dano|me autolesiono|pensamientos suicidas",
];

const ABUSE: [&str; 4] = [
    "my dad .. hits me|my father .. hits me|my mom .. hits me|my mum .. hits me|my mother .. hits me\
     |my brother .. hits me|my uncle .. hits me|my stepdad .. hits me|my boyfriend .. hits me|my teacher .. hits me\
     |my dad .. beats me|my father .. beats me|my mom .. beats me|my mum .. beats me|my mother .. beats me\
     |my stepdad .. beats me|they .. beat me up|he .. beat me up|she .. beat me up|he hits me|she hits me\
     |my parents .. hit me|he hurts me|somebody .. hurts me|someone .. hurts me\
     |touches me .. where|he touches me|he touched me|she touched me|uncle touched me|touched my private\
     |i was raped|he raped me|raped me|i was molested|molested me|i am being abused|im being abused|abuses me\
     |asked me for nudes|wants nudes|sent my nudes|nudes of me|naked pictures of me\
     |i am being bullied|im being bullied|i .. get bullied|they .. bully me|bullies me|threatens me\
     |afraid to go home|scared to go home",
    "vater schlagt mich|mutter schlagt mich|papa schlagt mich|mama schlagt mich|bruder schlagt mich\
     |stiefvater schlagt mich|freund schlagt mich|eltern schlagen mich|lehrer schlagt mich|sie schlagen mich\
     |verprugelt mich|verprugeln mich|fasst mich .. an|hat mich angefasst|missbraucht mich|hat mich missbraucht\
     |hat mich vergewaltigt|ich wurde vergewaltigt|ich wurde missbraucht|nacktbilder von mir|nacktfotos von mir\
     |ich werde gemobbt|werde .. gemobbt|mobben mich|mobbt mich|bedroht mich|bedrohen mich\
     |angst nach hause zu gehen",
    "pere me frappe|mere me frappe|papa me frappe|maman me frappe|frere me frappe|parents me frappent\
     |pere me bat|mere me bat|ils me frappent|il me frappe|elle me frappe|ma viole|on ma viole|jai ete violee\
     |jai ete viole|il me touche .. partout|ma touchee|il abuse de moi|abuse de moi|photos nues de moi\
     |je me fais harceler|me harcelent|on me harcele|il me harcele|je suis harcelee|je suis harcele\
     |peur de rentrer chez moi|il me menace|ils me menacent",
    "papa me pega|mama me pega|padre me pega|madre me pega|hermano me pega|novio me pega|padres me pegan\
     |padre me golpea|madre me golpea|papa me golpea|mama me golpea|ellos me golpean|me pegan en\
     |abusa de mi|abuso de mi|abusaron de mi|me violaron|el me violo|me violo mi|fotos desnuda|fotos desnudo\
     |me hacen bullying|me acosan|me acosa|me amenazan|me amenaza|miedo de volver a casa|miedo a volver a casa",
];

const THREAT: [&str; 4] = [
    "shoot up the school|shoot up my school|bring a gun to school|bring a knife to school|bomb the school\
     |bomb my school|i .. kill my teacher|i .. kill my mom|i .. kill my mum|i .. kill my dad|i .. kill my parents\
     |i .. kill everyone|i .. kill everybody|i .. kill them all|i .. stab him|i .. stab her|i .. shoot him\
     |i .. shoot her",
    "ich bringe ihn um|ich bringe sie um|ich bring ihn um|ich bring sie um|alle umbringen|ich .. lehrer umbringen\
     |bombe in der schule|waffe .. in die schule|messer .. in die schule|schule .. in die luft sprengen\
     |ich .. steche ihn ab|ich .. steche sie ab",
    "je .. vais le tuer|je .. vais la tuer|je .. vais tous les tuer|je veux tuer mon|je veux tuer ma\
     |bombe dans lecole|bombe a lecole|arme a lecole|couteau a lecole",
    "voy a matarlo|voy a matarla|lo voy a matar|la voy a matar|voy a matarlos|quiero matar a mi\
     |bomba en la escuela|bomba en el colegio|arma a la escuela|arma al colegio|cuchillo a la escuela",
];

const TOPIC: &str = "suicide|suicides|suicidal|self harm|selfharm|rape|raped|school shooting\
     |selbstmord|suizid|selbstverletzung|vergewaltigung|vergewaltigt|amoklauf\
     |suicider|automutilation|suicidio|suicidarse|autolesion|violacion sexual";

/// What begins like a danger and is none.
const HARMLESS: &str = "i .. want to die laughing|i .. wanna die laughing|i .. want to die of laughter\
     |i .. want to die of embarrassment|kill myself laughing|i .. want to die on this hill";

/// Whoever beats somebody in a game: who, how it is said, in what.
const GAMES: [(&str, &str, &str); 4] = [
    (
        "my dad|my father|my mom|my mum|my mother|my stepdad",
        ".. beats me at",
        "chess|cards|tennis|football|basketball|monopoly|fifa|games|maths|math|everything|darts|golf",
    ),
    (
        "vater|mutter|papa|mama|bruder|stiefvater|freund|lehrer",
        "schlagt mich",
        "im schach|beim schach|im tennis|beim tennis|im spiel|beim spielen|beim fussball|in mathe|in fifa",
    ),
    ("pere|mere", "me bat", "aux echecs|aux cartes|au tennis|au foot|au jeu|a fifa"),
    ("padre|madre|papa|mama", "me pega", "un susto|un abrazo|un grito"),
];

/// `None`: it only looked like one.
pub(super) static DANGERS: LazyLock<Phrases<Option<Danger>>> = LazyLock::new(|| {
    let of =
        |lists: [&'static str; 4], danger| lists.into_iter().map(move |list| (list.to_owned(), Some(danger)));
    let all =
        of(SELF_HARM, Danger::SelfHarm).chain(of(ABUSE, Danger::Abuse)).chain(of(THREAT, Danger::Threat));
    let games = GAMES.iter().flat_map(|(people, beat, games)| {
        people
            .split('|')
            .flat_map(move |who| games.split('|').map(move |game| (format!("{who} {beat} {game}"), None)))
    });
    let rest = [(TOPIC.to_owned(), Some(Danger::Topic)), (HARMLESS.to_owned(), None)];
    let all: Vec<(String, Option<Danger>)> = all.chain(games).chain(rest).collect();
    Phrases::new(all.iter().map(|(list, danger)| (&**list, *danger)))
});

/// How heavily a phrase weighs; of one message the heaviest counts.
pub(super) static FRUSTRATION: LazyLock<Phrases<u8>> = LazyLock::new(|| {
    Phrases::new([
        (
            "i give up|i hate this|i hate math|i hate maths|i hate school|this is impossible|im so stupid\
             |im too stupid|i am so stupid|i am too stupid|im so dumb|im dumb|im an idiot|ill never get this\
             |ill never understand|i will never understand|i cant do this anymore|whats the point|this is useless\
             |you are useless|youre useless|youre not helping|you are not helping|wtf|ffs|argh|aargh|aaargh\
             |ich gebe auf|ich geb auf|ich hasse mathe|ich hasse das|ich hasse es|ich bin zu dumm|ich bin zu blod\
             |ich bin so dumm|ich bin so blod|das ist unmoglich|ich kann nicht mehr|du hilfst mir nicht\
             |das bringt nichts|das verstehe ich nie|scheisse|so ein mist\
             |jabandonne|je laisse tomber|je deteste les maths|je deteste ca|je suis nul|je suis nulle\
             |je suis trop bete|cest impossible|ca sert a rien|ca ne sert a rien|tu ne maides pas|tu maides pas\
             |jy arriverai jamais|je ny arriverai jamais|jen ai marre|merde\
             |me rindo|odio las matematicas|odio esto|soy tonto|soy tonta|soy muy tonto|soy muy tonta|es imposible\
             |no sirve de nada|no me ayudas|nunca lo voy a entender|estoy harto|estoy harta|mierda",
            50,
        ),
        (
            "i .. dont get it|i .. dont get this|i .. dont understand|i .. still dont understand|im .. confused\
             |i am .. confused|im lost|i am lost|im stuck|i am stuck|makes no sense|doesnt make sense|too hard\
             |so hard|no idea|no clue|i cant do it|i cant do this|still wrong|wrong again|ugh|huh\
             |ich versteh das nicht|ich verstehe das nicht|ich verstehs nicht|ich verstehe es nicht\
             |verstehe nur bahnhof|check ich nicht|check das nicht|kapier ich nicht|ich kapiere .. nicht\
             |ich kapier .. nicht|keine ahnung|macht keinen sinn|ergibt keinen sinn|zu schwer|ich komme nicht weiter\
             |ich komm nicht weiter|schon wieder falsch|hab .. keinen plan\
             |je comprends pas|je ne comprends pas|jai rien compris|je nai rien compris|je suis perdu|je suis perdue\
             |aucune idee|trop dur|trop difficile|ca na pas de sens|je bloque|encore faux\
             |no entiendo|no lo entiendo|no comprendo|estoy perdido|estoy perdida|no tengo ni idea|muy dificil\
             |demasiado dificil|no tiene sentido|estoy atascado|estoy atascada|otra vez mal",
            25,
        ),
    ])
});

/// How an answer begins that sends the student back.
pub(super) static NOT_YET: LazyLock<Phrases<()>> = LazyLock::new(|| {
    let list = "almost|almost there|almost right|almost correct|nearly|nearly there|not yet|so close|close|incorrect\
         |lets check|lets look again|check .. again|check your|check the|hmm\
         |fast|fast richtig|fast geschafft|beinahe|noch nicht|leider nicht|leider falsch|falsch|nicht richtig\
         |presque|presque juste|pas encore|faux|verifie\
         |casi|casi bien|todavia no|aun no|incorrecto|revisa";
    Phrases::new([(list, ())])
});

/// What else says so, when it comes early.
pub(super) static SENDS_BACK: LazyLock<Phrases<()>> = LazyLock::new(|| {
    let list = "not quite|not exactly|not there yet|close but|thats not right|thats not correct|that isnt right\
         |this isnt right|thats incorrect|isnt correct|look again|have another look|try again|there is a mistake\
         |theres a mistake\
         |nicht ganz|noch nicht ganz|das ist falsch|das ist nicht richtig|das stimmt nicht|stimmt noch nicht\
         |schau noch mal|schau nochmal|schau .. noch einmal|prufe .. noch|versuch es noch|versuche es noch\
         |da ist ein fehler\
         |pas tout a fait|pas exactement|pas correct|ce nest pas ca|ce nest pas juste|regarde encore\
         |regarde a nouveau|reessaie|essaie encore|il y a une erreur\
         |no del todo|no exactamente|no es correcto|mira otra vez|mira de nuevo|intentalo de nuevo\
         |intentalo otra vez|hay un error";
    Phrases::new([(list, ())])
});

/// An answer that says: right.
pub(super) static RIGHT: LazyLock<Phrases<()>> = LazyLock::new(|| {
    let list = "correct|correct answer|thats correct|that is correct|thats right|that is right|exactly|exactly right|well done|good job\
         |great job|great work|good work|nice work|perfect|excellent|yes|yep|right|you got it|spot on\
         |genau|genau richtig|ganz genau|richtig|das ist richtig|das stimmt|stimmt|sehr gut|gut gemacht|super gemacht|perfekt|prima|ja genau\
         |exact|exactement|cest correct|cest juste|cest exact|bravo|tres bien|parfait|bien joue|oui\
         |correcto|es correcto|exacto|exactamente|muy bien|bien hecho|perfecto|asi es|si eso es";
    Phrases::new([(list, ())])
});

/// What has nothing to do with any lesson, unless the lesson is about it.
pub(super) static OFF_TASK: LazyLock<Phrases<()>> = LazyLock::new(|| {
    let list = "minecraft|fortnite|roblox|tiktok|netflix|instagram|snapchat|whatsapp|playstation|xbox|nintendo\
         |brawl stars|clash royale|genshin|pokemon|mrbeast|skibidi|rizz|sigma male|twitch stream\
         |tell me a joke|tell me another joke|sing me a song|lets play a game|play a game with me|are you human\
         |are you real|are you a robot|do you love me|do you have a girlfriend|do you have a boyfriend|im bored\
         |i am bored|my crush|who would win\
         |erzahl mir einen witz|erzahl einen witz|bist du ein mensch|bist du echt|bist du ein roboter\
         |liebst du mich|hast du eine freundin|hast du einen freund|mir ist langweilig|spiel mit mir|mein schwarm\
         |raconte moi une blague|raconte une blague|tu es humain|es tu humain|tu es un robot|tu maimes\
         |tas une copine|tas un copain|je mennuie|joue avec moi\
         |cuentame un chiste|dime un chiste|eres humano|eres real|eres un robot|me amas|tienes novia|tienes novio\
         |estoy aburrido|estoy aburrida|juega conmigo";
    Phrases::new([(list, ())])
});

/// Words that make no question of their own.
pub(super) static FILLERS: LazyLock<HashSet<u64>> = LazyLock::new(|| {
    set(
        "a an the is are was were be do does did can could would should will how what why when where which who i you \
         me my your it its this that these those of to in on at for with from and or but so then please again just \
         ok okay yes no yeah yep nope thanks thank next go continue more hi hello sure still tell explain help \
         der die das den dem des ein eine einen einem einer ist sind war wie was warum wann wo welche wer ich du \
         mir mich dir es und oder aber so dann bitte nochmal noch mal ja nein ne danke weiter mehr hallo zu in im an \
         auf fur mit von kann kannst erklar erklare hilf \
         le la les un une des du de est sont etait comment quoi pourquoi quand ou quel quelle qui que je tu moi mon \
         ton ce cette ces et mais alors encore oui non merci suite plus bonjour pour avec sur peux sil te plait \
         explique aide \
         el los las una unos unas es son era como que cual cuando donde quien yo tu mi esto esta este y o pero \
         entonces otra vez si gracias sigue mas hola para con por favor puedes explica ayuda",
    )
});
