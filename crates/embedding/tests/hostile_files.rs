//! Invalid and malicious model files: each is an error, never a panic or a huge allocation. Most tests use a tiny model built
//! here, so that each of its bytes can be damaged.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;

use embedding::{Error, Model};

const HIDDEN: usize = 32;
const FEED_FORWARD: usize = 64;
const POSITIONS: usize = 8;
const PIECES: [&str; 9] = ["<s>", "<pad>", "</s>", "<unk>", "▁", "a", "b", "▁ab", "ba"];

#[test]
fn the_tiny_model_works() {
    let (bytes, _) = tiny_model();
    let model = Model::read(Cursor::new(bytes)).expect("the tiny model loads");
    assert_eq!(model.dimensions(), HIDDEN);
    assert_eq!(model.count_tokens("ab ba ½"), 1 + 2 + 2);
    let vectors = model.embed_passages(&["ab ba", "", "a b a b a b a b a b a b"]);
    assert!(vectors.iter().all(|vector| vector.iter().all(|value| value.is_finite())));
}

#[test]
fn every_truncation_is_an_error() {
    let (bytes, _) = tiny_model();
    for length in 0..bytes.len() {
        assert!(Model::read(Cursor::new(&bytes[..length])).is_err(), "cut to {length} bytes");
    }
}

/// Some damage cannot be detected (a changed weight is still a weight). A model that loads must work.
#[test]
fn no_damaged_byte_does_harm() {
    let (bytes, head) = tiny_model();
    let every_header_bit =
        (0..head).flat_map(|place| [1, 2, 4, 8, 16, 32, 64, 128, 255].map(|mask| (place, mask)));
    let some_tensor_bytes = (head..bytes.len()).step_by(7).map(|place| (place, 0x7C));
    let mut refused = 0;
    for (place, mask) in every_header_bit.chain(some_tensor_bytes) {
        let mut damaged = bytes.clone();
        damaged[place] ^= mask;
        match Model::read(Cursor::new(damaged)) {
            Ok(model) => {
                let vectors = model.embed_passages(&["ab ba a", "½ abab"]);
                assert!(vectors.iter().all(|vector| vector.len() == model.dimensions()));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > head * 4, "{refused} refused of a head of {head} bytes");
}

/// Counts far beyond the file's length are refused before memory is asked for.
#[test]
fn great_counts_are_refused() {
    let (bytes, head) = tiny_model();
    for place in 8..head - 8 {
        for value in [u64::from(u32::MAX), u64::MAX, u64::MAX / 2, 1 << 31, 1 << 40] {
            let mut damaged = bytes.clone();
            damaged[place..place + 8].copy_from_slice(&value.to_le_bytes());
            if let Ok(model) = Model::read(Cursor::new(damaged)) {
                assert_eq!(model.embed_query("ab").len(), model.dimensions());
            }
        }
    }
}

#[test]
fn other_files_are_no_models() {
    for other in [&b""[..], b"E5S", b"PK\x03\x04 a zip archive", b"E5S1\x02\x00\x00\x00", &[0; 4096]] {
        assert!(matches!(Model::read(Cursor::new(other)), Err(Error::NotAModel)), "{other:.20?}");
    }
    assert!(matches!(Model::load(&std::env::temp_dir()), Err(Error::Read(_) | Error::NotAModel)));
    assert!(matches!(Model::load("no such file".as_ref()), Err(Error::Read(_))));
}

/// The real file, cut at many places.
#[test]
fn the_real_file_cut_short_is_an_error() {
    let whole = std::fs::metadata(model_path()).expect("the model file is there").len();
    for part in 0..24 {
        let length = whole / 24 * part + part;
        let file = std::fs::File::open(model_path()).expect("the model file opens");
        assert!(Model::read(Short { file, length }).is_err(), "cut to {length} bytes");
    }
    let file = std::fs::File::open(model_path()).expect("the model file opens");
    assert!(Model::read(Short { file, length: whole - 1 }).is_err());
}

fn model_path() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the test suite says where the model is")]
    let path = std::env::var_os("WENYUAN_MODEL");
    path.expect("WENYUAN_MODEL must name the model file e5-small-q4.bin; the test suite sets it").into()
}

/// A file that seems to end early.
struct Short {
    file: std::fs::File,
    length: u64,
}

impl Read for Short {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let position = self.file.stream_position()?;
        let left =
            usize::try_from(self.length.saturating_sub(position)).expect("a length fits").min(buffer.len());
        self.file.read(&mut buffer[..left])
    }
}

