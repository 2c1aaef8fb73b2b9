//! MQTT over WebSocket, at `/mqtt` of the HTTP port (MQTT 5, 6). Messages are binary; packets may lie in them as they like.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::accept::Peer;
use super::service::MqttService;
use crate::http::ClientAddress;

/// What a client must offer; the second is that of 3.1.
const PROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// The route.
pub fn router(service: MqttService) -> Router {
    Router::new().route("/mqtt", any(upgrade)).with_state(service)
}

async fn upgrade(
    State(service): State<MqttService>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    upgrade: WebSocketUpgrade,
) -> Response {
    // As many packets as fit into what is read at one time.
    let bytes_max = service.packet_bytes_max() * 2;
    let upgrade = upgrade
        .protocols(PROTOCOLS)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .max_write_buffer_size(bytes_max * 2);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, "the subprotocol must be mqtt").into_response();
    }
    let Some(place) = service.enter(address) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    upgrade.on_upgrade(move |socket| async move {
        let peer = Peer {
            address,
            certificates: Vec::new(),
        };
        service.serve(WebSocketStream::new(socket), peer, place).await;
    })
}

/// The binary messages of a WebSocket as a stream of bytes.
struct WebSocketStream {
    socket: WebSocket,
    /// Received, and not yet read.
    rest: Bytes,
}

impl WebSocketStream {
    fn new(socket: WebSocket) -> Self {
        WebSocketStream {
            socket,
            rest: Bytes::new(),
        }
    }
}

impl AsyncRead for WebSocketStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => this.rest = bytes,
                // Answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a text message"))),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let taken = this.rest.split_to(this.rest.len().min(buffer.remaining()));
        buffer.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocketStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.get_mut().socket);
        ready!(socket.as_mut().poll_ready(context)).map_err(io::Error::other)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        socket.start_send(message).map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context).map_err(io::Error::other)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_close(context).map_err(io::Error::other)
    }
}
