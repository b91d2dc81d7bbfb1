//! A broker that demands TLS, names and rights: what appmi needs to be given, and what it says where something
//! is missing.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::sync::OnceLock;

use model::Kinds;
use tests::system::{
    Configuration, Deployment, Feed, MARCH_2025, Operator, SOON, latest_closed_month, logins,
};
use tests::{
    Acl, Broker, Certificates, Installation, allow, free_port, installation_or_skip, wait_until,
};
use wire::headers;

const DONE: Option<i32> = Some(0);
const CONFIGURATION: Option<i32> = Some(78);
const PASSWORD: &str = "open sesame";

/// The users of SASL/PLAIN; each test has its own.
const USERS: [&str; 14] = [
    "plain", "all", "blind", "looker", "w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9",
];

/// A broker with an open listener for whoever makes the tests, and two for users.
struct Fortress {
    broker: Broker,
    certificates: Certificates,
    sasl: u16,
    tls: u16,
}

fn fortress(kafka: &'static Installation) -> &'static Fortress {
    static SHARED: OnceLock<Fortress> = OnceLock::new();
    SHARED.get_or_init(|| {
        let certificates = Certificates::new();
        let (sasl, tls) = (free_port(), free_port());
        let listeners = format!(
            "PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},\
             SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{tls}"
        );
        let users: String = USERS
            .iter()
            .map(|user| format!(" user_{user}=\"{PASSWORD}\""))
            .collect();
        let plain =
            format!("org.apache.kafka.common.security.plain.PlainLoginModule required{users};");
        let mut properties = certificates.broker_properties();
        let more = [
            ("listeners", listeners.as_str()),
            (
                "listener.security.protocol.map",
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
            ),
            ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-512"),
            ("listener.name.sasl_ssl.plain.sasl.jaas.config", &plain),
            (
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            ),
            ("listener.name.ssl.ssl.client.auth", "required"),
            (
                "authorizer.class.name",
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            ),
            ("super.users", "User:ANONYMOUS"),
        ];
        properties.extend(more.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let properties: Vec<(&str, &str)> = properties
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        Fortress {
            broker: Broker::start(kafka, &properties),
            certificates,
            sasl,
            tls,
        }
    })
}

impl Fortress {
    /// Lets the next processes of a deployment come by SASL over TLS.
    fn by_sasl(&self, configuration: &mut Configuration, mechanism: &str, user: &str) {
        let address = format!("127.0.0.1:{}", self.sasl);
        configuration.set_text("kafka.bootstrap_servers", &address);
        let authority = self.certificates.authority();
        let properties = [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", authority.to_str().unwrap()),
            ("sasl.mechanisms", mechanism),
            ("sasl.username", user),
            ("sasl.password", PASSWORD),
        ];
        for (name, value) in properties {
            configuration.set_property(name, value);
        }
    }

    /// The same with a certificate of the client's.
    fn by_certificate(&self, configuration: &mut Configuration) {
        let address = format!("127.0.0.1:{}", self.tls);
        configuration.set_text("kafka.bootstrap_servers", &address);
        let authority = self.certificates.authority();
        let (certificate, key) = self.certificates.client();
        let properties = [
            ("security.protocol", "SSL"),
            ("ssl.ca.location", authority.to_str().unwrap()),
            ("ssl.certificate.location", certificate.to_str().unwrap()),
            ("ssl.key.location", key.to_str().unwrap()),
        ];
        for (name, value) in properties {
            configuration.set_property(name, value);
        }
    }

    fn deployment(&self) -> Deployment {
        Deployment::new(&self.broker, &Kinds::builtin(), &[1, 1, 1])
    }
}

/// A right, and a word of the sentence that is said where it is missing.
struct Grant {
    acl: Acl,
    says: String,
}

/// The least that appmi needs, as docs/operations.md lists it.
fn least(deployment: &Deployment) -> Vec<Grant> {
    let topics = &deployment.topics;
    let group = deployment.cluster.group_id();
    let grant = |acl: Acl, says: &str| Grant {
        acl,
        says: says.to_owned(),
    };
    let prefix = format!("{group}-");
    let mut grants = vec![
        grant(Acl::topic(Acl::READ, &topics.partials), "Read"),
        grant(Acl::topic(Acl::WRITE, &topics.partials), "Write"),
        grant(Acl::topic(Acl::READ, &topics.month_close), "Read"),
        grant(Acl::topic(Acl::WRITE, &topics.month_close), "Write"),
        grant(Acl::topic(Acl::WRITE, &topics.dead_letters), "Write"),
        grant(Acl::group(Acl::READ, group), "Read on the group"),
        grant(
            Acl::transactional_ids(Acl::WRITE, &prefix),
            "Write on transactional ids",
        ),
    ];
    for topic in &topics.inputs {
        grants.push(grant(Acl::topic(Acl::READ, topic), "Read"));
    }
    for (_, topic) in topics.all() {
        let acl = Acl::topic(Acl::DESCRIBE_CONFIGS, topic);
        grants.push(grant(acl, "DescribeConfigs"));
    }
    grants
}

fn grant_all(fortress: &Fortress, deployment: &Deployment, principal: &str) {
    let grants = least(deployment).into_iter();
    let mut grants: Vec<_> = grants
        .map(|grant| (principal.to_owned(), grant.acl))
        .collect();
    let delete = Acl::group(Acl::DELETE, deployment.cluster.group_id());
    grants.push((principal.to_owned(), delete));
    allow(&fortress.broker.bootstrap(), &grants);
}

/// Everything that a user does: look, count, release, recount.
fn live(fortress: &Fortress, deployment: &Deployment) {
    let kinds = Kinds::builtin();
    let operator = Operator::new(&fortress.broker, deployment);
    let mut feed = Feed::new(deployment, &kinds);
    feed.put_all(logins(0, 0..100, MARCH_2025));
    for command in ["topics", "check", "settings"] {
        let answer = deployment.appmi(&[command]);
        assert_eq!(answer.code, DONE, "{command}: {answer:?}");
    }
    let last = latest_closed_month();
    let mut subscriber = deployment.releases();
    for _ in 0..2 {
        let mut instance = deployment.run();
        instance.until("everything is counted and released", |_| {
            let released = subscriber
                .look()
                .iter()
                .any(|record| record.header(headers::RELEASE) == format!("{last}/0"));
            released && operator.has_counted_all()
        });
        assert_eq!(operator.partials().events("logins"), 100);
        assert_eq!(instance.stop(), DONE);
        let answer = deployment.appmi(&["reset", "--yes"]);
        assert_eq!(answer.code, DONE, "{answer:?}");
    }
}

#[test]
fn it_comes_by_plain_passwords_over_tls() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let fortress = fortress(kafka);
    let mut deployment = fortress.deployment();
    grant_all(fortress, &deployment, "User:plain");
    fortress.by_sasl(&mut deployment.configuration, "PLAIN", "plain");
    live(fortress, &deployment);
}

#[test]
fn it_comes_by_scram_over_tls_and_a_wrong_password_is_named() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let fortress = fortress(kafka);
    let mut deployment = fortress.deployment();
    let credentials = format!("SCRAM-SHA-512=[iterations=4096,password={PASSWORD}]");
    let arguments = [
        "--alter",
        "--add-config",
        &credentials,
        "--entity-type",
        "users",
        "--entity-name",
        "scram",
    ];
    fortress
        .broker
        .tool("kafka.admin.ConfigCommand", &arguments);
    grant_all(fortress, &deployment, "User:scram");
    fortress.by_sasl(&mut deployment.configuration, "SCRAM-SHA-512", "scram");
    live(fortress, &deployment);

    deployment
        .configuration
        .set_property("sasl.password", "open barley");
    let answer = deployment.appmi(&["check"]);
    assert_eq!(answer.code, CONFIGURATION, "{answer:?}");
    assert!(answer.stderr.contains("sasl properties"), "{answer:?}");
    assert!(!answer.stderr.contains("barley"), "{answer:?}");
}

