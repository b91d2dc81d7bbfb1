//! What an operator does beside running: each command on a real broker, its words and its exit code.

use std::fs;
use std::net::TcpListener;

use model::Kinds;
use serde_json::Value;
use tests::system::{Answer, Deployment, Feed, Instance, Operator, SOON, workload_options};
use tests::{Broker, installation_or_skip};
use workload::{Profile, Workload};

const DONE: Option<i32> = Some(0);
const WORLD: Option<i32> = Some(75);
const CONFIGURATION: Option<i32> = Some(78);
/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

#[track_caller]
fn assert_answer(answer: &Answer, code: Option<i32>, stdout: &[&str], stderr: &[&str]) {
    assert_eq!(answer.code, code, "{answer:?}");
    for text in stdout {
        assert!(answer.stdout.contains(text), "`{text}` in {answer:?}");
    }
    for text in stderr {
        assert!(answer.stderr.contains(text), "`{text}` in {answer:?}");
    }
}

fn deployment(broker: &Broker) -> Deployment {
    Deployment::new(broker, &Kinds::builtin(), &[3, 2, 1])
}

/// Starts it and waits until it counts.
fn run(deployment: &Deployment) -> Instance {
    let mut instance = deployment.run();
    instance.until_logged("counting from here");
    instance
}

#[test]
fn topics_are_shown_created_once_and_refused_if_they_are_set_wrongly() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let deployment = Deployment::bare(Broker::shared(kafka), &Kinds::builtin(), &[3, 2, 1]);
    let topics = deployment.topics.clone();
    let create = "create it with appmi topics --create";
    let answer = deployment.appmi(&["topics"]);
    assert_answer(&answer, CONFIGURATION, &["missing", "events"], &[create]);
    for topic in [&topics.partials, &topics.month_close, &topics.dead_letters] {
        let fault = format!("the topic {topic} is missing");
        assert!(answer.stderr.contains(&fault), "{answer:?}");
    }
    let mut refused = deployment.run();
    assert_eq!(refused.code(SOON), CONFIGURATION, "{}", refused.log());
    assert!(refused.log().contains(create));

    // One is there already, with the broker's own settings.
    let admin = deployment.admin();
    let wrong = &topics.partials;
    assert!(admin.create_topic(wrong, 1, Some(1), &[]).unwrap());
    let faults = [
        "cleanup.policy is \"delete\" and must be \"compact\"",
        "message.timestamp.type is \"CreateTime\" and must be \"LogAppendTime\"",
    ];
    let create = ["topics", "--create", "--partials-partitions", "4"];
    assert_answer(
        &deployment.appmi(&create),
        CONFIGURATION,
        &["wrong"],
        &faults,
    );
    let mut refused = deployment.run();
    assert_eq!(refused.code(SOON), CONFIGURATION, "{}", refused.log());
    assert!(faults.iter().all(|fault| refused.log().contains(fault)));

    assert!(admin.delete_topic(wrong).unwrap());
    for _ in 0..2 {
        assert_answer(&deployment.appmi(&create), DONE, &[], &[]);
    }
    let answer = deployment.appmi(&["topics"]);
    let partials = answer.stdout.lines().find(|line| line.contains(wrong));
    let columns: Vec<&str> = partials.unwrap().split_whitespace().collect();
    assert_eq!(columns, [wrong, "checkpoints", "4", "good"]);
    assert!(!answer.stdout.contains("missing"), "{answer:?}");
}

