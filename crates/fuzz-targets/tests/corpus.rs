//! The inputs that fuzzing has found, replayed.

use std::fs;
use std::path::Path;

use fuzz_targets::TARGETS;

#[test]
fn nothing_of_the_corpus_panics_or_allocates_out_of_proportion() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for target in TARGETS {
        let folder = corpus.join(target.name);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let mut inputs = 0;
        for entry in entries {
            let input = fs::read(entry.unwrap().path()).unwrap();
            target.run(&input);
            // Cut short, as records that were torn.
            target.run(&input[..input.len() / 2]);
            inputs += 1;
        }
        assert!(inputs >= 10, "{} has {inputs} inputs only", target.name);
    }
}
