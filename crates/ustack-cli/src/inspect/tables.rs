//! The tables of a stack as JSON: the shape that `--json` prints, and that a running stack answers with.

use serde_json::{Value, json};
use stack_core::{AddressState, InterfaceAddress, NicId, RoutePreference};
use stack_host::{LOCAL_NIC, NeighborState};
use ustack::{RouteEntry, Stack};

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Table {
    Addresses,
    Routes,
    Neighbors,
}

impl Table {
    const ALL: [Self; 3] = [Self::Addresses, Self::Routes, Self::Neighbors];

    /// The word that a stack is asked with.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Routes => "routes",
            Self::Neighbors => "neighbors",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.word() == word)
    }

    /// The table of a stack now.
    pub(super) fn read(self, stack: &Stack) -> Vec<Value> {
        match self {
            Self::Addresses => addresses(stack),
            Self::Routes => routes(stack),
            Self::Neighbors => neighbors(stack),
        }
    }

    /// What of the rows is about addresses that are wanted.
    pub(super) fn select(self, mut rows: Vec<Value>, wanted: impl Fn(&str) -> bool) -> Vec<Value> {
        let is_wanted = |row: &Value, key: &str| row[key].as_str().is_some_and(&wanted);
        match self {
            Self::Addresses => {
                let lists = rows.iter_mut().filter_map(|row| row["addresses"].as_array_mut());
                lists.for_each(|list| list.retain(|row| is_wanted(row, "address")));
            }
            Self::Routes => rows.retain(|row| is_wanted(row, "destination")),
            Self::Neighbors => rows.retain(|row| is_wanted(row, "address")),
        }
        rows
    }
}

fn addresses(stack: &Stack) -> Vec<Value> {
    let of_nic = |nic: ustack::host::NicInfo| {
        let list = |address: &InterfaceAddress| json!({ "address": address.net.to_string(), "state": state_of(address.state) });
        json!({
            "nic": (nic.id != LOCAL_NIC).then_some(nic.id.0),
            "name": nic.name,
            "up": nic.enabled,
            "mtu": nic.capabilities.mtu,
            "link_address": nic.link_address.map(|link| link.to_string()),
            "forwarding": nic.forwarding,
            "addresses": nic.addresses.iter().map(list).collect::<Vec<_>>(),
        })
    };
    stack.nics().into_iter().map(of_nic).collect()
}

/// The subnets of the interfaces, then what was set or told, each with the interface's name.
fn routes(stack: &Stack) -> Vec<Value> {
    let names = names(stack);
    let on_link = stack.nics().into_iter().flat_map(|nic| {
        let of_address = move |address: InterfaceAddress| {
            let source = Some(address.net.addr());
            RouteEntry { source, ..RouteEntry::new(address.net.trunc(), nic.id) }
        };
        nic.addresses.into_iter().map(of_address)
    });
    let connected = on_link.map(|route| route_of(&route, "connected", &names));
    let others = stack.route_table().into_iter().map(|route| {
        let origin = if route.discovered { "router" } else { "static" };
        route_of(&route, origin, &names)
    });
    connected.chain(others).collect()
}

fn route_of(route: &RouteEntry, origin: &str, names: &[(NicId, String)]) -> Value {
    json!({
        "destination": route.destination.to_string(),
        "gateway": route.gateway,
        "nic": name_of(names, route.nic),
        "origin": origin,
        "mtu": route.mtu,
        "source": route.source,
        "preference": match route.preference {
            RoutePreference::Low => "low",
            RoutePreference::Medium => "medium",
            RoutePreference::High => "high",
        },
    })
}

fn neighbors(stack: &Stack) -> Vec<Value> {
    let names = names(stack);
    let all = names.iter().flat_map(|(nic, _)| stack.neighbors(*nic));
    let row = |neighbor: ustack::Neighbor| {
        json!({
            "address": neighbor.address,
            "nic": name_of(&names, neighbor.nic),
            "link_address": neighbor.link.map(|link| link.to_string()),
            "state": match neighbor.state {
                NeighborState::Incomplete => "incomplete",
                NeighborState::Reachable => "reachable",
                NeighborState::Stale => "stale",
                NeighborState::Delay => "delay",
                NeighborState::Probe => "probe",
                NeighborState::Static => "static",
            },
            "router": neighbor.router,
        })
    };
    all.map(row).collect()
}

fn names(stack: &Stack) -> Vec<(NicId, String)> {
    stack.nics().into_iter().map(|nic| (nic.id, nic.name)).collect()
}

fn name_of(names: &[(NicId, String)], nic: NicId) -> String {
    names.iter().find(|(id, _)| *id == nic).map_or_else(|| nic.to_string(), |(_, name)| name.clone())
}

/// The words of RFC 4862 §2.
fn state_of(state: AddressState) -> &'static str {
    match state {
        AddressState::Tentative => "tentative",
        AddressState::Preferred => "preferred",
        AddressState::Deprecated => "deprecated",
        AddressState::Duplicate => "duplicate",
    }
}
