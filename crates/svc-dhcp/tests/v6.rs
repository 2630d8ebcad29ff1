//! The client of DHCP for IPv6 on a stack, beside a server that is a few lines of this test.

use dhcproto::v6::{
    Decodable, Decoder, DhcpOption, DhcpOptions, Encodable, IAAddr, IANA, Message, MessageType, OptionCode,
};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use svc_dhcp::v6::{Client, ClientConfig, Event, Mode};
use tokio::time::timeout;
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::tokio::UdpSocket;
use ustack::{AddressState, LinkAddress, NicConfig, NicId, SocketOption, Stack};

const NIC: NicId = NicId(1);
const GRANTED: &str = "2001:db8::77";
const PATIENCE: Duration = Duration::from_secs(20);

fn stack(link: ChannelLink, address: &str) -> Stack {
    let nic = NicConfig::new(link).id(NIC).address(address.parse().unwrap());
    Stack::builder().default_protocols().nic(nic).build().unwrap()
}

fn two_stacks() -> (Stack, Stack) {
    let station = |last| LinkAddress([2, 0, 0, 0, 0, last]);
    let (a, b) = pair(ChannelConfig::ethernet(station(1), station(2)));
    (stack(a, "fe80::1/64"), stack(b, "fe80::2/64"))
}

/// Grants one address to everybody, and says which kinds of messages came.
async fn serve(stack: Stack, seen: &std::cell::RefCell<Vec<MessageType>>) -> std::io::Result<()> {
    let socket = UdpSocket::bind(&stack, "[::]:547").await?;
    socket.set_option(SocketOption::JoinGroup("ff02::1:2".parse().unwrap(), Some(NIC)))?;
    let mut buffer = [0; 1500];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await?;
        let question = Message::decode(&mut Decoder::new(&buffer[..len])).unwrap();
        seen.borrow_mut().push(question.msg_type());
        let kind = match question.msg_type() {
            MessageType::Solicit => MessageType::Advertise,
            _ => MessageType::Reply,
        };
        let mut answer = Message::new_with_id(kind, question.xid());
        let options = answer.opts_mut();
        options.insert(question.opts().get(OptionCode::ClientId).unwrap().clone());
        options.insert(DhcpOption::ServerId(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 1]));
        options.insert(DhcpOption::DomainNameServers(vec!["2001:db8::53".parse().unwrap()]));
        if let Some(DhcpOption::IANA(wanted)) = question.opts().get(OptionCode::IANA) {
            let addr = GRANTED.parse().unwrap();
            let mut opts = DhcpOptions::new();
            let address = IAAddr { addr, preferred_life: 3600, valid_life: 7200, opts: DhcpOptions::new() };
            opts.insert(DhcpOption::IAAddr(address));
            options.insert(DhcpOption::IANA(IANA { id: wanted.id, t1: 1800, t2: 2880, opts }));
        }
        socket.send_to(&answer.to_vec().unwrap(), from).await?;
    }
}

fn state(stack: &Stack) -> Option<AddressState> {
    let granted: IpAddr = GRANTED.parse().unwrap();
    let nics = stack.nics();
    let nic = nics.iter().find(|nic| nic.id == NIC).unwrap();
    nic.addresses.iter().find(|address| address.net.addr() == granted).map(|address| address.state)
}

// R8415-x-a
#[tokio::test]
async fn an_address_is_granted_asked_about_and_given_back() {
    let (a, b) = two_stacks();
    let seen = std::cell::RefCell::default();
    let server = serve(a, &seen);
    let client = async {
        let mut client = Client::new(&b, NIC, ClientConfig::default()).unwrap();
        let event = timeout(PATIENCE, client.next()).await.unwrap().unwrap();
        let Event::Configured(lease) = event else { panic!("{event:?}") };
        assert_eq!(lease.address, Some(GRANTED.parse().unwrap()));
        assert_eq!(state(&b), Some(AddressState::Preferred), "no other station has it");
        client.release().await.unwrap();
        assert_eq!(state(&b), None);
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    tokio::select! {
        ended = server => panic!("the server ended: {ended:?}"),
        () = client => {}
    }
    use MessageType as Kind;
    assert_eq!(*seen.borrow(), [Kind::Solicit, Kind::Request, Kind::Release]);
}

#[tokio::test]
async fn without_state_there_are_name_servers_and_no_address() {
    let (a, b) = two_stacks();
    let seen = std::cell::RefCell::default();
    let server = serve(a, &seen);
    let client = async {
        let config = ClientConfig { mode: Mode::Stateless, ..ClientConfig::default() };
        let mut client = Client::new(&b, NIC, config).unwrap();
        let event = timeout(PATIENCE, client.next()).await.unwrap().unwrap();
        let Event::Configured(told) = event else { panic!("{event:?}") };
        assert_eq!((told.address, state(&b)), (None, None));
        assert_eq!(told.dns_servers, ["2001:db8::53".parse::<Ipv6Addr>().unwrap()]);
    };
    tokio::select! {
        ended = server => panic!("the server ended: {ended:?}"),
        () = client => {}
    }
}
