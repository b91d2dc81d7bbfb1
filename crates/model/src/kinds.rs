//! The kinds of events and the measures that follow from them: a table, not code.
//!
//! Three kinds are built in; a deployment adds its own, and cells, releases, API and exports
//! follow.

use crate::KindId;

/// A kind of event: its topic, and what is measured over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Its name, `[a-z0-9_]+`, which is that of its count too. Stored and published.
    pub name: String,
    /// The one topic that holds its events.
    pub topic: String,
    /// The CloudEvents `type` of its events.
    pub event_type: String,
    /// Whether its events carry a session id, which then is an event's identity.
    pub has_session: bool,
    /// The measure of its distinct users in the month, if there is one.
    pub users: Option<String>,
    /// The measure of its distinct users over the month and the eleven before it, if there is one.
    pub users_12_months: Option<String>,
    /// The measure of all its events since the beginning, if there is one. England only.
    pub all_time: Option<String>,
    /// The events before the first month, which the all-time measure starts from.
    pub baseline: u64,
}

impl Kind {
    /// Whether distinct users are counted at all, so whether its cells have a sketch.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.users.is_some() || self.users_12_months.is_some()
    }

    /// The names of its measures, in the order of the publication.
    fn measure_names(&self) -> impl Iterator<Item = &str> {
        let optional = [&self.users, &self.users_12_months, &self.all_time];
        std::iter::once(self.name.as_str())
            .chain(optional.into_iter().flatten().map(String::as_str))
    }
}

/// One thing that is measured: of a kind, in a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Its events in the month. Exact.
    Count(KindId),
    /// Distinct accounts over the events of the month. Estimated.
    Users(KindId),
    /// Distinct accounts over the events of the month and the eleven before it. Estimated.
    Users12Months(KindId),
    /// Its baseline and every event up to the month's end. Exact, and for England only.
    AllTime(KindId),
}

impl Measure {
    /// The kind that it is measured over.
    #[must_use]
    pub fn kind(self) -> KindId {
        let (Self::Count(kind)
        | Self::Users(kind)
        | Self::Users12Months(kind)
        | Self::AllTime(kind)) = self;
        kind
    }

    /// Whether its value is an estimate, with an interval, and not a count.
    #[must_use]
    pub fn is_estimated(self) -> bool {
        matches!(self, Self::Users(_) | Self::Users12Months(_))
    }

    /// Whether only England has it; every other measure exists for boards and regions too.
    #[must_use]
    pub fn is_england_only(self) -> bool {
        matches!(self, Self::AllTime(_))
    }
}

/// A row of the table of measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasureRow<'a> {
    /// What is measured.
    pub measure: Measure,
    /// Its published name.
    pub name: &'a str,
}

/// The table of kinds, in the order in which they are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kinds(Vec<Kind>);

/// Most kinds that a [`KindId`] can tell apart.
const KINDS_MAX: usize = 256;
/// The longest name of a topic that Kafka takes.
const TOPIC_LEN_MAX: usize = 249;
/// The longest name of a kind or measure: it stands in every key of the partials.
const NAME_LEN_MAX: usize = 64;

impl Kinds {
    /// The three kinds of the publication: logins, prescription orders, registrations.
    #[must_use]
    pub fn builtin() -> Self {
        let kind = |name: &str, topic: &str, event_type: &str| Kind {
            name: name.to_owned(),
            topic: topic.to_owned(),
            event_type: event_type.to_owned(),
            has_session: false,
            users: None,
            users_12_months: None,
            all_time: None,
            baseline: 0,
        };
        Self(vec![
            Kind {
                has_session: true,
                users: Some("unique_users_logging_in".to_owned()),
                users_12_months: Some("unique_users_logging_in_12_months".to_owned()),
                ..kind("logins", "nhsapp.logins", "uk.nhs.app.session.opened.v1")
            },
            Kind {
                users: Some("unique_users_ordering_prescriptions".to_owned()),
                ..kind(
                    "prescription_orders",
                    "nhsapp.prescription-orders",
                    "uk.nhs.app.prescription.ordered.v1",
                )
            },
            Kind {
                all_time: Some("registrations_all_time".to_owned()),
                ..kind(
                    "registrations",
                    "nhsapp.registrations",
                    "uk.nhs.app.account.registered.v1",
                )
            },
        ])
    }