/// Clients end on threads of their own, and the process does not wait for them.
#[test]
fn it_ends_without_a_crash_while_its_clients_still_speak_tls() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let fortress = fortress(kafka);
    let mut deployment = fortress.deployment();
    grant_all(fortress, &deployment, "User:plain");
    fortress.by_sasl(&mut deployment.configuration, "PLAIN", "plain");
    for round in 0..40 {
        let answer = deployment.appmi(&["check"]);
        assert_eq!(answer.code, DONE, "{round}: {answer:?}");
    }
}

#[test]
fn it_comes_by_a_certificate_of_its_own() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let fortress = fortress(kafka);
    let mut deployment = fortress.deployment();
    grant_all(fortress, &deployment, &Certificates::client_principal());
    fortress.by_certificate(&mut deployment.configuration);
    live(fortress, &deployment);
}

#[test]
fn each_right_is_needed_and_where_one_is_missing_it_says_which() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let fortress = fortress(kafka);
    let count = least(&fortress.deployment()).len();
    assert_eq!(count, 16);
    for missing in 0..count {
        let mut deployment = fortress.deployment();
        let user = USERS[4 + missing % 10];
        let principal = format!("User:{user}");
        let grants = least(&deployment);
        let (left_out, says) = (&grants[missing].acl, &grants[missing].says);
        let given: Vec<_> = grants
            .iter()
            .filter(|grant| grant.acl != *left_out)
            .map(|grant| (principal.clone(), grant.acl.clone()))
            .collect();
        allow(&fortress.broker.bootstrap(), &given);
        Feed::new(&deployment, &Kinds::builtin()).put_all(logins(0, 0..10, MARCH_2025));
        fortress.by_sasl(&mut deployment.configuration, "PLAIN", user);
        let mut instance = deployment.run();
        let code = instance.code(SOON);
        let log = instance.log();
        assert_eq!(code, CONFIGURATION, "without {left_out:?}: {log}");
        assert!(log.contains(says), "without {left_out:?} `{says}`: {log}");
        assert!(
            log.contains("grant the user"),
            "without {left_out:?}: {log}"
        );
        let checked = deployment.appmi(&["check"]);
        if says.contains("transactional ids") {
            assert_eq!(checked.code, DONE, "{checked:?}");
            assert!(checked.stdout.contains(says), "{checked:?}");
            continue;
        }
        assert_eq!(checked.code, CONFIGURATION, "{left_out:?}: {checked:?}");
        for text in [says, "grant the user"] {
            assert!(checked.stderr.contains(text), "`{text}` in {checked:?}");
        }
    }
}

