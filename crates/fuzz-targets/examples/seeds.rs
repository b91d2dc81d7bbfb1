//! Writes good inputs to begin with into the corpus: `cargo run -p fuzz-targets --example seeds fuzz/corpus`.

use std::fs;
use std::path::PathBuf;

use model::{KindId, Kinds, Timestamp};
use wire::events::{Draft, encode_cloudevent, encode_protobuf, frame};

fn main() {
    let corpus = PathBuf::from(
        std::env::args()
            .nth(1)
            .expect("name the folder of the corpus"),
    );
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).expect("the folder can be made");
        fs::write(folder.join(name), bytes).expect("the folder can be written");
    };
    let kinds = Kinds::builtin();
    let draft = Draft {
        event_id: "0195ee1e-6c3a-7bd2-8a1e-0f6f3c1d2e4b",
        account_id: "4c1f0b7e9a5d4e02",
        occurred_at: Timestamp::from_millis(1_743_463_800_001),
        gp_practice_code: "A81001",
        icb_code: "QHM",
        session_id: "b7e9a5d44c1f0b7e",
    };
    for (id, kind) in kinds.iter() {
        let (protobuf, json) = (
            encode_protobuf(&draft, kind),
            encode_cloudevent(&draft, "app", kind),
        );
        let KindId(id) = id;
        let typed = [b"application/x-protobuf; a=b\0".as_slice(), &protobuf].concat();
        let inputs = [
            (id, protobuf.clone()),
            (id | 8, frame(7, &protobuf)),
            (id | 16, json.clone()),
            (id | 4, json),
            (id | 24, typed),
        ];
        for (number, (how, payload)) in inputs.into_iter().enumerate() {
            write(
                "events",
                &format!("seed-{id}-{number}"),
                &[vec![how], payload].concat(),
            );
        }
    }
    stored(&write);
    for precision in 0..15 {
        let mut page = vec![precision];
        sketch::encode_page(&[3; 16], &mut page);
        write("pages", &format!("seed-{precision}"), &page);
    }
    let boards = include_bytes!("../../model/data/icbs.csv");
    let practices =
        b"\0practice_ods_code,icb_ods_code_2022_07,icb_ods_code_2026_04\nA81001,QE1,QE1\nA2,,\n";
    write("reference", "seed-boards", boards);
    write(
        "reference",
        "seed-practices",
        &[boards.as_slice(), practices].concat(),
    );
}

/// What the first format has left behind: each record by itself, and all of them together.
fn stored(write: &dyn Fn(&str, &str, &[u8])) {
    let mut all = Vec::new();
    let dumps = [
        (
            "partials",
            include_str!("../../../tests/formats/1/partials.txt"),
        ),
        (
            "releases",
            include_str!("../../../tests/formats/1/month-close.txt"),
        ),
    ];
    for (target, dump) in dumps {
        for (number, line) in dump.lines().enumerate() {
            let fields: Vec<&str> = line.splitn(5, ' ').collect();
            let [_, _, _, key, value] = fields[..] else {
                continue;
            };
            let value: Vec<u8> = value
                .as_bytes()
                .chunks(2)
                .filter_map(|digits| std::str::from_utf8(digits).ok())
                .filter_map(|digits| u8::from_str_radix(digits, 16).ok())
                .collect();
            if number % 5 == 0 {
                let input = if target == "partials" {
                    [key.as_bytes(), b"\n", &value].concat()
                } else {
                    value.clone()
                };
                write(target, &format!("seed-{number}"), &input);
                if target == "releases" {
                    write(target, &format!("seed-key-{number}"), key.as_bytes());
                }
            }
            let mut pair = Vec::new();
            for text in [key.as_bytes(), &value] {
                let length = u16::try_from(text.len()).unwrap_or(0);
                pair.extend(length.to_be_bytes());
                pair.extend(text);
            }
            if number % 7 == 0 {
                write("view", &format!("seed-{target}-{number}"), &pair);
                write("state", &format!("seed-{target}-{number}"), &pair);
            }
            if number < 40 {
                all.extend(pair);
            }
        }
    }
    write("view", "seed-all", &all);
}
