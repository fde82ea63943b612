//! Requests for a version: an exact label, a range as package managers write it, or `latest`.

use std::cmp::Ordering;
use std::str::FromStr;

use super::parse::{Number, Version};
use super::{InvalidLabel, Label};
use crate::names;

/// Maximum length of a request, in bytes.
pub(super) const MAX_REQUEST_BYTES: usize = 100;

/// Request for a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum VersionRequest {
    /// None given: the library's active version.
    #[default]
    Active,
    /// `latest`: the newest stable version.
    Latest,
    /// `5.x`, `^5.2`, `>=5.2 <6`: the highest stable version within the range.
    Range(VersionRange),
    /// Exactly this label, or another spelling of it.
    Exact(Label),
}

/// Range of versions, as npm, Cargo, pip, Maven and Bundler write them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    text: String,
    /// One of them has to hold. A request of a few bytes holds few.
    alternatives: Vec<Vec<Comparator>>,
    /// `v5`: a tag that names this label, and moves with the highest version below it where there is no such label.
    tag: Option<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Comparator {
    AtLeast(Bound),
    Above(Bound),
    AtMost(Bound),
    Below(Bound),
    /// The first numbers are these: all versions where there are none.
    Prefix(Vec<Number>),
    NotPrefix(Vec<Number>),
    Equal(Version),
}

/// Version that a comparator names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    version: Version,
    /// Whether numbers are left out (`5.2`) or replaced by `x`, so that they stand for all of `5.2.x`.
    is_partial: bool,
}

impl VersionRange {
    /// Returns the range as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for VersionRequest {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::Active);
        }
        if text.eq_ignore_ascii_case("latest") {
            return Ok(Self::Latest);
        }
        let invalid = || InvalidLabel::Range(text.chars().take(80).collect());
        if text.len() > MAX_REQUEST_BYTES {
            return Err(invalid());
        }
        if let Some(exact) = text.strip_prefix("===").or_else(|| exact_operand(text)) {
            return exact.trim().parse().map(Self::Exact).map_err(|_label| invalid());
        }
        if is_range(text) {
            return match parse_range(text) {
                Some(alternatives) => {
                    Ok(Self::Range(VersionRange { text: text.to_owned(), alternatives, tag: None }))
                }
                None => text.parse().map(Self::Exact).map_err(|_label| invalid()),
            };
        }
        let label: Label = match spelled_with_spaces(text) {
            Some(label) => label.parse().map_err(|_label| invalid())?,
            None if text.contains(char::is_whitespace) => return Err(invalid()),
            None => text.parse()?,
        };
        if let Some(numbers) = tag_numbers(text) {
            let alternatives = vec![vec![Comparator::Prefix(numbers)]];
            return Ok(Self::Range(VersionRange { text: text.to_owned(), alternatives, tag: Some(label) }));
        }
        Ok(Self::Exact(label))
    }
}

impl VersionRequest {
    /// Returns the request if it names one version, taken literally (`v5` is then that label alone); `None` for a range and
    /// for `latest`.
    pub fn literal(self) -> Option<Self> {
        match self {
            Self::Active | Self::Exact(_) => Some(self),
            Self::Range(range) => range.tag.map(Self::Exact),
            Self::Latest => None,
        }
    }

    /// Returns the request as written, `active` or `latest`.
    pub(crate) fn as_written(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Latest => "latest",
            Self::Range(range) => range.as_str(),
            Self::Exact(label) => label.as_str(),
        }
    }

    /// Returns the requested label among those present; `None` for [`VersionRequest::Active`], which labels cannot decide.
    pub fn choose<'labels>(&self, present: &'labels [Label]) -> Option<&'labels Label> {
        // A label that is literally `latest` or `5.x` takes precedence.
        let literal = match self {
            Self::Active => return None,
            other => present.iter().find(|label| label.as_str() == other.as_written()),
        };
        literal.or_else(|| match self {
            Self::Active => None,
            Self::Exact(label) => same_version(label, present),
            Self::Latest => present
                .iter()
                .find(|label| label.as_str().eq_ignore_ascii_case("latest"))
                .or_else(|| newest(&candidates(present))),
            Self::Range(range) => range
                .tag
                .as_ref()
                .and_then(|tag| same_version(tag, present))
                .or_else(|| range.choose(&candidates(present))),
        })
    }
}