#[test]
fn check_names_each_right_with_what_it_is_on() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let fortress = fortress(kafka);
    let mut deployment = fortress.deployment();
    let topics = &deployment.topics;
    let group = deployment.cluster.group_id();
    let left_out = [
        (
            Acl::topic(Acl::WRITE, &topics.partials),
            format!("grant the user Write on the topic {}", topics.partials),
        ),
        (
            Acl::topic(Acl::READ, &topics.month_close),
            format!("grant the user Read on the topic {}", topics.month_close),
        ),
    ];
    let mut given: Vec<_> = least(&deployment)
        .into_iter()
        .filter(|grant| left_out.iter().all(|(acl, _)| *acl != grant.acl))
        .map(|grant| ("User:looker".to_owned(), grant.acl))
        .filter(|(_, acl)| *acl != Acl::group(Acl::READ, group))
        .collect();
    // It can be looked at, and no more.
    let delete = Acl::group(Acl::DELETE, group);
    given.push(("User:looker".to_owned(), delete));
    allow(&fortress.broker.bootstrap(), &given);
    let mut problems = vec![format!("grant the user Read on the group {group}")];
    problems.extend(left_out.map(|(_, problem)| problem));
    fortress.by_sasl(&mut deployment.configuration, "PLAIN", "looker");
    let answer = deployment.appmi(&["check"]);
    assert_eq!(answer.code, CONFIGURATION, "{answer:?}");
    for problem in &problems {
        assert!(answer.stderr.contains(problem), "`{problem}` in {answer:?}");
    }
    let grants = answer.stderr.matches("grant the user").count();
    assert_eq!(grants, problems.len(), "{answer:?}");
}

