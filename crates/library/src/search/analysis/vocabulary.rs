//! Regional vocabulary of Chinese: the word that Taiwan uses where the mainland uses another (资料库 and 数据库).
//!
//! Characters meet in [`normalize`](super::normalize); these are different words, so only queries are widened by them.

use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

use super::normalize::normalize;

/// Converters by `OpenCC`'s tables, loaded for the first Chinese query.
static CONVERTERS: LazyLock<Option<Converters>> = LazyLock::new(|| {
    Some(Converters {
        to_taiwan: OpenCC::from_config(BuiltinConfig::S2twp).ok()?,
        to_mainland: OpenCC::from_config(BuiltinConfig::Tw2sp).ok()?,
    })
});

struct Converters {
    to_taiwan: OpenCC,
    to_mainland: OpenCC,
}

/// Returns the words of the other region for a word in simplified characters; none if they are the same, or ambiguous.
pub(super) fn regional_variants(word: &str) -> Vec<String> {
    let Some(converters) = &*CONVERTERS else { return Vec::new() };
    let taiwan = converters.to_taiwan.convert(word);
    let mainland = converters.to_mainland.convert(&taiwan);
    let taiwan = simplified(&taiwan);
    let mut variants = Vec::new();
    // A word that means something else in the other region (程序) says nothing.
    if taiwan != word && simplified(&converters.to_taiwan.convert(&taiwan)) == taiwan {
        variants.push(taiwan);
    }
    if mainland != word && !variants.contains(&mainland) {
        variants.push(mainland);
    }
    variants
}

/// Returns the words of the other region for words in a row, each on its own.
pub(super) fn regional_variants_of_each<'word>(words: impl Iterator<Item = &'word str>) -> Vec<String> {
    let mut joined = [String::new(), String::new()];
    for word in words {
        let variants = regional_variants(word);
        for (index, joined) in joined.iter_mut().enumerate() {
            joined.push_str(variants.get(index).or(variants.first()).map_or(word, String::as_str));
        }
    }
    joined.into()
}

fn simplified(word: &str) -> String {
    normalize(word).text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both_regions_meet() {
        assert_eq!(regional_variants("数据库"), ["资料库"]);
        assert_eq!(regional_variants("资料库"), ["数据库"]);
        assert_eq!(regional_variants("服务器"), ["伺服器"]);
        assert_eq!(regional_variants("伺服器"), ["服务器"]);
        assert_eq!(regional_variants("软体"), ["软件"]);
    }

    #[test]
    fn ambiguous_and_equal_words_have_no_variant() {
        assert!(regional_variants("进程").is_empty());
        assert!(regional_variants("备份").is_empty());
    }
}
