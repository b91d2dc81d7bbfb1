//! Environment variables that override keys: `APPMI_KAFKA__GROUP_ID` sets `kafka.group_id`.
//!
//! Every key stands in a section, so every override has a `__`. Variables without one are not ours to
//! judge: `APPMI_CONFIG` belongs to the command line, and Kubernetes puts `APPMI_PORT` and the like into
//! the environment of whatever runs beside a service of that name.

use std::ffi::OsString;

use super::problem::{Origin, Problem};
use super::tree::{Key, Leaf, Tree, Value};

const PREFIX: &str = "APPMI_";
const SEPARATOR: &str = "__";

/// Lays the variables over the tree.
pub(super) fn lay_over(
    tree: &mut Tree,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) {
    for (variable, value) in variables {
        let Some((variable, key)) = variable
            .to_str()
            .and_then(|name| Some((name, key_of(name)?)))
        else {
            continue;
        };
        let origin = Origin::Environment {
            variable: variable.to_owned(),
        };
        match value.into_string() {
            Ok(value) => tree.set(
                key,
                Leaf {
                    value: Value::Untyped(value),
                    origin,
                },
            ),
            Err(_) => problems.push(Problem::at(origin, "is not UTF-8; write it again")),
        }
    }
}

/// The key that a variable sets, if it is an override.
fn key_of(variable: &str) -> Option<Key> {
    let path = variable.strip_prefix(PREFIX)?.to_ascii_lowercase();
    let (section, rest) = path.split_once(SEPARATOR)?;
    let properties = Key::new(super::PROPERTIES);
    let [kafka, property_table] = properties.names() else {
        unreachable!("properties are a table of a section");
    };
    // Names of client properties have dots and no underscores: KAFKA__PROPERTIES__SASL_PASSWORD.
    if section == kafka
        && let Some((table, property)) = rest.split_once(SEPARATOR)
        && table == property_table
    {
        return Some(properties.join(property.replace('_', ".")));
    }
    let mut key = Key::new(section);
    for name in rest.split(SEPARATOR) {
        key = key.join(name);
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(variable: &str) -> Option<String> {
        key_of(variable).map(|key| key.to_string())
    }

    #[test]
    fn two_underscores_separate_the_section_from_the_key() {
        assert_eq!(
            key("APPMI_KAFKA__GROUP_ID").as_deref(),
            Some("kafka.group_id")
        );
        assert_eq!(
            key("APPMI_DEAD_LETTERS__INCLUDE_PAYLOAD").as_deref(),
            Some("dead_letters.include_payload")
        );
        assert_eq!(
            key("APPMI_KINDS__0__TOPIC").as_deref(),
            Some("kinds[0].topic")
        );
    }

    #[test]
    fn underscores_stand_for_dots_in_client_properties() {
        assert_eq!(
            key("APPMI_KAFKA__PROPERTIES__SASL_PASSWORD").as_deref(),
            Some(r#"kafka.properties."sasl.password""#)
        );
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        assert_eq!(key("APPMI_CONFIG"), None);
        assert_eq!(key("APPMI_PORT_8080_TCP_ADDR"), None, "set by Kubernetes");
        assert_eq!(key("KAFKA__GROUP_ID"), None);
    }
}
