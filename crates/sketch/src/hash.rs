//! The keyed hash: what an account id becomes before anything is done with it.
//!
//! An unkeyed hash of an id space as small as that of health service numbers is reversed by trying
//! all of it; without the key nobody can tell whose hash a register once saw. SipHash-2-4 is
//! a pseudo-random function of its key, which HyperLogLog needs too: its bits are uniform whatever
//! the ids look like.
//!
//! What is derived from the key is fixed for good, as the registers of years depend on it.

use std::fmt;
use std::hash::Hasher;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use siphasher::sip::SipHasher24;

/// The secrets of one deployment: a hash for accounts, one for identities of events, and a
/// fingerprint by which two processes tell whether they have the same.
///
/// Each is HMAC-SHA-256 of a label of its own under the content of the key file (the extract-and-expand
/// idea of RFC 5869, with one block each), so none says anything about another.
#[derive(Clone)]
pub struct HashKey {
    accounts: SipHasher24,
    identities: SipHasher24,
    fingerprint: [u8; 8],
}

/// Identities that are longer, with the lengths of their parts, are hashed in pieces.
const IDENTITY_BYTES: usize = 96;

/// The content of the key file is too short to be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key has {0} bytes and needs {min} or more; make one with `head -c 32 /dev/urandom`",
    min = HashKey::BYTES_MIN
)]
pub struct KeyTooShort(pub usize);

impl HashKey {
    /// The least number of bytes in a key file: as many as an HMAC-SHA-256 key should have.
    pub const BYTES_MIN: usize = 32;

    /// The key that follows from the content of a key file, every byte of which counts.
    ///
    /// # Errors
    /// If there are fewer than [`BYTES_MIN`](Self::BYTES_MIN) bytes.
    pub fn derive(content: &[u8]) -> Result<Self, KeyTooShort> {
        if content.len() < Self::BYTES_MIN {
            return Err(KeyTooShort(content.len()));
        }
        Ok(Self {
            accounts: SipHasher24::new_with_key(&derived(content, b"appmi/v1/account")),
            identities: SipHasher24::new_with_key(&derived(content, b"appmi/v1/identity")),
            fingerprint: derived(content, b"appmi/v1/fingerprint"),
        })
    }

    /// The hash of an account id, for [`Registers::insert`](crate::Registers::insert).
    #[must_use]
    #[inline]
    pub fn account(&self, id: &[u8]) -> u64 {
        self.accounts.hash(id)
    }

    /// The hash of an identity that consists of parts. Each part goes in behind its length, so
    /// that `["ab", "c"]` and `["a", "bc"]` are two identities.
    #[must_use]
    #[inline]
    pub fn identity(&self, parts: &[&[u8]]) -> u64 {
        // In one piece, which spares the hasher the ends of parts that are no multiple of eight bytes.
        let mut written = [0; IDENTITY_BYTES];
        let mut free = &mut written[..];
        for part in parts {
            let Some((to, rest)) = free.split_at_mut_checked(8 + part.len()) else {
                return self.identity_in_pieces(parts);
            };
            let (length, content) = to.split_at_mut(8);
            length.copy_from_slice(&(part.len() as u64).to_le_bytes());
            content.copy_from_slice(part);
            free = rest;
        }
        let length = IDENTITY_BYTES - free.len();
        self.identities.hash(&written[..length])
    }

    #[cold]
    fn identity_in_pieces(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.identities;
        for part in parts {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        hasher.finish()
    }

    /// 16 hexadecimal digits that differ between different keys and reveal nothing of them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.fingerprint))
    }
}

/// Shows the fingerprint, never the key.
impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashKey")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// The first `N` bytes of HMAC-SHA-256(content, label).
fn derived<const N: usize>(content: &[u8], label: &[u8]) -> [u8; N] {
    let mac = Hmac::<Sha256>::new_from_slice(content).expect("HMAC takes keys of any length");
    let bytes = mac.chain_update(label).finalize().into_bytes();
    *bytes
        .first_chunk()
        .expect("no derived key is longer than 32 bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTENT: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

    fn key() -> HashKey {
        HashKey::derive(&CONTENT).unwrap()
    }

    /// From an implementation of RFC 2104 and of SipHash-2-4 independent of the ones used here.
    #[test]
    fn golden_hashes() {
        assert_eq!(key().fingerprint(), "465e679958f89d3d");
        assert_eq!(key().account(b"account-1"), 0x96f6_990e_b12d_445a);
        assert_eq!(
            key().identity(&[b"/nhs-app", b"e-1"]),
            0x978f_47d1_4bd5_78f3
        );
    }

    #[test]
    fn every_byte_of_the_content_counts() {
        let mut longer = CONTENT.to_vec();
        longer.push(b'\n');
        let other = HashKey::derive(&longer).unwrap();
        assert_ne!(key().fingerprint(), other.fingerprint());
        assert_ne!(key().account(b"x"), other.account(b"x"));
        assert_ne!(key().identity(&[b"x"]), other.identity(&[b"x"]));
    }

    #[test]
    fn a_short_key_is_refused_with_what_to_do() {
        let error = HashKey::derive(&CONTENT[..31]).unwrap_err();
        assert_eq!(error, KeyTooShort(31));
        assert_eq!(
            error.to_string(),
            "the key has 31 bytes and needs 32 or more; make one with `head -c 32 /dev/urandom`"
        );
    }

    #[test]
    fn debug_shows_the_fingerprint_only() {
        assert_eq!(
            format!("{:?}", key()),
            format!("HashKey {{ fingerprint: \"{}\", .. }}", key().fingerprint())
        );
    }

    #[test]
    fn accounts_and_identities_have_unrelated_hashes() {
        let mut written = vec![];
        written.extend_from_slice(&1_u64.to_le_bytes());
        written.push(b'x');
        assert_ne!(key().account(&written), key().identity(&[b"x"]));
    }

    proptest! {
        /// identity(parts) = SipHash(len ‖ part ‖ len ‖ part ..), lengths as 8 bytes, least significant first.
        #[test]
        fn an_identity_is_the_hash_of_its_parts_behind_their_lengths(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4)
        ) {
            let mut written = Vec::new();
            for part in &parts {
                written.extend_from_slice(&(part.len() as u64).to_le_bytes());
                written.extend_from_slice(part);
            }
            let borrowed: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(key().identity(&borrowed), key().identities.hash(&written));
        }

        /// Where the same bytes are cut makes a difference.
        #[test]
        fn parts_cannot_be_shifted(bytes in prop::collection::vec(any::<u8>(), 1..20), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
            let (a, b) = (a.index(bytes.len()), b.index(bytes.len()));
            let cut = |at| { let (x, y) = bytes.split_at(at); key().identity(&[x, y]) };
            prop_assert_eq!(cut(a) == cut(b), a == b);
            prop_assert_ne!(cut(a), key().identity(&[&bytes]));
        }
    }
}
