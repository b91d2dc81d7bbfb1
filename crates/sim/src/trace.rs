//! What happened in a world, line by line.

use std::collections::VecDeque;

/// How much of a trace is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: worlds in bulk.
    Nothing,
    /// The last lines.
    Last(usize),
    /// Everything.
    All,
}

#[derive(Debug)]
pub(crate) struct Trace {
    keep: Keep,
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            keep,
            lines: VecDeque::new(),
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let most = match self.keep {
            Keep::Nothing => return,
            Keep::Last(lines) => lines,
            Keep::All => usize::MAX,
        };
        if self.lines.len() >= most {
            self.lines.pop_front();
        }
        self.lines.push_back(line());
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
