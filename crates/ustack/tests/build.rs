//! What a builder refuses, and that it says what to do; and the words that an administrator uses.

use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::{
    BuildError, Error, Ipv4, NicConfig, NicError, NicId, RouteEntry, RouteQuery, Stack, StackBuilder, Udp,
};

fn link() -> ChannelLink {
    pair(ChannelConfig::default()).0
}

fn refused(builder: StackBuilder) -> BuildError {
    builder.build().expect_err("the builder should refuse this")
}

fn nic() -> NicConfig {
    NicConfig::new(link())
}

#[test]
fn an_address_that_nobody_carries() {
    let error = refused(Stack::builder().nic(nic().address("10.77.0.2/24".parse().unwrap())));
    assert_eq!(
        error.to_string(),
        "no network protocol carries 10.77.0.2: enable feature `ipv4` or call .network(Ipv4::default())"
    );
    let error =
        refused(Stack::builder().network(Ipv4::default()).nic(nic().address("fd00::1/64".parse().unwrap())));
    assert!(error.to_string().contains("feature `ipv6`"), "{error}");
}

#[test]
fn the_same_protocol_twice() {
    let error = refused(Stack::builder().network(Ipv4::default()).network(Ipv4::default()));
    assert!(error.to_string().contains("IPv4"), "{error}");
    let error = refused(Stack::builder().transport(Udp::default()).transport(Udp::default()));
    assert!(error.to_string().contains("UDP"), "{error}");
}

#[test]
fn a_gateway_that_is_not_on_the_link() {
    let nic = nic().address("10.77.0.2/24".parse().unwrap()).gateway("10.78.0.1".parse().unwrap());
    let error = refused(Stack::builder().default_protocols().nic(nic));
    assert!(matches!(error, BuildError::Nic(NicError::GatewayNotOnLink { .. })), "{error:?}");
    assert!(error.to_string().contains("(10.77.0.0/24)"), "{error}");
}

#[test]
fn numbers_names_and_addresses_that_are_taken() {
    let error = refused(Stack::builder().nic(nic().id(NicId(3))).nic(nic().id(NicId(3))));
    assert!(matches!(error, BuildError::Nic(NicError::DuplicateNic { nic: NicId(3) })), "{error:?}");
    let error = refused(Stack::builder().nic(nic().name("up")).nic(nic().name("up")));
    assert!(matches!(error, BuildError::Nic(NicError::DuplicateName { .. })), "{error:?}");
    let twice = nic().address("10.0.0.1/24".parse().unwrap()).address("10.0.0.1/8".parse().unwrap());
    let error = refused(Stack::builder().default_protocols().nic(twice));
    assert!(matches!(error, BuildError::Nic(NicError::DuplicateAddress { .. })), "{error:?}");
}

#[test]
fn a_route_over_an_interface_that_is_not_there() {
    let route = RouteEntry::new("10.0.0.0/8".parse().unwrap(), NicId(9));
    let error = refused(Stack::builder().route(route));
    assert!(matches!(error, BuildError::RouteNic { nic: NicId(9), .. }), "{error:?}");
}

#[test]
fn a_refused_interface_leaves_nothing_behind() {
    let stack = Stack::builder().network(Ipv4::default()).build().unwrap();
    let nic = nic().address("10.0.0.1/24".parse().unwrap()).address("fd00::1/64".parse().unwrap());
    assert!(stack.create_nic(nic).is_err());
    assert_eq!(stack.nics().len(), 1);
}

#[test]
fn addresses_subnets_and_routes_as_the_seed_has_them() {
    // Without the other end the link is gone, and with it, sooner or later, the interface.
    let (ours, _theirs) = pair(ChannelConfig::default());
    let stack = Stack::builder().default_protocols().nic(NicConfig::new(ours).name("one")).build().unwrap();
    let one = NicId(1);
    assert_eq!(stack.add_address(one, "10.0.0.1/24".parse().unwrap()), Ok(()));
    assert_eq!(stack.add_address(one, "10.0.0.1/24".parse().unwrap()), Err(Error::DuplicateAddress));
    assert_eq!(stack.add_address(NicId(7), "10.0.0.9/24".parse().unwrap()), Err(Error::UnknownNic));
    stack.add_subnet(one, "192.168.0.0/16".parse().unwrap()).unwrap();
    let subnets = stack.nic_subnets().into_iter().find(|(nic, _)| *nic == one).unwrap().1;
    assert_eq!(
        subnets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.1/32", "192.168.0.0/16"]
    );
    assert_eq!(stack.check_local_address(None, "10.0.0.1".parse().unwrap()), Some(one));
    assert_eq!(stack.check_local_address(None, "10.0.0.2".parse().unwrap()), None);
    assert!(stack.check_network_protocol(0x0800) && !stack.check_network_protocol(0x1234));

    let query = RouteQuery { nic: None, local: None, remote: "203.0.113.5".parse().unwrap() };
    assert_eq!(stack.find_route(&query).unwrap_err(), Error::NoRoute);
    let everywhere = RouteEntry::new("0.0.0.0/0".parse().unwrap(), one).via("10.0.0.254".parse().unwrap());
    stack.set_route_table(vec![everywhere]);
    let route = stack.find_route(&query).unwrap();
    assert_eq!((route.nic(), route.local_address()), (one, "10.0.0.1".parse::<std::net::IpAddr>().unwrap()));
    assert_eq!(route.next_hop().to_string(), "10.0.0.254");
    assert_eq!(route.mtu(), 1500);
    assert_eq!(stack.remove_address(one, "10.0.0.1".parse().unwrap()), Ok(()));
    assert_eq!(stack.remove_address(one, "10.0.0.1".parse().unwrap()), Err(Error::BadLocalAddress));
}
