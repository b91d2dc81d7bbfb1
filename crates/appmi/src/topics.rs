//! `appmi topics`: what the topics are and must be, and making those that appmi owns.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use engine::{Error, settings as recorded};
use kafka::{Admin, Cluster, Counts, Found, Inspection, Journal, Role};
use wire::v1::Settings;

use crate::cli;
use crate::config::Config;
use crate::exit::Exit;
use crate::output;
use crate::pipeline::exit_of;
use crate::{run, settings};

/// Shows the topics, after creating those that are missing if asked to.
#[must_use]
pub fn topics(config: &Config, arguments: &cli::Topics) -> Exit {
    let (cluster, topics) = match run::reach(config) {
        Ok(reached) => reached,
        Err(exit) => return exit,
    };
    let shown = Admin::new(&cluster).and_then(|admin| {
        if arguments.create {
            for topic in admin.create(&topics, &counts(arguments))? {
                tracing::info!(topic, "created");
            }
        }
        admin.inspect(&topics)
    });
    match shown {
        Ok(inspections) => tell(
            &inspections,
            compare_counts(&cluster, &topics, &inspections),
        ),
        Err(error) => exit_of(&error),
    }
}

fn counts(arguments: &cli::Topics) -> Counts {
    Counts {
        inputs: None,
        partials: arguments.partials_partitions,
        month_close: arguments.month_close_partitions,
        dead_letters: arguments.dead_letters_partitions,
        replication: arguments.replication_factor.map(u32::from),
    }
}

/// Whether partials and month-close have as many partitions as the recorded settings say, where any are recorded and
/// both topics are there.
fn compare_counts(
    cluster: &Cluster,
    topics: &kafka::Topics,
    inspections: &[Inspection],
) -> Result<(), Error> {
    let count = |role| Inspection::partitions_of(inspections, role);
    let counts = (count(Role::Partials), count(Role::MonthClose));
    let (Some(partials_partitions), Some(month_close_partitions)) = counts else {
        return Ok(());
    };
    let mut journal = Journal::of_partials(cluster, topics.clone())?;
    let Some(in_force) = settings::in_force(&mut journal)? else {
        return Ok(());
    };
    let found = Settings {
        partials_partitions,
        month_close_partitions,
        ..in_force.clone()
    };
    let differences = recorded::differences(&in_force, &found);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Configuration(differences.to_text()))
}

fn tell(inspections: &[Inspection], counts: Result<(), Error>) -> Exit {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["topic", "for", "partitions", "state"]);
    for inspection in inspections {
        let partitions = inspection.partitions();
        let partitions = partitions.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let state = match inspection.found {
            Found::Missing => "missing",
            Found::Unknown => "unknown",
            Found::There { .. } if inspection.faults.is_empty() => "good",
            Found::There { .. } => "wrong",
        };
        let row = [&inspection.topic, name(inspection.role), &partitions, state];
        table.add_row(row);
    }
    let remarks: Vec<String> = inspections
        .iter()
        .flat_map(|of| of.remarks.clone())
        .collect();
    if output::answer(&format!("{table}\n{}", output::remarks(&remarks))).is_err() {
        return Exit::World;
    }
    let faults = inspections.iter().flat_map(|of| of.faults.clone());
    let faults: Vec<Error> = faults.chain(counts.err()).collect();
    match run::refuse_topics(&faults) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Input => "events",
        Role::Partials => "checkpoints",
        Role::MonthClose => "releases",
        Role::DeadLetters => "dead letters",
    }
}
