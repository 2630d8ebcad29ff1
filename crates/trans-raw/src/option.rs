//! The settings of a socket; they hold from the next packet on.

use crate::Raw;
use crate::ip::IpSocket;
use crate::socket::Kind;
use stack_core::{EndpointId, Error, Families, OptionName, SocketOption, TransportCx};

impl Raw {
    pub(crate) fn read_option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        let socket = self.sockets.open(id)?;
        match (name, &socket.kind) {
            (OptionName::ReceiveBuffer, _) => Ok(SocketOption::ReceiveBuffer(socket.base.receive.limit())),
            (OptionName::SendBuffer, _) => Ok(SocketOption::SendBuffer(socket.base.send.limit())),
            (OptionName::HeaderIncluded, Kind::Ip(ip)) => {
                Ok(SocketOption::HeaderIncluded(ip.header_included))
            }
            (OptionName::ChecksumOffset, Kind::Ip(ip)) => {
                Ok(SocketOption::ChecksumOffset(ip.checksum_offset))
            }
            (OptionName::BindToNic | OptionName::Mark, _) | (_, Kind::Ip(_)) => socket.options.get(name),
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
            SocketOption::ReceiveBuffer(bytes) => socket.base.set_receive_buffer(bytes, max_buffer),
            SocketOption::SendBuffer(bytes) => socket.base.set_send_buffer(cx, bytes, max_buffer),
            SocketOption::BindToNic(Some(nic)) if cx.host.nic(nic).is_none() => {
                return Err(Error::UnknownNic);
            }
            SocketOption::BindToNic(nic) => socket.options.nic = nic,
            SocketOption::Mark(_) => return socket.options.set(option),
            SocketOption::JoinGroup(group, nic) => return self.join(cx, id, group, nic),
            SocketOption::LeaveGroup(group, nic) => return self.leave(cx, id, group, nic),
            SocketOption::HeaderIncluded(on) => socket.ip_mut()?.0.header_included = on,
            SocketOption::ChecksumOffset(offset) => return socket.ip_mut()?.0.set_checksum_offset(offset),
            option => return socket.ip_mut()?.1.set(option),
        }
        Ok(())
    }
}

impl IpSocket {
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
