//! The settings of a socket; they hold from the next packet on.

use crate::Raw;
use crate::ip::IpSocket;
use crate::socket::Kind;
use stack_core::{EndpointId, Error, Families, OptionName, SocketOption, TransportCx};

impl Raw {
    pub(crate) fn read_option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        let socket = self.sockets.open(id)?;
        match (name, &socket.kind) {
            (OptionName::ReceiveBuffer, _) => Ok(SocketOption::ReceiveBuffer(socket.receive.limit())),
            (OptionName::SendBuffer, _) => Ok(SocketOption::SendBuffer(socket.send.limit())),
            (OptionName::BindToNic, _) => Ok(SocketOption::BindToNic(socket.options.nic)),
            (OptionName::Mark, _) => Ok(SocketOption::Mark(socket.options.mark)),
            (_, Kind::Ip(ip)) => ip.option(name),
            (_, Kind::Packet(_)) => Err(Error::NotSupported),
        }
    }

    pub(crate) fn change_option(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        option: SocketOption,
    ) -> Result<(), Error> {
        let max_buffer = self.config.max_buffer;
        let socket = self.sockets.open_mut(id)?;
        match option {
            SocketOption::ReceiveBuffer(bytes) => socket.receive.set_limit(bytes.min(max_buffer)),
            SocketOption::SendBuffer(bytes) => {
                socket.send.set_limit(bytes.min(max_buffer));
                if socket.send.is_below_limit() {
                    cx.wake(&mut socket.writable);
                }
            }
            SocketOption::BindToNic(Some(nic)) if cx.host.nic(nic).is_none() => {
                return Err(Error::UnknownNic);
            }
            SocketOption::BindToNic(nic) => socket.options.nic = nic,
            SocketOption::Mark(mark) => socket.options.mark = mark,
            SocketOption::JoinGroup(group, nic) => return self.join(cx, id, group, nic),
            SocketOption::LeaveGroup(group, nic) => return self.leave(cx, id, group, nic),
            option => return socket.ip_mut()?.0.set_option(option),
        }
        Ok(())
    }
}

impl IpSocket {
    fn option(&self, name: OptionName) -> Result<SocketOption, Error> {
        Ok(match name {
            OptionName::Broadcast => SocketOption::Broadcast(self.broadcast),
            OptionName::HopLimit => SocketOption::HopLimit(self.hop_limit),
            OptionName::MulticastHopLimit => SocketOption::MulticastHopLimit(self.multicast_hop_limit),
            OptionName::MulticastLoop => SocketOption::MulticastLoop(self.multicast_loop),
            OptionName::MulticastNic => SocketOption::MulticastNic(self.multicast_nic),
            OptionName::DontFragment => SocketOption::DontFragment(self.dont_fragment),
            OptionName::TrafficClass => SocketOption::TrafficClass(self.traffic_class),
            OptionName::FlowLabel => SocketOption::FlowLabel(self.flow_label),
            OptionName::HeaderIncluded => SocketOption::HeaderIncluded(self.header_included),
            OptionName::ChecksumOffset => SocketOption::ChecksumOffset(self.checksum_offset),
            _ => return Err(Error::NotSupported),
        })
    }

    fn set_option(&mut self, option: SocketOption) -> Result<(), Error> {
        match option {
            SocketOption::Broadcast(on) => self.broadcast = on,
            // 0 would be the default in a packet, and no packet of ours may leave with it (RFC 1122 §3.2.1.7).
            SocketOption::HopLimit(0) | SocketOption::MulticastHopLimit(0) => {
                return Err(Error::InvalidArgument);
            }
            SocketOption::HopLimit(limit) => self.hop_limit = limit,
            SocketOption::MulticastHopLimit(limit) => self.multicast_hop_limit = limit,
            SocketOption::MulticastLoop(on) => self.multicast_loop = on,
            SocketOption::MulticastNic(nic) => self.multicast_nic = nic,
            SocketOption::DontFragment(on) => self.dont_fragment = on,
            SocketOption::TrafficClass(class) => self.traffic_class = class,
            SocketOption::FlowLabel(label) if SocketOption::is_flow_label(label) => self.flow_label = label,
            SocketOption::FlowLabel(_) => return Err(Error::InvalidArgument),
            SocketOption::HeaderIncluded(on) => return self.set_header_included(on),
            SocketOption::ChecksumOffset(offset) => return self.set_checksum_offset(offset),
            _ => return Err(Error::NotSupported),
        }
        Ok(())
    }

    fn set_header_included(&mut self, on: bool) -> Result<(), Error> {
        if self.families != Families::V4 {
            return Err(Error::NotSupported);
        }
        self.header_included = on;
        Ok(())
    }

    /// RFC 3542 §3.1: of ICMPv6 the place is known, and words begin at even offsets.
    fn set_checksum_offset(&mut self, offset: Option<u16>) -> Result<(), Error> {
        if self.families != Families::V6 || self.is_icmpv6() {
            return Err(Error::NotSupported);
        }
        if offset.is_some_and(|offset| offset % 2 == 1) {
            return Err(Error::InvalidArgument);
        }
        self.checksum_offset = offset;
        Ok(())
    }
}
