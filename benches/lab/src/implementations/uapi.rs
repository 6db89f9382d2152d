//! The client's half of the cross-platform `wg` userspace interface (wireguard.com/xplatform).

use crate::{Error, Result};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// No implementation needs longer to answer; one that hangs is told from one that works.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read at most.
const ANSWER_LEN_MAX: u64 = 16 << 20;

/// A device as an experiment wants it.
#[derive(Clone, Debug, Default)]
pub struct DeviceConfig {
    /// The private key, if it should change.
    pub private_key: Option<[u8; 32]>,
    /// The UDP port, if it should change; 0 lets the device choose.
    pub listen_port: Option<u16>,
    /// Whether peers that are not listed go.
    pub replace_peers: bool,
    /// Peers to add or change.
    pub peers: Vec<PeerConfig>,
}

/// A peer as an experiment wants it.
#[derive(Clone, Debug, Default)]
pub struct PeerConfig {
    /// Who it is.
    pub public_key: [u8; 32],
    /// Take it away instead.
    pub remove: bool,
    /// The pre-shared key, if it should change; zeros for none.
    pub preshared_key: Option<[u8; 32]>,
    /// Where it is reached, if that should change.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between persistent keepalives, if that should change; 0 for none.
    pub keepalive_secs: Option<u16>,
    /// Whether allowed IPs that are not listed go.
    pub replace_allowed_ips: bool,
    /// Ranges in the form `address/prefix`.
    pub allowed_ips: Vec<String>,
}

impl DeviceConfig {
    /// The text of a `set` operation, without its first and last line.
    pub fn to_uapi(&self) -> String {
        let mut text = String::new();
        if let Some(key) = self.private_key {
            line(&mut text, "private_key", hex::encode(key));
        }
        if let Some(port) = self.listen_port {
            line(&mut text, "listen_port", port);
        }
        if self.replace_peers {
            line(&mut text, "replace_peers", true);
        }
        self.peers.iter().for_each(|peer| peer.write_uapi(&mut text));
        text
    }

    /// The same as a file for `wg setconf`.
    pub fn to_wg(&self) -> String {
        use base64::Engine as _;
        let base64 = |key: [u8; 32]| base64::engine::general_purpose::STANDARD.encode(key);
        let mut text = "[Interface]\n".to_owned();
        if let Some(key) = self.private_key {
            line(&mut text, "PrivateKey", base64(key));
        }
        if let Some(port) = self.listen_port {
            line(&mut text, "ListenPort", port);
        }
        for peer in self.peers.iter().filter(|peer| !peer.remove) {
            text.push_str("[Peer]\n");
            line(&mut text, "PublicKey", base64(peer.public_key));
            line(&mut text, "AllowedIPs", peer.allowed_ips.join(","));
            if let Some(key) = peer.preshared_key {
                line(&mut text, "PresharedKey", base64(key));
            }
            if let Some(endpoint) = peer.endpoint {
                line(&mut text, "Endpoint", endpoint);
            }
            if let Some(secs) = peer.keepalive_secs {
                line(&mut text, "PersistentKeepalive", secs);
            }
        }
        text
    }
}

impl PeerConfig {
    fn write_uapi(&self, text: &mut String) {
        line(text, "public_key", hex::encode(self.public_key));
        if self.remove {
            return line(text, "remove", true);
        }
        if let Some(key) = self.preshared_key {
            line(text, "preshared_key", hex::encode(key));
        }
        if let Some(endpoint) = self.endpoint {
            line(text, "endpoint", endpoint);
        }
        if let Some(secs) = self.keepalive_secs {
            line(text, "persistent_keepalive_interval", secs);
        }
        if self.replace_allowed_ips {
            line(text, "replace_allowed_ips", true);
        }
        self.allowed_ips.iter().for_each(|range| line(text, "allowed_ip", range));
    }
}

fn line(text: &mut String, key: &str, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _infallible = writeln!(text, "{key}={value}");
}

/// The socket of one device.
#[derive(Clone, Debug)]
pub struct Uapi {
    path: PathBuf,
}

impl Uapi {
    /// The socket of the interface of this name; nothing is opened yet.
    pub fn of(interface: &str) -> Self {
        Self { path: Path::new("/var/run/wireguard").join(format!("{interface}.sock")) }
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes the device.
    ///
    /// # Errors
    /// When the device does not answer, or answers with an errno other than 0.
    pub fn set(&self, config: &DeviceConfig) -> Result<()> {
        self.ask(&format!("set=1\n{}\n", config.to_uapi())).map(|_lines| ())
    }

    /// The device's state as key and value lines, in order, secrets included.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn state(&self) -> Result<Vec<(String, String)>> {
        self.ask("get=1\n\n")
    }

    /// Sends one operation as it stands (also a senseless one) and reads the answer's lines, `errno` taken out.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn ask(&self, operation: &str) -> Result<Vec<(String, String)>> {
        let text =
            self.exchange(operation).map_err(|error| Error::io(self.path.display().to_string(), error))?;
        let mut lines: Vec<(String, String)> = text
            .lines()
            .filter_map(|line| {
                line.split_once('=').map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
            })
            .collect();
        let errno = lines.iter().position(|(key, _)| key == "errno").map(|at| lines.remove(at).1);
        match errno.as_deref() {
            Some("0") => Ok(lines),
            Some(errno) => Err(Error::Tunnel(format!("{} answered errno={errno}", self.path.display()))),
            None => Err(Error::Tunnel(format!("{} gave no errno", self.path.display()))),
        }
    }

    fn exchange(&self, operation: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(&self.path)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        stream.write_all(operation.as_bytes())?;
        // An operation ends with an empty line; implementations keep the connection for the next, so
        // reading to its end would wait for ever.
        let mut text = Vec::new();
        let mut chunk = [0; 4_096];
        while !text.ends_with(b"\n\n") && (text.len() as u64) < ANSWER_LEN_MAX {
            match stream.read(&mut chunk)? {
                0 => break,
                len => text.extend_from_slice(&chunk[..len]),
            }
        }
        String::from_utf8(text).map_err(|_| std::io::ErrorKind::InvalidData.into())
    }
}
