//! Who has no certificate of the cluster gets nowhere.

use peers::ClusterTls;
use peers::wire::Frame;
use peers::wire::peers_client::PeersClient;
use tokio_stream::StreamExt;

use crate::world::{Authority, World, soon};

async fn is_heard(tls: &ClusterTls, address: &str) -> bool {
    let channel = tls.channel(address, std::time::Duration::from_secs(1)).unwrap();
    let mut client = PeersClient::new(channel);
    let hello = peers::wire::Hello {
        version_min: 1,
        version_max: 1,
        peer: 1,
        incarnation: 5,
        knows: 0,
        expects: 0,
    };
    let first = Frame {
        frame: Some(peers::wire::frame::Frame::Hello(hello)),
    };
    let frames = tokio_stream::once(first).chain(tokio_stream::pending());
    let Ok(answer) = soon("an answer", client.session(frames)).await else {
        return false;
    };
    matches!(soon("a frame", answer.into_inner().next()).await, Some(Ok(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_clusters_certificates_open_the_door() {
    let world = World::new(2).await;
    let address = world.servers[1].address.to_string();
    assert!(is_heard(&world.authority.tls(), &address).await, "one of the cluster is heard");
    let other = Authority::new();
    let (certificate, key) = other.sign();
    let foreign = ClusterTls::from_pem(&certificate, &key, &world.authority.pem());
    assert!(!is_heard(&foreign, &address).await, "a certificate of somebody else");
    assert!(!is_heard(&other.tls(), &address).await, "an authority of somebody else");
}