    /// Adds a kind behind the others. An empty name of an optional measure counts as left out.
    ///
    /// # Errors
    /// If a name is not `[a-z0-9_]+` or the topic not one that Kafka takes, or if its name, topic,
    /// event type or one of its measures is taken: what is wrong and what to do.
    pub fn push(&mut self, mut kind: Kind) -> Result<KindId, String> {
        for optional in [
            &mut kind.users,
            &mut kind.users_12_months,
            &mut kind.all_time,
        ] {
            optional.take_if(|name| name.is_empty());
        }
        self.check(&kind)?;
        let id = u8::try_from(self.0.len()).map_err(|_| {
            format!("there are {KINDS_MAX} kinds already, and no more can be told apart")
        })?;
        self.0.push(kind);
        Ok(KindId(id))
    }

    fn check(&self, kind: &Kind) -> Result<(), String> {
        let mut names = Vec::new();
        for name in kind.measure_names() {
            check_name(name)?;
            if names.contains(&name)
                || self
                    .0
                    .iter()
                    .any(|other| other.measure_names().any(|taken| taken == name))
            {
                return Err(format!(
                    "kind `{}`: a measure `{name}` exists already; choose another name",
                    kind.name
                ));
            }
            names.push(name);
        }
        if kind.event_type.is_empty() {
            return Err(format!(
                "kind `{}`: no event type; name the CloudEvents `type` of its events",
                kind.name
            ));
        }
        if let Some(other) = self
            .0
            .iter()
            .find(|other| other.event_type == kind.event_type)
        {
            let (name, other, event_type) = (&kind.name, &other.name, &kind.event_type);
            return Err(format!(
                "kind `{name}`: event type `{event_type}` is that of `{other}`; a kind has its own"
            ));
        }
        self.check_topic(&kind.name, &kind.topic)
    }

