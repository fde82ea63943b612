//! `configuration.md`: every setting, by group.

use super::{cell, code, table};
use crate::settings::{Definition, Kind, definitions};

pub(super) fn render() -> String {
    let mut text = String::from(
        "# Configuration reference\n\n\
         Every setting is a flag, an environment variable and a key in the configuration file. Flags win over the environment, \
         the environment over the file, the file over the defaults. An empty variable counts as unset.\n\n\
         The configuration file is the one named by `--config` or `WENYUAN_CONFIG`, otherwise the first that exists of \
         `wenyuan.toml` in the user's configuration directory (`~/.config/wenyuan`) and `/etc/wenyuan/wenyuan.toml`. Relative \
         paths in it are relative to its directory. An unknown key is an error.\n\n\
         ```sh\n\
         wenyuan config template > wenyuan.toml    # every setting, commented out\n\
         wenyuan config check                      # what is wrong, with file and line\n\
         wenyuan config show                       # every value and its source; secrets are hidden\n\
         ```\n",
    );
    let command = crate::cli::command();
    let all: Vec<Definition<'_>> = definitions(&command).collect();
    let mut sections: Vec<&str> = all.iter().map(|definition| definition.section()).collect();
    sections.dedup();
    for section in sections {
        let group = || all.iter().copied().filter(|definition| definition.section() == section);
        let heading = group().next().map(Definition::heading).unwrap_or_default();
        text.push_str(&format!("\n## {heading}: `[{section}]`\n\n"));
        let head = ["Key", "Flag", "Environment variable", "Type", "Default", "Meaning"];
        text.push_str(&table(&head, group().map(row)));
    }
    text
}

fn row(definition: Definition<'_>) -> Vec<String> {
    let kind = match definition.kind() {
        Kind::Choice => definition.choices().iter().map(|choice| code(choice)).collect::<Vec<_>>().join(", "),
        kind if definition.is_secret() => format!("{}, secret", kind.name()),
        kind => kind.name().to_owned(),
    };
    let default = match definition.default_in_file() {
        Some(_) => code(&definition.default().unwrap_or_default()),
        None => cell(&definition.default().unwrap_or_default()),
    };
    vec![
        code(definition.name()),
        code(&definition.flag()),
        code(&definition.variable()),
        kind,
        default,
        cell(&definition.help()),
    ]
}
