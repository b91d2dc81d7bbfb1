//! What a broker that is not open to everybody needs: certificates and access rights.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// An authority, and what it has signed: a broker on 127.0.0.1 and a client.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

/// The distinguished name of the client.
const CLIENT: &str = "/CN=appmi-client";

impl Certificates {
    /// Makes them, with the `openssl` that Java's own certificates bring along.
    ///
    /// # Panics
    /// If that fails.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("appmi-tls-")
            .tempdir()
            .expect("a temporary folder can be made");
        let certificates = Self { folder };
        certificates.openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        );
        certificates.sign("broker", "/CN=broker", "subjectAltName=IP:127.0.0.1");
        certificates.sign("client", CLIENT, "extendedKeyUsage=clientAuth");
        let both = ["broker.key", "broker.pem"].map(|name| {
            fs::read_to_string(certificates.file(name)).expect("openssl has written it")
        });
        fs::write(certificates.file("broker-store.pem"), both.concat())
            .expect("the temporary folder can be written");
        certificates
    }

    fn sign(&self, name: &str, subject: &str, extension: &str) {
        fs::write(self.file("extension"), extension).expect("the temporary folder can be written");
        self.openssl(&format!(
            "req -new -newkey rsa:2048 -nodes -subj {subject} -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -days 2 -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile extension \
             -out {name}.pem"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_ascii_whitespace());
        let output = command.current_dir(self.folder.path()).output();
        let output = output.expect("openssl starts");
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The certificate of the authority.
    pub fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// The client's certificate and its key.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.file("client.pem"), self.file("client.key"))
    }

    /// The name of the client as brokers know it.
    pub fn client_principal() -> String {
        format!("User:{}", CLIENT.trim_start_matches('/'))
    }

    /// What a broker is told of its own certificate and of whose it trusts.
    pub fn broker_properties(&self) -> Vec<(String, String)> {
        let path = |path: &Path| path.display().to_string();
        [
            ("ssl.keystore.type", "PEM".to_owned()),
            (
                "ssl.keystore.location",
                path(&self.file("broker-store.pem")),
            ),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", path(&self.authority())),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

/// A right on a resource, in the numbers of Kafka's protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    resource: i8,
    name: String,
    pattern: i8,
    operation: i8,
}

const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;

impl Acl {
    /// To read; a group too.
    pub const READ: i8 = 3;
    /// To write.
    pub const WRITE: i8 = 4;
    /// To create.
    pub const CREATE: i8 = 5;
    /// To delete.
    pub const DELETE: i8 = 6;
    /// To look at settings.
    pub const DESCRIBE_CONFIGS: i8 = 10;

    /// On a topic.
    pub fn topic(operation: i8, name: &str) -> Self {
        Self::new(2, name, LITERAL, operation)
    }

    /// On a group.
    pub fn group(operation: i8, name: &str) -> Self {
        Self::new(3, name, LITERAL, operation)
    }

    /// On every transactional id with a prefix.
    pub fn transactional_ids(operation: i8, prefix: &str) -> Self {
        Self::new(5, prefix, PREFIXED, operation)
    }

    fn new(resource: i8, name: &str, pattern: i8, operation: i8) -> Self {
        Self {
            resource,
            name: name.to_owned(),
            pattern,
            operation,
        }
    }
}

/// Grants rights to users, `User:name`, through a listener whose clients may do that: one request of Kafka's
/// protocol (CreateAcls, version 1), for no client of Rust's has it.
///
/// # Panics
/// If the broker refuses.
pub fn allow(bootstrap: &str, grants: &[(String, Acl)]) {
    let mut request = Vec::new();
    request.extend(30_i16.to_be_bytes());
    request.extend(1_i16.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    put_text(&mut request, "tests");
    request.extend(length_of(grants).to_be_bytes());
    for (principal, acl) in grants {
        request.extend(acl.resource.to_be_bytes());
        put_text(&mut request, &acl.name);
        request.extend(acl.pattern.to_be_bytes());
        put_text(&mut request, principal);
        put_text(&mut request, "*");
        request.extend(acl.operation.to_be_bytes());
        // To be allowed.
        request.extend(3_i8.to_be_bytes());
    }
    let response = exchange(bootstrap, &request).expect("the broker answers");
    // Correlation id, throttle time, and a result for each.
    assert_eq!(&response[8..12], length_of(grants).to_be_bytes());
    let mut results = &response[12..];
    for grant in grants {
        assert_eq!(results[..2], [0, 0], "{grant:?} was refused");
        // With a message of none.
        let length = i16::from_be_bytes([results[2], results[3]]);
        results = &results[4 + usize::try_from(length).unwrap_or(0)..];
    }
}

fn exchange(bootstrap: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(bootstrap)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(&length_of(request).to_be_bytes())?;
    stream.write_all(request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut response = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap_or(0)];
    stream.read_exact(&mut response)?;
    Ok(response)
}

fn put_text(request: &mut Vec<u8>, text: &str) {
    let length = i16::try_from(text.len()).expect("a short text");
    request.extend(length.to_be_bytes());
    request.extend(text.as_bytes());
}

fn length_of<T>(list: &[T]) -> i32 {
    i32::try_from(list.len()).expect("a short list")
}
