//! The harness itself, on the real thing: a broker starts, dies and comes back, and never outlives its test.

use std::net::TcpStream;

use tests::{Broker, installation_or_skip};

#[test]
fn a_broker_that_is_killed_comes_back_on_its_port_with_its_identity() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut broker = Broker::start(kafka, &[("log.cleaner.backoff.ms", "100")]);
    let address = broker.bootstrap();
    let identity = std::fs::read(broker.data().join("meta.properties")).unwrap();
    assert!(broker.log().contains("log.cleaner.backoff.ms = 100"));

    broker.kill();
    assert!(
        TcpStream::connect(&address).is_err(),
        "a dead broker answers"
    );
    broker.restart();
    assert_eq!(broker.bootstrap(), address);
    assert!(TcpStream::connect(&address).is_ok());

    broker.stop();
    assert!(
        broker.log().contains("shut down completed"),
        "{}",
        broker.log()
    );
    broker.restart();
    assert!(TcpStream::connect(&address).is_ok());
    let after = std::fs::read(broker.data().join("meta.properties")).unwrap();
    assert_eq!(after, identity);
}
