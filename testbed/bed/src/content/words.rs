//! Words and sentences: made up, but used as often as the words of a language are (Zipf), so that text compresses as text does.

use super::dice::Dice;
use crate::seed::Seed;

/// The words that English uses most; they keep their ranks.
const COMMON: &[&str] = &[
    "the", "of", "and", "to", "in", "is", "that", "it", "was", "for", "on", "are", "with", "as",
    "his", "they", "be", "at", "one", "have", "this", "from", "or", "had", "by", "but", "some",
    "what", "there", "we", "can", "out", "other", "were", "all", "your", "when", "up", "use",
    "how", "said", "an", "each", "she", "which", "their", "time", "if", "will", "way", "about",
    "many", "then", "them", "would", "like", "so", "these", "her", "long", "make", "thing", "see",
    "him", "two", "has", "look", "more", "day", "could", "go", "come", "did", "my", "no", "most",
    "who", "over", "know", "than", "call", "first", "people", "down", "been", "now", "find",
];

/// How many words are made up beside.
const MADE: usize = 2000;

/// How many turns of phrase there are: words that come together again and again, which is what a compressor lives on.
const TURNS: usize = 1000;

/// Places in the table that words are drawn from: a word has as many as it is frequent.
const PLACES: f64 = 32768.0;

/// The words of a language that nobody speaks.
#[derive(Debug)]
pub(super) struct Words {
    words: Vec<String>,
    places: Vec<u16>,
    turns: Vec<String>,
}

impl Words {
    pub(super) fn new(seed: Seed) -> Self {
        let mut dice = Dice::new(seed, "words");
        let mut words: Vec<String> = COMMON.iter().map(|w| (*w).to_owned()).collect();
        words.extend((0..MADE).map(|_| make(&mut dice)));
        let weights = (0..words.len()).map(|rank| 1.0 / (rank as f64 + 2.7));
        let sum: f64 = weights.clone().sum();
        let places = weights
            .enumerate()
            .flat_map(|(word, w)| {
                // Every word has a place, and words are few enough for 16 bits.
                std::iter::repeat_n(word as u16, (w / sum * PLACES).ceil() as usize)
            })
            .collect();
        let mut made = Self {
            words,
            places,
            turns: Vec::new(),
        };
        made.turns = (0..TURNS)
            .map(|_| {
                let count = 2 + dice.below(3);
                made.phrase(&mut dice, count)
            })
            .collect();
        made
    }

    /// A word, as often as it is used.
    pub(super) fn word(&self, dice: &mut Dice) -> &str {
        &self.words[usize::from(dice.pick(&self.places))]
    }

    /// A made-up word: a name.
    pub(super) fn name(&self, dice: &mut Dice) -> &str {
        // A hundred names are used most of the time, as in a source file.
        let among = if dice.one_in(4) { MADE } else { 100 };
        &self.words[COMMON.len() + dice.below(among)]
    }

    /// Two names in one, `likeThis`: no language has a keyword with a capital inside.
    pub(super) fn camel(&self, dice: &mut Dice) -> String {
        format!("{}{}", self.name(dice), capital(self.name(dice)))
    }

    /// Adds a sentence of some words, its full stop too. ASCII letters, spaces, commas and full stops alone, so that it can stand in
    /// markup, strings and comments.
    pub(super) fn sentence(&self, dice: &mut Dice, out: &mut Vec<u8>) {
        let count = 4 + dice.below(10);
        for place in 0..count {
            let word = if dice.one_in(2) {
                // The first ones far more often than the last.
                let among = 1 + dice.below(TURNS);
                &self.turns[dice.below(among)]
            } else {
                self.word(dice)
            };
            if place == 0 {
                out.extend_from_slice(capital(word).as_bytes());
            } else {
                out.extend_from_slice(if dice.one_in(12) { b", " } else { b" " });
                out.extend_from_slice(word.as_bytes());
            }
        }
        out.push(b'.');
    }

    /// A few words without a full stop.
    pub(super) fn phrase(&self, dice: &mut Dice, count: usize) -> String {
        let words: Vec<&str> = (0..count).map(|_| self.word(dice)).collect();
        words.join(" ")
    }
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// A word of one to three syllables.
fn make(dice: &mut Dice) -> String {
    const ONSETS: &[&str] = &[
        "b", "br", "c", "ch", "d", "f", "fl", "g", "h", "j", "k", "l", "m", "n", "p", "pr", "r",
        "s", "st", "sh", "t", "tr", "v", "w",
    ];
    const VOWELS: &[&str] = &["a", "e", "i", "o", "u", "ea", "ou", "e", "a"];
    const CODAS: &[&str] = &[
        "", "", "", "", "", "", "n", "r", "s", "l", "t", "nd", "ck", "m", "ng",
    ];
    let mut word = String::new();
    for _ in 0..dice.pick(&[1, 2, 2, 3]) {
        word += dice.pick(ONSETS);
        word += dice.pick(VOWELS);
        word += dice.pick(CODAS);
    }
    word
}
