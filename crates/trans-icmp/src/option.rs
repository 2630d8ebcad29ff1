//! The settings of a socket; they hold from the next request on.

use crate::{Family, Icmp};
use stack_core::{EndpointId, Error, OptionName, SocketOption, TransportCx};

impl<F: Family> Icmp<F> {
    pub(crate) fn read_option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        let socket = self.sockets.open(id)?;
        match name {
            OptionName::ReceiveBuffer => Ok(SocketOption::ReceiveBuffer(socket.base.receive.limit())),
            OptionName::SendBuffer => Ok(SocketOption::SendBuffer(socket.base.send.limit())),
            OptionName::ReceiveErrors => Ok(SocketOption::ReceiveErrors(socket.reports.are_wanted())),
            name => socket.options.get(name),
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
            SocketOption::BindToNic(nic) => return self.set_nic(cx, id, nic),
            SocketOption::ReceiveErrors(on) => socket.reports.want(on),
            option => return socket.options.set(option),
        }
        Ok(())
    }
}
