//! `cli.md`: every command and its options. Settings, which all commands share, have a page of their own.

use clap::{Arg, ArgAction, Command};

use super::{cell, code, table};
use crate::settings::{Definition, definitions};

pub(super) fn render() -> String {
    let mut root = crate::cli::command();
    root.build();
    let mut text = String::from(
        "# Command line reference\n\n\
         `wenyuan COMMAND [OPTIONS]`. Results go to standard output, messages to standard error; with `--json` an error is one \
         JSON object there too. Exit codes: 0 success, 1 failure or a search without results, 2 wrong usage or an invalid \
         configuration.\n\n\
         Every command also takes `--help`, `--config FILE` and the flags of the [configuration](configuration.md).\n",
    );
    for command in visible(&root) {
        section(&root, command, &[], &mut text);
    }
    text
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn section(root: &Command, command: &Command, parents: &[&str], text: &mut String) {
    let names = [parents, &[command.get_name()]].concat();
    let level = "#".repeat(names.len() + 1);
    text.push_str(&format!("\n{level} wenyuan {}\n\n", names.join(" ")));
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    text.push_str(&format!("{}\n", cell(&about)));
    let aliases: Vec<String> = command.get_visible_aliases().map(code).collect();
    if !aliases.is_empty() {
        text.push_str(&format!("\nAlso: {}\n", aliases.join(", ")));
    }
    let shared: Vec<&str> = definitions(root).map(Definition::key).collect();
    let own = |argument: &&Arg| {
        let id = argument.get_id().as_str();
        let is_builtin = matches!(
            argument.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        );
        !argument.is_hide_set() && !is_builtin && id != "config" && !shared.contains(&id)
    };
    let arguments: Vec<&Arg> = command.get_positionals().filter(own).collect();
    let options: Vec<&Arg> = command.get_opts().chain(flags(command)).filter(own).collect();
    if command.has_subcommands() && arguments.is_empty() && options.is_empty() {
        // Its commands follow.
    } else if arguments.is_empty() && options.is_empty() {
        text.push_str(&format!("\n```text\nwenyuan {}\n```\n", names.join(" ")));
    } else {
        let rows = arguments.into_iter().chain(options).map(row);
        text.push_str(&format!("\n{}", table(&["Argument", "Default", "Meaning"], rows)));
    }
    for inner in visible(command) {
        section(root, inner, &names, text);
    }
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|argument| !argument.is_positional() && !argument.get_action().takes_values())
}

fn row(argument: &Arg) -> Vec<String> {
    let value = if argument.get_action().takes_values() {
        let names = argument.get_value_names().unwrap_or_default();
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    } else {
        String::new()
    };
    let many = if matches!(argument.get_action(), ArgAction::Append) { "…" } else { "" };
    let mut names = Vec::new();
    if let Some(short) = argument.get_short() {
        names.push(format!("-{short}"));
    }
    if let Some(long) = argument.get_long() {
        names.push(format!("--{long}"));
    }
    let name =
        [names.join(", "), value].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = if argument.get_action().takes_values() { defaults.join(", ") } else { String::new() };
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let choices: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|choice| code(choice.get_name()))
        .collect();
    let help =
        if choices.is_empty() { cell(&help) } else { format!("{} ({})", cell(&help), choices.join(", ")) };
    vec![code(&format!("{name}{many}")), code(&default), help]
}
