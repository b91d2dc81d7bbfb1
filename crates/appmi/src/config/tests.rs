//! A configuration is right as a whole or refused as a whole.

use std::io::Write;

use tempfile::NamedTempFile;

use super::*;

const EXAMPLE: &str = include_str!("../../../../deploy/appmi.example.toml");

/// A key file, and the variables that name it.
struct Fixture {
    key: NamedTempFile,
}

impl Fixture {
    fn new() -> Self {
        let mut key = NamedTempFile::new().unwrap();
        key.write_all(&[7; 32]).unwrap();
        Self { key }
    }

    /// Parses a text, with the key file and further variables over it.
    fn parse(&self, text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Refused> {
        let key_file = self.key.path().to_str().unwrap();
        let key_file = [("APPMI_PRIVACY__KEY_FILE", key_file)];
        let variables = variables
            .iter()
            .chain(&key_file)
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        parse(Path::new("appmi.toml"), text, variables)
    }

    fn config(&self, text: &str, variables: &[(&str, &str)]) -> Config {
        self.parse(text, variables)
            .unwrap_or_else(|refused| panic!("{refused}"))
            .config
    }

    /// The problems of a text, line by line.
    fn problems(&self, text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let Problems(problems) = self
            .parse(text, variables)
            .expect_err("it has problems")
            .problems;
        problems.iter().map(ToString::to_string).collect()
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const LEAST: &str = "[months]\nfirst_month = \"2025-03\"\n";

#[test]
fn the_example_is_the_defaults() {
    let fixture = Fixture::new();
    let example = fixture.config(EXAMPLE, &[]);
    let defaults = fixture.config(LEAST, &[]);
    assert_eq!(format!("{example:?}"), format!("{defaults:?}"));
}

#[test]
fn the_example_names_every_key() {
    let tree = Tree::from_toml(Path::new(""), EXAMPLE, &mut Vec::new());
    let mut reader = Reader::new(tree, Vec::new());
    let _ = schema::config(&mut reader, &mut Vec::new());
    assert_eq!(reader.left_to_default(), Vec::<String>::new());
}

#[test]
fn what_the_example_has_commented_out_can_stand() {
    // Prose has a blank behind the sign, a key has none.
    let uncommented: Vec<&str> = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|first: char| first != ' ') => key,
            _ => line,
        })
        .collect();
    let config = Fixture::new().config(&uncommented.join("\n"), &[]);
    assert_eq!(config.kafka.properties["security.protocol"], "SASL_SSL");
    let id = config.kinds.by_name("record_views").expect("it is added");
    assert_eq!(config.kinds.get(id).topic, "nhsapp.record-views");
    assert_eq!(
        config.kinds.get(id).users.as_deref(),
        Some("unique_users_viewing_records")
    );
    assert_eq!(config.kinds.get(id).all_time, None);
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let config = Fixture::new().config(LEAST, &[]);
    assert_eq!(config.kafka.bootstrap_servers, "localhost:9092");
    assert_eq!(config.kafka.group_id, "appmi");
    assert_eq!(config.topics.partials, "appmi.partials");
    assert_eq!(config.kinds, Kinds::builtin());
    assert_eq!(
        config.input,
        Input {
            encoding: Encoding::Protobuf,
            max_bytes: 65_536
        }
    );
    assert_eq!(config.state_dir, PathBuf::from("/var/lib/appmi"));
    assert_eq!(config.precision, Precision::new(16).unwrap());
    assert_eq!(config.months.first_month.to_string(), "2025-03");
    assert_eq!(config.months.calendar.zone(), "Europe/London");
    assert_eq!(config.months.grace, 72 * HOUR);
    assert_eq!(config.months.idle_timeout, crate::inspect::IDLE_TIMEOUT);
    assert_eq!(config.months.retention_months, 15);
    assert_eq!(
        config.deduplication,
        Deduplication {
            window: HOUR,
            events_max: 32_768
        }
    );
    assert_eq!(config.checkpoint_interval, Duration::from_secs(30));
    assert_eq!(config.http_listen, Some(([127, 0, 0, 1], 8080).into()));
    assert!(!config.include_payload);
}

