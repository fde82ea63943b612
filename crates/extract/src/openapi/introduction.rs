//! Introduction of an API description: version, contact, licence, servers, and authorisation of requests.

use crate::builder::{DocumentBuilder, one_line};
use crate::model::Error;

use super::constraints::external_docs;
use super::parts::{Parts, row, with_description};
use super::value::Value;

/// Appends version, contact, licence and terms.
pub(super) fn push_information(root: &Value, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let info = root.get("info");
    let version = one_line(&info.get("version").display());
    if !info.get("version").is_null() && !version.is_empty() {
        builder.text(&format!("Version {version}"), None)?;
    }
    builder.text(&one_line(info.get("summary").text()), None)
}

/// Appends who answers for the API, and under which terms.
pub(super) fn push_contact(root: &Value, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let info = root.get("info");
    let mut lines = Vec::new();
    for (key, label) in [("contact", "Contact"), ("license", "License")] {
        let node = info.get(key);
        let mut words: Vec<String> = Vec::new();
        for key in ["name", "identifier"] {
            words.push(one_line(node.get(key).text()));
        }
        for key in ["email", "url"] {
            let address = one_line(node.get(key).text());
            words.push(if address.is_empty() { address } else { format!("<{address}>") });
        }
        words.retain(|word| !word.is_empty());
        if !words.is_empty() {
            lines.push(format!("{label}: {}", words.join(", ")));
        }
    }
    let terms = one_line(info.get("termsOfService").text());
    if !terms.is_empty() {
        lines.push(format!("Terms of service: <{terms}>"));
    }
    lines.push(external_docs(root));
    for line in lines {
        builder.text(&line, None)?;
    }
    Ok(())
}

/// Appends the list of servers.
pub(super) fn push_servers(root: &Value, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let servers = server_items(root);
    if servers.is_empty() {
        return Ok(());
    }
    builder.heading(2, "Servers", Some("servers"))?;
    builder.text(&servers.join("\n"), None)
}

/// Returns a list item for each server of the API, a path or an operation, and for each of its variables.
pub(super) fn server_items(node: &Value) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for server in node.get("servers").items() {
        let url = one_line(server.get("url").text());
        if url.is_empty() {
            continue;
        }
        let name = one_line(server.get("name").text());
        let url = if name.is_empty() { format!("- `{url}`") } else { format!("- {name}: `{url}`") };
        items.push(with_description(&url, server.get("description").text()));
        for (name, variable) in server.get("variables").entries() {
            let mut words = Vec::new();
            let default = variable.get("default");
            if !default.is_null() {
                words.push(format!("default `{}`", one_line(&default.display())));
            }
            let values: Vec<String> = variable
                .get("enum")
                .items()
                .iter()
                .map(|value| format!("`{}`", one_line(&value.display())))
                .collect();
            if !values.is_empty() {
                words.push(format!("one of {}", values.join(", ")));
            }
            let words = if words.is_empty() { String::new() } else { format!(": {}", words.join("; ")) };
            let item = format!("   - `{}`{words}", one_line(name));
            items.push(with_description(&item, variable.get("description").text()));
        }
    }
    // Swagger 2 has the parts of the URL.
    let (host, base) = (node.get("host").text(), node.get("basePath").text());
    let schemes = node.get("schemes").texts();
    if !host.is_empty() {
        let schemes = if schemes.is_empty() { vec!["https"] } else { schemes };
        items.extend(schemes.iter().map(|scheme| format!("- `{scheme}://{host}{base}`")));
    } else if !base.is_empty() {
        items.push(format!("- `{base}`"));
    }
    items
}

/// Appends the security schemes, the scopes of OAuth, and what every operation requires.
pub(super) fn push_security(root: &Value, builder: &mut DocumentBuilder) -> Result<(), Error> {
    let schemes = match root.get("components").get("securitySchemes") {
        Value::Null => root.get("securityDefinitions"),
        schemes => schemes,
    };
    let mut rows = vec![row(&["Name", "Type", "Description"])];
    let mut flows = Parts::default();
    for (name, scheme) in schemes.entries() {
        let scheme = scheme.resolve(root);
        let mut type_text = scheme.get("type").display();
        for key in ["scheme", "bearerFormat", "in", "name", "flow", "openIdConnectUrl", "oauth2MetadataUrl"] {
            let value = scheme.get(key).text();
            if !value.is_empty() {
                type_text.extend([", ", key, ": ", value]);
            }
        }
        if scheme.get("deprecated").is_true() {
            type_text.push_str(", deprecated");
        }
        rows.push(vec![format!("`{name}`"), type_text, one_line(scheme.get("description").text())]);
        for (flow, node) in scheme.get("flows").entries() {
            push_flow(name, flow, node, &mut flows);
        }
        if scheme.get("flows").is_null() {
            push_flow(name, scheme.get("flow").text(), scheme, &mut flows);
        }
    }
    let default_security = security_text(root.get("security"));
    let mut parts = Parts::default();
    parts.push_table("", &rows);
    let (table, flows) = (parts.markdown(), flows.markdown());
    if table.is_empty() && default_security.is_none() {
        return Ok(());
    }
    builder.heading(2, "Security", Some("security"))?;
    builder.text(&table, None)?;
    builder.text(&flows, None)?;
    default_security.map_or(Ok(()), |schemes| {
        builder.text(&format!("Every operation, unless it says otherwise: {schemes}"), None)
    })
}

/// Appends the addresses and scopes of a flow of OAuth.
fn push_flow(scheme: &str, flow: &str, node: &Value, parts: &mut Parts) {
    let mut addresses = Vec::new();
    for (key, label) in [
        ("authorizationUrl", "authorization"),
        ("deviceAuthorizationUrl", "device authorization"),
        ("tokenUrl", "token"),
        ("refreshUrl", "refresh"),
    ] {
        let address = one_line(node.get(key).text());
        if !address.is_empty() {
            addresses.push(format!("{label} <{address}>"));
        }
    }
    let mut rows = vec![row(&["Scope", "Description"])];
    for (scope, description) in node.get("scopes").entries() {
        if !scope.starts_with("x-") {
            rows.push(vec![format!("`{}`", one_line(scope)), one_line(description.text())]);
        }
    }
    if addresses.is_empty() && rows.len() == 1 {
        return;
    }
    let name = one_line(&format!("`{scheme}` {flow}"));
    parts.push(one_line(&format!("{name}: {}", addresses.join(", "))));
    parts.push_table("", &rows);
}

/// Returns the security schemes that an operation requires: "`token` (read, write) or none".
pub(super) fn security_text(security: &Value) -> Option<String> {
    let Value::List(alternatives) = security else { return None };
    let alternatives: Vec<String> = alternatives
        .iter()
        .map(|alternative| {
            let schemes: Vec<String> = alternative
                .entries()
                .iter()
                .map(|(name, scopes)| match scopes.texts() {
                    scopes if scopes.is_empty() => format!("`{name}`"),
                    scopes => format!("`{name}` ({})", scopes.join(", ")),
                })
                .collect();
            if schemes.is_empty() { "none".to_owned() } else { schemes.join(" and ") }
        })
        .collect();
    Some(if alternatives.is_empty() { "none".to_owned() } else { alternatives.join(" or ") })
}