impl Seek for Short {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match to {
            SeekFrom::End(0) => self.file.seek(SeekFrom::Start(self.length)),
            other => self.file.seek(other),
        }
    }
}

/// Returns a model of one layer and the offset of its tensors.
fn tiny_model() -> (Vec<u8>, usize) {
    let mut head = b"E5S1".to_vec();
    let mut write = |words: &[u32]| head.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    write(&[1, 32, 1, 2, 64, 12, 8, 1, 1e-9_f32.to_bits(), 32]);
    write(&[9, 0, 2, 1, 3]);
    let blob = PIECES.concat();
    write(&[small(blob.len()), 0]);
    let mut offset = 0;
    write(&[0]);
    for piece in PIECES {
        offset += small(piece.len());
        write(&[offset]);
    }
    for score in [0.0_f32, 0.0, 0.0, 0.0, -3.0, -4.0, -4.5, -5.0, -6.0] {
        write(&[score.to_bits()]);
    }
    head.extend(blob.as_bytes());
    let replacements: [(char, &[char]); 3] = [('½', &['1', '2']), ('\u{1}', &[]), ('\n', &[' '])];
    let mut map = Vec::new();
    for (from, to) in replacements {
        map.extend(u32::from(from).to_le_bytes());
        map.push(u8::try_from(to.len()).expect("a small number"));
        map.extend(to.iter().flat_map(|&character| u32::from(character).to_le_bytes()));
    }
    head.extend(3_u32.to_le_bytes());
    head.extend(small(map.len()).to_le_bytes());
    head.extend(map);

    let mut tensors = vec![("emb.word".to_owned(), true, 12 * HIDDEN)];
    tensors.push(("emb.pos".to_owned(), false, POSITIONS * HIDDEN));
    for name in ["emb.type", "emb.ln.w", "emb.ln.b", "l0.aln.w", "l0.aln.b", "l0.oln.w", "l0.oln.b"] {
        tensors.push((name.to_owned(), false, HIDDEN));
    }
    for (name, outputs, inputs) in [
        ("q", HIDDEN, HIDDEN),
        ("k", HIDDEN, HIDDEN),
        ("v", HIDDEN, HIDDEN),
        ("ao", HIDDEN, HIDDEN),
        ("fi", FEED_FORWARD, HIDDEN),
        ("fo", HIDDEN, FEED_FORWARD),
    ] {
        tensors.push((format!("l0.{name}.w"), true, outputs * inputs));
        tensors.push((format!("l0.{name}.b"), false, outputs));
    }
    let directory_bytes: usize = 4 + tensors.iter().map(|(name, ..)| 23 + name.len()).sum::<usize>();
    let start = head.len() + directory_bytes;
    let mut data = Vec::new();
    head.extend(small(tensors.len()).to_le_bytes());
    for (name, quantised, count) in tensors {
        let offset = start + data.len();
        if quantised {
            for block in 0..count / 32 {
                data.extend(0x2C00_u16.to_le_bytes());
                data.extend(
                    (0..16).map(|byte| u8::try_from((block * 37 + byte * 11) % 256).expect("a small number")),
                );
            }
        } else {
            data.extend(
                [0.5_f32, 0.625, 0.75, 0.875, 1.0]
                    .iter()
                    .cycle()
                    .take(count)
                    .flat_map(|value| value.to_le_bytes()),
            );
        }
        head.extend(u16::try_from(name.len()).expect("a small number").to_le_bytes());
        head.extend(name.as_bytes());
        head.push(u8::from(quantised));
        head.extend(small(count).to_le_bytes());
        head.extend((offset as u64).to_le_bytes());
        head.extend(((start + data.len() - offset) as u64).to_le_bytes());
    }
    assert_eq!(head.len(), start);
    head.extend(data);
    (head, start)
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("a small number")
}