#[test]
fn check_names_every_problem_at_once() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut deployment = Deployment::bare(Broker::shared(kafka), &Kinds::builtin(), &[3, 2, 1]);
    let good = deployment.configuration.clone();
    let practices = deployment.file("broken.csv");
    fs::write(&practices, "practice\nA1\n").unwrap();
    let configuration = &mut deployment.configuration;
    configuration.set_text("months.grace", "soon");
    configuration.set_text("privacy.key_file", "/none/such");
    configuration.set_text("geography.practices", practices.to_str().unwrap());
    configuration.set_text("kafka.no_such_key", "x");
    let keys = [
        "months.grace",
        "privacy.key_file",
        "broken.csv",
        "kafka.no_such_key",
    ];
    assert_answer(&deployment.appmi(&["check"]), CONFIGURATION, &[], &keys);

    // What does not depend on a key that cannot stand is looked at all the same.
    deployment.configuration = good.clone();
    let configuration = &mut deployment.configuration;
    configuration.set_text("months.grace", "soon");
    configuration.set_text("topics.logins", "none.such");
    let both = ["months.grace", "the input topic none.such is missing"];
    assert_answer(&deployment.appmi(&["check"]), CONFIGURATION, &[], &both);

    // The configuration is good, what it names is not.
    deployment.configuration = good.clone();
    let file = deployment.key_file();
    let state = file.join("state");
    deployment
        .configuration
        .set_text("state.dir", state.to_str().unwrap());
    deployment
        .configuration
        .set_text("topics.logins", "none.such");
    let faults = [
        "state.dir",
        "the input topic none.such is missing",
        &deployment.topics.partials,
        &deployment.topics.month_close,
        &deployment.topics.dead_letters,
    ];
    assert_answer(&deployment.appmi(&["check"]), CONFIGURATION, &[], &faults);

    deployment.configuration = good;
    assert_answer(&deployment.appmi(&["topics", "--create"]), DONE, &[], &[]);
    let found = [
        "the state directory",
        "6 topics are as they must be",
        "no settings are recorded yet",
    ];
    assert_answer(&deployment.appmi(&["check"]), DONE, &found, &[]);
    assert!(!deployment.state_dir().exists(), "it changes nothing");

    let instance = run(&deployment);
    let found = ["in use by a running instance", "settings 1 are in force"];
    assert_answer(&deployment.appmi(&["check"]), DONE, &found, &[]);
    assert_eq!(instance.stop(), DONE);
    deployment.configuration.set("sketch.precision", "12");
    let faults = ["sketch.precision is recorded as 16, here it is 12"];
    assert_answer(&deployment.appmi(&["check"]), CONFIGURATION, &[], &faults);
}

#[test]
fn check_compares_the_recorded_settings_also_where_topics_have_faults() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut deployment = deployment(Broker::shared(kafka));
    assert_eq!(run(&deployment).stop(), DONE);
    deployment.configuration.set("sketch.precision", "12");
    deployment
        .configuration
        .set_text("topics.prescription_orders", "none.such");
    assert!(
        deployment
            .admin()
            .delete_topic(&deployment.topics.month_close)
            .unwrap()
    );
    let missing = format!("the topic {} is missing", deployment.topics.month_close);
    let problems = [
        "the input topic none.such is missing",
        &missing,
        "sketch.precision is recorded as 16, here it is 12",
    ];
    let answer = deployment.appmi(&["check"]);
    assert_answer(&answer, CONFIGURATION, &[], &problems);
    assert!(!answer.stderr.contains("month-close topic is recorded"));
}

#[test]
fn partitions_that_were_added_to_owned_topics_are_named() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let deployment = deployment(broker);
    let operator = Operator::new(broker, &deployment);
    let topics = &deployment.topics;
    // Nothing is recorded that they could differ from.
    operator.add_partitions(&topics.partials, 4);
    assert_answer(&deployment.appmi(&["topics"]), DONE, &[], &[]);
    assert_eq!(run(&deployment).stop(), DONE);
    assert_answer(&deployment.appmi(&["topics"]), DONE, &[], &[]);

    operator.add_partitions(&topics.partials, 5);
    operator.add_partitions(&topics.month_close, 2);
    let differences = [
        "the number of partitions of the partials topic is recorded as 4, here it is 5",
        "the number of partitions of the month-close topic is recorded as 1, here it is 2",
        "appmi reset",
    ];
    for command in ["topics", "check"] {
        let answer = deployment.appmi(&[command]);
        assert_answer(&answer, CONFIGURATION, &[], &differences);
    }
}

#[test]
fn what_is_allowed_and_not_wise_is_remarked() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut deployment = deployment(Broker::shared(kafka));
    for (_, topic) in deployment.topics.all() {
        let remark = format!(
            "remark: the topic {topic}: the replication factor is 1 and min.insync.replicas is 1"
        );
        for command in ["topics", "check"] {
            assert_answer(&deployment.appmi(&[command]), DONE, &[&remark], &[]);
        }
    }

    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = somebody.local_addr().unwrap().to_string();
    deployment.configuration.set_text("http.listen", &address);
    let in_use = format!("remark: http.listen: {address} is in use");
    assert_answer(&deployment.appmi(&["check"]), DONE, &[&in_use], &[]);
    drop(somebody);
    let free = format!("HTTP can be served on {address}");
    let answer = deployment.appmi(&["check"]);
    assert_answer(&answer, DONE, &[&free], &[]);
    // No machine has this one: it is for examples.
    deployment
        .configuration
        .set_text("http.listen", "192.0.2.1:8080");
    let not_here = ["http.listen: 192.0.2.1:8080 can't be listened on"];
    let answer = deployment.appmi(&["check"]);
    assert_answer(&answer, CONFIGURATION, &["remark:"], &not_here);
}

