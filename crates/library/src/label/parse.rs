//! Labels read as versions, with one total order for those of all ecosystems.
//!
//! A library can hold labels of several kinds, and orders that are right in pairs are not transitive together. So there is
//! one grammar, numbers followed by qualifiers, in which each kind has its place:
//!
//! - [Semantic Versioning](https://semver.org/#spec-item-11): `1.0.0-alpha.1` < `1.0.0-rc.1` < `1.0.0` < `1.0.0+5`. Unlike
//!   there, `rc2` is lower than `rc10`, and a single number after the hyphen is a build or package revision.
//! - [PEP 440](https://packaging.python.org/en/latest/specifications/version-specifiers/): `1.0.dev1` < `1.0a1` < `1.0rc1`
//!   < `1.0` < `1.0.post1` < `1!0.5`.
//! - [Maven](https://maven.apache.org/pom.html#version-order-specification): `.Final`, `.GA` and `.RELEASE` add nothing, `-M1`,
//!   `.CR1` and `-SNAPSHOT` come before, `.SP1`, `-jre` and a build number (`3.7-4972921`) after, all of them before `3.7.1`.
//! - [Debian](https://www.debian.org/doc/debian-policy/ch-controlfields.html#version): `1.0~rc1` < `1.0-1` < `1.0-2` < `1:0.5`.
//! - OpenSSL (`1.1.1` < `1.1.1w`), the JDK (`22-ea` < `22`, `8u292`, `1.8.0_292-b10`), calendars (`2024-05-01`), Go's
//!   pseudo-versions, `git describe`, and tags with the product's name (`curl-8_4_0`, `jdk-17.0.2`).

use std::cmp::Ordering;

/// Names of moving targets and of unfinished work: never the latest version where there is another.
const MOVING: &[&str] =
    &["branch", "bugfix", "build", "commit", "daily", "feature", "fix", "hotfix", "pr", "sha", "tmp", "tip"];
/// Words that mark what comes before a release, with the word by which they are ordered.
const PRE_RELEASES: &[(&str, &str)] = &[
    ("alpha", "alpha"),
    ("beta", "beta"),
    ("candidate", "rc"),
    ("canary", "canary"),
    ("cr", "rc"),
    ("ctp", "ctp"),
    ("dev", "dev"),
    ("develop", "dev"),
    ("development", "dev"),
    ("dirty", "dirty"),
    ("dp", "dp"),
    ("draft", "draft"),
    ("ea", "ea"),
    ("eap", "ea"),
    ("edge", "edge"),
    ("exp", "experimental"),
    ("experimental", "experimental"),
    ("git", "git"),
    ("head", "head"),
    ("hg", "hg"),
    ("insider", "insiders"),
    ("insiders", "insiders"),
    ("main", "main"),
    ("master", "master"),
    ("milestone", "m"),
    ("next", "next"),
    ("nightly", "nightly"),
    ("pre", "pre"),
    ("prerelease", "pre"),
    ("preview", "preview"),
    ("rc", "rc"),
    ("snapshot", "snapshot"),
    ("svn", "svn"),
    ("test", "test"),
    ("testing", "test"),
    ("tp", "tp"),
    ("trunk", "trunk"),
    ("unreleased", "unreleased"),
    ("unstable", "unstable"),
    ("wip", "wip"),
];
/// Words that mark what comes after a release.
const POST_RELEASES: &[&str] = &["build", "hf", "patch", "pl", "post", "rev", "sp", "sr", "update"];
/// Words that say nothing about the order.
const NEUTRAL: &[&str] = &["final", "ga", "lts", "release", "stable"];
/// Words before a number that are no part of the version: `v5`, `release-5`, `jdk-17`, `go1`.
const PREFIXES: &[&str] =
    &["go", "java", "jdk", "jre", "lts", "openjdk", "rel", "release", "stable", "tag", "v", "ver", "version"];

/// A label read as a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// First word of a label that is a name (`main`, `draft-07`); empty for a version.
    name: String,
    /// Epoch of Debian (`1:`) or of PEP 440 (`1!`).
    epoch: Number,
    /// First run of numbers, as many as are written.
    numbers: Vec<Number>,
    qualifiers: Vec<Qualifier>,
    /// Text after the first `+`, in lower case.
    metadata: String,
    is_unfinished: bool,
}

/// A number of any length, in decimal digits without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number(String);

/// A part of a label after its first numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Qualifier {
    rank: Rank,
    part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Number(Number),
    Word(String),
    /// A tilde.
    Nothing,
}

