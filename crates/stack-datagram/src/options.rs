//! The settings of a socket that speaks IP; they hold from the next packet on.

use stack_core::{Error, NicId, OptionName, SocketOption};

/// The settings that all sockets have that send IP packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpOptions {
    /// It may send to broadcast addresses.
    pub broadcast: bool,
    /// The only interface that it uses.
    pub nic: Option<NicId>,
    /// The interface for groups where nothing else names one.
    pub multicast_nic: Option<NicId>,
    /// Mark for policies.
    pub mark: u32,
    /// 0 stands for the network protocol's default.
    pub hop_limit: u8,
    /// Hop limit of what is sent to groups.
    pub multicast_hop_limit: u8,
    /// What is sent to groups comes back to our own members.
    pub multicast_loop: bool,
    /// Type of service or traffic class, ECN included.
    pub traffic_class: u8,
    /// IPv6 flow label; `None` lets the network protocol choose.
    pub flow_label: Option<u32>,
    /// What does not fit into the path MTU is refused.
    pub dont_fragment: bool,
}

impl Default for IpOptions {
    fn default() -> Self {
        Self {
            broadcast: false,
            nic: None,
            multicast_nic: None,
            mark: 0,
            hop_limit: 0,
            // RFC 1112 §6.1: without a wish of the application, multicast stays on the link.
            multicast_hop_limit: 1,
            multicast_loop: true,
            traffic_class: 0,
            flow_label: None,
            dont_fragment: false,
        }
    }
}

impl IpOptions {
    /// What a setting is now.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for what is none of these.
    pub fn get(&self, name: OptionName) -> Result<SocketOption, Error> {
        Ok(match name {
            OptionName::Broadcast => SocketOption::Broadcast(self.broadcast),
            OptionName::BindToNic => SocketOption::BindToNic(self.nic),
            OptionName::Mark => SocketOption::Mark(self.mark),
            OptionName::HopLimit => SocketOption::HopLimit(self.hop_limit),
            OptionName::MulticastHopLimit => SocketOption::MulticastHopLimit(self.multicast_hop_limit),
            OptionName::MulticastLoop => SocketOption::MulticastLoop(self.multicast_loop),
            OptionName::MulticastNic => SocketOption::MulticastNic(self.multicast_nic),
            OptionName::DontFragment => SocketOption::DontFragment(self.dont_fragment),
            OptionName::TrafficClass => SocketOption::TrafficClass(self.traffic_class),
            OptionName::FlowLabel => SocketOption::FlowLabel(self.flow_label),
            _ => return Err(Error::NotSupported),
        })
    }

    /// Changes a setting. The interface is not among them: a change of it may change the identity of the socket, which is
    /// for the transport to do.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a hop limit of 0 and a flow label of more than 20 bits, [`Error::NotSupported`] for
    /// what is none of these.
    pub fn set(&mut self, option: SocketOption) -> Result<(), Error> {
        match option {
            SocketOption::Broadcast(on) => self.broadcast = on,
            SocketOption::Mark(mark) => self.mark = mark,
            // 0 would be the default in a packet, and no packet of ours may leave with it (RFC 1122 §3.2.1.7).
            SocketOption::HopLimit(0) | SocketOption::MulticastHopLimit(0) => {
                return Err(Error::InvalidArgument);
            }
            SocketOption::HopLimit(limit) => self.hop_limit = limit,
            SocketOption::MulticastHopLimit(limit) => self.multicast_hop_limit = limit,
            SocketOption::MulticastLoop(on) => self.multicast_loop = on,
            SocketOption::MulticastNic(nic) => self.multicast_nic = nic,
            SocketOption::DontFragment(on) => self.dont_fragment = on,
            // All eight bits: it is the application that speaks ECN over UDP (RFC 8085 §3.1.7).
            SocketOption::TrafficClass(class) => self.traffic_class = class,
            SocketOption::FlowLabel(label) if SocketOption::is_flow_label(label) => self.flow_label = label,
            SocketOption::FlowLabel(_) => return Err(Error::InvalidArgument),
            _ => return Err(Error::NotSupported),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_again() {
        let mut options = IpOptions::default();
        for option in [
            SocketOption::Broadcast(true),
            SocketOption::Mark(7),
            SocketOption::HopLimit(9),
            SocketOption::MulticastHopLimit(3),
            SocketOption::MulticastLoop(false),
            SocketOption::MulticastNic(Some(NicId(2))),
            SocketOption::DontFragment(true),
            SocketOption::TrafficClass(0xff),
            SocketOption::FlowLabel(Some(0xf_ffff)),
        ] {
            assert_ne!(options.get(option.name()), Ok(option), "{option:?} is the default");
            assert_eq!(options.set(option), Ok(()), "{option:?}");
            assert_eq!(options.get(option.name()), Ok(option));
        }
    }

    #[test]
    fn what_no_packet_can_have_is_refused() {
        let mut options = IpOptions::default();
        for (option, error) in [
            (SocketOption::HopLimit(0), Error::InvalidArgument),
            (SocketOption::MulticastHopLimit(0), Error::InvalidArgument),
            (SocketOption::FlowLabel(Some(0x10_0000)), Error::InvalidArgument),
            (SocketOption::BindToNic(None), Error::NotSupported),
            (SocketOption::ReuseAddress(true), Error::NotSupported),
        ] {
            assert_eq!(options.set(option), Err(error), "{option:?}");
        }
        assert_eq!(options, IpOptions::default());
    }
}
