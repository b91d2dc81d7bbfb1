//! `appmi topics`: what the topics are and must be, and making those that appmi owns.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use kafka::{Admin, Counts, Found, Inspection, Role};

use crate::cli;
use crate::config::Config;
use crate::exit::Exit;
use crate::output;
use crate::pipeline::exit_of;
use crate::run;

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
        Ok(inspections) => tell(&inspections),
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

fn tell(inspections: &[Inspection]) -> Exit {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["topic", "for", "partitions", "state"]);
    for inspection in inspections {
        let (partitions, state) = match &inspection.found {
            Found::Good { partitions } => (partitions.to_string(), "good"),
            Found::Missing => ("-".to_owned(), "missing"),
            Found::Wrong(_) => ("-".to_owned(), "wrong"),
        };
        let row = [&inspection.topic, name(inspection.role), &partitions, state];
        table.add_row(row);
    }
    if output::answer(&format!("{table}\n")).is_err() {
        return Exit::World;
    }
    let faults: Vec<String> = inspections.iter().flat_map(Inspection::faults).collect();
    if faults.is_empty() {
        return Exit::Done;
    }
    output::refuse("the topics are not as they must be", &faults);
    Exit::Configuration
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Input => "events",
        Role::Partials => "checkpoints",
        Role::MonthClose => "releases",
        Role::DeadLetters => "dead letters",
    }
}