/// Order of what can come next at a place of a label. [`Rank::End`] is the end of the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Rank {
    /// After a tilde: before everything else.
    Tilde = b'0',
    /// `.dev1`, and a snapshot of a pre-release.
    Development,
    /// `-0.3.7`: numbers sort before words in a pre-release.
    PreReleaseNumber,
    PreRelease,
    End,
    PostRelease,
    /// `-jre`, `-alpine`, or a word without a known meaning.
    Variant,
    /// `-3`, or a number that belongs to the word before it.
    Revision,
    /// `.3`, and a word within a pre-release.
    Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Separator {
    None,
    Dot,
    Hyphen,
    Tilde,
}

#[derive(Debug)]
struct Token {
    separator: Separator,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Number(Number),
    Word(String),
    /// Hash of a commit.
    Commit(String),
}

impl Version {
    /// Reads a label, or another text of the same characters.
    pub(super) fn new(label: &str) -> Self {
        let text = label.to_ascii_lowercase();
        let (text, metadata) = text.split_once('+').unwrap_or((&text, ""));
        let (epoch, text) = split_epoch(text);
        let without_prefix = if is_commit(text) { None } else { strip_prefix(text) };
        let mut reader = Reader {
            tokens: tokens(without_prefix.unwrap_or(text)),
            position: 0,
            version: Self { epoch, metadata: metadata.to_owned(), ..Self::of_numbers(&[]) },
            in_pre_release: false,
            has_update: text.contains('_'),
        };
        if without_prefix.is_some() {
            reader.read_numbers();
        } else {
            reader.read_name();
        }
        reader.read_qualifiers();
        reader.version
    }

    /// Returns the version of these numbers alone.
    pub(super) fn of_numbers(numbers: &[Number]) -> Self {
        Self {
            name: String::new(),
            epoch: Number::zero(),
            numbers: numbers.to_vec(),
            qualifiers: Vec::new(),
            metadata: String::new(),
            is_unfinished: false,
        }
    }

    /// Whether it begins with a number, and not with a name.
    pub(super) fn is_numbered(&self) -> bool {
        self.name.is_empty()
    }

    /// Whether it is neither a pre-release nor a moving name such as `main`.
    pub(super) fn is_stable(&self) -> bool {
        !self.is_unfinished
    }

    /// Returns the first run of numbers.
    pub(super) fn numbers(&self) -> &[Number] {
        &self.numbers
    }

    /// Whether there is more than numbers.
    pub(super) fn has_qualifiers(&self) -> bool {
        !self.qualifiers.is_empty() || !self.name.is_empty() || self.epoch != Number::zero()
    }

    /// Whether both are spellings of one version: `v5.2.1` and `5.2.1`, `1.0-RC1` and `1.0-rc1`, `5.3.1` and
    /// `5.3.1.RELEASE`. A request without build metadata fits any.
    pub(super) fn is_requested_by(&self, request: &Self) -> bool {
        (request.metadata.is_empty() || request.metadata == self.metadata)
            && self.name == request.name
            && self.epoch == request.epoch
            && self.numbers == request.numbers
            && self.qualifiers == request.qualifiers
    }

    /// Returns a key whose byte order is the order of versions; equal for versions between which no rule decides.
    pub(super) fn precedence(&self) -> String {
        self.key_of(&self.qualifiers)
    }

    /// Returns the precedence without a variant (`8.0.0` of `8.0.0-alpine`), or `None` if there is none.
    pub(super) fn precedence_without_variant(&self) -> Option<String> {
        let variant = self.qualifiers.iter().position(|qualifier| qualifier.rank == Rank::Variant)?;
        Some(self.key_of(&self.qualifiers[..variant]))
    }

    /// Returns the precedence, and after it what tells labels of equal precedence apart, the label itself at last.
    pub(super) fn sort_key(&self, label: &str) -> String {
        let mut key = self.precedence();
        push_number(&mut key, &Number(self.numbers.len().to_string()));
        for token in tokens(&self.metadata) {
            match token.value {
                Value::Number(number) => {
                    key.push('1');
                    push_number(&mut key, &number);
                }
                Value::Word(word) | Value::Commit(word) => key.push_str(&format!("2{word} ")),
            }
        }
        key.push('0');
        key.push_str(label);
        key
    }

