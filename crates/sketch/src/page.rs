//! The stable bytes of a page of registers.
//!
//! One header byte, then the body in the shorter of two forms (sparse, if both are equally long):
//!
//! | header | body |
//! |---|---|
//! | `0x10` sparse | one entry per register above zero, ascending by index |
//! | `0x11` dense | all registers, 6 bits each, packed from the least significant bit |
//!
//! A sparse entry is the number `gap << 6 | rank` in LEB128 (7 bits a byte, least significant first,
//! no superfluous bytes), `gap` being the number of zero registers since the previous entry: one
//! byte for neighbours, two up to a gap of 255, three at most. The high digit of the header is the
//! version of the format. A page of `n` registers takes at most `1 + n * 6 / 8` bytes: 769 at
//! `p = 16`, 3,073 at `p = 18`.
//!
//! Equal registers have equal bytes and no other: what is decoded here encodes to what it was
//! decoded from, so bytes can be compared instead of registers. How many registers there are is not
//! in the bytes; it follows from the precision, which is a setting of the deployment.

use crate::Precision;

const SPARSE: u8 = 0x10;
const DENSE: u8 = 0x11;

const RANK_BITS: u32 = 6;
const RANK_MASK: u32 = (1 << RANK_BITS) - 1;
/// Four registers of six bits are three bytes.
const GROUP: usize = 4;
const GROUP_BYTES: usize = 3;

/// Bytes that [`encode_page`] never writes for a page of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a register page: {0}")]
pub struct InvalidPage(&'static str);

/// Appends the encoding of a page to `out`.
///
/// # Panics
/// If `registers` is not of a page's length or holds what is no rank.
pub fn encode_page(registers: &[u8], out: &mut Vec<u8>) {
    assert!(
        ranks_are_valid(registers),
        "registers hold ranks up to {}",
        rank_max(registers.len())
    );
    if sparse_is_shorter(registers) {
        out.push(SPARSE);
        for_each_entry(registers, |entry| push_varint(entry, out));
    } else {
        out.push(DENSE);
        for group in registers.chunks_exact(GROUP) {
            out.extend_from_slice(&pack(group));
        }
    }
}

/// Overwrites `registers` with the page that `bytes` encode.
///
/// # Errors
/// If [`encode_page`] would not have written these bytes for any page of this length: another
/// version, an index or rank out of range, a missing or superfluous byte, the longer form.
/// The registers are zero then.
///
/// # Panics
/// If `registers` is not of a page's length.
pub fn decode_page(bytes: &[u8], registers: &mut [u8]) -> Result<(), InvalidPage> {
    registers.fill(0);
    let decoded = match bytes.split_first() {
        None => Err(InvalidPage("it is empty")),
        Some((&SPARSE, body)) => decode_sparse(body, registers),
        Some((&DENSE, body)) => decode_dense(body, registers),
        Some(_) => Err(InvalidPage("it is of an unknown version or form")),
    };
    let canonical = decoded.and_then(|()| {
        if !ranks_are_valid(registers) {
            Err(InvalidPage("a register is above the highest rank"))
        } else if sparse_is_shorter(registers) != (bytes[0] == SPARSE) {
            Err(InvalidPage("the other form is shorter"))
        } else {
            Ok(())
        }
    });
    if canonical.is_err() {
        registers.fill(0);
    }
    canonical
}

fn decode_sparse(mut body: &[u8], registers: &mut [u8]) -> Result<(), InvalidPage> {
    let mut rest = registers;
    while !body.is_empty() {
        let entry = take_varint(&mut body)?;
        let (gap, rank) = ((entry >> RANK_BITS) as usize, entry & RANK_MASK);
        if rank == 0 {
            return Err(InvalidPage("it names a register that is zero"));
        }
        let Some((register, behind)) = rest.get_mut(gap..).and_then(<[u8]>::split_first_mut) else {
            return Err(InvalidPage("it has more registers than the page"));
        };
        *register = low_byte(rank);
        rest = behind;
    }
    Ok(())
}

fn decode_dense(body: &[u8], registers: &mut [u8]) -> Result<(), InvalidPage> {
    // Pages shorter than a group are always sparse: an entry there is one byte.
    if registers.len() < GROUP || body.len() != dense_len(registers.len()) {
        return Err(InvalidPage("its length is not that of the page"));
    }
    let groups = body.chunks_exact(GROUP_BYTES);
    for (registers, bytes) in registers.chunks_exact_mut(GROUP).zip(groups) {
        unpack(bytes, registers);
    }
    Ok(())
}

/// The highest rank in a page of this length, which tells the precision above 6.
/// The pages of precision 4, 5 and 6 are one register each; the bound is that of 4.
fn rank_max(page_len: usize) -> u8 {
    let is_a_page = page_len.is_power_of_two() && page_len <= Precision::MAX.page_len();
    assert!(is_a_page, "no precision has pages of {page_len} registers");
    if page_len == 1 {
        return Precision::MIN.rank_max();
    }
    (Precision::MIN.get()..=Precision::MAX.get())
        .filter_map(Precision::new)
        .find(|precision| precision.page_len() == page_len)
        .map_or(0, Precision::rank_max)
}

fn ranks_are_valid(registers: &[u8]) -> bool {
    // A maximum over all, rather than a search, compiles to vector instructions.
    let highest = registers.iter().copied().fold(0, u8::max);
    highest <= rank_max(registers.len())
}

fn dense_len(registers: usize) -> usize {
    (registers * GROUP_BYTES).div_ceil(GROUP)
}

/// Whether the sparse form is to be taken: it is not longer than the dense one.
fn sparse_is_shorter(registers: &[u8]) -> bool {
    let mut len = 0;
    for_each_entry(registers, |entry| len += varint_len(entry));
    len <= dense_len(registers.len())
}

fn for_each_entry(registers: &[u8], mut entry: impl FnMut(u32)) {
    let mut gap = 0;
    for register in registers {
        if *register == 0 {
            gap += 1;
        } else {
            entry(gap << RANK_BITS | u32::from(*register));
            gap = 0;
        }
    }
}

fn varint_len(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => 3,
    }
}

