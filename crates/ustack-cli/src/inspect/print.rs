//! Rows for people, in the manner of iproute2.

use super::tables::Table;
use serde_json::Value;

/// A row in a line; an interface with a line for each of its addresses.
pub(super) fn text(table: Table, row: &Value) -> String {
    match table {
        Table::Addresses => interface(row),
        Table::Routes => route(row),
        Table::Neighbors => neighbor(row),
    }
}

fn interface(row: &Value) -> String {
    let state = if row["up"] == true { "up" } else { "down" };
    // The host's own interface has no number that anybody could use.
    let number = row["nic"].as_u64().map_or_else(String::new, |nic| format!("{nic}: "));
    let mut text = format!("{number}{}: {state} mtu {}", word(row, "name"), row["mtu"]);
    if let Some(link) = row["link_address"].as_str() {
        text += &format!(" link {link}");
    }
    if row["forwarding"] == true {
        text += " forwarding";
    }
    for address in row["addresses"].as_array().into_iter().flatten() {
        text += &format!("\n    {} {}", word(address, "address"), word(address, "state"));
    }
    text
}

fn route(row: &Value) -> String {
    let destination = match word(row, "destination") {
        "0.0.0.0/0" | "::/0" => "default",
        destination => destination,
    };
    let mut text = destination.to_owned();
    for (key, name) in [("gateway", "via"), ("nic", "dev"), ("origin", "proto"), ("source", "src")] {
        if let Some(value) = row[key].as_str() {
            text += &format!(" {name} {value}");
        }
    }
    if let Some(mtu) = row["mtu"].as_u64() {
        text += &format!(" mtu {mtu}");
    }
    match word(row, "preference") {
        "" | "medium" => text,
        preference => format!("{text} pref {preference}"),
    }
}

fn neighbor(row: &Value) -> String {
    let mut text = format!("{} dev {}", word(row, "address"), word(row, "nic"));
    if let Some(link) = row["link_address"].as_str() {
        text += &format!(" lladdr {link}");
    }
    if row["router"] == true {
        text += " router";
    }
    format!("{text} {}", word(row, "state"))
}

fn word<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_read_like_those_of_iproute2() {
        let row = json!({ "nic": 1, "name": "ustack0", "up": true, "mtu": 1500, "link_address": "02:00:00:00:00:01",
            "forwarding": true, "addresses": [{ "address": "fd77::2/64", "state": "preferred" }] });
        let text_of = |table, row: &Value| text(table, row);
        assert_eq!(
            text_of(Table::Addresses, &row),
            "1: ustack0: up mtu 1500 link 02:00:00:00:00:01 forwarding\n    fd77::2/64 preferred"
        );
        let row = json!({ "destination": "::/0", "gateway": "fe80::1", "nic": "ustack0", "origin": "router",
            "mtu": 1400, "source": null, "preference": "high" });
        assert_eq!(
            text_of(Table::Routes, &row),
            "default via fe80::1 dev ustack0 proto router mtu 1400 pref high"
        );
        let row = json!({ "address": "10.77.0.1", "nic": "ustack0", "link_address": null, "router": false,
            "state": "incomplete" });
        assert_eq!(text_of(Table::Neighbors, &row), "10.77.0.1 dev ustack0 incomplete");
    }
}