    fn key_of(&self, qualifiers: &[Qualifier]) -> String {
        let mut key = if self.is_numbered() { "1".to_owned() } else { format!("0{} ", self.name) };
        push_number(&mut key, &self.epoch);
        // `6.0.0-rc.1` is before `6.0`: zeros at the end count for nothing.
        let end =
            self.numbers.iter().rposition(|number| *number != Number::zero()).map_or(0, |last| last + 1);
        for number in &self.numbers[..end] {
            push_rank(&mut key, Rank::Next);
            push_number(&mut key, number);
        }
        for qualifier in qualifiers {
            push_rank(&mut key, qualifier.rank);
            match &qualifier.part {
                Part::Number(number) => push_number(&mut key, number),
                // The space ends the word and sorts before every letter.
                Part::Word(word) => key.push_str(&format!("{word} ")),
                Part::Nothing => {}
            }
        }
        push_rank(&mut key, Rank::End);
        key
    }
}

impl Number {
    /// Parses decimal digits.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self::of(digits))
    }

    pub(super) fn zero() -> Self {
        Self("0".to_owned())
    }

    /// Returns the difference of both, or the maximum where it is out of range.
    pub(super) fn distance(&self, other: &Self) -> u128 {
        match (self.0.parse::<u128>(), other.0.parse::<u128>()) {
            (Ok(left), Ok(right)) => left.abs_diff(right),
            _ => u128::MAX,
        }
    }

    fn of(digits: &str) -> Self {
        let significant = digits.trim_start_matches('0');
        Self(if significant.is_empty() { "0" } else { significant }.to_owned())
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Reads the tokens of a label one after the other.
struct Reader {
    tokens: Vec<Token>,
    position: usize,
    version: Version,
    in_pre_release: bool,
    /// Whether a `b` is a build and not a beta: `8u292-b10`, `1.8.0_292-b10`.
    has_update: bool,
}

impl Reader {
    fn read_name(&mut self) {
        let (name, is_unfinished) = match self.tokens.first().map(|token| &token.value) {
            Some(Value::Commit(hash)) => (hash.clone(), true),
            Some(Value::Word(word)) => {
                (word.clone(), pre_release(word).is_some() || MOVING.contains(&word.as_str()))
            }
            // Digits and letters that are a commit's hash.
            Some(Value::Number(_)) | None => (String::new(), true),
        };
        self.position = 1;
        self.version.name = name;
        self.version.is_unfinished = is_unfinished;
    }

    fn read_numbers(&mut self) {
        while let Some(Token { separator, value: Value::Number(number) }) = self.tokens.get(self.position) {
            let joins = match separator {
                Separator::None | Separator::Dot => true,
                Separator::Hyphen => self.is_date(number),
                Separator::Tilde => false,
            };
            if !joins {
                break;
            }
            self.version.numbers.push(number.clone());
            self.position += 1;
        }
    }

    /// Whether a number after a hyphen continues a date: `2024-05`, `2024-05-01`.
    fn is_date(&self, number: &Number) -> bool {
        let all_hyphens =
            self.tokens[1..self.position].iter().all(|token| token.separator == Separator::Hyphen);
        let year = self.version.numbers.first().and_then(|year| year.0.parse::<u32>().ok());
        all_hyphens
            && self.position < 3
            && number.0.len() <= 2
            && year.is_some_and(|year| (1900..2200).contains(&year))
    }

    fn read_qualifiers(&mut self) {
        while let Some(token) = self.tokens.get(self.position) {
            let separator = token.separator;
            if separator == Separator::Tilde {
                self.push(Rank::Tilde, Part::Nothing);
            }
            match &self.tokens[self.position].value {
                Value::Number(number) => {
                    let number = number.clone();
                    self.read_number(separator, number);
                }
                Value::Word(word) => {
                    let word = word.clone();
                    self.read_word(separator, &word);
                }
                Value::Commit(hash) => {
                    let hash = hash.clone();
                    self.read_commit(hash);
                }
            }
            self.position += 1;
        }
    }

    fn read_number(&mut self, separator: Separator, number: Number) {
        let previous = self.version.qualifiers.last();
        let follows_word = previous.is_some_and(|previous| matches!(previous.part, Part::Word(_)));
        if !self.in_pre_release && previous.is_none() && self.is_pre_release_number(separator, &number) {
            self.in_pre_release = true;
            self.version.is_unfinished = true;
            return self.push(Rank::PreReleaseNumber, Part::Number(number));
        }
        if !self.in_pre_release && previous.is_none() && self.is_snapshot_time(separator, &number) {
            self.push_pre_release("snapshot");
        }
        let is_next = !self.in_pre_release && !follows_word && separator != Separator::Hyphen;
        self.push(if is_next { Rank::Next } else { Rank::Revision }, Part::Number(number));
    }

    /// Whether a number begins a pre-release of Semantic Versioning (`1.0.0-0`, `1.0.0-0.3.7`) or a pseudo-version of Go
    /// (`v0.0.0-20191109021931-daa7c04131f5`). Any other number is a revision.
    fn is_pre_release_number(&self, separator: Separator, number: &Number) -> bool {
        if separator != Separator::Hyphen || self.version.numbers.len() != 3 {
            return false;
        }
        match self.tokens.get(self.position + 1) {
            None => *number == Number::zero(),
            Some(Token { value: Value::Commit(_), .. }) => number.0.len() == 14,
            Some(next) => {
                *number == Number::zero()
                    && next.separator == Separator::Dot
                    && matches!(next.value, Value::Number(_))
            }
        }
    }

    /// Whether a number begins the time of a snapshot in a Maven repository: `1.0-20240131.123456-1`.
    fn is_snapshot_time(&self, separator: Separator, number: &Number) -> bool {
        let time = self.tokens.get(self.position + 1);
        separator == Separator::Hyphen
            && number.0.len() == 8
            && time.is_some_and(|time| {
                time.separator == Separator::Dot
                    && matches!(&time.value, Value::Number(time) if (1..=6).contains(&time.0.len()))
                    && self
                        .tokens
                        .get(self.position + 2)
                        .is_some_and(|build| build.separator == Separator::Hyphen)
            })
    }

    fn read_word(&mut self, separator: Separator, word: &str) {
        let next = self.tokens.get(self.position + 1);
        let is_counted = next
            .is_some_and(|next| next.separator == Separator::None && matches!(next.value, Value::Number(_)));
        if word.len() == 1 || (word.len() == 2 && !is_known(word)) {
            return self.read_letters(separator, word, is_counted);
        }
        if NEUTRAL.contains(&word) {
            return;
        }
        let precedes_snapshot =
            next.is_some_and(|next| matches!(&next.value, Value::Word(next) if next == "snapshot"));
        if word == "build" && precedes_snapshot {
            return;
        }
        if let Some(word) = pre_release(word) {
            let is_semantic = separator == Separator::Hyphen && self.version.numbers.len() == 3;
            let is_development = (word == "dev" && (self.in_pre_release || !is_semantic))
                || (word == "snapshot" && self.in_pre_release);
            if is_development {
                self.push(Rank::Development, Part::Word(word.to_owned()));
                self.in_pre_release = true;
                self.version.is_unfinished = true;
            } else {
                self.push_pre_release(word);
            }
        } else if POST_RELEASES.contains(&word) {
            self.has_update |= word == "update";
            self.push_word(Rank::PostRelease, word);
        } else if self.is_pre_release_identifier(separator) {
            self.push_pre_release(word);
        } else {
            self.push_word(Rank::Variant, word);
        }
    }

    /// Reads one letter or two without a meaning of their own: `1.0a1`, `9.6p1`, `8u292`, `1.1.1w`, `0.9.8zh`.
    fn read_letters(&mut self, separator: Separator, letters: &str, is_counted: bool) {
        let pre_release = match letters {
            "a" => Some("alpha"),
            "b" if !self.has_update => Some("beta"),
            "c" => Some("rc"),
            "m" => Some("m"),
            _ => None,
        };
        if let Some(word) = pre_release.filter(|_| is_counted) {
            return self.push_pre_release(word);
        }
        let is_post_release = is_counted && ["b", "p", "r", "u"].contains(&letters);
        let follows_number =
            self.version.qualifiers.last().is_none_or(|previous| matches!(previous.part, Part::Number(_)));
        self.has_update |= is_post_release && letters == "u";
        if is_post_release || (separator == Separator::None && !is_counted && follows_number) {
            self.push_word(Rank::PostRelease, letters);
        } else if self.is_pre_release_identifier(separator) {
            self.push_pre_release(letters);
        } else {
            self.push_word(Rank::Variant, letters);
        }
    }

    /// Whether a word without a meaning begins a pre-release of Semantic Versioning: `1.0.0-fix.3`. Other words are more
    /// often variants: `-jre`, `-alpine3.18`.
    fn is_pre_release_identifier(&self, separator: Separator) -> bool {
        let next = self.tokens.get(self.position + 1);
        separator == Separator::Hyphen
            && self.version.numbers.len() == 3
            && self.version.qualifiers.is_empty()
            && next.is_some_and(|next| {
                next.separator == Separator::Dot && matches!(next.value, Value::Number(_))
            })
    }

    /// Reads the hash of a commit: after a count (`1.2.3-5-gabcdef0`) it is later than the release, else before it.
    fn read_commit(&mut self, hash: String) {
        self.version.is_unfinished = true;
        let is_counted =
            self.version.qualifiers.last().is_some_and(|previous| previous.rank == Rank::Revision);
        if is_counted || self.in_pre_release {
            self.push_word(Rank::Variant, &hash);
        } else {
            self.push(Rank::PreRelease, Part::Word(hash));
            self.in_pre_release = true;
        }
    }

    fn push_pre_release(&mut self, word: &str) {
        self.push_word(Rank::PreRelease, word);
        self.in_pre_release = true;
        self.version.is_unfinished = true;
    }

    /// Appends a word, which is later than all numbers within a pre-release.
    fn push_word(&mut self, rank: Rank, word: &str) {
        let rank = if self.in_pre_release { Rank::Next } else { rank };
        self.push(rank, Part::Word(word.to_owned()));
    }

    fn push(&mut self, rank: Rank, part: Part) {
        self.version.qualifiers.push(Qualifier { rank, part });
    }
}

fn push_rank(key: &mut String, rank: Rank) {
    key.push(char::from(rank as u8));
}

/// Appends a number, preceded by how many digits it has, because longer numbers are larger.
fn push_number(key: &mut String, number: &Number) {
    key.push_str(&format!("{:02}{}", number.0.len(), number.0));
}

fn pre_release(word: &str) -> Option<&'static str> {
    PRE_RELEASES.iter().find(|(name, _)| *name == word).map(|(_, canonical)| *canonical)
}

