//! Takes keys out of the tree one by one, remembers every problem and goes on.

use std::collections::BTreeMap;

use super::problem::{Origin, Problem};
use super::tree::{Key, Leaf, Tree, Value};

/// The tree, what was taken out of it and what was wrong.
#[derive(Debug)]
pub(super) struct Reader {
    tree: Tree,
    problems: Vec<Problem>,
    /// Every key that means something, with what it was set to.
    asked: BTreeMap<Key, Option<Leaf>>,
    /// Every table whose keys or rows are not fixed, with how its header is written.
    tables: BTreeMap<Key, String>,
}

/// How alike two keys must be, of 1, for one to be suggested for the other.
const LIKENESS_MIN: f64 = 0.75;

impl Reader {
    /// A reader of the tree.
    pub(super) fn new(tree: Tree, problems: Vec<Problem>) -> Self {
        Self {
            tree,
            problems,
            asked: BTreeMap::new(),
            tables: BTreeMap::new(),
        }
    }

    /// The value of a key, or its default; the default too where the value cannot stand, after noting
    /// the problem.
    pub(super) fn setting<T>(
        &mut self,
        key: &str,
        default: impl Into<Value>,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> T {
        let key = Key::new(key);
        let default = default.into();
        if let Some(value) = self.optional(&key, &parse) {
            return value;
        }
        let value = parse(&default).unwrap_or_else(|error| {
            unreachable!("the default of {key} satisfies its own check: {error}")
        });
        let unset = self.asked.entry(key).or_default();
        unset.get_or_insert(Leaf {
            value: default,
            origin: Origin::Default,
        });
        value
    }

    /// The value of a key that has no default; none if it is not set or cannot stand, after noting which.
    pub(super) fn required<T>(
        &mut self,
        key: &Key,
        what_to_do: &str,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.optional(key, parse);
        if self.asked.get(key).is_none_or(Option::is_none) {
            self.problems
                .push(Problem::missing(key, format!("is missing; {what_to_do}")));
        }
        value
    }

    /// The value of a key, if it is set and can stand.
    pub(super) fn optional<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let leaf = self.tree.take(key);
        let parsed = leaf.as_ref().map(|leaf| parse(&leaf.value));
        self.asked.insert(key.clone(), leaf);
        match parsed? {
            Ok(value) => Some(value),
            Err(message) => {
                self.refuse(key, message);
                None
            }
        }
    }

    /// The keys of a table that takes any.
    pub(super) fn keys_of_table(&mut self, table: &Key) -> Vec<Key> {
        self.tables.insert(table.clone(), format!("[{table}]"));
        let names = self.tree.names_below(table);
        names.into_iter().map(|name| table.join(name)).collect()
    }

    /// The rows of an array of tables, in order.
    pub(super) fn rows(&mut self, table: &Key) -> Vec<Key> {
        self.tables.insert(table.clone(), format!("[[{table}]]"));
        let names = self.tree.names_below(table);
        let mut rows: Vec<usize> = names.iter().filter_map(|name| name.parse().ok()).collect();
        rows.sort_unstable();
        rows.into_iter()
            .map(|row| table.join(row.to_string()))
            .collect()
    }

    /// Notes that the value of a key that was asked for cannot stand.
    pub(super) fn refuse(&mut self, key: &Key, message: impl Into<String>) {
        self.problems.push(match self.asked.get(key) {
            Some(Some(leaf)) => Problem::of(key, leaf, message),
            _ => Problem::missing(key, message),
        });
    }

    /// The keys that were asked for and have a default, but were not set.
    #[cfg(test)]
    pub(super) fn left_to_default(&self) -> Vec<String> {
        let is_default = |leaf: &Leaf| leaf.origin == Origin::Default;
        let unset = self
            .asked
            .iter()
            .filter(|(_, leaf)| leaf.as_ref().is_some_and(is_default));
        unset.map(|(key, _)| key.to_string()).collect()
    }

    /// All problems; what was never asked for is one.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        let sections = self.asked.keys().flat_map(Key::parents);
        let mut headers: BTreeMap<Key, String> = sections
            .map(|section| (section.clone(), format!("[{section}]")))
            .collect();
        headers.extend(self.tables);
        for (key, leaf) in self.tree.into_rest() {
            let parent = headers.iter().find(|(table, _)| table.contains(&key));
            let message = match (headers.get(&key), &leaf.value, parent) {
                (Some(_), Value::EmptyTable, _) => continue,
                (Some(header), ..) => format!("is a table; write {header} and its keys below"),
                (None, _, Some((_, header))) if header.starts_with("[[") => {
                    format!("is not a key of a row; write {header} above each, and only its keys")
                }
                _ => unknown(&key, self.asked.keys()),
            };
            self.problems.push(Problem::of(&key, &leaf, message));
        }
        self.problems
    }
}

fn unknown<'a>(key: &Key, known: impl Iterator<Item = &'a Key> + Clone) -> String {
    if let Some(value) = known.clone().find(|known| known.contains(key)) {
        return format!("is not a key, since {value} is no table; write {value} = ..");
    }
    let written = key.to_string();
    let likeness = |known: &str| {
        let last = |path: &str| {
            path.rsplit('.')
                .next()
                .map_or_else(String::new, str::to_owned)
        };
        let whole = strsim::normalized_damerau_levenshtein(&written, known);
        // The right name in the wrong section is the likelier slip.
        let name = f64::from(u8::from(last(&written) == last(known)));
        whole.max(name * LIKENESS_MIN)
    };
    let nearest = known
        .map(Key::to_string)
        .map(|known| (likeness(&known), known))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((_, known)) => format!("is not a key; did you mean {known}?"),
        None => "is not a key; take it out".to_owned(),
    }
}
