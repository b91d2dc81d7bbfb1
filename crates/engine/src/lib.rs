//! The engine: aggregate, checkpoint, view, membership, closing, and the loop that drives them.
