//! What the brokers say of transactions. librdkafka does not ask them, so this speaks the protocol itself: one
//! request, `ListTransactions` (key 66, version 0), over a connection that is kept.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::wait::wait_at_most;

/// How long a broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long the brokers may take to end a transaction that they were told to end.
const ENDED_WITHIN: Duration = Duration::from_millis(100);

/// Looks between two pauses: a transaction is over within milliseconds.
const TRIES: usize = 400;

/// A broker that is asked for the transactional ids that it coordinates.
#[derive(Debug)]
pub struct Transactions {
    address: String,
    stream: Option<TcpStream>,
}

impl Transactions {
    /// Of the broker at this address; it is connected to when it is asked.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            stream: None,
        }
    }

    /// The state of every transactional id, as Kafka names it: `Ongoing`, `PrepareCommit`, `CompleteAbort` ..;
    /// empty while the broker does not answer.
    pub fn states(&mut self) -> BTreeMap<String, String> {
        // A connection that the broker closed meanwhile is noticed by the first request over it.
        let asked = self.ask().or_else(|_| {
            self.stream = None;
            self.ask()
        });
        asked.unwrap_or_else(|_| {
            self.stream = None;
            BTreeMap::new()
        })
    }

    /// The state of one id.
    pub fn state(&mut self, id: &str) -> Option<String> {
        self.states().remove(id)
    }

    /// Whether the id has a transaction that is neither committed nor aborted nor about to be.
    pub fn is_open(&mut self, id: &str) -> bool {
        self.state(id).is_some_and(|state| state == "Ongoing")
    }

    /// Returns when the id has had a transaction open for so many looks, of which one takes a fraction of a
    /// millisecond; false if there is none within that time.
    pub fn aim(&mut self, id: &str, looks: usize, within: Duration) -> bool {
        let in_a_row = |transactions: &mut Self| (0..=looks).all(|_| transactions.is_open(id));
        let aimed = wait_at_most(within, || (0..TRIES).any(|_| in_a_row(self)).then_some(()));
        aimed.is_some()
    }

    /// Whether a process that is dead or frozen has left a transaction open. What it had told the brokers to commit
    /// is committed within milliseconds.
    pub fn is_left_open(&mut self, id: &str) -> bool {
        wait_at_most(ENDED_WITHIN, || (!self.is_open(id)).then_some(())).is_none()
    }

    fn ask(&mut self) -> io::Result<BTreeMap<String, String>> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.address)?;
                stream.set_read_timeout(Some(ANSWER_WITHIN))?;
                stream.set_nodelay(true)?;
                self.stream.insert(stream)
            }
        };
        stream.write_all(&REQUEST)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap_or(0)];
        stream.read_exact(&mut answer)?;
        read(&mut answer.as_slice())
    }
}

/// Length; key 66, version 0, correlation 1, no client id, no tags; no filters, no tags.
const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 66, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF, 0, 1, 1, 0];

/// Correlation, no tags, throttle time, error code, unknown filters, transactions.
fn read(answer: &mut &[u8]) -> io::Result<BTreeMap<String, String>> {
    skip(answer, 9)?;
    let code = i16::from_be_bytes([take(answer)?, take(answer)?]);
    if code != 0 {
        return Err(io::Error::other(format!("ListTransactions: error {code}")));
    }
    for _ in 1..varint(answer)? {
        text(answer)?;
    }
    let mut states = BTreeMap::new();
    for _ in 1..varint(answer)? {
        let id = text(answer)?;
        skip(answer, 8)?;
        let state = text(answer)?;
        skip(answer, 1)?;
        states.insert(id, state);
    }
    Ok(states)
}

fn take(from: &mut &[u8]) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn skip(from: &mut &[u8], bytes: usize) -> io::Result<()> {
    let rest = from.get(bytes..);
    *from = rest.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(())
}

/// An unsigned number in groups of seven bits, the lowest first.
fn varint(from: &mut &[u8]) -> io::Result<usize> {
    let mut number = 0;
    for shift in [0, 7, 14, 21, 28] {
        let byte = take(from)?;
        number |= usize::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Ok(number)
}

/// A compact string: its length plus one, and its bytes.
fn text(from: &mut &[u8]) -> io::Result<String> {
    let length = varint(from)?.saturating_sub(1);
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_the_protocol_says() {
        let mut answer = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 3];
        for (id, state) in [("a-release", "Ongoing"), ("b", "CompleteCommit")] {
            for (place, text) in [id, state].into_iter().enumerate() {
                answer.push(u8::try_from(text.len() + 1).unwrap());
                answer.extend(text.bytes());
                answer.extend(if place == 0 { vec![0; 8] } else { vec![0] });
            }
        }
        answer.push(0);
        let states = read(&mut answer.as_slice()).unwrap();
        assert_eq!(states["a-release"], "Ongoing");
        assert_eq!(states["b"], "CompleteCommit");
        assert!(read(&mut &answer[..20]).is_err());
    }
}
