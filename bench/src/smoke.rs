//! Tiny generated corpus for `bench/run --smoke`: a few documents in every set, made without network.

use std::fs;
use std::path::Path;

use testkit::documents;

use crate::corpus::{Corpus, SETS};

/// Number of documents of each set.
const DOCUMENTS_PER_SET: usize = 3;
/// Number of sections of each document.
const SECTIONS: usize = 4;

/// Creates the corpus in a folder, replacing what is there.
pub(crate) fn create_corpus(folder: &Path) -> anyhow::Result<Corpus> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for set in SETS {
        let set_folder = folder.join("files").join(set);
        fs::create_dir_all(&set_folder)?;
        for number in 0..DOCUMENTS_PER_SET {
            let (extension, bytes) = document(set, number);
            fs::write(set_folder.join(format!("document-{number}.{extension}")), bytes)?;
        }
    }
    Corpus::open(folder)
}

/// Returns the extension and the bytes of a document of a set.
fn document(set: &str, number: usize) -> (&'static str, Vec<u8>) {
    let title = format!("Handbook {number} of {set}");
    match set {
        "pdf" => ("pdf", documents::pdf(&[&title, &english(set, number, 0)])),
        "docx" => ("docx", documents::docx(&[&title, &english(set, number, 0)])),
        "openapi" => {
            ("json", documents::openapi(&title, &format!("/things/{number}"), "Read one thing").into())
        }
        "html-javadoc" => {
            let (class, about) = (format!("Gateway{number}"), english(set, number, 0));
            ("html", documents::javadoc("org.example", &class, "connect", &about).into())
        }
        "html-postgresql" => ("html", documents::html(&title, &html_sections(set, number, english)).into()),
        "html-debref-zh" => {
            ("html", documents::html("参考手册", &html_sections(set, number, chinese)).into())
        }
        "txt-man-zh" => ("txt", text_sections(set, number).into()),
        _ => {
            let mut markdown = format!("# {title}\n");
            for section in 0..SECTIONS {
                let (heading, text) = (heading(set, number, section), english(set, number, section));
                markdown.push_str(&format!("\n## {heading}\n\n{text}\n"));
            }
            ("md", markdown.into())
        }
    }
}

fn html_sections(set: &str, number: usize, text: fn(&str, usize, usize) -> String) -> String {
    let mut html = String::new();
    for section in 0..SECTIONS {
        let (heading, text) = (heading(set, number, section), text(set, number, section));
        html.push_str(&format!("<h2>{heading}</h2><p>{text}</p>"));
    }
    html
}

fn text_sections(set: &str, number: usize) -> String {
    let mut plain = String::new();
    for section in 0..SECTIONS {
        let (heading, text) = (heading(set, number, section), chinese(set, number, section));
        plain.push_str(&format!("{heading}\n=====\n\n{text}\n\n"));
    }
    plain
}

/// Returns a heading that occurs in one document only.
fn heading(set: &str, number: usize, section: usize) -> String {
    format!("Configure part {section} of gateway {set} {number}")
}

/// Returns a paragraph of English text whose first sentence occurs in one document only.
fn english(set: &str, number: usize, section: usize) -> String {
    let first = format!("Gateway {number} of {set} waits in step {section} until its service answers. ");
    first + &"The operator changes the limits in the configuration file and restarts the service. ".repeat(6)
}

/// Returns a paragraph of Chinese text whose first sentence occurs in one document only.
fn chinese(set: &str, number: usize, section: usize) -> String {
    let first = format!("网关{number}在第{section}步等待服务{set}的响应。");
    first + &"管理员在配置文件中修改限制，然后重新启动服务。".repeat(12)
}