#[test]
fn variables_override_the_file() {
    let text =
        "[kafka]\ngroup_id = \"file\"\n[months]\nfirst_month = \"2025-03\"\ngrace = \"1h\"\n";
    let config = Fixture::new().config(
        text,
        &[
            ("APPMI_KAFKA__GROUP_ID", "variable"),
            ("APPMI_KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
            ("APPMI_SKETCH__PRECISION", "12"),
            ("APPMI_DEAD_LETTERS__INCLUDE_PAYLOAD", "true"),
            ("APPMI_TOPICS__LOGINS", "logins.v2"),
            ("APPMI_HTTP__LISTEN", ""),
            ("APPMI_CONFIG", "/not/ours/to/judge"),
        ],
    );
    assert_eq!(config.kafka.group_id, "variable");
    assert_eq!(config.kafka.properties["sasl.password"], "hunter2");
    assert_eq!(config.precision, Precision::new(12).unwrap());
    assert!(config.include_payload);
    assert_eq!(config.months.grace, HOUR, "what is not overridden stays");
    assert_eq!(config.kinds.get(model::KindId(0)).topic, "logins.v2");
    assert_eq!(config.http_listen, None);
}

#[test]
fn all_problems_are_told_at_once_each_with_its_place_and_what_to_do() {
    let text = r#"
[kafka]
group_id = ""
grup_id = "appmi"
[months]
first_month = "2025-13"
time_zone = "Europe/Lodnon"
grace = 72
retention_months = 10
[sketch]
precision = 19
[http]
listen = "localhost"
[nonsense]
"#;
    let problems = Fixture::new().problems(text, &[("APPMI_OUTPUT__FORMAT", "xml")]);
    let expected = [
        r#"appmi.toml:3: kafka.group_id = "": is empty; write one"#,
        r#"appmi.toml:6: months.first_month = "2025-13": is not a month; write one such as "2025-03""#,
        r#"appmi.toml:7: months.time_zone = "Europe/Lodnon": "#,
        r#"appmi.toml:8: months.grace = 72: is not a length of time; write one such as "72h", "15m" or "30s""#,
        r#"appmi.toml:9: months.retention_months = 10: is not a whole number from 11 to 120; write one"#,
        r#"appmi.toml:11: sketch.precision = 19: is not a whole number from 4 to 18; write one"#,
        r#"appmi.toml:13: http.listen = "localhost": is not an address; "#,
        r#"appmi.toml:4: kafka.grup_id = "appmi": is not a key; did you mean kafka.group_id?"#,
        r#"appmi.toml:14: nonsense = {}: is not a key; take it out"#,
        r#"output.format = "xml" (from APPMI_OUTPUT__FORMAT): is not a choice; write "protobuf" or "json""#,
    ];
    for expected in expected {
        assert!(
            problems.iter().any(|problem| problem.starts_with(expected)),
            "{expected}\n{problems:#?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn a_broken_text_is_told_line_by_line_and_nothing_else() {
    let problems = Fixture::new().problems("[kafka\ngroup_id = \"a\"\n[http]\nlisten = \n", &[]);
    assert!(problems.len() >= 2, "{problems:?}");
    assert!(
        problems
            .iter()
            .all(|problem| problem.starts_with("appmi.toml:")),
        "{problems:?}"
    );
    assert!(
        !problems
            .iter()
            .any(|problem| problem.contains("first_month")),
        "{problems:?}"
    );
}

#[test]
fn the_first_month_must_be_said_and_have_a_geography() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.problems("", &[]),
        [r#"months.first_month: is missing; write the first month to publish, such as "2025-03""#]
    );
    let first = Geography::builtin().first_month();
    let early = first.prev().to_string();
    let problems = fixture.problems("", &[("APPMI_MONTHS__FIRST_MONTH", &early)]);
    assert!(
        problems[0].contains(&format!("is before {first}")),
        "{problems:?}"
    );
    fixture.config("", &[("APPMI_MONTHS__FIRST_MONTH", &first.to_string())]);
}

#[test]
fn a_key_in_the_wrong_section_is_pointed_to_the_right_one() {
    let problems =
        Fixture::new().problems(&format!("{LEAST}[output]\ninclude_payload = true\n"), &[]);
    assert_eq!(
        problems,
        [
            "appmi.toml:4: output.include_payload = true: is not a key; did you mean dead_letters.include_payload?"
        ]
    );
}

#[test]
fn a_table_and_a_value_are_not_taken_for_each_other() {
    let text = format!("http = 80\nkinds = 3\n{LEAST}grace.hours = 3\n");
    let problems = Fixture::new().problems(&text, &[]);
    assert_eq!(
        problems,
        [
            "appmi.toml:1: http = 80: is a table; write [http] and its keys below",
            "appmi.toml:2: kinds = 3: is a table; write [[kinds]] and its keys below",
            "appmi.toml:5: months.grace.hours = 3: is not a key, since months.grace is no table; write months.grace = ..",
        ]
    );
}

#[test]
fn a_topic_has_one_use() {
    let fixture = Fixture::new();
    let text = format!(
        "{LEAST}[topics]\nlogins = \"a\"\nregistrations = \"a\"\npartials = \"b\"\nmonth_close = \"b\"\n"
    );
    assert_eq!(
        fixture.problems(&text, &[]),
        [
            r#"appmi.toml:7: topics.month_close = "b": is the topic of topics.partials already; a topic has one use"#,
            r#"appmi.toml:5: topics.registrations = "a": is the topic of topics.logins already; a topic has one use"#,
        ]
    );
    let clash = fixture.problems(
        &format!("{LEAST}[topics]\nlogins = \"nhsapp.registrations\"\n"),
        &[],
    );
    assert_eq!(
        clash,
        [
            r#"topics.registrations = "nhsapp.registrations" (the default): is the topic of topics.logins already; a topic has one use"#
        ]
    );
}

#[test]
fn two_kinds_can_swap_their_topics() {
    let text = format!(
        "{LEAST}[topics]\nlogins = \"nhsapp.registrations\"\nregistrations = \"nhsapp.logins\"\n"
    );
    let kinds = Fixture::new().config(&text, &[]).kinds;
    let topic = |name| kinds.get(kinds.by_name(name).unwrap()).topic.as_str();
    assert_eq!(
        (topic("logins"), topic("registrations")),
        ("nhsapp.registrations", "nhsapp.logins")
    );
}

#[test]
fn every_kind_with_an_all_time_count_has_a_baseline() {
    let fixture = Fixture::new();
    let text = format!(
        r#"{LEAST}
[registrations]
baseline = 30000000
[messages]
baseline = 5
[[kinds]]
name = "messages"
topic = "nhsapp.messages"
event_type = "uk.nhs.app.message.read.v1"
all_time = "messages_all_time"
"#
    );
    let kinds = fixture.config(&text, &[]).kinds;
    let baseline = |name| kinds.get(kinds.by_name(name).unwrap()).baseline;
    assert_eq!(
        (baseline("registrations"), baseline("messages")),
        (30_000_000, 5)
    );

    let without = fixture.problems(&format!("{LEAST}[logins]\nbaseline = 1\n"), &[]);
    assert!(
        without[0].contains("logins.baseline = 1: is not a key"),
        "{without:?}"
    );
}

#[test]
fn a_row_of_kinds_is_whole_and_new() {
    let fixture = Fixture::new();
    let text = format!(
        "{LEAST}[[kinds]]\nname = \"logins\"\ntopic = \"x\"\nevent_type = \"y\"\n[[kinds]]\nname = \"views\"\ncolour = 1\n"
    );
    let problems = fixture.problems(&text, &[]);
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(
        problems[0].starts_with(r#"appmi.toml:4: kinds[0].name = "logins": cannot be added: "#)
    );
    assert_eq!(
        problems[1],
        "kinds[1].topic: is missing; write the topic of its events"
    );
    assert!(problems[2].starts_with("kinds[1].event_type: is missing; "));
    assert!(problems[3].starts_with("appmi.toml:9: kinds[1].colour = 1: is not a key"));

    let problems = fixture.problems(&format!("{LEAST}[kinds]\nname = \"views\"\n"), &[]);
    assert!(
        problems[0].contains("write [[kinds]] above each"),
        "{problems:?}"
    );
}

#[test]
fn client_properties_are_free_but_for_those_that_promises_rest_on() {
    let fixture = Fixture::new();
    let text = format!(
        "{LEAST}[kafka.properties]\n\"group.instance.id\" = \"a\"\n\"isolation.level\" = \"read_uncommitted\"\n"
    );
    let problems = fixture.problems(&text, &[]);
    assert_eq!(
        problems,
        [
            r#"appmi.toml:5: kafka.properties."isolation.level": must stay "read_committed": aborted records must not be counted; remove the line"#
        ]
    );
    let config = fixture.config(
        "",
        &[
            ("APPMI_MONTHS__FIRST_MONTH", "2025-03"),
            ("APPMI_KAFKA__PROPERTIES__GROUP_INSTANCE_ID", "a"),
        ],
    );
    assert_eq!(config.kafka.group_instance_id(), Some("a"));
}

#[test]
fn a_secret_is_never_shown() {
    let fixture = Fixture::new();
    let password = [("APPMI_KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2")];
    let config = fixture.config(LEAST, &password);
    assert!(!format!("{:?}", config.kafka).contains("hunter2"));
    let problems = fixture.problems(
        &format!("{LEAST}[kafka.properties]\n\"sasl.password\" = 12345\n"),
        &[],
    );
    assert!(
        problems[0].contains("sasl.password") && !problems[0].contains("12345"),
        "{problems:?}"
    );
}

#[test]
fn a_key_file_is_there_long_enough_and_closed_to_others() {
    let fixture = Fixture::new();
    let loaded = fixture.parse(LEAST, &[]).unwrap();
    assert_eq!(
        loaded.warnings,
        Vec::<String>::new(),
        "temporary files are private"
    );

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(fixture.key.path(), PermissionsExt::from_mode(0o644)).unwrap();
        let loaded = fixture.parse(LEAST, &[]).unwrap();
        assert!(
            loaded.warnings[0].contains("chmod o="),
            "{:?}",
            loaded.warnings
        );
    }

    fixture.key.as_file().set_len(31).unwrap();
    let problems = fixture.problems(LEAST, &[]);
    assert!(
        problems[0].starts_with("privacy.key_file = "),
        "{problems:?}"
    );
    assert!(problems[0].contains("32"), "{problems:?}");

    let Problems(missing) = parse(Path::new("a"), LEAST, []).unwrap_err().problems;
    let missing = missing[0].to_string();
    assert!(
        missing.contains("(the default): cannot be read") && missing.contains("/dev/urandom"),
        "{missing}"
    );
}

#[test]
fn reference_data_is_checked_with_everything_else() {
    let fixture = Fixture::new();
    let mut boards = NamedTempFile::new().unwrap();
    boards.write_all(b"icb_ods_code\nQM7\n").unwrap();
    let path = boards.path().to_str().unwrap();
    let problems = fixture.problems("", &[("APPMI_GEOGRAPHY__ICBS", path)]);
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("geography.icbs = ")),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains(&format!("{path}:1"))),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("months.first_month")),
        "{problems:?}"
    );

    let problems = fixture.problems(LEAST, &[("APPMI_GEOGRAPHY__PRACTICES", "/none/such.csv")]);
    assert!(problems[0].contains("geography.practices") && problems[0].contains("cannot be read"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let problems = load(Some(Path::new("/none/such.toml")), []).unwrap_err();
    assert!(
        problems.to_string().starts_with("/none/such.toml: "),
        "{problems}"
    );
}