    fn check_topic(&self, kind: &str, topic: &str) -> Result<(), String> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if topic.is_empty()
            || topic.len() > TOPIC_LEN_MAX
            || topic == "."
            || topic == ".."
            || !topic.bytes().all(legal)
        {
            return Err(format!(
                "kind `{kind}`: `{topic}` is not a topic; \
                 write 1 to {TOPIC_LEN_MAX} letters, digits, `.`, `_` and `-`"
            ));
        }
        match self
            .0
            .iter()
            .find(|other| other.topic == topic && other.name != kind)
        {
            Some(other) => Err(format!(
                "kind `{kind}`: topic `{topic}` is that of `{}`; a kind has its own",
                other.name
            )),
            None => Ok(()),
        }
    }

    /// Gives a kind another topic.
    ///
    /// # Errors
    /// If it is not a topic that Kafka takes, or that of another kind: what is wrong and what to
    /// do.
    pub fn set_topic(&mut self, id: KindId, topic: impl Into<String>) -> Result<(), String> {
        let topic = topic.into();
        self.check_topic(&self.get(id).name, &topic)?;
        self.0[usize::from(id.0)].topic = topic;
        Ok(())
    }

    /// Sets what the all-time measure of a kind starts from.
    pub fn set_baseline(&mut self, id: KindId, baseline: u64) {
        self.0[usize::from(id.0)].baseline = baseline;
    }

    /// The kind of that id, which must come from this table.
    #[must_use]
    pub fn get(&self, id: KindId) -> &Kind {
        &self.0[usize::from(id.0)]
    }

    /// The kind of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<KindId> {
        self.iter()
            .find(|(_, kind)| kind.name == name)
            .map(|(id, _)| id)
    }

    /// All kinds, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (KindId, &Kind)> {
        self.0
            .iter()
            .enumerate()
            .map(|(place, kind)| (KindId(u8::try_from(place).expect("checked by push")), kind))
    }

    /// How many kinds there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none: never, the built-in ones cannot be taken out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The table of measures, in the order in which a release has them.
    pub fn measures(&self) -> impl Iterator<Item = MeasureRow<'_>> {
        self.iter().flat_map(|(id, kind)| {
            let rows = [
                (Measure::Count(id), Some(&kind.name)),
                (Measure::Users(id), kind.users.as_ref()),
                (Measure::Users12Months(id), kind.users_12_months.as_ref()),
                (Measure::AllTime(id), kind.all_time.as_ref()),
            ];
            rows.into_iter().filter_map(|(measure, name)| {
                Some(MeasureRow {
                    measure,
                    name: name?,
                })
            })
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > NAME_LEN_MAX || !name.bytes().all(legal) {
        return Err(format!(
            "`{name}` is not a name; write 1 to {NAME_LEN_MAX} characters a to z, 0 to 9 and `_`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record_views() -> Kind {
        Kind {
            name: "record_views".to_owned(),
            topic: "nhsapp.record-views".to_owned(),
            event_type: "uk.nhs.app.record.viewed.v1".to_owned(),
            has_session: false,
            users: Some("unique_users_viewing_records".to_owned()),
            users_12_months: Some(String::new()),
            all_time: None,
            baseline: 0,
        }
    }

    #[test]
    fn the_built_in_table_is_that_of_the_publication() {
        let kinds = Kinds::builtin();
        let rows: Vec<(&str, bool, bool)> = kinds
            .measures()
            .map(|row| {
                (
                    row.name,
                    row.measure.is_estimated(),
                    row.measure.is_england_only(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("logins", false, false),
                ("unique_users_logging_in", true, false),
                ("unique_users_logging_in_12_months", true, false),
                ("prescription_orders", false, false),
                ("unique_users_ordering_prescriptions", true, false),
                ("registrations", false, false),
                ("registrations_all_time", false, true),
            ]
        );
    }

    #[test]
    fn the_built_in_kinds_satisfy_the_rules_for_added_ones() {
        let mut kinds = Kinds(Vec::new());
        for (id, kind) in Kinds::builtin().iter() {
            assert_eq!(kinds.push(kind.clone()), Ok(id));
        }
    }

    #[test]
    fn an_added_kind_brings_its_measures() {
        let mut kinds = Kinds::builtin();
        let id = kinds.push(record_views()).unwrap();
        assert_eq!(kinds.by_name("record_views"), Some(id));
        assert_eq!(
            kinds.get(id).users_12_months,
            None,
            "an empty name is one left out"
        );
        assert!(kinds.get(id).has_users());
        let names: Vec<&str> = kinds.measures().skip(7).map(|row| row.name).collect();
        assert_eq!(names, ["record_views", "unique_users_viewing_records"]);
        assert!(kinds.measures().skip(7).all(|row| row.measure.kind() == id));
    }

    #[test]
    fn what_is_taken_is_refused() {
        let clashes: [fn(&mut Kind); 6] = [
            |kind| kind.name = "logins".to_owned(),
            |kind| kind.name = "registrations_all_time".to_owned(),
            |kind| kind.users = Some("record_views".to_owned()),
            |kind| kind.all_time = Some("unique_users_logging_in".to_owned()),
            |kind| kind.topic = "nhsapp.logins".to_owned(),
            |kind| kind.event_type = "uk.nhs.app.session.opened.v1".to_owned(),
        ];
        for clash in clashes {
            let mut kind = record_views();
            clash(&mut kind);
            let problem = Kinds::builtin().push(kind).unwrap_err();
            assert!(
                problem.contains("exists already") || problem.contains("has its own"),
                "{problem}"
            );
        }
    }

    #[test]
    fn names_that_could_break_a_key_are_refused() {
        for name in [
            "",
            "Views",
            "record-views",
            "record/views",
            "ansicht_ä",
            &"x".repeat(65),
        ] {
            let kind = Kind {
                name: name.to_owned(),
                ..record_views()
            };
            assert!(
                Kinds::builtin()
                    .push(kind)
                    .unwrap_err()
                    .contains("is not a name"),
                "{name}"
            );
        }
        for topic in ["", ".", "..", "a b", "a/b", &"x".repeat(250)] {
            let kind = Kind {
                topic: topic.to_owned(),
                ..record_views()
            };
            assert!(
                Kinds::builtin()
                    .push(kind)
                    .unwrap_err()
                    .contains("is not a topic"),
                "{topic}"
            );
        }
    }

    #[test]
    fn a_topic_can_be_set_again_but_not_shared() {
        let mut kinds = Kinds::builtin();
        let logins = kinds.by_name("logins").unwrap();
        assert_eq!(kinds.set_topic(logins, "nhsapp.logins"), Ok(()));
        assert_eq!(kinds.set_topic(logins, "logins.v2"), Ok(()));
        assert_eq!(kinds.get(logins).topic, "logins.v2");
        assert!(
            kinds
                .set_topic(logins, "nhsapp.registrations")
                .unwrap_err()
                .contains("is that of `registrations`")
        );
    }

    #[test]
    fn there_are_at_most_as_many_kinds_as_ids() {
        let mut kinds = Kinds::builtin();
        let numbered = |n: usize| Kind {
            name: format!("kind_{n}"),
            topic: format!("topic-{n}"),
            event_type: format!("type.{n}"),
            users: None,
            ..record_views()
        };
        for n in kinds.len()..KINDS_MAX {
            assert!(kinds.push(numbered(n)).is_ok());
        }
        assert!(
            kinds
                .push(numbered(KINDS_MAX))
                .unwrap_err()
                .contains("256 kinds already")
        );
    }
}
