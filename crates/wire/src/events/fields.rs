//! The protobuf wire format, field by field, in place.
//!
//! It knows keys, varints, lengths and groups, and no message. It accepts exactly what prost accepts,
//! but for the UTF-8 of strings, which whoever uses one checks.
//! Source: <https://protobuf.dev/programming-guides/encoding/>

/// The bytes do not follow the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// How a field's value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireType {
    Varint,
    Fixed64,
    Bytes,
    StartGroup,
    EndGroup,
    Fixed32,
}

/// How deep groups and messages may be nested before a message is refused, as in prost.
const DEPTH_MAX: u32 = 100;
/// A varint has at most 64 bits, seven in a byte.
const VARINT_LEN_MAX: usize = 10;

/// The fields of a message that have not been read yet.
///
/// After [`Fields::key`] exactly one of `varint`, `bytes` and `skip` takes the value of the field.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    /// How many levels of nesting are still allowed.
    depth: u32,
}

impl<'a> Fields<'a> {
    /// All fields of the message.
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            depth: DEPTH_MAX,
        }
    }

    /// The number (1 or more) and wire type of the next field; none at the end of the message.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Option<(u32, WireType)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = u32::try_from(self.raw_varint()?).map_err(|_| Malformed)?;
        let wire_type = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return Err(Malformed),
        };
        match key >> 3 {
            0 => Err(Malformed),
            number => Ok(Some((number, wire_type))),
        }
    }

    /// The value of a field that must be a varint.
    #[inline]
    pub(super) fn varint(&mut self, wire_type: WireType) -> Result<u64, Malformed> {
        if wire_type != WireType::Varint {
            return Err(Malformed);
        }
        self.raw_varint()
    }

    /// The value of a field that must be a string or bytes.
    #[inline]
    pub(super) fn bytes(&mut self, wire_type: WireType) -> Result<&'a [u8], Malformed> {
        if wire_type != WireType::Bytes {
            return Err(Malformed);
        }
        let len = self.raw_varint()?;
        self.take(usize::try_from(len).map_err(|_| Malformed)?)
    }

    /// The value of a field that must be a message.
    #[inline]
    pub(super) fn message(&mut self, wire_type: WireType) -> Result<Self, Malformed> {
        let depth = self.depth.checked_sub(1).ok_or(Malformed)?;
        Ok(Self {
            rest: self.bytes(wire_type)?,
            depth,
        })
    }

    /// Passes over the value of a field that nobody knows.
    #[cold]
    pub(super) fn skip(&mut self, number: u32, wire_type: WireType) -> Result<(), Malformed> {
        self.skip_nested(number, wire_type, self.depth)
    }

    fn skip_nested(
        &mut self,
        number: u32,
        wire_type: WireType,
        depth: u32,
    ) -> Result<(), Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed)?;
        match wire_type {
            WireType::Varint => self.raw_varint().map(drop),
            WireType::Fixed64 => self.take(8).map(drop),
            WireType::Bytes => self.bytes(wire_type).map(drop),
            WireType::Fixed32 => self.take(4).map(drop),
            WireType::StartGroup => loop {
                match self.key()?.ok_or(Malformed)? {
                    (end, WireType::EndGroup) if end == number => return Ok(()),
                    (_, WireType::EndGroup) => return Err(Malformed),
                    (number, wire_type) => self.skip_nested(number, wire_type, depth)?,
                }
            },
            WireType::EndGroup => Err(Malformed),
        }
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Nearly all are keys, lengths and small numbers: one byte.
    #[inline]
    fn raw_varint(&mut self) -> Result<u64, Malformed> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => {
                let (value, rest) = varint(self.rest).ok_or(Malformed)?;
                self.rest = rest;
                Ok(value)
            }
        }
    }
}

/// The varint that the bytes begin with, and what follows it; none if it is cut off, longer than ten
/// bytes or does not fit into 64 bits.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (place, &byte) in bytes.iter().take(VARINT_LEN_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            let fits = place + 1 < VARINT_LEN_MAX || byte < 2;
            return fits.then(|| (value, &bytes[place + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip_all(message: &[u8]) -> Result<(), Malformed> {
        let mut fields = Fields::of(message);
        while let Some((number, wire_type)) = fields.key()? {
            fields.skip(number, wire_type)?;
        }
        Ok(())
    }

    #[test]
    fn a_varint_has_64_bits_in_at_most_ten_bytes() {
        assert_eq!(varint(b"\x00!"), Some((0, &b"!"[..])));
        assert_eq!(varint(b"\x80\x00"), Some((0, &b""[..])));
        assert_eq!(varint(b"\xac\x02"), Some((300, &b""[..])));
        assert_eq!(
            varint(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            Some((u64::MAX, &b""[..]))
        );
        assert_eq!(varint(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), None);
        assert_eq!(
            varint(b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
            None
        );
        assert_eq!(varint(b"\x80"), None);
        assert_eq!(varint(b""), None);
    }

    #[test]
    fn unknown_fields_of_every_wire_type_are_passed_over() {
        assert_eq!(skip_all(b"\x78\xac\x02"), Ok(()));
        assert_eq!(skip_all(b"\x7912345678"), Ok(()));
        assert_eq!(skip_all(b"\x7a\x03abc"), Ok(()));
        assert_eq!(skip_all(b"\x7b\x08\x01\x0b\x0c\x7c"), Ok(()));
        assert_eq!(skip_all(b"\x7d1234"), Ok(()));
        assert_eq!(skip_all(b"\xf8\xff\xff\xff\x0f\x00"), Ok(()));
    }

    #[test]
    fn what_is_cut_off_or_impossible_is_malformed() {
        for message in [
            &b"\x78"[..],
            b"\x78\x80",
            b"\x791234567",
            b"\x7a\x04abc",
            b"\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abc",
            b"\x7d123",
            b"\x7b",
            b"\x7b\x84\x01",
            b"\x7c",
            b"\x7e",
            b"\x7f",
            b"\x02\x00",
            b"\x80\x80\x80\x80\x10\x00",
        ] {
            assert_eq!(skip_all(message), Err(Malformed), "{message:x?}");
        }
    }

    #[test]
    fn groups_may_be_nested_as_deep_as_in_prost() {
        let nested = |depth: usize| [vec![0x7b; depth], vec![0x7c; depth]].concat();
        assert_eq!(skip_all(&nested(100)), Ok(()));
        assert_eq!(skip_all(&nested(101)), Err(Malformed));
        assert_eq!(skip_all(&vec![0x7b; 1 << 20]), Err(Malformed));
    }
}
