//! The doors to the network, all shut: nobody gets a socket or an address, and each attempt is noted.
//!
//! What takes a socket is wasmtime-wasi's and cannot be reached.

use palisade_policy::Denial;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, IpAddressFamily, Network};
use wasmtime_wasi::p2::bindings::sockets::{ip_name_lookup, tcp, tcp_create_socket, udp, udp_create_socket};
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult};

use super::State;

/// Characters of a name which are kept for the denial.
const MAX_NAME: usize = 128;

impl State {
    fn deny_network(&self, asked: String) {
        let smallest_grant = "none: this version grants no network".to_owned();
        self.process.refusals().deny(Denial {
            rule: "network".to_owned(),
            asked,
            smallest_grant,
        });
    }
}

impl tcp_create_socket::Host for State {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<tcp::TcpSocket>> {
        self.deny_network("a TCP socket".to_owned());
        Err(ErrorCode::AccessDenied.into())
    }
}

impl udp_create_socket::Host for State {
    async fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<udp::UdpSocket>> {
        self.deny_network("a UDP socket".to_owned());
        Err(ErrorCode::AccessDenied.into())
    }
}

impl ip_name_lookup::Host for State {
    fn resolve_addresses(
        &mut self,
        _: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ip_name_lookup::ResolveAddressStream>> {
        self.process.meter().charge_bytes(name.len());
        self.deny_network(format!(
            "the address of {}",
            name.chars().take(MAX_NAME).collect::<String>()
        ));
        // The code that guests know for a name which will not resolve later either.
        Err(ErrorCode::PermanentResolverFailure.into())
    }
}

impl network::Host for State {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    /// No stream here is a socket's.
    fn network_error_code(&mut self, _: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl network::HostNetwork for State {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}

/// There are no such streams, as `resolve_addresses` never gives one.
impl ip_name_lookup::HostResolveAddressStream for State {
    fn resolve_next_address(
        &mut self,
        _: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        Err(SocketError::from(ErrorCode::PermanentResolverFailure))
    }

    fn subscribe(
        &mut self,
        stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        wasmtime_wasi::p2::subscribe(&mut self.table, stream)
    }

    fn drop(&mut self, stream: Resource<ip_name_lookup::ResolveAddressStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}
