//! The text format of Prometheus, as far as tests look at it.

use std::collections::{BTreeMap, BTreeSet};

/// What was scraped.
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
    types: BTreeMap<String, String>,
}

impl Metrics {
    /// # Panics
    /// If a line is not of the format.
    pub(crate) fn parse(text: &str) -> Self {
        let mut metrics = Self {
            samples: Vec::new(),
            types: BTreeMap::new(),
        };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, of) = rest.split_once(' ').expect("a name and a type");
                metrics.types.insert(name.to_owned(), of.to_owned());
            } else if !line.starts_with('#') {
                metrics.samples.push(sample(line));
            }
        }
        metrics
    }

    /// The names of all families.
    pub fn families(&self) -> BTreeSet<&str> {
        self.types.keys().map(String::as_str).collect()
    }

    /// "counter", "gauge" or "histogram"; none where there is no such family.
    pub fn type_of(&self, family: &str) -> Option<&str> {
        self.types.get(family).map(String::as_str)
    }

    /// The samples of a name.
    pub fn samples(&self, name: &str) -> impl Iterator<Item = (&BTreeMap<String, String>, f64)> {
        let of_name = self.samples.iter().filter(move |(of, ..)| of == name);
        of_name.map(|(_, labels, value)| (labels, *value))
    }

    /// The sum of the samples of a name that have these labels; 0 if there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |all: &BTreeMap<String, String>| {
            let mut wanted = labels.iter();
            wanted.all(|(key, value)| all.get(*key).is_some_and(|found| found == value))
        };
        let matching = self.samples(name).filter(|(all, _)| has(all));
        matching.map(|(_, value)| value).sum()
    }
}

/// `name{key="value"} 1`; tests have no label with a quote or a comma in it.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (name, value) = line.rsplit_once(' ').expect("a name and a value");
    let value = value.parse().expect("values are numbers");
    let Some((name, labels)) = name.split_once('{') else {
        return (name.to_owned(), BTreeMap::new(), value);
    };
    let labels = labels.strip_suffix('}').expect("labels end in a brace");
    let labels = labels.split(',').map(|label| {
        let (key, text) = label.split_once('=').expect("a label has a value");
        (key.to_owned(), text.trim_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let text = "# HELP a Of a.\n# TYPE a counter\na{k=\"x\",l=\"1\"} 2\na{k=\"y\",l=\"1\"} 3\n\nb 0.5\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.sum("a", &[("l", "1")]), 5.0);
        assert_eq!(metrics.sum("a", &[("k", "y")]), 3.0);
        assert_eq!(metrics.sum("b", &[]), 0.5);
        assert_eq!(metrics.type_of("a"), Some("counter"));
    }
}
