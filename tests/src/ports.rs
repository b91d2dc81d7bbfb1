//! Free loopback ports that stay free while nobody listens on them.
//!
//! A broker that was killed comes back on the port it had. Ports below 32768 are never given to outgoing
//! connections on Linux (`net.ipv4.ip_local_port_range`), so only another server can take it.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

const RANGE: Range<u16> = 20_000..32_000;

/// A port that nobody listens on now, and that this process has not been given yet.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in RANGE {
        let port = port_at(NEXT.fetch_add(1, Ordering::Relaxed));
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {RANGE:?} is free on 127.0.0.1");
}

/// The `number`th port of this process. Processes begin at different places, since between this look
/// and the bind of the server another process looks too.
fn port_at(number: u16) -> u16 {
    let width = u32::from(RANGE.end - RANGE.start);
    let place = (std::process::id().wrapping_mul(37) % width + u32::from(number)) % width;
    RANGE.start + u16::try_from(place).expect("less than the width of a range of u16")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_passed_over() {
        let first = free_port();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first));
        let second = free_port();
        assert_ne!(first, second);
        assert!(RANGE.contains(&first) && RANGE.contains(&second));
    }
}
