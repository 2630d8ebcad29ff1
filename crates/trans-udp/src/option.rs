//! The settings of a socket.
//!
//! What decides how a socket shares its port must be set before it is bound; the rest holds from the next datagram on.

use crate::Udp;
use stack_core::{EndpointId, Error, Families, OptionName, SocketOption, TransportCx};

impl Udp {
    pub(crate) fn read_option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        let socket = self.sockets.open(id)?;
        Ok(match name {
            OptionName::ReceiveBuffer => SocketOption::ReceiveBuffer(socket.base.receive.limit()),
            OptionName::SendBuffer => SocketOption::SendBuffer(socket.base.send.limit()),
            OptionName::ReuseAddress => SocketOption::ReuseAddress(socket.sharing.address),
            OptionName::ReusePort => SocketOption::ReusePort(socket.sharing.port),
            OptionName::V6Only => SocketOption::V6Only(socket.families == Families::V6),
            OptionName::ReceiveErrors => SocketOption::ReceiveErrors(socket.reports.are_wanted()),
            name => return socket.options.get(name),
        })
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
            SocketOption::ReuseAddress(_) | SocketOption::ReusePort(_) if socket.binding.is_some() => {
                return Err(Error::InvalidState);
            }
            SocketOption::ReuseAddress(on) => socket.sharing.address = on,
            SocketOption::ReusePort(on) => socket.sharing.port = on,
            SocketOption::V6Only(_) if socket.families == Families::V4 => return Err(Error::AddressFamily),
            SocketOption::V6Only(_) if socket.binding.is_some() => return Err(Error::InvalidState),
            SocketOption::V6Only(on) => socket.families = if on { Families::V6 } else { Families::Dual },
            SocketOption::BindToNic(nic) => return self.set_nic(cx, id, nic),
            SocketOption::ReceiveErrors(on) => socket.reports.want(on),
            SocketOption::JoinGroup(..)
            | SocketOption::LeaveGroup(..)
            | SocketOption::JoinSource(..)
            | SocketOption::LeaveSource(..)
            | SocketOption::BlockSource(..)
            | SocketOption::UnblockSource(..) => return self.change_membership(cx, id, option),
            option => return socket.options.set(option),
        }
        Ok(())
    }
}
