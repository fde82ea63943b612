//! Mutated inputs for parsers of what a network sends.
//!
//! Each run is the same: inputs follow from the name of the parser and `WENYUAN_FUZZ_SEED`. `WENYUAN_FUZZ_EXECUTIONS` is the
//! number of inputs for each parser, so that a search by hand can be as long as you let it be.

/// Inputs for each parser.
const EXECUTIONS: u64 = 20_000;
/// Longest input in bytes.
const MAX_BYTES: usize = 64 << 10;
/// Pieces that parsers treat specially.
const MARKS: [&str; 36] = [
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    ";",
    "=",
    "\r\n",
    "\n\n",
    "\0",
    "\u{feff}",
    "%00",
    "%zz",
    "-1",
    "1e999",
    "18446744073709551616",
    "null",
    "true",
    "0.0001",
    "q=1.",
    "*/*",
    "--",
    "^",
    "~",
    "||",
    ">=",
    "<",
    "&",
    "\u{202e}",
    "é",
    "语",
];

/// Calls a parser with inputs made from examples. A parser that panics fails the test, which shows the input.
pub fn fuzz(name: &str, examples: &[&[u8]], mut parse: impl FnMut(&[u8])) {
    #[expect(clippy::disallowed_methods, reason = "a longer search is asked for in the environment")]
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse().ok());
    let mut random = Random::new(name, number("WENYUAN_FUZZ_SEED").unwrap_or(0));
    for example in examples {
        run(name, example, &mut parse);
    }
    for _ in 0..number("WENYUAN_FUZZ_EXECUTIONS").unwrap_or(EXECUTIONS) {
        let mut input = random.pick(examples).to_vec();
        for _ in 0..=random.below(8) {
            mutate(&mut input, examples, &mut random);
        }
        input.truncate(MAX_BYTES);
        run(name, &input, &mut parse);
    }
}

fn run(name: &str, input: &[u8], parse: &mut impl FnMut(&[u8])) {
    let input_of_panic = InputOfPanic { name, input };
    parse(input);
    std::mem::forget(input_of_panic);
}

/// Shows the input if the parser panics.
struct InputOfPanic<'a> {
    name: &'a str,
    input: &'a [u8],
}

impl Drop for InputOfPanic<'_> {
    #[expect(clippy::print_stderr, reason = "shown by the test runner beside the failure")]
    fn drop(&mut self) {
        eprintln!("{} panics on b\"{}\"", self.name, self.input.escape_ascii());
    }
}

fn mutate(input: &mut Vec<u8>, examples: &[&[u8]], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = (at + random.below(40)).min(input.len());
    match random.below(7) {
        0 => drop(input.splice(at..at, random.pick(&MARKS).bytes())),
        1 => drop(input.splice(at..end, random.pick(&MARKS).bytes())),
        2 => drop(input.drain(at..end)),
        3 => {
            let piece = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            drop(input.splice(to..to, piece));
        }
        4 => {
            let other = random.pick(examples);
            let from = random.below(other.len() + 1);
            drop(input.splice(at.., other[from..].iter().copied()));
        }
        5 => {
            let piece = input[at..end].repeat(random.below(200));
            drop(input.splice(at..at, piece));
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.next().to_le_bytes()[0];
            }
        }
    }
}

/// Xorshift64* (Vigna, 2016): fast, and good enough to choose mutations.
struct Random(u64);

impl Random {
    fn new(name: &str, seed: u64) -> Self {
        // FNV-1a of the name, so that no two parsers get the same choices.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self((hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 33) % bound.max(1) as u64).unwrap_or_default()
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