impl VersionRange {
    fn choose<'labels>(&self, candidates: &[Candidate<'labels>]) -> Option<&'labels Label> {
        if self.alternatives.iter().any(|alternative| *alternative == [Comparator::Prefix(Vec::new())]) {
            return newest(candidates);
        }
        let matching: Vec<Candidate<'labels>> = candidates
            .iter()
            .filter(|candidate| {
                self.alternatives.iter().any(|alternative| matches(alternative, &candidate.version))
            })
            .cloned()
            .collect();
        highest(&matching)
    }

    /// Returns the version that an absent one is measured from: the lower bound, else the upper one.
    fn anchor(&self) -> Option<Version> {
        let comparators = || self.alternatives.iter().flatten();
        let lower = comparators().find_map(|comparator| match comparator {
            Comparator::AtLeast(bound) | Comparator::Above(bound) => Some(bound.version.clone()),
            Comparator::Prefix(numbers) if !numbers.is_empty() => Some(Version::of_numbers(numbers)),
            Comparator::Equal(version) => Some(version.clone()),
            _ => None,
        });
        lower.or_else(|| {
            comparators().find_map(|comparator| match comparator {
                Comparator::AtMost(bound) | Comparator::Below(bound) => Some(bound.version.clone()),
                _ => None,
            })
        })
    }
}

/// Returns the label present that is nearest to an absent one, to be suggested in its place.
///
/// The nearest version differs latest in its numbers, and there by the least; of two the stable one, and then the lower one.
/// For a name it is the label that is spelled alike. Where neither is, it is what `latest` means.
pub fn nearest<'labels>(requested: &VersionRequest, present: &'labels [Label]) -> Option<&'labels Label> {
    let candidates = candidates(present);
    let anchor = match requested {
        VersionRequest::Exact(label) => Some(Version::new(label.as_str())),
        VersionRequest::Range(range) => range.anchor(),
        VersionRequest::Active | VersionRequest::Latest => None,
    };
    let found = anchor.and_then(|anchor| {
        if anchor.is_numbered() {
            nearest_number(&anchor, &candidates)
        } else {
            nearest_name(requested.as_written(), present)
        }
    });
    found.or_else(|| newest(&candidates))
}

fn nearest_number<'labels>(requested: &Version, candidates: &[Candidate<'labels>]) -> Option<&'labels Label> {
    let key = requested.precedence();
    let numbered = || candidates.iter().filter(|candidate| candidate.version.is_numbered());
    let below = numbered().filter(|candidate| candidate.precedence <= key).max_by(Candidate::order);
    let above = numbered().filter(|candidate| candidate.precedence > key).min_by(Candidate::order);
    let (Some(below), Some(above)) = (below, above) else {
        return below.or(above).map(|candidate| candidate.label);
    };
    let rank = |candidate: &Candidate<'_>| {
        let (position, difference) = first_difference(requested.numbers(), candidate.version.numbers());
        (std::cmp::Reverse(position), difference, !candidate.version.is_stable())
    };
    Some(if rank(above) < rank(below) { above.label } else { below.label })
}

fn nearest_name<'labels>(requested: &str, present: &'labels [Label]) -> Option<&'labels Label> {
    let requested = requested.to_ascii_lowercase();
    present
        .iter()
        .map(|label| (names::distance(&requested, &label.as_str().to_ascii_lowercase()), label))
        .filter(|(distance, label)| *distance <= 1 + label.as_str().len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, label)| label)
}

/// Returns the place of the first number that differs, and by how much.
fn first_difference(left: &[Number], right: &[Number]) -> (usize, u128) {
    let zero = Number::zero();
    (0..left.len().max(right.len()))
        .map(|index| (index, left.get(index).unwrap_or(&zero).distance(right.get(index).unwrap_or(&zero))))
        .find(|(_, difference)| *difference > 0)
        .unwrap_or((usize::MAX, 0))
}

