//! Lists: computes the marker of each paragraph, counting like Word.

use std::collections::{HashMap, HashSet};

use crate::model::Error;

use super::styles::Styles;
use super::xml::{XmlEvent, for_each_event};

/// Lists of a document, with their counters.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Lists by their id (`numId`), which paragraphs refer to.
    instances: HashMap<String, ListInstance>,
    /// Abstract definitions by their id, which lists refer to.
    definitions: HashMap<String, ListDefinition>,
    /// Counters of each definition, by level.
    counters: HashMap<String, [u32; LEVELS]>,
    /// Lists of which a paragraph was already counted.
    started: HashSet<String>,
}

/// Maximum length of the template of a marker.
const MAX_MARKER_CHARS: usize = 64;

/// Number of list levels in the format.
const LEVELS: usize = 9;

/// A list: a definition, with the start numbers it overrides by level.
#[derive(Debug, Default, Clone)]
struct ListInstance {
    definition: String,
    start_overrides: HashMap<usize, u32>,
}

/// Abstract definition of a list.
#[derive(Debug, Default, Clone)]
struct ListDefinition {
    levels: HashMap<usize, ListLevel>,
    /// Style whose list has the definition, if it is not here.
    style_link: String,
}

/// Level of a list definition.
#[derive(Debug, Default, Clone)]
struct ListLevel {
    format: String,
    /// Template of the marker: `%1.%2.`
    text: String,
    start: Option<u32>,
    /// Style whose paragraphs are on this level.
    style: String,
}

/// Marker of a list paragraph.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// `-` or the formatted number: `2.`, `a)`, `第三条`.
    pub(super) text: String,
    /// Level in the list, counted from 0.
    pub(super) level: usize,
}

