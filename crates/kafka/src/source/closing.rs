//! Leaving the group within a bounded time: librdkafka waits for the coordinator as long as that takes.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use tracing::debug;

use crate::context::Consumer;

/// How long leaving may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Closes a consumer that has no partitions any more; whether the group has let it go in time. The attempt
/// goes on in the background if not.
pub(super) fn close(consumer: &Arc<Consumer>) -> bool {
    consumer.context().begin_to_leave();
    let consumer = Arc::clone(consumer);
    let (done, is_done) = mpsc::channel();
    let closing = thread::Builder::new().name("kafka-leave".into());
    let spawned = closing.spawn(move || {
        let closed = poll_until_closed(&consumer);
        if done.send(closed).is_err() {
            debug!("the group let go of this member after nobody waited for it any more");
        }
    });
    spawned.is_ok() && matches!(is_done.recv_timeout(CLOSE_WITHIN), Ok(Ok(())))
}

fn poll_until_closed(consumer: &Consumer) -> Result<(), KafkaError> {
    consumer.close_queue()?;
    while !consumer.closed() {
        // The last rebalance is answered in its callback.
        consumer.poll(Duration::from_millis(20));
    }
    Ok(())
}
