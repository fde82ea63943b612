//! HTML of a response, queried by CSS selectors.

use scraper::{ElementRef, Html, Selector};

/// A parsed page, or a fragment of one.
#[derive(Debug)]
pub struct HtmlPage {
    html: Html,
    source: String,
}

impl HtmlPage {
    /// Parses a page as browsers do. A fragment is completed to a page.
    pub fn parse(source: String) -> Self {
        Self { html: Html::parse_document(&source), source }
    }

    /// The HTML as it was received.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Number of elements that match.
    #[track_caller]
    pub fn count(&self, selector: &str) -> usize {
        self.select(selector).len()
    }

    /// Whether an element matches.
    #[track_caller]
    pub fn has(&self, selector: &str) -> bool {
        self.count(selector) > 0
    }

    /// Texts of all elements that match, in the order of the page, each with its white space collapsed.
    #[track_caller]
    pub fn texts(&self, selector: &str) -> Vec<String> {
        self.select(selector).into_iter().map(text_of).collect()
    }

    /// Whether the text of an element that matches contains `text`.
    #[track_caller]
    pub fn shows(&self, selector: &str, text: &str) -> bool {
        self.texts(selector).iter().any(|found| found.contains(text))
    }

    /// Text of the only element that matches. Panics unless there is exactly one.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        text_of(self.only(selector))
    }

    /// Values of an attribute of all elements that match and have it.
    #[track_caller]
    pub fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let elements = self.select(selector).into_iter();
        elements.filter_map(|element| element.attr(name).map(str::to_owned)).collect()
    }

    /// Value of an attribute of the only element that matches. Panics unless there is exactly one, and it has the
    /// attribute.
    #[track_caller]
    pub fn attribute(&self, selector: &str, name: &str) -> String {
        let value = self.only(selector).attr(name).map(str::to_owned);
        value.unwrap_or_else(|| panic!("{selector} has no {name} in {}", self.source))
    }

    #[track_caller]
    fn only(&self, selector: &str) -> ElementRef<'_> {
        let elements = self.select(selector);
        assert_eq!(elements.len(), 1, "elements that match {selector} in {}", self.source);
        elements[0]
    }

    #[track_caller]
    fn select(&self, selector: &str) -> Vec<ElementRef<'_>> {
        let parsed = Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
        self.html.select(&parsed).collect()
    }
}

fn text_of(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_with_their_texts_and_attributes() {
        let page =
            HtmlPage::parse("<ul><li><a href=\"/?a&#38;b\">One\n  &lt;b&gt;</a><li>Two</ul>".to_owned());
        assert_eq!(page.texts("li"), ["One <b>", "Two"]);
        assert_eq!(page.text("a[href='/?a&b']"), "One <b>");
        assert!(page.shows("li", "Tw") && !page.shows("a", "Two"));
        assert_eq!(page.attribute("a", "href"), "/?a&b");
        assert!(page.has("ul > li") && !page.has("b"));
    }
}
