//! The way into `hyperloglogplus`, which makes a sketch only from what it inserted itself, or
//! through serde.
//!
//! Its serialised form is that of its private fields: [`Value`] is just enough of a data model to
//! present our registers in it, without text or a tree in between. That form is no promise of the
//! crate, so the tests compare it with what the crate serialises itself, at every precision.

use std::hash::{BuildHasher, Hasher};

use hyperloglogplus::{HyperLogLog, HyperLogLogPlus};
use serde::Deserialize;
use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};

use crate::Precision;

type Sketch = HyperLogLogPlus<u64, Prehashed>;

/// Registers of six bits in a word of 32: two bits of it stay unused.
const REGISTERS_PER_WORD: usize = 5;
const RANK_BITS: u32 = 6;

/// The estimate of `hyperloglogplus` for these registers.
pub(super) fn count(precision: Precision, registers: &[u8]) -> f64 {
    sketch(precision, registers).count()
}

fn sketch(precision: Precision, registers: &[u8]) -> Sketch {
    let m = precision.registers() as u64;
    // Kept by the crate for its sparse form, which a sketch with registers never is in.
    let counts = [m, 1 << 24, 4 * m / REGISTERS_PER_WORD as u64];
    let zeros = registers.iter().map(|r| u64::from(*r == 0)).sum();

    let dense = [
        ("buf", Value::Registers(registers)),
        ("count", Value::Number(m)),
        ("zeros", Value::Number(zeros)),
    ];
    let sparse = [
        ("count", Value::Number(0)),
        ("last", Value::Number(0)),
        ("buf", Value::Numbers(&[])),
    ];
    let fields = [
        ("builder", Value::Unit),
        ("precision", Value::Number(u64::from(precision.get()))),
        ("counts", Value::Numbers(&counts)),
        ("tmpset", Value::Numbers(&[])),
        ("sparse", Value::Struct(&sparse)),
        ("registers", Value::Struct(&dense)),
        ("phantom", Value::Unit),
    ];
    Sketch::deserialize(Value::Struct(&fields))
        .expect("these are the fields of hyperloglogplus 0.4, see the tests")
}

/// What the fields of a sketch are made of.
#[derive(Clone, Copy)]
enum Value<'a> {
    Unit,
    Number(u64),
    Numbers(&'a [u64]),
    /// Registers of one byte, to be read as the crate's words.
    Registers(&'a [u8]),
    Struct(&'a [(&'static str, Value<'a>)]),
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Unit => visitor.visit_unit(),
            Self::Number(number) => visitor.visit_u64(number),
            Self::Numbers(numbers) => {
                visitor.visit_seq(SeqDeserializer::new(numbers.iter().copied()))
            }
            Self::Registers(registers) => visitor.visit_seq(SeqDeserializer::new(
                registers.chunks(REGISTERS_PER_WORD).map(packed),
            )),
            Self::Struct(fields) => visitor.visit_map(MapDeserializer::new(fields.iter().copied())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl IntoDeserializer<'_> for Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A word of the crate's registers: the first one in the lowest bits.
fn packed(registers: &[u8]) -> u32 {
    registers
        .iter()
        .rev()
        .fold(0, |word, rank| word << RANK_BITS | u32::from(*rank))
}

/// The hasher that a sketch must have. The hash is its own hash.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct Prehashed;

impl BuildHasher for Prehashed {
    type Hasher = Prehash;

    fn build_hasher(&self) -> Prehash {
        Prehash(0)
    }
}

struct Prehash(u64);

impl Hasher for Prehash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a hash is written as one u64");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{hashes, precision, sketch_of, uniform_hashes};

    /// The registers of a sketch of the crate, out of its serialised form; none while it is sparse.
    fn registers_of(sketch: &Sketch) -> Option<Vec<u8>> {
        let fields = serde_json::to_value(sketch).unwrap();
        let dense = fields["registers"].as_object()?;
        let words = dense["buf"].as_array().unwrap().iter();
        let mut registers: Vec<u8> = words
            .map(|word| word.as_u64().unwrap())
            .flat_map(|word| (0..REGISTERS_PER_WORD).map(move |i| (word >> (6 * i) & 63) as u8))
            .collect();
        registers.truncate(usize::try_from(dense["count"].as_u64().unwrap()).unwrap());
        Some(registers)
    }

    fn insert_all(sketch: &mut Sketch, hashes: &[u64]) {
        for hash in hashes {
            sketch.insert(hash);
        }
    }

    /// All fields, those too that only the sparse form reads.
    #[test]
    fn our_form_is_the_one_that_the_crate_serialises() {
        for p in 4..=18 {
            let precision = Precision::new(p).unwrap();
            let hashes: Vec<u64> = uniform_hashes(1, 4 * precision.registers()).collect();
            let mut theirs = Sketch::new(p, Prehashed).unwrap();
            insert_all(&mut theirs, &hashes);
            let ours = sketch(precision, sketch_of(precision, &hashes).as_slice());
            assert!(registers_of(&theirs).is_some(), "p = {p} is still sparse");
            assert_eq!(
                serde_json::to_value(&ours).unwrap(),
                serde_json::to_value(&theirs).unwrap()
            );
        }
    }

    proptest! {
        /// registers(ours) = registers(crate, started dense), and the estimates agree to the bit.
        #[test]
        fn the_crate_started_dense_has_the_same_registers(hashes in hashes(), p in precision()) {
            let mut theirs = sketch(p, &vec![0; p.registers()]);
            insert_all(&mut theirs, &hashes);
            let ours = sketch_of(p, &hashes);
            prop_assert_eq!(registers_of(&theirs).unwrap(), ours.as_slice());
            prop_assert_eq!(theirs.count().to_bits(), ours.estimate().value.to_bits());
        }

        /// The same where it has gone from sparse to dense by itself, and for unions.
        #[test]
        fn the_crate_united_has_the_same_registers(a in hashes(), b in hashes(), seed: u64, p in 4_u8..=10) {
            let p = Precision::new(p).unwrap();
            let many: Vec<u64> = a.into_iter().chain(uniform_hashes(seed, 4 * p.registers())).collect();
            let mut theirs = Sketch::new(p.get(), Prehashed).unwrap();
            insert_all(&mut theirs, &many);
            let mut other = sketch(p, &vec![0; p.registers()]);
            insert_all(&mut other, &b);
            theirs.merge(&other).unwrap();

            let mut ours = sketch_of(p, &many);
            ours.union(&sketch_of(p, &b));
            prop_assert_eq!(registers_of(&theirs).unwrap(), ours.as_slice());
            prop_assert_eq!(theirs.count().to_bits(), ours.estimate().value.to_bits());
        }
    }
}