fn is_known(word: &str) -> bool {
    pre_release(word).is_some() || POST_RELEASES.contains(&word) || NEUTRAL.contains(&word)
}

fn split_epoch(text: &str) -> (Number, &str) {
    text.split_once([':', '!'])
        .and_then(|(epoch, rest)| Some((Number::parse(epoch)?, rest)))
        .unwrap_or((Number::zero(), text))
}

/// Returns what comes after the words before a version (`v5`, `release-5.2`, `curl-8_4_0`), or `None` for a name.
fn strip_prefix(text: &str) -> Option<&str> {
    let (prefix, version) = text.split_at(text.find(|character: char| character.is_ascii_digit())?);
    let words = || prefix.split(|character: char| !character.is_ascii_alphabetic()).filter(|w| !w.is_empty());
    if words().any(|word| MOVING.contains(&word) || pre_release(word).is_some()) {
        return None;
    }
    // A single number can belong to a name (`draft-07`); after a name only `1.2` or `1_2` is surely a version.
    let after_number = version.trim_start_matches(|character: char| character.is_ascii_digit());
    let has_two_numbers = after_number
        .strip_prefix(['.', '_'])
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (has_two_numbers || words().all(|word| PREFIXES.contains(&word))).then_some(version)
}

/// Whether it is the abbreviated hash of a commit. A date with a letter after it is none.
fn is_commit(segment: &str) -> bool {
    let hash = segment.strip_prefix('g').unwrap_or(segment);
    let digits = hash.bytes().filter(u8::is_ascii_digit).count();
    let is_hash = (7..=40).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_lettered_date =
        hash.len() == digits + 1 && hash.ends_with(|last: char| last.is_ascii_alphabetic());
    // `git describe` puts a g before it.
    let has_mark = hash.len() < segment.len();
    is_hash && (has_mark || (digits > 0 && digits < hash.len() && !is_lettered_date))
}

/// Splits a text in lower case into numbers, words and hashes of commits.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut separator = Separator::None;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_segment_start = tokens.is_empty() || separator != Separator::None;
        let segment_end =
            rest.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (length, value) = if is_segment_start && is_commit(&rest[..segment_end]) {
            (segment_end, Value::Commit(rest[..segment_end].to_owned()))
        } else if first.is_ascii_digit() {
            let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
            (end, Value::Number(Number::of(&rest[..end])))
        } else if first.is_ascii_alphabetic() {
            let end = rest.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(rest.len());
            (end, Value::Word(rest[..end].to_owned()))
        } else {
            let found = match first {
                '-' => Separator::Hyphen,
                '~' => Separator::Tilde,
                _ => Separator::Dot,
            };
            separator = separator.max(found);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        tokens.push(Token { separator, value });
        separator = Separator::None;
        rest = &rest[length..];
    }
    tokens
}