fn push_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// Takes a LEB128 number of at most three bytes off the front.
fn take_varint(bytes: &mut &[u8]) -> Result<u32, InvalidPage> {
    let mut value = 0;
    for position in 0..3 {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Err(InvalidPage("it ends within an entry"));
        };
        *bytes = rest;
        value |= u32::from(byte & 0x7f) << (7 * position);
        if byte < 0x80 {
            return if byte == 0 && position > 0 {
                Err(InvalidPage("an entry has a superfluous byte"))
            } else {
                Ok(value)
            };
        }
    }
    Err(InvalidPage("an entry is too long"))
}

fn pack(group: &[u8]) -> [u8; GROUP_BYTES] {
    let word = group
        .iter()
        .rev()
        .fold(0, |word, rank| word << RANK_BITS | u32::from(*rank));
    [low_byte(word), low_byte(word >> 8), low_byte(word >> 16)]
}

fn unpack(bytes: &[u8], group: &mut [u8]) {
    let mut word = bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u32::from(*byte));
    for register in group {
        *register = low_byte(word & RANK_MASK);
        word >>= RANK_BITS;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low byte is what is asked for"
)]
const fn low_byte(word: u32) -> u8 {
    word as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{hashes, precision, sketch_of, uniform_hashes};
    use crate::{Registers, union_into};

    fn encoded(registers: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_page(registers, &mut bytes);
        bytes
    }

    fn decoded(bytes: &[u8], len: usize) -> Result<Vec<u8>, InvalidPage> {
        let mut registers = vec![9; len];
        let result = decode_page(bytes, &mut registers);
        if result.is_err() {
            assert!(registers.iter().all(|r| *r == 0));
        }
        result.map(|()| registers)
    }

    fn refusal(bytes: &[u8], len: usize) -> &'static str {
        decoded(bytes, len).unwrap_err().0
    }

    #[test]
    fn golden_empty_page() {
        for p in 4..=18 {
            let len = Precision::new(p).unwrap().page_len();
            assert_eq!(encoded(&vec![0; len]), [0x10]);
            assert_eq!(decoded(&[0x10], len), Ok(vec![0; len]));
        }
    }

    #[test]
    fn golden_sparse_page() {
        let mut registers = [0; 1024];
        registers[0] = 1; // gap 0
        registers[2] = 49; // gap 1, the highest rank
        registers[3] = 2; // gap 0
        registers[259] = 3; // gap 255: the last one of two bytes
        registers[516] = 4; // gap 256
        registers[1023] = 5; // gap 506
        let golden = [
            0x10, 0x01, 0x71, 0x02, 0xc3, 0x7f, 0x84, 0x80, 0x01, 0x85, 0xfd, 0x01,
        ];
        assert_eq!(encoded(&registers), golden);
        assert_eq!(decoded(&golden, 1024), Ok(registers.to_vec()));
    }

    #[test]
    fn golden_dense_page() {
        let registers = [1, 2, 3, 4, 56, 0, 1, 1];
        let golden = [0x11, 0x81, 0x30, 0x10, 0x38, 0x10, 0x04];
        assert_eq!(encoded(&registers), golden);
        assert_eq!(decoded(&golden, 8), Ok(registers.to_vec()));
    }

    #[test]
    fn golden_page_of_one_register() {
        assert_eq!(encoded(&[61]), [0x10, 0x3d]);
        assert_eq!(decoded(&[0x10, 0x3d], 1), Ok(vec![61]));
    }

    #[test]
    fn a_page_takes_the_shorter_form() {
        let (mut sparse, mut dense) = (false, false);
        for step in 1..=16 {
            let registers: Vec<u8> = (0..1024).map(|i| u8::from(i % step == 0)).collect();
            let bytes = encoded(&registers);
            assert!(bytes.len() <= 769);
            match bytes[0] {
                SPARSE => sparse = true,
                _ => dense = true,
            }
            assert_eq!(decoded(&bytes, 1024), Ok(registers));
        }
        assert!(sparse && dense);
    }

    #[test]
    fn what_is_never_written_is_refused() {
        let refused: [(&[u8], usize, &str); 14] = [
            (&[], 4, "it is empty"),
            (&[0x00], 4, "it is of an unknown version or form"),
            (&[0x20], 4, "it is of an unknown version or form"),
            (&[0x12], 4, "it is of an unknown version or form"),
            (&[0x10, 0x00], 4, "it names a register that is zero"),
            (&[0x10, 0x40], 4, "it names a register that is zero"),
            (&[0x10, 0x81], 4, "it ends within an entry"),
            (&[0x10, 0x81, 0x00], 4, "an entry has a superfluous byte"),
            (&[0x10, 0x81, 0x80, 0x80, 0x01], 4, "an entry is too long"),
            (
                &[0x10, 0x41, 0x41, 0x01],
                4,
                "it has more registers than the page",
            ),
            (&[0x10, 0x3b], 4, "a register is above the highest rank"),
            (&[0x11, 0x41, 0x10], 4, "its length is not that of the page"),
            (
                &[0x11, 0x41, 0x10, 0x04, 0x00],
                4,
                "its length is not that of the page",
            ),
            (&[0x11, 0x01], 1, "its length is not that of the page"),
        ];
        for (bytes, len, reason) in refused {
            assert_eq!(refusal(bytes, len), reason, "{bytes:02x?}");
        }
    }

    #[test]
    fn the_longer_form_is_refused() {
        // One register of four: sparse takes one byte, dense three.
        assert_eq!(refusal(&[0x11, 1, 0, 0], 4), "the other form is shorter");
        // Four registers of four: sparse takes four bytes, dense three.
        let reason = refusal(&[0x10, 1, 1, 1, 1], 4);
        assert_eq!(reason, "the other form is shorter");
        assert_eq!(decoded(&[0x11, 0x41, 0x10, 0x04], 4), Ok(vec![1; 4]));
    }

    #[test]
    #[should_panic(expected = "no precision has pages of 3 registers")]
    fn a_page_has_the_length_of_a_page() {
        encoded(&[1, 2, 3]);
    }

    #[test]
    #[should_panic(expected = "registers hold ranks up to 49")]
    fn what_is_no_rank_is_not_written() {
        encoded(&[50; 1024]);
    }

    /// The bytes of a page are those of the set: however full, in whatever order and parts.
    #[test]
    fn bytes_do_not_depend_on_the_order_of_insertion() {
        let precision = Precision::new(12).unwrap();
        for n in [0, 1, 50, 500, 2_000, 5_000, 50_000] {
            let hashes: Vec<u64> = uniform_hashes(n as u64, n).collect();
            let backwards: Vec<u64> = hashes.iter().rev().copied().collect();
            let (even, odd) = hashes.split_at(n / 3);
            let mut united = sketch_of(precision, odd);
            united.union(&sketch_of(precision, even));

            let bytes = |sketch: &Registers| -> Vec<Vec<u8>> {
                (0..64).map(|page| encoded(sketch.page(page))).collect()
            };
            let expected = bytes(&sketch_of(precision, &hashes));
            assert_eq!(bytes(&sketch_of(precision, &backwards)), expected);
            assert_eq!(bytes(&united), expected);
        }
    }

    /// A page that is full, half full or nearly empty, at any precision.
    fn page() -> impl Strategy<Value = Vec<u8>> {
        (precision(), 0.0..=1.0).prop_flat_map(|(p, share)| {
            let register = prop_oneof![Just(0), 1..=p.rank_max(), 1_u8..4];
            let filled = prop::bool::weighted(share);
            let register = (filled, register).prop_map(|(filled, r)| if filled { r } else { 0 });
            prop::collection::vec(register, p.page_len())
        })
    }

    /// Bytes that begin like a page, so that the decoder gets past the header.
    fn near_page() -> impl Strategy<Value = Vec<u8>> {
        let header = prop_oneof![Just(SPARSE), Just(DENSE), any::<u8>()];
        let body = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(1_u8..60, 0..40)
        ];
        (header, body).prop_map(|(header, body)| [vec![header], body].concat())
    }

    proptest! {
        /// decode(encode(page)) = page, in at most 1 + 6/8 bytes a register.
        #[test]
        fn decoding_undoes_encoding(page in page()) {
            let bytes = encoded(&page);
            prop_assert!(bytes.len() <= 1 + dense_len(page.len()));
            prop_assert_eq!(decoded(&bytes, page.len()), Ok(page));
        }

        /// decode(bytes) = page => encode(page) = bytes, and no bytes make the decoder panic.
        #[test]
        fn whatever_decodes_is_canonical(bytes in near_page(), p in precision()) {
            if let Ok(page) = decoded(&bytes, p.page_len()) {
                prop_assert_eq!(encoded(&page), bytes);
            }
        }

        /// A flipped bit is refused or is another page; a missing or added byte likewise.
        #[test]
        fn damage_never_yields_the_same_page(page in page(), at in any::<prop::sample::Index>(), bit in 0..8) {
            let bytes = encoded(&page);
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1_u8 << bit;
            let longer = [&bytes[..], &[0]].concat();
            let shorter = &bytes[..bytes.len() - 1];
            for damaged in [&flipped[..], &longer, shorter] {
                prop_assert_ne!(decoded(damaged, page.len()), Ok(page.clone()));
            }
        }

        /// A sketch that went through bytes, page by page, is the sketch.
        #[test]
        fn sketches_survive_their_bytes(hashes in hashes(), p in precision()) {
            let sketch = sketch_of(p, &hashes);
            let mut restored = Registers::new(p);
            for page in sketch.touched_pages() {
                let registers = decoded(&encoded(sketch.page(page)), p.page_len()).unwrap();
                restored.union_page(page, &registers);
            }
            prop_assert_eq!(restored, sketch);
        }

        /// max is applied to every register.
        #[test]
        fn a_union_of_pages_is_their_maximum(a in page(), b in page()) {
            let len = a.len().min(b.len());
            let mut united = a[..len].to_vec();
            union_into(&mut united, &b[..len]);
            for i in 0..len {
                prop_assert_eq!(united[i], a[i].max(b[i]));
            }
        }
    }
}
