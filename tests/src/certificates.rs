//! Certificates made for one test: an authority, a server, devices.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

/// An authority in a folder: `ca.pem`, and what it has signed.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// Files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct Files {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// Makes one.
    pub fn new(folder: &Path) -> Self {
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        // A name of its own: one whose issuer has its name would look self-signed.
        parameters.distinguished_name.push(DnType::CommonName, "authority of a test");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Authority {
            issuer,
            folder: folder.to_owned(),
        }
    }

    /// Its own certificate.
    pub fn file(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// A certificate for this machine, with a name of its own besides; overwrites the one before.
    pub fn server(&self, name: &str) -> Files {
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned(), name.to_owned()]).unwrap();
        parameters.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        write(&self.folder, "server", &certificate.pem(), &key.serialize_pem())
    }
}

impl Authority {
    /// A certificate of a server among the others of its cluster.
    pub fn peer(&self, file: &str) -> Files {
        let parameters = CertificateParams::new(vec!["pacificsoft-cluster".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        write(&self.folder, file, &certificate.pem(), &key.serialize_pem())
    }

    /// A certificate of a device, with the authority's own behind it.
    pub fn device(&self, common_name: &str) -> Files {
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let name = common_name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        write(
            &self.folder,
            &name,
            &[certificate.pem(), self.issuer.pem()].concat(),
            &key.serialize_pem(),
        )
    }
}

/// A certificate that nobody has signed but its owner.
pub fn self_signed(folder: &Path, name: &str) -> Files {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    write(folder, name, &made.cert.pem(), &made.signing_key.serialize_pem())
}

/// One whose time is over.
pub fn expired(folder: &Path, name: &str) -> Files {
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    write(folder, name, &certificate.pem(), &key.serialize_pem())
}

fn write(folder: &Path, name: &str, certificate: &str, key: &str) -> Files {
    let file = |end: &str, text: &str| {
        let path = folder.join(format!("{name}.{end}"));
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    Files {
        key: file("key", key),
        certificate: file("pem", certificate),
    }
}
