//! Months, geographies, lineages, kinds and measures: the words of appmi, without effects.
