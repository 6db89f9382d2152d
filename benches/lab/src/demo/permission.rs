//! The demonstration's guest: may do nothing, is allowed one thing for a few seconds, does it, and may do nothing again.

use super::circle::{LIMIT, Story, first_address, join, text};
use crate::device::Device;
use crate::{Error, Result, clock};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Where a game would listen.
const PORT: u16 = 25_565;
/// How long an attempt to connect may take; what is not allowed is not answered.
const PATIENCE: Duration = Duration::from_millis(700);

/// What one device lets a guest do, and for how long.
///
/// # Errors
/// When a command fails, or a packet passes or is dropped that should not be.
pub(super) fn show(story: &mut Story<'_>, desk: &Device, friend: &Device) -> Result<()> {
    let code = text(&desk.ask("invite --guest", "")?["code"]);
    story.step("friend: `ringmesh join`, by `ringmesh invite --guest`", || join(friend, &code))?;
    friend.ask("wait desk --timeout 20s", "")?;
    let address = first_address(&friend.ask("whois desk", "")?);
    let to =
        format!("{address}:{PORT}").parse().map_err(|_| Error::Tunnel("desk has no address".to_owned()))?;
    let listener = desk.host.enter(|| TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, PORT)))?;
    let game = listener.map_err(|error| Error::io("listening on desk", error))?;
    game.set_nonblocking(true).map_err(|error| Error::io("listening on desk", error))?;
    story.step("friend: a game on desk, unasked", || {
        let came = connects(friend, to, &game)?;
        if came {
            Err(Error::Tunnel("a guest came in unasked".to_owned()))
        } else {
            Ok(((), "desk does not answer".to_owned()))
        }
    })?;
    let allowed = story.step(&format!("desk: `ringmesh allow friend tcp/{PORT} --for 4s`"), || {
        let permitted = desk.ask(&format!("allow friend tcp/{PORT} --for 4s"), "")?;
        Ok((clock::now(), text(&permitted["preview"])))
    })?;
    story.step("friend: the same game", || {
        let came = clock::until(LIMIT, || connects(friend, to, &game).ok().filter(|came| *came));
        came.map(|_| ((), "connected".to_owned()))
            .ok_or_else(|| Error::Tunnel("what was allowed did not pass".to_owned()))
    })?;
    story.step("friend: once more, after that", || {
        let gone = clock::until(LIMIT, || connects(friend, to, &game).ok().filter(|came| !came));
        let after = (clock::now() - allowed).as_secs_f64();
        gone.map(|_| ((), format!("it ended by itself, {after:.1} s after it was allowed")))
            .ok_or_else(|| Error::Tunnel("a permission did not end".to_owned()))
    })
}

/// Whether a connection comes about on both sides: the permission may end after the friend's first packet and before its
/// second, and then only the friend believes in it.
fn connects(from: &Device, to: SocketAddr, game: &TcpListener) -> Result<bool> {
    let came = from.host.enter(|| TcpStream::connect_timeout(&to, PATIENCE).is_ok())?;
    Ok(came && clock::until(PATIENCE, || game.accept().ok()).is_some())
}