/// A label present, read once.
#[derive(Clone)]
struct Candidate<'labels> {
    label: &'labels Label,
    version: Version,
    precedence: String,
    sort_key: String,
}

impl Candidate<'_> {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "signature of max_by")]
    fn order(left: &&Self, right: &&Self) -> Ordering {
        left.sort_key.cmp(&right.sort_key)
    }
}

fn candidates(present: &[Label]) -> Vec<Candidate<'_>> {
    present
        .iter()
        .map(|label| {
            let version = Version::new(label.as_str());
            let (precedence, sort_key) = (version.precedence(), version.sort_key(label.as_str()));
            Candidate { label, version, precedence, sort_key }
        })
        .collect()
}

/// Returns the label itself, or another spelling of it.
fn same_version<'labels>(requested: &Label, present: &'labels [Label]) -> Option<&'labels Label> {
    present.iter().find(|label| *label == requested).or_else(|| {
        let requested = Version::new(requested.as_str());
        let same: Vec<Candidate<'_>> = candidates(present)
            .into_iter()
            .filter(|candidate| candidate.version.is_requested_by(&requested))
            .collect();
        highest(&same)
    })
}

/// Returns the newest stable version; without one a name such as `current`, then a pre-release, then a name such as `main`.
fn newest<'labels>(candidates: &[Candidate<'labels>]) -> Option<&'labels Label> {
    let standing =
        |candidate: &Candidate<'_>| match (candidate.version.is_numbered(), candidate.version.is_stable()) {
            (true, true) => 3,
            (false, true) => 2,
            (true, false) => 1,
            (false, false) => 0,
        };
    let best = candidates.iter().map(standing).max()?;
    let of_best: Vec<Candidate<'labels>> =
        candidates.iter().filter(|candidate| standing(candidate) == best).cloned().collect();
    highest(&of_best)
}

/// Returns the highest, and of its variants (`8.0.0-alpine`) the plain one if there is one.
fn highest<'labels>(candidates: &[Candidate<'labels>]) -> Option<&'labels Label> {
    let highest = candidates.iter().max_by(Candidate::order)?;
    let plain = highest.version.precedence_without_variant().and_then(|precedence| {
        candidates.iter().filter(|candidate| candidate.precedence == precedence).max_by(Candidate::order)
    });
    Some(plain.unwrap_or(highest).label)
}

/// Whether a version is within all comparators. As with npm, a pre-release is so only if one of them names a pre-release of
/// the same numbers.
fn matches(comparators: &[Comparator], version: &Version) -> bool {
    let admits_pre_release = || {
        comparators.iter().any(|comparator| match comparator {
            Comparator::AtLeast(bound)
            | Comparator::Above(bound)
            | Comparator::AtMost(bound)
            | Comparator::Below(bound) => {
                !bound.version.is_stable()
                    && first_difference(bound.version.numbers(), version.numbers()).1 == 0
            }
            Comparator::Equal(requested) => !requested.is_stable(),
            Comparator::Prefix(_) | Comparator::NotPrefix(_) => false,
        })
    };
    version.is_numbered()
        && (version.is_stable() || admits_pre_release())
        && comparators.iter().all(|comparator| comparator.admits(version))
}

impl Comparator {
    fn admits(&self, version: &Version) -> bool {
        match self {
            Self::AtLeast(bound) => bound.compare(version, false) != Ordering::Less,
            Self::Above(bound) => bound.compare(version, true) == Ordering::Greater,
            Self::AtMost(bound) => bound.compare(version, true) != Ordering::Greater,
            Self::Below(bound) => bound.compare(version, false) == Ordering::Less,
            Self::Prefix(prefix) => starts_with(version.numbers(), prefix),
            Self::NotPrefix(prefix) => !starts_with(version.numbers(), prefix),
            Self::Equal(requested) => version.is_requested_by(requested),
        }
    }
}