#[test]
fn without_a_broker_commands_say_so_and_a_restart_may_help() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut deployment = deployment(Broker::shared(kafka));
    deployment
        .configuration
        .set_text("kafka.bootstrap_servers", NOWHERE);
    let mut instance = deployment.run();
    assert_answer(
        &deployment.appmi(&["check"]),
        WORLD,
        &[],
        &["no broker answers"],
    );
    assert_eq!(instance.code(SOON), WORLD, "{}", instance.log());
}

#[test]
fn settings_are_compared_and_put_in_force_and_former_ones_stop() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut deployment = deployment(Broker::shared(kafka));
    let former = deployment.configuration.clone();
    let none = ["no settings are recorded yet"];
    assert_answer(&deployment.appmi(&["settings"]), DONE, &none, &[]);
    assert_answer(
        &deployment.appmi(&["settings", "--apply"]),
        DONE,
        &none,
        &[],
    );

    let mut instance = run(&deployment);
    let same = ["settings 1 are in force, the configured ones are the same"];
    assert_answer(&deployment.appmi(&["settings"]), DONE, &same, &[]);
    assert_answer(
        &deployment.appmi(&["settings", "--apply"]),
        DONE,
        &same,
        &[],
    );

    deployment.configuration.set_text("months.time_zone", "UTC");
    deployment
        .configuration
        .set("months.retention_months", "20");
    let both = [
        "months.time_zone is recorded as",
        "months.retention_months is recorded as 15, here it is 20",
        "count anew",
    ];
    for arguments in [&["settings"][..], &["settings", "--apply"]] {
        assert_answer(&deployment.appmi(arguments), CONFIGURATION, &[], &both);
    }

    deployment.configuration = former;
    deployment
        .configuration
        .set("months.retention_months", "20");
    let apply = ["months.retention_months", "appmi settings --apply"];
    assert_answer(&deployment.appmi(&["settings"]), CONFIGURATION, &[], &apply);
    deployment
        .configuration
        .set_text("state.dir", deployment.file("other").to_str().unwrap());
    let mut early = deployment.run();
    assert_eq!(early.code(SOON), CONFIGURATION, "{}", early.log());
    assert_eq!(instance.ended(), None, "nothing was changed");

    let applied = ["settings 2 are in force", "months.retention_months"];
    assert_answer(
        &deployment.appmi(&["settings", "--apply"]),
        DONE,
        &applied,
        &[],
    );
    assert_eq!(instance.code(SOON), CONFIGURATION, "{}", instance.log());
    assert!(
        instance
            .log()
            .contains("months.retention_months is recorded as 20, here it is 15")
    );
    let instance = run(&deployment);
    let same = ["settings 2 are in force, the configured ones are the same"];
    assert_answer(&deployment.appmi(&["settings"]), DONE, &same, &[]);
    assert_eq!(instance.stop(), DONE);
}

#[test]
fn a_state_directory_in_use_can_be_inspected() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let deployment = deployment(Broker::shared(kafka));
    let answer = deployment.appmi(&["inspect"]);
    assert_answer(&answer, WORLD, &[], &["the state can't be inspected"]);

    let kinds = Kinds::builtin();
    let mut feed = Feed::new(&deployment, &kinds);
    let options = workload_options(50_000, 1, 1);
    feed.put_all(Workload::new(Profile::published(), &options));
    let rows = feed.oracle.measures(options.first_month);
    let row = rows
        .iter()
        .find(|row| row.level == "england" && row.measure == "logins");
    let logins = row.unwrap().value;
    let mut instance = deployment.run();
    instance.until("everything is in its state", |_| {
        let answer = deployment.appmi(&["inspect", "--json"]);
        let Ok(state) = serde_json::from_str::<Value>(&answer.stdout) else {
            return false;
        };
        let months = state["months"].as_array().unwrap();
        let march = months.iter().find(|month| month["month"] == "2025-03");
        march.is_some_and(|march| march["kinds"]["logins"]["events"] == logins)
            && state["partitions"].as_array().unwrap().len() == 6
    });
    let group = deployment.cluster.group_id().to_owned();
    let state = deployment.state_dir();
    let answer = deployment.appmi(&["inspect", "--state-dir", state.to_str().unwrap()]);
    let texts = [
        "settings 1",
        &group,
        "2025-03",
        "input partitions",
        "prescription_orders",
    ];
    assert_answer(&answer, DONE, &texts, &[]);
    let answer = deployment.appmi(&["inspect", "--json"]);
    let state: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(
        state["partitions"].as_array().unwrap().len(),
        6,
        "{state:#}"
    );
    assert_eq!(state["settings"]["group_id"], group.as_str());
    assert_eq!(instance.stop(), DONE);
}
