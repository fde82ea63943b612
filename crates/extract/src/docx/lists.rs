//! Lists: which marker a paragraph has, counted the way the word processor counts.

use std::collections::{HashMap, HashSet};

use crate::model::Error;

use super::styles::Styles;
use super::xml::{Met, walk};

/// The lists of a document, and how far each has been counted.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// From the number a paragraph names to its definition and the levels it begins anew.
    numbers: HashMap<String, Number>,
    definitions: HashMap<String, Definition>,
    counters: HashMap<String, [u32; LEVELS]>,
    begun: HashSet<String>,
}

const LEVELS: usize = 9;

#[derive(Debug, Default, Clone)]
struct Number {
    definition: String,
    starts: HashMap<usize, u32>,
}

#[derive(Debug, Default, Clone)]
struct Definition {
    levels: HashMap<usize, Level>,
    /// The style whose list is meant, where the definition is in another place.
    style_link: String,
}

#[derive(Debug, Default, Clone)]
struct Level {
    format: String,
    /// `%1.%2.`: the numbers of the levels with what is between them.
    text: String,
    start: Option<u32>,
    /// The style whose paragraphs stand on this level.
    style: String,
}

/// The marker of a paragraph.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// `-` or the number as it is shown: `2.`, `a)`, `第三条`.
    pub(super) text: String,
    pub(super) level: usize,
}

impl Lists {
    pub(super) fn read(part: &str, depth: usize) -> Result<Self, Error> {
        let mut lists = Self::default();
        let (mut definition, mut number) = (String::new(), String::new());
        let mut level = None;
        walk(part, depth, &mut |met| {
            let Met::Start(element) = met else { return Ok(()) };
            let in_number = !number.is_empty();
            match element.name.as_str() {
                "abstractNum" => {
                    number.clear();
                    definition = element.attribute("abstractNumId").unwrap_or_default();
                    lists.definitions.insert(definition.clone(), Definition::default());
                }
                "num" => {
                    number = element.attribute("numId").unwrap_or_default();
                    lists.numbers.insert(number.clone(), Number::default());
                }
                "abstractNumId" => {
                    if let Some(number) = lists.numbers.get_mut(&number) {
                        number.definition = element.value();
                    }
                }
                "lvl" | "lvlOverride" => {
                    level = element.attribute("ilvl").and_then(|level| level.parse().ok());
                }
                "startOverride" => {
                    if let (Some(number), Some(level)) = (lists.numbers.get_mut(&number), level) {
                        number.starts.insert(level, element.value().parse().unwrap_or(1));
                    }
                }
                "numStyleLink" => {
                    if let Some(definition) = lists.definitions.get_mut(&definition) {
                        definition.style_link = element.value();
                    }
                }
                name @ ("numFmt" | "lvlText" | "start" | "pStyle") if !in_number => {
                    let level = level.filter(|level| *level < LEVELS);
                    if let (Some(definition), Some(level)) = (lists.definitions.get_mut(&definition), level) {
                        let level = definition.levels.entry(level).or_default();
                        match name {
                            "numFmt" => level.format = element.value(),
                            // A marker is a few characters; a longer one would be written out again and again.
                            "lvlText" => level.text = element.value().chars().take(64).collect(),
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

    /// The marker of the next paragraph of a list, and counts it. `list` and `level` are what the paragraph says
    /// itself, `style` is asked where it says nothing. List 0 means: none, whatever the style says.
    pub(super) fn next(
        &mut self,
        list: Option<&str>,
        level: Option<usize>,
        style: &str,
        styles: &Styles,
    ) -> Option<Marker> {
        let (list, level) = if let Some(list) = list {
            (list.to_owned(), level)
        } else {
            let (list, of_style) = styles.list(style)?;
            (list, level.or(of_style))
        };
        let number = self.numbers.get(&list)?.clone();
        let (key, definition) = self.definition(&number.definition, styles)?;
        let by_style =
            || definition.levels.iter().find(|(_, level)| !style.is_empty() && level.style == style);
        let level = level.or_else(|| by_style().map(|(&level, _)| level)).unwrap_or(0).min(LEVELS - 1);
        let shape = definition.levels.get(&level).cloned().unwrap_or_default();
        let start = |level: usize| definition.levels.get(&level).and_then(|level| level.start).unwrap_or(1);
        let counters = self.counters.entry(key).or_insert([0; LEVELS]);
        // A list that begins anew does so once, at its first paragraph.
        if self.begun.insert(list) {
            for (&level, &start) in number.starts.iter().filter(|(level, _)| **level < LEVELS) {
                counters[level] = start.saturating_sub(1);
            }
            for (level, counter) in counters.iter_mut().enumerate().filter(|(_, counter)| **counter == 0) {
                *counter = number.starts.get(&level).copied().unwrap_or(start(level)).saturating_sub(1);
            }
        }
        counters[level] = counters[level].saturating_add(1);
        for (deeper, counter) in counters.iter_mut().enumerate().skip(level + 1) {
            *counter = start(deeper).saturating_sub(1);
        }
        let text = match shape.format.as_str() {
            "none" => return None,
            "bullet" | "" => "-".to_owned(),
            _ => {
                let mut text = shape.text.clone();
                for (shown, &counter) in counters.iter().enumerate().take(level + 1) {
                    let format =
                        definition.levels.get(&shown).map_or("decimal", |level| level.format.as_str());
                    let count = if shown < level { counter.max(1) } else { counter };
                    text = text.replace(&format!("%{}", shown + 1), &numeral(count, format));
                }
                text.trim().to_owned()
            }
        };
        Some(Marker { text, level })
    }

    fn definition(&self, key: &str, styles: &Styles) -> Option<(String, Definition)> {
        let definition = self.definitions.get(key)?;
        if !definition.levels.is_empty() || definition.style_link.is_empty() {
            return Some((key.to_owned(), definition.clone()));
        }
        let (list, _) = styles.list(&definition.style_link)?;
        let key = &self.numbers.get(&list)?.definition;
        Some((key.clone(), self.definitions.get(key)?.clone()))
    }
}

/// A number in one of the formats of the word processor.
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
    // Word repeats the letter: after z comes aa, then bb.
    let index = u8::try_from(number.saturating_sub(1) % 26).unwrap_or(0);
    let times = (number.saturating_sub(1) / 26 + 1).min(10) as usize;
    char::from(first + index).to_string().repeat(times)
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
    let mut left = number;
    let mut roman = String::new();
    for (value, numeral) in numerals {
        while left >= value {
            roman.push_str(numeral);
            left -= value;
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
    fn numerals_are_those_of_the_word_processor() {
        assert_eq!(numeral(4, "lowerRoman"), "iv");
        assert_eq!(numeral(28, "lowerLetter"), "bb");
        assert_eq!(numeral(21, "chineseCounting"), "二十一");
        assert_eq!(numeral(10, "chineseCountingThousand"), "十");
        assert_eq!(numeral(7, "decimalZero"), "07");
    }
}