impl Bound {
    /// Compares a version with the bound. `whole`: with all versions that a partial bound stands for, so that `5.2.1` is
    /// equal to `5.2`.
    fn compare(&self, version: &Version, whole: bool) -> Ordering {
        if self.version.has_qualifiers() {
            return version.precedence().cmp(&self.version.precedence());
        }
        let bound = self.version.numbers();
        let numbers = version.numbers();
        let length = if whole && self.is_partial { bound.len() } else { numbers.len().max(bound.len()) };
        let zero = Number::zero();
        (0..length)
            .map(|index| numbers.get(index).unwrap_or(&zero).cmp(bound.get(index).unwrap_or(&zero)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// Whether the first numbers are these. `5` begins with `5.0`, as zeros at the end count for nothing.
fn starts_with(numbers: &[Number], prefix: &[Number]) -> bool {
    let zero = Number::zero();
    prefix.iter().enumerate().all(|(index, number)| numbers.get(index).unwrap_or(&zero) == number)
}

/// Returns the label `24.04-LTS` of the text `24.04 LTS`, as people write it.
fn spelled_with_spaces(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let is_spelled = parts.len() > 1
        && text.starts_with(|first: char| first.is_ascii_digit())
        && parts.iter().all(|part| part.starts_with(|first: char| first.is_ascii_alphanumeric()));
    is_spelled.then(|| parts.join("-"))
}

/// Returns what follows `=` or `==`, if it names one version.
fn exact_operand(text: &str) -> Option<&str> {
    let operand = text.strip_prefix('=')?;
    let operand = operand.strip_prefix('=').unwrap_or(operand).trim();
    (!is_range(operand)).then_some(operand)
}

/// Returns the numbers of a tag that moves with the versions it stands for: `v5`, `v5.2`.
fn tag_numbers(text: &str) -> Option<Vec<Number>> {
    let numbers: Vec<Number> =
        text.strip_prefix(['v', 'V'])?.split('.').map(Number::parse).collect::<Option<_>>()?;
    (numbers.len() <= 2).then_some(numbers)
}

fn is_range(text: &str) -> bool {
    let has_operator = text.contains(|character: char| "<>=^|,*[]()".contains(character))
        || text.starts_with(['~', '!'])
        || text.contains(" ~")
        || text.contains(" !");
    has_operator || text.contains(" - ") || text.split('.').any(|part| matches!(part, "x" | "X" | "vx"))
}

/// Parses a range into alternatives of comparators.
fn parse_range(text: &str) -> Option<Vec<Vec<Comparator>>> {
    if text.starts_with(['[', '(']) {
        return parse_intervals(text);
    }
    let alternatives: Vec<Vec<Comparator>> = text
        .split('|')
        .filter(|part| !part.is_empty())
        .map(str::trim)
        .map(|part| match part.split_once(" - ") {
            Some((from, to)) => {
                Some(vec![Comparator::AtLeast(Bound::parse(from)?), Comparator::AtMost(Bound::parse(to)?)])
            }
            None => parse_comparators(part),
        })
        .collect::<Option<_>>()?;
    (!alternatives.is_empty()).then_some(alternatives)
}

/// Parses intervals as Maven and `NuGet` write them: `[5.2,6)`, `(,4]`, `[5.2]`, several of them after commas.
fn parse_intervals(text: &str) -> Option<Vec<Vec<Comparator>>> {
    let mut alternatives = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let is_open = rest.starts_with('(');
        let (inside, after) = rest.strip_prefix(['[', '('])?.split_once([']', ')'])?;
        let ends_open = rest.as_bytes().get(inside.len() + 1) == Some(&b')');
        let comparators = match inside.split_once(',') {
            None if is_open || ends_open => return None,
            None => vec![Comparator::Equal(Bound::parse(inside)?.version)],
            Some((from, to)) => {
                let mut comparators = Vec::new();
                if !from.trim().is_empty() {
                    let bound = Bound { is_partial: false, ..Bound::parse(from)? };
                    comparators.push(if is_open {
                        Comparator::Above(bound)
                    } else {
                        Comparator::AtLeast(bound)
                    });
                }
                if !to.trim().is_empty() {
                    let bound = Bound { is_partial: false, ..Bound::parse(to)? };
                    comparators.push(if ends_open {
                        Comparator::Below(bound)
                    } else {
                        Comparator::AtMost(bound)
                    });
                }
                if comparators.is_empty() {
                    comparators.push(Comparator::Prefix(Vec::new()));
                }
                comparators
            }
        };
        alternatives.push(comparators);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            // A comma is followed by another interval.
            Some(next) if !next.trim_start().is_empty() => next.trim_start(),
            Some(_) => return None,
            None => after,
        };
    }
    Some(alternatives)
}

/// Parses comparators that have all to hold, separated by spaces or commas.
fn parse_comparators(text: &str) -> Option<Vec<Comparator>> {
    let mut comparators = Vec::new();
    let is_separator = |character: char| character.is_whitespace() || character == ',';
    let mut rest = text.trim_start_matches(is_separator);
    while !rest.is_empty() {
        let operator_end = rest.find(|character: char| !"<>=!^~".contains(character)).unwrap_or(rest.len());
        let (operator, after) = rest.split_at(operator_end);
        let after = after.trim_start();
        let end = after
            .find(|character: char| is_separator(character) || "<>=^".contains(character))
            .unwrap_or(after.len());
        let (operand, after) = after.split_at(end);
        push_comparators(&mut comparators, operator, operand)?;
        rest = after.trim_start_matches(is_separator);
    }
    (!comparators.is_empty()).then_some(comparators)
}

fn push_comparators(comparators: &mut Vec<Comparator>, operator: &str, operand: &str) -> Option<()> {
    if let "*" | "x" | "X" = operand {
        // Only without an operator, or with one that admits everything, it means something.
        if !matches!(operator, "" | "=" | "==" | ">=") {
            return None;
        }
        comparators.push(Comparator::Prefix(Vec::new()));
        return Some(());
    }
    let bound = Bound::parse(operand)?;
    let numbers = bound.version.numbers();
    match operator {
        "" | "=" | "==" if bound.version.has_qualifiers() => {
            comparators.push(Comparator::Equal(bound.version));
        }
        "" | "=" | "==" => comparators.push(Comparator::Prefix(numbers.to_vec())),
        "!=" => comparators.push(Comparator::NotPrefix(numbers.to_vec())),
        ">" => comparators.push(Comparator::Above(bound)),
        ">=" | "=>" => comparators.push(Comparator::AtLeast(bound)),
        "<" => comparators.push(Comparator::Below(bound)),
        "<=" | "=<" => comparators.push(Comparator::AtMost(bound)),
        // npm and Cargo: equal up to and including the first number that is not zero.
        "^" => {
            let fixed = numbers
                .iter()
                .position(|number| *number != Number::zero())
                .map_or(numbers.len(), |index| index + 1);
            comparators.push(Comparator::Prefix(numbers[..fixed].to_vec()));
            comparators.push(Comparator::AtLeast(bound));
        }
        // npm and Cargo: equal up to the second number.
        "~" => {
            comparators.push(Comparator::Prefix(numbers[..numbers.len().min(2)].to_vec()));
            comparators.push(Comparator::AtLeast(bound));
        }
        // Bundler and pip: equal up to the last number but one.
        "~>" | "~=" => {
            let fixed = numbers.len().saturating_sub(1).max(1);
            comparators.push(Comparator::Prefix(numbers[..fixed].to_vec()));
            comparators.push(Comparator::AtLeast(bound));
        }
        _ => return None,
    }
    Some(())
}

impl Bound {
    /// Parses `5`, `v5.2`, `5.2.x`, `5.2.1-rc.1`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut end = text.len();
        let mut offset = 0;
        for part in text.split('.') {
            if matches!(part, "x" | "X" | "*") {
                end = offset;
                break;
            }
            offset += part.len() + 1;
        }
        let has_wildcard = end < text.len();
        let numbers = text[..end].trim_end_matches('.');
        let label: Label = numbers.parse().ok()?;
        let version = Version::new(label.as_str());
        let is_version = version.is_numbered() && !version.numbers().is_empty();
        let is_partial = has_wildcard || version.numbers().len() < 3;
        is_version.then_some(Self { version, is_partial })
    }
}
