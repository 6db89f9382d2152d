//! The beacon's side of TLS 1.3: a self-made certificate of the beacon's own key, or one of an authority.
//!
//! Devices that know the beacon's key do not look at certificates (the key signs the channel itself, see
//! [`ringmesh_mesh::beacon`]); one of an authority serves those that do not know it yet.

use std::path::Path;
use std::sync::Arc;

use ringmesh_mesh::beacon::{ALPN, Binding, EXPORTER};
use ringmesh_mesh::identity::SigningKey;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::problem::Problem;

/// How RFC 8410 (section 7) wraps the seed of an Ed25519 key into PKCS #8.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A certificate chain and its key.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// A certificate that the beacon's key signs for itself. Nobody has to believe it.
    pub(crate) fn self_made(key: &SigningKey, host: &str) -> Result<Self, Problem> {
        let bad = |error: rcgen::Error| Problem::Certificate(error.to_string());
        let pkcs8 = Zeroizing::new([&PKCS8_PREFIX[..], key.expose()].concat());
        let der = PrivatePkcs8KeyDer::from(pkcs8.to_vec());
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).map_err(bad)?;
        let parameters = rcgen::CertificateParams::new(vec![host.to_owned()]).map_err(bad)?;
        let certificate = parameters.self_signed(&pair).map_err(bad)?;
        Ok(Self { chain: vec![certificate.der().clone()], key: der.into() })
    }

    /// A certificate from files.
    pub(crate) fn load(chain: &Path, key: &Path) -> Result<Self, Problem> {
        let bad = |path: &Path, error: rustls::pki_types::pem::Error| {
            Problem::Certificate(format!("{}: {error}", path.display()))
        };
        let read = CertificateDer::pem_file_iter(chain).map_err(|error| bad(chain, error))?;
        let read = read.collect::<Result<Vec<_>, _>>().map_err(|error| bad(chain, error))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error))?;
        Ok(Self { chain: read, key })
    }

    /// What accepts connections.
    pub(crate) fn config(self) -> Result<Arc<ServerConfig>, Problem> {
        let bad = |error: rustls::Error| Problem::Certificate(error.to_string());
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(bad)?
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key)
            .map_err(bad)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Nothing is worth resuming: a session is one connection, and each signs its own channel.
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// What both ends of a connection, and nobody else, know of it.
pub(crate) fn binding(connection: &rustls::ServerConnection) -> Option<Binding> {
    connection.export_keying_material([0; 32], EXPORTER, None).ok().map(Binding)
}
