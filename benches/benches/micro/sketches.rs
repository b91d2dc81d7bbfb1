//! Sketches by themselves, at the default precision of 16 bits: 65,536 registers.

use benches::timing::each;
use benches::view::Accounts;
use criterion::Criterion;
use sketch::{Precision, Registers, decode_page, encode_page};

/// Sketches of a month of logins: 12 partitions of 48 lineages, 36 MiB.
const MONTH_SKETCHES: usize = 12 * 48;

/// Accounts of a board in a month, about.
const BOARD_ACCOUNTS: usize = 250_000;
/// Those of them in one of 12 partitions.
const CELL_ACCOUNTS: usize = 20_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let precision = Precision::new(16).expect("a precision");
    inserts(criterion, precision);

    let (one, other) = (
        sketch(precision, 1, BOARD_ACCOUNTS),
        sketch(precision, 2, BOARD_ACCOUNTS),
    );
    let mut group = criterion.benchmark_group("sketch");
    group.bench_function("union", |bencher| {
        let mut united = one.clone();
        bencher.iter(|| united.union(&other));
    });
    group.bench_function("estimate", |bencher| {
        bencher.iter(|| one.estimate());
    });
    group.finish();

    pages(criterion, "dense", &one);
    pages(criterion, "sparse", &sketch(precision, 5, CELL_ACCOUNTS));
}

fn pages(criterion: &mut Criterion, form: &str, sketch: &Registers) {
    let page = sketch.page(0);
    let mut encoded = Vec::new();
    encode_page(page, &mut encoded);
    let mut group = criterion.benchmark_group("page");
    group.bench_function(format!("encode {form}"), |bencher| {
        let mut bytes = Vec::new();
        bencher.iter(|| {
            bytes.clear();
            encode_page(page, &mut bytes);
        });
    });
    group.bench_function(format!("decode {form}"), |bencher| {
        let mut registers = page.to_vec();
        bencher.iter(|| decode_page(&encoded, &mut registers));
    });
    group.finish();
}

fn inserts(criterion: &mut Criterion, precision: Precision) {
    let mut accounts = Accounts(3);
    let hashes: Vec<u64> = (0..1 << 18).map(|_| accounts.hash()).collect();
    let mut group = criterion.benchmark_group("account");
    group.bench_function("insert, one sketch", |bencher| {
        let mut sketch = Registers::new(precision);
        let mut inserted = 0;
        each(bencher, &hashes, |hash| {
            inserted += 1;
            if inserted % 20_000 == 0 {
                sketch.clear();
            }
            sketch.insert(*hash)
        });
    });
    group.bench_function("insert, 576 sketches in turn", |bencher| {
        let mut sketches = vec![sketch(precision, 4, CELL_ACCOUNTS); MONTH_SKETCHES];
        let mut turn = 0;
        each(bencher, &hashes, |hash| {
            turn = (turn + 1) % MONTH_SKETCHES;
            sketches[turn].insert(*hash)
        });
    });
    group.finish();
}

fn sketch(precision: Precision, seed: u64, count: usize) -> Registers {
    let mut accounts = Accounts(seed << 40);
    let mut registers = Registers::new(precision);
    for _ in 0..count {
        registers.insert(accounts.hash());
    }
    registers
}
