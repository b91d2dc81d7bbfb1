//! The log: events of `tracing` to standard error, as text or JSON. Standard output is for answers.

use std::io::{self, IsTerminal};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::cli::LogFormat;

/// Whether standard error is read by a program.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Whether everything on standard error is to be a JSON object a line.
pub(crate) fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Begins to log, panics included. Does nothing if the process logs already.
pub fn start(format: LogFormat, filter: Targets) {
    let subscriber = Registry::default().with(layer(format, io::stderr).with_filter(filter));
    if subscriber.try_init().is_ok() {
        IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
        panic::set_hook(Box::new(|panic| {
            let payload = panic.payload();
            let message = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("without a message");
            let place = panic.location().map(ToString::to_string);
            let backtrace = std::backtrace::Backtrace::capture();
            tracing::error!(place, %backtrace, "this is a bug, please report it: {message}");
        }));
    }
}

fn layer<W>(format: LogFormat, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    match format {
        LogFormat::Text => fmt::layer()
            .with_writer(writer)
            .with_ansi(io::stderr().is_terminal())
            .boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(writer)
            .boxed(),
    }
}

/// What is logged, for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged meanwhile, in a format and as far as a filter lets it through.
    pub(crate) fn logged(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Buffer(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Buffer {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let filter: Targets = filter.parse().unwrap();
        let layer = layer(format, move || writer.clone()).with_filter(filter);
        tracing::subscriber::with_default(Registry::default().with(layer), log);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::logged;
    use super::*;

    #[test]
    fn json_is_one_object_a_line_with_fields_on_top() {
        let text = logged(LogFormat::Json, "info", || {
            tracing::info!(month = "2025-03", "released");
            tracing::info!("and again");
        });
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["month"], "2025-03");
        assert_eq!(lines[0]["message"], "released");
        assert_eq!(lines[0]["level"], "INFO");
    }

    #[test]
    fn the_filter_goes_by_module() {
        let text = logged(LogFormat::Text, "warn,kafka=debug", || {
            tracing::info!("quiet");
            tracing::debug!(target: "kafka", "loud");
        });
        assert!(text.contains("loud") && !text.contains("quiet"), "{text}");
    }
}