#[test]
fn check_names_every_topic_that_can_not_be_looked_at_and_goes_on() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let fortress = fortress(kafka);
    let mut deployment = fortress.deployment();
    let mut instance = deployment.run();
    instance.until_logged("settings recorded");
    assert_eq!(instance.stop(), DONE);
    let topics = &deployment.topics;
    let hidden = [&topics.inputs[1], &topics.dead_letters];
    let left_out = hidden.map(|topic| Acl::topic(Acl::DESCRIBE_CONFIGS, topic));
    let given: Vec<_> = least(&deployment)
        .into_iter()
        .filter(|grant| !left_out.contains(&grant.acl))
        .map(|grant| ("User:blind".to_owned(), grant.acl))
        .collect();
    allow(&fortress.broker.bootstrap(), &given);
    let mut problems = hidden
        .map(|topic| format!("the settings of {topic}"))
        .to_vec();
    problems.push("sketch.precision is recorded as 16, here it is 12".to_owned());
    fortress.by_sasl(&mut deployment.configuration, "PLAIN", "blind");
    deployment.configuration.set("sketch.precision", "12");
    let answer = deployment.appmi(&["check"]);
    assert_eq!(answer.code, CONFIGURATION, "{answer:?}");
    for problem in problems {
        assert!(
            answer.stderr.contains(&problem),
            "`{problem}` in {answer:?}"
        );
    }
}

#[test]
fn reset_needs_to_delete_the_group_and_creating_topics_to_create_them() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let fortress = fortress(kafka);
    let mut deployment = fortress.deployment();
    let grants = least(&deployment).into_iter();
    let grants: Vec<_> = grants
        .map(|grant| ("User:all".to_owned(), grant.acl))
        .collect();
    allow(&fortress.broker.bootstrap(), &grants);
    fortress.by_sasl(&mut deployment.configuration, "PLAIN", "all");
    wait_until("the rights are in force", SOON, || {
        deployment.appmi(&["check"]).code == DONE
    });
    let answer = deployment.appmi(&["reset", "--yes"]);
    assert_eq!(answer.code, CONFIGURATION, "{answer:?}");
    assert!(answer.stderr.contains("Delete on the group"), "{answer:?}");

    let mut bare = Deployment::bare(&fortress.broker, &Kinds::builtin(), &[1, 1, 1]);
    let grants = least(&bare).into_iter();
    let grants: Vec<_> = grants
        .map(|grant| ("User:all".to_owned(), grant.acl))
        .collect();
    allow(&fortress.broker.bootstrap(), &grants);
    fortress.by_sasl(&mut bare.configuration, "PLAIN", "all");
    let create = ["topics", "--create", "--replication-factor", "1"];
    let answer = bare.appmi(&create);
    assert_eq!(answer.code, CONFIGURATION, "{answer:?}");
    assert!(answer.stderr.contains("Create"), "{answer:?}");
    let topics = &bare.topics;
    let create_acls = [&topics.partials, &topics.month_close, &topics.dead_letters]
        .map(|topic| ("User:all".to_owned(), Acl::topic(Acl::CREATE, topic)));
    allow(&fortress.broker.bootstrap(), &create_acls);
    wait_until("the topics are created", SOON, || {
        bare.appmi(&create).code == DONE
    });
}
