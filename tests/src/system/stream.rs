//! Load that goes on beside a test: a thread that puts the next records in, at a pace, until it is paused.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use workload::{Item, Oracle};

use super::feed::Feed;
use crate::wait::wait_at_most;

/// Records that are put in at once.
const BURST: usize = 25;

/// How long the broker may take to have everything: it may be away.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// A load that can be paused, and the oracle of what it has put in.
pub struct Stream {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    feed: Mutex<Feed>,
    flows: AtomicBool,
    /// Everything that was put in is in the topics.
    is_settled: AtomicBool,
    is_over: AtomicBool,
    put: AtomicUsize,
}

impl Stream {
    /// A stream of these records, so many a second, that is paused.
    pub fn new(feed: Feed, items: impl Iterator<Item = Item> + Send + 'static, rate: u32) -> Self {
        let shared = Arc::new(Shared {
            feed: Mutex::new(feed),
            flows: AtomicBool::new(false),
            is_settled: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            put: AtomicUsize::new(0),
        });
        let pause = Duration::from_secs(1) * u32::try_from(BURST).expect("a small number") / rate;
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || theirs.flow(items, pause));
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Goes on.
    pub fn flow(&self) {
        self.shared.flows.store(true, Ordering::SeqCst);
    }

    /// Stops, and waits until everything that was put in is in the topics.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn pause(&self) {
        self.shared.flows.store(false, Ordering::SeqCst);
        let settled = wait_at_most(SETTLED_WITHIN, || {
            self.assert_alive();
            self.shared.is_settled.load(Ordering::SeqCst).then_some(())
        });
        assert!(settled.is_some(), "the broker does not take the load");
    }

    /// How many records it has put in.
    pub fn put(&self) -> usize {
        self.shared.put.load(Ordering::SeqCst)
    }

    /// Looks at what must come out of what it has put in. It should be paused.
    pub fn oracle<T>(&self, look: impl FnOnce(&Oracle) -> T) -> T {
        let feed = self.shared.feed.lock();
        look(&feed.unwrap_or_else(PoisonError::into_inner).oracle)
    }

    fn assert_alive(&self) {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        assert!(!ended, "the load has ended: see its panic above");
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // What it panicked with was printed.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn flow(&self, mut items: impl Iterator<Item = Item>, pause: Duration) {
        loop {
            let is_over = || self.is_over.load(Ordering::SeqCst).then_some(());
            if wait_at_most(pause, is_over).is_some() {
                return;
            }
            // In this order: who has stopped the flow and sees everything settled sees the end of it.
            self.is_settled.store(false, Ordering::SeqCst);
            let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
            if self.flows.load(Ordering::SeqCst) {
                let burst = items.by_ref().take(BURST).inspect(|item| feed.put(item));
                self.put.fetch_add(burst.count(), Ordering::SeqCst);
            } else {
                feed.flush();
                self.is_settled.store(true, Ordering::SeqCst);
            }
        }
    }
}
