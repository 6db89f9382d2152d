//! News of our link: its MTU, up or down, moved to another network namespace, deleted.
//!
//! A multicast netlink socket sees one namespace only. When the link leaves that, the kernel says DELLINK once
//! and then nothing; TUNGETIFF tells moved from deleted, and a new watch is made in the new namespace.
//!
//! **Invariant:** this process never changes the namespace of its main thread: the sockets must stay in the
//! first one. A watch elsewhere is made by a thread that enters the namespace and ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use futures_util::StreamExt;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::{Handle, MulticastGroup};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::mpsc;

/// What the kernel told about the link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum News {
    /// The link is here, with these properties.
    Here {
        /// Its MTU in bytes.
        mtu: u32,
        /// Whether it is set up.
        up: bool,
    },
    /// The link left this namespace or was deleted; [`fate`](super::tun::Tun::fate) knows which.
    Left,
}

/// A running watch; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Watch {
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Watches the link `name`: in this namespace, or in `namespace`. The first news is its state now.
pub(crate) fn watch(name: String, namespace: Option<OwnedFd>, news: mpsc::Sender<News>) -> io::Result<Watch> {
    let groups = [MulticastGroup::Link];
    let (connection, handle, messages) = match namespace {
        None => rtnetlink::new_multicast_connection(&groups)?,
        Some(namespace) => elsewhere(namespace, move || rtnetlink::new_multicast_connection(&groups))?,
    };
    let connection = tokio::spawn(connection);
    let reader = tokio::spawn(follow(name, handle, messages, news));
    Ok(Watch { tasks: [connection, reader] })
}

/// Deletes the link `name` where it is; one that is gone already is no error.
pub(crate) async fn delete(name: &str, namespace: Option<OwnedFd>) -> io::Result<()> {
    let (connection, handle, _messages) = match namespace {
        None => rtnetlink::new_connection()?,
        Some(namespace) => elsewhere(namespace, rtnetlink::new_connection)?,
    };
    let connection = tokio::spawn(connection);
    if let Some(link) = query(&handle, name).await
        && let Err(error) = handle.link().del(link.header.index).execute().await
    {
        tracing::debug!(%error, "deleting the link");
    }
    connection.abort();
    Ok(())
}

/// Runs `make` in a thread that has moved into `namespace`.
fn elsewhere<T: Send + 'static>(
    namespace: OwnedFd,
    make: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name("netns".to_owned()).spawn(move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        let _inside = runtime.enter();
        make()
    })?;
    thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

type Messages = futures_util::stream::BoxStream<'static, NetlinkMessage<RouteNetlinkMessage>>;

async fn follow(
    name: String,
    handle: Handle,
    messages: impl futures_util::Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, rtnetlink::sys::SocketAddr)>
    + Send
    + 'static,
    news: mpsc::Sender<News>,
) {
    let mut messages: Messages = messages.map(|(message, _)| message).boxed();
    let Some(link) = query(&handle, &name).await else {
        let _ = news.send(News::Left).await;
        return;
    };
    let index = link.header.index;
    let mut last = here(&link);
    let mut ready = news.send(last).await;
    while ready.is_ok() {
        let Some(message) = messages.next().await else { return };
        let now = if matches!(message.payload, NetlinkPayload::Overrun(_)) {
            // News were lost: the state now says what they came to.
            Some(query(&handle, &name).await.map_or(News::Left, |link| here(&link)))
        } else {
            read(&message.payload, index)
        };
        let Some(now) = now else { continue };
        if now != last {
            last = now;
            ready = news.send(now).await;
        }
    }
}

async fn query(handle: &Handle, name: &str) -> Option<LinkMessage> {
    let mut found = std::pin::pin!(handle.link().get().match_name(name.to_owned()).execute());
    found.next().await?.ok()
}

fn read(payload: &NetlinkPayload<RouteNetlinkMessage>, index: u32) -> Option<News> {
    let NetlinkPayload::InnerMessage(message) = payload else { return None };
    if let RouteNetlinkMessage::NewLink(link) = message {
        return (link.header.index == index).then(|| here(link));
    }
    if let RouteNetlinkMessage::DelLink(link) = message {
        return (link.header.index == index).then_some(News::Left);
    }
    None
}

fn here(link: &LinkMessage) -> News {
    let mtu = link.attributes.iter().find_map(|attribute| {
        let LinkAttribute::Mtu(mtu) = attribute else { return None };
        Some(*mtu)
    });
    News::Here { mtu: mtu.unwrap_or(0), up: link.header.flags.contains(LinkFlags::Up) }
}