impl Lists {
    /// Reads the part `numbering.xml`.
    pub(super) fn read(part: &str, max_depth: usize) -> Result<Self, Error> {
        let mut lists = Self::default();
        let (mut definition, mut instance) = (String::new(), String::new());
        let mut level = None;
        for_each_event(part, max_depth, &mut |event| {
            let XmlEvent::Start(element) = event else { return Ok(()) };
            let is_in_instance = !instance.is_empty();
            match element.name.as_str() {
                "abstractNum" => {
                    instance.clear();
                    definition = element.attribute("abstractNumId").unwrap_or_default();
                    lists.definitions.insert(definition.clone(), ListDefinition::default());
                }
                "num" => {
                    instance = element.attribute("numId").unwrap_or_default();
                    lists.instances.insert(instance.clone(), ListInstance::default());
                }
                "abstractNumId" => {
                    if let Some(instance) = lists.instances.get_mut(&instance) {
                        instance.definition = element.value();
                    }
                }
                "lvl" | "lvlOverride" => {
                    level = element.attribute("ilvl").and_then(|level| level.parse().ok());
                }
                "startOverride" => {
                    if let (Some(instance), Some(level)) = (lists.instances.get_mut(&instance), level) {
                        instance.start_overrides.insert(level, element.value().parse().unwrap_or(1));
                    }
                }
                "numStyleLink" => {
                    if let Some(definition) = lists.definitions.get_mut(&definition) {
                        definition.style_link = element.value();
                    }
                }
                name @ ("numFmt" | "lvlText" | "start" | "pStyle") if !is_in_instance => {
                    let level = level.filter(|level| *level < LEVELS);
                    if let (Some(definition), Some(level)) = (lists.definitions.get_mut(&definition), level) {
                        let level = definition.levels.entry(level).or_default();
                        match name {
                            "numFmt" => level.format = element.value(),
                            // A marker has a few characters; a very long one would be repeated in every paragraph.
                            "lvlText" => {
                                level.text = element.value().chars().take(MAX_MARKER_CHARS).collect();
                            }
                            "start" => level.start = element.value().parse().ok(),
                            _ => level.style = element.value(),
                        }
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(lists)
    }

    /// Counts the next paragraph and returns its marker, or `None` if it is not in a list.
    ///
    /// `list` and `level` are those of the paragraph itself; without them, `style` decides. List 0 means no list,
    /// regardless of the style.
    pub(super) fn next_marker(
        &mut self,
        list: Option<&str>,
        level: Option<usize>,
        style: &str,
        styles: &Styles,
    ) -> Option<Marker> {
        let (list, level) = if let Some(list) = list {
            (list.to_owned(), level)
        } else {
            let (list, style_level) = styles.list(style)?;
            (list, level.or(style_level))
        };
        let instance = self.instances.get(&list)?.clone();
        let (key, definition) = self.resolve_definition(&instance.definition, styles)?;
        let level_by_style =
            || definition.levels.iter().find(|(_, level)| !style.is_empty() && level.style == style);
        let level = level.or_else(|| level_by_style().map(|(&level, _)| level)).unwrap_or(0).min(LEVELS - 1);
        let definition_level = definition.levels.get(&level).cloned().unwrap_or_default();
        let start = |level: usize| definition.levels.get(&level).and_then(|level| level.start).unwrap_or(1);
        let counters = self.counters.entry(key).or_insert([0; LEVELS]);
        // Start overrides apply once, at the first paragraph of the list.
        if self.started.insert(list) {
            for (&level, &start) in instance.start_overrides.iter().filter(|(level, _)| **level < LEVELS) {
                counters[level] = start.saturating_sub(1);
            }
            for (level, counter) in counters.iter_mut().enumerate().filter(|(_, counter)| **counter == 0) {
                *counter =
                    instance.start_overrides.get(&level).copied().unwrap_or(start(level)).saturating_sub(1);
            }
        }
        counters[level] = counters[level].saturating_add(1);
        for (deeper_level, counter) in counters.iter_mut().enumerate().skip(level + 1) {
            *counter = start(deeper_level).saturating_sub(1);
        }
        let text = match definition_level.format.as_str() {
            "none" => return None,
            "bullet" | "" => "-".to_owned(),
            _ => {
                let mut text = definition_level.text.clone();
                for (counted_level, &counter) in counters.iter().enumerate().take(level + 1) {
                    let format = definition
                        .levels
                        .get(&counted_level)
                        .map_or("decimal", |level| level.format.as_str());
                    let count = if counted_level < level { counter.max(1) } else { counter };
                    text = text.replace(&format!("%{}", counted_level + 1), &numeral(count, format));
                }
                text.trim().to_owned()
            }
        };
        Some(Marker { text, level })
    }

    /// Returns a definition with its id, following the link to the list of a style.
    fn resolve_definition(&self, key: &str, styles: &Styles) -> Option<(String, ListDefinition)> {
        let definition = self.definitions.get(key)?;
        if !definition.levels.is_empty() || definition.style_link.is_empty() {
            return Some((key.to_owned(), definition.clone()));
        }
        let (list, _) = styles.list(&definition.style_link)?;
        let key = &self.instances.get(&list)?.definition;
        Some((key.clone(), self.definitions.get(key)?.clone()))
    }
}

/// Formats a number in one of the number formats of Word.
fn numeral(number: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(number, b'a'),
        "upperLetter" => letters(number, b'A'),
        "lowerRoman" => roman(number).to_lowercase(),
        "upperRoman" => roman(number),
        "decimalZero" => format!("{number:02}"),
        format
            if format.to_lowercase().contains("chinese")
                || format == "ideographDigital"
                || format == "japaneseCounting" =>
        {
            chinese(number)
        }
        _ => number.to_string(),
    }
}

fn letters(number: u32, first: u8) -> String {
    // Word repeats the letter: z is followed by aa, then bb.
    let index = u8::try_from(number.saturating_sub(1) % 26).unwrap_or(0);
    let repetitions = (number.saturating_sub(1) / 26 + 1).min(10) as usize;
    char::from(first + index).to_string().repeat(repetitions)
}

fn roman(number: u32) -> String {
    if number == 0 || number > 3999 {
        return number.to_string();
    }
    let numerals = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut remaining = number;
    let mut roman = String::new();
    for (value, numeral) in numerals {
        while remaining >= value {
            roman.push_str(numeral);
            remaining -= value;
        }
    }
    roman
}

fn chinese(number: u32) -> String {
    const DIGITS: [&str; 10] = ["〇", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    let digit = |digit: u32| DIGITS[(digit % 10) as usize];
    match number {
        0..=9 => digit(number).to_owned(),
        10..=99 => {
            let tens = if number < 20 { "" } else { digit(number / 10) };
            let ones = if number.is_multiple_of(10) { "" } else { digit(number) };
            format!("{tens}十{ones}")
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_like_in_word() {
        assert_eq!(numeral(4, "lowerRoman"), "iv");
        assert_eq!(numeral(28, "lowerLetter"), "bb");
        assert_eq!(numeral(21, "chineseCounting"), "二十一");
        assert_eq!(numeral(10, "chineseCountingThousand"), "十");
        assert_eq!(numeral(7, "decimalZero"), "07");
    }
}
